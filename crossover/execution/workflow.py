"""All that the library knows of Snakemake: the graph of jobs as plain data, and the commands that other tools run.

No other module of the library imports Snakemake; nothing that computes imports this one. Snakemake has no public
interface for two things that are needed here, so parts of it are used that its documentation does not name:

- `crossover plan`, `verify` and `dvc` need every job of the graph with its files and parameters. The public
  interface prints a graph and returns none (`read_workflow`).
- A run must know which results are not those of the plan before Snakemake says "Nothing to be done", and between
  the graph and that message Snakemake calls nothing of a workflow. So the jobs are found from the rules
  (`planned_jobs`), and what must be made again is added to what `--forcerun` names (`force`).

Snakemake's own files are not read. `.snakemake/metadata`, by which it knows unchanged inputs whatever their time,
is only named, for it travels with the results.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from os.path import relpath
from pathlib import Path
from typing import Any

import yaml

from crossover.core.configuration import ConfigError
from crossover.study.plan import Plan
from crossover.study.schema import Study

PROFILE = Path("profiles/default/profile.yaml")
METADATA = Path(".snakemake/metadata")
"""The folder in which Snakemake keeps what it knows of each output."""

MAKE_STUDY = "snakemake --config studies={study} -- studies"
"""Makes all of one study but the report."""
MAKE_REPORT = "snakemake --allowed-rules report all"
"""Makes the report, and refuses to run anything else."""


@dataclass(frozen=True)
class Job:
    """One job of the graph; files are relative to the workflow's folder."""

    rule: str
    wildcards: dict[str, str]
    outputs: list[Path]
    inputs: list[Path]
    settings: Any
    code: dict[str, Any]
    threads: int = 1
    needed: bool = False
    """Whether Snakemake would run it, for a `reason` in its own words; known of the graph's jobs only."""
    reason: str = ""
    depends: list[int] = field(default_factory=list)
    """Places of the jobs whose outputs it reads, in the list of all."""


@dataclass(frozen=True)
class Workflow:
    """The graph, inputs before what reads them, and the studies that it is made of."""

    jobs: list[Job]
    studies: dict[str, Study]
    plans: dict[str, Plan]
    cores: int
    disk_check: bool = True
    """Whether the run is refused where the disk seems too small."""


def read_workflow(
    config: dict[str, Any], cores: int, targets: Iterable[str] = (), checked: bool = True
) -> Workflow:
    """Build the graph in the current folder as `snakemake` would, with the default profile, and run nothing.

    Args:
        config: as after `snakemake --config`.
        targets: rules or files; the default target where none is given.
        checked: whether results are compared with their records (`preflight.check_results`).

    Raises:
        ConfigError: with what Snakemake or the workflow found wrong.
    """
    from humanfriendly import parse_size
    from snakemake.api import SnakemakeApi
    from snakemake.exceptions import WorkflowError
    from snakemake.settings import types

    if not checked:
        os.environ["CROSSOVER_UNCHECKED"] = "1"
    profile = yaml.safe_load(PROFILE.read_text())
    output = types.OutputSettings(quiet={types.Quietness.ALL}, stdout=False)
    triggers = types.RerunTrigger.parse_choices_set(profile["rerun-triggers"])
    size = parse_size(profile["max-checksum-file-size"])
    with SnakemakeApi(output) as api:
        try:
            workflow = api.workflow(
                types.ResourceSettings(cores=cores),
                config_settings=types.ConfigSettings(config=config),
                snakefile=Path("Snakefile"),
            )
            workflow.dag(
                types.DAGSettings(
                    targets=frozenset(targets),
                    rerun_triggers=triggers,
                    max_checksum_file_size=size,
                    force_incomplete=profile["rerun-incomplete"],
                )
            )
            inner = workflow._workflow  # what `snakemake --summary` does, without printing
            inner._prepare_dag(forceall=False, ignore_incomplete=False, lock_warn_only=True)
            inner._build_dag()
            known = inner.globals
            check = known["SETTINGS"].disk_check
            return Workflow(jobs(inner.dag), known["STUDIES"], known["PLANS"], cores, check)
        except WorkflowError as error:
            raise ConfigError(str(error)) from None


def jobs(dag: Any) -> list[Job]:
    """Return the jobs of Snakemake's graph that make files, inputs before what reads them."""
    levels = [sorted(level, key=lambda j: (j.rule.name, *j.output)) for level in dag.toposorted()]
    ordered = [job for level in levels for job in level if job.output]
    places = {job: i for i, job in enumerate(ordered)}
    return [
        Job(
            rule=job.rule.name,
            wildcards=dict(job.wildcards_dict),
            outputs=[Path(f) for f in job.output],
            inputs=[Path(f) for f in job.input],
            settings=json.loads(job.params.get("cfg", "{}")),
            code=json.loads(job.params.code),
            threads=job.threads,
            needed=dag.needrun(job),
            reason=str(dag.reason(job)),
            depends=sorted(places[other] for other in dag.dependencies[job]),
        )
        for job in ordered
    ]


def planned_jobs(workflow: Any) -> Iterator[Job]:
    """Yield the jobs that the targets of a run need and whose outputs are there, before the graph is built."""
    from snakemake.io import Wildcards
    from snakemake.output_index import OutputIndex

    rules, producers = {rule.name: rule for rule in workflow.rules}, OutputIndex(workflow.rules)
    waiting = list(workflow.dag_settings.targets) or [workflow.default_target]
    seen = set()
    while waiting:
        target = waiting.pop()
        rule = rules.get(target) or next(iter(producers.match_producers(relpath(target))), None)
        found = rule and rule.output and rule.get_wildcards(relpath(target))
        key = rule and (rule.name, *(found or {}).items())
        if not key or key in seen:
            continue
        seen.add(key)
        wildcards = Wildcards(fromdict=found or {})
        inputs = [str(path) for path in rule.expand_input(wildcards)[0]]
        waiting += inputs
        outputs = [Path(path.apply_wildcards(wildcards)) for path in rule.output]
        if any(path.exists() for path in outputs):
            cfg, code = (rule.params.get(name, "{}") for name in ("cfg", "code"))
            yield Job(
                rule=rule.name,
                wildcards=found,
                outputs=outputs,
                inputs=list(map(Path, inputs)),
                settings=json.loads(cfg(wildcards) if callable(cfg) else cfg),
                code=json.loads(code(wildcards) if callable(code) else code),
            )


def force(workflow: Any, again: Iterable[Job]) -> None:
    """Have Snakemake make the outputs of jobs again, of rules that this run may run."""
    settings = workflow.dag_settings
    may = [job for job in again if job.rule in (settings.allowed_rules or {job.rule})]
    outputs = {str(path) for job in may for path in job.outputs}
    settings.forcerun = frozenset({*settings.forcerun, *outputs})

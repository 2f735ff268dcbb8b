"""All that the library knows of Snakemake: the graph of jobs as plain data, the records that Snakemake 9 keeps of
what made a file (`.snakemake/metadata/<coded path>`), and the commands that other tools run.

No other module of the library imports Snakemake or reads its files; nothing that computes imports this one.
"""

from __future__ import annotations

import json
import os
from ast import literal_eval
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from crossover.core.configuration import ConfigError
from crossover.core.files import read_json_or_none
from crossover.study.plan import Plan
from crossover.study.schema import Study

PROFILE = Path("profiles/default/profile.yaml")
RECORDS = Path(".snakemake/metadata")
"""The folder of the records."""
UNFINISHED = Path(".snakemake/incomplete")
NAME_MAX = 255
"""Longest name of a file: a longer coded path is cut, its beginnings being folders with an @."""

MAKE_STUDY = "snakemake --config studies={study} -- studies"
"""Makes all of one study but the report."""
MAKE_REPORT = "snakemake --allowed-rules report all"
"""Makes the report, and refuses to run anything else."""


@dataclass(frozen=True)
class Record:
    """What Snakemake keeps of the job that made a file."""

    rule: str
    parameters: tuple[str, ...]
    """Their values; each parameter of this workflow's rules is a text."""
    inputs: dict[str, str]
    """Input -> SHA-256, of those that Snakemake took the checksum of."""
    begun: float
    """Seconds since the epoch, like `ended`."""
    ended: float


def read_record(output: Path, root: Path = Path(".")) -> Record | None:
    """The record of an output (path relative to `root`), None where there is none that can be read."""
    kept = read_json_or_none(root / RECORDS / coded(output))
    if kept is None:
        return None
    checksums = {
        p: str(c).removeprefix("sha256:") for p, c in kept.get("input_checksums", {}).items()
    }
    return Record(
        rule=kept.get("rule", ""),
        parameters=tuple(map(literal_eval, kept.get("params") or ())),
        inputs=checksums,
        begun=kept.get("starttime", 0.0),
        ended=kept.get("endtime", 0.0),
    )


def is_unfinished(output: Path, root: Path = Path(".")) -> bool:
    """Whether a job is making the output now, or was killed while it did; Snakemake makes it again."""
    return (root / UNFINISHED / coded(output)).exists()


def coded(output: Path) -> str:
    """The path of an output as its record is named."""
    text = urlsafe_b64encode(str(output).encode()).decode()
    parts = [text[i : i + NAME_MAX - 1] for i in range(0, len(text), NAME_MAX - 1)]
    return "/".join(["@" + part for part in parts[:-1]] + [parts[-1]])


@dataclass(frozen=True)
class Job:
    """One job of the graph; files are relative to the workflow's folder."""

    rule: str
    wildcards: dict[str, str]
    outputs: list[Path]
    inputs: list[Path]
    settings: Any
    code: dict[str, Any]
    threads: int
    needed: bool
    reason: str
    """In Snakemake's words."""
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
        checked: whether results that nothing vouches for are refused.

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
    """The jobs that make files, in order."""
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

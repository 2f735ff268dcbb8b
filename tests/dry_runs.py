"""Dry runs by the hundred: a copy of the workflow, results that were never computed, and processes that fork.

`pretend` writes a file for every output of the graph, with the job's provenance record and with the record that
Snakemake's own code writes when a job has finished; from there a dry run can't tell it from a run. A *server* imports
Snakemake and the library once and builds the graph in a fork for each request, so that a dry run costs what
the graph costs.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from crossover.core import source_code

ROOT = Path(__file__).parent.parent
WORKFLOW = (
    "Snakefile", "rules", "config", "profiles", "crossover", "workflow_scripts", "envs",
)  # fmt: skip


def copy_workflow(folder: Path) -> Path:
    """All that `snakemake` needs, with nothing computed; what Python has compiled and what was read of the sources
    comes along, as it would be there after a first run."""
    source_code.code_digest(*(str(path.relative_to(ROOT)) for path in ROOT.glob("crossover/**/*.py")))
    folder.mkdir(parents=True, exist_ok=True)
    for name in (*WORKFLOW, str(source_code.FOLDER)):
        source = ROOT / name
        if source.is_dir():
            unfinished = shutil.ignore_patterns("*.pyc.*", "*.part")  # of another worker
            shutil.copytree(source, folder / name, ignore=unfinished, dirs_exist_ok=True)
        else:
            shutil.copy(source, folder / name)
    return folder


class Server:
    """Answers what a dry run in a folder would do, or pretends the run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__)), str(folder)], env=environment, cwd=folder, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def ask(self, **request) -> dict:
        """Keys: config (as after `--config`); pretend: to write "outputs" or "records"; why: with the forecast;
        changed: see the method.

        Returns:
            {"jobs": rows of `crossover.execution.forecast.forecast`, or their rule, study, cohort, outputs, place in
            the graph, places of what they depend on, and entries of their code} or {"refused": why}.
        """
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "crashed" in answer:
            raise RuntimeError(answer["crashed"])
        return answer

    def changed(self, config: dict, file: str, texts: list[str]) -> list[list[str] | str | None]:
        """What each text of a study's file would change, by the rules' own functions, of one graph for all texts.

        Returns:
            For each text the first outputs of the jobs of which a parameter would be another; None if it would make
            other jobs, or jobs that read other files; or why it is refused.
        """
        return self.ask(config=config, changed=[file, texts])["changed"]

    def pretend(self, config: dict) -> None:
        """Records in a process of their own, since Snakemake remembers which files it saw."""
        for what in ("outputs", "records"):
            answer = self.ask(config=config, pretend=what)
            assert answer == {}, answer

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()


# ---- in the server's process


def serve() -> None:
    for line in sys.stdin:
        request, (reader, writer) = json.loads(line), os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            with os.fdopen(writer, "w") as out:
                json.dump(_answer(**request), out)
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as answer:
            text = answer.read()
        os.waitpid(child, 0)
        print(text or '{"crashed": "the dry run ended without an answer"}', flush=True)


def _answer(config: dict, pretend: str = "", why: bool = False, changed: Sequence = ()) -> dict:
    import traceback
    from dataclasses import asdict

    from crossover.core.configuration import ConfigError
    from crossover.execution import workflow
    from crossover.execution.forecast import forecast

    try:
        if pretend:
            sys.argv[1:] = ["--unlock"]  # outputs without records are refused
            workflow.jobs = _outputs if pretend == "outputs" else _records
            workflow.read_workflow(config, 2)
            return {}
        if changed:
            answers: list = []
            workflow.jobs = lambda dag: answers.extend(_changed(dag, *changed)) or []
            workflow.read_workflow(config, 2, checked=False)
            return {"changed": answers}
        found = workflow.read_workflow(config, 2)
        named = [_named(i, job) for i, job in enumerate(found.jobs) if job.needed]
        return {"jobs": [asdict(row) for row in forecast(found)] if why else named}
    except ConfigError as error:
        return {"refused": str(error)}
    except BaseException:
        return {"crashed": traceback.format_exc()}


def _named(place: int, job) -> dict:
    return {
        "rule": job.rule,
        "study": job.wildcards.get("study"),
        "cohort": job.wildcards.get("cohort"),
        "outputs": [str(job.outputs[0])],
        "place": place,
        "depends": job.depends,
        "entries": job.code["entries"],
    }


def _changed(dag, file: str, texts: list[str]) -> Iterator:
    """See `Server.changed`. The studies are read and checked as rules/common.smk does it."""
    from crossover.core.configuration import ConfigError
    from crossover.execution.preflight import check, check_weights
    from crossover.statistics.papers.claims.check import check_claims
    from crossover.study.config import load_studies
    from crossover.study.plan import plan

    jobs, names = _ordered(dag), dag.workflow.globals
    planned, inputs, parameters = names["planned"](), *_read_by(jobs)
    for text in texts:
        Path(file).write_text(text)
        try:
            studies = load_studies(names["SETTINGS"])
            check(studies)
            check_claims(studies)
            check_weights(studies, dry=True)
        except ConfigError as error:
            yield str(error)
            continue
        names["STUDIES"].update(studies)
        names["PLANS"].update({name: plan(study) for name, study in studies.items()})
        for asked_once in ("received", "tables_of"):
            names[asked_once].cache_clear()
        if names["planned"]() != planned:
            yield None
            continue
        read, given = _read_by(jobs)
        others = [job for job, now, before in zip(jobs, given, parameters) if now != before]
        yield [str(job.output[0]) for job in others] if read == inputs else None


def _read_by(jobs: list) -> tuple[list, list]:
    """The inputs of each job and the parameters for which Snakemake runs it again, as its rule gives them now."""
    inputs = [job.rule.expand_input(job.wildcards)[0] for job in jobs]
    given = [job.rule.expand_params(job.wildcards, read, job.output, job)[1] for job, read in zip(jobs, inputs)]
    return [list(map(str, read)) for read in inputs], given


def _outputs(dag) -> list:
    """Write every job's outputs and their record, inputs before what reads them."""
    from crossover.core import provenance
    from crossover.sources.redaction import without_places

    for job in _ordered(dag):
        outputs = [Path(f) for f in job.output]
        for path in outputs:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text('{"items": {}}' if path.suffix == ".json" else "patient\n")
        settings, code = (json.loads(job.params.get(n, "{}")) for n in ("cfg", "code"))
        for stage in settings.get("stages", []) if job.rule.name == "train" else []:
            record = outputs[0].parent / stage["name"] / "record.json"
            record.parent.mkdir(exist_ok=True)
            record.write_text('{"steps": 10, "seconds": 1.0}')
        read = provenance.digest_files(Path(f) for f in job.input)
        provenance.write_records(outputs, read, settings, code["entries"], redact=without_places, seconds=1.0)
    return []


def _records(dag) -> list:
    import asyncio

    from snakemake.settings.types import ExecutionSettings

    dag.workflow.execution_settings = ExecutionSettings()
    for job in _ordered(dag):
        asyncio.run(dag.workflow.persistence.finished(job))
    return []


def _ordered(dag) -> list:
    return [job for level in dag.toposorted() for job in level if job.output]


OF_TABLES = ("crossover.sources.openkbp", "crossover.sources.volumes")
"""What the graphs of real patients in tables import as well."""
_PARSED: dict[tuple, object] = {}
"""Text of rules, or of YAML, with its reader -> what was read: the same in every graph but for the file that a
test writes."""


def _read_once() -> None:
    """Let Snakemake's parser and YAML read a text that they have read before from memory."""
    import yaml

    importlib.import_module("snakemake.api")  # before its workflow: they import each other
    from snakemake import workflow

    parse, load = workflow.parse, yaml.load

    def parse_once(path, own, linemap, overwrite_shellcmd=None, rulecount=0):
        key = (Path(path.get_path_or_uri(secret_free=True)).read_text(), rulecount)
        if key not in _PARSED:
            found = {}
            _PARSED[key] = (*parse(path, own, found, overwrite_shellcmd, rulecount), found)
        code, count, found = _PARSED[key]
        linemap |= found
        return code, count

    def load_once(text, Loader):
        if not isinstance(text, str):
            return load(text, Loader)
        key = (text, Loader.__module__, Loader.__qualname__)
        if key not in _PARSED:
            _PARSED[key] = pickle.dumps(load(text, Loader))
        return pickle.loads(_PARSED[key])

    workflow.parse, yaml.load = parse_once, load_once


def _warm(configs: list[dict]) -> None:
    """Import and read what every graph needs: what the first ones, in a fork, have imported and read."""
    from crossover.core.source_code import code_digest

    _read_once()
    code_digest(*map(str, [*Path("workflow_scripts").glob("*.py"), *Path("crossover").rglob("*.py")]))
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        for config in configs:
            _answer(config)
        others = [n for n in sys.modules if n.partition(".")[0] not in sys.stdlib_module_names]
        with os.fdopen(writer, "wb") as out:
            pickle.dump((sorted(others), _PARSED), out)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as told:
        names, parsed = pickle.load(told)
    os.waitpid(child, 0)
    _PARSED.update(parsed)
    for name in (*names, *OF_TABLES):
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    _read_what_stays(configs)


def _read_what_stays(configs: list[dict]) -> None:
    """Architectures, analyses and digests of ImageNet weights, which the library reads once in a process."""
    from crossover.analyses import registry
    from crossover.core.configuration import read_yaml
    from crossover.execution.preflight import check, check_weights
    from crossover.study.config import load_settings, load_studies

    registry.analyses()
    for config in configs:
        studies = load_studies(load_settings(read_yaml(Path("config/config.yaml")) | config))
        check(studies)
        check_weights(studies, dry=True)


if __name__ == "__main__":
    sys.path[0] = sys.argv[1]  # the folder's own library
    _warm([{"scale": "smoke"}])
    gc.freeze()
    gc.disable()  # each fork is short
    serve()

"""What a run began with: settings and code of its jobs, so that no job of it is made with a later edit.

A job on a node of a cluster is started by a Snakemake of its own, which reads configuration and code as they are then.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from crossover.core.files import digest, file_digest, read_json_or_none, write_json
from crossover.core.source_code import code_digest, source_digest, sources
from crossover.core.wording import first_few

VARIABLE = "CROSSOVER_RUN"
"""The variable of the environment by which a run names its file to its jobs."""
FOLDER = Path(".cache/begun")
CONFIG = Path("config")
REMEDY = (
    "put it back as it was, or end the run and start it again: what is done is kept, but for what the change requires"
)


def begin(names: Iterable[str], jobs: Mapping[str, tuple[Any, Mapping]]) -> None:
    """Keep what a run begins with, and name the file in the environment of its jobs.

    Args:
        names: of its studies and cohorts, which no other run has at the same time.
        jobs: the first output of each job -> its settings and code, as the rules' parameters have them.
    """
    digests = {output: [digest(settings), code["digest"]] for output, (settings, code) in jobs.items()}
    entries = {entry for _, code in jobs.values() for entry in code["entries"]}
    path = FOLDER / f"{digest(sorted(names))}.json"
    write_json(path, {"jobs": digests, "code": sources(*sorted(entries)), "configuration": _configuration()})
    os.environ[VARIABLE] = str(path)


def refuse_changes(output: str, settings: Any, code: Mapping) -> None:
    """Refuse to run a job whose settings or code are no longer those with which its run began.

    Args:
        output: the first of its outputs.
        settings, code: as its Snakemake gives them; outside a run the code alone is compared, with that in the files.

    Raises:
        RuntimeError: they are others; the message names the files that changed, and what to do.
    """
    path = os.environ.get(VARIABLE)
    began = (read_json_or_none(Path(path)) if path else None) or {"jobs": {}, "code": {}, "configuration": {}}
    now = [digest(settings), code_digest(*code["entries"])]
    then = began["jobs"].get(output, [now[0], code["digest"]])
    changed = []
    if now[1] != then[1]:
        changed += _differing(began["code"], {file: _source(file) for file in began["code"]}) or ["the source code"]
    if now[0] != then[0]:
        beside = "what its settings depend on (patients' files, initial weights, other tools' scores)"
        changed += _differing(began["configuration"], _configuration()) or [beside]
    if changed:
        raise RuntimeError(f"{first_few(changed)} changed since the run began: {REMEDY}")


def _configuration() -> dict[str, str]:
    """Return each file of the configuration with its digest."""
    return {str(path): file_digest(path) for path in sorted(CONFIG.rglob("*.yaml"))}


def _source(file: str) -> str:
    """Return the digest of a source file; "" where it is gone."""
    try:
        return source_digest(file)
    except FileNotFoundError:
        return ""


def _differing(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    return sorted(file for file in {*before, *now} if before.get(file) != now.get(file))

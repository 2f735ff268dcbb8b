"""What every entry shares: its arguments, its log, the trail of its outputs, and one line when it fails.

Standard error is the rule's log; standard output reaches the person who runs the workflow.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shlex
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from types import SimpleNamespace

from crossover import progress, trail
from crossover.provenance import code_digest


def run(main: Callable[[SimpleNamespace], None], *paths: str) -> None:
    """Parse `--cfg` (JSON), `--threads` and the named paths, call `main` with them, and leave the outputs' trail.

    Args:
        paths: names of arguments that are paths of files; a name that ends with `*` takes several, with `?`
            may be missing. `out` is what the job writes, all others are what it reads.

    `data`, the folder of real data, is CROSSOVER_DATA in the environment, and `imagenet`, that of ImageNet
    weights, CROSSOVER_IMAGENET, and `logger` what else trainings tell of their course, CROSSOVER_LOGGER.
    """
    script = Path(sys.argv[0]).stem
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--cfg", type=json.loads, default={})
    parser.add_argument("--checks", type=json.loads, default={}, help="changes no result")
    parser.add_argument("--code", type=json.loads, help="source files: entries and their digest")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--log", default="standard error", help="named where the job fails")
    for name in paths:
        nargs = name[-1] if name[-1] in "*?" else None
        parser.add_argument(
            f"--{name.rstrip('*?')}", type=Path, nargs=nargs, required=name.isidentifier()
        )
    data = os.environ.get("CROSSOVER_DATA")
    given = SimpleNamespace(**vars(parser.parse_args()), data=Path(data) if data else None)
    given.imagenet = os.environ.get("CROSSOVER_IMAGENET", "")
    given.logger = os.environ.get("CROSSOVER_LOGGER", "none")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        _with_trail(main, given, script, [name.rstrip("*?") for name in paths])
    except Exception as error:
        traceback.print_exc()
        progress.fail(f"{script} failed: {error}\n  log: {given.log}")
        sys.exit(1)


def _with_trail(
    main: Callable[[SimpleNamespace], None], given: SimpleNamespace, script: str, names: list[str]
) -> None:
    entries = given.code["entries"] if given.code else [f"workflow_scripts/{script}.py"]
    if given.code and code_digest(*entries) != given.code["digest"]:
        raise RuntimeError("source files changed since the workflow was started: start it again")
    begun, start = datetime.now(UTC), perf_counter()
    read = trail.digests(p for name in names if name != "out" for p in _listed(given, name))
    main(given)
    trail.write_trails(
        _listed(given, "out"),
        read,
        given.cfg,
        entries,
        command=_command(script),
        begun=begun.isoformat(timespec="seconds"),
        seconds=round(perf_counter() - start, 3),
        threads=given.threads,
    )


def _command(script: str) -> str:
    """As called, but for the settings and the code, which the trail holds beside it."""
    words = sys.argv[1:]
    for option in {"--cfg", "--code", "--checks"} & set(words):
        at = words.index(option)
        del words[at : at + 2]
    return shlex.join(["python", "-m", f"workflow_scripts.{script}", *words])


def _listed(given: SimpleNamespace, name: str) -> list[Path]:
    value = getattr(given, name)
    return value if isinstance(value, list) else [value] if value else []

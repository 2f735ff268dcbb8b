"""What every entry shares: its arguments, its log, and one line when it fails.

Standard error is the rule's log; standard output reaches the person who runs the workflow.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

from crossover import progress


def run(main: Callable[[SimpleNamespace], None], *paths: str) -> None:
    """Parse `--cfg` (JSON), `--threads` and the named paths, then call `main` with them.

    Args:
        paths: names of arguments that are paths; a name that ends with `*` takes several, with `?`
            may be missing.

    `data`, the folder of real data, is CROSSOVER_DATA in the environment, and `imagenet`, that of ImageNet
    weights, CROSSOVER_IMAGENET.
    """
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--cfg", type=json.loads, default={})
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--log", default="standard error", help="named where the job fails")
    for name in paths:
        nargs = "*" if name.endswith("*") else None
        parser.add_argument(
            f"--{name.rstrip('*?')}", type=Path, nargs=nargs, required=name.isidentifier()
        )
    data = os.environ.get("CROSSOVER_DATA")
    given = SimpleNamespace(**vars(parser.parse_args()), data=Path(data) if data else None)
    given.imagenet = os.environ.get("CROSSOVER_IMAGENET", "")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        main(given)
    except Exception as error:
        traceback.print_exc()
        progress.fail(f"{Path(sys.argv[0]).stem} failed: {error}\n  log: {given.log}")
        sys.exit(1)

"""`crossover`, and `python -m crossover`."""

import os
import sys
from pathlib import Path

from crossover.cli.app import app
from crossover.cli.clone import other_clone


def main() -> None:
    """Run the command line; a command whose packages are not installed says which extra has them.

    Inside another clone of the project its code is run, as `snakemake` does there: else `plan` and `verify` would judge
    its results by this one.
    """
    clone, path = other_clone(Path.cwd()), os.environ.get("PYTHONPATH", "")
    if clone and path.split(os.pathsep)[0] != str(clone):
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(clone), path]))
        os.execv(sys.executable, [sys.executable, "-m", "crossover", *sys.argv[1:]])
    try:
        app(prog_name="crossover")
    except ModuleNotFoundError as missing:
        name = (missing.name or "").partition(".")[0]
        if not name or name == "crossover":
            raise
        print(
            f"error: this command needs the package {name}, which is not installed. The extras `ingest`, `torch`, "
            "`keras` and `workflow` bring what each part needs: pip install '.[ingest]' in a clone, for instance",
            file=sys.stderr,
        )
        sys.exit(2)


if __name__ == "__main__":
    main()

"""`crossover`, and `python -m crossover`."""

import sys

from crossover.cli.app import app


def main() -> None:
    """Run the command line; a command whose packages are not installed says which extra has them."""
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

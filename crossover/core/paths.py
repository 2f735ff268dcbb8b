"""Where the project, its configuration, its code and the data of cohorts lie."""

import json
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The project's root: the clone, or what holds the installed package."""
_IN_WHEEL = ROOT / "crossover" / "_config"
PACKAGED = _IN_WHEEL if _IN_WHEEL.is_dir() else None
"""A wheel's copy of the repository's `config/`; None in a clone, where that is read."""
CONFIG = PACKAGED or ROOT / "config"
"""The configuration that goes with this code."""
BASES = "bases"
"""The folder of the configuration with what studies may extend."""


def hand_over_folders(folders: dict[str, str | None]) -> None:
    """Tell jobs the folder of the data of each cohort; they run in processes of their own."""
    os.environ["CROSSOVER_DATA"] = json.dumps(folders)


def folder_of(cohort: str) -> Path | None:
    """Return the folder of a cohort's data that jobs were told; None where there is none."""
    folder = json.loads(os.environ.get("CROSSOVER_DATA") or "{}").get(cohort)
    return Path(folder) if folder else None

"""Where the project, its configuration and its code lie."""

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

"""The weights that a chain begins with, as far as the configuration and this machine decide it."""

import os
from pathlib import Path

from crossover.core.files import read_json_or_none, unchanged_digest
from crossover.core.incremental import RECORD
from crossover.networks import imagenet
from crossover.study.schema import Study
from crossover.study.sections import Initial

PLACE = ("file", "from", "because")
"""Of what `at_hand` and `of_file` return, what says where weights are or were looked for: no result depends on it."""


def at_hand(settings: Initial, encoder: str) -> dict[str, str]:
    """Return what a stage that asks for ImageNet weights of an encoder begins with.

    Returns:
        weights ("imagenet", with where they are from and their sha256; or "random", with instead_of and
        because).
    """
    path = os.environ.get("CROSSOVER_IMAGENET", "")  # see `crossover.study.config.Settings`
    found = imagenet.find(encoder, path)
    if found:
        return {"weights": "imagenet", "from": found.where, "sha256": found.sha256}
    because = imagenet.looked_in(encoder, path)
    return {"weights": settings.otherwise, "instead_of": "imagenet", "because": because}


def of_file(settings: Initial) -> dict[str, str]:
    """Return what a stage that asks for the weights of a model's file begins with.

    Returns:
        weights ("model"), the file and its sha256, "" where it is not there; from, which is for records: its path below
        this folder, else its name alone, since folders may be named after people; with the record of a stage beside it
        also the structures that it was trained for.
    """
    path = Path(settings.file or "")
    record = read_json_or_none(path.with_name(RECORD)) or {}
    known = {"structures": ", ".join(record["stage"]["structures"])} if "stage" in record else {}
    sha256 = unchanged_digest(path) if path.is_file() else ""
    return {"weights": "model", "file": str(path), "from": _near(path), "sha256": sha256, **known}


def _near(path: Path) -> str:
    full = Path(os.path.abspath(path))
    return str(full.relative_to(Path.cwd())) if full.is_relative_to(Path.cwd()) else path.name


PARAMS = "params.json"
"""The settings of the study that trained a model, two folders above the stage's in `results/`."""


def trained_channels(settings: Initial) -> list[str]:
    """Return the channels on which a model's file was trained, in their order, where its study's folder says them."""
    stages = Path(settings.file or "").absolute().parent.parent
    return (read_json_or_none(stages.parent / PARAMS) or {}).get("channels", [])


def missing(study: Study) -> dict[str, str]:
    """Return encoder -> where its ImageNet weights were looked for.

    Of those that the study wants and that are not at hand.
    """
    if "imagenet" not in study.initials:
        return {}
    first = {encoder: at_hand(study.network.initial, encoder) for encoder in study.encoders}
    return {e: about["because"] for e, about in first.items() if about["weights"] != "imagenet"}

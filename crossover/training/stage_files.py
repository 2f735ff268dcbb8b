"""What trainings and predictions find and leave on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import pandas as pd

from crossover.core.files import read_json
from crossover.core.incremental import RECORD
from crossover.imaging.stored import IMAGES, mask_name
from crossover.imaging.volumes import image_path, structure_path
from crossover.study.sections import SELECTED, Prediction, Training

WEIGHTS = "weights.safetensors"
HISTORY = "history.csv"
Settings = TypeVar("Settings", Training, Prediction)


class Place(NamedTuple):
    """Where a case is among a study's: cases' names are unique in their cohort."""

    cohort: str
    case: str


class SliceFiles:
    """The slices of a study's cohorts, by their manifests: {cohort: data/slices/<study>/<cohort>/manifest.json}."""

    def __init__(self, manifests: dict[str, Path]) -> None:
        self._folders = {cohort: path.parent for cohort, path in manifests.items()}
        self._items = {cohort: read_json(path)["items"] for cohort, path in manifests.items()}

    def record(self, place: Place) -> dict:
        """Return what the manifest says of a case."""
        return self._items[place.cohort][place.case]

    def file(self, place: Place, name: str) -> Path:
        """Return where a file of a case lies."""
        return self._folders[place.cohort] / place.case / name

    def sha256(self, place: Place, name: str) -> str:
        """Return the digest of a file of a case."""
        return self.record(place)["files"][name]["sha256"]

    def digests(self, cases: pd.DataFrame, structures: Sequence[str] = ()) -> dict[str, list[str]]:
        """Return case -> digests of all that a network sees of it: the images, and what is known of some structures."""
        return {
            f"{place.cohort}/{place.case}": [
                self.sha256(place, IMAGES),
                *(self.sha256(place, mask_name(s)) for s in structures),
                *(self.record(place)["large"][s] for s in structures),
            ]
            for place in places(cases)
        }


class Cases:
    """The cases of a study's cohorts, on their own grids.

    Args:
        manifests: {cohort: data/cases/<cohort>/manifest.json}.
        corrected: the manifests of corrected images, where the study corrects any; they stand for those of the cases.
    """

    def __init__(self, manifests: Mapping[str, Path], corrected: Mapping[str, Path] | None = None) -> None:
        self._manifests, self._corrected = dict(manifests), dict(corrected or {})
        self._items: dict[Path, dict] = {}

    def folder(self, place: Place) -> Path:
        """Return where a case lies."""
        return self._manifests[place.cohort].parent / place.case

    def image(self, place: Place, channel: str) -> Path:
        """Return the image of a channel, the corrected one where there is such."""
        file = image_path(self.folder(place), channel)
        corrected = self._corrected.get(place.cohort)
        return (
            file
            if self._sha256(corrected, place, file.name) is None
            else image_path(self._corrected[place.cohort].parent / place.case, channel)
        )

    def digests(
        self, cases: pd.DataFrame, channels: Sequence[str], structures: Sequence[str] = ()
    ) -> dict[str, list[str]]:
        """Return case -> digests of its images, the corrected ones where there are such, and of some masks."""
        images = [image_path(Path(), channel).name for channel in channels]
        masks = [structure_path(Path(), structure).name for structure in structures]
        found = {}
        for place in places(cases):
            own, corrected = self._manifests[place.cohort], self._corrected.get(place.cohort)
            digests = [self._sha256(corrected, place, n) or self._sha256(own, place, n) for n in images]
            digests += [self._sha256(own, place, n) for n in masks]
            found[f"{place.cohort}/{place.case}"] = [sha256 or "" for sha256 in digests]
        return found

    def _sha256(self, manifest: Path | None, place: Place, name: str) -> str | None:
        """Return the digest of a file of a case; None where the manifest has none of it."""
        if manifest is None:
            return None
        if manifest not in self._items:
            self._items[manifest] = read_json(manifest)["items"]
        file = self._items[manifest].get(place.case, {}).get("files", {}).get(name)
        return file and file["sha256"]


def by_cohort(manifests: Sequence[Path]) -> dict[str, Path]:
    """Return cohort -> manifest, of manifests that lie in a folder called as the cohort."""
    return {path.parent.name: path for path in manifests}


def places(cases: pd.DataFrame) -> list[Place]:
    """Return the places of cases in a table with the columns cohort and case."""
    return [Place(c.cohort, c.case) for c in cases.itertuples()]


def with_selected(settings: Settings, selection: Path | None) -> Settings:
    """Return the settings with the network that the selection chose, where the study has one."""
    if settings.network.architecture != SELECTED:
        return settings
    assert selection, "a selected network needs the selection's file"
    chosen = read_json(selection)
    network = settings.network.cell(chosen["architecture"], chosen["encoder"])
    return settings.model_copy(update={"network": network})


def record_of(stages: Path, stage: str | None) -> dict:
    """Return the facts of a finished stage; none for no stage."""
    return read_json(stages / stage / RECORD) if stage else {}

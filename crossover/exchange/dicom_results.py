"""The masks of each case as files of DICOM objects, in a folder that the user named for them.

They identify patients, as the images do beside which they are to be stored: nothing is written here unasked.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path

import pydicom
import SimpleITK as sitk
from pydicom.dataset import Dataset

from crossover.exchange.object_attributes import Producer, Target
from crossover.exchange.original_series import Originals
from crossover.exchange.segmentation_object import segmentation
from crossover.exchange.structure_set import structure_set
from crossover.imaging.grids import reoriented

OBJECTS = {"seg": segmentation, "rtstruct": structure_set}
"""The end of a file's name, behind the case -> what makes its object."""
WRITTEN, EMPTY = "SEG and RTSTRUCT", "left out: the mask is empty"


class OtherObjects(Exception):
    """A file that would be replaced holds no object of this model."""


class DicomResults:
    """Writes `<case>_seg.dcm` and `<case>_rtstruct.dcm`; objects of other models are neither replaced nor removed."""

    def __init__(self, folder: Path, originals: Originals, targets: Mapping[str, Target], producer: Producer) -> None:
        self.folder = folder
        self._originals, self._targets, self._producer = originals, targets, producer
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, case: str, tokens: Collection[str], masks: Mapping[str, sitk.Image]) -> dict[str, str]:
        """Write the objects of a case; a structure without a voxel is in none, and without any there is no object.

        An object that is there already, by its UID, stays as it is.

        Args:
            case: its name.
            tokens: of the files that the case was made from.
            masks: structure -> its mask, on the grid of the case.

        Returns:
            Structure -> what was done with it: `WRITTEN` or `EMPTY`.

        Raises:
            crossover.exchange.original_series.NoOriginal: there is no series to refer to.
            OtherObjects: a file of one of these names is another model's.
        """
        drawn = {name: mask for name, mask in masks.items() if sitk.GetArrayViewFromImage(mask).any()}
        if not drawn:
            self.drop(case)
            return dict.fromkeys(masks, EMPTY)
        if other := [path.name for path in map(partial(self._path, case), OBJECTS) if not self._is_ours(path)]:
            raise OtherObjects(
                f"{' and '.join(other)} there is no object of {self._producer.name}, and was not replaced: name a "
                "folder for each model"
            )
        original = self._originals.of(case, tokens, next(iter(drawn.values())))
        lattice = original.lattice
        voxels = {name: sitk.GetArrayFromImage(reoriented(mask, lattice)) > 0 for name, mask in drawn.items()}
        for kind, make in OBJECTS.items():
            _save(make(original, voxels, self._targets, self._producer), self._path(case, kind))
        return {name: WRITTEN if name in drawn else EMPTY for name in masks}

    def drop(self, case: str) -> None:
        """Remove what an earlier call with this model wrote of a case."""
        for path in map(partial(self._path, case), OBJECTS):
            if self._is_ours(path):
                path.unlink(missing_ok=True)

    def _is_ours(self, path: Path) -> bool:
        """Return whether nothing would be lost without the file: there is none, or it is an object of this model."""
        return not path.exists() or _attribute(path, "ManufacturerModelName") == self._producer.name

    def _path(self, case: str, kind: str) -> Path:
        return self.folder / f"{case}_{kind}.dcm"


def _save(dataset: Dataset, path: Path) -> None:
    """Write a file whole or not at all."""
    if path.exists() and _attribute(path, "SOPInstanceUID") == dataset.SOPInstanceUID:
        return
    part = path.with_name(f".{path.name}.part")
    try:
        dataset.save_as(part, enforce_file_format=True)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _attribute(path: Path, keyword: str) -> str:
    """Return an attribute of a file; "" where it has none, or is no DICOM file."""
    try:
        found = pydicom.dcmread(path, force=True, stop_before_pixels=True, specific_tags=[keyword])
    except Exception:  # pydicom has many for a damaged file
        return ""
    return str(found.get(keyword, ""))

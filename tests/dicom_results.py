"""Series as scanners write them, masks on them, and readers that share no code with what writes the objects."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pydicom
from dicom_exports import Block, Part, block, write, write_enhanced
from dicom_reading import headers
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from crossover.exchange.object_attributes import Producer, targets
from crossover.exchange.original_series import Original, original
from crossover.sources.dicom.stacks import stacks
from crossover.sources.settings import Structure, StructureCode

SHAPE = (7, 11, 13)
"""Slices, rows, columns: a frame's bits fill no whole bytes."""
PRODUCER = Producer("uterus", "scratch-n13", "ab" * 32, "0.1.0")
GLAND = StructureCode(value="45289007", meaning="Parotid gland", side="left", tg263="Parotid_L")
TARGETS = targets({"gland": Structure(label="Left parotid", code=GLAND), "other": Structure(label="Other")})


def masks() -> dict[str, NDArray[np.bool_]]:
    """Two structures that overlap, of no symmetry, with holes; slices between hold nothing of one."""
    gland, other = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    gland[1:6, 2:9, 3:8] = True
    gland[1:3, 6:10, 8:12] = True
    gland[2:5, 4:6, 4:6] = False
    gland[2, 3, 6] = gland[4, 7, 5] = False
    gland[3] = False
    other[1:4, 0:5, 0:5] = True
    other[2, 1, 1] = False
    return {"gland": gland, "other": other}


def gapped(plane: str = "axial") -> Block:
    """Slices of 3 mm (see `thin`) every 4.2 mm."""
    return block(plane, SHAPE, spacing=(4.2, 0.7, 0.9))


def thin(d: Dataset, k: int) -> None:
    d.SliceThickness = 3
    d.SpacingBetweenSlices = -1.2  # as some write it


def written(folder: Path, how: str) -> Original:
    """A series of one kind, read back as ingest reads it.

    Args:
        how: a plane; "reversed" or "gapped" (classic), "enhanced", "enhanced-oblique".
    """
    tags = {"PatientName": "Secret^Person", "PatientBirthDate": "19700102", "PatientSex": "F", "SeriesNumber": 4}
    if how.startswith("enhanced"):
        content = block(how.partition("-")[2] or "axial", SHAPE)
        weighted = ("ORIGINAL", "PRIMARY", "DIFFUSION", "NONE")
        parts = [Part(content, weighted, b) for b in (0.0, 800.0)]
        write_enhanced(folder / "image.dcm", parts, **tags)
    elif how == "gapped":
        write(folder, gapped(), edit=thin, **tags)
    elif how == "reversed":
        write(folder, block("axial", SHAPE), edit=lambda d, k: setattr(d, "InstanceNumber", SHAPE[0] - k), **tags)
    else:
        write(folder, block(how, SHAPE), **tags)
    found = stacks(headers(folder))
    return original(found[-1])


KINDS = ("axial", "sagittal", "coronal", "oblique", "reversed", "gapped", "enhanced", "enhanced-oblique")


def places(mask: NDArray[np.bool_], origin: Original) -> NDArray[np.float64]:
    """Centres (n, 3) in mm of a mask's voxels, from the original files themselves, in the order of the rows."""
    out = []
    for k, plane in enumerate(origin.planes):
        with plane.instance.file.open() as file:
            position, turn, spacing = geometry(pydicom.dcmread(file), plane.frame_number)
        rows, columns = np.nonzero(mask[k])
        out.append(position + columns[:, None] * spacing[1] * turn[0] + rows[:, None] * spacing[0] * turn[1])
    return in_order(np.concatenate(out))


def geometry(d: Dataset, frame: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Position, directions along a row and a column, and spacing of an image, or of a frame from 1 on."""
    if frame is None:
        found = (d.ImagePositionPatient, d.ImageOrientationPatient, d.PixelSpacing)
    else:
        shared, own = d.SharedFunctionalGroupsSequence[0], d.PerFrameFunctionalGroupsSequence[frame - 1]
        turn = shared.PlaneOrientationSequence[0].ImageOrientationPatient
        spacing = shared.PixelMeasuresSequence[0].PixelSpacing
        found = (own.PlanePositionSequence[0].ImagePositionPatient, turn, spacing)
    position, turn, spacing = (np.array(v, float) for v in found)
    return position, turn.reshape(2, 3), spacing


def in_order(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sort points (n, 3) by their coordinates in hundredths of a mm."""
    return points[np.lexsort(np.round(points, 2).T)]


def same_places(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    return a.shape == b.shape and bool(np.abs(a - b).max() < 0.004)


DCIODVFY = shutil.which("dciodvfy")


def errors(path: Path) -> list[str]:
    """What dicom3tools finds wrong with an object by the standard's tables of modules."""
    told = subprocess.run([str(DCIODVFY), "-new", path], capture_output=True, text=True)
    return [line for line in (told.stdout + told.stderr).splitlines() if line.startswith("Error")]

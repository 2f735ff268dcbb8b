"""DICOM image series: files grouped by series, sorted along the slice normal, as one image."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import Dataset

from crossover.sources.settings import SeriesRule

IMAGES = {"MR", "CT", "PT"}


class DicomError(ValueError):
    """What a patient's files lack or get wrong, with what to do."""


@dataclass(frozen=True)
class Series:
    """One image series, its instances sorted along the slice normal."""

    uid: str
    instances: list[Dataset]

    @property
    def first(self) -> Dataset:
        return self.instances[0]

    def describe(self) -> str:
        text = self.first.get("SeriesDescription", "no description")
        return f"{self.first.Modality} {text!r} ({len(self.instances)} images)"


def read(files: Iterable[Path]) -> list[Dataset]:
    """Read DICOM files whole.

    Raises:
        DicomError: naming every file that is not DICOM or is cut short.
    """
    datasets, wrong = [], []
    for file in files:
        try:
            dataset = pydicom.dcmread(file)
        except Exception as error:  # pydicom raises many kinds for damaged files
            wrong.append(f"{file.name}: {error}")
            continue
        if "SOPInstanceUID" not in dataset or "SeriesInstanceUID" not in dataset or _cut(dataset):
            wrong.append(f"{file.name}: the file ends early; copy it again")
        datasets.append(dataset)
    if wrong:
        raise DicomError("not readable as DICOM: " + "; ".join(wrong))
    return datasets


def _cut(dataset: Dataset) -> bool:
    """Whether an image has no pixels: pydicom reads a file that ends in its header without a word."""
    return "Rows" in dataset and not {"PixelData", "FloatPixelData"} & set(dataset.dir())


def image_series(datasets: Iterable[Dataset]) -> list[Series]:
    """Group the image instances by SeriesInstanceUID (0020,000E), sorted along the normal."""
    groups: dict[str, list[Dataset]] = {}
    for dataset in datasets:
        if dataset.get("Modality") in IMAGES and "PixelData" in dataset:
            groups.setdefault(str(dataset.SeriesInstanceUID), []).append(dataset)
    return [Series(uid, _sorted(group)) for uid, group in groups.items()]


def _sorted(instances: list[Dataset]) -> list[Dataset]:
    """Along the normal; as they are where an instance doesn't say where it lies."""
    located = all("ImagePositionPatient" in d and "ImageOrientationPatient" in d for d in instances)
    return sorted(instances, key=position) if located else instances


def orientation(dataset: Dataset) -> np.ndarray:
    """Rows of the direction matrix: along a row, along a column, the normal (patient axes, unit)."""
    row, column = np.reshape(np.array(dataset.ImageOrientationPatient, float), (2, 3))
    return np.stack([row, column, np.cross(row, column)])


def position(dataset: Dataset) -> float:
    """Distance along the slice normal in mm."""
    return float(orientation(dataset)[2] @ np.array(dataset.ImagePositionPatient, float))


def matches(series: Series, rule: SeriesRule) -> bool:
    first = series.first
    if first.Modality != rule.modality:
        return False
    kinds = {str(kind).upper() for kind in first.get("ImageType", [])}
    if rule.image_type is not None and rule.image_type.upper() not in kinds:
        return False
    if rule.b_value is not None:
        return "ADC" not in kinds and first.get("DiffusionBValue") == rule.b_value
    return True


def choose(series: list[Series], rule: SeriesRule, channel: str) -> Series:
    """The one series that a rule selects.

    Raises:
        DicomError: for none or several, listing what there is.
    """
    found = [s for s in series if matches(s, rule)]
    if len(found) == 1:
        return found[0]
    there = ", ".join(s.describe() for s in (found or series)) or "no image series at all"
    problem = f"{len(found)} series match" if found else "no series matches"
    raise DicomError(f"channel {channel}: {problem} {rule.describe()}; there are: {there}")


def to_image(series: Series) -> sitk.Image:
    """The series as a volume in the modality's unit (rescale and real-world slope applied), float32.

    Raises:
        DicomError: where slices are missing or doubled, or orientations differ.
    """
    step = _slice_distance(series)
    first = series.first
    image = sitk.GetImageFromArray(np.stack([_values(d) for d in series.instances]))
    axes = orientation(first)
    row_spacing, column_spacing = (float(v) for v in first.PixelSpacing)
    image.SetSpacing((column_spacing, row_spacing, step))
    image.SetOrigin([float(v) for v in first.ImagePositionPatient])
    image.SetDirection(axes.T.ravel().tolist())
    return image


def _slice_distance(series: Series) -> float:
    """Distance between neighbouring slices in mm, once the series is known to be a regular stack."""
    first, name = series.first, series.describe()
    needed = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
    if lacking := [tag for tag in needed if any(tag not in d for d in series.instances)]:
        raise DicomError(
            f"{name}: no {', '.join(lacking)} in every image; enhanced multi-frame images are not read yet"
        )
    for tag in ("Rows", "Columns", "PixelSpacing"):
        if len({str(d.get(tag)) for d in series.instances}) > 1:
            raise DicomError(f"{name}: images differ in {tag}; split the series")
    axes = orientation(first)
    if any(not np.allclose(orientation(d), axes, atol=1e-4) for d in series.instances):
        raise DicomError(f"{name}: slices differ in orientation; split the series")
    places = np.array([[float(v) for v in d.ImagePositionPatient] for d in series.instances])
    if len(places) == 1:
        return float(first.get("SliceThickness", 1))
    steps = np.diff(places @ axes[2])
    step = float(np.median(steps))
    if step <= 0 or np.abs(steps - step).max() > 0.01 * step + 1e-3:
        found = ", ".join(f"{s:.2f}" for s in sorted({round(float(s), 2) for s in steps}))
        raise DicomError(f"{name}: slices are missing or doubled: distances of {found} mm")
    aside = (places - places[0]) @ axes[:2].T
    if np.abs(aside).max() > 0.1:
        raise DicomError(
            f"{name}: slices shift by up to {np.abs(aside).max():.1f} mm within their plane (gantry tilt)"
        )
    return step


def _values(dataset: Dataset) -> np.ndarray:
    """An image's pixels in its unit, float32."""
    try:
        pixels = dataset.pixel_array.astype(np.float32)
    except Exception as error:  # a missing decoder, or damaged pixel data
        raise DicomError(f"pixels of image {dataset.get('InstanceNumber')}: {error}") from error
    slope, intercept = _rescale(dataset)
    return pixels * np.float32(slope) + np.float32(intercept)


def _rescale(dataset: Dataset) -> tuple[float, float]:
    """Slope and intercept: RescaleSlope (0028,1053), else the real-world mapping (0040,9096)."""
    if "RescaleSlope" in dataset:
        return float(dataset.RescaleSlope), float(dataset.get("RescaleIntercept", 0))
    mapping = dataset.get("RealWorldValueMappingSequence")
    if mapping:
        return float(mapping[0].RealWorldValueSlope), float(mapping[0].RealWorldValueIntercept)
    return 1.0, 0.0

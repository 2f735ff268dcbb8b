"""Small prostate phantoms, and what tests measure on them."""

import numpy as np
import SimpleITK as sitk

from crossover.phantoms.prostate.examination import Examination
from crossover.phantoms.prostate.settings import ProstateSource


def demo(site: str = "A", **changes: object) -> ProstateSource:
    settings = {"patients": 4, "seed": 7, "matrix": 112, "slices": (16, 16)}
    return ProstateSource(site=site, **settings | {"slice_thickness_mm": 4.5} | changes)


def tiny(site: str = "A", **changes: object) -> ProstateSource:
    return demo(site, **{"matrix": 64, "slices": (12, 12), "slice_thickness_mm": 6} | changes)


def volume(exam: Examination) -> sitk.Image:
    """The T2 series where it lies."""
    g = exam.t2.geometry
    image = sitk.GetImageFromArray(exam.t2.image.astype(np.float32))
    image.SetSpacing((g.pixel_mm, g.pixel_mm, g.spacing_mm))
    image.SetOrigin(g.origin)
    return image


def across(exam: Examination, field: np.ndarray) -> float:
    """A field at the gland's back over that at its front, along the middle of its largest slice."""
    k = int(exam.prostate.sum(axis=(1, 2)).argmax())
    rows, columns = np.nonzero(exam.prostate[k])
    middle = np.abs(columns - np.median(columns)) * exam.t2.geometry.pixel_mm < 6
    rows, columns = rows[middle], columns[middle]
    front, back = (rows <= np.quantile(rows, 0.1)), (rows >= np.quantile(rows, 0.9))
    values = field[k, rows, columns]
    return float(np.median(values[back]) / np.median(values[front]))

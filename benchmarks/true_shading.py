"""What N4 leaves of the true shading, by what it is fitted to: phantoms know how strongly the coils see each point.

    .venv/bin/python -m benchmarks.true_shading uterus uterus [--scale demo] [--patients 24]

Of the first patients of one cohort of a study. `left` is the SD of the logarithm of the true weight over N4's field,
which is 0 where nothing is left and doesn't change with a factor: in tissue, and within 10 mm in plane of the
structure.
`fitted` is the share of the volume that the field is fitted to. The first row is that of no correction; `worse`
counts the patients with more than that.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np
import pandas as pd
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from crossover.imaging import bias_field
from crossover.phantoms.pelvis import examination as pelvis
from crossover.phantoms.prostate import examination as prostate
from crossover.study.config import load_study

ABOUT_MM = 10.0
TRIED: list[tuple[bias_field.Fit, list[int]]] = [
    (fit, iterations) for fit in ("bright", "tissue") for iterations in ([30, 30], [50] * 4)
]


def examined(source: object, index: int) -> tuple[sitk.Image, NDArray, NDArray, NDArray]:
    """Return a phantom's image for N4, the coils' weight, tissue, and the structure with its surroundings."""
    if source.kind == "phantom":  # nine tenths of the volume are tissue, dark where fat is suppressed
        exam = pelvis.examine(source, index)
        array, mask, geometry = exam.b0, exam.mask, exam.geometry
    else:
        exam = prostate.examine(source, index)
        array, mask, geometry = exam.t2.image, exam.prostate, exam.t2.geometry
    image = sitk.GetImageFromArray(array.astype(np.float32))
    image.SetSpacing((geometry.pixel_mm, geometry.pixel_mm, geometry.spacing_mm))
    whole = source.kind == "phantom"
    tissue = np.ones(mask.shape, bool) if whole else array > np.exp(_otsu(np.log(array + 1.0))) - 1
    steps = max(1, round(ABOUT_MM / geometry.pixel_mm))
    about = ndimage.binary_dilation(mask, np.ones((1, 3, 3)), iterations=steps)
    return image, exam.weight, tissue, about


def left(weight: NDArray, field: NDArray | float, where: NDArray) -> float:
    """SD of the logarithm of the weight that a field leaves."""
    return float(np.std(np.log(weight / field)[where]))


def rows(study: str, cohort: str, scale: str, patients: int) -> Iterator[dict]:
    """One for each patient and way to correct: how much is left in tissue and about the structure."""
    settings = load_study(study, scale)
    shrink = settings.preparation.bias_field.shrink
    for index in range(patients):
        image, weight, *places = examined(settings.cohorts[cohort].source, index)
        before = [left(weight, 1, where) for where in places]
        yield row("none", [], 0.0, before, before)
        for fit, iterations in TRIED:
            found = bias_field.estimate(image, shrink, iterations, fit)
            field = sitk.GetArrayViewFromImage(found)
            share = float(sitk.GetArrayFromImage(bias_field.fitted_voxels(image, fit)).mean())
            after = [left(weight, field, where) for where in places]
            yield row(fit, iterations, share, before, after)


def row(fit: str, iterations: list[int], share: float, before: list[float], after: list[float]) -> dict:
    worse = [now > then for then, now in zip(before, after, strict=True)]
    return {
        "fit": fit, "iterations": "+".join(map(str, iterations)), "fitted": share, "tissue": after[0],
        "about": after[1],
        "worse tissue": worse[0], "worse about": worse[1],
    }  # fmt: skip


def _otsu(values: NDArray) -> float:
    """Otsu's threshold of values."""
    image = sitk.GetImageFromArray(values.astype(np.float32))
    otsu = sitk.OtsuThresholdImageFilter()
    otsu.SetNumberOfHistogramBins(200)
    otsu.Execute(image)
    return otsu.GetThreshold()


def table(found: pd.DataFrame) -> pd.DataFrame:
    """Means over the patients, and in how many there is more than without a correction."""
    groups = found.groupby(["fit", "iterations"], sort=False)
    means = groups[["fitted", "tissue", "about"]].mean().round(4)
    return means.join(groups[["worse tissue", "worse about"]].sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study")
    parser.add_argument("cohort")
    parser.add_argument("--scale", default="demo")
    parser.add_argument("--patients", type=int, default=24)
    given = parser.parse_args()
    found = pd.DataFrame(rows(given.study, given.cohort, given.scale, given.patients))
    print(table(found).to_string())


if __name__ == "__main__":
    main()

"""Seconds of N4 at full resolution and thinned, and how far the thinned field lies from the full one's.

    .venv/bin/python -m benchmarks.bias_field [--sites ABC] [--shrink 2 4] [--patient 3] [--fit bright]

One phantom of each site at its published size; an hour for all three at full resolution. The field is known
up to a factor, so fields are compared after division by the median of their ratio, inside the body.
`gland` is the prostate alone. The last columns are the coefficient of variation of what is left of the
phantom's true field inside the body, and in the gland.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from crossover.imaging import bias_field
from crossover.phantoms.prostate.examination import Examination, examine
from crossover.phantoms.prostate.settings import ProstateSource

ITERATIONS = [50, 50, 50, 50]  # SimpleITK's default


def volume(exam: Examination) -> sitk.Image:
    """Return the T2 images with their voxels' size."""
    geometry = exam.t2.geometry
    image = sitk.GetImageFromArray(exam.t2.image.astype(np.float32))
    image.SetSpacing((geometry.pixel_mm, geometry.pixel_mm, geometry.spacing_mm))
    return image


def timed(image: sitk.Image, shrink: int, fit: bias_field.Fit) -> tuple[NDArray, float]:
    """Return the field, and the processor's seconds."""
    start = time.process_time()
    field = bias_field.estimate(image, shrink, ITERATIONS, fit)
    return sitk.GetArrayFromImage(field), time.process_time() - start


def apart(field: NDArray, full: NDArray, where: NDArray) -> tuple[float, float]:
    """Largest relative difference, and its 99th percentile."""
    ratio = (field / full)[where]
    off = np.abs(ratio / np.median(ratio) - 1)
    return float(off.max()), float(np.percentile(off, 99))


def left(exam: Examination, field: NDArray, where: NDArray) -> float:
    """Coefficient of variation of the true field after the correction."""
    values = (exam.weight / field)[where]
    return float(values.std() / values.mean())


def report(site: str, patient: int, shrinks: list[int], fit: bias_field.Fit) -> None:
    exam = examine(ProstateSource(site=site, patients=patient + 1, seed=11), patient)
    image = volume(exam)
    body = sitk.GetArrayFromImage(sitk.OtsuThreshold(sitk.Log(image + 1), 0, 1, 200)) > 0
    ones = np.ones_like(exam.weight)
    true = [left(exam, ones, where) for where in (body, exam.prostate)]
    print(f"site {site}, {image.GetSize()} voxels; true field varies {true[0]:.3f}, {true[1]:.3f}")
    full = None
    for shrink in (1, *shrinks):
        field, seconds = timed(image, shrink, fit)
        full = field if full is None else full
        print(f"  shrink {shrink}: {seconds:7.1f} s; {compared(exam, body, field, full)}", flush=True)


def compared(exam: Examination, body: NDArray, field: NDArray, full: NDArray) -> str:
    """Return a field beside that of the full resolution, and what it leaves of the true one."""
    (worst, most), (gland, _) = (apart(field, full, where) for where in (body, exam.prostate))
    rest = [left(exam, field, where) for where in (body, exam.prostate)]
    return (
        f"from full: at most {worst:.3f}, 99 % within {most:.3f}, gland {gland:.3f}; left {rest[0]:.3f}, {rest[1]:.3f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sites", default="ABC")
    parser.add_argument("--shrink", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--patient", type=int, default=3)
    parser.add_argument("--fit", choices=["bright", "tissue"], default="bright")
    given = parser.parse_args()
    for site in given.sites:
        report(site, given.patient, given.shrink, given.fit)


if __name__ == "__main__":
    main()

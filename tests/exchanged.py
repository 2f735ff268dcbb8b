"""A study's cases and splits as a run leaves them, small and without a run: for tests of what other tools get."""

from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk

from crossover.core.files import write_json
from crossover.imaging.volumes import on_grid, write_case
from crossover.study.config import load_study
from crossover.study.schema import Study
from crossover.study.splits import split

PATIENTS = 10


def smoke_study(name: str) -> Study:
    return load_study(name, "smoke")


def laid(folder: Path, study: Study, masks: dict[str, np.ndarray] | None = None) -> Path:
    """Write `PATIENTS` cases of each cohort below data/ and the splits below results/; returns results/.

    Args:
        masks: structure -> its mask in every case, (4, 10, 12); by default one line of voxels each, apart.
    """
    results = folder / "results"
    rows, images = [], []
    for cohort in study.cohorts:
        for number in range(PATIENTS):
            case = f"{cohort[0]}{cohort[-1]}{number}"
            seed = len(rows)
            _write(folder / "data/cases" / cohort / case, study, masks or _apart(study), seed)
            rows.append((cohort, case, case))
            images.append((cohort, case, study.channels[0], f"{cohort}{number}"))
    cases = pd.DataFrame(rows, columns=["cohort", "patient", "case"])
    tests = dict.fromkeys(study.cohorts, 2.0)
    needed = dict.fromkeys(study.cohorts, 1)
    known = pd.DataFrame(images, columns=["cohort", "case", "channel", "image"])
    (results / study.study).mkdir(parents=True)
    split(cases, tests, study.splits, needed, known).to_csv(results / study.study / "splits.csv", index=False)
    return results


def _apart(study: Study) -> dict[str, np.ndarray]:
    masks = {name: np.zeros((4, 10, 12), np.uint8) for name in study.structures}
    for place, mask in enumerate(masks.values()):
        mask[slice(1, 3) if place < 10 else 3, place % 10, 2:9] = 1
    return masks


def grid(seed: int) -> sitk.Image:
    """An oblique grid of 12 x 10 x 4 voxels, another for each seed."""
    image = sitk.Image([12, 10, 4], sitk.sitkUInt8)
    image.SetSpacing([0.8, 0.9, 3.0])
    image.SetOrigin([float(seed), -20.0, 5.5])
    image.SetDirection(sitk.Euler3DTransform((0, 0, 0), 0.1, 0.2, 0.01 * seed).GetMatrix())
    return image


def _write(folder: Path, study: Study, masks: dict[str, np.ndarray], seed: int) -> None:
    folder.mkdir(parents=True)
    own, random = grid(seed), np.random.default_rng(seed)
    channels = {c: on_grid(random.normal(100, 9, (4, 10, 12)).astype(np.float32), own) for c in study.channels}
    write_case(folder, channels, {name: on_grid(mask, own) for name, mask in masks.items()})
    about = {"age_years": 64, "sex": "M", "manufacturer": "siemens", "field_strength_t": 3.0, "echo_time_ms": 141.0}
    write_json(folder / "case.json", {"channels": study.channels, "structures": {}, **about})

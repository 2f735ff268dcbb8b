"""First-order features against their formulas in numpy."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

from crossover.core.configuration import ConfigError
from crossover.evaluation.radiomics import first_order
from crossover.evaluation.radiomics_table import radiomics_rows
from crossover.imaging.volumes import image_path, structure_path, write

FEATURES = [
    "Energy", "Entropy", "Kurtosis", "Maximum", "Mean", "MeanAbsoluteDeviation", "Median",
    "Minimum", "Range", "RootMeanSquared", "Skewness", "StandardDeviation", "Uniformity", "Variance",
]  # fmt: skip
RNG = np.random.default_rng(3)
VOXELS = RNG.gamma(9, 120, (6, 20, 24)).astype(np.float32)


def image(array: np.ndarray) -> sitk.Image:
    out = sitk.GetImageFromArray(array)
    out.SetSpacing((0.8, 0.8, 5.0))
    out.SetOrigin((-12.0, 3.0, 40.0))
    return out


def mask(*voxels: tuple[int, int, int]) -> sitk.Image:
    inside = np.zeros(VOXELS.shape, np.uint8)
    for voxel in voxels:
        inside[voxel] = 7  # any non-zero value is inside
    return image(inside)


def formulas(x: np.ndarray, width: float) -> dict[str, float]:
    x = x.astype(float)
    share = np.unique(x // width, return_counts=True)[1] / x.size
    d = x - x.mean()
    return {
        "Energy": (x**2).sum(),
        "Entropy": -(share * np.log2(share)).sum(),
        "Kurtosis": (d**4).mean() / (d**2).mean() ** 2,
        "Maximum": x.max(),
        "Mean": x.mean(),
        "MeanAbsoluteDeviation": abs(d).mean(),
        "Median": np.median(x),
        "Minimum": x.min(),
        "Range": x.max() - x.min(),
        "RootMeanSquared": np.sqrt((x**2).mean()),
        "Skewness": (d**3).mean() / (d**2).mean() ** 1.5,
        "StandardDeviation": x.std(),
        "Uniformity": (share**2).sum(),
        "Variance": x.var(),
    }


@pytest.mark.parametrize("dtype", [np.float32, np.int16, np.uint16])
@pytest.mark.parametrize("width", [25.0, 7.5])
def test_features_are_their_formulas(dtype, width):
    inside = RNG.random(VOXELS.shape) < 0.1
    inside[:, :4] = False  # so that the box doesn't begin at the image's corner
    voxels = VOXELS.astype(dtype)
    found = first_order(image(voxels), image(inside.astype(np.uint8)), FEATURES, width)
    assert list(found) == FEATURES
    expected = formulas(voxels[inside], width)
    for name in FEATURES:
        assert found[name] == pytest.approx(expected[name], rel=1e-5), name


PYRADIOMICS = {
    "10Percentile": -43.624072265625, "90Percentile": 672.7580322265626, "Energy": 296773250.1476862,
    "Entropy": 5.234678516455852, "InterquartileRange": 379.1158447265625, "Kurtosis": 4.285858373743671,
    "Maximum": 1691.42041015625, "MeanAbsoluteDeviation": 227.0998315785165, "Mean": 264.0128376443549,
    "Median": 200.29541015625, "Minimum": -99.66168212890625, "Range": 1791.0820922851562,
    "RobustMeanAbsoluteDeviation": 158.87108318160662, "RootMeanSquared": 390.2172436653913,
    "Skewness": 1.1410502704341305, "StandardDeviation": 287.34425140028617, "TotalEnergy": 949674400.4725959,
    "Uniformity": 0.03167876805171166, "Variance": 82566.71881279086,
}  # fmt: skip
"""What pyradiomics 3.0.1 says of `VOXELS - 1000` where they are above -100, at a bin width of 25."""


def test_features_are_those_of_pyradiomics():
    voxels = VOXELS - 1000
    inside = image((VOXELS > 900).astype(np.uint8))
    found = first_order(image(voxels), inside, list(PYRADIOMICS), 25)
    assert found == pytest.approx(PYRADIOMICS, rel=1e-12)


def test_an_empty_mask_gives_no_numbers():
    assert np.isnan(list(first_order(image(VOXELS), mask(), FEATURES, 25).values())).all()


def test_one_voxel_has_a_mean_and_no_shape():
    found = first_order(image(VOXELS), mask((2, 5, 23)), FEATURES, 25)
    assert found["Mean"] == found["Minimum"] == pytest.approx(float(VOXELS[2, 5, 23]))
    assert (found["Variance"], found["Range"], found["Uniformity"]) == (0, 0, 1)
    assert found["Entropy"] == pytest.approx(0, abs=1e-12)
    assert np.isnan(found["Skewness"]) and np.isnan(found["Kurtosis"])


def test_nothing_is_logged(capfd):
    first_order(image(VOXELS), mask((1, 1, 1), (1, 2, 1)), FEATURES, 25)
    assert capfd.readouterr() == ("", "")


def test_wrong_input_is_named():
    with pytest.raises(ValueError, match="no features Mode, Modal; there are 10Percentile"):
        first_order(image(VOXELS), mask(), ["Mean", "Mode", "Modal"], 25)
    other = mask((1, 1, 1))
    other.SetSpacing((1, 1, 5))
    with pytest.raises(ValueError, match="the mask is not on the image's grid: voxels of"):
        first_order(image(VOXELS), other, ["Mean"], 25)
    broken = VOXELS.copy()
    broken[1, 1, 1] = np.nan
    with pytest.raises(ValueError, match="NaN or infinite"):
        first_order(image(broken), mask((1, 1, 1)), ["Mean"], 25)


def test_a_bin_width_in_another_unit_than_the_images_is_refused(tmp_path: Path):
    """As 25 for an ADC in 10⁻³ mm²/s, whose values are about 1."""
    names = ["p1", "p2"]
    for k, name in enumerate(names):
        (tmp_path / "c" / name).mkdir(parents=True)
        write(image(VOXELS / 1000 + k), image_path(tmp_path / "c" / name, "adc"))
        write(mask((1, 2, 3), (2, 2, 3), (3, 5, 9)), structure_path(tmp_path / "c" / name, "a"))
    splits = pd.DataFrame({"cohort": "c", "patient": names, "case": names, "part": "test"})
    settings = {"channel": "adc", "features": ["Mean", "Entropy"], "bin_width": 25}
    with pytest.raises(ConfigError, match=r"radiomics\.bin_width: a width of 25 .* channel adc"):
        radiomics_rows(None, splits, ["a"], tmp_path, None, settings, 1)
    assert len(radiomics_rows(None, splits, ["a"], tmp_path, None, settings | {"bin_width": 0.025}, 1)) == 4
    assert len(radiomics_rows(None, splits, ["a"], tmp_path, None, settings | {"features": ["Mean"]}, 1)) == 2

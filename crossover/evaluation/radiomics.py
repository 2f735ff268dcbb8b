"""First-order radiomics features of the image inside a structure, by numpyradiomics: pyradiomics' definitions."""

from __future__ import annotations

import warnings

import numpy as np
import SimpleITK as sitk

FEATURES = (
    "10Percentile", "90Percentile", "Energy", "Entropy", "InterquartileRange", "Kurtosis", "Maximum",
    "MeanAbsoluteDeviation", "Mean", "Median", "Minimum", "Range", "RobustMeanAbsoluteDeviation",
    "RootMeanSquared", "Skewness", "StandardDeviation", "TotalEnergy", "Uniformity", "Variance",
)  # fmt: skip
_UNDEFINED_WHEN_FLAT = {"Skewness", "Kurtosis"}


def first_order(
    image: sitk.Image, mask: sitk.Image, features: list[str], bin_width: float
) -> dict[str, float]:
    """First-order features of the voxels inside a mask.

    Args:
        image: scalar image, 3D.
        mask: on the image's grid; every non-zero voxel is inside.
        features: of `FEATURES`, as pyradiomics' `firstorder` class names and defines them.
        bin_width: width of the histogram's bins, in the image's units, edges at its multiples; it
            only matters to Entropy and Uniformity.

    Returns:
        Feature -> value, in the order given. Moments are over N (no Bessel correction), Kurtosis is
        3 for a normal distribution, Energy is the sum of squares. An empty mask gives NaN for all.
        Where all voxels are equal, as in a mask of one voxel, Skewness and Kurtosis are 0 / 0 and
        so NaN (pyradiomics says 0).

    Raises:
        ValueError: unknown features (all named); image and mask on different grids; a value inside
            the mask that is no finite number.
    """
    from numpyradiomics import firstorder_roi  # half a second that only this needs

    unknown = [name for name in features if name not in FEATURES]
    if unknown:
        raise ValueError(f"no features {', '.join(unknown)}; there are {', '.join(FEATURES)}")
    _check_grid(image, mask)
    inside = sitk.GetArrayViewFromImage(mask) != 0
    if not inside.any() or not features:
        return dict.fromkeys(features, np.nan)
    values = sitk.GetArrayViewFromImage(image)[inside].astype(float)
    if not np.isfinite(values).all():
        raise ValueError("the image has values inside the mask that are no finite numbers")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of moments where all voxels are equal
        found = firstorder_roi(values, float(np.prod(image.GetSpacing())), bin_width, extend=False)
    undefined = _UNDEFINED_WHEN_FLAT if values.min() == values.max() else ()
    return {name: np.nan if name in undefined else float(found[name]) for name in features}


def _check_grid(image: sitk.Image, mask: sitk.Image) -> None:
    same = image.GetSize() == mask.GetSize() and all(
        np.allclose(getattr(image, get)(), getattr(mask, get)(), atol=1e-4)
        for get in ("GetSpacing", "GetOrigin", "GetDirection")
    )
    if not same:
        raise ValueError("image and mask are on different grids")

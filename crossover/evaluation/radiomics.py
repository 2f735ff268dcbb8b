"""First-order radiomics features of the image inside a structure, by pyradiomics."""

from __future__ import annotations

import logging

import numpy as np
import SimpleITK as sitk

from crossover.imaging.grids import GeometryError, difference, same_grid
from crossover.imaging.volumes import on_grid

_UNDEFINED_WHEN_FLAT = {"Skewness", "Kurtosis"}


def first_order(image: sitk.Image, mask: sitk.Image, features: list[str], bin_width: float) -> dict[str, float]:
    """Return first-order features of the voxels inside a mask.

    Args:
        image: scalar image, 3D.
        mask: on the image's grid; every non-zero voxel is inside.
        features: names of pyradiomics' `firstorder` class, such as "Mean" or "Entropy".
        bin_width: width of the histogram's bins, in the image's units, edges at its multiples; it only
            matters to Entropy and Uniformity.

    Returns:
        Feature -> value, in the order given. Moments are over N (no Bessel correction), Kurtosis is 3 for a
            normal distribution, Energy is the sum of squares. An empty mask gives NaN for all. Where all
            voxels are equal, as in a mask of one voxel, Skewness and Kurtosis are 0 / 0 and so NaN
            (pyradiomics says 0).

    Raises:
        ValueError: features are unknown (the message names all); image and mask are on different grids (a
            `GeometryError`, which says how they differ); a value inside the mask is not finite.
    """
    from radiomics.firstorder import RadiomicsFirstOrder  # 0.3 s that only this needs

    known = RadiomicsFirstOrder.getFeatureNames()
    unknown = [name for name in features if name not in known]
    if unknown:
        raise ValueError(f"no features {', '.join(unknown)}; there are {', '.join(known)}")
    if not same_grid(image, mask):
        raise GeometryError(f"the mask is not on the image's grid: {difference(mask, image)}")
    inside = sitk.GetArrayViewFromImage(mask) != 0
    if not inside.any() or not features:
        return dict.fromkeys(features, np.nan)
    values = sitk.GetArrayViewFromImage(image)[inside]
    if not np.isfinite(values).all():
        raise ValueError("the image has NaN or infinite values inside the mask")
    box = _box(inside)
    # it warns of StandardDeviation, which is off by default only for being Variance's root
    logging.getLogger("radiomics").setLevel(logging.ERROR)
    # on the image's own grid: pyradiomics has another tolerance
    crop = on_grid(inside.astype(np.uint8), image)[box]
    extractor = RadiomicsFirstOrder(image[box], crop, binWidth=bin_width)
    for name in features:
        extractor.enableFeatureByName(name)
    found = extractor.execute()
    undefined = _UNDEFINED_WHEN_FLAT if values.min() == values.max() else ()
    return {name: np.nan if name in undefined else float(found[name]) for name in features}


def _box(inside: np.ndarray) -> tuple[slice, ...]:
    """Return the mask's bounding box in SimpleITK's order x, y, z, of an array in z, y, x."""
    extent = [(int(i.min()), int(i.max()) + 1) for i in np.nonzero(inside)]
    return tuple(slice(low, high) for low, high in reversed(extent))

"""Images of which a part was blanked: whether they show where their structures are, and what is cut off.

Releases of images often set the voxels outside the treated region to one value, but not those around contoured
structures. Where this leaves an island around a structure, a network can copy the island's outline, and its scores say
nothing about images that are whole. In OpenKBP's CTs with slices of 2.5 mm, 37% of the spinal cord's slices are so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from crossover.sources.findings import IN_BLANK_ENDS, Finding
from crossover.sources.reading import Reading

REACH_MM = 10.0
"""How far an island may extend beyond the structures in it: margins of planning structures are 3 to 10 mm."""
BLANK = 0.5
"""The share of a slice that has the image's lowest value if the slice was blanked."""
ISLAND = 0.98
"""The share of an island's voxels that lie within reach of a structure."""
SLICES = 3
"""The number of slices from which on this is reported: at an end of the body, one or two can be so by chance."""
SECTION = 0.1
"""The share of the largest section that a volume's first and last slice must show, where blank ends are cut off."""


def shown_outlines(channels: Mapping[str, sitk.Image], structures: Mapping[str, sitk.Image]) -> list[Finding]:
    """Return a finding for each structure whose outline the images show by what is blank around it.

    A slice counts if at least half of it has the image's lowest value, and the structure lies in islands of other
    values that reach no further than 10 mm beyond the structures in them. A structure that is all that an image shows,
    such as the body in an image without air, is reported too.

    Args:
        channels, structures: images and masks on one grid, the first axis of their arrays through the slices.
    """
    masks = {name: sitk.GetArrayViewFromImage(mask) != 0 for name, mask in structures.items()}
    contoured = np.any(list(masks.values()), axis=0) if masks else np.zeros((0, 0, 0), bool)
    out = []
    for channel, image in channels.items():
        values = sitk.GetArrayViewFromImage(image)
        seen = values != values.min()
        slices = [z for z in np.flatnonzero(contoured.any(axis=(1, 2))) if seen[z].mean() <= 1 - BLANK]
        islands = {z: _islands(seen[z], contoured[z], image.GetSpacing()[1::-1]) for z in slices}
        for name, mask in masks.items():
            count = sum(bool(mask[z].any() and islands[z][mask[z]].mean() >= ISLAND) for z in slices)
            if count >= SLICES:
                of = int(mask.any(axis=(1, 2)).sum())
                what = (
                    f"in {count} of its {of} slices, channel {channel} is blank ({values.min():g}) all around it, "
                    f"{REACH_MM:g} mm or less from contoured structures: the image shows where the structure is"
                )
                out.append(Finding("outline-shown", what, f"structure {name}"))
    return out


def _islands(seen: np.ndarray, contoured: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
    """Return where the islands of a slice are that hold structures and little else."""
    labels, _ = ndimage.label(seen)
    found = np.zeros_like(seen)
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        island = labels[box] == number
        own = island & contoured[box]
        if not own.any():
            continue
        extents = [np.ptp(places) + 1 for places in np.nonzero(own)]
        if any(size * mm > extent * mm + 4 * REACH_MM for size, extent, mm in zip(own.shape, extents, spacing)):
            continue  # far larger, as a body mostly is: no need for its distances
        near = ndimage.distance_transform_edt(~own, sampling=spacing) <= REACH_MM
        if near[island].mean() >= ISLAND:
            found[box] |= island
    return found


def without_blank_ends(reading: Reading) -> Reading:
    """Cut off the slices at a volume's ends in which less than a tenth of its largest section is not blank.

    A section is the number of a slice's voxels of which some channel has another than its lowest value. No mask decides
    what is cut off, so that images without masks are cut alike.

    Args:
        reading: images and masks on one grid, of which none has an error.

    Returns:
        The reading, with a finding if anything was cut off: ends-cut, and structure-in-blank-ends of each structure
        that lay there alone.
    """
    images = [sitk.GetArrayViewFromImage(image) for image in reading.channels.values()]
    sections = np.any([values != values.min() for values in images], axis=0).sum(axis=(1, 2))
    kept = np.flatnonzero(sections >= SECTION * sections.max())
    first, end = int(kept[0]), int(kept[-1]) + 1
    if end - first == len(sections):
        return reading

    def cut(volumes: Mapping[str, sitk.Image]) -> dict[str, sitk.Image]:
        return {name: volume[:, :, first:end] for name, volume in volumes.items()}

    out = replace(reading, channels=cut(reading.channels), structures=cut(reading.structures))
    what = f"the first {first} and the last {len(sections) - end} of {len(sections)} slices were cut off"
    empty = [name for name, mask in out.structures.items() if not sitk.GetArrayViewFromImage(mask).any()]
    why = f"{IN_BLANK_ENDS}: {what}"
    wrong = [Finding("structure-in-blank-ends", why, f"structure {name}") for name in empty]
    return replace(out, findings=[*reading.findings, Finding("ends-cut", what), *wrong])

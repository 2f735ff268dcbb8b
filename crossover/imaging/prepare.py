"""A cohort's cases -> bias-corrected channels -> slices, case by case behind a manifest."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from crossover.core import incremental
from crossover.core.files import digest, read_json
from crossover.imaging import bias_field, stored
from crossover.imaging import slices as slicing
from crossover.imaging.settings import BiasField, Slices
from crossover.imaging.volumes import image_path, read, structure_path, write

log = logging.getLogger(__name__)


def correct(
    cases: Path, manifest: Path, settings: BiasField, code: str, workers: int, part: tuple[int, int] | None = None
) -> None:  # fmt: skip
    """Write the corrected channels of every case (N4), keyed by the case and the settings.

    Args:
        cases: the manifest of cases. manifest: the file that is written.
        settings: of the correction. code: digest of its source code.
        workers: how many cases are corrected at the same time.
        part: (k, n): of every n-th case only, from the k-th on, into the folder of all, which others fill
        beside this one; None: of all, of which what the parts have made is kept.
    """
    items = read_json(cases)["items"]
    keys = {case: digest([item["files"], settings, code]) for case, item in items.items()}
    if part:
        first, of = part
        keys = {case: keys[case] for case in sorted(keys)[first::of]}
    make = partial(_correct, cases.parent, settings)
    incremental.update(manifest, keys, make, workers=workers, prune=part is None)


def _correct(cases: Path, settings: BiasField, case: str, folder: Path) -> dict:
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    source = read(image_path(cases / case, settings.estimate_on))
    field = bias_field.estimate(source, settings.shrink, settings.iterations, settings.fit)
    for channel in settings.apply_to:
        image = read(image_path(cases / case, channel))
        write(bias_field.divide(image, field), image_path(folder, channel))
    return {"field_variation": round(bias_field.spread(field), 4)}


def slice_cases(
    cases: Path,
    corrected: Path | None,
    manifest: Path,
    settings: Slices,
    channels: list[str],
    structures: list[str],
    code: str,
    workers: int,
) -> None:
    """Write the slices of every case on the network's grid, see `crossover.imaging.stored`.

    A case's record tells, of each slice by a 0 or 1, for each structure: `large`, whether the mask has more
    than `smallest_mask_px` pixels as it was drawn, and `shown`, whether it has any on the network's grid; and of each
    structure `beyond`, the share of its voxels that lie outside that grid. The log names the cases that have such.
    """
    items = read_json(cases)["items"]
    extra = read_json(corrected)["items"] if corrected else {}
    inputs = {case: [item["files"], extra.get(case, {}).get("files")] for case, item in items.items()}
    keys = {case: digest([files, settings, channels, structures, code]) for case, files in inputs.items()}
    folders = [p.parent for p in (corrected, cases) if p]
    make = partial(_slice, folders, settings, channels, structures)
    made = incremental.update(manifest, keys, make, workers=workers)
    for line in _cut_off(made["items"], structures, settings):
        log.warning(line)


def _cut_off(items: Mapping[str, dict], structures: list[str], settings: Slices) -> list[str]:
    """Return which structures the network's grid cuts off, a line each, with the case that loses most of it."""
    lines = []
    for structure in structures:
        lost = {case: item["beyond"][structure] for case, item in items.items() if item["beyond"][structure]}
        if lost:
            worst = max(lost, key=lambda case: lost[case])
            lines.append(
                f"structure {structure}: of {len(lost)} of {len(items)} cases a part lies outside of the "
                f"{settings.size[0]} x {settings.size[1]} pixels that a network sees, most of case {worst} "
                f"({lost[worst]:.0%} of its voxels); it can be neither learnt nor predicted: a larger "
                "preparation.slices.size or spacing_mm"
            )
    return lines


def _slice(
    folders: list[Path], settings: Slices, channels: list[str], structures: list[str], case: str, out: Path
) -> dict:
    images, masks, large, beyond = [], {}, {}, {}
    grid: sitk.Image | None = None
    acquired: np.ndarray | None = None
    for channel in channels:
        paths = [image_path(folder / case, channel) for folder in folders]
        image = read(next(p for p in paths if p.exists()))
        grid = grid or slicing.network_grid(image, settings)
        acquired = slicing.seen(image, grid) if acquired is None else acquired
        resampled = slicing.to_network(image, grid)
        images.append(slicing.normalise(resampled, settings.normalisation, acquired))
    assert grid is not None, "a study has a channel or more"
    seen = slicing.seen(grid, image)
    for structure in structures:
        mask = read(structure_path(folders[-1] / case, structure))
        masks[structure] = slicing.to_network(mask, grid, mask=True)
        drawn = sitk.GetArrayViewFromImage(mask) > 0
        large[structure] = slicing.large(drawn, settings.smallest_mask_px)
        beyond[structure] = float((drawn & ~seen).sum() / max(1, drawn.sum()))
    stored.write(out, np.stack(images, -1), masks)
    with_structure = np.any(list(large.values()), axis=0).sum() if large else 0
    return {
        "slices": len(images[0]),
        "with_structure": int(with_structure),
        "large": {name: _bits(own) for name, own in large.items()},
        "shown": {name: _bits(np.any(mask, axis=(1, 2))) for name, mask in masks.items()},
        "beyond": beyond,
    }


def _bits(values: np.ndarray) -> str:
    return "".join("01"[int(value)] for value in values)

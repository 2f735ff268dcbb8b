"""Every slice of one case with the predicted contour and, where there is one, the manual contour."""

import math
from typing import Any

import numpy as np
import SimpleITK as sitk
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from crossover.analyses.figures import slice_view, style
from crossover.analyses.figures.anatomy import view

MANUAL: tuple[str, Any] = ("#c964f5", "-")
PREDICTED: tuple[str, Any] = ("#ffd13b", (0, (3, 1.2)))
MOST, COLUMNS = 24, 4
"""The most slices on a picture, evenly spaced in a longer volume, and the slices side by side."""


@style.styled
def draw(image: sitk.Image, predicted: np.ndarray, manual: np.ndarray | None) -> Figure:
    """Draw a cell for each slice that has some of either mask, and for one more at either end.

    A long stack is thinned to `MOST` slices; where no slice has any mask, they are of the whole volume.

    Args:
        image: the channel to show in grey.
        predicted, manual: (slices, rows, columns) bool, on the image's voxels.
    """
    either = predicted if manual is None else predicted | manual
    shown = slices(np.any(either, axis=(1, 2)))
    hung = view(image)
    values = sitk.GetArrayFromImage(image)
    limits = tuple(np.percentile(values, [1, 99.5]))
    crop = slice_view.square_around([hung.turn(np.any(either, axis=0))], hung)
    ratio = slice_view.aspect(hung.turn(values[0])[crop], hung.spacing)
    figure, grid, _ = slice_view.cell_grid([ratio] * math.ceil(len(shown) / COLUMNS), COLUMNS, 0)
    for i, k in enumerate(shown):
        axes = figure.add_subplot(grid[divmod(i, COLUMNS)])
        slice_view.draw_slice(axes, hung.turn(values[k])[crop], hung, limits)
        for mask, (colour, line) in ((manual, MANUAL), (predicted, PREDICTED)):
            if mask is not None:
                slice_view.draw_contour(axes, hung.turn(mask[k])[crop], hung, colour, line)
        slice_view.write_on_image(axes, 0.97, 0.03, f"slice {k + 1}", ha="right", va="bottom")
    kinds = {"manual": MANUAL, "predicted": PREDICTED}
    handles = [
        Line2D([], [], color=colour, linestyle=line, label=name)
        for name, (colour, line) in kinds.items()
        if name == "predicted" or manual is not None
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def slices(marked: np.ndarray) -> list[int]:
    """Return the slices from one before the first marked one to one after the last, thinned to `MOST`.

    Where none is marked, it takes them from all slices.

    Args:
        marked: (slices,) bool.
    """
    found = np.flatnonzero(marked)
    first, last = (max(found[0] - 1, 0), found[-1] + 1) if len(found) else (0, len(marked) - 1)
    span = np.arange(first, min(last, len(marked) - 1) + 1)
    return span[np.unique(np.linspace(0, len(span) - 1, MOST).round().astype(int))].tolist()

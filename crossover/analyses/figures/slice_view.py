"""One slice of a case as a reader sees it: hung as radiologists do, cropped, with contours and a scale bar."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.patheffects as effects
import numpy as np
import pandas as pd
import SimpleITK as sitk
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.typing import LineStyleType

from crossover.analyses.figures import style
from crossover.analyses.figures.anatomy import View, view

BAR_MM = 20.0
MARGIN = 1.9  # side of the shown square, of the largest side of all contours
SMALLEST = 0.45  # side of the shown square, at least, of the image's shorter side
PAGE_HEIGHT_MM = 240.0
AROUND_MM = 16.0  # height of titles and legend


@dataclass(frozen=True)
class ShownSlice:
    """One slice of a case, turned for the screen and cropped."""

    images: list[np.ndarray]
    manual: np.ndarray
    predicted: dict[str, np.ndarray]
    hung: View


def shown_slice(images: Sequence[Path], manual: Path, predicted: Mapping[str, Path]) -> ShownSlice:
    """Read the slice with the largest manual area, cropped to a square around all of its masks.

    Args:
        images: on one grid, hung as the first of them.
        manual, predicted: the masks on that grid, those that were predicted by the names of their models.
    """
    stacks, drawn = [sitk.ReadImage(str(path)) for path in images], read_mask(manual)
    k, hung = largest_slice(drawn), view(stacks[0])
    own = hung.turn(drawn[k])
    masks = {model: hung.turn(read_mask(path)[k]) for model, path in predicted.items()}
    square = square_around([own, *masks.values()], hung)
    slices = [hung.turn(sitk.GetArrayFromImage(stack)[k])[square] for stack in stacks]
    return ShownSlice(slices, own[square], {model: mask[square] for model, mask in masks.items()}, hung)


def read_mask(path: Path) -> np.ndarray:
    """Read a mask file as (slices, rows, columns) bool."""
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path))) > 0


def median_case(rows: pd.DataFrame, metric: str) -> str:
    """Return the case of median score, the lower of two; a case's score is its mean over the rows.

    Args:
        rows: with `case` and the metric's column, of at least one case with a score.
    """
    means = rows.groupby("case", as_index=False)[metric].mean().dropna()
    ordered = means.sort_values([metric, "case"])["case"].tolist()
    return ordered[(len(ordered) - 1) // 2]


def largest_slice(mask: np.ndarray) -> int:
    """Return the index of the slice with the largest area, the first of equals.

    Args:
        mask: (slices, rows, columns).
    """
    return int(np.argmax(mask.sum(axis=(1, 2))))


def square_around(masks: list[np.ndarray], hung: View) -> tuple[slice, slice]:
    """Return the rows and columns of a square in mm around every contour, inside the image.

    Args:
        masks: (rows, columns) each, as they are hung; where all are empty the square is in the image's
            middle.
        hung: gives the mm of a pixel.
    """
    union = np.any(masks, axis=0)
    spacing, shape = np.array(hung.spacing), np.array(union.shape)
    points = np.argwhere(union) if union.any() else shape[None] // 2
    low, high = points.min(axis=0), points.max(axis=0) + 1
    field = shape * spacing
    side = max(MARGIN * ((high - low) * spacing).max(), SMALLEST * field.min())
    size = np.minimum(np.ceil(side / spacing).astype(int), shape)
    start = np.clip((low + high - size) // 2, 0, shape - size)
    rows, columns = (slice(a, a + n) for a, n in zip(start, size, strict=True))
    return rows, columns


def aspect(image: np.ndarray, spacing: tuple[float, float]) -> float:
    """Return height over width of a slice in mm."""
    return image.shape[0] * spacing[0] / (image.shape[1] * spacing[1])


def cell_grid(ratios: list[float], columns: int, beside: float) -> tuple[Figure, GridSpec, float]:
    """Return a figure with rows of cells of these aspects, no taller than a page.

    Args:
        ratios: height over width of each row's cells.
        columns: the number of columns.
        beside: mm for the labels of the rows.

    Returns:
        The figure, the places of its cells, and a cell's width in mm.
    """
    tallest = (PAGE_HEIGHT_MM - AROUND_MM - len(ratios)) / sum(ratios)
    cell = min((style.PAGE_MM - beside) / max(columns, 3), tallest)
    height = cell * sum(ratios) + len(ratios) + AROUND_MM
    figure = style.new_figure(height, columns * cell + beside)
    style.spacing(figure, w_pad=0.02, h_pad=0.02, wspace=0.01, hspace=0.01)
    return figure, figure.add_gridspec(len(ratios), columns, height_ratios=ratios), cell


def draw_slice(axes: Axes, image: np.ndarray, hung: View, limits: tuple[float, float] | None = None) -> None:
    """Draw a slice in grey, in mm, with the patient's sides at its left and top, and a scale bar.

    Args:
        axes: where to draw.
        image: (rows, columns) as it is hung.
        hung: gives the mm of a pixel and the letters of the sides.
        limits: values shown as black and white; None for percentiles 1 and 99.5.
    """
    height, width = (n * mm for n, mm in zip(image.shape, hung.spacing, strict=True))
    low, high = limits or np.percentile(image, [1, 99.5])
    axes.imshow(image, cmap="gray", vmin=low, vmax=max(high, low + 1e-6),
                extent=(0, width, height, 0), interpolation="nearest")  # fmt: skip
    write_on_image(axes, 0.03, 0.5, hung.letters[0], ha="left", va="center")
    write_on_image(axes, 0.5, 0.97, hung.letters[1], ha="center", va="top")
    bar = axes.plot([0.03 * width, 0.03 * width + BAR_MM], [0.95 * height] * 2, color="white",
                    linewidth=1.8, solid_capstyle="butt")  # fmt: skip
    bar[0].set_path_effects([effects.withStroke(linewidth=3, foreground="black")])
    write_on_image(axes, 0.03, 0.06, f"{BAR_MM:.0f} mm", ha="left", va="bottom")
    axes.set(xticks=[], yticks=[], xlim=(0, width), ylim=(height, 0))
    axes.spines[:].set_visible(False)


def draw_contour(axes: Axes, mask: np.ndarray, hung: View, colour: str, line: LineStyleType) -> None:
    """Draw the mask's outline in mm; draw none where the mask is empty or fills the slice."""
    if not mask.any() or mask.all():
        return
    padded = np.pad(mask.astype(float), 1)  # closes contours at the border of the crop
    y = (np.arange(padded.shape[0]) - 0.5) * hung.spacing[0]
    x = (np.arange(padded.shape[1]) - 0.5) * hung.spacing[1]
    axes.contour(x, y, padded, levels=[0.5], colors=[colour], linestyles=[line], linewidths=1.3)


def write_on_image(axes: Axes, x: float, y: float, text: str, size: float = 7, **place: Any) -> None:
    """Write white text with a black edge at a place whose x and y are shares of the axes, 0 to 1."""
    outline = [effects.withStroke(linewidth=1.6, foreground="black")]
    axes.text(x, y, text, transform=axes.transAxes, color="white", size=size,
              path_effects=outline, **place)  # fmt: skip

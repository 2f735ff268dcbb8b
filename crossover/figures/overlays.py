"""Manual and predicted contours on one test case, by structure, size and strategy (Lin, Fig. 4).

Drawn: each structure's slice with the largest manual area, hung as radiologists do, with the case's
DSC (no unit) in each corner and a scale bar in mm. The case is not picked by eye: it is the target
cohort's test case with the median DSC, as a mean over the structures, under the last sized overlay
family at the largest overlay size.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path

import matplotlib.patheffects as effects
import numpy as np
import pandas as pd
import SimpleITK as sitk
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.lines import Line2D

from crossover.figures import style
from crossover.figures.anatomy import View, view
from crossover.figures.families import families, main_rows
from crossover.imaging.volumes import image_path, prediction_path, structure_path
from crossover.study import Study

# red and blue as in the paper, light enough for a dark image and told apart by any reader
MANUAL, PREDICTED = ("#ff6a3d", "-"), ("#56b4ff", (0, (3, 1.2)))
BAR_MM = 20.0
MARGIN = 1.9  # side of the shown square, of the largest side of all contours
SMALLEST = 0.45  # side of the shown square, at least, of the image's shorter side
PAGE_HEIGHT_MM = 240.0
AROUND_MM = 16.0  # height of titles and legend
LETTER_MM = 2.1  # width of a letter of a label, about


@dataclass(frozen=True)
class Plane:
    """One slice, turned for the screen and cropped."""

    image: np.ndarray
    manual: np.ndarray
    predicted: dict[str, np.ndarray]
    spacing: tuple[float, float]
    letters: tuple[str, str]


@style.styled
def draw(metrics: pd.DataFrame, study: Study, cases: Path, predictions: Path) -> Figure:
    """Rows: for each structure the overlays' sizes. Columns: the families; one without sizes once, on top.

    Args:
        metrics: one row for each model, case and structure.
        cases: folder with `<cohort>/<case>/image_<channel>.nii.gz` and the structures.
        predictions: folder with `<model>/<cohort>_<case>_<structure>.nii.gz`.
    """
    rows = main_rows(metrics, study)
    rows = rows[rows["cohort"] == study.target]
    case, cells = chosen_case(rows, study), _cells(study)
    own = rows[rows["case"] == case].set_index(["structure", "family", "n_train"])
    planes = []
    for structure in study.overlaid:
        models = {cell: own.loc[(structure, *cell), "model"] for cell in cells.values()}
        folder = cases / study.target / case
        planes.append(_plane(study, structure, case, folder, predictions, models))
    figure, grid, cell_mm = _grid(study, planes)
    for i, (structure, plane) in enumerate(zip(study.overlaid, planes, strict=True)):
        written = _row_labels(study, structure, cells, cell_mm)
        for (line, column), cell in cells.items():
            axes = figure.add_subplot(grid[i * len(study.figures.overlays.sizes) + line, column])
            one = own.loc[(structure, *cell)]
            _panel(axes, plane, one["model"], one["dsc"], study.figures.overlays.window)
            if i == line == 0:
                axes.set_title(_lines(style.family_label(study, cell[0]), cell_mm), loc="center")
            axes.set_ylabel(written.get((line, column), ""), weight="bold", size=8.5)
    handles = [Line2D([], [], color=c, linestyle=s, linewidth=1.4, label=label)
               for (c, s), label in ((MANUAL, "manual"), (PREDICTED, "predicted"))]  # fmt: skip
    legend = figure.legend(handles=handles, loc="outside lower center", ncols=2)
    legend.set_title(_about_case(study, case))
    return figure


def chosen_case(rows: pd.DataFrame, study: Study) -> str:
    """The case of median DSC (the lower of two) under the last sized family at its largest size.

    Its DSC is the mean over the structures shown.
    """
    chosen = study.figures.overlays
    family = [f for f in chosen.strategies if families(study)[f].sized][-1]
    shown = rows[rows["structure"].isin(study.overlaid)]
    largest = shown[(shown["family"] == family) & (shown["n_train"] == max(chosen.sizes))]
    means = largest.groupby("case", as_index=False)["dsc"].mean()
    ordered = means.sort_values(["dsc", "case"])["case"].tolist()
    return ordered[(len(ordered) - 1) // 2]


def _cells(study: Study) -> dict[tuple[int, int], tuple[str, int]]:
    """(row of a structure's, column) -> (family, size)."""
    chosen, out = study.figures.overlays, {}
    for column, family in enumerate(chosen.strategies):
        if families(study)[family].sized:
            out |= {(line, column): (family, n) for line, n in enumerate(chosen.sizes)}
        else:
            out[0, column] = (family, 0)
    return out


def _row_labels(
    study: Study, structure: str, cells: dict, cell_mm: float
) -> dict[tuple[int, int], str]:
    """(row of the structure's, column) -> the structure, the size, or both, where they are not the same
    for the whole figure."""
    out: dict[tuple[int, int], str] = {}
    if len(study.overlaid) > 1:
        out[0, 0] = _lines(study.structures[structure].label, cell_mm)
    if len(study.overlaid) == 1 or len(study.figures.overlays.sizes) > 1:
        first = min(column for (_, column), (_, n) in cells.items() if n)
        for (line, column), (_, n) in cells.items():
            if column == first:
                above = f"{out[line, column]}\n" if (line, column) in out else ""
                out[line, column] = f"{above}n = {n}"
    return out


def _lines(text: str, width_mm: float) -> str:
    return textwrap.fill(text, max(int(width_mm / LETTER_MM), 1), break_long_words=False)


def _about_case(study: Study, case: str) -> str:
    """Where it is from, and the size where no row has it."""
    sizes = study.figures.overlays.sizes
    text = f"{style.test_set_label(study, study.target)}, case {case}"
    return f"{text}, n = {sizes[0]}" if len(study.overlaid) > 1 and len(sizes) == 1 else text


def _plane(
    study: Study, structure: str, case: str, folder: Path, predictions: Path, models: dict
) -> Plane:
    image = sitk.ReadImage(str(image_path(folder, study.figures.overlays.channel)))
    manual = _mask(structure_path(folder, structure))
    k = int(np.argmax(manual.sum(axis=(1, 2))))
    hung = view(image)
    shown = {"image": sitk.GetArrayFromImage(image)[k], "manual": manual[k]}
    for model in models.values():
        path = prediction_path(predictions, model, study.target, case, structure)
        shown[model] = _mask(path)[k]
    turned = {name: hung.turn(plane) for name, plane in shown.items()}
    window = _window([v for name, v in turned.items() if name != "image"], hung)
    cropped = {name: plane[window] for name, plane in turned.items()}
    return Plane(cropped.pop("image"), cropped.pop("manual"), cropped, hung.spacing, hung.letters)


def _mask(path: Path) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path))) > 0


def _window(masks: list[np.ndarray], hung: View) -> tuple[slice, slice]:
    """A square in mm around every contour, inside the image."""
    union = np.any(masks, axis=0)
    spacing, shape = np.array(hung.spacing), np.array(union.shape)
    points = np.argwhere(union) if union.any() else shape[None] // 2
    low, high = points.min(axis=0), points.max(axis=0) + 1
    field = shape * spacing
    side = max(MARGIN * ((high - low) * spacing).max(), SMALLEST * field.min())
    size = np.minimum(np.ceil(side / spacing).astype(int), shape)
    start = np.clip((low + high - size) // 2, 0, shape - size)
    return tuple(slice(a, a + n) for a, n in zip(start, size, strict=True))


def _grid(study: Study, planes: list[Plane]) -> tuple[Figure, GridSpec, float]:
    """A figure whose cells have the planes' aspect, no taller than a page; a cell's width in mm."""
    columns, sizes = len(study.figures.overlays.strategies), len(study.figures.overlays.sizes)
    ratios = [
        plane.image.shape[0] * plane.spacing[0] / (plane.image.shape[1] * plane.spacing[1])
        for plane in planes
        for _ in range(sizes)
    ]
    beside = 16 if len(planes) > 1 and sizes > 1 else 8  # labels of the rows
    tallest = (PAGE_HEIGHT_MM - AROUND_MM - len(ratios)) / sum(ratios)
    cell = min((style.PAGE_MM - beside) / max(columns, 3), tallest)
    height = cell * sum(ratios) + len(ratios) + AROUND_MM
    figure = style.new_figure(height, columns * cell + beside)
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.01, hspace=0.01)
    return figure, figure.add_gridspec(len(ratios), columns, height_ratios=ratios), cell


def _panel(
    axes: Axes, plane: Plane, model: str, dsc: float, window: tuple[float, float] | None
) -> None:
    height = plane.image.shape[0] * plane.spacing[0]
    width = plane.image.shape[1] * plane.spacing[1]
    low, high = window or np.percentile(plane.image, [1, 99.5])
    axes.imshow(plane.image, cmap="gray", vmin=low, vmax=max(high, low + 1e-6),
                extent=(0, width, height, 0), interpolation="nearest")  # fmt: skip
    for mask, (colour, line) in ((plane.predicted[model], PREDICTED), (plane.manual, MANUAL)):
        _contour(axes, mask, plane.spacing, colour, line)
    _written(axes, 0.97, 0.03, f"{dsc:.2f}", ha="right", va="bottom", size=9)
    _written(axes, 0.03, 0.5, plane.letters[0], ha="left", va="center")
    _written(axes, 0.5, 0.97, plane.letters[1], ha="center", va="top")
    bar = axes.plot([0.03 * width, 0.03 * width + BAR_MM], [0.95 * height] * 2, color="white",
                    linewidth=1.8, solid_capstyle="butt")  # fmt: skip
    bar[0].set_path_effects([effects.withStroke(linewidth=3, foreground="black")])
    _written(axes, 0.03, 0.06, f"{BAR_MM:.0f} mm", ha="left", va="bottom")
    axes.set(xticks=[], yticks=[], xlim=(0, width), ylim=(height, 0))
    axes.spines[:].set_visible(False)


def _contour(axes: Axes, mask: np.ndarray, spacing: tuple[float, float], colour: str, line) -> None:
    if not mask.any() or mask.all():
        return
    padded = np.pad(mask.astype(float), 1)  # closes contours at the border of the crop
    y = (np.arange(padded.shape[0]) - 0.5) * spacing[0]
    x = (np.arange(padded.shape[1]) - 0.5) * spacing[1]
    axes.contour(x, y, padded, levels=[0.5], colors=[colour], linestyles=[line], linewidths=1.3)


def _written(axes: Axes, x: float, y: float, text: str, size: float = 7, **place) -> None:
    outline = [effects.withStroke(linewidth=1.6, foreground="black")]
    axes.text(x, y, text, transform=axes.transAxes, color="white", size=size,
              path_effects=outline, **place)  # fmt: skip

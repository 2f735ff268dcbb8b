"""Manual and predicted contours on one test case, by size and strategy (Lin, Fig. 4).

Drawn: the slice with the largest manual area, hung as radiologists do, with the case's DSC (no
unit) in each corner and a scale bar in mm. The case is not picked by eye: it is the target cohort's
test case with the median DSC under the last sized overlay family at the largest overlay size.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import matplotlib.patheffects as effects
import numpy as np
import pandas as pd
import SimpleITK as sitk
from matplotlib.axes import Axes
from matplotlib.figure import Figure
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


@dataclass(frozen=True)
class Plane:
    """One slice, turned for the screen and cropped."""

    image: np.ndarray
    manual: np.ndarray
    predicted: dict[str, np.ndarray]
    spacing: tuple[float, float]
    letters: tuple[str, str]


@style.styled
def draw(
    metrics: pd.DataFrame, study: Study, structure: str, cases: Path, predictions: Path
) -> Figure:
    """Rows: the overlays' sizes. Columns: the overlays' families; one without sizes once, on top.

    Args:
        metrics: one row for each model, case and structure.
        cases: folder with `<cohort>/<case>/image_<channel>.nii.gz` and the structures.
        predictions: folder with `<model>/<cohort>_<case>_<structure>.nii.gz`.
    """
    rows = main_rows(metrics, study)
    rows = rows[(rows["structure"] == structure) & (rows["cohort"] == study.target)]
    case = chosen_case(rows, study)
    own = rows[rows["case"] == case].set_index(["family", "n_train"])
    cells = _cells(study)
    models = {cell: own.loc[cell, "model"] for cell in cells.values()}
    plane = _plane(study, structure, case, cases / study.target / case, predictions, models)
    figure, grid = _grid(study, plane)
    first = min(column for (_, column), (_, n) in cells.items() if n)
    for (line, column), cell in cells.items():
        axes = figure.add_subplot(grid[line, column])
        _panel(axes, plane, models[cell], own.loc[cell, "dsc"], study.figures.overlays.window)
        if line == 0:
            axes.set_title(style.family_label(study, cell[0]), loc="center")
        if column == first:
            axes.set_ylabel(f"n = {cell[1]}", weight="bold", size=8.5)
    handles = [Line2D([], [], color=c, linestyle=s, linewidth=1.4, label=label)
               for (c, s), label in ((MANUAL, "manual"), (PREDICTED, "predicted"))]  # fmt: skip
    legend = figure.legend(handles=handles, loc="outside lower center", ncols=2)
    legend.set_title(f"{style.test_set_label(study, study.target)}, case {case}")
    return figure


def chosen_case(rows: pd.DataFrame, study: Study) -> str:
    """The case of median DSC (the lower of two) under the last sized family at its largest size."""
    chosen = study.figures.overlays
    family = [f for f in chosen.strategies if families(study)[f].sized][-1]
    largest = rows[(rows["family"] == family) & (rows["n_train"] == max(chosen.sizes))]
    ordered = largest.sort_values(["dsc", "case"])["case"].tolist()
    return ordered[(len(ordered) - 1) // 2]


def _cells(study: Study) -> dict[tuple[int, int], tuple[str, int]]:
    """(row, column) -> (family, size)."""
    chosen, out = study.figures.overlays, {}
    for column, family in enumerate(chosen.strategies):
        if families(study)[family].sized:
            out |= {(line, column): (family, n) for line, n in enumerate(chosen.sizes)}
        else:
            out[0, column] = (family, 0)
    return out


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


def _grid(study: Study, plane: Plane):
    """A figure whose cells have the plane's aspect."""
    chosen = study.figures.overlays
    columns = len(chosen.strategies)
    cell = (style.PAGE_MM - 8) / max(columns, 3)
    ratio = plane.image.shape[0] * plane.spacing[0] / (plane.image.shape[1] * plane.spacing[1])
    width = columns * cell + 8
    figure = style.new_figure(len(chosen.sizes) * (cell * ratio + 1) + 16, width)
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.01, hspace=0.01)
    return figure, figure.add_gridspec(len(chosen.sizes), len(chosen.strategies))


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

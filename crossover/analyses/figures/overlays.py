"""Manual and predicted contours on one test case, by structure, size and strategy (Lin, Fig. 4).

Drawn: each structure's slice with the largest manual area, hung as radiologists do, its channels side by side, with
the case's DSC (no unit) in a corner and a scale bar in mm. The case is not picked by eye: it is the target
cohort's test case with the median DSC, as a mean over the structures, under the last sized overlay
family at the largest overlay size (where its training failed the last that is there). A model whose training
failed has an empty panel.
"""

import textwrap
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.lines import Line2D

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.analyses.figures import captions, style
from crossover.analyses.figures.slice_view import (
    BAR_MM,
    ShownSlice,
    aspect,
    cell_grid,
    draw_contour,
    draw_slice,
    median_case,
    shown_slice,
    write_on_image,
)
from crossover.analyses.predicates import has_overlays, sized
from crossover.imaging.volumes import image_path, prediction_path, structure_path
from crossover.study.families import families, main_rows
from crossover.study.schema import Study

ANALYSIS = Analysis(
    title="Contours on one case",
    reads=("metrics.csv",),
    sources=("images",),
    settings=("design", "labels", "figures.overlays"),
    applies=(sized, has_overlays),
    part="results",
    order=11,
)

# red and blue as in the paper, light enough for a dark image and told apart by any reader
MANUAL: tuple[str, Any] = ("#ff6a3d", "-")
PREDICTED: tuple[str, Any] = ("#56b4ff", (0, (3, 1.2)))
LETTER_MM = 2.1  # width of a letter of a label, about


def make(given: Inputs, study: Study) -> Figure:
    """Return the figure that `draw` makes of the tables and images given."""
    return draw(given.table("metrics.csv"), study, given.cases, given.path("predictions"))


def caption(frames: Frames, study: Study) -> str:
    """Return the text below the figure, with the numbers of a run."""
    chosen = study.overlays
    sized = [f for f in chosen.strategies if families(study)[f].sized]
    asked = sized[-1], max(chosen.sizes)
    if "metrics" in frames:
        rows = main_rows(frames["metrics"], study)
        asked = judge(rows[rows["cohort"] == study.target], study) or asked
    under = f"under {style.family_label(study, asked[0])} at n = {asked[1]}"
    shown = len(study.overlaid)
    each, mean, whole = "The", "", "the case's whole volume"
    if shown > 1:
        each, mean = "For each structure the", f", as a mean over the {shown} structures,"
        whole = "the structure in the case's whole volume"
    return (
        f"{each} slice with the largest manual area of one test case of {captions.target(study)} "
        f"({' beside '.join(chosen.channels)}); the choice is automatic: the case with the median DSC{mean} {under}. "
        f"Solid red: manual; dashed blue: predicted; number: the DSC of {whole}; bar: {BAR_MM:.0f} mm."
    )


@style.styled
def draw(metrics: pd.DataFrame, study: Study, cases: Path, predictions: Path) -> Figure:
    """Draw rows of the overlays' sizes for each structure, and a column for each family.

    A family without sizes stands in the first row of a structure only.

    Args:
        metrics: one row for each model, case and structure.
        cases: folder with `<cohort>/<case>/image_<channel>.nii.gz` and the structures.
        predictions: folder with `<model>/<cohort>_<case>_<structure>.nii.gz`.
    """
    rows = main_rows(metrics, study)
    rows = rows[rows["cohort"] == study.target]
    if judge(rows, study) is None:
        return style.figure_of_text("No model whose contours could be shown was trained.")
    case, cells = chosen_case(rows, study), _cells(study)
    own = rows[rows["case"] == case].set_index(["structure", "family", "n_train"])
    planes = []
    for structure in study.overlaid:
        there = [cell for cell in cells.values() if (structure, *cell) in own.index]
        models = [own.loc[(structure, *cell), "model"] for cell in there]
        masks = {model: prediction_path(predictions, model, study.target, case, structure) for model in models}
        folder = cases / study.target / case
        images = [image_path(folder, channel) for channel in study.overlays.channels]
        planes.append(shown_slice(images, structure_path(folder, structure), masks))
    figure, cells_of, cell_mm = _grid(study, planes)
    count = len(study.overlays.channels)
    for i, (structure, plane) in enumerate(zip(study.overlaid, planes, strict=True)):
        labels = _row_labels(study, structure, cells, cell_mm)
        for (line, column), cell in cells.items():
            row, first = i * len(study.overlays.sizes) + line, column * count
            panels = [figure.add_subplot(cells_of[row, place]) for place in range(first, first + count)]
            if (structure, *cell) in own.index:
                one = own.loc[(structure, *cell)]
                _panels(panels, plane, one["model"], one["dsc"], study.overlays.window)
            else:
                _empty(panels)
            if i == line == 0:
                title = _lines(style.family_label(study, cell[0]), count * cell_mm)
                panels[0].set_title(title, loc="left" if count > 1 else "center")
            panels[0].set_ylabel(labels.get((line, column), ""), weight="bold", size=8.5)
    handles = [Line2D([], [], color=c, linestyle=s, linewidth=1.4, label=label)
               for (c, s), label in ((MANUAL, "manual"), (PREDICTED, "predicted"))]  # fmt: skip
    legend = figure.legend(handles=handles, loc="outside lower center", ncols=2)
    legend.set_title(_about_case(study, case))
    return figure


def chosen_case(rows: pd.DataFrame, study: Study) -> str:
    """Return the case of median DSC (the lower of two) under the model that `judge` names.

    A case's DSC is the mean over the structures shown.
    """
    family, size = judge(rows, study) or ("", 0)
    shown = rows[rows["structure"].isin(study.overlaid)]
    return median_case(shown[(shown["family"] == family) & (shown["n_train"] == size)], "dsc")


def judge(rows: pd.DataFrame, study: Study) -> tuple[str, int] | None:
    """Return (family, size) of the model by which the case is chosen; None where none was trained.

    It is the last sized family at its largest size; where that was not trained the next smaller size, then
    the family before.
    """
    chosen = study.overlays
    sized = [f for f in chosen.strategies if families(study)[f].sized]
    rows = rows[rows["structure"].isin(study.overlaid)]
    there = set(zip(rows["family"], rows["n_train"], strict=True))
    asked = [(f, n) for f in reversed(sized) for n in sorted(chosen.sizes, reverse=True)]
    return next((one for one in asked if one in there), None)


def _empty(panels: list[Axes]) -> None:
    """Draw the panels of a model that was not trained."""
    for axes in panels:
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    first = panels[0]
    first.text(0.5, 0.5, "failed", transform=first.transAxes, ha="center", va="center", color=style.MUTED)


def _cells(study: Study) -> dict[tuple[int, int], tuple[str, int]]:
    """Return where each model stands: (row of a structure's, column) -> (family, size)."""
    chosen = study.overlays
    out: dict[tuple[int, int], tuple[str, int]] = {}
    for column, family in enumerate(chosen.strategies):
        if families(study)[family].sized:
            out |= {(line, column): (family, n) for line, n in enumerate(chosen.sizes)}
        else:
            out[0, column] = (family, 0)
    return out


def _row_labels(study: Study, structure: str, cells: dict, cell_mm: float) -> dict[tuple[int, int], str]:
    """Return (row of the structure's, column) -> the structure, the size, or both.

    What is the same for the whole figure is left out.
    """
    out: dict[tuple[int, int], str] = {}
    if len(study.overlaid) > 1:
        out[0, 0] = _lines(study.structures[structure].label, cell_mm)
    if len(study.overlaid) == 1 or len(study.overlays.sizes) > 1:
        first = min(column for (_, column), (_, n) in cells.items() if n)
        for (line, column), (_, n) in cells.items():
            if column == first:
                above = f"{out[line, column]}\n" if (line, column) in out else ""
                out[line, column] = f"{above}n = {n}"
    return out


def _lines(text: str, width_mm: float) -> str:
    return textwrap.fill(text, max(int(width_mm / LETTER_MM), 1), break_long_words=False)


def _about_case(study: Study, case: str) -> str:
    """Return where the case is from, and the size where no row has it."""
    sizes = study.overlays.sizes
    text = f"{style.test_set_label(study, study.target)}, case {case}"
    return f"{text}, n = {sizes[0]}" if len(study.overlaid) > 1 and len(sizes) == 1 else text


def _grid(study: Study, planes: list[ShownSlice]) -> tuple[Figure, GridSpec, float]:
    """Return a figure whose cells have the planes' aspect, the places of its cells, and a cell's width in mm."""
    chosen = study.overlays
    columns, sizes = len(chosen.strategies) * len(chosen.channels), len(chosen.sizes)
    ratios = [aspect(plane.images[0], plane.hung.spacing) for plane in planes for _ in range(sizes)]
    beside = 16 if len(planes) > 1 and sizes > 1 else 8  # labels of the rows
    return cell_grid(ratios, columns, beside)


def _panels(panels: list[Axes], plane: ShownSlice, model: str, dsc: float, limits: tuple[float, float] | None) -> None:
    for axes, image in zip(panels, plane.images, strict=True):
        draw_slice(axes, image, plane.hung, limits)
        for mask, (colour, line) in ((plane.predicted[model], PREDICTED), (plane.manual, MANUAL)):
            draw_contour(axes, mask, plane.hung, colour, line)
    write_on_image(panels[-1], 0.97, 0.03, f"{dsc:.2f}", ha="right", va="bottom", size=9)

"""One test case of each target: manual mask, corrected image, and two models' masks (Touijer, Fig. 1).

Drawn: the slice with the largest manual area of the case with the median score (the lower of two)
under the target's best chain, so none is picked by eye. The models are those of the best validation fold
of the baseline and of that chain; their scores of the case, in per cent or mm, stand in the corner.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.analyses.figures import captions, style
from crossover.analyses.figures.anatomy import View
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
from crossover.analyses.predicates import chained
from crossover.imaging.volumes import image_path, prediction_path, structure_path
from crossover.statistics.scores.scales import direction, shown
from crossover.study.chains import BASELINE, COUNTED, Chain, chains
from crossover.study.families import at_largest
from crossover.study.schema import Study

ANALYSIS = Analysis(
    title="One case of each target",
    reads=("metrics.csv", "statistics/chains.csv"),
    sources=("images", "corrected"),
    settings=("design", "labels", "statistics.metric", "channels", "preparation"),
    applies=(chained,),
    part="results",
    order=5,
)

# the paper's purple, and a yellow that any reader tells from it
MANUAL: tuple[str, Any] = ("#c56bff", "-")
PREDICTED: tuple[str, Any] = ("#ffd24a", (0, (3, 1.2)))
SHADE = 0.35  # opacity of the manual mask
LABELS_MM = 9.0


@dataclass(frozen=True)
class Shown:
    """The case and the models that a target's row shows.

    Attributes:
        models: (chain, model, its score of the case): the baseline, then the best chain.
    """

    target: str
    structure: str
    case: str
    models: list[tuple[Chain, str, float]]


def make(given: Inputs, study: Study) -> Figure:
    """Return the figure that `draw` makes of the tables and images given."""
    tables = [given.table(f"{name}.csv") for name in ("metrics", "statistics/chains")]
    return draw(*tables, study, given.cases, given.corrected, given.path("predictions"))


def caption(frames: Frames, study: Study) -> str:
    """Return the text below the figure, with the numbers of a run."""
    method = study.preparation.bias_field.method
    corrected = "after N4 correction; " if method != "none" else ""
    best = "highest" if direction(study.statistics.metric) > 0 else "lowest"
    return (
        f"The slice with the largest manual area ({study.channels[0]}) of each target's test case of median "
        f"score under its best chain; the choice is automatic. Left: as acquired, with the manual mask; {corrected}"
        f"then the masks of the baseline and of the chain with the {best} mean (named below it), each predicted by the "
        f"model of the best validation fold. Number: the case's {captions.metric(study)}; bar: {BAR_MM:.0f} mm."
    )


@style.styled
def draw(
    metrics: pd.DataFrame, scores: pd.DataFrame, study: Study, cases: Path, corrected: Path, predictions: Path,
) -> Figure:  # fmt: skip
    """Draw a row for each target and structure.

    Args:
        metrics: one row for each model, case and structure.
        scores: of `differences.chains.chain_scores`.
        cases: folder with `<cohort>/<case>/image_<channel>.nii.gz` and the structures.
        corrected: folder with the corrected channels, laid out alike.
        predictions: folder with `<model>/<cohort>_<case>_<structure>.nii.gz`.
    """
    rows = chosen_rows(metrics, scores, study)
    if not rows:
        return style.figure_of_text("No target has both a baseline and a chain to show.")
    planes = [_plane(row, study, cases, corrected, predictions) for row in rows]
    heads = ["Manual"]
    heads += ["N4-corrected"] if any(len(plane.images) > 1 for plane in planes) else []
    heads += ["Baseline", "Best chain"]
    ratios = [aspect(plane.images[0], plane.hung.spacing) for plane in planes]
    figure, places, _ = cell_grid(ratios, len(heads), LABELS_MM)
    for i, (row, plane) in enumerate(zip(rows, planes, strict=True)):
        panels = [figure.add_subplot(places[i, j]) for j in range(len(heads))]
        _draw(panels, row, plane, study)
        if i == 0:
            for axes, head in zip(panels, heads, strict=True):
                axes.set_title(head, loc="center")
    legend = [
        Patch(facecolor=to_rgba(MANUAL[0], SHADE), edgecolor=MANUAL[0], label="manual"),
        Line2D([], [], color=PREDICTED[0], linestyle=PREDICTED[1], linewidth=1.4, label="predicted"),
    ]
    figure.legend(handles=legend, loc="outside lower center", ncols=2)
    return figure


def chosen_rows(metrics: pd.DataFrame, scores: pd.DataFrame, study: Study) -> list[Shown]:
    """Return the case and the two models of each row of the figure.

    A target without a baseline or without a chain of several steps has no row. The best chain is that of the
    best mean over cases and folds.
    """
    metric, known = study.statistics.metric, {chain.family: chain for chain in chains(study)}
    scores, metrics = scores[scores["metric"] == metric], at_largest(metrics)
    out = []
    for target in study.cohorts:
        own = scores[scores["target"] == target]
        base, others = own[own["kind"] == BASELINE], own[own["kind"].isin(COUNTED[1:])]
        if base.empty or others["mean"].isna().all():
            continue
        pair = [base.iloc[0], others.loc[(direction(metric) * others["mean"]).idxmax()]]
        for structure in study.structures:
            rows = metrics[(metrics["cohort"] == target) & (metrics["structure"] == structure)]
            of_pair = [_of_fold(rows[rows["family"] == p["family"]], p["best_fold"]) for p in pair]
            if any(own.empty for own in of_pair):  # its trainings failed
                continue
            case = median_case(rows[rows["family"] == pair[1]["family"]], metric)
            picked = [own[own["case"] == case].iloc[0] for own in of_pair]
            models = [(known[row["family"]], row["model"], row[metric]) for row in picked]
            out.append(Shown(target, structure, case, models))
    return out


def _of_fold(rows: pd.DataFrame, fold: float) -> pd.DataFrame:
    """Return the rows of the model of a fold, or all rows where there are no folds (`fold` is NaN)."""
    return rows if pd.isna(fold) else rows[rows["fold"] == fold]


def _plane(row: Shown, study: Study, cases: Path, corrected: Path, predictions: Path) -> ShownSlice:
    """Return the slice of a row's case; its last image is the corrected one, where that was made."""
    folder, channel = cases / row.target / row.case, study.channels[0]
    after = image_path(corrected / row.target / row.case, channel)
    images = [image_path(folder, channel), *([after] if after.exists() else [])]
    models = [model for _, model, _ in row.models]
    masks = {model: prediction_path(predictions, model, row.target, row.case, row.structure) for model in models}
    return shown_slice(images, structure_path(folder, row.structure), masks)


def _draw(panels: list[Axes], row: Shown, plane: ShownSlice, study: Study) -> None:
    first, *middle, baseline, best = panels
    draw_slice(first, plane.images[0], plane.hung)
    _shade(first, plane.manual, plane.hung)
    draw_contour(first, plane.manual, plane.hung, *MANUAL)
    label = study.cohorts[row.target].label
    if len(study.structures) > 1:
        label += f"\n{study.structures[row.structure].label}"
    first.set_ylabel(label, weight="bold", size=8.5)
    for axes in (*middle, baseline, best):
        draw_slice(axes, plane.images[-1], plane.hung)
    for axes, (chain, model, score) in zip((baseline, best), row.models, strict=True):
        draw_contour(axes, plane.predicted[model], plane.hung, *PREDICTED)
        draw_contour(axes, plane.manual, plane.hung, *MANUAL)
        write_on_image(axes, 0.97, 0.03, score_text(score, study), ha="right", va="bottom", size=9)
        if chain.sources:
            axes.set_xlabel(f"first {chain.sources}", size=7, labelpad=2)


def score_text(score: float, study: Study) -> str:
    """Return a case's score with its unit: "89.3%", "4.12 mm"."""
    as_shown = shown(study.statistics.metric)
    return as_shown.text(score) + ("%" if as_shown.per_cent else f" {as_shown.of_values}")


def _shade(axes: Axes, mask: np.ndarray, hung: View) -> None:
    height, width = (n * mm for n, mm in zip(mask.shape, hung.spacing, strict=True))
    colour = np.zeros((*mask.shape, 4))
    colour[mask] = to_rgba(MANUAL[0], SHADE)
    axes.imshow(colour, extent=(0, width, height, 0), interpolation="nearest")

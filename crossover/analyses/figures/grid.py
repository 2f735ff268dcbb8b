"""Validation DSC of every architecture with every encoder (Touijer, Table II).

Drawn: the mean and SD over the folds in per cent, light yellow to blue from the lowest to the highest mean;
the selected network has a frame. A network without a score of some fold has how many it has instead: it was
not part of the selection. A dagger: an encoder that began with random weights because none of the
study's kind were at hand.
"""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.analyses.figures import style
from crossover.analyses.predicates import has_selection
from crossover.statistics.scores.cross_validation import by_cell, select
from crossover.study.schema import Study

ANALYSIS = Analysis(
    title="Validation of every network",
    reads=("statistics/cross_validation.csv",),
    settings=("design", "labels"),
    applies=(has_selection,),
    order=3,
)

COLOURS = "YlGnBu"
ROW_MM, COLUMN_MM, LABELS_MM, AROUND_MM = 5.6, 15.0, 24.0, 8.0
WIDEST_MM = 26.0  # of a column
OTHERWISE = " †"


def make(given: Inputs, study: Study) -> Figure:
    """Return the figure that `draw` makes of the tables and images given."""
    return draw(given.table("statistics/cross_validation.csv"), study)


def caption(frames: Frames, study: Study) -> str:
    """Return the text below the figure, with the numbers of a run."""
    cells = frames["cross_validation"]
    cohorts = " and ".join(study.cohorts[c].label for c in study.selected_on)
    text = (
        f"Mean ± SD over {cells['fold'].nunique()} folds of the validation DSC in per cent, trained on "
        f"{cohorts}; darker blue is higher. Frame: the network selected for every chain."
    )
    counts = cells.groupby(["architecture", "encoder"])["fold"].nunique()
    if (counts < cells["fold"].nunique()).any():
        text += " Grey: a training of the network failed, so it could not be selected."
    began = cells["initial"].dropna()
    if (began != study.network.initial.weights).any():
        asked = style.weights_label(study.network.initial.weights)
        text += f" †: began with random weights, since {asked} weights were not available."
    return text


@style.styled
def draw(cells: pd.DataFrame, study: Study) -> Figure:
    """Draw encoders down and architectures across, in the study's order.

    Args:
        cells: of `scores.cross_validation.cross_validation`.
    """
    means = by_cell(cells).set_index(["encoder", "architecture"])
    encoders = list(dict.fromkeys(cells["encoder"]))
    architectures = list(dict.fromkeys(cells["architecture"]))
    room = style.COLUMN_MM - LABELS_MM - 1
    column = min(max(COLUMN_MM, room / len(architectures)), WIDEST_MM)
    width = min(LABELS_MM + column * len(architectures) + 1, style.PAGE_MM)
    figure = style.new_figure(AROUND_MM + ROW_MM * len(encoders), width)
    axes = figure.add_subplot()
    _cells(axes, means, select(cells), encoders, architectures)
    marked = _otherwise(cells, study)
    labels = [style.encoder_label(e) + (OTHERWISE if e in marked else "") for e in encoders]
    axes.set_yticklabels(labels, rotation=0)
    axes.set_xticklabels(map(style.architecture_label, architectures), rotation=0)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.set(xlabel="", ylabel="")
    return figure


def _cells(axes: Axes, means: pd.DataFrame, chosen: dict, encoders: list[str], architectures: list[str]) -> None:
    """Draw a heatmap of the complete cells; write into the others how many folds they have."""
    mean, sd, folds = (
        means[name].unstack("architecture").reindex(index=encoders, columns=architectures)
        for name in ("mean", "sd", "folds")
    )
    mean = mean.where(folds == chosen["folds"])
    low, high = mean.min(axis=None), mean.max(axis=None)
    spread = (sd * 100).map(" ± {:.1f}".format).where(sd.notna(), "")
    # the ends of the colours are too pale and too dark to read on
    sns.heatmap(mean, annot=(mean * 100).map("{:.1f}".format) + spread, fmt="", cmap=COLOURS, cbar=False,
                vmin=low - 0.05 * (high - low), vmax=high + 0.12 * (high - low), linewidths=0.8,
                linecolor="white", annot_kws={"size": 7}, ax=axes)  # fmt: skip
    shown = np.asarray(axes.collections[0].get_facecolor())[mean.notna().to_numpy().ravel()]
    best = architectures.index(chosen["architecture"]), encoders.index(chosen["encoder"])
    for text, colour in zip(axes.texts, shown, strict=True):
        text.set_color(style.readable_on(colour[:3]))  # seaborn's own choice is white on mid-tones
        if text.get_position() == (best[0] + 0.5, best[1] + 0.5):
            text.set_fontweight("bold")
    axes.add_patch(Rectangle(best, 1, 1, fill=False, zorder=4, linewidth=1.8,
                             edgecolor=style.OKABE_ITO[1], clip_on=False))  # fmt: skip
    axes.set_facecolor("#f0f1f3")
    for y, x in np.argwhere((folds < chosen["folds"]).to_numpy()):
        counted = f"{folds.iat[y, x]:.0f} of {chosen['folds']} folds"
        axes.text(x + 0.5, y + 0.5, counted, ha="center", va="center", size=6, color=style.MUTED)


def _otherwise(cells: pd.DataFrame, study: Study) -> set[str]:
    """Return the encoders that began with another kind of weights than the study's."""
    other = cells["initial"].notna() & (cells["initial"] != study.network.initial.weights)
    return set(cells.loc[other, "encoder"])

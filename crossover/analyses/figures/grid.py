"""Validation DSC of every architecture with every encoder (Touijer, Table II).

Drawn: the mean and SD over the folds in per cent, light yellow to blue from the lowest to the highest mean;
the selected network has a frame. A network without a score of some fold has how many it has instead: it was
not chosen from. A dagger: an encoder that began with random weights because none of the
study's kind were at hand.
"""

from __future__ import annotations

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.analyses.design import has_selection
from crossover.analyses.figures import style
from crossover.statistics.cross_validation import by_cell, select
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
    """See `draw`."""
    return draw(given.table("statistics/cross_validation.csv"), study)


def caption(frames: Frames, study: Study) -> str:
    """Return the text below the figure, with the numbers of a run."""
    cells = frames["cross_validation"]
    cohorts = " and ".join(study.cohorts[c].label for c in study.selection.train)
    text = (
        f"Mean ± SD over {cells['fold'].nunique()} folds of the validation DSC in per cent, trained on "
        f"{cohorts}: the bluer, the higher. Frame: the network selected for every chain."
    )
    counts = cells.groupby(["architecture", "encoder"])["fold"].nunique()
    if (counts < cells["fold"].nunique()).any():
        text += " Grey: a training of it failed, so that it was not chosen from."
    began = cells["initial"].dropna()
    if (began != study.network.initial.weights).any():
        asked = style.weights_label(study.network.initial.weights)
        text += f" †: began with random weights, since {asked}'s were not at hand."
    return text


@style.styled
def draw(cells: pd.DataFrame, study: Study) -> Figure:
    """Encoders down, architectures across, in the study's order.

    Args:
        cells: of `statistics.cross_validation.cross_validation`.
    """
    means = by_cell(cells).set_index(["encoder", "architecture"])
    encoders = list(dict.fromkeys(cells["encoder"]))
    architectures = list(dict.fromkeys(cells["architecture"]))
    room = style.COLUMN_MM - LABELS_MM - 1
    column = min(max(COLUMN_MM, room / len(architectures)), WIDEST_MM)
    width = min(LABELS_MM + column * len(architectures) + 1, style.PAGE_MM)
    figure = style.new_figure(AROUND_MM + ROW_MM * len(encoders), width)
    axes = figure.add_subplot()
    chosen = select(cells)
    complete = means[means["folds"] == chosen["folds"]]["mean"]
    low, high = complete.min(), complete.max()
    for row, encoder in enumerate(encoders):
        for column, architecture in enumerate(architectures):
            if (encoder, architecture) in means.index:
                own = means.loc[(encoder, architecture)]
                if own["folds"] < chosen["folds"]:
                    _incomplete(axes, column, row, f"{own['folds']} of {chosen['folds']} folds")
                    continue
                share = (own["mean"] - low) / (high - low) if high > low else 0.0
                best = (architecture, encoder) == (chosen["architecture"], chosen["encoder"])
                _cell(axes, column, row, own, share, best)
    _frame(axes, encoders, architectures, _otherwise(cells, study))
    return figure


def _cell(axes: Axes, x: int, y: int, own: pd.Series, share: float, best: bool) -> None:
    # the ends of the colours are too pale and too dark to read on
    colour = matplotlib.colormaps[COLOURS](0.04 + 0.86 * share)
    axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=colour, edgecolor="white"))
    sd = "" if pd.isna(own["sd"]) else f" ± {100 * own['sd']:.1f}"
    axes.text(x, y, f"{100 * own['mean']:.1f}{sd}", ha="center", va="center",
              size=7, weight="bold" if best else "normal", zorder=3,
              color=style.readable_on(colour))  # fmt: skip
    if best:
        axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, fill=False, zorder=4, linewidth=1.8,
                                 edgecolor=style.OKABE_ITO[1], clip_on=False))  # fmt: skip


def _incomplete(axes: Axes, x: int, y: int, text: str) -> None:
    axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor="#f0f1f3", edgecolor="white"))
    axes.text(x, y, text, ha="center", va="center", size=6, color=style.MUTED)


def _otherwise(cells: pd.DataFrame, study: Study) -> set[str]:
    """Encoders that began with another kind of weights than the study's."""
    other = cells["initial"].notna() & (cells["initial"] != study.network.initial.weights)
    return set(cells.loc[other, "encoder"])


def _frame(axes: Axes, encoders: list[str], architectures: list[str], marked: set[str]) -> None:
    labels = [style.encoder_label(e) + (OTHERWISE if e in marked else "") for e in encoders]
    axes.set_yticks(range(len(encoders)), labels)
    axes.set_xticks(range(len(architectures)), map(style.architecture_label, architectures))
    axes.set(xlim=(-0.5, len(architectures) - 0.5), ylim=(len(encoders) - 0.5, -0.5))
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)

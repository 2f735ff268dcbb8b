"""How often each model has each rank over bootstrap samples of the test cases (challengeR's blob plot).

Drawn: a panel for each structure, of the target's test cases and the models of the largest size with those without one;
a line for each model, the best on average first, with "no model" where a structure has none of it, and a column for
each rank. A disc's area is the share of the samples in which the model has the rank; a ring marks the rank that it has
with all cases. Beside the structure Kendall's tau of the samples' rankings with that one.
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.analyses.figures import captions, style
from crossover.analyses.predicates import several_families, sized
from crossover.statistics.differences.ranking import DRAWS
from crossover.study.schema import Study

ANALYSIS = Analysis(
    title="Stability of the models' ranks",
    reads=("statistics/ranking.csv", "statistics/rank_shares.csv"),
    settings=("design", "labels", "statistics.metric", "figures.colours"),
    applies=(sized, several_families),
    order=9,
)

COLUMNS, ROW_MM, AROUND_MM = 3, 6.5, 17.0
DISC_MM = 5.4
"""The diameter of a disc that stands for all samples."""
POINTS_PER_MM = 72 / 25.4
SHOWN_SHARE, INSIDE = 0.05, 0.2
"""The shares from which a disc's share is printed, and printed inside the disc instead of below it."""


def make(given: Inputs, study: Study) -> Figure:
    """Return the figure that `draw` makes of the tables and images given."""
    return draw(given.table("statistics/ranking.csv"), given.table("statistics/rank_shares.csv"), study)


def caption(frames: Frames, study: Study) -> str:
    """Return the text below the figure, with the numbers of a run."""
    rows = drawn_rows(frames["ranking"], study)
    cases = captions.number_of(rows.groupby("structure")["cases"].max(), frames, study)
    return (
        f"Disc: its area is the proportion of {DRAWS:,} bootstrap samples of the {cases} of "
        f"{captions.target(study)} in which the model has this rank by its mean {captions.metric(study)}; "
        f"percentages of {SHOWN_SHARE:.0%} or more are printed. Ring: the rank with all cases. τ: the "
        "mean of Kendall's tau between the samples' rankings and the one with all cases. The models are those trained "
        f"on {study.sizes[-1]} patients of {captions.target(study)}, and those trained on none. The shares apply to "
        "these trained models and other patients, not to other trainings."
    )


def drawn_rows(rows: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return the rows of either table that are drawn."""
    here = (rows["test_set"] == study.target) & (rows["metric"] == study.statistics.metric)
    return rows[here & (rows["n_train"] == study.sizes[-1])]


@style.styled
def draw(ranking: pd.DataFrame, shares: pd.DataFrame, study: Study) -> Figure:
    """Draw a panel for each structure, with the models in the same order.

    Args:
        ranking: of `differences.ranking.ranking`. shares: of `differences.ranking.rank_shares`.
    """
    ranking, shares = drawn_rows(ranking, study), drawn_rows(shares, study)
    structures = [s for s in study.structures if s in set(ranking["structure"])]
    if not structures:
        return style.figure_of_text("No two models have two or more test cases in common.")
    mean = (shares["rank"] * shares["share"]).groupby(shares["family"]).sum()
    order = list((mean / shares.groupby("family")["structure"].nunique()).sort_values(kind="stable").index)
    columns = min(COLUMNS, len(structures))
    lines = -(-len(structures) // columns)
    height = lines * (AROUND_MM + ROW_MM * len(order))
    figure = style.new_figure(height, style.COLUMN_MM if columns == 1 else style.PAGE_MM)
    panels = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
    for axes in panels.flat[len(structures) :]:
        axes.set_visible(False)
    for axes, structure in zip(panels.flat, structures, strict=False):
        own = ranking[ranking["structure"] == structure]
        _panel(axes, own, shares[shares["structure"] == structure], order, study)
        axes.set_title(study.structures[structure].label)
        if np.isfinite(tau := own["tau"].iloc[0]):  # it isn't where all cases rank the models alike
            axes.set_title(f"τ = {tau:.2f}", loc="right", size=7, weight="normal")
    for axes in panels[-1]:
        axes.set_xlabel("Rank")
    return figure


def _panel(axes: Axes, ranking: pd.DataFrame, shares: pd.DataFrame, order: list[str], study: Study) -> None:
    axes.set_yticks(range(len(order)), [style.family_label(study, f) for f in order])
    axes.set_ylim(len(order) - 0.5, -0.5)
    axes.set_xlim(0.5, len(order) + 0.5)
    axes.set_xticks(range(1, len(order) + 1))
    axes.tick_params(length=0)
    for i in range(0, len(order), 2):
        axes.axhspan(i - 0.5, i + 0.5, color=style.BAND, linewidth=0, zorder=0)
    place = {family: y for y, family in enumerate(order)}
    for family in (family for family in order if family not in set(shares["family"])):
        axes.text((len(order) + 1) / 2, place[family], "no model", ha="center", va="center", size=6, color=style.MUTED)
    drawn = shares[shares["share"] > 0]
    y, colours = drawn["family"].map(place), [style.family_colour(study, f) for f in drawn["family"]]
    area = (DISC_MM * POINTS_PER_MM) ** 2
    axes.scatter(drawn["rank"], y, s=area * drawn["share"], c=colours, linewidth=0, zorder=3)
    axes.scatter(ranking["rank"], ranking["family"].map(place), s=area * 1.1, facecolors="none",
                 edgecolors=style.INK, linewidths=0.7, zorder=4)  # fmt: skip
    for row, at, colour in zip(drawn.itertuples(), y, colours, strict=True):
        if row.share >= SHOWN_SHARE:
            inside = row.share >= INSIDE
            below = 0 if inside else np.sqrt(area * row.share) / 2 + 3
            axes.annotate(f"{100 * row.share:.0f}", (row.rank, at), (0, -below), textcoords="offset points",
                          ha="center", va="center_baseline", size=5, zorder=5,
                          color=style.readable_on(colour) if inside else style.INK)  # fmt: skip

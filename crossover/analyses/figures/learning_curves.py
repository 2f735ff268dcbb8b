"""Learning curves on the target's test cases, and from how many cases on one family is ahead of another.

Drawn, left: for each family with sizes every training's mean as a point, the monotone fit as a line and its
interval as a band, over n on a log2 axis; the mean of each family without sizes as a dotted line. Right: for each
pair of strategies the n from which the one that gains is ahead, with its interval; an arrow leaves the range of
sizes. The DSC has no unit; n counts patients.
"""

from functools import partial

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.analyses.figures import captions, style
from crossover.analyses.predicates import SCORES, several_sizes
from crossover.statistics.estimates.resampling import PATIENTS, REPLICATES, ROUGHNESS
from crossover.statistics.learning_curves.crossing import CHANGES, CROSSES, NONE, whole_cases
from crossover.statistics.scores.metrics_table import tested
from crossover.statistics.scores.missing import for_figures
from crossover.study.families import baseline, families, fine_tuned, references
from crossover.study.schema import Study

ANALYSIS = Analysis(
    title="Learning curves and crossover",
    reads=("metrics.csv", "statistics/learning_curves.csv", "statistics/crossover.csv"),
    settings=("design", "labels", *SCORES, "statistics.confidence", "figures.colours"),
    applies=(several_sizes,),
    part="results",
    order=7,
)

RESAMPLED = {
    REPLICATES: "other patients and other trainings",
    ROUGHNESS: "other patients and, judged by how far the means stray from smooth curves, other trainings",
    PATIENTS: "other patients, not for other trainings",
}
RIGHT = (
    "the n from which one {what} stays ahead of another, in the colour of the first, with its {confidence} interval; "
    "filled: the differences on both sides of the crossover are beyond chance; hollow markers and values in "
    "brackets: they are not; arrow: n is outside the trained sizes"
)
"""What the right-hand side shows."""
TRAINING_PATIENTS = "Training patients"
POINT = ["family", "n_train", "replicate", "fold"]
"""What a training is, of which each has a point."""
ROW_MM, MOST_PAIRS = 7.0, 15
LEAST_MM, LEAST_ALONE_MM, AROUND_MM = 38.0, 59.0, 17.0
"""The least height of a structure of several and of one alone, and what the rows of pairs need beyond their own."""
TITLE_MM, LEGEND_MM = 5.0, 14.0
"""The titles above the first structure; the labels of the axes and the legend below the last."""
OFFSET, GROUP = 0.012, 0.1
"""Shares of the range of log2 n: between two families, so that points of equal height are told apart, and for all."""


def make(given: Inputs, study: Study) -> Figure:
    """Return the figure that `draw` makes of the tables and images given."""
    names = ("statistics/learning_curves", "statistics/crossover")
    metrics = for_figures(given.table("metrics.csv"), study.statistics.missing)
    tables = [metrics, *(given.table(f"{name}.csv") for name in names)]
    return style.each_structure(study, partial(draw, *tables, study))


def caption(frames: Frames, study: Study) -> str:
    """Return the text below the figure, with the numbers of a run."""
    curves, pairs = (
        t[(t["test_set"] == study.target) & t["structure"].isin(study.structures)]
        for t in (frames["learning_curves"], frames["crossover"])
    )
    if curves.empty:
        return ""
    confidence, tested_on = f"{study.statistics.confidence:.0%}", curves.groupby("structure")["patients"].max()
    counts = _trainings(frames["metrics"], study)
    counts = counts if len(counts) else curves["replicates"]
    trainings = int(counts.min())
    several = f"{trainings} trainings" if trainings > 1 else "one training"
    several = several if counts.nunique() < 2 else f"{trainings} to {int(counts.max())} trainings"
    unsized = [style.family_label(study, family) for family in references(study)]
    dotted = f" Dotted: the mean of {' and of '.join(unsized)}, trained on none of them." if unsized else ""
    text = (
        f"Left: mean {captions.metric(study)} of {captions.number_of(tested_on, frames, study)} "
        f"of {captions.target(study)} by number of its training patients; "
        f"each point is a training, {several} of each family and size. "
        f"Lines: monotone fits{_bands(curves, confidence)}.{dotted} "
        f"Right: {RIGHT.format(what='family', confidence=confidence)}."
    )
    text += not_shown(pairs[pairs["structure"].eq(curves["structure"].iloc[0])], study)
    found = shown_pairs(pairs[pairs["verdict"] == CROSSES], study)
    sentences = [
        f"{style.family_label(study, r.overtakes)} over {style.family_label(study, r.ahead)} at "
        f"n = {whole_cases(r.n)}{_of(r.structure, study)}" for r in found.itertuples()
    ]  # fmt: skip
    changes = shown_pairs(pairs[pairs["verdict"] == CHANGES], study)
    sentences += [
        f"{style.family_label(study, r.overtakes)} and {style.family_label(study, r.ahead)}: the lead changes "
        f"more than once{_of(r.structure, study)}" for r in changes.itertuples()
    ]  # fmt: skip
    return f"{text} {'; '.join(sentences) or 'No crossover is beyond chance'}."


def _bands(curves: pd.DataFrame, confidence: str) -> str:
    if curves["patients"].max() < 2:
        return ", without intervals, which need several test cases"
    what = RESAMPLED[curves["resampled"].iloc[0]]
    return (
        f"; bands: their {confidence} bootstrap intervals for {what}; since all families are tested on the same "
        "patients, bands that overlap may still differ"
    )


def _trainings(metrics: pd.DataFrame, study: Study) -> pd.Series:
    """Return the number of points of each family with sizes and n; none without scores."""
    if metrics.empty:
        return pd.Series(dtype=int)
    points = tested(metrics[(metrics["cohort"] == study.target) & (metrics["n_train"] > 0)])[POINT].drop_duplicates()
    return points.groupby(["family", "n_train"]).size()


def _of(structure: str, study: Study) -> str:
    return "" if len(study.structures) == 1 else f" ({study.structures[structure].label})"


@style.styled
def draw(
    metrics: pd.DataFrame,
    curves: pd.DataFrame,
    crossover: pd.DataFrame,
    study: Study,
    structure: str,
    into: Figure | None = None,
) -> Figure:
    """Draw curves and crossovers of one structure on the target's test cases.

    Args:
        metrics: one row for each model, case and structure.
        curves: of `learning_curves.curves.learning_curves`. crossover: of
            `learning_curves.crossing.crossovers`.
        structure: the structure whose rows are drawn.
        into: the part of a figure to draw in; a new figure by default.
    """
    shown = [s for s in study.structures if s in set(curves[curves["test_set"] == study.target]["structure"])]
    metrics, curves, crossover = (
        t[(t["structure"] == structure) & (t[column] == study.target)]
        for t, column in ((metrics, "cohort"), (curves, "test_set"), (crossover, "test_set"))
    )
    if curves.empty:
        return style.figure_of_text("No model of several sizes was trained.", into)
    pairs = _drawn_pairs(crossover, study)
    first, last = structure == shown[0], structure == shown[-1]
    least = LEAST_MM if len(study.structures) > 1 else LEAST_ALONE_MM
    height = max(least, AROUND_MM + ROW_MM * len(pairs)) + TITLE_MM * first + LEGEND_MM * last
    figure = into or style.new_figure(height)
    left, right = figure.subplots(1, 2, width_ratios=[1.25, 1])
    sizes = sorted(curves["n_train"].unique())
    names = [f for f in families(study) if f in set(curves["family"])]
    _curves(left, curves, _points(metrics, study), names, study)
    unsized = _unsized(metrics, study)
    for family, mean in unsized.items():
        left.axhline(mean, color=style.family_colour(study, family), linestyle=style.REFERENCE_LINE, linewidth=1.2)
    _frame(left, sizes, study)
    style.within_scale(left, study)
    left.set_ylabel(style.metric_label(study.statistics.metric))
    _crossovers(right, pairs, sizes, study)
    if first:
        left.set_title("Learning curves")
        right.set_title("Crossover")
    if not last:
        left.set_xlabel("")
        right.set_xlabel("")
        return figure
    handles = [style.legend_handle(study, f, markersize=4, linestyle=style.family_line(study, f)) for f in names]
    handles += [style.legend_handle(study, f, marker="none", linestyle=style.REFERENCE_LINE) for f in unsized]
    style.legend_below(figure, handles, 6, columnspacing=1.4, handletextpad=0.5)
    return figure


def not_shown(crossover: pd.DataFrame, study: Study) -> str:
    """Return a sentence of a caption on the pairs of a structure that have no row; "" where all have one."""
    every = shown_pairs(crossover, study)
    if len(every) <= MOST_PAIRS:
        return ""
    asked = [style.family_label(study, family) for family in (baseline(study), fine_tuned(study)) if family]
    return f" Of {len(every)} pairs those with {' or '.join(dict.fromkeys(asked))} are shown; the table has all."


def shown_pairs(crossover: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return the pairs of different strategies; levels of one strategy against each other are only in the table."""
    known = families(study)
    kept = [known[a].strategy != known[b].strategy
            for a, b in zip(crossover["ahead"], crossover["overtakes"], strict=True)]  # fmt: skip
    return crossover[np.array(kept, bool)]


def _drawn_pairs(crossover: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return the pairs that have a row: of more than `MOST_PAIRS` those with the strategies of the main question."""
    pairs, asked = shown_pairs(crossover, study), [baseline(study), fine_tuned(study)]
    if len(pairs) <= MOST_PAIRS:
        return pairs
    return pairs[pairs["ahead"].isin(asked) | pairs["overtakes"].isin(asked)]


def _unsized(metrics: pd.DataFrame, study: Study) -> dict[str, float]:
    """Return the mean of each family without sizes, which all n have."""
    scores = tested(metrics).groupby("family")[study.statistics.metric].mean()
    return {family: scores[family] for family in references(study) if family in scores.index}


def _points(metrics: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return the mean of every training by family and n."""
    runs = tested(metrics).groupby(POINT, as_index=False, dropna=False)
    return runs[study.statistics.metric].mean()


def _curves(axes: Axes, curves: pd.DataFrame, points: pd.DataFrame, names: list[str], study: Study) -> None:
    looks = style.family_hues(study, names) | {"style": "family", "legend": False, "ax": axes}
    for family, own in curves.sort_values("n_train").groupby("family"):
        axes.fill_between(own["n_train"], own["fit_low"], own["fit_high"], alpha=0.09, linewidth=0,
                          color=style.family_colour(study, family))  # fmt: skip
    dashes = {family: style.family_line(study, family)[1] or "" for family in names}
    sns.lineplot(curves, x="n_train", y="fitted_monotone", errorbar=None, dashes=dashes, **looks)
    sizes = curves["n_train"]
    place = {family: i - (len(names) - 1) / 2 for i, family in enumerate(names)}
    points = points[points["family"].isin(names)]
    shift = 2 ** (points["family"].map(place) * min(OFFSET, GROUP / len(names)) * np.log2(sizes.max() / sizes.min()))
    markers = dict(zip(names, style.markers_of(study, names), strict=True))
    sns.scatterplot(points, x=points["n_train"] * shift, y=study.statistics.metric, s=13, zorder=4,
                    markers=markers, edgecolor=style.INK, linewidth=0.4, **looks)  # fmt: skip


def _frame(axes: Axes, sizes: list[int], study: Study) -> None:
    style.size_axis(axes, sizes)
    edge = (sizes[-1] / sizes[0]) ** 0.06
    axes.set_xlim(sizes[0] / edge, sizes[-1] * edge)
    axes.set_xlabel(f"{TRAINING_PATIENTS} of the target cohort ({style.test_set_label(study, study.target)})")
    axes.grid(axis="both")


def _crossovers(axes: Axes, pairs: pd.DataFrame, sizes: list[int], study: Study) -> None:
    _frame(axes, sizes, study)
    axes.set_xlabel("n from which the first stays ahead")
    ends = axes.get_xlim()
    for y, row in enumerate(pairs.itertuples()):
        # beyond the sizes of the pair, which may be fewer than those of the study
        low_edge = ends[0] if row.n_smallest <= sizes[0] else row.n_smallest
        high_edge = ends[1] if row.n_largest >= sizes[-1] else row.n_largest
        colour = style.family_colour(study, row.overtakes)
        low, high = max(row.ci_low, low_edge), min(row.ci_high, high_edge)
        if low < high:
            axes.plot([low, high], [y, y], color=colour, linewidth=1.4, solid_capstyle="butt")
        for open_, edge, marker in (
            (row.ci_low < low_edge, low_edge, "<"), (row.ci_high > high_edge, high_edge, ">"),
        ):  # fmt: skip
            if open_:
                axes.plot(edge, y, marker=marker, color=colour, markersize=4.5, clip_on=False)
        if estimated := low_edge < row.n < high_edge:
            sure = row.verdict == CROSSES
            axes.plot(row.n, y, marker=style.family_marker(study, row.overtakes), markersize=5.5,
                      color=colour if sure else "white", markeredgecolor=colour, zorder=4)  # fmt: skip
        unsure = f"can't tell ({whole_cases(row.n)})" if estimated else "can't tell"
        sure_text = {CROSSES: f"n = {whole_cases(row.n)}", NONE: "none in the range", CHANGES: "more than one"}
        text = sure_text.get(row.verdict, unsure)
        axes.text(1.03, y, text, transform=axes.get_yaxis_transform(), va="center", fontsize=6.5)
    names = [
        f"{style.family_label(study, row.overtakes)}\nover {style.family_label(study, row.ahead)}"
        for row in pairs.itertuples()
    ]
    axes.set_yticks(range(len(names)), names, fontsize=6.5)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)

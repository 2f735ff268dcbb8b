"""DSC of every family and level against the number of labelled target patients (Lin, Fig. 3).

Drawn: for each size a group of families, each case as a light point, the mean with ± 1 standard
deviation over cases, up to the ends of the scale, and at its right the mean of each replicate, where
there are several. Families without sizes stand at the left and go on as a dotted line. The DSC has no
unit.
"""

from functools import partial

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.analyses.figures import captions, style
from crossover.analyses.predicates import SCORES, several_sizes
from crossover.statistics.scores.intervals import clip_to_scale
from crossover.statistics.scores.missing import for_figures
from crossover.statistics.scores.scales import scale
from crossover.study.families import (
    families,
    main_scores,
    references,
    replicate_means,
    replicates_of,
)
from crossover.study.schema import Study

ANALYSIS = Analysis(
    title="Performance by number of labelled target patients",
    reads=("metrics.csv",),
    settings=("design", "labels", *SCORES, "figures.colours"),
    applies=(several_sizes,),
    order=6,
)

GROUP = 0.84  # width of a group of families, of the 1 between groups
BESIDE = 0.075  # from a family's mark to those of its replicates


def make(given: Inputs, study: Study) -> Figure:
    """Return the figure that `draw` makes of the tables and images given."""
    metrics = for_figures(given.table("metrics.csv"), study.statistics.missing)
    return style.each_structure(study, partial(draw, metrics, study))


def caption(frames: Frames, study: Study) -> str:
    """Return the text below the figure, with the numbers of a run."""
    text = (
        f"Points and bars: mean ± standard deviation of {captions.metric(study)}, truncated at the ends of the scale, "
        f"over {captions.test_cases_text(frames, study)}, by number of training patients of {captions.target(study)}. "
        f"Each light point is a {captions.unit(frames)}."
    )
    lines = " and ".join(style.family_label(study, f) for f in references(study))
    text += captions.replicates(frames, study) + captions.endless(frames, study)
    return f"{text} Dotted: the mean of {lines}, trained on none of them." if lines else text


@style.styled
def draw(metrics: pd.DataFrame, study: Study, structure: str, into: Figure | None = None) -> Figure:
    """Draw mean ± SD of the study's metric on all test cases, by size and family.

    Args:
        metrics: one row for each model, case and structure.
        structure: which structure's rows to draw.
        into: the part of a figure to draw in; a new figure by default.
    """
    metrics = metrics[metrics["structure"] == structure]
    rows, each = main_scores(metrics, study), replicates_of(metrics, study)
    figure = into or style.new_figure(80)
    axes = figure.subplots()
    groups = [0, *study.sizes] if references(study) else study.sizes
    shown = _placed(rows, groups, study)
    _scores(axes, shown, study)
    for (family, size, x), own in shown.groupby(["family", "n_train", "x"]):
        replicates = each[(each["family"] == family) & (each["n_train"] == size)]
        means = replicate_means(replicates, study.statistics.metric)
        style.replicate_points(axes, x + BESIDE, means, family, study)
        if not size:
            mean = own[study.statistics.metric].mean()
            axes.hlines(mean, x, len(groups) - 0.5, color=style.family_colour(study, family),
                        linewidth=0.9, linestyle=style.REFERENCE_LINE)  # fmt: skip
    _frame(axes, study, groups)
    axes.set_title(_title(rows, study))
    style.legend_below(figure, _handles(study), columnspacing=1.4, handletextpad=0.5)
    return figure


def _offsets(names: list[str]) -> dict[str, float]:
    """Return where each family stands inside its group, as a distance from the group's middle."""
    width = GROUP / max(len(names), 3)
    return {name: (i - (len(names) - 1) / 2) * width for i, name in enumerate(names)}


def _placed(rows: pd.DataFrame, groups: list[int], study: Study) -> pd.DataFrame:
    """Return the rows with a score, with `x`: the place of their family and size."""
    sized = _offsets([f for f in families(study) if f not in references(study)])
    places = [
        {"family": family, "n_train": size, "x": position + offset}
        for position, size in enumerate(groups)
        for family, offset in (sized if size else _offsets(references(study))).items()
    ]
    return rows.dropna(subset=study.statistics.metric).merge(pd.DataFrame(places))


def _scores(axes: Axes, shown: pd.DataFrame, study: Study) -> None:
    if shown.empty:  # no training has a score; seaborn warns of colours without anything to colour
        return
    metric, names = study.statistics.metric, list(families(study))
    looks = style.family_hues(study, names)
    # spread by rank in a fixed low-discrepancy order: no random numbers, no two points alike
    rank = shown.sort_values(metric, kind="stable").groupby("x").cumcount()
    spread = (rank * 0.618034 % 1 - 0.5) * 0.11
    sns.scatterplot(shown, x=shown["x"] + spread, y=metric, **looks, s=2.4, alpha=0.4, linewidth=0,
                    legend=False, ax=axes)  # fmt: skip

    def sd(values: pd.Series) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean ± SD, up to the ends of the scale."""
        return clip_to_scale(values.mean() - values.std(), values.mean() + values.std(), scale(metric))

    sns.pointplot(shown, x="x", y=metric, **looks, markers=style.markers_of(study, names), native_scale=True,
                  errorbar=sd, capsize=0.3, markersize=4.6, err_kws={"linewidth": 1.1}, zorder=4,
                  ax=axes, **style.MARK)  # fmt: skip


def _frame(axes: Axes, study: Study, groups: list[int]) -> None:
    axes.set_xticks(range(len(groups)), [str(size) for size in groups])
    axes.tick_params(axis="x", length=0)
    for boundary in range(1, len(groups)):
        axes.axvline(boundary - 0.5, color=style.RULE, linewidth=0.5)
    axes.set_xlim(-0.5, len(groups) - 0.5)
    style.score_axis(axes, study, 0.02)
    axes.grid(axis="y")
    label = study.cohorts[study.target].label
    axes.set_xlabel(f"Training patients of the target cohort ({label})")
    axes.set_ylabel(captions.metric_with(study, "mean ± SD"))


def _title(rows: pd.DataFrame, study: Study) -> str:
    counts = rows.dropna(subset=study.statistics.metric).drop_duplicates(["cohort", "case"]).groupby("cohort").size()
    parts = [f"{style.test_set_label(study, c)} {counts[c]}" for c in study.cohorts if c in counts]
    return f"All test sets ({counts.sum()}: {', '.join(parts)})"


def _handles(study: Study) -> list[Line2D]:
    lines = {f: "-" if kind.sized else style.REFERENCE_LINE for f, kind in families(study).items()}
    look = {"markersize": 4.6, "linewidth": 1.1}
    return [style.legend_handle(study, f, linestyle=line, **look) for f, line in lines.items()]

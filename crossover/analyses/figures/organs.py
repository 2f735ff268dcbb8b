"""Every organ under the study's main models, and what fine-tuning adds (Chen, Table 2 as a figure).

Drawn: left, for each structure and model each case as a light point and the mean with its confidence
interval, below it the mean of each replicate where there are several, the paper's mean as a bar; right, the
fine-tuned model minus each other one, as the mean paired
difference with its confidence interval and the p from the same model. The last row is each case's mean
over the structures. The DSC has no unit.
"""

from textwrap import fill

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.analyses.figures import captions, style
from crossover.analyses.predicates import SCORES, several_families, sized
from crossover.core.wording import p_text
from crossover.statistics.papers.published import numbers_of, of_structure
from crossover.statistics.scores.metrics_table import MEAN_NAME, POOLED, with_all_structures
from crossover.statistics.scores.missing import for_figures, without_absent
from crossover.study.families import (
    fine_tuned,
    main_question,
    main_scores,
    references,
    replicate_means,
    replicates_of,
)
from crossover.study.schema import Study

ANALYSIS = Analysis(
    title="Performance by structure",
    reads=("metrics.csv", "statistics/paired.csv"),
    sources=("published",),
    settings=(
        "design",
        "labels",
        *SCORES,
        "statistics.alpha",
        "statistics.confidence",
        "figures.colours",
        "published",
    ),
    applies=(sized, several_families),
    part="results",
    order=8,
)

ROW_MM, AROUND_MM = 3.0, 26.0  # of each model; around the rows, with a title of two lines and a legend of one
LEAST_MM = 3.5  # of each of more than three models, so that their p can be told apart
LINE_MM, LEGEND_MM = 3.6, 3.6  # of further lines of the title and the legend
LEGEND_COLUMNS = 5
MEAN_LABEL = MEAN_NAME.capitalize().replace(" the ", " the\n")  # beside the labels of structures
TITLE_LETTERS = 30  # of a line above the differences
GROUP = 0.84  # of the 1 between structures, taken by its models


def make(given: Inputs, study: Study) -> Figure:
    """Return the figure that `draw` makes of the tables and images given."""
    metrics = for_figures(given.table("metrics.csv"), study.statistics.missing)
    return draw(metrics, given.table("statistics/paired.csv"), study, numbers_of(study))


def caption(frames: Frames, study: Study) -> str:
    """Return the text below the figure, with the numbers of a run."""
    rows = shown_rows(without_absent(frames["metrics"]), study)
    counts = captions.counts_of(rows, study)
    cases = captions.number_of(counts, frames, study)
    confidence = f"{study.statistics.confidence:.0%}"
    names = [f for f in main_question(study) if f in set(rows["family"])]  # of others no training has a score
    sized = " and ".join(style.family_label(study, f) for f in names if f not in references(study))
    text = (
        f"Points and bars: mean {captions.metric(study)} with its {confidence} confidence interval "
        f"for other patients ({captions.interval_method(study)}), {cases} of {captions.target(study)}, each "
        "a light point; "
        f"{sized} trained on {study.sizes[-1]} patients of {captions.target(study)}. Right: "
        f"{minus(study)} on the same cases, each in the colour of the model that is subtracted: "
        f"the mean difference with its {study.statistics.test_interval} confidence interval "
        f"{captions.interval_scope(frames['paired'])} and p by the same test, uncorrected; grey where it is "
        f"{study.statistics.alpha:g} or more.{captions.replicates(frames, study)}{captions.endless(frames, study)}"
    )
    if len(study.structures) > 1:
        whole = f"its {len(study.structures)} structures" if counts.nunique() == 1 else "the structures that it has"
        text += f" “Mean over the structures” is each case's mean over {whole}."
    if captions.citation(frames, study):
        text += f" Bars: the means printed in {captions.citation(frames, study)}, for that paper's patients."
    return text


@style.styled
def draw(
    metrics: pd.DataFrame,
    paired: pd.DataFrame,
    study: Study,
    published: pd.DataFrame | None = None,
) -> Figure:
    """Draw the scores of the target's test cases at the study's largest size.

    Args:
        metrics: one row for each model, case and structure.
        paired: of `differences.paired.paired`.
        published: the paper's means, as `published.at_sizes` gives them.
    """
    names = main_question(study)
    rows, each = shown_rows(metrics, study), _of_question(replicates_of(metrics, study), study)
    metric = study.statistics.metric
    lines = [*study.structures, *([POOLED] if len(study.structures) > 1 else [])]
    figure = style.new_figure(_height(len(names), len(lines), study))
    scores, differences = figure.subplots(1, 2, width_ratios=[1.75, 1], sharey=True)
    cases = []
    for line, structure in enumerate(lines):
        own = with_all_structures(rows) if structure == POOLED else rows[rows["structure"] == structure]
        most = own.groupby(["cohort", "case"])["structure"].nunique()
        points = with_all_structures(each) if structure == POOLED else each[each["structure"] == structure]
        for family, y in zip(names, _places(line, len(names)), strict=True):
            values = own[own["family"] == family].groupby(["cohort", "case"])
            if values["structure"].nunique().lt(most).any():
                continue  # a mean over other structures than the others'
            cases.append(values[metric].mean().dropna().reset_index().assign(y=y, family=family))
            of_family = points[points["family"] == family]
            beside = y + 0.3 * min(0.56, 1 / len(names))
            style.replicate_points(scores, replicate_means(of_family, metric), beside, family, study)
            _printed(scores, y, structure, family, study, published)
    _scores(scores, pd.concat(cases, ignore_index=True), names, study)
    _differences(differences, paired, lines, study)
    _frame(scores, differences, lines, study)
    there = [f for f in names if f in set(rows["family"])]
    handles = _handles(study, there if there and published is None else names, published is not None)
    style.legend_below(figure, handles, LEGEND_COLUMNS, columnspacing=1.6, handletextpad=0.5)
    return figure


def minus(study: Study) -> str:
    """Return what the right-hand side shows: the fine-tuned model minus the other one, or each of the others."""
    tuned = fine_tuned(study)
    others = [f for f in main_question(study) if f != tuned]
    other = style.family_label(study, others[0]) if len(others) == 1 else "each other model"
    return f"{style.family_label(study, tuned)} minus {other}"


def shown_rows(metrics: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return the scores of the main question's models at the largest size, on the target's test cases."""
    return _of_question(main_scores(metrics, study), study)


def _of_question(rows: pd.DataFrame, study: Study) -> pd.DataFrame:
    size = rows["n_train"].where(~rows["family"].isin(references(study)), study.sizes[-1])
    here = (rows["cohort"] == study.target) & rows["family"].isin(main_question(study))
    return rows[here & (size == study.sizes[-1])]


def _places(line: int, count: int) -> np.ndarray:
    return line + (np.arange(count) - (count - 1) / 2) * GROUP / count


def _height(models: int, lines: int, study: Study) -> float:
    """Return the height (mm) at which rows, title and legend have the room that they need."""
    rows = ROW_MM * 3 if models <= 3 else LEAST_MM / GROUP * models
    title = len(fill(minus(study), TITLE_LETTERS).splitlines())
    legend = -(-(models + 1) // LEGEND_COLUMNS)
    return AROUND_MM + rows * lines + LINE_MM * max(title - 2, 0) + LEGEND_MM * (legend - 1)


def _scores(axes: Axes, cases: pd.DataFrame, names: list[str], study: Study) -> None:
    """Draw each case, and each model's mean with its interval where all values are finite.

    An infinite value, as of a distance to an empty mask, has no place on the axis.
    """
    metric = study.statistics.metric
    look = {"x": metric, "y": "y", "orient": "y", "native_scale": True, "legend": False, "ax": axes}
    look |= style.family_hues(study, names)
    if cases.empty:  # every training failed
        return
    finite = np.isfinite(cases[metric])
    many = {"rasterized": len(cases) > style.RASTERISED}
    sns.stripplot(cases[finite], jitter=False, size=7**0.5, alpha=0.3, **many, **look)
    whole = cases[finite.groupby(cases["y"]).transform("all")]
    sns.pointplot(whole, errorbar=style.mean_interval_of(study), capsize=0.35, markersize=4.4, zorder=4,
                  markers=style.markers_of(study, names), err_kws={"linewidth": 1.1}, **look | style.MARK)  # fmt: skip
    axes.set_ylabel("")


def _printed(axes: Axes, y: float, structure: str, family: str, study: Study, published: pd.DataFrame | None) -> None:
    if published is None:
        return
    size = 0 if family in references(study) else study.sizes[-1]
    own = published[(published["family"] == family) & (published["n_train"] == size)]
    own = of_structure(own[own["test_set"] == study.target], structure)
    for mean in own["mean"].drop_duplicates():
        axes.plot(mean, y, marker="|", markersize=6.5, markeredgewidth=1.3, linestyle="none",
                  color=style.family_colour(study, family), zorder=3)  # fmt: skip


def _differences(axes: Axes, paired: pd.DataFrame, lines: list[str], study: Study) -> None:
    """Draw the fine-tuned model's difference from each of the others, in the other one's colour and row.

    A p is grey where it is alpha or more or, if the table has a column `told`, where that says so.
    """
    tuned = fine_tuned(study)
    names = main_question(study)
    others = [f for f in names if f != tuned]
    here = paired[(paired["test_set"] == study.target) & (paired["n_train"] == study.sizes[-1])]
    here = style.in_both_directions(here)
    here = here[here["family_a"] == tuned]
    axes.axvline(0, color=style.MUTED, linewidth=0.7)
    places = [
        {"structure": structure, "family": other, "y": y}
        for line, structure in enumerate(lines)
        for other, y in zip(names, _places(line, len(names)), strict=True)
        if other != tuned
    ]
    rows = here.rename(columns={"family_b": "family"}).merge(pd.DataFrame(places))
    sns.pointplot(style.with_interval(rows, "difference"), x="difference", y="y", orient="y", native_scale=True,
                  capsize=0.35, markersize=4, **style.GIVEN, **style.family_hues(study, others),
                  markers=style.markers_of(study, others), err_kws={"linewidth": 1.1}, ax=axes,
                  **style.MARK)  # fmt: skip
    for row in rows.itertuples():
        p = row.p
        told = "" if pd.isna(p) else p_text(p)
        text = told if told == "" else f"p {told}" if told.startswith("<") else f"p = {told}"
        sure = getattr(row, "told", p < study.statistics.alpha)
        # the axes' right edge in x, the row in y
        axes.text(1.02, row.y, text, transform=axes.get_yaxis_transform(), size=7, va="center",
                  color=style.INK if sure else style.MUTED)  # fmt: skip


def _frame(scores: Axes, differences: Axes, lines: list[str], study: Study) -> None:
    labels = [MEAN_LABEL if s == POOLED else study.structures[s].label for s in lines]
    scores.set_yticks(range(len(lines)), labels)
    scores.set_ylim(len(lines) - 0.5, -0.5)
    for axes in (scores, differences):
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x")
        for i in range(0, len(lines), 2):
            axes.axhspan(i - 0.5, i + 0.5, color=style.BAND, linewidth=0, zorder=0)
        if POOLED in lines:
            axes.axhline(len(lines) - 1.5, color=style.MUTED, linewidth=0.6)
    differences.tick_params(labelleft=False)
    confidence = f"{study.statistics.confidence:.0%} CI"
    scores.set_xlabel(captions.metric_with(study, f"mean, {confidence} for other patients"))
    differences.set_xlabel(f"Paired difference ({study.statistics.test_interval} CI)")
    scores.set_title("Scores")
    differences.set_title(fill(minus(study), TITLE_LETTERS))


def _handles(study: Study, names: list[str], published: bool) -> list[Line2D]:
    out = [style.legend_handle(study, f, markersize=4.4, linewidth=1.1) for f in names]
    if published:
        out.append(Line2D([], [], marker="|", color=style.MUTED, linestyle="none", markersize=6.5,
                          markeredgewidth=1.3, label="published mean"))  # fmt: skip
    return out

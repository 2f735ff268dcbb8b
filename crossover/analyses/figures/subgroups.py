"""DSC of the compared families on each test set, with significance (Lin, Fig. 5).

Drawn: a panel for each cohort and for all: mean DSC with its confidence interval against the number
of target training patients; below it, which differences Tukey's test finds. The DSC has no unit.
"""

from dataclasses import dataclass
from functools import partial
from itertools import combinations

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.analyses.figures import captions, style
from crossover.analyses.predicates import SCORES, several_families, several_sizes
from crossover.statistics.differences.comparisons import of_models
from crossover.statistics.papers.published import numbers_of, of_structure
from crossover.statistics.scores.metrics_table import POOLED
from crossover.statistics.scores.missing import for_figures
from crossover.study.families import baseline, compared, main_rows, references, replicate_means, replicates_of
from crossover.study.schema import Study

ANALYSIS = Analysis(
    title="Performance on each test set",
    reads=("statistics/summary.csv", "statistics/tukey.csv", "metrics.csv"),
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
    applies=(several_sizes, several_families),
    part="paper",
    order=12,
)

ROW_MM = 3.8  # of a line of marks
APART, GROUP = 0.16, 0.84  # between families, of the 1 between sizes; what many families share of it
BESIDE = 0.375  # from a family's mark to those of its replicates, of what is between families
MOST_FAMILIES = 6
"""Families of which every pair has a row; of more, those with training from scratch."""
STRONG = 0.001
"""The second threshold of the marks, beside the study's alpha."""


@dataclass(frozen=True)
class Tables:
    """The rows of one test set."""

    test_set: str
    summary: pd.DataFrame
    tukey: pd.DataFrame
    published: pd.DataFrame
    each: pd.DataFrame
    """Scores of every replicate."""


def make(given: Inputs, study: Study) -> Figure:
    """Return the figure that `draw` makes of the tables and images given."""
    names = ("statistics/summary", "statistics/tukey")
    summary, tukey = (given.table(f"{name}.csv") for name in names)
    metrics = for_figures(given.table("metrics.csv"), study.statistics.missing)
    rest = {"metrics": metrics, "published": numbers_of(study)}
    return style.each_structure(study, partial(draw, summary, tukey, study, **rest))


def caption(frames: Frames, study: Study) -> str:
    """Return the text below the figure, with the numbers of a run."""
    names = [style.family_label(study, f) for f in compared(study)]
    scope = captions.scope_of_means(frames, study)
    text = (
        f"Points and bars: mean {captions.metric(study)} with its "
        f"{study.statistics.confidence:.0%} confidence interval {scope} ({captions.interval_method(study)}) on each "
        f"test set, of {captions.test_cases_text(frames, study)}. "
        "Below: Tukey's honestly significant difference"
    )
    if references(study):
        against = " and ".join(style.family_label(study, f) for f in references(study))
        text += f"; * against {against} (band: its confidence interval)"
    if _too_many(study):
        text += f"; # between {style.family_label(study, baseline(study) or '')} and each of the others"
    elif len(names) > 1:
        text += f"; # between {', '.join(names[:-1])} and {names[-1]}"
    text += f"; one mark p < {study.statistics.alpha:g}, two p < {STRONG:g}.{captions.replicates(frames, study)}"
    text += captions.endless(frames, study)
    if captions.citation(frames, study):
        text += (
            f" Hollow: the means printed in {captions.citation(frames, study)}, for that paper's patients and at the "
            "corresponding training size."
        )
    return text


@style.styled
def draw(
    summary: pd.DataFrame,
    tukey: pd.DataFrame,
    study: Study,
    structure: str,
    metrics: pd.DataFrame,
    published: pd.DataFrame | None = None,
    into: Figure | None = None,
) -> Figure:
    """Draw mean and confidence interval by size and test set, with Tukey's marks.

    Args:
        summary: one row for each test set, structure, model and metric.
        tukey: pairs of models at each size.
        structure: the structure whose rows are drawn.
        metrics: one row for each model, case and structure: where there are several replicates the mean of
            each is drawn beside the mark.
        published: the paper's means, drawn hollow.
        into: the part of a figure to draw in; a new figure by default.
    """
    if published is not None:
        published = of_structure(published, structure)
    cohorts = [name for name in study.cohorts if name in {*summary["test_set"]}]  # that have test cases
    sets = [*cohorts, POOLED] if len(cohorts) > 1 else cohorts or [study.target]
    columns = len(sets) if len(sets) <= 3 else (len(sets) + 1) // 2
    lines = -(-len(sets) // columns)
    ratios = [48, ROW_MM * max(len(_pairs(study)), 1)]
    figure = into or style.new_figure(lines * (sum(ratios) + 12) + 14)
    grid = figure.add_gridspec(2 * lines, columns, height_ratios=ratios * lines)
    curves: Axes | None = None
    for i, test_set in enumerate(sets):
        line, column = divmod(i, columns)
        tables = _select(test_set, structure, study, summary, tukey, metrics, published)
        curves = figure.add_subplot(grid[2 * line, column], sharey=curves)
        marks = figure.add_subplot(grid[2 * line + 1, column], sharex=curves)
        _cell(curves, marks, tables, study, first=column == 0)
    if curves:
        style.score_axis(curves, study)
    hollow = published is not None and len(published) > 0
    title = f"Tukey: * #  p < {study.statistics.alpha:g};  ** ##  p < {STRONG:g};  –  no difference shown"
    style.legend_below(figure, _handles(study, hollow), title=title, title_fontproperties=FontProperties(size=7))
    return figure


def significance_mark(p: float, symbol: str, alpha: float) -> str:
    """Return the paper's mark for a p: the symbol below alpha, the symbol twice below 0.001, else ""."""
    return symbol * 2 if p < STRONG else symbol if p < alpha else ""


def tukey_p(tukey: pd.DataFrame, a: str, b: str) -> float:
    """Return Tukey's p of two models, in whichever order the table has them; NaN where it has none."""
    pair = ((tukey["a"] == a) & (tukey["b"] == b)) | ((tukey["a"] == b) & (tukey["b"] == a))
    found = tukey.loc[pair, "p"]
    return float(found.iloc[0]) if len(found) else float("nan")


def _select(
    test_set: str,
    structure: str,
    study: Study,
    summary: pd.DataFrame,
    tukey: pd.DataFrame,
    metrics: pd.DataFrame,
    published: pd.DataFrame | None,
) -> Tables:
    def here(table: pd.DataFrame) -> pd.DataFrame:
        return table[(table["test_set"] == test_set) & (table["structure"] == structure)]

    metric = study.statistics.metric
    rows = main_rows(here(summary), study)
    # both comparisons share pairs of models; only the one over all models includes the references
    tests = of_models(here(tukey))
    if published is None:
        printed = pd.DataFrame(columns=["family", "n_train", "mean", "ci_low", "ci_high"])
    else:
        printed = published[published["test_set"] == test_set]
    each = replicates_of(metrics[metrics["structure"] == structure], study)
    each = each if test_set == POOLED else each[each["cohort"] == test_set]
    return Tables(test_set, rows[rows["metric"] == metric], tests, printed, each)


def _pairs(study: Study) -> list[tuple[str, str, str]]:
    """Return (a, b, symbol): every family against every reference (*), and against the others (#)."""
    against = [(f, r, "*") for r in references(study) for f in compared(study)]
    among = list(combinations(compared(study), 2))
    if _too_many(study):
        among = [pair for pair in among if baseline(study) in pair]
    return against + [(a, b, "#") for a, b in among]


def _too_many(study: Study) -> bool:
    """Return whether only the pairs with training from scratch have a row."""
    return len(compared(study)) > MOST_FAMILIES and baseline(study) in compared(study)


def _cell(axes: Axes, marks: Axes, tables: Tables, study: Study, first: bool) -> None:
    _curves(axes, tables, study)
    cases = tables.summary["cases"].max() if len(tables.summary) else 0
    axes.set_title(f"{style.test_set_label(study, tables.test_set)} (n = {int(cases)})")
    axes.grid(axis="y")
    axes.set_xlim(-0.5, len(study.sizes) - 0.5)
    axes.set_xticks(range(len(study.sizes)), [str(n) for n in study.sizes])
    if first:
        confidence = f"{study.statistics.confidence:.0%}"
        axes.set_ylabel(captions.metric_with(study, f"mean, {confidence} CI"))
    else:
        axes.tick_params(labelleft=False)
    _marks(marks, tables, study, first)


def _curves(axes: Axes, tables: Tables, study: Study) -> None:
    for family in references(study):
        own = tables.summary[tables.summary["family"] == family]
        for row in own.itertuples():
            colour = style.family_colour(study, family)
            axes.axhspan(row.ci_low, row.ci_high, color=colour, alpha=0.15, linewidth=0)
            axes.axhline(row.mean, color=colour, linewidth=1, linestyle=style.REFERENCE_LINE)
        for row in tables.published[tables.published["family"] == family].itertuples():
            axes.plot(len(study.sizes) - 0.6, row.mean, **_hollow(study, family), clip_on=False)
    names = compared(study)
    rows = tables.summary[tables.summary["family"].isin(names)]
    rows = style.with_interval(rows[rows["n_train"].isin(study.sizes)], "mean")
    apart = min(APART, GROUP / len(names))
    sns.pointplot(rows, x="n_train", y="mean", order=study.sizes, dodge=apart * (len(names) - 1), ax=axes,
                  **style.GIVEN, **style.family_hues(study, names), linewidth=1.1,
                  markers=style.markers_of(study, names), markersize=4.2, markeredgewidth=0, legend=False,
                  linestyles=[style.family_line(study, f) for f in names], err_kws={"linewidth": 0.9})  # fmt: skip
    axes.set(xlabel="", ylabel="")
    for i, family in enumerate(names):
        shift = (i - (len(names) - 1) / 2) * apart
        x = [position + shift for position in range(len(study.sizes))]
        own = tables.each[tables.each["family"] == family]
        for position, n in zip(x, study.sizes, strict=True):
            means = replicate_means(own[own["n_train"] == n], study.statistics.metric)
            style.replicate_points(axes, position + BESIDE * apart, means, family, study)
        printed = tables.published[tables.published["family"] == family]
        for row in printed[printed["n_train"].isin(study.sizes)].itertuples():
            axes.plot(study.sizes.index(row.n_train) + shift, row.mean, **_hollow(study, family))


def _hollow(study: Study, family: str) -> dict:
    return {
        "marker": style.family_marker(study, family),
        "markeredgecolor": style.family_colour(study, family),
        "markerfacecolor": "white",
        "markersize": 4.6,
        "markeredgewidth": 1,
        "linestyle": "none",
        "zorder": 5,
    }


def _marks(axes: Axes, tables: Tables, study: Study, first: bool) -> None:
    """Draw a row for each pair and a column for each size, with a mark where the two differ."""
    pairs = _pairs(study)
    models = tables.summary.set_index(["family", "n_train"])["model"].to_dict()
    for i, (a, b, symbol) in enumerate(pairs):
        if i % 2 == 0:
            axes.axhspan(i - 0.5, i + 0.5, color=style.BAND, linewidth=0)
        for position, n in enumerate(study.sizes):
            other = models.get((b, 0 if b in references(study) else n), "")
            at_size = tables.tukey[tables.tukey["n_train"] == n]
            p = tukey_p(at_size, models.get((a, n), ""), other)
            text = significance_mark(p, symbol, study.statistics.alpha)
            colour = style.INK if text else "#b4b8bd"
            # an asterisk sits high in its line; the shift centres it in the row
            y = i + 0.22 if symbol == "*" and text else i
            if pd.isna(p):  # nothing was compared
                continue
            axes.text(position, y, text or "–", ha="center", va="center", size=7, color=colour)
    axes.set_ylim(max(len(pairs), 1) - 0.5, -0.5)
    labels = [f"{_short(study, a)} vs {_short(study, b)}" for a, b, _ in pairs]
    axes.set_yticks(range(len(pairs)), labels if first else [""] * len(pairs))
    axes.tick_params(axis="both", length=0, labelbottom=False)
    axes.spines[:].set_visible(False)
    axes.set_xlabel(f"Training patients of {study.cohorts[study.target].label}")


def _short(study: Study, family: str) -> str:
    """Return the strategy's label without the level, since the compared families have one level each."""
    return style.family_label(study, family).split(" (")[0]


def _handles(study: Study, hollow: bool) -> list[Line2D]:
    plain = {"linewidth": 1.1, "markersize": 4.2, "markeredgecolor": None, "markeredgewidth": None}
    names = [(f, {"marker": "none"}) for f in references(study)]
    names += [(f, {}) for f in compared(study)]
    out = [style.legend_handle(study, f, linestyle=style.family_line(study, f), **plain, **look) for f, look in names]
    if hollow:
        out.append(Line2D([], [], marker="o", markerfacecolor="white", markeredgecolor=style.MUTED,
                          linestyle="none", markersize=4.6, label="published"))  # fmt: skip
    return out

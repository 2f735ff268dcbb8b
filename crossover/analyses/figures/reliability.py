"""ICC of first-order radiomics features between manual and automatic contours (Lin, Fig. 6).

Drawn: a panel for each size; in it a row for each feature, and for each family the ICC with its
confidence interval. The ICC has no unit; 1 is perfect agreement.
"""

import re
from functools import partial

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.analyses.figures import captions, style
from crossover.analyses.predicates import has_overlays, has_radiomics, sized
from crossover.statistics.scores.metrics_table import POOLED
from crossover.study.families import families, main_rows
from crossover.study.schema import Study

ANALYSIS = Analysis(
    title="Reliability of radiomics features",
    reads=("statistics/icc.csv",),
    settings=("design", "labels", "statistics.confidence", "figures.colours", "figures.overlays"),
    applies=(sized, has_radiomics, has_overlays),
    order=13,
)

BANDS = (0.5, 0.75, 0.9)
"""Poor, moderate, good, excellent: the bounds of Koo and Li 2016."""


def make(given: Inputs, study: Study) -> Figure:
    """Return the figure that `draw` makes of the tables and images given."""
    icc = given.table("statistics/icc.csv")
    return style.each_structure(study, partial(draw, icc, study, study.target))


def caption(frames: Frames, study: Study) -> str:
    """Return the text below the figure, with the numbers of a run."""
    if study.radiomics is None:
        return ""
    icc, radiomics = frames["icc"], study.radiomics
    here = icc.loc[icc["test_set"] == study.target, "cases"]
    cases = int(here.max()) if len(here) else 0
    return (
        f"Points and bars: {radiomics.icc} with {study.statistics.confidence:.0%} confidence intervals of "
        f"{icc['feature'].nunique()} first-order features ({radiomics.channel}) between manual and "
        f"automatic contours of up to {cases} test cases of {captions.target(study)}. Dashed: 0.5, 0.75 and "
        "0.9, the bounds of moderate, good and excellent reliability according to Koo and Li (2016)."
        f"{_first_trainings(icc)}{_left_out(_shown(icc, study, study.target), study)}"
    )


def _first_trainings(icc: pd.DataFrame) -> str:
    """Return a sentence where models were trained several times, of which `main_rows` shows one."""
    several = icc.groupby(["family", "n_train", "structure"])["model"].nunique().max() > 1
    return " Of several trainings of a model, the first is shown." if several else ""


def _left_out(rows: pd.DataFrame, study: Study) -> str:
    """Return a sentence about the cases that the ICCs drawn leave out; "" if there are none."""
    lacking = rows["cases_without_prediction"]
    if not lacking.gt(0).any():
        return ""
    most = rows.loc[lacking.idxmax()]
    return (
        " A case in which a model segments nothing has no features, and is left out of the model's ICC: up to "
        f"{int(lacking.max())} cases ({style.family_label(study, most['family'])}, n = {most['n_train']}). "
        "The ICC is then that of the cases in which something was found."
    )


def _shown(icc: pd.DataFrame, study: Study, test_set: str) -> pd.DataFrame:
    """Return the rows that are drawn: the overlays' families that have sizes, at the overlays' sizes."""
    rows = main_rows(icc, study)
    rows = rows[(rows["test_set"] == test_set) & rows["n_train"].isin(study.overlays.sizes)]
    return rows[rows["family"].isin(_families(study))]


def _families(study: Study) -> list[str]:
    return [family for family in study.overlays.strategies if families(study)[family].sized]


@style.styled
def draw(icc: pd.DataFrame, study: Study, test_set: str, structure: str, into: Figure | None = None) -> Figure:
    """Draw the ICC by feature, for the overlays' families that have sizes, at the overlays' sizes.

    Args:
        icc: one row for each test set, structure, model and feature.
        test_set: a cohort, or "all".
        structure: the structure whose rows are drawn.
        into: the part of a figure to draw in; a new figure by default.
    """
    chosen, names = study.overlays, _families(study)
    rows = _shown(icc, study, test_set)
    rows = rows[rows["structure"] == structure]
    features = list(dict.fromkeys(rows["feature"]))
    figure = into or style.new_figure(32 + 5 * max(len(features), 4))
    panels = figure.subplots(1, len(chosen.sizes), sharex=True, sharey=True, squeeze=False)[0]
    for axes, size in zip(panels, chosen.sizes, strict=True):
        _panel(axes, rows[rows["n_train"] == size], names, features, study)
        axes.set_title(f"n = {size}")
        axes.tick_params(axis="y", length=0)
    _frame(panels[0], features, rows)
    cases = int(rows["cases"].max()) if len(rows) else 0
    confidence = f"{study.statistics.confidence:.0%} CI"
    for axes in panels:
        axes.set_xlabel(f"ICC ({confidence})")
    shown = "All test cases" if test_set == POOLED else f"Test cases of {style.test_set_label(study, test_set)}"
    handles = [
        style.legend_handle(study, f, markersize=4, linewidth=1, markeredgecolor="white")
        for f in names if f in set(rows["family"])
    ]  # fmt: skip
    style.legend_below(figure, handles, title=f"{shown} (n = {cases})")
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, names: list[str], features: list[str], study: Study) -> None:
    for bound in BANDS:
        axes.axvline(bound, color=style.RULE, linewidth=0.6, linestyle=(0, (2, 2)))
    for i in range(0, len(features), 2):
        axes.axhspan(i - 0.5, i + 0.5, color=style.BAND, linewidth=0)
    step = 0.5 / max(len(names), 1)
    sns.pointplot(style.with_interval(rows, "icc"), x="icc", y="feature", order=features, orient="y",
                  dodge=step * (len(names) - 1), **style.GIVEN, **style.family_hues(study, names), ax=axes,
                  markers=style.markers_of(study, names), markersize=4, err_kws={"linewidth": 1},
                  **style.MARK | {"markeredgecolor": "white"})  # fmt: skip
    axes.set_ylabel("")


def _frame(axes: Axes, features: list[str], rows: pd.DataFrame) -> None:
    axes.set_yticks(range(len(features)), [_words(f) for f in features])
    axes.set_ylim(max(len(features), 1) - 0.5, -0.5)
    known = rows["ci_low"].dropna()  # no model may have found enough to agree on
    low = known.min() if len(known) else 0.0
    # intervals of small test sets reach far below 0, where no distinction matters
    axes.set_xlim(max(min(low - 0.05, 0.0), -0.5), 1.02)


def _words(feature: str) -> str:
    """Return the name of a feature in words: "Mean absolute deviation" for "MeanAbsoluteDeviation"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", feature).capitalize()

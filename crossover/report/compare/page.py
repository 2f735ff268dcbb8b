"""The page of a comparison: what was read, how models differ, how each scores, and the figures."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from crossover.analyses.figures import style
from crossover.report.compare.scope import explained
from crossover.report.formats import interval, number, p_value, rank, signed
from crossover.report.prose import environment
from crossover.report.table_layout import across
from crossover.statistics.differences.ranking import all_equal
from crossover.statistics.estimates.chance import MODELS
from crossover.statistics.scores.metrics_table import of_cohorts, pooled_in_words
from crossover.statistics.scores.scales import KNOWN, method

ABOUT = {
    True: (
        "Not every model has several trainings (column or file of replicates), and nothing else tells how much "
        "another training differs: comparisons of such models count other patients only. They apply to these trained "
        "models and do not tell how another training of the same method would score."
    ),
    False: (
        "They count other patients and other trainings. How much trainings differ is estimated from those of the two "
        "models or, where each has one, from the test set's models that have several or, where none has, from how far "
        "the means of several sizes stray from smooth curves."
    ),
}
"""What intervals and p are about, by whether some are of trained models only."""

COUNTING = {True: "other cases", False: "other cases and other trainings"}
"""What the intervals of means count, by whether some are of trained models only."""


@dataclass(frozen=True)
class MetricSection:
    """What the page shows of one metric.

    Its pairs (`run.comparisons`), ranks (`differences.ranking.ranking`), figures (path, caption) and the
    cases that differ most (`cases.extremes`).
    """

    metric: str
    pairs: pd.DataFrame
    ranking: pd.DataFrame
    pictures: Sequence[tuple[Path, str]]
    cases: pd.DataFrame


def render(
    answers: Sequence[str],
    summary: pd.DataFrame,
    sections: Sequence[MetricSection],
    missing: pd.DataFrame,
    notes: Sequence[str],
    confidence: float,
) -> str:
    """Return the HTML of a page that needs nothing but the files beside it."""
    page = environment(autoescape=True).get_template("compare/page.html.j2")
    labels = [style.metric_label(section.metric) for section in sections]
    return page.render(
        metrics=", ".join(labels),
        answers=list(answers),
        confidence=f"{confidence:.0%}",
        notes=list(notes),
        missing=missing_layout(missing),
        sections=[_shown(section, summary) for section in sections],
    )


def _shown(section: MetricSection, summary: pd.DataFrame) -> dict[str, object]:
    metric, known = section.metric, KNOWN.get(section.metric)
    better = "which values are better isn't known" if known is None else f"{known.better} is better"
    return {
        "metric": style.metric_label(metric),
        "better": better,
        "method": method(metric),
        "corrected": "; ".join(_corrected(section.pairs)),
        "counting": COUNTING[summary[summary["metric"] == metric]["about"].eq(MODELS).any()],
        "about": " ".join([ABOUT[section.pairs["about"].eq(MODELS).any()], *explained(section.pairs)]),
        "pairs": pairs_layout(section.pairs),
        "scores": scores_layout(summary, metric),
        "cases": cases_layout(section.cases),
        "ranking": ranking_layout(section.ranking),
        "pictures": [(path.as_posix(), text) for path, text in section.pictures],
    }


def _corrected(pairs: pd.DataFrame) -> list[str]:
    """Return what was corrected together on each test set, in words; nothing of a single difference."""
    rows = of_cohorts(pairs)
    return [text for text in rows.loc[rows["tests"] > 1, "corrected_over"].unique() if text]


def pairs_layout(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return as text every difference with its interval and p values."""
    pairs = pooled_in_words(of_cohorts(pairs))
    table = pd.DataFrame({
        "Test set": pairs["test_set"],
        "Structure": pairs["structure"],
        "n": pairs["n_train"].astype(str),
        "Models": pairs["family_a"] + " minus " + pairs["family_b"],
        "Cases": pairs["cases"].astype(str),
        "Difference (CI)": [
            _signed(*row) for row in pairs[["difference", "ci_low", "ci_high"]].itertuples(index=False)
        ],
        "Median": [_signed(median, math.nan, math.nan) for median in pairs["median_difference"]],
        "Higher / lower": [f"{r.higher} / {r.lower}" for r in pairs.itertuples()],
        "p": [_unbroken(p) for p in pairs["p"]],
        "p, Holm": [_unbroken(p) for p in pairs["p_holm"]],
        "Signed rank": [_unbroken(p) for p in pairs["p_wilcoxon_exact"]],
        "dz": [number(v) for v in pairs["cohen_dz"]],
    })  # fmt: skip
    return _varied(table, ["Test set", "Structure", "n"])


def scores_layout(summary: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return as text every model's mean on each test set."""

    def cells(row: Any) -> dict[str, str]:
        mean = interval(row.mean, row.ci_low, row.ci_high)
        return {
            f"{row.test_set} (CI)": mean if math.isfinite(row.mean) or not row.cases else "none",
            f"{row.test_set}, median": interval(row.median, math.nan, math.nan),
            f"{row.test_set}, cases": str(row.cases),
        }

    rows = pooled_in_words(of_cohorts(summary[summary["metric"] == metric]))
    table = across(rows, ["family", "n_train", "structure"], cells)
    table["n_train"] = [str(n) if n else "" for n in table["n_train"]]
    heads = {"family": "Model", "n_train": "n", "structure": "Structure"}
    return _varied(table.rename(columns=heads), ["n", "Structure"])


def cases_layout(cases: pd.DataFrame) -> pd.DataFrame:
    """Return as text the cases with the largest gains and losses."""
    table = pd.DataFrame({
        "Models": cases["family_a"] + " minus " + cases["family_b"],
        "Test set": cases["test_set"],
        "n": cases["n_train"].astype(str),
        "Case": cases["case"],
        "Structure": cases["structure"],
        "First": [number(v, 3) for v in cases["score_a"]],
        "Second": [number(v, 3) for v in cases["score_b"]],
        "Difference": [_signed(v, math.nan, math.nan) for v in cases["difference"]],
    })  # fmt: skip
    return _varied(table, ["Test set", "n"])


def ranking_layout(ranking: pd.DataFrame) -> pd.DataFrame:
    """Return as text the rank of every model, and in how many bootstrap samples it has this rank."""
    rows = of_cohorts(ranking).sort_values(["test_set", "structure", "n_train", "rank"], kind="stable")
    rows = pooled_in_words(rows)
    tied = all_equal(rows)
    ends = rows[["tau", "tau_low", "tau_high"]].itertuples(index=False)
    table = pd.DataFrame({
        "Test set": rows["test_set"],
        "Structure": rows["structure"],
        "n": rows["n_train"].astype(str),
        "Rank (95% of samples)": [rank(row, equal) for row, equal in zip(rows.itertuples(), tied, strict=True)],
        "Model": rows["family"],
        "First in": ["" if equal else f"{first:.0%}" for first, equal in zip(rows["first"], tied, strict=True)],
        "Kendall's tau (95% of samples)": [interval(*row) for row in ends],
    })  # fmt: skip
    return _varied(table, ["Test set", "Structure", "n"])


def missing_layout(missing: pd.DataFrame) -> pd.DataFrame:
    """Return as text the cases that each model has no prediction for; no rows where none is missing."""
    rows = pooled_in_words(missing[missing["missing"] > 0])
    table = pd.DataFrame({
        "Test set": rows["test_set"],
        "Model": rows["family"],
        "n": rows["n_train"].astype(str),
        "Structure": rows["structure"],
        "Without a prediction": [f"{r.missing} of {r.cases}" for r in rows.itertuples()],
        "Which": rows["named"],
        "Cases that every model has": rows["common"].astype(str),
    })  # fmt: skip
    return _varied(table, ["Test set", "n"])


def _varied(table: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Return the table without those of the columns that say the same in every row."""
    return table.drop(columns=[c for c in columns if table[c].nunique() == 1])


def _unbroken(p: float) -> str:
    return p_value(p).replace(" ", "\u00a0")


def _signed(value: float, low: float, high: float) -> str:
    return interval(value, low, high, signed).replace("inf", "∞").replace(" ", "\u00a0")

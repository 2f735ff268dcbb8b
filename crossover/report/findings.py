"""What the tables say, as sentences: computed, so that no run can carry another's answer."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from crossover.analyses.figures import style
from crossover.analyses.figures.subgroups import p_of
from crossover.report.tables import interval, p_value
from crossover.study.families import baseline, compared, families, main_rows, references
from crossover.study.schema import Study


def headline(summary: pd.DataFrame, tukey: pd.DataFrame, study: Study, structure: str) -> list[str]:
    """The answer in a few sentences, on the target cohort's test cases."""
    scores = _scores(summary, study, structure)
    tests = _tests(tukey, study, structure)
    sentences = [
        sentence
        for family in compared(study)
        if family != baseline(study)
        for sentence in _against_baseline(scores, tests, study, family)
    ]
    return sentences + [s for family in references(study) for s in _at_home(scores, study, family)]


def by_size(
    summary: pd.DataFrame, tukey: pd.DataFrame, study: Study, structure: str
) -> pd.DataFrame:
    """For each size the family with the highest mean on the target's test cases, and Tukey's p.

    Returns:
        Text columns, one row for each size.
    """
    scores = _scores(summary, study, structure)
    tests = _tests(tukey, study, structure)
    metric, scratch = style.metric_label(study.statistics.metric), baseline(study)
    target = scores[(scores["test_set"] == study.target) & (scores["n_train"] > 0)]
    rows = []
    for n in study.sizes:
        at_size = target[target["n_train"] == n].set_index("family")
        if at_size.empty:
            continue
        best = at_size["mean"].idxmax()
        row = {"n": str(n), "Highest mean": style.family_label(study, best)}
        row[f"{metric} (CI)"] = _interval(at_size.loc[best])
        if scratch and scratch in at_size.index:
            label = style.family_label(study, scratch)
            row[f"{label}, {metric} (CI)"] = _interval(at_size.loc[scratch])
            p = p_of(tests[tests["n_train"] == n], *at_size.loc[[best, scratch], "model"])
            row[f"Tukey p against {label}"] = p_value(p)
        rows.append(row)
    return pd.DataFrame(rows).fillna("")


def _scores(summary: pd.DataFrame, study: Study, structure: str) -> pd.DataFrame:
    rows = main_rows(summary, study)
    return rows[(rows["metric"] == study.statistics.metric) & (rows["structure"] == structure)]


def _tests(tukey: pd.DataFrame, study: Study, structure: str) -> pd.DataFrame:
    here = (tukey["test_set"] == study.target) & (tukey["structure"] == structure)
    return tukey[here & tukey["question"].str.startswith("models")]


def _against_baseline(
    scores: pd.DataFrame, tests: pd.DataFrame, study: Study, family: str
) -> Iterable[str]:
    """At which sizes a family is above, below, or not shown to differ from the baseline."""
    scratch = baseline(study)
    if scratch is None:
        return
    rows = scores[scores["test_set"] == study.target].set_index(["family", "n_train"])
    sides: dict[str, list[int]] = {"above": [], "below": [], "level": []}
    for n in study.sizes:
        if (family, n) not in rows.index or (scratch, n) not in rows.index:
            continue
        ours, theirs = rows.loc[(family, n)], rows.loc[(scratch, n)]
        p = p_of(tests[tests["n_train"] == n], ours["model"], theirs["model"])
        side = "above" if ours["mean"] > theirs["mean"] else "below"
        sides[side if p < study.statistics.alpha else "level"].append(n)
    label, other = (style.family_label(study, f) for f in (family, scratch))
    metric = style.metric_label(study.statistics.metric)
    words = {
        "above": f"had a higher mean {metric} than {other} at",
        "below": f"had a lower mean {metric} than {other} at",
        "level": f"was not shown to differ from {other} at",
    }
    parts = [f"{words[side]} {_sizes(found)}" for side, found in sides.items() if found]
    if parts:
        where = style.test_set_label(study, study.target)
        alpha = f"Tukey, p < {study.statistics.alpha:g}"
        yield f"On {where} test cases, {label} {_listed(parts, '; it ')} ({alpha})."


def _at_home(scores: pd.DataFrame, study: Study, family: str) -> Iterable[str]:
    """A family without sizes on the cohorts that it was trained on, and on the target."""
    home = families(study)[family].cohorts
    if study.target in home:
        return
    rows = scores[scores["family"] == family].set_index("test_set")
    if study.target not in rows.index or not set(home) <= set(rows.index):
        return
    at_home = " and ".join(
        f"{_interval(rows.loc[c])} on {style.test_set_label(study, c)}" for c in home
    )
    metric = style.metric_label(study.statistics.metric)
    label = style.family_label(study, family)
    there = style.test_set_label(study, study.target)
    yield (
        f"{label} reached a mean {metric} of {at_home}, which it was trained on, and of "
        f"{_interval(rows.loc[study.target])} on {there}, which it had never seen."
    )


def _interval(row: pd.Series) -> str:
    return interval(row["mean"], row["ci_low"], row["ci_high"])


def _sizes(sizes: list[int]) -> str:
    return f"n = {_listed([str(n) for n in sizes], ', ')}"


def _listed(parts: list[str], between: str) -> str:
    if between == ", " and len(parts) > 1:
        return f"{', '.join(parts[:-1])} and {parts[-1]}"
    return between.join(parts)

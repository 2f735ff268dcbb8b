"""What paired tests and training times say, as sentences: computed, as all of the report's."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from crossover.analyses.figures import style
from crossover.report.paired_table import short
from crossover.report.tables import interval, p_value
from crossover.statistics.metrics_table import POOLED
from crossover.study.families import baseline, main_question, pairs_of
from crossover.study.schema import Study

TESTS = {
    "p_wilcoxon_asymptotic": "asymptotic",
    "p_wilcoxon_exact": "exact",
    "p_holm": "Holm",
    "p_westfall_young": "Westfall-Young",
}


def headline(table2: pd.DataFrame, paired: pd.DataFrame, study: Study) -> list[str]:
    """The answer on the target's test cases, at the largest size."""
    at_largest = table2[table2["n_train"] == study.sizes[-1]]
    return [
        *_averages(at_largest, study),
        *(s for a, b in pairs_of(study) for s in _of_pair(at_largest, a, b, study)),
        *_attainable(paired, study),
    ]


def by_pair(table2: pd.DataFrame, study: Study) -> pd.DataFrame:
    """For each pair and size: in how many structures the first is higher, and how many p < alpha.

    Returns:
        Text columns; of one structure its difference and p values instead of the counts.
    """
    one = len(study.structures) == 1
    rows = []
    for a, b in pairs_of(study):
        for n, own in _tests(table2, a, b).groupby("n_train", sort=False):
            row = {"n": str(n), "Models": f"{short(study, a)} vs. {short(study, b)}"}
            rows.append(row | (_single(own.iloc[0]) if one else _counts(own, study)))
    table = pd.DataFrame(rows).fillna("")
    return table.drop(columns="n") if len(study.sizes) == 1 and len(table) else table


def _counts(own: pd.DataFrame, study: Study) -> dict[str, str]:
    alpha = study.statistics.alpha
    row = {"Structures": str(len(own)), "Higher mean": str(int((own["difference"] > 0).sum()))}
    for p, name in TESTS.items():
        row[f"p < {alpha:g}, {name}"] = str(int((own[p] < alpha).sum()))
    if own["published_p"].notna().any():
        row[f"p < {alpha:g}, published"] = str(int((own["published_p"] < alpha).sum()))
    return row


def _single(row: pd.Series) -> dict[str, str]:
    tests = {f"p, {name}": p_value(row[p]) for p, name in TESTS.items()}
    return {"Difference (CI)": interval(row["difference"], row["ci_low"], row["ci_high"]), **tests}


def time_saved(savings: pd.DataFrame, study: Study) -> list[str]:
    """What fine-tuning saved against training from scratch, and by what, at the largest size."""
    scratch = baseline(study)
    rows = savings[(savings["n_train"] == study.sizes[-1]) & (savings["replicate"] == 0)]
    whole = POOLED if len(study.structures) > 1 else next(iter(study.structures))
    out = []
    for family in main_question(study):
        own = rows[(rows["family"] == family) & (rows["structure"] == whole)]
        if scratch and len(own):
            out.append(_saved(own.iloc[0], rows[rows["family"] == family], family, scratch, study))
    return out


def _averages(table2: pd.DataFrame, study: Study) -> Iterator[str]:
    models = table2[table2["kind"] == "model"]
    several = len(study.structures) > 1
    own = models[models["structure"] == POOLED] if several else models
    if own.empty:
        return
    parts = [f"{r.mean:.2f} for {style.family_label(study, r.a)}" for r in own.itertuples()]
    over = f"over the {len(study.structures)} structures " if several else ""
    metric, where = style.metric_label(study.statistics.metric), _where(study)
    yield (
        f"On {int(own['cases'].max())} {where} test cases the mean {metric} {over}was "
        f"{_listed(parts)}."
    )


def _of_pair(table2: pd.DataFrame, a: str, b: str, study: Study) -> Iterator[str]:
    own, alpha = _tests(table2, a, b), study.statistics.alpha
    if own.empty:
        return
    metric = style.metric_label(study.statistics.metric)
    if len(study.structures) == 1:
        yield _of_one(own.iloc[0], f"{short(study, a)} minus {short(study, b)}", metric)
        return
    higher = int((own["difference"] > 0).sum())
    found = [f"{int((own[p] < alpha).sum())} ({name})" for p, name in TESTS.items()]
    lower = int(((own["difference"] < 0) & (own["p_wilcoxon_exact"] < alpha)).sum())
    text = (
        f"{short(study, a)} had a higher mean {metric} than {short(study, b)} for {higher} of "
        f"{len(own)} structures; p < {alpha:g} for {_listed(found)}"
    )
    yield f"{text}, of which {lower} in favour of {short(study, b)}." if lower else f"{text}."


def _of_one(row: pd.Series, pair: str, metric: str) -> str:
    between = interval(row["difference"], row["ci_low"], row["ci_high"])
    found = [f"{p_value(row[p])} ({name})" for p, name in TESTS.items() if pd.notna(row[p])]
    text = f"{pair}, mean {metric} on the same cases: {between}"
    return f"{text}; p {_listed(found)}." if found else f"{text}."


def _attainable(paired: pd.DataFrame, study: Study) -> Iterator[str]:
    """Whether Holm's correction could find anything at all with so few cases."""
    own = paired[(paired["test_set"] == study.target) & (paired["tests"] > 0)]
    if own.empty:
        return
    tests, cases = int(own["tests"].max()), int(own["cases"].max())
    smallest, alpha = 2 / 2**cases, study.statistics.alpha
    if tests * smallest >= alpha:
        yield (
            f"With {cases} cases no exact signed-rank p is below {smallest:.5f}, and Holm's "
            f"correction over {tests} tests asks for {alpha / tests:.5f} first: no single comparison "
            "could pass it, whatever the models. Westfall and Young's, which uses that the same "
            "cases are behind all tests, can."
        )


def _saved(row: pd.Series, of_family: pd.DataFrame, family: str, scratch: str, study: Study) -> str:
    label, other = short(study, family), short(study, scratch)
    word = "less" if row["saved_s"] >= 0 else "more"
    text = (
        f"Training {label} took {abs(row['saved_percent']):.0f}% {word} time than training {other} "
        "from scratch"
    )
    single = of_family.loc[of_family["structure"] != POOLED, "saved_percent"]
    if len(single) > 1:
        text += f" (by structure {single.min():.0f}% to {single.max():.0f}%)"
    if pd.notna(row["cheaper_steps_percent"]):
        text += (
            f"; cheaper steps account for {row['cheaper_steps_percent']:.0f}% of the difference and "
            f"anything else for {row['anything_else_percent']:.0f}%"
        )
    return f"{text}. The training of the weights that it starts from is not counted."


def _tests(table2: pd.DataFrame, a: str, b: str) -> pd.DataFrame:
    tests = table2[(table2["kind"] == "comparison") & (table2["structure"] != POOLED)]
    return tests[(tests["a"] == a) & (tests["b"] == b)]


def _where(study: Study) -> str:
    return style.test_set_label(study, study.target)


def _listed(parts: list[str]) -> str:
    return f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else "".join(parts)

"""Table 2 of a paired study: organs down, models and paired p values across, ours and the paper's."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import pandas as pd

from crossover.analyses.figures import style
from crossover.findings.published import Published, at_sizes, corresponding
from crossover.report.tables import p_value
from crossover.statistics.metrics_table import POOLED
from crossover.study.families import main_question, references
from crossover.study.schema import Study

PLACE = "Table 2"
"""Where a published value has to stand to be in the table; an average may stand anywhere."""
COLUMNS = [
    "structure", "n_train", "kind", "a", "b", "cases", "mean", "sd", "replicates",
    "sd_replicates", "difference", "ci_low", "ci_high", "p_wilcoxon_asymptotic", "p_wilcoxon_exact", "p_holm",
    "p_westfall_young",
    "published_mean", "published_sd", "published_p",
]  # fmt: skip
AVERAGE = "Average"
"""The last row's name."""
P = "p, "
"""How the heads of p values begin."""

_TESTED = [
    "cases", "difference", "ci_low", "ci_high",
    "p_wilcoxon_asymptotic", "p_wilcoxon_exact", "p_holm", "p_westfall_young",
]  # fmt: skip


def table_two_paired(
    summary: pd.DataFrame, paired: pd.DataFrame, published: Published | None, study: Study
) -> pd.DataFrame:
    """The main question's models and comparisons on the target's test cases, tidy.

    Args:
        summary: of `statistics.summary.summarise`. paired: of `statistics.paired.paired`.

    Returns:
        The columns `COLUMNS`: for each size and structure one row of kind "model" for each family
        (`a`), and one of kind "comparison" for each pair, `a` the later family in the study's order.
        Where there are several structures, "all" comes last: a model's mean is the average over the
        structures, its SD that of all their cases about it; a comparison is of each case's mean over
        the structures; a model that lacks a structure has neither. The paper's numbers stand beside ours at the
        corresponding size.
    """
    metric = study.statistics.metric
    ours = summary[(summary["metric"] == metric) & (summary["test_set"] == study.target)]
    tests = paired[paired["test_set"] == study.target]
    rows = [
        row
        for n in study.sizes
        for structure in [*study.structures, *([POOLED] if len(study.structures) > 1 else [])]
        for row in _rows(ours, tests, structure, n, study)
    ]
    table = pd.DataFrame(rows, columns=[c for c in COLUMNS if not c.startswith("published")])
    return _with_published(table, published, study)[COLUMNS]


def table_two_paired_layout(table: pd.DataFrame, study: Study) -> pd.DataFrame:
    """The text of `table_two_paired`.

    Columns: n (only where there are several sizes), Structure, each model "0.89 ± 0.02" (where there are several
    replicates "; replicates ± 0.01" after it, the SD of their means), for each
    pair "ST vs T" with "0.005 (0.002)", the asymptotic and the exact p, and what the paper has.
    """
    named = table.assign(
        Structure=[_structure(study, s) for s in table["structure"]],
        head=[_head(study, r.kind, r.a, r.b) for r in table.itertuples()],
        ours=[_ours(r) for r in table.itertuples()],
        theirs=[_theirs(r) for r in table.itertuples()],
    )
    keys = ["n_train", "Structure"]
    out = named[keys].drop_duplicates()
    for head, part in named.groupby("head", sort=False):
        texts = part[[*keys, "ours", "theirs"]]
        names = {"ours": head, "theirs": f"{head}, published"}
        out = out.merge(texts.rename(columns=names), how="left", on=keys)
    if out["n_train"].nunique() < 2:
        out = out.drop(columns="n_train")
    return out.fillna("")


def paired_layout(paired: pd.DataFrame, study: Study) -> pd.DataFrame:
    """The text of `statistics.paired.paired` on the target's test cases, all families."""
    rows = paired[paired["test_set"] == study.target].reset_index(drop=True)

    def number(column: str, digits: int) -> list[str]:
        return ["" if pd.isna(v) else f"{v:.{digits}f}" for v in rows[column]]

    columns = {
        "n": [str(n) for n in rows["n_train"]],
        "Structure": [_structure(study, s) for s in rows["structure"]],
        "Model": [style.family_label(study, f) for f in rows["family_a"]],
        "Compared with": [style.family_label(study, f) for f in rows["family_b"]],
        "Cases": [str(n) for n in rows["cases"]],
        "Difference": number("difference", 3),
        "CI low": number("ci_low", 3),
        "CI high": number("ci_high", 3),
        "W": number("statistic", 1),
        "p, asymptotic": [p_value(p) for p in rows["p_wilcoxon_asymptotic"]],
        "p, exact": [p_value(p) for p in rows["p_wilcoxon_exact"]],
        "p, paired t": [p_value(p) for p in rows["p_t"]],
        "r": number("rank_biserial", 2),
        "dz": number("cohen_dz", 2),
        "p, Holm": [p_value(p) for p in rows["p_holm"]],
        "p, Westfall-Young": [p_value(p) for p in rows["p_westfall_young"]],
    }
    if rows["n_train"].nunique() < 2:
        columns.pop("n")
    return pd.DataFrame(columns)


def pairs_of(study: Study) -> list[tuple[str, str]]:
    """(later, earlier) of the main question's families, as the paper names its comparisons."""
    return [(a, b) for b, a in combinations(main_question(study), 2)]


def short(study: Study, family: str) -> str:
    """The strategy's label: the main question has one level of each."""
    return study.strategies[_strategy(study, family)].label


def _strategy(study: Study, family: str) -> str:
    return next(
        name
        for name, strategy in study.strategies.items()
        if family in {name, *(f"{name}-{level}" for level in strategy.levels)}
    )


def _rows(
    summary: pd.DataFrame, tests: pd.DataFrame, structure: str, n: int, study: Study
) -> Iterator[dict]:
    place = {"structure": structure, "n_train": n}
    for family in main_question(study):
        size = 0 if family in references(study) else n
        own = summary[(summary["family"] == family) & (summary["n_train"] == size)]
        own = own[own["structure"].isin(study.structures if structure == POOLED else [structure])]
        whole = structure != POOLED or own["structure"].nunique() == len(study.structures)
        if len(own) and whole:
            yield place | {"kind": "model", "a": family, "b": ""} | _score(own)
    for a, b in pairs_of(study):
        size = 0 if {a, b} <= set(references(study)) else n
        pair = (tests["family_a"] == a) & (tests["family_b"] == b) & (tests["n_train"] == size)
        for row in tests[pair & (tests["structure"] == structure)][_TESTED].to_dict("records"):
            yield place | {"kind": "comparison", "a": a, "b": b} | row


def _score(own: pd.DataFrame) -> dict[str, float]:
    """Mean of the structures' means, and the SD of all cases about it, from the summaries alone."""
    mean, cases = own["mean"].mean(), own["cases"].sum()
    if len(own) == 1:
        row = own.iloc[0]
        return {
            n: row[n] for n in ("cases", "mean", "sd", "replicates", "sd_replicates") if n in row
        }
    within = (own["cases"] - 1) * own["sd"].fillna(0) ** 2
    squares = (within + own["cases"] * (own["mean"] - mean) ** 2).sum()
    sd = float(np.sqrt(squares / (cases - 1))) if cases > 1 else np.nan
    return {"cases": own["cases"].max(), "mean": mean, "sd": sd}


def _with_published(table: pd.DataFrame, published: Published | None, study: Study) -> pd.DataFrame:
    empty = ["published_mean", "published_sd", "published_p"]
    if published is None or table.empty:
        return table.assign(**dict.fromkeys(empty, np.nan))
    metric = study.statistics.metric.removesuffix("_structure_slices")

    def here(rows: pd.DataFrame) -> pd.DataFrame:
        named = (rows["where"] == PLACE) | (rows["structure"] == POOLED)
        return rows[named & (rows["test_set"] == study.target) & (rows["metric"] == metric)]

    values = here(at_sizes(published, study.sizes)).set_index(["structure", "family", "n_train"])
    size = corresponding(study.sizes, published)
    tests = here(published.paired_table())
    keys = ["structure", "family_a", "n_train_a", "family_b", "n_train_b"]
    printed = tests.set_index(keys)["p"].to_dict()

    def own_size(family: str, n: int) -> int:
        return 0 if family in references(study) else n

    def theirs(row) -> tuple[float, float, float]:
        if row.kind == "model":
            key = (row.structure, row.a, own_size(row.a, row.n_train))
            found = values.loc[[key]].iloc[0] if key in values.index else None
            return (
                (np.nan, np.nan, np.nan) if found is None else (found["mean"], found["sd"], np.nan)
            )
        a, b = ((f, size.get(own_size(f, row.n_train))) for f in (row.a, row.b))
        p = printed.get((row.structure, *a, *b), printed.get((row.structure, *b, *a), np.nan))
        return np.nan, np.nan, p

    found = [theirs(row) for row in table.itertuples()]
    return table.assign(**dict(zip(empty, zip(*found, strict=True), strict=True)))


def _structure(study: Study, name: str) -> str:
    return AVERAGE if name == POOLED else study.structures[name].label


def _head(study: Study, kind: str, a: str, b: str) -> str:
    if kind == "model":
        return style.family_label(study, a)
    return f"{P}{short(study, a)} vs. {short(study, b)}"


def _ours(row) -> str:
    if row.kind == "model":
        among = f"; replicates ± {row.sd_replicates:.2f}" if row.replicates > 1 else ""
        return spread(row.mean, row.sd) + among
    if pd.isna(row.p_wilcoxon_asymptotic):
        return ""
    return f"{p_value(row.p_wilcoxon_asymptotic)} ({p_value(row.p_wilcoxon_exact)})"


def _theirs(row) -> str:
    if row.kind == "model":
        return spread(row.published_mean, row.published_sd)
    return p_value(row.published_p)


def spread(mean: float, sd: float) -> str:
    """ "0.89 ± 0.02"; without an SD "0.89"; "" for no value."""
    if pd.isna(mean):
        return ""
    return f"{mean:.2f}" if pd.isna(sd) else f"{mean:.2f} ± {sd:.2f}"

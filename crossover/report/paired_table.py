"""Table 2 of a paired study: organs down, models and paired p values across, ours and the paper's."""

from __future__ import annotations

import pandas as pd

from crossover.analyses.figures import style
from crossover.report.tables import p_value
from crossover.statistics.metrics_table import POOLED
from crossover.study.schema import Study

AVERAGE = "Average"
"""The last row's name."""
P = "p, "
"""How the heads of p values begin."""


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


def short(study: Study, family: str) -> str:
    """The strategy's label: the main question has one level of each."""
    return study.strategies[_strategy(study, family)].label


def _strategy(study: Study, family: str) -> str:
    return next(
        name
        for name, strategy in study.strategies.items()
        if family in {name, *(f"{name}-{level}" for level in strategy.levels)}
    )


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

"""The papers' tables from ours, tidy: scores from 0 to 1, and the published values in columns beside them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import pandas as pd

from crossover.findings.published import Published, at_sizes, beside, corresponding
from crossover.statistics.metrics_table import POOLED
from crossover.study.families import main_question, references
from crossover.study.schema import Study

TABLE_TWO = "Table 2"
"""Where a published value has to stand to be in it; an average over structures may stand anywhere."""
SCORES = [
    "structure", "model_label", "training", "test_set", "test_set_label", "family", "n_train",
    "cases", "mean", "ci_low", "ci_high", "replicates", "sd_replicates",
    "published_n_train", "published_mean", "published_ci_low", "published_ci_high",
]  # fmt: skip
_TESTED = [
    "cases", "difference", "ci_low", "ci_high",
    "p_wilcoxon_asymptotic", "p_wilcoxon_exact", "p_holm", "p_westfall_young",
]  # fmt: skip
_PRINTED = ["published_mean", "published_sd", "published_p"]
PAIRS = [
    "structure", "n_train", "kind", "a", "b", "cases", "mean", "sd", "replicates", "sd_replicates",
    *_TESTED[1:], *_PRINTED,
]  # fmt: skip


def table_two(summary: pd.DataFrame, published: Published | None, study: Study) -> pd.DataFrame:
    """Scores of the models that the paper's Table 2 has, ours and the paper's.

    The models are those with a published value whose place is Table 2, at the corresponding size;
    all models where there is no such value. The metric is the study's (`statistics.metric`).

    Returns:
        One row for each structure, model ("TL (L1)", trained on "Uterus (n = 13)") and test set, with the
        columns `SCORES`; families in the study's order, those without target cases last, as the paper has them.
    """
    rows = summary[summary["metric"] == study.statistics.metric]
    if published is None:
        rows = rows.assign(**dict.fromkeys(SCORES[-4:], float("nan")))
    else:
        values = [value for value in published.values if value.where == TABLE_TWO]
        rows = beside(rows, published.model_copy(update={"values": values}), study.sizes)
        printed = rows.groupby(["family", "n_train"])["published_mean"].transform("count") > 0
        rows = rows[printed] if printed.any() else rows
    sets = {name: cohort.label for name, cohort in study.cohorts.items()} | {POOLED: "All"}
    rows = rows.assign(
        model_label=[_label(study, r.strategy, r.level) for r in rows.itertuples()],
        training=[_training(study, r.strategy, r.n_train) for r in rows.itertuples()],
        test_set_label=[sets.get(name, name) for name in rows["test_set"]],
        order=[_order(study, r.strategy, r.n_train) for r in rows.itertuples()],
    )
    rows = rows.sort_values(["order", "level", "n_train"], kind="stable")
    return rows[SCORES].reset_index(drop=True)


def table_two_paired(
    summary: pd.DataFrame, paired: pd.DataFrame, published: Published | None, study: Study
) -> pd.DataFrame:
    """The main question's models and comparisons on the target's test cases.

    Args:
        summary: of `statistics.summary.summarise`. paired: of `statistics.paired.paired`.

    Returns:
        The columns `PAIRS`: for each size and structure one row of kind "model" for each family
        (`a`), and one of kind "comparison" for each pair, `a` the later family in the study's order.
        Where there are several structures, "all" comes last: a model's mean is the average over the
        structures, its SD that of all their cases about it; a comparison is of each case's mean over
        the structures; a model that lacks a structure has neither. The paper's numbers stand beside ours
        at the corresponding size.
    """
    metric = study.statistics.metric
    ours = summary[(summary["metric"] == metric) & (summary["test_set"] == study.target)]
    tests = paired[paired["test_set"] == study.target]
    rows = [
        row
        for n in study.sizes
        for structure in [*study.structures, *([POOLED] if len(study.structures) > 1 else [])]
        for row in _models_and_pairs(ours, tests, structure, n, study)
    ]
    table = pd.DataFrame(rows, columns=[c for c in PAIRS if c not in _PRINTED])
    return _with_published(table, published, study)[PAIRS]


def compared_pairs(study: Study) -> list[tuple[str, str]]:
    """Return (later, earlier) of the main question's families, as papers name their comparisons."""
    return [(a, b) for b, a in combinations(main_question(study), 2)]


def _models_and_pairs(
    summary: pd.DataFrame, tests: pd.DataFrame, structure: str, n: int, study: Study
) -> Iterator[dict]:
    place = {"structure": structure, "n_train": n}
    wanted = list(study.structures) if structure == POOLED else [structure]
    for family in main_question(study):
        own = summary[summary["family"].eq(family) & summary["n_train"].eq(_size(study, n, family))]
        own = own[own["structure"].isin(wanted)]
        if len(own) and (structure != POOLED or own["structure"].nunique() == len(wanted)):
            yield place | {"kind": "model", "a": family, "b": ""} | _score(own)
    for a, b in compared_pairs(study):
        pair = tests["family_a"].eq(a) & tests["family_b"].eq(b)
        pair &= tests["n_train"].eq(_size(study, n, a, b)) & tests["structure"].eq(structure)
        for row in tests[pair][_TESTED].to_dict("records"):
            yield place | {"kind": "comparison", "a": a, "b": b} | row


def _size(study: Study, n: int, *families: str) -> int:
    """The size under which a family, or a pair of them, stands in the tables: 0 where none has sizes."""
    return 0 if {*families} <= {*references(study)} else n


def _score(own: pd.DataFrame) -> dict[str, float]:
    """Mean of the structures' means, and the SD of all cases about it, from the summaries alone."""
    if len(own) == 1:
        row = own.iloc[0]
        names = ("cases", "mean", "sd", "replicates", "sd_replicates")
        return {name: row[name] for name in names if name in row}
    mean, cases = own["mean"].mean(), own["cases"].sum()
    within = (own["cases"] - 1) * own["sd"].fillna(0) ** 2
    squares = (within + own["cases"] * (own["mean"] - mean) ** 2).sum()
    sd = float(np.sqrt(squares / (cases - 1))) if cases > 1 else np.nan
    return {"cases": own["cases"].max(), "mean": mean, "sd": sd}


def _with_published(table: pd.DataFrame, published: Published | None, study: Study) -> pd.DataFrame:
    if published is None or table.empty:
        return table.assign(**dict.fromkeys(_PRINTED, np.nan))
    metric = study.statistics.metric.removesuffix("_structure_slices")

    def here(rows: pd.DataFrame) -> pd.DataFrame:
        named = (rows["where"] == TABLE_TWO) | (rows["structure"] == POOLED)
        return rows[named & (rows["test_set"] == study.target) & (rows["metric"] == metric)]

    values = here(at_sizes(published, study.sizes)).set_index(["structure", "family", "n_train"])
    sizes = corresponding(study.sizes, published)
    keys = ["structure", "family_a", "n_train_a", "family_b", "n_train_b"]
    printed = here(published.paired_table()).set_index(keys)["p"].to_dict()

    def theirs(row) -> tuple[float, float, float]:
        if row.kind == "model":
            key = (row.structure, row.a, _size(study, row.n_train, row.a))
            if key not in values.index:
                return np.nan, np.nan, np.nan
            return *values.loc[[key]].iloc[0][["mean", "sd"]], np.nan
        a, b = ((f, sizes.get(_size(study, row.n_train, f))) for f in (row.a, row.b))
        p = printed.get((row.structure, *a, *b), printed.get((row.structure, *b, *a), np.nan))
        return np.nan, np.nan, p

    found = [theirs(row) for row in table.itertuples()]
    return table.assign(**dict(zip(_PRINTED, zip(*found, strict=True), strict=True)))


def _label(study: Study, strategy: str, level: str | float) -> str:
    """A table read back from its file has a missing level where there is none."""
    known = study.strategies.get(strategy)
    label = known.label if known else strategy
    return f"{label} ({level})" if pd.notna(level) and level else label


def _training(study: Study, strategy: str, n: int) -> str:
    """What the last training of the chain sees; what came before is in the model's label."""
    known = study.strategies.get(strategy)
    if known is None:
        return f"n = {n}"
    return " + ".join(
        f"{study.cohorts[cohort].label} ({f'n = {n}' if size == 'n' else 'all'})"
        for cohort, size in known.chain[-1].train.items()
    )


def _order(study: Study, strategy: str, n: int) -> int:
    names = list(study.strategies)
    place = names.index(strategy) if strategy in names else len(names)
    return place if n else place + 1000

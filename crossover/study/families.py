"""Which families a study has and of what kind, read from its strategies and never from names."""

from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
import pandas as pd

from crossover.study.plan import Model, early, family_name, levels_of, plan
from crossover.study.schema import Study
from crossover.study.sections import Strategy

Comparison = Literal["independent", "paired"]
"""How a paper tests its models: of each size as independent groups, or in pairs on the same cases."""


@dataclass(frozen=True)
class Family:
    """A strategy at one of its levels.

    Attributes:
        sized: it is trained once for each of the study's sizes.
        cohorts: what its models have seen, over the whole chain.
        transferred: it starts from weights of a training on other data, by its chain or by its initial weights where
            other strategies with the same network start from random ones.
    """

    name: str
    strategy: str
    level: str | None
    sized: bool
    cohorts: tuple[str, ...]
    transferred: bool


def families(study: Study) -> dict[str, Family]:
    """Return every family of a study by name, those without sizes first, strategies in the study's order."""
    out = {}
    for name, strategy in sorted(study.strategies.items(), key=lambda item: early(item[1])):
        cohorts = tuple(dict.fromkeys(c for step in strategy.chain for c in step.train))
        transferred = any(set(s.train) != set(strategy.chain[-1].train) for s in strategy.chain)
        transferred |= _begins_with_given_weights(study, strategy)
        for level in levels_of(strategy):
            own = family_name(name, level)
            out[own] = Family(own, name, level, strategy.sized, cohorts, transferred)
    return out


def _begins_with_given_weights(study: Study, own: Strategy) -> bool:
    """Return whether a strategy begins with given weights, and another one with the same network with random ones."""
    begun = [s.chain[0].initial for s in study.strategies.values() if s.network == own.network]
    if not any(begun):
        return False
    usual = study.network_of(own.network).initial.weights
    return (own.chain[0].initial or usual) != "random" and "random" in [initial or usual for initial in begun]


def references(study: Study) -> list[str]:
    """Return the families without sizes, with which the sized ones are compared.

    Where a study has sizes they have seen no patient of the target (`consistency` refuses others): they can be taken as
    they are.
    """
    return [f.name for f in families(study).values() if not f.sized]


def compared(study: Study) -> list[str]:
    """Return one family of each strategy with sizes: its first level, as the paper compares strategies."""
    first: dict[str, str] = {}
    for family in families(study).values():
        if family.sized:
            first.setdefault(family.strategy, family.name)
    return list(first.values())


def main_question(study: Study) -> list[str]:
    """Return the families that the study compares first: those without sizes, then one of each strategy with sizes.

    Strategies that name their structures, as a sweep of levels on a few of them, are not among them.
    """
    known = families(study)
    named = [*references(study), *compared(study)]
    return [f for f in named if not study.strategies[known[f].strategy].structures]


def fine_tuned(study: Study) -> str:
    """Return the family that the main question tests: its last that starts from other weights, else its last."""
    known, named = families(study), main_question(study)
    return ([f for f in named if known[f].transferred and known[f].sized] or named)[-1]


def baseline(study: Study) -> str | None:
    """Return the family trained in one step on the target cohort alone, not from given weights: from scratch.

    Of several networks it is that of the family whose answer is tested, so that the two differ in their training alone.
    """
    known = families(study)
    once = {name for name, strategy in study.strategies.items() if len(strategy.chain) == 1}
    alone = [f for f in known.values() if f.sized and not f.transferred and f.cohorts == (study.target,)]
    alone = [f for f in alone if f.strategy in once]
    if len({_network(study, f) for f in alone}) > 1:
        alone = [f for f in alone if _network(study, f) == _network(study, known[fine_tuned(study)])] or alone
    return alone[0].name if alone else None


def _network(study: Study, family: Family) -> str | None:
    return study.strategies[family.strategy].network


def pairs_of(study: Study) -> list[tuple[str, str]]:
    """Return (later, earlier) of the main question's families, as the paper names its comparisons."""
    return [(a, b) for b, a in combinations(main_question(study), 2)]


def chain_text(strategy: Strategy, study: Study, counts: dict[str, int]) -> str:
    """Return what a strategy is trained on, step by step: "Cervix (all 144) → Uterus (n)".

    Args:
        strategy, study: the strategy of the study.
        counts: training patients of each cohort.
    """

    def part(cohort: str, n: str) -> str:
        return f"{study.cohorts[cohort].label} ({n if n == 'n' else f'all {counts[cohort]}'})"

    return " → ".join(" + ".join(part(c, n) for c, n in s.train.items()) for s in strategy.chain)


def trained_part(level: str) -> str:
    """Return what fine-tuning at a level trains, in words: "from L1" on, or "the decoder"."""
    return "the decoder" if level == "decoder" else f"from {level}"


def at_largest(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of families without sizes, and of the others at the largest size."""
    return table[table["n_train"].isin([0, table["n_train"].max()])]


def in_study_order(table: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Order a table's rows by the study's cohorts and structures; "all" comes last.

    Rows are ordered among those that are alike in the columns to the left. Statistics come in the order of
    the alphabet, since the order in which structures are shown changes none of them.
    """
    cohorts, structures = [*study.cohorts, "all"], [*study.structures, "all"]
    orders = {"test_set": cohorts, "cohort": cohorts, "structure": structures}
    for column in (name for name in table if name in orders):
        left = list(table.columns[: table.columns.get_loc(column)])
        outer = table.groupby(left, sort=False, dropna=False).ngroup() if left else table.index * 0
        place = pd.Categorical(table[column], orders[column]).codes
        table = table.iloc[np.lexsort((place, outer))]
    return table


def main_rows(table: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return the rows of the models that the figures show.

    Of replicates, and of folds that are tested on the same cases, it is the first that the table has.
    """
    first: dict[tuple, str] = {}
    there = set(table["model"])
    for m in tested(study):
        if m.name in there:
            first.setdefault((m.family, m.n_train, m.structures), m.name)
    return table[table["model"].isin(set(first.values()))]


def tested(study: Study) -> list[Model]:
    """Return the models that are tested on test cases, not on the fold that they leave out."""
    return [m for m in plan(study).models.values() if m.fold_cohort is None]


def main_scores(metrics: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return the rows of `main_rows`, each case's scores averaged over the replicates, as in the statistics."""
    rows = replicates_of(metrics, study)
    if rows["replicate"].nunique() < 2:
        return rows
    by = ["model", "cohort", "case", "structure"]
    counted = {*by, "n_train", "replicate", "fold"}
    how = {c: "first" for c in rows if c not in by}
    how |= {c: "mean" for c in rows.select_dtypes("number") if c not in counted}
    return rows.sort_values("replicate", kind="stable").groupby(by, sort=False, as_index=False).agg(how)


def replicates_of(metrics: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return the rows of all replicates of the models that the figures show, each under the first one's name.

    Folds that are tested on the same cases are replicates too, and are counted among them.
    """
    names: dict[str, str] = {}
    first: dict[tuple, str] = {}
    for m in tested(study):
        names[m.name] = first.setdefault((m.family, m.n_train, m.structures), m.name)
    rows = metrics[metrics["model"].isin(names)]
    rows = rows.assign(model=rows["model"].map(names))
    if study.folded:
        number = rows["replicate"] * study.splits.k_fold.k + rows["fold"]
        rows = rows.assign(replicate=number.astype("int64"))
    return rows


def replicate_means(rows: pd.DataFrame, metric: str) -> list[float]:
    """Return the mean of each replicate, of rows of one family; none where there is one replicate only."""
    means = rows.groupby("replicate")[metric].mean().dropna()
    return means.to_list() if len(means) > 1 else []

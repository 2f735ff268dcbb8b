"""Tables by construction from a statement, in which it clearly holds, clearly doesn't, or is open."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

import numpy as np
import pandas as pd

from crossover.statistics.estimates.agreement import check_radiomics
from crossover.statistics.papers.claims.statements import (
    ICC,
    Above,
    Below,
    BestNetwork,
    Better,
    Crossover,
    Majority,
    NoDifference,
    Rises,
    Statement,
    Time,
    Within,
)
from crossover.statistics.scores.metrics_table import check_metrics
from crossover.study.plan import plan
from crossover.study.schema import Study

CASES, TRAININGS = 6, 3
ICC_CASES = 12
FEATURES = ("Entropy", "Mean", "Variance")
Place = tuple[str, int, str, str]
"""Family, size, cohort, structure."""


def tables_for(statement: Statement, study: Study, side: int) -> dict[str, pd.DataFrame]:
    """The tables that the statement needs: it holds in them (side 1), doesn't (-1), or is open (0).

    Sizes are the paper's.
    """
    if isinstance(statement, Crossover):
        return {"crossover": crossovers(statement, study, side)}
    if isinstance(statement, Time):
        return {"training_time_saved": times(statement, statement.at_least + 20 * side, 5)}
    if isinstance(statement, BestNetwork):
        return {"cross_validation": cells(statement, 0.05 * side)}
    if statement.metric == ICC:
        return {"radiomics": check_radiomics(radiomics(statement, study, side))}
    return {"metrics": metrics(statement, study, side)}


# ---- scores


def metrics(statement: Statement, study: Study, side: int) -> pd.DataFrame:
    """Every family that the statement names on every cohort's cases, each case with an ease of its own.

    Where the statement is open its effect is at the bound and the cases scatter to both sides of it.
    """
    levels = _levels(statement, study, side)
    scatter = np.resize([0.15, -0.15], CASES) if side == 0 else np.zeros(CASES)
    ease = np.linspace(-0.02, 0.02, CASES)
    rng = np.random.default_rng(0)
    rows = []
    for (family, n, cohort, structure), (level, scattered) in levels.items():
        scores = level + ease + (scatter if scattered else 0) + rng.normal(0, 0.002, (TRAININGS, CASES))
        strategy, _, level_name = family.partition("-")
        for (replicate, case), score in np.ndenumerate(np.clip(scores, 0, 1)):
            rows.append({
                "model": (f"{family}-n{n}" if n else family) + f"-r{replicate}", "family": family, "strategy": strategy,
                "level": level_name, "n_train": n, "replicate": replicate, "fold": np.nan, "cohort": cohort,
                "case": f"{cohort}-{case}", "structure": structure,
                **dict.fromkeys(("dsc", "iou", "nsd", "dsc_structure_slices", "iou_structure_slices"), score),
                "hd95_mm": 1.0,
            })  # fmt: skip
    return check_metrics(pd.DataFrame(rows))


def _levels(statement: Statement, study: Study, side: int) -> dict[Place, tuple[float, bool]]:
    """Place -> its mean and whether its cases scatter."""
    if isinstance(statement, Rises):
        steps = {n: 0.3 + 0.1 * i * side for i, n in enumerate(statement.sizes)}
        last = statement.sizes[-1]
        return {
            (f, n, *at): (level + 0.2 * (side < 0), n == last)
            for f in statement.families for n, level in steps.items() for at in _at(statement, study)
        }  # fmt: skip
    if isinstance(statement, Above | Below | Within):
        level = _value(statement, side)
        return {
            place: (level, True) for f in statement.families for place in _places(f, statement, study)
        }  # fmt: skip
    apart = _difference(statement, side)
    out = {}
    for pair in statement.pairs:
        for families, level, scattered in ((pair.a, 0.5 + apart, True), (pair.b, 0.5, False)):
            for family in families:
                for place in _places(family, statement, study, pair.test_set):
                    out[place] = (level, scattered)
    return out


def _difference(statement: Better | Majority | NoDifference, side: int) -> float:
    if isinstance(statement, NoDifference):
        return {1: 0.0, 0: statement.margin, -1: 4 * statement.margin}[side]
    return getattr(statement, "by", 0.0) + 0.1 * side


def _value(statement: Above | Below | Within, side: int) -> float:
    if isinstance(statement, Within):
        middle, width = (statement.low + statement.high) / 2, statement.high - statement.low
        return {1: middle, 0: statement.high, -1: statement.high + width}[side]
    return statement.bound + 0.1 * side * (1 if isinstance(statement, Above) else -1)


def _places(family: str, statement: Statement, study: Study, test_set: str | None = None) -> Iterable[Place]:
    for n in statement.sizes if family in _sized(study) else [0]:
        for at in _at(statement, study, test_set):
            yield family, n, *at


def _sized(study: Study) -> set[str]:
    """The families that are trained at several sizes."""
    if study.study not in _SIZED:
        families = plan(study).families().items()
        _SIZED[study.study] = {name for name, models in families if models[0].n_train}
    return _SIZED[study.study]


_SIZED: dict[str, set[str]] = {}


def _at(statement: Statement, study: Study, test_set: str | None = None) -> list[tuple[str, str]]:
    named = test_set or statement.test_set
    cohorts = list(study.cohorts) if named == "all" else [named]
    structures = [s for s in statement.structures if s != "all"] or list(study.structures)
    return [(cohort, structure) for cohort in cohorts for structure in structures]


# ---- reliability


def radiomics(statement: Better | Above | Below | Within, study: Study, side: int) -> pd.DataFrame:
    """Features near the manual ones by the family that is to have the higher ICC, and far off by the other."""
    rng = np.random.default_rng(1)
    if isinstance(statement, Better):
        noise = {1: (0.05, 2.0), 0: (0.7, 0.7), -1: (2.0, 0.05)}[side]
        named = [
            (pair.test_set, family, sd)
            for pair in statement.pairs for families, sd in zip((pair.a, pair.b), noise, strict=True)
            for family in families
        ]  # fmt: skip
    else:
        sd = {1: 0.01, 0: 0.7, -1: 5.0}[side if isinstance(statement, Above) else -side]
        named = [(statement.test_set, family, sd) for family in statement.families]
    rows = []
    for test_set in dict.fromkeys(test_set for test_set, *_ in named):
        for feature, case in product(FEATURES, range(ICC_CASES)):
            value = rng.normal(0, 1)
            about = {"cohort": test_set, "case": f"c{case}", "structure": "tumour", "level": "", "feature": feature}
            manual = dict.fromkeys(("family", "strategy"), "") | {"model": "manual", "n_train": 0}
            rows.append(about | manual | {"value": value})
            for (own, family, sd), n, r in product(named, statement.sizes, range(TRAININGS)):
                if own == test_set:
                    model = {"model": f"{family}-n{n}-r{r}", "family": family, "strategy": family, "n_train": n}
                    rows.append(about | model | {"value": value + rng.normal(0, sd)})
    return pd.DataFrame(rows)


# ---- others


def crossovers(statement: Crossover, study: Study, side: int) -> pd.DataFrame:
    low, high = statement.between
    found = {
        1: ("crosses", (low + high) / 2, low + 1, high - 1),
        0: ("crosses", high, low, high + 100),
        -1: ("no crossover within the range", np.inf, np.inf, np.inf),
    }[side]
    rows = [
        {"test_set": statement.test_set, "structure": structure, "metric": statement.metric,
         "ahead": statement.ahead, "overtakes": statement.overtakes,
         **dict(zip(("verdict", "n", "ci_low", "ci_high"), found, strict=True)), "statement": "words",
         "patients": 20, "replicates": 2, "sizes": 6}
        for structure in study.structures
    ]  # fmt: skip
    return pd.DataFrame(rows)


def times(statement: Time, percent: float, spread: float) -> pd.DataFrame:
    offsets = np.resize([spread, -spread], 6)
    rows = [
        {"structure": f"s{i}", "n_train": n, "replicate": 0, "family": statement.family,
         "scratch": statement.over, "saved_percent": percent + offset,
         "cpu_saved_percent": percent + offset, "alike": True, "undisturbed": True}
        for n in statement.sizes for i, offset in enumerate(offsets)
    ]  # fmt: skip
    whole = [row | {"structure": "all", "saved_percent": -99.0} for row in rows[:1]]
    return pd.DataFrame(rows + whole)


def cells(statement: BestNetwork, apart: float) -> pd.DataFrame:
    wobble = np.array([0.02, -0.02, 0.015, -0.015, 0.0]) * (apart == 0) + np.linspace(0, 0.001, 5)
    rows = []
    for architecture, encoder, level, own in (
        (statement.architecture, statement.encoder, 0.8 + apart, wobble),
        ("other", "resnet18", 0.8, 0 * wobble),
    ):
        for fold in range(5):
            rows.append({"architecture": architecture, "encoder": encoder, "fold": fold,
                         "validation_dsc": level + own[fold]})  # fmt: skip
    return pd.DataFrame(rows)

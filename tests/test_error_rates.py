"""The benchmarks of error rates in their quick form: verdicts on what is equal must stay in their bands.

`python -m benchmarks.chance` and `python -m benchmarks.crossover_coverage` measure the same at length. A band is the
nominal level, what the tables in the docs allow beyond it, and three standard errors of so few simulations. That it
would be left is shown with the fault that it is there for: trainings averaged away.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import chance
from benchmarks.crossover_coverage import CHOICES, choices, claim_rates, rates
from crossover.report.best_by_size import best_by_size, most_apart
from crossover.report.results import StudyResults
from crossover.statistics.differences.paired import paired
from crossover.statistics.estimates.chance import Effect, effect
from crossover.statistics.estimates.resampling import SEED
from crossover.statistics.learning_curves import crossing
from crossover.statistics.learning_curves.crossing import crossovers
from crossover.statistics.scores.metrics_table import check_metrics
from crossover.study.config import load_study
from tests.simulated import CROSSING, NOT_CROSSING, SIZES, TWICE, Curve, Design, simulated_panel, table_of
from tests.tiers import thorough

pytestmark = pytest.mark.slow

TABLES = 120
LEVELS = {"type I": 0.05, "holds": 0.025}


def band(level: float, tables: int = TABLES) -> float:
    """The most that an error rate may be."""
    return level + chance.BAND + 3 * math.sqrt(level * (1 - level) / tables)


def of_these_models(scores, weights, strata=None, spread=None) -> Effect:
    """The fault: each case's mean over the trainings, as if no other training could come out otherwise."""
    return effect([s.mean(1, keepdims=True) for s in scores], weights, strata)


@pytest.mark.parametrize("trainings", [1, 2, 5])
def test_equal_methods_differ_as_often_as_they_may(trainings, monkeypatch):
    monkeypatch.setattr(chance, "FIFTH", TABLES)  # of four methods at once nothing is asked here
    found = chance.rates(16, trainings, 0.04, 0.0, TABLES)
    assert all(found[name] <= band(level) for name, level in LEVELS.items())
    assert found["coverage"] >= 0.93 - 3 * math.sqrt(0.95 * 0.05 / TABLES)
    monkeypatch.setattr(chance, "effect", of_these_models)
    wrong = chance.rates(16, trainings, 0.04, 0.0, TABLES)
    assert all(wrong[name] > band(level) for name, level in LEVELS.items())


def test_of_several_draws_with_several_trainings_equal_methods_differ_as_often_as_they_may():
    """The fault is to count the trainings of a draw as independent of each other."""
    found = chance.rates_of_draws(16, 3, 3, 0.04, TABLES)
    assert found["type I"] <= band(0.05) < found["type I, all trainings"]


def verdicts(curves: dict[str, Curve], design: Design) -> dict[str, float]:
    return rates(curves, design, TABLES, 150)


def test_curves_that_meet_seem_to_cross_as_often_as_they_may(monkeypatch):
    """At the largest size the two are equal, and the first is ahead before: the test is at its level."""
    curves, design = NOT_CROSSING["meeting at the largest"], Design(replicates=3, luck=0.04)
    assert verdicts(curves, design)["crosses"] <= band(0.05)

    def difference(panel, first, second, k):
        found = of_these_models([panel.scores[f, k].T for f in (first, second)], (1, -1))
        return replace(found, training_se=0.0, training_df=9.0)

    monkeypatch.setattr(crossing, "_difference", difference)
    assert verdicts(curves, design)["crosses"] > band(0.05)


@pytest.mark.parametrize("sizes", [(5, 26, 256), thorough((5, 13, 26, 51, 128, 256))])
def test_the_interval_of_a_crossover_covers_it(sizes, monkeypatch):
    """Without the sizes around it, by straight lines, it misses where curves are steep between two sizes."""
    curves, design = CROSSING["a steep one that crosses at 62"], Design(replicates=3, sizes=sizes)
    least = 0.93 - 3 * math.sqrt(0.95 * 0.05 / TABLES)
    found = verdicts(curves, design)
    assert found["covered"] >= least and found["crosses"] > 0.9

    def between(roots, n, confidence):
        return tuple(np.quantile(np.nan_to_num(roots, posinf=1e9), [0.025, 0.975]))

    monkeypatch.setattr(crossing, "_interval", between)
    assert verdicts(curves, design)["covered"] < least


@pytest.mark.parametrize("curves", TWICE.values(), ids=TWICE)
def test_two_crossings_are_neither_one_nor_none(curves):
    found = verdicts(curves, Design(replicates=3))
    assert max(found["crosses"], found["no crossover"]) <= band(0.05)


def test_claims_are_judged_wrongly_as_often_as_they_may():
    found = claim_rates(Design(patients=10, replicates=3, luck=0.04), TABLES // 4, 50)
    wrong = [name for name in found if name not in ("true, holds", "by 0.05, holds")]
    assert len(wrong) == 9 and all(found[name] <= band(0.05, TABLES // 4) for name in wrong)


def test_the_benchmark_of_a_choice_has_what_the_first_page_says():
    """Of one table, whose scores are all below 1, through `report.best_by_size`."""
    panel = simulated_panel(CHOICES["that cross"], Design(patients=10, replicates=3, ease=0.02), 3)
    study = load_study("uterus", "demo").model_copy(update={"sizes": list(SIZES)})
    table = check_metrics(table_of(panel, study.target))
    frames = {"pairwise": paired(table, "dsc", 0.05), "crossover": crossovers(table, "dsc", 0.95, 0.05, 200)}
    frames["pairwise"]["significant"] = False
    results = StudyResults(study, frames, {})
    told = {n: limit for _, n, _, limit in choices(panel, 200, SEED) if not np.isnan(limit)}
    assert most_apart(results) == pytest.approx(told) and 0 < len(told) < len(SIZES)
    left = {n: set(names) for _, n, names, _ in choices(panel, 200, SEED)}
    assert {n: set(choice.best) for n, choice in best_by_size(results, "tumour").items()} == left


@pytest.mark.parametrize("curves", NOT_CROSSING.values(), ids=NOT_CROSSING)
def test_one_draw_and_two_sizes_lead_to_no_verdict(curves):
    for design in (Design(shared=0.5), Design(replicates=3, sizes=(5, 256))):
        found = rates(curves, design, 20, 50)
        assert not any(found[v] for v in ("crosses", "no crossover", "changes"))

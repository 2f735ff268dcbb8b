"""Printed mean differences of two models on the same cases: what follows from drawn scores, and what can't."""

import numpy as np
import pytest
from scipy import stats

from crossover.statistics.papers.audit.stated_differences import stated_differences
from crossover.statistics.papers.audit.verdicts import FOLLOWS, NOT, READING, UNCHECKED
from crossover.statistics.papers.printed_number import Printed
from tests.printed_papers import paper, value

N = 20
RNG = np.random.default_rng(5)
A = RNG.normal(0.85, 0.05, N)
B = A.mean() - 0.005 + 0.5 * (A - A.mean()) + RNG.normal(0.0, 0.03, N)
SETS = {"t": {"cases": N, "where": "T"}}


def text(x: float, decimals: int = 3) -> Printed:
    return Printed(f"{x:.{decimals}f}")


def rows(**more):
    scores = {"a": A, "b": B}
    values = [value(name, text(x.mean()), sd=text(x.std(ddof=1))) for name, x in scores.items()]
    models = {side: {"family": side, "n_train": 0} for side in ("a", "b")}
    said = models | {"test_set": "t", "metric": "dsc", "difference": text((A - B).mean()), "where": "R"} | more
    found = stated_differences(paper(values=values, test_sets=SETS, confidence=0.95, differences=[said]))
    return {row.about.split(",")[0]: row for row in found}


def ends(x: np.ndarray) -> tuple[Printed, Printed]:
    low, high = stats.t.interval(0.95, len(x) - 1, x.mean(), stats.sem(x))
    return text(low), text(high)


def test_what_is_computed_from_the_scores_follows():
    own = A - B
    p = Printed(f"{stats.ttest_rel(A, B).pvalue:.4f}")
    found = rows(sd=text(own.std(ddof=1)), se=text(stats.sem(own), 4), ci=ends(own), p=p, test="t")
    assert len(found) == 6 and {row.verdict for row in found.values()} == {FOLLOWS}
    assert {row.verdict for row in rows(ci=ends(own), p=p).values()} == {FOLLOWS}


@pytest.mark.parametrize(
    ("more", "about", "verdict", "reading"),
    [
        ({"difference": text((A - B).mean() + 0.01)}, "Difference", NOT, ""),
        ({"difference": text((B - A).mean())}, "Difference", READING, "the second minus the first"),
        ({"difference": text(100 * (A - B).mean(), 1), "unit": "%"}, "Difference", FOLLOWS, ""),
        ({"sd": Printed("0.200")}, "SD of the differences", NOT, "any correlation"),
        ({"sd": Printed("0.022")}, "SD of the differences", READING, "correlate with 0.9"),
        ({"ci": (Printed("0.060"), Printed("0.090"))}, "Interval of the difference", NOT, ""),
        ({"ci": ends(A - B), "p": Printed("0.400"), "test": "t"}, "p of the difference", NOT, ""),
        ({"ci": ends(A - B), "p": Printed("0.400")}, "p of the difference", READING, "another test"),
        ({"ci": ends(A - B), "p": Printed("0.400"), "test": "wilcoxon"}, "p of the difference", UNCHECKED, ""),
        ({"ci": ends(A - B), "p": Printed("0.400"), "corrected": True}, "p of the difference", FOLLOWS, ""),
        ({"p": Printed("0.400"), "test": "t"}, "p of the difference", UNCHECKED, ""),
        ({"b": {"family": "c", "n_train": 0}}, "Difference", UNCHECKED, ""),
    ],
)  # fmt: skip
def test_a_number_that_is_another_is_found(more, about, verdict, reading):
    found = rows(**more)[about]
    assert found.verdict == verdict and reading in found.reading


def test_a_one_sided_p_follows_under_that_reading():
    p = Printed(f"{stats.ttest_rel(A, B, alternative='greater').pvalue:.4f}")
    found = rows(sd=text((A - B).std(ddof=1), 4), p=p, test="t")["p of the difference"]
    assert (found.verdict, found.reading) == (READING, "one-sided")

"""How probable is it that a method that is said to be better is not, given its printed mean, SD and cases?

Christodoulou et al. (2025, arXiv:2505.04720): of two methods on the same n cases, with means m, SDs s and the
correlation r of their scores, the mean of the differences has, with a flat prior, the posterior

    t(n - 1) about m_a - m_b, of scale sqrt((s_a^2 + s_b^2 - 2 r s_a s_b) / n);

the claim that a is better is false with the probability that lies on the wrong side of 0. Papers don't print r. The p
of a paired t test that follows from these numbers tells it, and the probability is p / 2; without one, a range of r is
assumed. Only the chance of the cases is in it: not that of training again, of the choice among many
comparisons, nor of rounding.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd

from crossover.statistics.papers.audit.interval import Interval, unrounded
from crossover.statistics.papers.audit.lookup import Key, at_size, first_values, versus
from crossover.statistics.papers.audit.orderings import StatedOrder, claim_of
from crossover.statistics.papers.audit.paired_t import implied_correlation, usual_correlations
from crossover.statistics.papers.audit.scores import cases_of, sd_of, spread_text, t_quantile
from crossover.statistics.papers.audit.units import in_one_unit
from crossover.statistics.papers.audit.verdicts import p_interval, p_is_below, p_text, places
from crossover.statistics.papers.printed import Ordering, PairedTest, PublishedModel, Value
from crossover.statistics.papers.published import Published
from crossover.statistics.scores.metrics_table import POOLED
from crossover.statistics.scores.scales import SHARE, scale

COLUMNS = [
    "study", "better", "better_n_train", "worse", "worse_n_train", "structure", "test_set", "metric", "where",
    "printed", "cases", "probability", "lowest", "highest", "correlation", "correlation_low", "correlation_high",
    "correlation_of",
]  # fmt: skip
ALPHA = 0.05
"""The p below which a tested difference is a claim, where the paper names none."""
LIKELY = 0.05
"""The probability above which a claim that may be false is named."""
FEWEST = 8
"""The number of cases that two models must share, for their scores' correlation to be used."""


@dataclass(frozen=True)
class Correlation:
    """What is assumed of the scores of two methods on the same cases, and where it is from."""

    low: float
    middle: float
    high: float
    source: str


OVERLAP = Correlation(0.5, 0.75, 0.9, "assumed")
DISTANCES = Correlation(0.0, 0.25, 0.7, "assumed")
"""About the 10th, 50th and 90th percentile over the pairs of models in docs/demo/uterus/metrics.csv (docs/audit.md)."""


@dataclass(frozen=True)
class _Chance:
    """The probability that a claim is false, at a correlation, and the lowest and highest of the range."""

    correlation: Correlation
    cases: int
    middle: float
    at_low: float
    at_high: float


def false_claims(published: Published, scores: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return one row for each claim that one model is better than another, with `COLUMNS`, the least sure first.

    Claims are the paper's orderings, and pairs that it tests with a p below its alpha, of which the better mean is
    taken as claimed. `lowest` and `highest` are at the ends of the correlations. Where nothing tells the probability
    it isn't in the table (`untold_claims`).

    Args:
        scores: the study's own metrics table, whose models' correlations are then used.
    """
    rows: dict[tuple, dict] = {}
    published, _ = in_one_unit(published)
    for better, worse, where in _claims(published):
        told = _chance(better, worse, published, scores)
        if told is None:
            continue
        r, ends = told.correlation, (told.middle, told.at_low, told.at_high)
        rows.setdefault(_about(better, worse), dict(zip(COLUMNS[1:], _about(better, worse))) | {
            "study": published.study, "where": places(where, better.where, worse.where),
            "printed": f"{spread_text(better)} and {spread_text(worse)}", "cases": told.cases,
            "probability": told.middle, "lowest": min(ends), "highest": max(ends), "correlation": r.middle,
            "correlation_low": r.low, "correlation_high": r.high, "correlation_of": r.source,
        })  # fmt: skip
    table = pd.DataFrame(rows.values(), columns=COLUMNS)
    return table.sort_values("probability", ascending=False, kind="stable", ignore_index=True)


def _about(better: Value, worse: Value) -> tuple:
    """Return what a claim is about, in the order of `COLUMNS` after the study."""
    one, other = better.model, worse.model
    return one.family, one.n_train, other.family, other.n_train, better.structure, better.test_set, better.metric


def claim_text(claim: Mapping | pd.Series) -> str:
    """Return the models of a claim in words, each with its size."""
    models = [PublishedModel(family=claim[x], n_train=int(claim[f"{x}_n_train"])) for x in ("better", "worse")]
    return versus(models[0], "better than", models[1])


def untold_claims(published: Published) -> list[str]:
    """Return the claims whose probability nothing tells, as no spread over cases is printed, or not how many cases."""
    said = {}
    for better, worse, _ in _claims(published):
        if _sample(better, worse, published) is None:
            row = dict(zip(COLUMNS[1:], about := _about(better, worse)))
            said[about] = ", ".join([claim_text(row), *filter(None, about[-3:])])
    return list(said.values())


def no_claims(published: Published) -> list[PairedTest]:
    """Return the printed p values that aren't below the paper's alpha: they claim no difference."""
    return [test for test in published.paired if not _significant(test, published)]


def _significant(test: PairedTest, published: Published) -> bool:
    alpha = ALPHA if published.alpha is None else published.alpha
    return p_is_below(test.p, test.p_below, alpha)


def _chance(better: Value, worse: Value, published: Published, scores: pd.DataFrame | None) -> _Chance | None:
    """Return the probability that a claim is false; None where the spread over cases isn't printed."""
    sample = _sample(better, worse, published)
    if sample is None:
        return None
    one, two, n = sample
    if implied := _of_test(better, worse, (one, two), n, published):
        return implied
    assumed = OVERLAP if scale(better.metric) == SHARE else DISTANCES
    r = of_scores(scores, better.metric) or assumed
    sign = 1 if published.better(better.metric) == "higher" else -1
    difference = sign * (better.mean - worse.mean)
    at_middle, at_low, at_high = (
        probability(difference, one.middle, two.middle, n, x) for x in (r.middle, r.low, r.high)
    )
    return _Chance(r, n, at_middle, at_low, at_high)


def _of_test(
    better: Value, worse: Value, sds: tuple[Interval, Interval], n: int, published: Published
) -> _Chance | None:
    """Return what the p of a paired t test of the same numbers implies; None without one that follows from them."""
    about = (better.structure, better.test_set, better.metric)
    same = [
        t for t in published.paired
        if t.test == "t" and not t.corrected
        and (t.structure, t.test_set, t.metric) == about and {t.a, t.b} == {better.model, worse.model}
    ]  # fmt: skip
    if not same or better.mean == worse.mean or better.structure == POOLED:
        return None
    if cases_of(better, published) != cases_of(worse, published):
        return None
    test = same[0]
    p = p_interval(test.p, test.p_below)
    r = implied_correlation(unrounded(better.mean) - unrounded(worse.mean), sds[0], sds[1], p, n)
    usual = usual_correlations(n)
    if r is None or r.low > usual.high or r.high < usual.low:  # then the p itself is in doubt
        return None
    middle = _middle(better.mean - worse.mean, sds[0].middle, sds[1].middle, float(test.p), n)
    claimed = (better.mean > worse.mean) == (published.better(better.metric) == "higher")
    at_middle, at_low, at_high = (half if claimed else 1 - half for half in (test.p / 2, p.high / 2, p.low / 2))
    source = f"implied by p {'' if test.p_below else '= '}{p_text(test.p, test.p_below)}"
    given = Correlation(r.low, min(max(middle, r.low), r.high), r.high, source)
    return _Chance(given, n, at_middle, at_low, at_high)


def _middle(difference: float, a: float, b: float, p: float, n: int) -> float:
    """Return the correlation at which the printed numbers, as they stand, give a p."""
    from scipy import stats

    t = float(stats.t.isf(p / 2, n - 1))
    if not (t and a and b):
        return -1.0
    return (a * a + b * b - difference**2 * n / t**2) / (2 * a * b)


def probability(difference: float, sd_a: float, sd_b: float, n: int, correlation: float) -> float:
    """Return the probability that a model isn't better, whose mean is better by the difference (see above)."""
    from scipy import stats

    variance = sd_a**2 + sd_b**2 - 2 * correlation * sd_a * sd_b
    if variance <= 0:
        return 0.5 if difference == 0 else float(difference < 0)
    return float(stats.t.cdf(-difference * math.sqrt(n / variance), n - 1))


def of_scores(scores: pd.DataFrame | None, metric: str) -> Correlation | None:
    """Return percentiles 10, 50 and 90 of the correlation of two models' scores on the same cases.

    They are over pairs of models of different families, and structures. None without scores, or where no two
    models share `FEWEST` cases.

    Args:
        scores: the study's own metrics table.
        metric: its column.
    """
    if scores is None or metric not in scores:
        return None
    found: list[float] = []
    for _, own in scores[scores["fold"].isna()].groupby("structure"):
        families = own.groupby("model")["family"].first().to_numpy()  # models are in their order in both tables
        wide = own.pivot(index=["cohort", "case"], columns="model", values=metric)
        r = wide.corr(min_periods=FEWEST).to_numpy()
        pairs = np.triu(families[:, None] != families, 1) & ~np.isnan(r)
        found += r[pairs].tolist()
    if not found:
        return None
    low, middle, high = (float(x) for x in pd.Series(found).quantile([0.1, 0.5, 0.9]))
    return Correlation(low, middle, high, f"the study's own scores, {len(found)} pairs of models")


def _claims(published: Published) -> Iterator[tuple[Value, Value, str]]:
    """Yield (better, worse, where) of all that is claimed of printed means."""
    values = first_values(published)
    for said in published.orderings:
        claim = claim_of(said, published)
        first_better = claim.word == "better than" or published.better(said.metric) == "higher"
        for one, other in _pairs(said, claim, values):
            if published.better(said.metric) != "neither":
                yield (one, other, said.where) if first_better else (other, one, said.where)
    for test in published.paired:
        a, b = (
            at_size(values, m.family, m.n_train, test.structure, test.test_set, test.metric) for m in (test.a, test.b)
        )
        direction = published.better(test.metric)
        if a and b and a.mean != b.mean and direction != "neither" and _significant(test, published):
            first = (a.mean > b.mean) == (direction == "higher")
            yield (a, b, test.where) if first else (b, a, test.where)


def _pairs(said: Ordering, claim: StatedOrder, values: dict[Key, Value]) -> Iterator[tuple[Value, Value]]:
    if said.test_set is None:  # then no one claim is made
        return
    for n, structure, one, other in product(said.n_train, said.structures, claim.first, claim.second):
        a, b = (at_size(values, f, n, structure, said.test_set, said.metric) for f in (one, other))
        if a and b:
            yield a, b


def _sample(a: Value, b: Value, published: Published) -> tuple[Interval, Interval, int] | None:
    """Return both SDs over cases, and how many cases there are."""
    n, other = (cases_of(v, published) for v in (a, b))
    if not n or not other:
        return None
    n = min(n, other)
    over_rows = a.structure == POOLED and "averages" not in (a.sd_of, b.sd_of)
    if over_rows and not (a.ci and b.ci):
        return None
    one, two = (sd_of(v, n, t_quantile(n, published.confidence)) for v in (a, b))
    return (one, two, n) if one and two else None

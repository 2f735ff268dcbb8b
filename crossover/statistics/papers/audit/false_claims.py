"""How probable is it that a method that is said to be better is not, given its printed mean, SD and cases?

Christodoulou et al. (2025, arXiv:2505.04720): of two methods on the same n cases, with means m, SDs s and the
correlation r of their scores, the mean of the differences has, with a flat prior, the posterior

    t(n - 1) about m_a - m_b, of scale sqrt((s_a^2 + s_b^2 - 2 r s_a s_b) / n);

the claim that a is better is false with the probability that lies on the wrong side of 0. Papers don't print r: a range
of it is assumed. Only the chance of the cases is in it: not that of training again, of the choice among many
comparisons, nor of rounding.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from crossover.statistics.papers.audit.lookup import POOLED_STRUCTURE, at_size, first_values
from crossover.statistics.papers.audit.scores import (
    better_when_higher,
    cases_of,
    sd_of,
    spread_text,
    t_quantile,
)
from crossover.statistics.papers.audit.verdicts import places
from crossover.statistics.papers.printed import Ordering, Value
from crossover.statistics.papers.published import Published
from crossover.statistics.scores.scales import SHARE, scale

COLUMNS = [
    "study", "better", "worse", "n_train", "structure", "test_set", "metric", "where", "printed", "cases",
    "probability", "lowest", "highest", "correlation", "correlation_low", "correlation_high", "correlation_of",
]  # fmt: skip
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


def false_claims(published: Published, scores: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return one row for each claim that one model is better than another, with `COLUMNS`, the least sure first.

    Claims are the paper's orderings, and pairs that it tests, of which the better mean is taken as claimed; those
    without a printed spread over cases are left out. `lowest` and `highest` are at the ends of the correlations.

    Args:
        scores: the study's own metrics table, whose models' correlations are then used.
    """
    rows: dict[tuple, dict] = {}
    for better, worse, where in _claims(published):
        test_set, metric, structure = better.test_set, better.metric, better.structure
        sample = _sample(better, worse, published)
        if sample is None:
            continue
        correlation = of_scores(scores, metric) or (OVERLAP if scale(metric) == SHARE else DISTANCES)
        ends = (correlation.middle, correlation.high, correlation.low)
        chances = [probability(better, worse, *sample, r) for r in ends]
        key = (better.model.family, worse.model.family, better.model.n_train or worse.model.n_train)
        rows.setdefault((*key, structure, test_set, metric), {
            "study": published.study, "better": key[0], "worse": key[1], "n_train": key[2], "structure": structure,
            "test_set": test_set, "metric": metric, "where": places(where, better.where, worse.where),
            "printed": f"{spread_text(better)} and {spread_text(worse)}", "cases": sample[2],
            "probability": chances[0], "lowest": min(chances), "highest": max(chances),
            "correlation": correlation.middle, "correlation_low": correlation.low,
            "correlation_high": correlation.high, "correlation_of": correlation.source,
        })  # fmt: skip
    table = pd.DataFrame(rows.values(), columns=COLUMNS)
    return table.sort_values("probability", ascending=False, kind="stable", ignore_index=True)


def probability(better: Value, worse: Value, sd_better: float, sd_worse: float, n: int, correlation: float) -> float:
    """Return the probability that the model with the better mean is not better (see above)."""
    from scipy import stats

    sign = 1 if better_when_higher(better.metric) else -1
    difference = sign * (better.mean - worse.mean)
    variance = sd_better**2 + sd_worse**2 - 2 * correlation * sd_better * sd_worse
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
        families = own.groupby("model")["family"].first()
        wide = own.pivot(index=["cohort", "case"], columns="model", values=metric)
        r = wide.corr(min_periods=FEWEST)
        found += [
            r.loc[a, b] for a in r for b in r if a < b and families[a] != families[b] and pd.notna(r.loc[a, b])
        ]  # fmt: skip
    if not found:
        return None
    low, middle, high = (float(x) for x in pd.Series(found).quantile([0.1, 0.5, 0.9]))
    return Correlation(low, middle, high, f"the study's own scores, {len(found)} pairs of models")


def _claims(published: Published) -> Iterator[tuple[Value, Value, str]]:
    """Yield (better, worse, where) of all that is claimed of printed means."""
    values = first_values(published)
    for said in published.orderings:
        for high, low in _pairs(said, published):
            better, worse = (high, low) if better_when_higher(said.metric) else (low, high)
            yield better, worse, said.where
    for test in published.paired:
        a, b = (
            at_size(values, m.family, m.n_train, test.structure, test.test_set, test.metric) for m in (test.a, test.b)
        )
        if a and b and a.mean != b.mean:
            first = (a.mean > b.mean) == better_when_higher(test.metric)
            yield (a, b, test.where) if first else (b, a, test.where)


def _pairs(said: Ordering, published: Published) -> Iterator[tuple[Value, Value]]:
    values = first_values(published)
    for test_set in [said.test_set] if said.test_set else []:  # else no one claim is made
        for n in said.n_train:
            for structure in said.structures:
                for high in said.higher:
                    for low in said.lower:
                        a, b = (at_size(values, f, n, structure, test_set, said.metric) for f in (high, low))
                        if a and b:
                            yield a, b  # fmt: skip


def _sample(a: Value, b: Value, published: Published) -> tuple[float, float, int] | None:
    """Return both SDs over cases, and how many cases there are."""
    n, other = (cases_of(v, published) for v in (a, b))
    if not n or not other:
        return None
    n = min(n, other)
    over_rows = a.structure == POOLED_STRUCTURE and "averages" not in (a.sd_of, b.sd_of)
    if over_rows and not (a.ci and b.ci):
        return None
    one, two = (sd_of(v, n, t_quantile(n, published.confidence)) for v in (a, b))
    return (one.middle, two.middle, n) if one and two else None

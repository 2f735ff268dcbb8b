"""Tests stated with their statistics: does the p follow from the statistic, do its degrees of freedom from the cases?

As statcheck (Nuijten et al. 2016, Behavior Research Methods 48:1205) does of psychology's papers.
"""

import math
from collections.abc import Iterator
from itertools import product

from crossover.statistics.papers.audit.interval import Interval, exactly, gap, unrounded
from crossover.statistics.papers.audit.verdicts import (
    AuditRow,
    Interpretation,
    judged,
    p_interval,
    p_text,
    unchecked,
)
from crossover.statistics.papers.printed import StatedTest
from crossover.statistics.papers.published import Published

CHECK = "p and its statistic"
FEWEST_OF_RHO = 10
"""The number of cases below which programs print the exact p of Spearman's rho, which depends on ties."""
WITH_DECIMALS = "degrees of freedom with decimals are those of Welch's test or corrected ones, which need the SDs"
SAME, GROUPS = "the same cases", "independent groups of cases"


def stated_tests(published: Published) -> list[AuditRow]:
    """Check each test's p, and its degrees of freedom where the cases are told too."""
    rows = []
    for test in published.tests:
        rows.append(_p(test))
        rows += _degrees(test)
    return rows


def p_of(statistic: str, value: float, df: tuple[float, ...]) -> float:
    """Return the p of a statistic: two-sided of t, z, r and rho (by Student's t), of the upper tail of F and chi2."""
    from scipy import stats

    match statistic:
        case "t":
            return float(2 * stats.t.sf(abs(value), *df))
        case "z":
            return float(2 * stats.norm.sf(abs(value)))
        case "r" | "rho":
            r = min(abs(value), 1.0)
            return 0.0 if r == 1 else float(2 * stats.t.sf(r * math.sqrt(df[0] / (1 - r * r)), *df))
        case "F":
            return float(stats.f.sf(value, *df))
        case "chi2":
            return float(stats.chi2.sf(value, *df))
    raise ValueError(f"no statistic {statistic!r}")


def _p(test: StatedTest) -> AuditRow:
    """Return the row of the p; one-sided is a reading where two-sided fails."""
    if test.statistic == "rho" and (test.df[0] + 2 if test.df else test.cases or 0) < FEWEST_OF_RHO:
        why = f"for fewer than {FEWEST_OF_RHO} cases programs give the exact p of rho, which depends on ties"
        return unchecked(CHECK, f"p of {test.about}", test.where, p_text(test.p, test.p_below), why)
    whole = [Interpretation(name, _p_interval(test, df)) for name, df in _degrees_of(test)]
    halves = [Interpretation(_join("one-sided", r.name), Interval(r.value.low / 2, r.value.high / 2)) for r in whole]
    if test.one_sided:
        usual, unusual = halves, halves[:0]
    elif test.statistic in ("F", "chi2"):
        usual, unusual = whole, whole[:0]
    else:
        usual, unusual = [Interpretation(_join("two-sided", r.name), r.value) for r in whole], halves
    printed = p_interval(test.p, test.p_below)
    relation = "at_least" if test.corrected else "equals"
    readings = _readings(printed, relation, usual, unusual)
    text = p_text(test.p, test.p_below)
    return judged(CHECK, f"p of {test.about}", test.where, text, _text(test), printed, readings, relation)


def _readings(
    printed: Interval, relation: str, usual: list[Interpretation], unusual: list[Interpretation]
) -> list[Interpretation]:
    """Return the usual readings that hold; where none does, all of them."""
    return [r for r in usual if gap(printed, relation, r.value) == 0] or [*usual, *unusual]


def _join(*words: str) -> str:
    return ", ".join(filter(None, words))


def p_of_t(t: Interval, df: Interval) -> Interval:
    """Return the two-sided p values of a t and its degrees of freedom."""
    size = abs(t)
    found = [
        p_of("t", value, (max(freedom, 1e-3),)) for value in (size.low, size.high) for freedom in (df.low, df.high)
    ]
    return Interval(min(found), max(found))


def _p_interval(test: StatedTest, df: list[Interval]) -> Interval:
    """Return the p values of all numbers that the statistic and its degrees of freedom stand for."""
    value = abs(unrounded(test.value))
    values = (value.low, value.high)
    found = [
        p_of(test.statistic, v, ends) for v in values for ends in product(*((max(d.low, 1e-3), d.high) for d in df))
    ]
    if test.statistic == "rho":  # programs take Student's t, the normal distribution, or a series between these
        found += [p_of("z", v * math.sqrt(end + 1), ()) for v in values for end in (df[0].low, df[0].high)]
    return Interval(min(found), max(found))


def _degrees_of(test: StatedTest) -> list[tuple[str, list[Interval]]]:
    """Return the degrees of freedom that are printed, or else those that the cases give."""
    if test.df or test.statistic == "z":
        return [("", [unrounded(d, exact=d.decimals == 0) for d in test.df])]
    n = test.cases or 0
    if test.statistic in ("r", "rho"):
        return [("", [exactly(n - 2)])]
    return [(SAME, [exactly(n - 1)]), (GROUPS, [exactly(n - 2)])]


def _degrees(test: StatedTest) -> Iterator[AuditRow]:
    """Yield the row of printed degrees of freedom against the printed number of cases, where both tell something."""
    n = test.cases
    if n is None or not test.df or test.statistic == "chi2":
        return
    about, printed = f"Degrees of freedom of {test.about}", ", ".join(d.text for d in test.df)
    if any(d.decimals for d in test.df):
        yield unchecked(CHECK, about, test.where, printed, WITH_DECIMALS)
        return
    conditions = float(test.df[0]) + 1 if test.statistic == "F" else 2.0
    usual = [Interpretation(GROUPS, exactly(n - conditions))]
    unusual = []
    if test.statistic not in ("r", "rho"):
        usual.append(Interpretation(SAME, exactly((conditions - 1) * (n - 1))))
        unusual.append(Interpretation(f"{SAME}, taken for independent groups", exactly(conditions * (n - 1))))
    value = exactly(test.df[-1])
    readings = _readings(value, "equals", usual, unusual)
    yield judged(CHECK, about, test.where, printed, f"{n} cases", value, readings)


def _text(test: StatedTest) -> str:
    df = f"({', '.join(d.text for d in test.df)})" if test.df else ""
    cases = f", {test.cases} cases" if test.cases and not test.df else ""
    return f"{test.statistic}{df} = {test.value.text}{cases}"

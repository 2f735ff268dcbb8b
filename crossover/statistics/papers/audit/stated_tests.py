"""Tests stated with their statistics: does the p follow from the statistic, do its degrees of freedom from the cases?

As statcheck (Nuijten et al. 2016, Behavior Research Methods 48:1205) does of psychology's papers.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

from crossover.statistics.papers.audit import rank_statistics
from crossover.statistics.papers.audit.freedom import MOST_READINGS, degrees
from crossover.statistics.papers.audit.group_tests import TwoGroups, of_groups
from crossover.statistics.papers.audit.interval import Interval, exactly, gap, unrounded
from crossover.statistics.papers.audit.lookup import first_values, key_of_score, key_text
from crossover.statistics.papers.audit.scores import cases_of, no_sd, sd_of, spread_text, t_quantile
from crossover.statistics.papers.audit.verdicts import (
    FOLLOWS,
    READING,
    AuditRow,
    Interpretation,
    Verdict,
    judged,
    p_interval,
    p_text,
    places,
    unchecked,
)
from crossover.statistics.papers.printed import StatedTest
from crossover.statistics.papers.published import Published


@dataclass(frozen=True)
class Groups:
    """Two printed means of different cases: as text, the size of their difference, the t tests, and their places."""

    source: str
    size: Interval
    tests: tuple[TwoGroups, TwoGroups]
    where: str


CHECK = "p and its statistic"
FEWEST_OF_RHO = 10
"""The number of cases below which programs print the exact p of Spearman's rho, which depends on ties."""
SAME, GROUPS = "the same cases", "independent groups of cases"


def stated_tests(published: Published) -> list[AuditRow]:
    """Check each test's p, and its degrees of freedom where the cases are told too."""
    rows = []
    for test in published.tests:
        cases = test.cases or _cases_of(test, published)
        if test.statistic in ("W", "U"):
            rows.append(_p_of_ranks(test, cases))
            continue
        groups = of_scores(test, published)
        if test.of:
            rows.append(_t_of_scores(test, groups))
        rows.append(_p(test, sum(cases), groups))
        rows += _degrees(test, sum(cases), groups)
        if test.statistic == "F" and not cases:
            rows.append(_degrees_by_test_sets(test, published))
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


def _p(test: StatedTest, n: int, groups: Groups | str) -> AuditRow:
    """Return the row of the p; one-sided is a reading where two-sided fails.

    Args:
        n: cases, 0 where they aren't printed. groups: of `of_scores`.
    """
    if test.statistic == "rho" and (test.df[0] + 2 if test.df else n) < FEWEST_OF_RHO:
        why = f"for fewer than {FEWEST_OF_RHO} cases programs give the exact p of rho, which depends on ties"
        return unchecked(CHECK, f"p of {test.about}", test.where, p_text(test.p, test.p_below), why)
    degrees_of = _degrees_of(test, n, groups)
    if not degrees_of:
        return unchecked(CHECK, f"p of {test.about}", test.where, p_text(test.p, test.p_below), str(groups))
    whole = [Interpretation(name, _p_interval(test, df)) for name, df in degrees_of]
    halves = [_half(reading) for reading in whole]
    if test.one_sided:
        usual, unusual = halves, halves[:0]
    elif test.statistic in ("F", "chi2"):
        usual, unusual = whole, whole[:0]
    else:
        usual, unusual = [Interpretation(_join("two-sided", r.name), r.value) for r in whole], halves
    return _judged_p(test, _text(test, n), usual, unusual)


def _judged_p(test: StatedTest, source: str, usual: list[Interpretation], unusual: list[Interpretation]) -> AuditRow:
    printed, text = p_interval(test.p, test.p_below), p_text(test.p, test.p_below)
    relation = "at_least" if test.corrected else "equals"
    readings = _readings(printed, relation, usual, unusual)
    return judged(CHECK, f"p of {test.about}", test.where, text, source, printed, readings, relation)


def _p_of_ranks(test: StatedTest, cases: list[int]) -> AuditRow:
    """Return the row of the p of a W or U."""
    about, told = f"p of {test.about}", p_text(test.p, test.p_below)
    if test.statistic == "U" and len(cases) < 2:
        return unchecked(CHECK, about, test.where, told, "the numbers of cases of the two test sets aren't printed")
    value, most = float(test.value), rank_statistics.largest(test.statistic, cases)
    source = f"{test.statistic} = {test.value.text}, {' and '.join(map(str, cases))} cases"
    own, others = rank_statistics.readings(test.statistic, value, cases)
    if test.one_sided:
        own, others = ([_half(reading) for reading in readings] for readings in (own, others))
    holding = [r for r in others if not gap(p_interval(test.p, test.p_below), "equals", r.value)][:MOST_READINGS]
    if own:
        halves = [] if test.one_sided else [_half(reading) for reading in own]
        return _judged_p(test, source, own, [*halves, *holding])
    if holding:
        found = _judged_p(test, source, holding, [])
        return replace(found, verdict=READING, reading="; or ".join(r.name for r in holding))
    return judged(
        CHECK, f"{test.statistic} of {test.about}", test.where, test.value.text, f"0 to {most:g} for these cases",
        exactly(value), [Interpretation("", Interval(0.0, most))],
    )  # fmt: skip


def _half(reading: Interpretation) -> Interpretation:
    """Return the one-sided p."""
    return Interpretation(_join(reading.name, "one-sided"), Interval(reading.value.low / 2, reading.value.high / 2))


def _cases_of(test: StatedTest, published: Published) -> list[int]:
    """Return the numbers of cases of the two means that a test compares; none where one of them isn't printed."""
    values = first_values(published)
    found = [cases_of(value, published) for score in test.of if (value := values.get(key_of_score(score)))]
    cases = [n for n in found if n]
    return cases if len(cases) == len(test.of) else []


def of_scores(test: StatedTest, published: Published) -> Groups | str:
    """Return what the two means that a test compares give; why nothing, where they give nothing; "" without any."""
    values, found = first_values(published), []
    for score in test.of:
        key = key_of_score(score)
        value = values.get(key)
        if value is None:
            return f"no mean of {key_text(key)} is printed"
        n = cases_of(value, published)
        sd = sd_of(value, n, t_quantile(n, published.confidence)) if n else None
        if not n or sd is None:
            return no_sd(value, n)
        found.append((value, n, sd))
    if not found:
        return ""
    (a, n, s), (b, m, r) = found
    source = f"{spread_text(a)} of {n} cases and {spread_text(b)} of {m} cases"
    return Groups(
        source, abs(unrounded(a.mean) - unrounded(b.mean)), of_groups((s, r), (n, m)), places(a.where, b.where)
    )


def _t_of_scores(test: StatedTest, groups: Groups | str) -> AuditRow:
    """Return the row of a t by the means that it compares."""
    about = f"t of {test.about}"
    if isinstance(groups, str):
        return unchecked(CHECK, about, test.where, test.value.text, groups)
    size = abs(unrounded(test.value))
    found = [
        Interpretation(
            one.name,
            Interval(groups.size.low / one.error.high, groups.size.high / one.error.low if one.error.low else math.inf),
        )
        for one in groups.tests
    ]
    where = places(test.where, groups.where)
    return judged(CHECK, about, where, test.value.text, groups.source, size, _readings(size, "equals", found, []))


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


def _degrees_of(test: StatedTest, n: int, groups: Groups | str) -> list[tuple[str, list[Interval]]]:
    """Return the degrees of freedom that are printed, or else those that the two means or the cases give."""
    if test.df or test.statistic == "z":
        return [("", [unrounded(d, exact=d.decimals == 0) for d in test.df])]
    if isinstance(groups, Groups):
        return [(one.name, [one.freedom]) for one in groups.tests]
    if not n:
        return []
    if test.statistic in ("r", "rho"):
        return [("", [exactly(n - 2)])]
    return [(SAME, [exactly(n - 1)]), (GROUPS, [exactly(n - 2)])]


def _degrees(test: StatedTest, n: int, groups: Groups | str) -> Iterator[AuditRow]:
    """Yield the row of printed degrees of freedom, by the two means or else by the number of cases."""
    if isinstance(groups, Groups) and test.df:
        value = unrounded(test.df[0], exact=False)
        found = _readings(value, "equals", [Interpretation(one.name, one.freedom) for one in groups.tests], [])
        about, where = f"Degrees of freedom of {test.about}", places(test.where, groups.where)
        yield judged(CHECK, about, where, test.df[0].text, groups.source, value, found)
        return
    if not n or not test.df or test.statistic == "chi2":
        return
    yield degrees(CHECK, f"Degrees of freedom of {test.about}", test.where, test.statistic, test.df, n)


def _degrees_by_test_sets(test: StatedTest, published: Published) -> AuditRow:
    """Return the row of an F's degrees of freedom if it doesn't say of which cases it is: those of a test set?

    A test may be on other cases, so that degrees of freedom that no test set gives are not wrong.
    """
    about = f"Degrees of freedom of {test.about}"
    found: dict[Verdict, AuditRow] = {}
    for name, sets in published.test_sets.items():
        if sets.cases and sets.cases > 1:
            row = degrees(CHECK, about, test.where, test.statistic, test.df, sets.cases)
            row = replace(row, follows_from=f"{sets.cases} cases of {name}, if the test is of these")
            found.setdefault(row.verdict, row)
    if best := found.get(FOLLOWS) or found.get(READING):
        return best
    why = "the number of its cases is not given (`cases`), and no test set's gives them by a common design"
    return unchecked(CHECK, about, test.where, ", ".join(d.text for d in test.df), why)


def _text(test: StatedTest, n: int) -> str:
    df = f"({', '.join(d.text for d in test.df)})" if test.df else ""
    cases = f", {n} cases" if n and not test.df else ""
    return f"{test.statistic}{df} = {test.value.text}{cases}"

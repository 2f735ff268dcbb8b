"""Tests stated with their statistics: does the p follow from the statistic, do its degrees of freedom from the cases?

As statcheck (Nuijten et al. 2016, Behavior Research Methods 48:1205) does of psychology's papers.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice, product

from crossover.statistics.papers.audit import rank_statistics
from crossover.statistics.papers.audit.freedom import degrees
from crossover.statistics.papers.audit.group_tests import TwoGroups, of_groups
from crossover.statistics.papers.audit.interval import Interval, exactly, gap, unrounded
from crossover.statistics.papers.audit.lookup import first_values, key_of_score, key_text
from crossover.statistics.papers.audit.scores import cases_of, no_sd, sd_of, sd_over_n, spread_text, t_quantile
from crossover.statistics.papers.audit.verdicts import (
    DEPENDS,
    AuditRow,
    Interpretation,
    judged,
    numbers_of,
    p_interval,
    p_text,
    places,
    unchecked,
    usual_first,
)
from crossover.statistics.papers.printed import StatedTest
from crossover.statistics.papers.published import Published


@dataclass(frozen=True)
class Groups:
    """Two printed means of different cases: as text, the size of their difference, the t tests, and their places."""

    source: str
    size: Interval
    tests: tuple[TwoGroups, ...]
    where: str
    rests_on: tuple[str, ...]


CHECK = "p and its statistic"
FEWEST_OF_RHO = 20
"""The number of cases below which p of Spearman's rho isn't recomputed: programs print an exact one or a series."""
MOST_INTERPRETATIONS = 2
GREENHOUSE = "p corrected for sphericity (Greenhouse-Geisser, Huynh-Feldt) with degrees of freedom that are not"
ROUNDED = "degrees of freedom that are a fraction (Welch's test, a mixed model), printed as a whole number"
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
        rows.append(_p(test, cases, groups))
        rows += _degrees(test, cases, groups)
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


def _p(test: StatedTest, cases: list[int], groups: Groups | str) -> AuditRow:
    """Return the row of the p; one-sided is an interpretation where two-sided fails.

    Args:
        cases: of one group or two, none where they aren't printed. groups: of `of_scores`.
    """
    n = sum(cases)
    if test.statistic == "rho" and (test.df[0] + 2 if test.df else n) < FEWEST_OF_RHO:
        why = f"for fewer than {FEWEST_OF_RHO} cases programs give an exact p of rho or a series, and ties change it"
        return unchecked(CHECK, f"p of {test.about}", test.where, p_text(test.p, test.p_below), why)
    degrees_of = _degrees_of(test, cases, groups)
    if not degrees_of:
        return unchecked(CHECK, f"p of {test.about}", test.where, p_text(test.p, test.p_below), str(groups))
    whole = [Interpretation(name, _p_interval(test, df)) for name, df in degrees_of]
    others = [Interpretation(name, _p_interval(test, df)) for name, df in _other_degrees(test, cases)]
    halves = [_half(interpretation) for interpretation in (*whole, *others)]
    if test.one_sided:
        usual, unusual = halves[: len(whole)], halves[len(whole) :]
    elif test.statistic in ("F", "chi2"):
        usual, unusual = whole, [*others, *_of_sphericity(test)]
    else:
        usual, unusual = [Interpretation(_join("two-sided", r.name), r.value) for r in whole], [*others, *halves]
    return _judged_p(test, _text(test, n), usual, unusual)


def _of_sphericity(test: StatedTest) -> list[Interpretation]:
    """Return the p of an F on the same cases whose degrees of freedom are printed without their correction.

    SPSS, ezANOVA and pingouin print it so. The correction multiplies both by 1 / df1 at least.
    """
    if test.statistic != "F" or test.df[0].decimals or test.df[0] <= 1:
        return []
    effect, error = map(float, test.df)
    value, shares = unrounded(test.value).clipped(), [k / 50 for k in range(1, 51)]
    of = [p_of("F", v, (e * effect, e * error)) for v in (value.low, value.high) for e in shares if e * effect >= 1]
    return [Interpretation(GREENHOUSE, Interval(min(of), max(of)))]


def _other_degrees(test: StatedTest, cases: list[int]) -> list[tuple[str, list[Interval]]]:
    """Return degrees of freedom that a whole number, or the cases of two groups, may stand for.

    Those of Welch's test are from those of the smaller group alone up to those of both. One number alone may be that of
    the same cases, and sets no such limit.
    """
    if test.statistic == "t" and not test.df and len(cases) > 1 and sum(cases) > 2:
        return [("Welch's test", [Interval(min(cases) - 1, sum(cases) - 2)])]
    if test.statistic in ("t", "F") and test.df and not test.df[-1].decimals:
        whole = [unrounded(d, exact=True) for d in test.df[:-1]]
        return [(ROUNDED, [*whole, Interval(test.df[-1] - 0.5, test.df[-1] + 1)])]  # rounded, or cut off
    return []


def _judged_p(test: StatedTest, source: str, usual: list[Interpretation], unusual: list[Interpretation]) -> AuditRow:
    printed, text = p_interval(test.p, test.p_below), p_text(test.p, test.p_below)
    relation = "at_least" if test.corrected else "equals"
    interpretations = usual_first(printed, usual, unusual, relation)
    return judged(
        CHECK, f"p of {test.about}", test.where, text, source, printed, interpretations, relation,
        rests_on=_numbers(test),
    )  # fmt: skip


def _numbers(test: StatedTest) -> tuple[str, ...]:
    """Return what stands in the sentence of a test, as numbers that contradict each other where its p is wrong."""
    return tuple(f"{name} of {test.about}" for name in ("p", test.statistic, *(["degrees of freedom"] * bool(test.df))))


def _p_of_ranks(test: StatedTest, cases: list[int]) -> AuditRow:
    """Return the row of the p of a W or U."""
    about, told = f"p of {test.about}", p_text(test.p, test.p_below)
    if test.statistic == "U" and len(cases) < 2:
        return unchecked(CHECK, about, test.where, told, "the numbers of cases of the two test sets aren't printed")
    value, most = float(test.value), rank_statistics.largest(test.statistic, cases)
    source = f"{test.statistic} = {test.value.text}, {' and '.join(map(str, cases))} cases"
    own, others = rank_statistics.interpretations(test.statistic, value, cases)
    if test.one_sided:
        own, others = [_half(interpretation) for interpretation in own], map(_half, others)
    p = p_interval(test.p, test.p_below)
    holding = list(islice((r for r in others if not gap(p, "equals", r.value)), MOST_INTERPRETATIONS))
    if own:
        halves = [] if test.one_sided else [_half(interpretation) for interpretation in own]
        return _judged_p(test, source, own, [*halves, *holding])
    if holding:
        found = _judged_p(test, source, holding, [])
        return replace(found, verdict=DEPENDS, interpretation="; or ".join(r.name for r in holding))
    return judged(
        CHECK, f"{test.statistic} of {test.about}", test.where, test.value.text, f"0 to {most:g} for these cases",
        exactly(value), [Interpretation("", Interval(0.0, most))],
    )  # fmt: skip


def _half(interpretation: Interpretation) -> Interpretation:
    """Return the one-sided p."""
    return Interpretation(
        _join(interpretation.name, "one-sided"), Interval(interpretation.value.low / 2, interpretation.value.high / 2)
    )


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
        source,
        abs(unrounded(a.mean) - unrounded(b.mean)),
        (*of_groups((s, r), (n, m)), *_of_sds_over_n((s, r), (n, m))),
        places(a.where, b.where),
        numbers_of(a, b, spreads=True),
    )


def _of_sds_over_n(sds: tuple[Interval, Interval], sizes: tuple[int, int]) -> list[TwoGroups]:
    """Return the t tests where the SDs are those over n, as numpy's are."""
    a, b = (sd_over_n(sd, n) for sd, n in zip(sds, sizes))
    return [replace(one, name=f"{one.name}, SDs over n") for one in of_groups((a, b), sizes)]


def _usual_and_other(found: list[Interpretation], size: Interval) -> list[Interpretation]:
    """Return the interpretations of two printed SDs: those over n - 1 where one holds, else those over n, too."""
    return usual_first(size, found[: len(found) // 2], found[len(found) // 2 :])


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
    interpretations, rests_on = _usual_and_other(found, size), (*groups.rests_on, f"t of {test.about}")
    return judged(CHECK, about, where, test.value.text, groups.source, size, interpretations, rests_on=rests_on)


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
        n = df[0].low + 2
        step = 12 / (n**3 - n)  # of rho, by which R's series is corrected for continuity
        found += [
            p_of("z", v * math.sqrt(end + 1), ())
            for v in (*values, max(0.0, value.low - step))
            for end in (df[0].low, df[0].high)
        ]
    return Interval(min(found), max(found))


def _degrees_of(test: StatedTest, cases: list[int], groups: Groups | str) -> list[tuple[str, list[Interval]]]:
    """Return the degrees of freedom that are printed, or else those that the two means or the cases give."""
    n = sum(cases)
    if test.df or test.statistic == "z":
        return [("", [unrounded(d, exact=d.decimals == 0) for d in test.df])]
    if isinstance(groups, Groups):
        return [(one.name, [one.freedom]) for one in groups.tests]
    if not n:
        return []
    if test.statistic in ("r", "rho"):
        return [("", [exactly(n - 2)])]
    own = [] if len(cases) > 1 else [(SAME, [exactly(n - 1)])]
    return [*own, (GROUPS, [exactly(n - 2)])]


def _degrees(test: StatedTest, cases: list[int], groups: Groups | str) -> Iterator[AuditRow]:
    """Yield the row of printed degrees of freedom, by the two means or else by the number of cases."""
    about, n = f"Degrees of freedom of {test.about}", sum(cases)
    if isinstance(groups, Groups) and test.df:
        value = unrounded(test.df[0])
        if not test.df[0].decimals:
            value = Interval(value.low, value.high + 0.5)  # a fraction may be cut off
        found = _usual_and_other([Interpretation(one.name, one.freedom) for one in groups.tests], value)
        where, rests_on = places(test.where, groups.where), (*groups.rests_on, f"degrees of freedom of {test.about}")
        yield judged(CHECK, about, where, test.df[0].text, groups.source, value, found, rests_on=rests_on)
    elif n and test.df and test.statistic != "chi2":
        yield degrees(CHECK, about, test.where, test.statistic, test.df, n)


def _text(test: StatedTest, n: int) -> str:
    df = f"({', '.join(d.text for d in test.df)})" if test.df else ""
    cases = f", {n} cases" if n and not test.df else ""
    return f"{test.statistic}{df} = {test.value.text}{cases}"

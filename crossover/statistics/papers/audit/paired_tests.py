"""Printed p values of the signed-rank test: can n cases give them, in which form, do they survive their number?

Those of the paired t test are in `paired_t`; of other tests nothing printed tells the p.
"""

import math
from collections.abc import Iterator
from dataclasses import replace

from crossover.statistics.papers.audit.interval import Interval, exactly, gap
from crossover.statistics.papers.audit.signed_rank import FORMS, Attainable, all_improve, attainable
from crossover.statistics.papers.audit.verdicts import (
    FOLLOWS,
    NOT,
    READING,
    AuditRow,
    Interpretation,
    judged,
    p_interval,
    p_text,
    unchecked,
)
from crossover.statistics.papers.printed import Improvement, PairedTest
from crossover.statistics.papers.published import Published

CHECK = "signed-rank test"
MOST_CASES = 12
"""The number of cases above which nearly every p can be had and there are too many patterns."""
NO_TIES, TIES = "no ties", "with ties or without difference"


def paired_tests(published: Published) -> list[AuditRow]:
    """Check each p at its first place, one form for all of them, statements of every case, and their number."""
    rows: list[AuditRow] = []
    first: dict[tuple, PairedTest] = {}
    for test in published.paired:
        first.setdefault((test.structure, test.a, test.b, test.test_set, test.metric), test)
    groups: dict[tuple[str, str], list[PairedTest]] = {}
    rows += _others(list(first.values()))
    for test in first.values():
        known = published.test_sets.get(test.test_set)
        if test.test == "wilcoxon" and known and known.cases <= MOST_CASES:
            groups.setdefault((test.test_set, test.where), []).append(test)
    for (test_set, _), tests in groups.items():
        n = published.test_sets[test_set].cases
        rows += [_possible(test, n) for test in tests]
        rows.append(_one_form(tests, n))
        if published.alpha is not None:
            rows.append(_number(tests, n, published.alpha))
    for said in published.improvements:
        rows.append(_improvement(said, list(first.values()), published))
    return rows


def _others(tests: list[PairedTest]) -> Iterator[AuditRow]:
    """Yield one line for each place's p values of a test that can't be recomputed."""
    groups: dict[tuple[str, str], list[PairedTest]] = {}
    for test in tests:
        if test.test not in ("wilcoxon", "t"):
            groups.setdefault((test.where, test.test or ""), []).append(test)
    for (where, name), own in groups.items():
        why = f"the {name} test needs more than is printed" if name else "the paper names no test of them"
        about = f"{len(own)} p values of {own[0].test_set}"
        printed = ", ".join(p_text(t.p, t.p_below) for t in own)
        yield unchecked("p of a comparison", about, where, printed, why)


def forms_of(p: Interval, n: int) -> dict[str, Attainable]:
    """Return the forms that can give a p in the interval -> the way with the fewest ties."""
    found: dict[str, Attainable] = {}
    for one in attainable(n):
        if p.low - 1e-9 <= one.p <= p.high + 1e-9 and (one.form not in found or one.tied < found[one.form].tied):
            found[one.form] = one
    return found


def _name(test: PairedTest) -> str:
    return f"{test.structure or test.test_set}, {test.a.family} against {test.b.family}"


def _possible(test: PairedTest, n: int) -> AuditRow:
    p = p_interval(test.p, test.p_below)
    ways = forms_of(p, n)
    readings, every = [], True
    for form in FORMS:
        way = ways.get(form)
        every = every and way is not None and way.tied == 0
        if way:
            tied = NO_TIES if way.tied == 0 else f"{way.tied} or more cases tied or without difference"
            readings.append(Interpretation(f"{form}, {tied}", exactly(way.p)))
    about, source = f"p of {_name(test)}", f"two-sided p values of {n} paired cases"
    if not readings:
        near = min(attainable(n), key=lambda one: abs(one.p - test.p))
        readings = [Interpretation(f"{near.form}, nearest", exactly(near.p))]
    printed = p_text(test.p, test.p_below)
    found = judged(CHECK, about, test.where, printed, source, p, readings)
    if found.verdict == FOLLOWS and not every:
        named = "; or ".join(r.name for r in readings)
        return AuditRow(CHECK, about, test.where, printed, source, READING, found.low, found.high, named)
    return found


def _one_form(tests: list[PairedTest], n: int) -> AuditRow:
    """Return one form of the test behind all p values of a place."""
    ways = [forms_of(p_interval(test.p, test.p_below), n) for test in tests]
    readings, notes = [], []
    for form in FORMS:
        given = sum(form in way for way in ways)
        plain = sum(form in way and way[form].tied == 0 for way in ways)
        readings += [
            Interpretation(f"{form}, {NO_TIES}", exactly(plain)),
            Interpretation(f"{form}, {TIES}", exactly(given)),
        ]
        notes.append(f"{form} gives {given} of {len(tests)}, {plain} of them without ties")
    return judged(
        CHECK, f"One form of the test for all p values of {tests[0].test_set}", tests[0].where,
        f"{len(tests)} p values", f"two-sided p values of {n} paired cases", exactly(len(tests)), readings,
        note="; ".join(notes),
    )  # fmt: skip


def _number(tests: list[PairedTest], n: int, alpha: float) -> AuditRow:
    """Return how many are called significant, and how many are where their number is corrected for."""
    p = sorted(float(test.p) for test in tests)
    m = len(p)
    alone = sum(x < alpha for x in p)
    holm = next((k for k, x in enumerate(p) if x > alpha / (m - k)), m)
    discovery = max((k + 1 for k, x in enumerate(p) if x <= alpha * (k + 1) / m), default=0)
    smallest = min(one.p for one in attainable(n) if one.form == FORMS[0])
    return judged(
        CHECK, f"Number of p values of {tests[0].test_set} below {alpha}", tests[0].where,
        f"{alone} of {m}", f"{m} tests", exactly(alone), [
            Interpretation("each test by itself", exactly(alone)),
            Interpretation("family-wise error held (Holm)", exactly(holm)),
            Interpretation("false discoveries held (Benjamini & Hochberg)", exactly(discovery)),
        ],
        note=f"Holm {holm}, Benjamini & Hochberg {discovery}; Holm's first threshold is {alpha / m:.5f}, "
        f"the smallest exact p of {n} cases {smallest:.5f}",
    )  # fmt: skip


def _improvement(said: Improvement, tests: list[PairedTest], published: Published) -> AuditRow:
    """Check that p is at most the largest that any form gives where every case improves."""
    n = published.test_sets[said.test_set].cases
    most = max(value.high for value in all_improve(n).values())
    readings, notes = [], []
    for other in said.over:
        own = [t for t in tests if (t.a, t.b) == (said.model, other)
               and (t.test_set, t.metric) == (said.test_set, said.metric)]  # fmt: skip
        above = [t for t in own if gap(p_interval(t.p, t.p_below), "at_most", exactly(most)) > 0]
        if not own:
            continue
        worst = max(p_interval(t.p, t.p_below).low for t in own)
        readings.append(Interpretation(f"over {other.family}, in every structure", exactly(worst)))
        if above:
            notes.append(f"over {other.family} {len(above)} of {len(own)} p values are larger")
    found = judged(
        CHECK, said.about, said.where, f"all {n} cases", f"p values of at most {most:.4f}",
        exactly(most), readings, relation="at_least",
    )  # fmt: skip
    changed: dict = {"note": "; ".join(notes)}
    if found.verdict == NOT and len({t.structure for t in tests}) > 1:
        reading = "each case's average over the structures, which isn't printed"
        changed |= {"verdict": READING, "reading": reading, "off_by": math.nan}
    return replace(found, **changed)

"""Printed p values of the signed-rank test: can n cases give them, in which form, do they survive their number?

Those of the paired t test are in `paired_t`; of other tests nothing printed tells the p.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import replace

from crossover.statistics.papers.audit.interval import Interval, exactly, gap
from crossover.statistics.papers.audit.lookup import first_tests, pair_text
from crossover.statistics.papers.audit.signed_rank import FORMS, Attainable, all_improve, attainable, by_form
from crossover.statistics.papers.audit.verdicts import (
    DEPENDS,
    FOLLOWS,
    NOT,
    AuditRow,
    Interpretation,
    judged,
    p_interval,
    p_is_below,
    p_text,
    places,
    unchecked,
)
from crossover.statistics.papers.printed import Improvement, PairedTest, PublishedModel
from crossover.statistics.papers.published import Published

CHECK = "signed-rank test"
CORRECTION = "p and its correction"
MOST_CASES = 12
"""The number of cases above which nearly every p can be had and there are too many patterns."""
MIXED = "another form where cases are tied than where none are, as R's wilcox.test takes, or one-sided p values"
NO_TIES, TIES = "without ties", "with or without cases that are tied or have no difference"


def paired_tests(published: Published) -> list[AuditRow]:
    """Check each p at its first place, one form for all of them, statements of every case, and their number."""
    rows: list[AuditRow] = []
    tests = [test for test, first in first_tests(published) if test is first]
    groups: dict[tuple[str, str], list[PairedTest]] = {}
    rows += _others(tests, published)
    own = [test for test in tests if not test.corrected]
    for test in own:
        if test.test == "wilcoxon" and 0 < _cases(published, test.test_set) <= MOST_CASES:
            groups.setdefault((test.test_set, test.where), []).append(test)
    for (test_set, _), alike in groups.items():
        n = _cases(published, test_set)
        rows += [_possible(test, n) for test in alike]
        rows.append(_one_form(alike, n))
        if published.alpha is not None:
            rows.append(_number(alike, n, published.alpha))
    for said in published.improvements:
        rows.append(_improvement(said, own, published))
    return [*rows, *_corrections(tests)]


def _corrections(tests: list[PairedTest]) -> Iterator[AuditRow]:
    """Yield a row for each corrected p that stands beside that of the test itself, which is at most as large.

    Bonferroni's is so many times as large as there are tests, Holm's and that of Benjamini and Hochberg at most.
    """
    corrected = [test for test in tests if test.corrected and test.test]
    for test in corrected:
        same = [t for t in tests if not t.corrected and _of_one_test(t, test)]
        if not same:
            continue
        p, alone = p_interval(test.p, test.p_below), p_interval(same[0].p, same[0].p_below)
        least = math.ceil(p.low / alone.high - 1e-9) if alone.high else 1
        found = judged(
            CORRECTION, f"Corrected p of {pair_text(test)}", places(test.where, same[0].where),
            p_text(test.p, test.p_below), f"at least the p of the same test, {p_text(same[0].p, same[0].p_below)}", p,
            [Interpretation("", alone)], relation="at_least",
        )  # fmt: skip
        if found.verdict == FOLLOWS and least > len(corrected):
            interpretation = f"a correction for {least} tests or more; the file has {len(corrected)}"
            found = replace(found, verdict=DEPENDS, interpretation=interpretation)
        yield found


def _of_one_test(a: PairedTest, b: PairedTest) -> bool:
    same = (a.structure, a.test_set, a.metric, a.test) == (b.structure, b.test_set, b.metric, b.test)
    return same and {a.a, a.b} == {b.a, b.b}


def _cases(published: Published, test_set: str) -> int:
    """Return the number of cases of a test set; 0 where the paper doesn't tell it."""
    known = published.test_sets.get(test_set)
    return (known.cases if known else None) or 0


def _others(tests: list[PairedTest], published: Published) -> Iterator[AuditRow]:
    """Yield one line for each place's p values that can't be recomputed; those of t tests are of `paired_t`."""
    groups: dict[tuple[str, str, str], list[PairedTest]] = {}
    for test in tests:
        if why := _why_not(test, _cases(published, test.test_set)):
            groups.setdefault((test.where, test.test_set, why), []).append(test)
    for (where, test_set, why), own in groups.items():
        one = f"p of {pair_text(own[0])}"
        about = one if len(own) == 1 else f"{len(own)} p values of {test_set}"
        printed = ", ".join(p_text(t.p, t.p_below) for t in own)
        yield unchecked("p of a comparison", about, where, printed, why)


def _why_not(test: PairedTest, cases: int) -> str:
    """Say why a p can't be recomputed; "" where it can, or where `paired_t` tells."""
    if test.test is None:
        return "the paper names no test"
    if test.test != "wilcoxon":
        return "" if test.test == "t" else f"the p of the test ({test.test}) needs more than is printed"
    if not cases:
        return "it is a p of the signed-rank test, and the number of cases isn't printed"
    if test.corrected:
        return "it is corrected for several comparisons, and the p of the signed-rank test itself isn't printed"
    return "" if cases <= MOST_CASES else f"for {cases} cases the signed-rank test can give nearly every p"


def forms_of(p: Interval, n: int) -> dict[str, Attainable]:
    """Return the forms that can give a p in the interval -> the way with the fewest ties."""
    found: dict[str, Attainable] = {}
    for form, (values, own) in by_form(n).items():
        if here := own[bisect_left(values, p.low - 1e-9) : bisect_right(values, p.high + 1e-9)]:
            found[form] = min(here, key=lambda one: one.tied)
    return found


def _possible(test: PairedTest, n: int) -> AuditRow:
    p = p_interval(test.p, test.p_below)
    ways = forms_of(p, n)
    interpretations, every = [], True
    for form in FORMS:
        way = ways.get(form)
        every = every and way is not None and way.tied == 0
        if way:
            tied = NO_TIES if way.tied == 0 else f"with {way.tied} or more cases that are tied or have no difference"
            interpretations.append(Interpretation(f"{form}, {tied}", exactly(way.p)))
    one_sided = {} if interpretations or p.low > 0.5 else forms_of(Interval(2 * p.low, min(2 * p.high, 1.0)), n)
    interpretations += [Interpretation(f"one-sided, {form}", exactly(way.p / 2)) for form, way in one_sided.items()]
    about, source = f"p of {pair_text(test)}", f"the two-sided p values of {n} paired cases"
    if not interpretations:
        near = min(attainable(n), key=lambda one: abs(one.p - test.p))
        interpretations = [Interpretation(f"{near.form}, nearest", exactly(near.p))]
    printed = p_text(test.p, test.p_below)
    found = judged(CHECK, about, test.where, printed, source, p, interpretations)
    if found.verdict == FOLLOWS and not every:
        named = "; or ".join(r.name for r in interpretations)
        return AuditRow(CHECK, about, test.where, printed, source, DEPENDS, found.low, found.high, named)
    return found


def _one_form(tests: list[PairedTest], n: int) -> AuditRow:
    """Return one form of the test behind all p values of a place."""
    ways = [forms_of(p_interval(test.p, test.p_below), n) for test in tests]
    interpretations, notes = [], []
    for form in FORMS:
        given = sum(form in way for way in ways)
        plain = sum(form in way and way[form].tied == 0 for way in ways)
        interpretations += [
            Interpretation(f"{form}, {NO_TIES}", exactly(plain)),
            Interpretation(f"{form}, {TIES}", exactly(given)),
        ]
        notes.append(f"{form} {given} of {len(tests)}, {plain} of these without ties")
    return judged(
        CHECK, f"One form of the test for all p values of {tests[0].test_set}", tests[0].where,
        f"{len(tests)} p values", f"the two-sided p values of {n} paired cases", exactly(len(tests)), interpretations,
        otherwise=MIXED,
        note=f"The p values that each form of the test can give: {'; '.join(notes)}",
    )  # fmt: skip


def _number(tests: list[PairedTest], n: int, alpha: float) -> AuditRow:
    """Return how many are called significant, and how many are where their number is corrected for.

    Of a p that is printed as "< 0.05" the corrections may leave as many as of p = 0.05, or as of p = 0.
    """
    highest = sorted(float(test.p) for test in tests)
    lowest = sorted(0.0 if test.p_below else float(test.p) for test in tests)
    m = len(tests)
    alone = sum(p_is_below(test.p, test.p_below, alpha) for test in tests)
    holm, discovery = (Interval(left(highest, alpha), left(lowest, alpha)) for left in (_holm, _discovery))
    smallest = min(one.p for one in attainable(n) if one.form == FORMS[0])
    return judged(
        CHECK, f"Number of p values of {tests[0].test_set} below {alpha}", tests[0].where,
        f"{alone} of {m}", f"{m} tests", exactly(alone), [
            Interpretation("each test separately", exactly(alone)),
            Interpretation("the family-wise error controlled (Holm)", holm),
            Interpretation("the false discovery rate controlled (Benjamini & Hochberg)", discovery),
        ],
        note=f"Holm's correction leaves {_span(holm)} of them, that of Benjamini & Hochberg {_span(discovery)}; "
        f"Holm's first threshold is {alpha / m:.5f}, and the smallest exact p of {n} cases is {smallest:.5f}",
    )  # fmt: skip


def _holm(p: list[float], alpha: float) -> int:
    return next((k for k, x in enumerate(p) if x > alpha / (len(p) - k)), len(p))


def _discovery(p: list[float], alpha: float) -> int:
    return max((k + 1 for k, x in enumerate(p) if x <= alpha * (k + 1) / len(p)), default=0)


def _span(count: Interval) -> str:
    ends = f"{count.low:.0f} to {count.high:.0f}"
    return ends if count.low < count.high else f"{count.low:.0f}"


def _improvement(said: Improvement, tests: list[PairedTest], published: Published) -> AuditRow:
    """Check that p is at most the largest that any form gives where every case improves."""
    n = _cases(published, said.test_set)
    if not n or not any(_says(t, said, other) for t in tests for other in said.over):
        why = "no p values of these models are printed" if n else "the number of cases isn't printed"
        return unchecked(CHECK, said.about, said.where, f"all {n or ''} cases".replace("  ", " "), why)
    most = max(value.high for value in all_improve(n).values())
    interpretations, notes = [], []
    for other in said.over:
        own = [t for t in tests if _says(t, said, other)]
        above = [t for t in own if gap(p_interval(t.p, t.p_below), "at_most", exactly(most)) > 0]
        if not own:
            continue
        worst = max(p_interval(t.p, t.p_below).low for t in own)
        interpretations.append(Interpretation(f"over {other.family}, in every structure", exactly(worst)))
        if above:
            notes.append(f"over {other.family}, {len(above)} of {len(own)} p values are larger than that")
    found = judged(
        CHECK, said.about, said.where, f"all {n} cases", f"p values of at most {most:.4f}",
        exactly(most), interpretations, relation="at_least",
    )  # fmt: skip
    changed: dict = {"note": f"Of the improvements, {'; '.join(notes)}" if notes else ""}
    if found.verdict == NOT and len({t.structure for t in tests}) > 1:
        interpretation = "every case improves in its average over the structures, which isn't printed"
        changed |= {"verdict": DEPENDS, "interpretation": interpretation, "off_by": math.nan}
    return replace(found, **changed)


def _says(test: PairedTest, said: Improvement, other: PublishedModel) -> bool:
    """Return whether a p is of the improvement of a model over the other one."""
    own = (said.model, other, said.test_set, said.metric)
    return (test.a, test.b, test.test_set, test.metric) == own

"""One number at several places: text against table, abstract against table."""

from collections.abc import Iterator
from dataclasses import replace

from crossover.statistics.papers.audit.interval import Interval, unrounded
from crossover.statistics.papers.audit.lookup import (
    Key,
    first_facts,
    first_tests,
    first_values,
    key_of,
    key_text,
    pair_text,
)
from crossover.statistics.papers.audit.verdicts import (
    DEPENDS,
    FOLLOWS,
    AuditRow,
    Interpretation,
    judged,
    numbers_of,
    p_interval,
    p_text,
    places,
)
from crossover.statistics.papers.printed import Fact, PairedTest, Value
from crossover.statistics.papers.printed_number import Printed
from crossover.statistics.papers.published import Published

CHECK = "several places"


def same_numbers(published: Published) -> list[AuditRow]:
    """Check values, their intervals, p values, ICC ranges and facts that stand at more than one place."""
    rows = list(_values(published))
    rows += [_p(test, first) for test, first in first_tests(published) if test is not first]
    return rows + list(_icc(published)) + list(_facts(published))


def _values(published: Published) -> Iterator[AuditRow]:
    first = first_values(published)
    for value in published.values:
        own = key_of(value)
        keys = [own, *(_alternative(own, a.family, a.n_train, a.test_set) for a in value.or_of)]
        others = {key: first[key] for key in keys if key in first and first[key] is not value}
        if others:
            yield _value(value, keys, others)
        there = others[own].ci if own in others else None
        if value.ci and there:
            for name, end, printed in zip(("Lower", "Upper"), value.ci, there):
                about = f"{name} end of the interval of {key_text(own)}"
                yield _same(about, end, value.where, printed, others[own].where)


def _alternative(key: Key, family: str | None, n: int | None, test_set: str | None) -> Key:
    return family or key[0], key[1] if n is None else n, key[2], test_set or key[3], key[4]


def _value(value: Value, keys: list[Key], others: dict[Key, Value]) -> AuditRow:
    """Compare a value with each of the models and test sets that its sentence may be about."""
    interpretations = [Interpretation(key_text(key), unrounded(other.mean)) for key, other in others.items()]
    from_ = "; ".join(f"{key_text(key)}: {other.mean.text}" for key, other in others.items())
    found = judged(
        CHECK, f"Mean of {key_text(key_of(value))}", places(value.where, *(o.where for o in others.values())),
        value.mean.text, from_, unrounded(value.mean), interpretations, rests_on=numbers_of(value, *others.values()),
    )  # fmt: skip
    alone = [key_text(key) for key in keys if key not in others]
    if alone and found.verdict != FOLLOWS:
        note = f"The mean of {alone[0]} is printed nowhere else, and the sentence doesn't say which one is meant"
        own = unrounded(value.mean)
        return replace(
            found, verdict=DEPENDS, interpretation=alone[0], note=note, off_by=float("nan"), low=own.low, high=own.high
        )  # fmt: skip
    return found


def _same(about: str, value: Printed, where: str, there: Printed, at: str) -> AuditRow:
    return judged(
        CHECK, about, places(where, at), value.text, f"{there.text} ({at})", unrounded(value),
        [Interpretation("", unrounded(there))],
    )  # fmt: skip


def _p(test: PairedTest, first: PairedTest) -> AuditRow:
    """Compare a p with the same one elsewhere: "p < 0.05" agrees with all p values below it."""
    p, there = (p_interval(t.p, t.p_below) for t in (test, first))
    return judged(
        CHECK, f"p of {pair_text(test)}", places(test.where, first.where), p_text(test.p, test.p_below),
        f"{p_text(first.p, first.p_below)} ({first.where})", p, [Interpretation("", there)],
        otherwise="" if test.test == first.test else "another test, as only one of the places names it",
    )  # fmt: skip


def _icc(published: Published) -> Iterator[AuditRow]:
    first: dict[tuple, tuple] = {}
    for icc in published.icc:
        key = (icc.model.family, icc.model.n_train)
        if key in first:
            there, at = first[key]
            for name, end, other in zip(("Smallest", "Largest"), icc.range, there):
                about = f"{name} ICC of {key[0]} at n = {key[1]}"
                yield _same(about, end, icc.where, other, at)
        first.setdefault(key, (icc.range, icc.where))


def _facts(published: Published) -> Iterator[AuditRow]:
    first = first_facts(published)
    for fact in published.facts:
        if fact.key and fact is not first[fact.key]:
            yield _fact(fact, first[fact.key])


def _fact(fact: Fact, there: Fact) -> AuditRow:
    """Compare a fact with the same one elsewhere: a bound ("up to") agrees with any number on its side."""
    value, other = fact_interval(fact), fact_interval(there)
    unit = f" {there.unit}" if there.unit else ""
    text = f"{there.value.text}{unit} ({there.where})"
    printed = f"{_bound(fact)}{fact.value.text}{unit}"
    about, where = f"{fact.about[0].upper()}{fact.about[1:]}", places(fact.where, there.where)
    found = judged(CHECK, about, where, printed, text, value, [Interpretation("", other)])
    if found.verdict == FOLLOWS and fact.bound != there.bound:
        return replace(found, verdict=DEPENDS, interpretation="the bound as a value that is reached")
    return found


def _bound(fact: Fact) -> str:
    return {"at_most": "up to ", "at_least": "at least ", None: ""}[fact.bound]


def fact_interval(fact: Fact) -> Interval:
    """Return what a fact may stand for: counts and settings are exact, others rounded unless said exact."""
    return unrounded(fact.value, exact=fact.is_exact)

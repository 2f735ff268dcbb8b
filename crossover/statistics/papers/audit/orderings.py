"""What the text says is higher than what: the printed means, and the printed p with the printed spread."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

from crossover.statistics.papers.audit.interval import Interval, exactly, unrounded
from crossover.statistics.papers.audit.lookup import at_size, first_values
from crossover.statistics.papers.audit.paired_t import rarity
from crossover.statistics.papers.audit.scores import cases_of, least_correlation, no_sd, sd_of, spread_text, t_quantile
from crossover.statistics.papers.audit.verdicts import (
    NOT,
    AuditRow,
    Interpretation,
    judged,
    numbers_of,
    p_interval,
    p_text,
    places,
    unchecked,
)
from crossover.statistics.papers.paper_names import ICC
from crossover.statistics.papers.printed import RANK_TESTS, Ordering, PairedTest, Value
from crossover.statistics.papers.published import Published
from crossover.statistics.scores.metrics_table import POOLED

CHECK = "ordering"
NOT_OF_MEANS = (*RANK_TESTS, "other")
UNNAMED = "another test than those of means, such as one of ranks: neither the sentence nor the table of p names one"


@dataclass(frozen=True)
class _Pair:
    higher: Value
    lower: Value


@dataclass(frozen=True)
class StatedOrder:
    """What an ordering says: each of `first` stands before each of `second`.

    Attributes:
        word: between two of them, "above" or "better than".
        higher: whether the first ones' numbers are said to be higher; None where better ones are neither.
    """

    first: list[str]
    second: list[str]
    word: str
    higher: bool | None

    @property
    def text(self) -> str:
        """All of it in words."""
        return f"{', '.join(self.first)} {self.word} {', '.join(self.second)}"


def claim_of(said: Ordering, published: Published) -> StatedOrder:
    """Return what an ordering says of the numbers: better ones of a distance are lower."""
    if said.higher:
        return StatedOrder(said.higher, said.lower, "above", True)
    direction = "higher" if said.metric == ICC else published.better(said.metric)
    return StatedOrder(
        said.better, said.worse, "better than", None if direction == "neither" else direction == "higher"
    )


def orderings(published: Published) -> list[AuditRow]:
    """Check every pair of an ordering whose scores are printed; name those that aren't in one line."""
    rows: list[AuditRow] = []
    for said in published.orderings:
        claim = claim_of(said, published)
        if claim.higher is None:
            why = f"it is not known whether higher or lower means of {said.metric} are better (`other_metrics`)"
            rows.append(unchecked(CHECK, claim.text, said.where, _p_text(said, claim), why))
        else:
            rows += (_icc if said.metric == ICC else _scores)(said, claim, published)
    return rows


def _scores(said: Ordering, claim: StatedOrder, published: Published) -> Iterator[AuditRow]:
    values = first_values(published)
    sets = [said.test_set] if said.test_set else list(dict.fromkeys(v.test_set for v in published.values))
    missing: dict[str, list[int]] = {}
    compared, test = 0, said.test or _named_test(said, published)
    for n, structure, one, other in product(said.n_train, said.structures, claim.first, claim.second):
        pairs = {}
        for test_set in sets:
            a, b = (at_size(values, f, n, structure, test_set, said.metric) for f in (one, other))
            if a and b:
                pairs[test_set] = _Pair(a, b) if claim.higher else _Pair(b, a)
        if not pairs:
            missing.setdefault(f"{one} {claim.word} {other}", []).append(n)
            continue
        compared += 1
        at = f" at n = {n}" if n else ""
        of = ", ".join(filter(None, (structure, said.test_set, said.metric)))
        name = f"{one} {claim.word} {other}{at}, {of}"
        yield _order(said, claim, name, pairs, published.better(said.metric) == "lower")
        yield from _printed_p(said, name, pairs, published)
        if test not in NOT_OF_MEANS:
            yield from _with_spread(said, name, pairs, published, "" if test else UNNAMED)
    if said.p_below is not None and test in NOT_OF_MEANS and compared:
        yield unchecked(
            "p and spread", f"p of {claim.text}", said.where, _p_text(said, claim),
            f"the p of this test ({test}) does not follow from means and their spread",
        )  # fmt: skip
    if missing:
        yield _missing(said, claim, missing)


def _named_test(said: Ordering, published: Published) -> str | None:
    """Return the test that the paper's p values of this metric are of, where they all name one."""
    named = {t.test for t in published.paired if t.metric == said.metric}
    return next(iter(named)) if len(named) == 1 else None


def _missing(said: Ordering, claim: StatedOrder, missing: dict[str, list[int]]) -> AuditRow:
    """Return one line for all pairs whose numbers aren't printed."""
    sizes = {pair: f" (n = {', '.join(map(str, of))})" if any(of) else "" for pair, of in missing.items()}
    named = "; ".join(f"{pair}{at}" for pair, at in sizes.items())
    return unchecked(CHECK, claim.text, said.where, _p_text(said, claim), f"the scores are not printed of {named}")


def _p_text(said: Ordering, claim: StatedOrder) -> str:
    return f"p < {said.p_below.text}" if said.p_below is not None else _word(claim)


def _word(claim: StatedOrder) -> str:
    return "higher" if claim.word == "above" else "better"


def _order(said: Ordering, claim: StatedOrder, name: str, pairs: dict[str, _Pair], lower_is_better: bool) -> AuditRow:
    interpretations = [
        Interpretation(f"on {test_set}", unrounded(p.higher.mean) - unrounded(p.lower.mean))
        for test_set, p in pairs.items()
    ]
    ordered = {t: (p.higher, p.lower) if claim.higher else (p.lower, p.higher) for t, p in pairs.items()}
    text = "; ".join(f"{first.mean.text} and {second.mean.text} on {t}" for t, (first, second) in ordered.items())
    where = places(said.where, *(v.where for p in pairs.values() for v in (p.higher, p.lower)))
    note = "" if said.test_set else "The sentence names no test set"
    found = judged(CHECK, name, where, _word(claim), text, exactly(0), interpretations, relation="at_most", note=note)
    if found.verdict == NOT and claim.word == "above" and lower_is_better:
        found = replace(
            found,
            note=f"A lower {said.metric} is better: where the paper calls a model better, write `better` and `worse` "
            "instead of `higher` and `lower`",
        )
    return replace(found, rests_on=numbers_of(*(v for pair in ordered.values() for v in pair)))


def _printed_p(said: Ordering, name: str, pairs: dict[str, _Pair], published: Published) -> Iterator[AuditRow]:
    """Yield the p of the table for the same two models; each where there are several that may be meant."""
    if said.p_below is None:
        return
    for test_set, pair in pairs.items():
        found: dict[tuple, PairedTest] = {}
        for t in published.paired:
            same = (t.structure, t.test_set, t.metric) == (pair.higher.structure, test_set, said.metric)
            same = same and {t.a, t.b} == {pair.higher.model, pair.lower.model} and t.where != said.where
            if same and (t.test == said.test or None in (t.test, said.test)):
                found.setdefault((t.test, t.corrected), t)
        printed = {f"p {'' if t.p_below else '= '}{p_text(t.p, t.p_below)} ({t.where})": t for t in found.values()}
        if printed:
            yield judged(
                "p and its threshold", f"p of {name}", places(said.where, *(t.where for t in found.values())),
                f"p < {said.p_below.text}", "; ".join(printed), exactly(said.p_below),
                [Interpretation(text, p_interval(t.p, t.p_below)) for text, t in printed.items()],
                relation="at_least",
            )  # fmt: skip


def _with_spread(
    said: Ordering, name: str, pairs: dict[str, _Pair], published: Published, otherwise: str
) -> Iterator[AuditRow]:
    """Yield the p that the printed SDs, standard errors or intervals allow."""
    if said.p_below is None:
        return
    interpretations, notes, spreads = [], [], []
    for test_set, pair in pairs.items():
        sample = _sample(pair, published)
        if sample is None:
            continue
        on = "" if said.test_set else f"on {test_set}, "
        p, correlation = p_of_means(pair.higher, pair.lower, *sample, said.p_below)
        one_sided = correlation > 1
        if one_sided:
            correlation = p_of_means(pair.higher, pair.lower, *sample, 2 * said.p_below)[1]
        interpretations.append(Interpretation(f"{on}independent groups", p))
        if p.low > said.p_below and correlation <= 1:
            # A difference of the same cases varies less, the more their scores go together.
            needed, way = max(correlation, 0), "one-sided, " if one_sided else ""
            interpretations.append(Interpretation(
                f"{on}{way}the same cases, with a correlation of the scores of {needed:.2f} or more"
                f"{rarity(needed, sample[2])}",
                Interval(0, said.p_below), shown=p,
            ))  # fmt: skip
        ends = "p is " + " to ".join(dict.fromkeys((f"{p.low:.2g}", f"{p.high:.2g}")))
        enough = (
            "" if correlation <= 1 else ", and no correlation of the scores of the same cases makes it small enough"
        )
        notes.append(f"{on}for independent groups, {ends}{enough}")
        spreads += [spread_text(v) for v in (pair.higher, pair.lower)]
    if interpretations:
        where = places(said.where, *(v.where for p in pairs.values() for v in (p.higher, p.lower)))
        yield judged(
            "p and spread", f"p of {name}", where, f"p < {said.p_below.text}", "; ".join(spreads),
            exactly(said.p_below), interpretations, relation="at_least",
            note=f"For one comparison without correction: {'; '.join(notes)}", otherwise=otherwise,
            rests_on=numbers_of(*(v for p in pairs.values() for v in (p.higher, p.lower)), spreads=True),
        )  # fmt: skip
    else:
        pair = next(iter(pairs.values()))
        yield unchecked(
            "p and spread", f"p of {name}", said.where, f"p < {said.p_below.text}", _no_sample(pair, published)
        )


def _sample(pair: _Pair, published: Published) -> tuple[Interval, Interval, int] | None:
    """Return both SDs and the number of cases; None where nothing printed gives them."""
    n, other = (cases_of(v, published) for v in (pair.higher, pair.lower))
    if not n or not other:
        return None
    n = max(n, other)
    quantile = t_quantile(n, published.confidence)
    a, b = (sd_of(v, n, quantile) for v in (pair.higher, pair.lower))
    over_rows = pair.higher.structure == POOLED and pair.higher.sd_of != "averages"
    several = over_rows and not (pair.higher.ci and pair.lower.ci)
    return (a, b, n) if a and b and not several else None


def _no_sample(pair: _Pair, published: Published) -> str:
    """Say why `_sample` returns None."""
    for value in (pair.higher, pair.lower):
        n = cases_of(value, published)
        if not n or sd_of(value, n, t_quantile(n, published.confidence)) is None:
            return no_sd(value, n)
    return "the spread over all structures together does not give that over cases"


def p_of_means(a: Value, b: Value, sd_a: Interval, sd_b: Interval, n: int, p_below: float) -> tuple[Interval, float]:
    """Return the two-sided p that a is above b, n cases each: t test of independent groups, one comparison.

    Returns:
        All p that rounding allows, and the smallest correlation of the same cases' scores with which p
        is below `p_below` (above 1 where none is enough).
    """
    from scipy import stats

    root = exactly(1 / math.sqrt(n))
    errors = [sd * root for sd in (sd_a, sd_b)]
    difference = unrounded(a.mean) - unrounded(b.mean)
    ends = []
    for d, ses in (
        (difference.high, [e.low for e in errors]),
        (difference.low, [e.high for e in errors]),
    ):
        se = math.hypot(*ses)
        ends.append(float(2 * stats.t.sf(max(d, 0.0) / se, 2 * n - 2)) if se else 0.0)
    if difference.high <= 0:
        return Interval(*ends), math.inf
    wanted = difference.high / float(stats.t.isf(p_below / 2, n - 1))
    return Interval(*ends), least_correlation(errors[0], errors[1], wanted)


def _icc(said: Ordering, claim: StatedOrder, published: Published) -> Iterator[AuditRow]:
    """Yield rows on the smallest and the largest ICC, which are higher if every feature's is."""
    ranges = {(i.model.family, i.model.n_train): i for i in reversed(published.icc)}
    missing: dict[str, list[int]] = {}
    for n, high, low in product(said.n_train, claim.first, claim.second):
        a, b = ranges.get((high, n)), ranges.get((low, n))
        if not (a and b):
            missing.setdefault(f"{high} {claim.word} {low}", []).append(n)
            continue
        gaps = [unrounded(x) - unrounded(y) for x, y in zip(a.range, b.range)]
        worst = min(gaps, key=lambda g: g.high)
        found = judged(
            CHECK, f"Every ICC of {high} above that of {low} at n = {n}",
            places(said.where, a.where, b.where), "higher",
            f"{a.range[0].text} to {a.range[1].text}, {b.range[0].text} to {b.range[1].text}",
            exactly(0), [Interpretation("", worst)], relation="at_most",
        )  # fmt: skip
        if found.verdict != NOT:
            note = "The ends of the ranges allow it, and the ICCs of single features aren't printed"
            found = replace(found, note=note)
        yield found
    if missing:
        yield _missing(said, claim, missing)

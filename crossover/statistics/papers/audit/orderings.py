"""What the text says is higher than what: the printed means, and the printed p with the printed spread."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from crossover.statistics.papers.audit.interval import Interval, exactly, unrounded
from crossover.statistics.papers.audit.lookup import POOLED_STRUCTURE, at_size, first_values
from crossover.statistics.papers.audit.scores import cases_of, least_correlation, sd_of, spread_text, t_quantile
from crossover.statistics.papers.audit.verdicts import NOT, AuditRow, Interpretation, judged, places, unchecked
from crossover.statistics.papers.printed import RANK_TESTS, Ordering, Value
from crossover.statistics.papers.published import Published

CHECK = "ordering"


@dataclass(frozen=True)
class _Pair:
    higher: Value
    lower: Value


def orderings(published: Published) -> list[AuditRow]:
    """Check every pair of an ordering whose scores are printed; name those that aren't in one line."""
    rows: list[AuditRow] = []
    for said in published.orderings:
        rows += _icc(said, published) if said.metric == "icc" else _scores(said, published)
    return rows


def _scores(said: Ordering, published: Published) -> Iterator[AuditRow]:
    values = first_values(published)
    sets = [said.test_set] if said.test_set else list(published.test_sets)
    missing: dict[str, list[int]] = {}
    compared = 0
    for n in said.n_train:
        for structure in said.structures:
            for high in said.higher:
                for low in said.lower:
                    pairs = {}
                    for test_set in sets:
                        a, b = (at_size(values, f, n, structure, test_set, said.metric) for f in (high, low))
                        if a and b:
                            pairs[test_set] = _Pair(a, b)
                    name = _name(high, low, n, structure, said)
                    if not pairs:
                        missing.setdefault(f"{high} above {low}", []).append(n)
                        continue
                    compared += 1
                    yield _order(said, name, pairs)
                    yield from _printed_p(said, name, pairs, published)
                    if said.test not in RANK_TESTS:
                        yield from _with_spread(said, name, pairs, published)
    if said.p_below is not None and said.test in RANK_TESTS and compared:
        yield unchecked(
            "p and spread", f"p of {', '.join(said.higher)} above {', '.join(said.lower)}", said.where,
            _p_text(said), f"the {said.test} test is of ranks, which means and their spread don't tell",
        )  # fmt: skip
    if missing:
        named = [f"{pair} (n = {', '.join(map(str, sizes))})" for pair, sizes in missing.items()]
        yield unchecked(
            CHECK, f"{', '.join(said.higher)} above {', '.join(said.lower)}", said.where, _p_text(said),
            f"not printed as numbers: {'; '.join(named)}",
        )  # fmt: skip


def _name(high: str, low: str, n: int, structure: str | None, said: Ordering) -> str:
    at = f" at n = {n}" if n else ""
    return f"{high} above {low}{at}, " + ", ".join(filter(None, (structure, said.test_set, said.metric)))


def _p_text(said: Ordering) -> str:
    return f"p < {said.p_below.text}" if said.p_below is not None else "higher"


def _order(said: Ordering, name: str, pairs: dict[str, _Pair]) -> AuditRow:
    readings = [
        Interpretation(f"on {test_set}", unrounded(p.higher.mean) - unrounded(p.lower.mean))
        for test_set, p in pairs.items()
    ]
    text = "; ".join(f"{p.higher.mean.text} and {p.lower.mean.text} on {t}" for t, p in pairs.items())
    where = places(said.where, *(v.where for p in pairs.values() for v in (p.higher, p.lower)))
    note = "" if said.test_set else "the sentence names no test set"
    return judged(CHECK, name, where, "higher", text, exactly(0), readings, relation="at_most", note=note)


def _printed_p(said: Ordering, name: str, pairs: dict[str, _Pair], published: Published) -> Iterator[AuditRow]:
    """Yield the p of the table for the same two models."""
    if said.p_below is None:
        return
    for test_set, pair in pairs.items():
        a, b = pair.higher, pair.lower
        for t in published.paired:
            same = (t.structure, t.test_set, t.metric) == (a.structure, test_set, said.metric)
            if same and {t.a, t.b} == {a.model, b.model} and t.where != said.where:
                yield judged(
                    "p and its threshold", f"p of {name}", places(said.where, t.where), _p_text(said),
                    f"p = {t.p.text}", exactly(said.p_below), [Interpretation("", unrounded(t.p))],
                    relation="at_least",
                )  # fmt: skip
                break


def _with_spread(said: Ordering, name: str, pairs: dict[str, _Pair], published: Published) -> Iterator[AuditRow]:
    """Yield the p that the printed SDs, standard errors or intervals allow."""
    if said.p_below is None:
        return
    readings, notes, spreads = [], [], []
    for test_set, pair in pairs.items():
        sample = _sample(pair, published)
        if sample is None:
            continue
        on = "" if said.test_set else f"on {test_set}, "
        p, correlation = p_of_means(pair.higher, pair.lower, *sample, said.p_below)
        readings.append(Interpretation(f"{on}independent groups", p))
        if p.low > said.p_below and correlation <= 1:
            # A difference of the same cases varies less, the more their scores go together.
            readings.append(Interpretation(
                f"{on}the same cases, scores correlated by {max(correlation, 0):.2f} or more",
                Interval(0, said.p_below),
            ))  # fmt: skip
        enough = "" if correlation <= 1 else ", no correlation of the same cases is enough"
        notes.append(f"{on}independent groups p = {p.low:.2g} to {p.high:.2g}{enough}")
        spreads += [spread_text(v) for v in (pair.higher, pair.lower)]
    if readings:
        where = places(said.where, *(v.where for p in pairs.values() for v in (p.higher, p.lower)))
        yield judged(
            "p and spread", f"p of {name}", where, _p_text(said), "; ".join(spreads),
            exactly(said.p_below), readings, relation="at_least",
            note=f"{'; '.join(notes)} (one comparison, uncorrected)",
        )  # fmt: skip


def _sample(pair: _Pair, published: Published) -> tuple[Interval, Interval, int] | None:
    """Return both SDs and the number of cases; None where nothing printed gives them."""
    n, other = (cases_of(v, published) for v in (pair.higher, pair.lower))
    if not n or not other:
        return None
    n = max(n, other)
    quantile = t_quantile(n, published.confidence)
    a, b = (sd_of(v, n, quantile) for v in (pair.higher, pair.lower))
    over_rows = pair.higher.structure == POOLED_STRUCTURE and pair.higher.sd_of != "averages"
    several = over_rows and not (pair.higher.ci and pair.lower.ci)
    return (a, b, n) if a and b and not several else None


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


def _icc(said: Ordering, published: Published) -> Iterator[AuditRow]:
    """Yield rows on the smallest and the largest ICC, which are higher if every feature's is."""
    ranges = {(i.model.family, i.model.n_train): i for i in reversed(published.icc)}
    for n in said.n_train:
        for high in said.higher:
            for low in said.lower:
                a, b = ranges.get((high, n)), ranges.get((low, n))
                if not (a and b):
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
                    note = "the ends of the ranges allow it; the single features aren't printed"
                    found = replace(found, note=note)
                yield found

"""A test set that pools others: its mean is theirs weighted by their cases, its interval follows too."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

from crossover.statistics.papers.audit.averages import rows_of
from crossover.statistics.papers.audit.interval import Interval, average, exactly, gap, unrounded
from crossover.statistics.papers.audit.lookup import Key, first_values, key_of, key_text
from crossover.statistics.papers.audit.scores import (
    bootstrap_widths,
    cases_of,
    normal_quantile,
    sd_of,
    sd_of_interval,
    t_quantile,
)
from crossover.statistics.papers.audit.verdicts import (
    AuditRow,
    Interpretation,
    judged,
    numbers_of,
    places,
    sd_assumed,
    unchecked,
    usual_first,
)
from crossover.statistics.papers.printed import Value
from crossover.statistics.papers.published import Published
from crossover.statistics.scores.metrics_table import POOLED

CHECK = "pooled test set"


def pooled(published: Published) -> list[AuditRow]:
    """Check every value on a test set that pools others against the others' values at the same place."""
    rows: list[AuditRow] = []
    for whole, parts in _pools(published):
        if any(row.cases for row in rows_of(whole, published)):
            about = f"Mean of {key_text(key_of(whole))}"
            why = "the number of cases in each part depends on the structure"
            rows.append(unchecked(CHECK, about, whole.where, whole.mean.text, why))
            continue
        cases = [n for p in parts if (n := cases_of(p, published))]
        if len(cases) < len(parts):
            about = f"Mean of {key_text(key_of(whole))}"
            why = "the numbers of cases of the pooled test sets are not printed"
            rows.append(unchecked(CHECK, about, whole.where, whole.mean.text, why))
            continue
        rows += [_mean(whole, parts, cases), _between(whole, parts)]
        if whole.ci and all(p.ci for p in parts):
            rows.append(_interval(whole, parts, cases, published.confidence))
        elif not whole.ci and whole.structure != POOLED:  # that is over structures, too
            rows += _spread(whole, parts, cases)
    return [*rows, *_without_parts(published), *_one_weight(published)]


def _without_parts(published: Published) -> Iterator[AuditRow]:
    """Yield a row for each mean of a pooled test set with those of some of its parts only."""
    values = first_values(published)
    for key, whole in values.items():
        parts = _parts(whole, published)
        printed = sum(part in values for part in parts)
        if whole.statistic == "mean" and 0 < printed < len(parts):
            why = "not all parts of the pooled test set are printed"
            yield unchecked(CHECK, f"Mean of {key_text(key)}", whole.where, whole.mean.text, why)


def _parts(whole: Value, published: Published) -> list[Key]:
    """Return the keys of the parts' means; none where the test set doesn't pool others."""
    known = published.test_sets.get(whole.test_set)
    model = whole.model
    return [(model.family, model.n_train, whole.structure, p, whole.metric) for p in (known.pools if known else ())]


def _pools(published: Published) -> Iterator[tuple[Value, list[Value]]]:
    values = first_values(published)
    for whole in published.values:
        keys = _parts(whole, published)
        # With `or_of` it may be of another test set; a median of all does not follow from medians.
        if not keys or whole.or_of or whole.statistic == "median":
            continue
        first = values[key_of(whole)]
        if all(key in values for key in keys) and (whole is first or _new(whole, first)):
            yield whole, [values[key] for key in keys]


def _new(value: Value, first: Value) -> bool:
    """Return whether the same value stands elsewhere with another number, or another interval."""
    return value.mean != first.mean or (value.ci is not None and value.ci != first.ci)


def _mean(whole: Value, parts: list[Value], cases: list[int]) -> AuditRow:
    means = [unrounded(p.mean) for p in parts]
    weighted = Interpretation("weighted by cases", average(means, cases))
    unweighted = Interpretation("the mean of the test sets' means, whatever their numbers of cases", average(means))
    value = unrounded(whole.mean)
    terms = " + ".join(f"{n} × {p.mean.text}" for n, p in zip(cases, parts))
    note = ""
    if len(parts) == 2:
        low, high = (min(max(0.0, v), 1.0) for v in _share(whole, parts))
        share = cases[0] / sum(cases)
        note = (
            f"The mean follows if {parts[0].test_set} has a weight of {low:.2f} to {high:.2f}; by the numbers of cases "
            f"its weight is {share:.2f}"
        )
    return judged(
        CHECK, f"Mean of {key_text(key_of(whole))}", places(whole.where, *(p.where for p in parts)),
        whole.mean.text, f"({terms}) / {sum(cases)}", value, usual_first(value, [weighted], [unweighted]), note=note,
        rests_on=numbers_of(whole, *parts),
    )  # fmt: skip


def _between(whole: Value, parts: list[Value]) -> AuditRow:
    means = [unrounded(p.mean) for p in parts]
    span = Interval(min(m.low for m in means), max(m.high for m in means))
    return judged(
        CHECK, f"Mean of {key_text(key_of(whole))}, between its parts",
        places(whole.where, *(p.where for p in parts)), whole.mean.text,
        "between " + " and ".join(p.mean.text for p in parts), unrounded(whole.mean), [Interpretation("", span)],
        rests_on=numbers_of(whole, *parts),
    )  # fmt: skip


def _interval(whole: Value, parts: list[Value], cases: list[int], confidence: float | None) -> AuditRow:
    """Check a pooled interval: the pooled cases' SD follows from the parts' SDs and the distance of their means."""
    assert whole.ci is not None, "only values with an interval are pooled"
    low, high = whole.ci
    half = (unrounded(high) - unrounded(low)) * exactly(0.5)
    interpretations = [
        Interpretation("t intervals", _pooled_half_width(parts, cases, confidence, t_quantile)),
        Interpretation("normal intervals", _pooled_half_width(parts, cases, confidence, normal_quantile)),
    ]
    normal = interpretations[1].value
    if gap(half, "equals", interpretations[0].value) and gap(half, "equals", normal):
        about = normal * bootstrap_widths(sum(cases))
        interpretations.append(Interpretation("bootstrap or transformed intervals", about))
    return judged(
        CHECK, f"Interval of {key_text(key_of(whole))}", places(whole.where, *(p.where for p in parts)),
        f"{low.text} to {high.text} (± {(high - low) / 2:.3f})",
        "the SDs behind the parts' intervals and the distance of their means", half, interpretations,
        note="The numbers compared are half the width of the interval, for independent cases",
        rests_on=_spreads(whole, parts),
    )  # fmt: skip


def _spreads(whole: Value, parts: list[Value]) -> tuple[str, ...]:
    """Return the numbers that a pooled spread is checked by: the mean of the whole is none of them."""
    return *numbers_of(whole, means=False, spreads=True), *numbers_of(*parts, spreads=True)


def _pooled_half_width(
    parts: list[Value], cases: list[int], confidence: float | None, quantile: Callable[[int, float | None], float]
) -> Interval:
    sds = [sd_of_interval(p.ci, n, quantile(n, confidence)) for p, n in zip(parts, cases) if p.ci]
    total = sum(cases)
    return _pooled_sd(parts, cases, sds) * exactly(quantile(total, confidence) / math.sqrt(total))


def _spread(whole: Value, parts: list[Value], cases: list[int]) -> Iterator[AuditRow]:
    """Yield the row for the SD of the pooled cases, where SDs or standard errors of cases are printed."""
    total = sum(cases)
    own = sd_of(whole, total, math.nan)
    there = [p for p in (whole, *parts) if p.sd is not None or p.se is not None]
    sds = [sd for p, n in zip(parts, cases) if p in there and (sd := sd_of(p, n, math.nan))]
    printed = whole.sd if whole.sd is not None else whole.se
    if own is None or printed is None or len(sds) < len(parts):
        return
    name = "SD" if whole.sd is not None else "Standard error"
    scaled = exactly(1 if whole.sd is not None else 1 / math.sqrt(total))
    value = unrounded(printed)
    usual = [Interpretation("", _pooled_sd(parts, cases, sds) * scaled)]
    over_n = Interpretation("SDs over n", _pooled_sd(parts, cases, sds, freedom=0) * scaled)
    found = judged(
        CHECK, f"{name} of {key_text(key_of(whole))}, pooled", places(whole.where, *(p.where for p in parts)),
        printed.text, "the parts' spread and the distance of their means", value,
        usual_first(value, usual, [over_n]), rests_on=_spreads(whole, parts),
    )  # fmt: skip
    yield replace(found, assumes=sd_assumed(whole, *parts))


def _pooled_sd(parts: list[Value], cases: list[int], sds: list[Interval], freedom: int = 1) -> Interval:
    """Return the SD of all parts' cases together, from the parts' SDs within and their means between.

    Args:
        freedom: what the SDs take off the numbers of cases; 0 where they are over n, as numpy's are.
    """
    total = sum(cases)
    middle = average([exactly(p.mean) for p in parts], cases).middle
    ends = []
    for sign in (-1, 1):
        squares = 0.0
        for part, n, sd in zip(parts, cases, sds):
            # The distance from the other parts' means is uncertain by the rounding of both.
            error = sum(m * (part.mean.half_unit + p.mean.half_unit)
                        for p, m in zip(parts, cases) if p is not part) / total  # fmt: skip
            away = max(0.0, abs(part.mean - middle) + sign * error)
            squares += (n - freedom) * (sd.low if sign < 0 else sd.high) ** 2 + n * away**2
        ends.append(math.sqrt(squares / (total - freedom)))
    return Interval(*ends)


def _share(whole: Value, parts: list[Value]) -> tuple[float, float]:
    """Return the smallest and largest weight of the first of two parts that gives the whole's mean."""
    a, b = (unrounded(p.mean) for p in parts)
    difference = a - b
    if difference.low <= 0 <= difference.high:
        return -math.inf, math.inf
    # Linear in each rounded number, monotone in each: its ends are at corners.
    shares = [
        (m - y) / (x - y)
        for m in (unrounded(whole.mean).low, unrounded(whole.mean).high)
        for x in (a.low, a.high)
        for y in (b.low, b.high)
    ]
    return min(shares), max(shares)


def _one_weight(published: Published) -> list[AuditRow]:
    """Check whether one weight of the first part gives all pooled means of a place."""
    groups: dict[tuple[str, str, str], list[tuple[Value, list[Value]]]] = {}
    for whole, parts in _pools(published):
        if len(parts) == 2 and len({whole.where, *(p.where for p in parts)}) == 1:
            key = (whole.test_set, whole.metric, whole.where)
            if not any(v.cases for v in (whole, *parts, *rows_of(whole, published))):
                groups.setdefault(key, []).append((whole, parts))  # else the weight is its own
    rows = []
    for (test_set, metric, where), members in groups.items():
        shares = [_share(whole, parts) for whole, parts in members]
        candidates = [end for share in shares for end in share if math.isfinite(end)]
        if len(members) < 2 or not candidates:
            continue
        cases = [cases_of(part, published) or 1 for part in members[0][1]]
        by_cases = cases[0] / sum(cases)  # of two weights that give as many means, the nearer one to this
        best = max(candidates, key=lambda c: (_holding(c, shares), -abs(c - by_cases)))
        out = [key_text(key_of(w)) for (w, _), s in zip(members, shares) if not _holding(best, [s])]
        first = members[0][1][0].test_set
        rows.append(judged(
            CHECK, f"One weight of {first} for all means of {test_set}, {metric}", where,
            f"{len(members)} means", "the same cases behind every mean", exactly(len(members)),
            [Interpretation("", exactly(_holding(best, shares)))],
            note=f"A weight of {best:.2f} gives the others, but not the means of {'; '.join(out)}" if out else "",
            rests_on=numbers_of(*(v for (w, parts), s in zip(members, shares) if not _holding(best, [s])
                                  for v in (w, *parts))),
        ))  # fmt: skip
    return rows


def _holding(weight: float, shares: list[tuple[float, float]]) -> int:
    return sum(low - 1e-9 <= weight <= high + 1e-9 for low, high in shares)

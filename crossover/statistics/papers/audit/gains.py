"""Printed gains against the printed scores: as a difference, or relative to the score of the model gained over."""

from crossover.statistics.papers.audit.averages import rows_of
from crossover.statistics.papers.audit.interval import Interval, average, exactly, likely_average, unrounded
from crossover.statistics.papers.audit.lookup import at_size, first_values, key_text
from crossover.statistics.papers.audit.scores import scale_of, unit_of
from crossover.statistics.papers.audit.verdicts import (
    NOT,
    AuditRow,
    Interpretation,
    judged,
    numbers_of,
    places,
    unchecked,
)
from crossover.statistics.papers.printed import Gain, Value
from crossover.statistics.papers.published import Published
from crossover.statistics.scores.scales import DISTANCE, KNOWN, SHARE, scale

CHECK = "gain"
DIFFERENCE = "the difference of the scores"
RELATIVE = "the difference relative to the subtracted score"
REDUCTION = "the reduction of the score"
OF_GAINS = "the mean of the sizes' differences relative to the subtracted score"
OF_ROWS_GAINS = "the mean of the structures' differences relative to the subtracted score"
OF_ROWS = "the difference of the means of the printed rows"


def gains(published: Published) -> list[AuditRow]:
    """Check every printed gain, and the sources that its sentence names."""
    rows = []
    for gain in published.gains:
        named = (*gain.families, gain.over)
        found = {(family, n): _score(published, gain, family, n) for n in gain.n_train or (None,) for family in named}
        missing = [_at(family, n, gain) for (family, n), score in found.items() if not score]
        if missing:
            why = f"exactly one score of {', '.join(missing)} is needed there, and none or several are printed"
            rows.append(unchecked(CHECK, _about(gain), gain.where, gain.gain.text, why))
        else:
            scores = [score for score in found.values() if score]
            of_sizes = [scores[k : k + len(named)] for k in range(0, len(scores), len(named))]
            rows.append(_difference(gain, of_sizes, published))
        if gain.sources:
            rows.append(_sources(gain))
    return rows


def _at(family: str, n: int | None, gain: Gain) -> str:
    return f"{family} at n = {n}" if len(gain.n_train) > 1 else family


def _score(published: Published, gain: Gain, family: str, n: int | None) -> Value | None:
    """Return the family's score on the gain's test set, at a size, or the only one printed."""
    if n is not None:
        values = first_values(published)
        return at_size(values, family, n, gain.structure, gain.test_set, gain.metric)
    for quantity in (gain.metric, f"median {gain.metric}"):
        wanted = (family, gain.structure, gain.test_set, quantity)
        found = [v for k, v in first_values(published).items() if (k[0], *k[2:]) == wanted]
        if found:
            return found[0] if len(found) == 1 else None
    return None


def _difference(gain: Gain, of_sizes: list[list[Value]], published: Published) -> AuditRow:
    """Return the row of a gain by the scores at each size: of the models, and of the one gained over as the last."""
    means = [average([unrounded(s.mean) for s in scores[:-1]]) for scores in of_sizes]
    bases = [unrounded(scores[-1].mean) for scores in of_sizes]
    mean, base, unit = average(means), average(bases), unit_of(gain.metric, published)
    share = scale_of(gain.metric, published) == SHARE
    per_cent = gain.unit == "%" or (share and abs(gain.gain) > 1)
    distance = scale(gain.metric) == DISTANCE
    points = exactly(100 / unit if per_cent and not distance else 1)
    interpretations = []
    if not (distance and gain.unit and base.low > 0):  # a distance has no percentage points
        interpretations.append(Interpretation(DIFFERENCE, (mean - base) * points))
    sign = exactly(1)
    if (gain.metric in KNOWN and KNOWN[gain.metric].better != "higher") or published.better(gain.metric) == "lower":
        sign = exactly(-1)
        if interpretations:
            interpretations.append(Interpretation(REDUCTION, (mean - base) * points * sign))
    rows = [rows_of(score, published) for score in of_sizes[0]]
    of_structures = all(rows) and len(of_sizes) == 1
    if of_structures and interpretations:
        interpretations.insert(1, Interpretation(OF_ROWS, _of_rows(rows) * points))
    if all(b.low > 0 for b in bases):  # a share more than doubled may stand as a fraction, too
        relative = [(m - b) / b * sign for m, b in zip(means, bases)]
        for factor in sorted({100.0 if per_cent else unit, 100.0 if gain.unit else unit}):
            interpretations.append(Interpretation(RELATIVE, (mean - base) / base * sign * exactly(factor)))
            if len(of_sizes) > 1:
                interpretations.append(Interpretation(OF_GAINS, average(relative) * exactly(factor)))
            if of_structures and (each := _relative_of_rows(rows, sign)):
                interpretations.append(Interpretation(OF_ROWS_GAINS, each * exactly(factor)))
    where = places(gain.where, *(s.where for scores in of_sizes for s in scores))
    return judged(
        CHECK, _about(gain), where, gain.gain.text, _source(of_sizes), unrounded(gain.gain), interpretations,
        note=_each(interpretations, min(4, gain.gain.decimals + 2)),
        rests_on=(f"gain {gain.gain.text} of {_about(gain)}", *numbers_of(*(s for scores in of_sizes for s in scores))),
    )  # fmt: skip


def _source(of_sizes: list[list[Value]]) -> str:
    """Return the scores that a gain is computed from: the models' mean minus that of the one gained over."""
    if len(of_sizes) > 1:
        sides = [" + ".join(s.mean.text for s in scores) for scores in zip(*of_sizes)]
        return f"({' + '.join(sides[:-1])}) / {len(of_sizes) * (len(sides) - 1)} - ({sides[-1]}) / {len(of_sizes)}"
    *models, base = of_sizes[0]
    terms = " + ".join(s.mean.text for s in models)
    averaged = f"({terms}) / {len(models)}" if len(models) > 1 else terms
    return f"{averaged} - {base.mean.text}"


def _each(interpretations: list[Interpretation], decimals: int) -> str:
    """Return what each interpretation gives, as a sentence."""
    text = ", ".join(f"{r.name} is {r.value.middle:.{decimals}f}" for r in interpretations)
    return f"{text[0].upper()}{text[1:]}"


def _of_rows(rows: list[list[Value]]) -> Interval:
    means = [likely_average([unrounded(row.mean) for row in own]) for own in rows]
    return average(means[:-1]) - means[-1]


def _relative_of_rows(rows: list[list[Value]], sign: Interval) -> Interval | None:
    """Return the mean of the structures' relative gains; None where structures differ or a base may be 0."""
    by_structure = [{row.structure: unrounded(row.mean) for row in own} for own in rows]
    bases = by_structure[-1]
    if any(own.keys() != bases.keys() for own in by_structure) or any(b.low <= 0 for b in bases.values()):
        return None
    means = {name: average([own[name] for own in by_structure[:-1]]) for name in bases}
    return likely_average([(means[name] - base) / base * sign for name, base in bases.items()])


def _about(gain: Gain) -> str:
    return f"Gain of {' and '.join(gain.families)} over {_name(gain)}"


def _name(gain: Gain) -> str:
    if len(gain.n_train) > 1:
        sizes = ", ".join(map(str, gain.n_train))
        return f"{key_text((gain.over, 0, gain.structure, gain.test_set, gain.metric))}, averaged over n = {sizes}"
    n = gain.n_train[0] if gain.n_train else 0
    return key_text((gain.over, n, gain.structure, gain.test_set, gain.metric))


def _sources(gain: Gain) -> AuditRow:
    """Check that no cohort is named as a source of its own gain, since the models were trained on others before."""
    own = gain.test_set in gain.sources
    return AuditRow(
        CHECK, f"Sources of the gain over {_name(gain)}", gain.where, ", ".join(gain.sources),
        f"cohorts other than the target, {gain.test_set}", NOT if own else "follows",
        note="The sentence names the target itself as a source" if own else "",
    )  # fmt: skip

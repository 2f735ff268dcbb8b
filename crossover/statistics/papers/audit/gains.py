"""Printed gains against the printed scores: as a difference, or relative to the score of the model gained over."""

from crossover.statistics.papers.audit.averages import rows_of
from crossover.statistics.papers.audit.interval import Interval, average, exactly, likely_average, unrounded
from crossover.statistics.papers.audit.lookup import at_size, first_values, key_text
from crossover.statistics.papers.audit.scores import scale_of, unit_of
from crossover.statistics.papers.audit.verdicts import NOT, AuditRow, Interpretation, judged, places, unchecked
from crossover.statistics.papers.printed import Gain, Value
from crossover.statistics.papers.published import Published
from crossover.statistics.scores.scales import KNOWN, SHARE

CHECK = "gain"
DIFFERENCE = "the difference of the scores"
RELATIVE = "the difference relative to the subtracted score"
REDUCTION = "the reduction of the score"
OF_ROWS = "the difference of the means of the printed rows"


def gains(published: Published) -> list[AuditRow]:
    """Check every printed gain, and the sources that its sentence names."""
    rows = []
    for gain in published.gains:
        named = (*gain.families, gain.over)
        found = {family: _score(published, gain, family) for family in named}
        scores = [score for score in found.values() if score]
        if len(scores) == len(named):
            rows.append(_difference(gain, scores, published))
        else:
            missing = ", ".join(family for family, score in found.items() if not score)
            why = f"exactly one score of {missing} is needed there, and none or several are printed"
            rows.append(unchecked(CHECK, _about(gain), gain.where, gain.gain.text, why))
        if gain.sources:
            rows.append(_sources(gain))
    return rows


def _score(published: Published, gain: Gain, family: str) -> Value | None:
    """Return the family's score on the gain's test set, at the gain's size, or the only one printed."""
    if gain.n_train is not None:
        values = first_values(published)
        return at_size(values, family, gain.n_train, gain.structure, gain.test_set, gain.metric)
    for quantity in (gain.metric, f"median {gain.metric}"):
        wanted = (family, gain.structure, gain.test_set, quantity)
        found = [v for k, v in first_values(published).items() if (k[0], *k[2:]) == wanted]
        if found:
            return found[0] if len(found) == 1 else None
    return None


def _difference(gain: Gain, scores: list[Value], published: Published) -> AuditRow:
    mean, base = average([unrounded(s.mean) for s in scores[:-1]]), unrounded(scores[-1].mean)
    unit = unit_of(gain.metric, published)
    per_cent = gain.unit == "%" or (scale_of(gain.metric, published) == SHARE and abs(gain.gain) > 1)
    points = exactly(100 / unit if per_cent else 1)
    readings = [Interpretation(DIFFERENCE, (mean - base) * points)]
    improved = mean - base
    if (gain.metric in KNOWN and KNOWN[gain.metric].better != "higher") or published.better(gain.metric) == "lower":
        improved = -improved
        readings.append(Interpretation(REDUCTION, improved * points))
    if base.low > 0:  # a share more than doubled may stand as a fraction, too
        for factor in sorted({100.0 if per_cent else unit, 100.0 if gain.unit else unit}):
            readings.append(Interpretation(RELATIVE, improved / base * exactly(factor)))
    rows = [rows_of(score, published) for score in scores]
    if all(rows):
        readings.insert(1, Interpretation(OF_ROWS, _of_rows(rows) * points))
    terms = " + ".join(s.mean.text for s in scores[:-1])
    averaged = f"({terms}) / {len(scores) - 1}" if len(scores) > 2 else terms
    return judged(
        CHECK, _about(gain),
        places(gain.where, *(s.where for s in scores)), gain.gain.text,
        f"{averaged} - {scores[-1].mean.text}", unrounded(gain.gain), readings,
        note=_each(readings),
    )  # fmt: skip


def _each(readings: list[Interpretation]) -> str:
    """Return what each reading gives, as a sentence."""
    text = ", ".join(f"{r.name} is {r.value.middle:.4f}" for r in readings)
    return f"{text[0].upper()}{text[1:]}"


def _of_rows(rows: list[list[Value]]) -> Interval:
    means = [likely_average([unrounded(row.mean) for row in own]) for own in rows]
    return average(means[:-1]) - means[-1]


def _about(gain: Gain) -> str:
    return f"Gain of {' and '.join(gain.families)} over {_name(gain)}"


def _name(gain: Gain) -> str:
    return key_text((gain.over, gain.n_train or 0, gain.structure, gain.test_set, gain.metric))


def _sources(gain: Gain) -> AuditRow:
    """Check that no cohort is named as a source of its own gain, since the models were trained on others before."""
    own = gain.test_set in gain.sources
    return AuditRow(
        CHECK, f"Sources of the gain over {_name(gain)}", gain.where, ", ".join(gain.sources),
        f"cohorts other than the target, {gain.test_set}", NOT if own else "follows",
        note="The sentence names the target itself as a source" if own else "",
    )  # fmt: skip

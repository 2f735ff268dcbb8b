"""A row of the audit: what was checked, and the verdict that interpretations of a printed number lead to."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from crossover.statistics.papers.audit.interval import TOLERANCE, Interval, gap, unrounded
from crossover.statistics.papers.audit.lookup import key_of, key_text
from crossover.statistics.papers.printed import Value
from crossover.statistics.papers.printed_number import Printed

Verdict = Literal[
    "follows", "depends on interpretation", "does not follow", "can't be checked"
]  # fmt: skip
FOLLOWS: Final = "follows"
DEPENDS: Final = "depends on interpretation"
NOT: Final = "does not follow"
UNCHECKED: Final = "can't be checked"
SPREADS = {"sd": "SD", "se": "standard error", "ci": "interval"}
OF_CASES = (
    "an SD of something else than the cases' scores (folds, trainings, slices), about which the paper says nothing"
)
WHOLE = 10
"""From here on decimals of a distance tell nothing."""


@dataclass(frozen=True)
class Interpretation:
    """One way to understand a statement, and the numbers that then follow."""

    name: str
    value: Interval
    shown: Interval | None = None
    """What is shown as recomputed, where `value` is only what the interpretation assumes."""


@dataclass(frozen=True)
class AuditRow:
    """What was checked, and how it came out."""

    check: str
    about: str
    where: str
    printed: str
    follows_from: str
    verdict: Verdict
    low: float = math.nan
    """The recomputed interval: of the first interpretation that follows, else of the nearest one."""
    high: float = math.nan
    interpretation: str = ""
    """The interpretation under which it follows, where it doesn't follow under all."""
    off_by: float = math.nan
    """How far the nearest interpretation is, beyond rounding; NaN unless it doesn't follow."""
    note: str = ""
    rests_on: tuple[str, ...] = ()
    """The printed numbers that it compares, in words: findings that share one may have one cause."""
    assumes: str = ""
    """What it assumes and the paper doesn't say: the interpretation of a number that otherwise doesn't follow."""
    group: str = ""
    """The numbers that this finding shares with others that do not follow either; "" of a single one."""


def numbers_of(*values: Value, means: bool = True, spreads: bool = False) -> tuple[str, ...]:
    """Return the printed means, and what is printed of their spreads, in words: those that a check uses."""
    found = []
    for value in values:
        key = key_text(key_of(value))
        if means:
            found.append(f"{value.statistic} {value.mean.text} of {key}")
        for name in ("sd", "se", "ci") if spreads else ():
            if (printed := getattr(value, name)) is not None:
                ends = printed if isinstance(printed, tuple) else (printed,)
                found.append(f"{SPREADS[name]} {' to '.join(x.text for x in ends)} of {key}")
    return tuple(found)


def sd_assumed(*values: Value) -> str:
    """Return what a check takes for granted where values don't say what their SDs are over; "" where they do."""
    return OF_CASES if any(value.sd is not None and value.sd_of is None for value in values) else ""


def span(low: float, high: float, decimals: int = 9) -> str:
    """Return an interval as text, "0.61 to 0.63" or "0.62", with so many decimals at most; "" for NaN."""
    if math.isnan(low):
        return ""
    return " to ".join(dict.fromkeys(_digits(end, decimals) for end in (low, high)))


def _digits(value: float, decimals: int) -> str:
    """Return a number with four digits, fewer where that takes more decimals, but one."""
    if 0 < abs(value) < 0.5 * 10.0**-decimals:
        return f"{value:.1g}"
    text = f"{value:.4g}"
    return f"{value:.{decimals}f}" if "e-" in text or len(text.partition(".")[2]) > decimals else text


def judged(
    check: str,
    about: str,
    where: str,
    printed: str,
    follows_from: str,
    value: Interval,
    interpretations: Sequence[Interpretation],
    relation: str = "equals",
    note: str = "",
    otherwise: str = "",
    rests_on: tuple[str, ...] = (),
) -> AuditRow:
    """Return the row for a printed number: it follows under all interpretations, under some, or under none.

    Args:
        otherwise: what the paper leaves open, so that the number may be right though no interpretation gives it: it is
            then the interpretation of such a number. Without it, such a number does not follow.
        rests_on: the numbers that contradict each other where it doesn't follow (`numbers_of`).

    Raises:
        ValueError: no interpretation, or an unknown relation.
    """
    if not interpretations:
        raise ValueError(f"{about}: an interpretation is needed")
    gaps = [gap(value, relation, r.value) for r in interpretations]
    holds = [r for r, g in zip(interpretations, gaps) if g == 0]
    nearest = min(range(len(interpretations)), key=lambda k: gaps[k])
    first = (holds or [interpretations[nearest]])[0]
    shown = first.shown or first.value
    verdict: Verdict = FOLLOWS
    interpretation, off_by = "", math.nan
    if not holds and otherwise:
        verdict, interpretation = DEPENDS, otherwise
    elif not holds:
        verdict, off_by = NOT, gaps[nearest]
        interpretation = interpretations[nearest].name if len(interpretations) > 1 else ""
    elif len(holds) < len(interpretations):
        verdict, interpretation = DEPENDS, "; or ".join(r.name for r in holds)
    return AuditRow(
        check, about, where, printed, follows_from, verdict, shown.low, shown.high, interpretation, off_by, note,
        rests_on,
    )  # fmt: skip


def usual_first(
    value: Interval, usual: Sequence[Interpretation], unusual: Sequence[Interpretation], relation: str = "equals"
) -> list[Interpretation]:
    """Return the usual interpretations that hold; where none does, all of them and the unusual ones."""
    return [r for r in usual if gap(value, relation, r.value) == 0] or [*usual, *unusual]


def unchecked(check: str, about: str, where: str, printed: str, why: str) -> AuditRow:
    """Return the row for a statement that the printed numbers can't decide."""
    return AuditRow(check, about, where, printed, "", UNCHECKED, note=why)


def p_interval(p: Printed, below: bool) -> Interval:
    """Return all p values that a printed one stands for; from 0 where only "p < ..." is printed."""
    return Interval(0.0, float(p)) if below else unrounded(p).clipped(0, 1)


def p_is_below(p: Printed, below: bool, alpha: float) -> bool:
    """Return whether a printed p is below alpha; "p < 0.05" is, at 0.05."""
    return p < alpha or (below and p <= alpha)


def p_text(p: Printed, below: bool) -> str:
    """Return a p value as it is printed."""
    return f"< {p.text}" if below else p.text


def places(*where: str) -> str:
    """Join places, each named once."""
    return "; ".join(dict.fromkeys(p for w in where for p in w.split("; ")))


def off_text(off: float) -> str:
    """Return how far a number is off, with the digits that tell something; of counts nothing is rounded."""
    if abs(off - round(off)) < TOLERANCE:
        return f"{off:.0f}"
    return f"{off:.0f} beyond rounding" if off >= WHOLE else f"{off:.2g} beyond rounding"

"""Numbers and lists in sentences, and lines for a terminal."""

import math
from collections.abc import Collection, Mapping, Sequence

MOST_NAMED = 8
"""How many things a message names before "and 3 more"."""


def counted(count: float, what: str) -> str:
    """Count things: "1 training", "3 trainings"."""
    return f"{int(count):,} {what}{'' if count == 1 else 's'}"


def patients_and_cases(cases: Mapping[str, str], left_out: Collection[str] | None = None) -> str:
    """Count patients, and cases where a patient has several: "14 patients", "11 of 14 patients (12 of 15 cases)".

    Args:
        cases: case -> its patient.
        left_out: the cases that are left out; a patient is counted who has another. None: only count all.
    """
    patients = {*cases.values()}
    several = len(cases) > len(patients)
    if left_out is None:
        return counted(len(patients), "patient") + (f" ({counted(len(cases), 'case')})" if several else "")
    taken = [case for case in cases if case not in left_out]
    of_cases = f" ({len(taken):,} of {counted(len(cases), 'case')})" if several else ""
    return f"{len({cases[case] for case in taken}):,} of {counted(len(patients), 'patient')}{of_cases}"


def duration(seconds: float) -> str:
    """Round a time (s) in the unit that suits: "0.4 s", "45 s", "12 min", "3.5 h", "1,200 h"."""
    if seconds < 90:
        return f"{seconds:.{0 if seconds >= 1 else 1}f} s"
    hours = seconds / 3600
    return f"{seconds / 60:.0f} min" if hours < 1.5 else f"{hours:,.{0 if hours >= 10 else 1}f} h"


def first_few(things: Sequence[object], most: int = MOST_NAMED, sign: str = ", ", what: str = "") -> str:
    """Join the first few, with a sign between them, and say how many more there are: "a, b and 3 more cases".

    Args:
        what: what they are, where the words before them don't say so.
    """
    more = f" and {len(things) - most} more {what}".rstrip() if len(things) > most else ""
    return sign.join(map(str, things[:most])) + more


def p_text(p: float) -> str:
    """Format a p value: "0.041", and "< 0.001" below that; one below 0.05 never reads as 0.05: "0.0496"."""
    if p < 0.001:
        return "< 0.001"
    text = f"{p:.3f}"
    return f"{math.floor(p * 1e4) / 1e4:.4f}" if p < 0.05 <= float(text) else text


def printable(line: str) -> str:
    """Return a line without what no terminal should be sent: escape sequences, or bytes that are no text."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)

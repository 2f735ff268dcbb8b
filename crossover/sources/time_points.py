"""Dates and time points in the names of files and folders."""

from __future__ import annotations

import re

_NUMBERED = r"t|tp|time|time-?point|session|visit|fu|follow-?up|day|week|month|year"
_DATE = r"(?:19|20)\d\d([-_.]?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])"
TIME_POINT = re.compile(
    rf"(?<![A-Za-z0-9])(?:(?:{_NUMBERED})-?\d+|ses-?[A-Za-z0-9]+|baseline|follow-?up|pre|post|{_DATE})(?![A-Za-z0-9])",
    re.IGNORECASE,
)
"""A date or a time point, as a word of a name: "20200131", "ses-02", "t0", "followup"."""


def without_time(name: str) -> str:
    """Return a patient's name without a time point at its end: "p1" of "p1_20200131" and "p1-t0"."""
    return re.sub(rf"[_\-. ]+{TIME_POINT.pattern}$", "", name, flags=re.IGNORECASE)

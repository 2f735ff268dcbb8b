"""Several scans of one patient, told by dates and time points in their paths."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping
from statistics import median

SCAN = "{scan}"
_NUMBERED = r"t|tp|time|time-?point|session|visit|fu|follow-?up|day|week|month|year"
_DATE = r"(?:19|20)\d\d([-_.]?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])"
_TIME = re.compile(
    rf"(?<![A-Za-z0-9])(?:(?:{_NUMBERED})-?\d+|ses-?[A-Za-z0-9]+|baseline|follow-?up|pre|post|{_DATE})(?![A-Za-z0-9])",
    re.IGNORECASE,
)
_CONTRASTS = {"t1", "t2"}
"""What MR contrasts are called, which are no time points where there are no others."""
MOST_UNTIMED = 0.2
"""The share of files that may lack a time point where the others have one."""


def timed(paths: Collection[str], place: int) -> dict[str, dict[str, str]]:
    """Return each path with its time point in braces -> time point -> path: "p1/{scan}/t2.nii.gz" -> "2020-01-31".

    Nothing is returned where the paths tell no time points, or of nobody two; paths without one are left out.

    Args:
        place: 0 for the first time point in a path, -1 for the last: "t2" may be one, or the image of another.
    """
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for path in paths:
        if times := [match[0] for match in _TIME.finditer(path)]:
            found[_without(path, times[place], place)][times[place]] = path
    several = any(len(own) > 1 for own in found.values())
    every = {time.lower() for own in found.values() for time in own}
    few = sum(map(len, found.values())) < (1 - MOST_UNTIMED) * len(paths)
    return {} if few or not several or every <= _CONTRASTS else dict(found)


def _without(path: str, time: str, place: int) -> str:
    """Return a path with a time point in braces wherever it stands; "t2" at one place, as it may be an image's name."""
    found = [match.span() for match in _TIME.finditer(path) if match[0] == time]
    for begin, end in reversed([found[place]] if time in _CONTRASTS else found):
        path = path[:begin] + SCAN + path[end:]
    return path


def named_scan(name: str) -> tuple[str, str] | None:
    """Return the pattern of a name with a time point in braces, and whose it is: "p1_{scan}" -> "p1"; None without."""
    if found := re.fullmatch(rf"(.+?)([_\-. ]+){re.escape(SCAN)}", name):
        return "{patient}" + found[2] + SCAN, found[1]
    if found := re.fullmatch(rf"{re.escape(SCAN)}([_\-. ]+)(.+)", name):
        return SCAN + found[1] + "{patient}", found[2]
    return None


def are_scans(groups: Mapping[str, list[str]]) -> bool:
    """Return whether folders are a patient's scans, and the folders above them (`groups`) the patients.

    They are where there are twice as many folders above as one of them mostly holds: sites are few, and hold many.
    Folders that are all called by a time point are nobody's.
    """
    if all(_TIME.fullmatch(name) for name in groups):
        return False
    return len(groups) >= 2 * median(map(len, groups.values()))

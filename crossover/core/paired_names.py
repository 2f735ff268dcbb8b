"""Names of the left and the right one of a pair of structures."""

from __future__ import annotations

import re
from collections.abc import Collection

_OTHER = {"left": "right", "l": "r", "lt": "rt", "li": "re", "links": "rechts"}
_WORD = re.compile(r"[A-Za-z]+")


def pairs_of(structures: Collection[str]) -> dict[str, str]:
    """Return the left structure of each pair -> the right one, in the order of the names."""
    return {name: partner for name in structures if (partner := _partner(name)) in structures and partner}


def _partner(name: str) -> str | None:
    """Return the name of the right one of a pair of which this is the left one; None where this is none."""
    for word in _WORD.finditer(name):
        if other := _OTHER.get(word[0].lower()):
            own = other.upper() if word[0].isupper() else other.capitalize() if word[0][0].isupper() else other
            return name[: word.start()] + own + name[word.end() :]
    return None

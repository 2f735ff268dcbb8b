"""Names of the left and the right one of a pair of structures."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

SIDES = dict.fromkeys(("left", "l", "lt", "le", "li", "links", "gauche"), "left") | dict.fromkeys(
    ("right", "r", "rt", "ri", "re", "rechts", "droit", "droite"), "right"
)
"""Words in English, German and French, in lower case, -> the side that they tell."""
_WORD = re.compile(r"[A-Za-z]+")


def pairs_of(structures: Collection[str]) -> dict[str, str]:
    """Return the left structure of each pair -> the right one, in the order of the names.

    The names of a pair differ by one word, which tells the side: "parotid_l" and "parotid_r".
    """
    right = {rest: name for name in structures for rest in _without("right", name)}
    return {name: right[rest] for name in structures for rest in _without("left", name) if rest in right}


def _without(side: str, name: str) -> Iterator[tuple[str, str]]:
    """Yield what stands before and after each word of a name that tells this side."""
    for word in _WORD.finditer(name):
        if SIDES.get(word[0].lower()) == side:
            yield name[: word.start()], name[word.end() :]

"""Names of structures that mean the same: "Parotid_L", "PAROTID L", "Left Parotid"."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SIDES = {
    "l": "left",
    "lt": "left",
    "li": "left",
    "le": "left",
    "r": "right",
    "rt": "right",
    "re": "right",
    "ri": "right",
}
FILLING = {"the", "of", "gland", "organ", "roi"}


@dataclass(frozen=True)
class Named:
    """Names that are one structure's."""

    names: tuple[str, ...]
    """As they were written, the most frequent first."""
    patients: frozenset[int]
    """Places in the list of patients."""
    alike: tuple[str, ...]
    """Names of others that share a word with it."""


def words(name: str) -> tuple[str, ...]:
    """Return the words of a name in alphabetical order, sides written out: "Parotid_L" has left and parotid."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])", " ", name)
    found = [w for w in re.split(r"[^a-z0-9]+", parted.lower()) if w]
    kept = [SIDES.get(w, w) for w in found if w not in FILLING] or found
    return tuple(sorted(kept))


def grouped(structures: Sequence[Sequence[str]]) -> list[Named]:
    """Return the structures of all patients, those that most have first.

    Args:
        structures: of each patient, what the patient's structures are called.
    """
    written: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    patients: dict[tuple[str, ...], set[int]] = defaultdict(set)
    for patient, names in enumerate(structures):
        for name in names:
            if key := words(name):
                written[key][name.strip()] += 1
                patients[key].add(patient)
    order = sorted(written, key=lambda key: (-len(patients[key]), key))
    return [
        Named(tuple(n for n, _ in written[key].most_common()), frozenset(patients[key]), _alike(key, order, written))
        for key in order
    ]


def _alike(key: tuple[str, ...], keys: Sequence[tuple[str, ...]], written: Mapping) -> tuple[str, ...]:
    telling = {w for w in key if len(w) > 3 and w not in ("left", "right")}
    sides = {"left", "right"} & set(key)
    near = [
        k for k in keys if k != key and telling & set(k) and {"left", "right"} & set(k) <= (sides or {"left", "right"})
    ]
    return tuple(written[k].most_common(1)[0][0] for k in near[:5])

"""Names of structures that mean the same: "Parotid_L", "PAROTID L", "Left Parotid"."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from crossover.core.file_names import unaccented
from crossover.core.paired_names import SIDES

SPELT_ALIKE = 0.8
"""The share of the letters that two spellings of one name have in common, at least."""
FILLING = {"the", "of", "gland", "organ", "roi"}


@dataclass(frozen=True)
class Named:
    """Names that are one structure's."""

    names: tuple[str, ...]
    """The names as they were written, the most frequent first."""
    patients: frozenset[int]
    """The places of its patients in the list of patients."""
    alike: tuple[str, ...]
    """The names of others that share a word with it."""


Key = tuple[str, str]
"""The side of a structure, "" where it has none; and the rest of its name."""


def key_of(name: str) -> Key:
    """Return what names that mean the same share: "Parotid_L" and "LEFT PAROTID" have ("left", "parotid")."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])", " ", unaccented(name))
    found = [SIDES.get(w, w) for w in re.split(r"[\W_]+", parted.lower()) if w]
    kept = [w for w in found if w not in FILLING] or found
    sides = sorted({w for w in kept if w in SIDES.values()})
    rest = " ".join(w for w in kept if w not in sides)
    return "".join(sides), re.sub(r"(?<!\d) | (?!\d)", "", rest)  # "T1-2" is not "T12"


def signs_of(name: str) -> str:
    """Return the signs at the ends of a name, by which "GTV-" and "_GTV" are told from "GTV"."""
    return "".join(re.findall(r"^[-+!~'_]+|[-+!~'_]+$", name.strip()))


def group_names(structures: Sequence[Sequence[str]]) -> list[Named]:
    """Return the structures of all patients, those that most have first.

    Names with signs at their ends are left out where others mean the same: an ingest takes them for these, and warns.

    Args:
        structures: of each patient, what the patient's structures are called.
    """
    written: dict[Key, Counter[str]] = defaultdict(Counter)
    patients: dict[Key, set[int]] = defaultdict(set)
    for patient, names in enumerate(structures):
        for name in names:
            if any(key := key_of(name)):
                written[key][name.strip()] += 1
                patients[key].add(patient)
    order = sorted(written, key=lambda key: (-len(patients[key]), key))
    return [Named(_plain(written[key]), frozenset(patients[key]), _alike(key, order, written)) for key in order]


def _plain(written: Counter[str]) -> tuple[str, ...]:
    names = tuple(name for name, _ in written.most_common())
    return tuple(name for name in names if not signs_of(name)) or names


def _alike(key: Key, keys: Sequence[Key], written: Mapping[Key, Counter[str]]) -> tuple[str, ...]:
    """Return up to five names on the same side that hold this one, or that this one holds."""
    near = [k for k in keys if _near(key, k)]
    return tuple(written[k].most_common(1)[0][0] for k in near[:5])


def may_mean_the_same(name: str, other: str) -> bool:
    """Return whether two names that differ are on the same side, and one holds the other: "cord", "spinal cord"."""
    return _near(key_of(name), key_of(other))


def one_of_two_spellings(name: str, other: str) -> bool:
    """Return whether two names may be spellings of one structure's: "Parotid_L" and "Partoid_L", "parotidl".

    They have the same numbers, not different sides, and nearly the same letters.
    """
    (side, own), (other_side, theirs) = key_of(name), key_of(other)
    if (side and other_side and side != other_side) or re.findall(r"\d+", own) != re.findall(r"\d+", theirs):
        return False
    first, second = own + (side[:1] if not other_side else ""), theirs + (other_side[:1] if not side else "")
    return max(SequenceMatcher(None, a, b).ratio() for a, b in ((own, theirs), (first, second))) >= SPELT_ALIKE


def _near(key: Key, other: Key) -> bool:
    (side, name), (other_side, other_name) = key, other
    long_enough = len(min(name, other_name, key=len)) > 3
    return key != other and side == other_side and long_enough and (name in other_name or other_name in name)

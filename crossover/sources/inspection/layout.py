"""Which files of a tree belong to one patient, told by how regular their paths are; `tree` tells scans apart."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from crossover.core.image_names import ending, without_ending
from crossover.sources.inspection.scans import SCAN, named_scan, replaced

MOST_ROLES = 60
WORDS = re.compile(
    r"^(images?|labels?|masks?|segs?|segmentations?|gt|rois?|t1[a-z]?|t2[a-z]?|adc|dwi|flair|ct|mr|pet|imagestr|labelstr|train"
    r"|test|structures)$",
    re.IGNORECASE,
)
"""Words that name a kind of file, and no patient."""


@dataclass(frozen=True)
class Layout:
    """The patterns of a tree, each with the file of every patient who has one."""

    roles: dict[str, dict[str, str]]
    """The pattern with `{patient}`, and `{group}` where folders above differ -> patient -> path."""
    loose: tuple[str, ...]
    """The files that fit no pattern."""
    scans: Mapping[str, str] = field(default_factory=dict)
    """The scan -> its patient, where patterns have `{scan}` and patients several: "p1 2020-01-31"."""

    @property
    def patients(self) -> list[str]:
        """All patients, or scans, that some pattern finds, with their group where there are groups: "siteA/p1"."""
        return sorted({patient for files in self.roles.values() for patient in files})

    def below(self, folder: str) -> Layout:
        """Return the layout of the same files below a folder."""
        roles = {f"{folder}/{role}": {p: f"{folder}/{f}" for p, f in own.items()} for role, own in self.roles.items()}
        return Layout(roles, tuple(f"{folder}/{path}" for path in self.loose), self.scans)


def of_patients(paths: Sequence[str]) -> Layout:
    """Return the most regular reading in which each folder or name is a patient's.

    It is that in which most patients have most patterns, then that with the fewest. A patient is identified by the name
    of a folder, at any depth, or by the beginning or the number of a file's name.
    """
    deepest = max((path.count("/") for path in paths), default=0)
    options = [_by_folder(paths, depth) for depth in range(deepest)] + [
        _by_name(paths, _ends),
        _by_name(paths, _number),
    ]
    fitting = [r for r in (_of(own, paths) for own in options) if r.roles]
    if not fitting:
        return Layout({}, tuple(paths))
    return max(fitting, key=lambda r: (round(regular(r), 2), -len(r.roles)))


def regular(reading: Layout) -> float:
    """Return the share of files that have a pattern, times the share of patterns that a patient has."""
    used = sum(map(len, reading.roles.values()))
    return used and used / (used + len(reading.loose)) * used / (len(reading.patients) * len(reading.roles))


Option = tuple[str, str, str]
"""A file's path, its pattern and its patient."""


def _of(options: Iterable[Option], paths: Sequence[str]) -> Layout:
    """Return a reading's patterns that a fifth of its patients have, two or more; none where it is no reading.

    Files elsewhere, whose path names one of the patients as a word, are theirs too.
    """
    kept = _often(options)
    known = {p.rpartition("/")[2] for files in kept.values() for p in files}
    folders = {part for pattern in kept for part in pattern.split("/")[:-1]}
    if len(kept) > MOST_ROLES or any(WORDS.match(name) for name in known) or folders & known:
        return Layout({}, tuple(paths))  # else a patient's folder would be one of all patients
    used = {path for files in kept.values() for path in files.values()}
    if not any("{group}" in pattern for pattern in kept):
        kept |= _often(_named_in((path for path in paths if path not in used), known))
        used = {path for files in kept.values() for path in files.values()}
    return Layout(dict(sorted(kept.items())), tuple(p for p in paths if p not in used))


def files_of(paths: Sequence[str], patients: Collection[str]) -> dict[str, dict[str, str]]:
    """Return pattern -> patient -> path, for paths that name one of the patients as a word."""
    return _often(_named_in(paths, patients), 1)


def named_by(paths: Sequence[str], names: Collection[str]) -> Layout:
    """Return the reading by names that are known, as from a table of patients or scans."""
    roles = _often(_named_in(paths, names))
    used = {path for files in roles.values() for path in files.values()}
    return Layout(roles, tuple(path for path in paths if path not in used))


def _often(options: Iterable[Option], least: int = 2) -> dict[str, dict[str, str]]:
    """Return the patterns that a fifth of the patients have, or `least`, in whatever format of an image."""
    roles: dict[str, dict[str, str]] = defaultdict(dict)
    having: dict[str, set[str]] = defaultdict(set)
    for path, pattern, patient in options:
        roles[pattern].setdefault(patient, path)
        having[without_ending(pattern)].add(patient)
    patients = {p for files in roles.values() for p in files}
    enough = max(least, len(patients) / 5)
    return {r: files for r, files in sorted(roles.items()) if len(having[without_ending(r)]) >= enough}


def _named_in(paths: Iterable[str], patients: Collection[str]) -> Iterator[Option]:
    for path in paths:
        found = set(path.split("/")[:-1]) & set(patients)
        found = found or {path[a:b] for a, b in word_runs(path)} & set(patients)
        longest = [name for name in found if len(name) == max(map(len, found))]
        if len(longest) == 1:  # of several, whose file it is isn't known
            yield path, replaced(path, longest[0], "{patient}"), longest[0]


def word_runs(path: str) -> Iterator[tuple[int, int]]:
    """Yield the beginning and the end of each run of whole words within one name of a path."""
    for name in re.finditer(r"[^/]+", path):
        words = [m.span() for m in re.finditer(r"(?:[^\W_]|[\u0300-\u036f])+", name[0])]  # with loose accents
        for k, (start, _) in enumerate(words):
            yield from ((name.start() + start, name.start() + end) for _, end in words[k:])


def _by_folder(paths: Sequence[str], depth: int) -> Iterator[Option]:
    """Yield each file's pattern and patient where the folder at a depth is the patient.

    The folders above it are a group where they differ.
    """
    deep = [path for path in paths if path.count("/") > depth]
    above = {path.rsplit("/", path.count("/") - depth + 1)[0] if depth else "" for path in deep}
    above = {folders for folders in above if not WORDS.match(folders)}  # "images" and "masks" are no groups
    times = Counter("/".join(path.split("/")[depth + 1 :]) for path in deep)
    for path in deep:
        parts = path.split("/")
        patient, rest = parts[depth], parts[depth + 1 :]
        whole, patient = named_scan(patient) or ("{patient}", patient)
        if WORDS.match(patient) or SCAN in patient:
            continue
        if times["/".join(rest)] == 1:  # else others have it too, and what looks like the patient's name is none
            rest = [replaced(part, patient, "{patient}") for part in rest]
        group = "/".join(parts[:depth])
        if len(above) > 1 and depth == 1:
            yield path, "/".join(["{group}", whole, *rest]), f"{group}/{patient}"
        else:
            yield path, "/".join([*parts[:depth], whole, *rest]), patient


def _by_name(paths: Sequence[str], parted: Callable[[str], Iterator[tuple[str, str]]]) -> Iterator[Option]:
    """Yield each file's pattern and patient where a part of the file's name is the patient's.

    The rest of the name says what it is: "case01_t2", "case01_seg".
    """
    options = {path: [own for own in parted(path) if SCAN not in own[1]] for path in paths}
    times = Counter(without_ending(pattern) for own in options.values() for pattern, _ in own)
    roles_of: dict[str, set[str]] = defaultdict(set)
    for own in options.values():
        for pattern, patient in own:
            if times[without_ending(pattern)] > 1:
                roles_of[patient].add(pattern)
    for path, own in options.items():
        kept = [
            (len(roles_of[patient]), len(patient), pattern, patient)
            for pattern, patient in own
            if times[without_ending(pattern)] > 1
        ]
        if kept:
            _, _, pattern, patient = max(kept)
            yield path, pattern, patient


def _ends(path: str) -> Iterator[tuple[str, str]]:
    """Yield each way to part a name at a mark, into the patient and the rest; first the whole name."""
    suffix = ending(path)
    name = PurePosixPath(path).name.removesuffix(suffix)
    folder = path[: path.rfind("/") + 1]
    if first := re.match(rf"{re.escape(SCAN)}[_\-. ]+", name):
        folder, name = folder + first[0], name.removeprefix(first[0])
    cuts = [len(name), *(m.start() for m in re.finditer(r"[_\-. ]", name) if m.start() > 0)]
    for cut in cuts:
        yield f"{replaced(folder, name[:cut], '{patient}')}{{patient}}{name[cut:]}{suffix}", name[:cut]


def _number(path: str) -> Iterator[tuple[str, str]]:
    """Yield the part before a number, which is the patient's: "volume-12" and "segmentation-12"."""
    suffix = ending(path)
    name = PurePosixPath(path).name.removesuffix(suffix)
    if number := re.fullmatch(r"(\D+)(\d+)", name):
        yield f"{path[: path.rfind('/') + 1]}{number[1]}{{patient}}{suffix}", number[2]

"""Several scans of one patient, told by their paths: dates and time points, folders, numbers.

Each function returns the paths with the scan in braces -> scan -> path: "p1/{scan}/t2.nii.gz" -> "2020-01-31". It
returns nothing where it finds no scans; paths without a scan are left out.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping

from crossover.sources.time_points import TIME_POINT

SCAN = "{scan}"
Times = Mapping[str, Mapping[str, str]]
_CONTRASTS = {"t1", "t2"}
"""What MR contrasts are called, which are no time points where there are no others."""
MORE = 3
"""How many times as many groups as scans in one, on average, are taken for patients and no sites."""
MOST_UNTIMED = 0.2
"""The share of files that may lack a time point where the others have one."""


def timed(paths: Collection[str], place: int) -> Times:
    """Return the scans that dates and time points tell, if somebody has two.

    Args:
        place: 0 for the first time point in a path, -1 for the last: "t2" may be one, or the image of another.
    """
    found = _Found()
    for path in paths:
        if times := [match[0] for match in TIME_POINT.finditer(path)]:
            found.add(_without(path, times[place], place), times[place], path)
    every = {time.lower() for own in found.times.values() for time in own}
    few = sum(map(len, found.times.values())) < (1 - MOST_UNTIMED) * len(paths)
    return {} if few or not found.several or every <= _CONTRASTS else found.times


def _without(path: str, time: str, place: int) -> str:
    """Return a path with a time point in braces wherever it stands; "t2" at one place, as it may be an image's name."""
    found = [match.span() for match in TIME_POINT.finditer(path) if match[0] == time]
    for begin, end in reversed([found[place]] if time in _CONTRASTS else found):
        path = path[:begin] + SCAN + path[end:]
    return path


def replaced(text: str, word: str, by: str) -> str:
    """Return a text with something else wherever a word stands as one of its own."""
    return re.sub(rf"(?<![A-Za-z0-9]){re.escape(word)}(?![A-Za-z0-9])", lambda _: by, text)


def named_scan(name: str) -> tuple[str, str] | None:
    """Return the pattern of a name with a time point in braces, and whose it is: "p1_{scan}" -> "p1"; None without."""
    if found := re.fullmatch(rf"(.+?)([_\-. ]+){re.escape(SCAN)}", name):
        return "{patient}" + found[2] + SCAN, found[1]
    if found := re.fullmatch(rf"{re.escape(SCAN)}([_\-. ]+)(.+)", name):
        return SCAN + found[1] + "{patient}", found[2]
    return None


def are_scans(groups: Mapping[str, Collection[str]]) -> bool:
    """Return whether what stands in groups may be scans of a patient each, and no patients of a site.

    Patients are many and have few scans; sites are few and have many patients. Groups that are all called by a time
    point are nobody's.
    """
    if not groups or all(TIME_POINT.fullmatch(name) for name in groups):
        return False
    return len(groups) >= MORE * sum(map(len, groups.values())) / len(groups)


def below_folders(roles: Mapping[str, Mapping[str, str]]) -> Times:
    """Return what `timed` returns for a reading in which each folder below another is a patient, if they are scans."""
    if not all("{group}/{patient}" in role for role in roles):
        return {}
    found = _Found()
    groups: dict[str, set[str]] = defaultdict(set)
    for files in roles.values():
        for case, path in files.items():
            group, _, scan = case.partition("/")
            groups[group].add(scan)
            found.add(path.replace(f"{group}/{scan}/", f"{group}/{SCAN}/", 1), scan, path)
    return found.times if are_scans(groups) else {}


def behind_names(roles: Mapping[str, Mapping[str, str]]) -> Times:
    """Return what `timed` returns for a reading whose patients' names end with a scan: "p1-100" and "p1-101"."""
    names = {case for files in roles.values() for case in files}
    parted = {name: own for name in names if (own := re.fullmatch(r"([^/]+)([_\-. ])([A-Za-z0-9]+)", name))}
    if len(parted) < len(names) or len({match[2] for match in parted.values()}) != 1:
        return {}
    found = _Found()
    groups: dict[str, set[str]] = defaultdict(set)
    for match in parted.values():
        groups[match[1]].add(match[3])
    for files in roles.values():
        for case, path in files.items():
            base, mark, scan = parted[case].groups()
            found.add(replaced(path, case, f"{base}{mark}{SCAN}"), scan, path)
    return found.times if found.several and are_scans(groups) else {}


def numbered(roles: Mapping[str, Mapping[str, str]], place: int) -> Times:
    """Return what `timed` returns for a reading whose patterns all repeat by a number: "{patient}_01_mask", "_02_mask".

    Args:
        place: 0 for the first number in a pattern, -1 for the last.
    """
    found = _Found()
    numbers: dict[str, set[str]] = defaultdict(set)
    for role, files in roles.items():
        if not (words := [*re.finditer(r"(?<![A-Za-z0-9])[A-Za-z]*\d+(?![A-Za-z0-9])", role)]):
            return {}
        tokens = [word[0] for word in words]
        scan = ([token for token in tokens if token.lower() not in _CONTRASTS] or tokens)[place]
        bare = replaced(role, scan, SCAN)
        numbers[bare].add(scan.lower())
        for case, path in files.items():
            group, _, patient = case.rpartition("/")
            found.add(bare.replace("{patient}", patient).replace("{group}", group), scan, path)
    repeated = len(numbers) > 1 and all(len(own) > 1 for own in numbers.values())
    return found.times if repeated and not set.union(*numbers.values()) <= _CONTRASTS else {}


def behind_folders(paths: Collection[str]) -> Times:
    """Return what `timed` returns for files called by their folder, then by what no other folder has: "p1/p1_77_t2".

    Files elsewhere that have such a word are of that scan, too.
    """
    named = re.compile(r"(?:.*/)?([^/]+)/\1[_\-. ]([A-Za-z0-9]+)[_\-. ][^/]*")
    own = {path: match for path in paths if (match := named.fullmatch(path))}
    folders: dict[str, set[str]] = defaultdict(set)
    for match in own.values():
        folders[match[2]].add(match[1])
    if len(folders) < 2 or any(len(of) > 1 for of in folders.values()):
        return {}
    found = _Found()
    for path in paths:
        words = [word for word in re.split(r"[^A-Za-z0-9]+", path) if word in folders]
        if len({*words}) == 1:
            found.add(replaced(path, words[0], SCAN), words[0], path)
    return found.times if len(own) >= len(paths) / 2 else {}


class _Found:
    """Paths with their scan in braces -> scan -> path."""

    def __init__(self) -> None:
        self.times: dict[str, dict[str, str]] = defaultdict(dict)

    def add(self, bare: str, scan: str, path: str) -> None:
        self.times[bare][scan] = path

    @property
    def several(self) -> bool:
        """Whether some patient has several."""
        return any(len(own) > 1 for own in self.times.values())

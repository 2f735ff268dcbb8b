"""Which files of a tree belong to which patient, and to which of a patient's scans."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence

from crossover.sources.file_patterns import matching
from crossover.sources.inspection.layout import Layout, of_patients, regular
from crossover.sources.inspection.scans import (
    Times,
    behind_folders,
    behind_names,
    below_folders,
    numbered,
    timed,
)


def layout(paths: Sequence[str]) -> Layout:
    """Return the most regular reading of the paths, with a patient's scans where they tell such.

    It is empty where paths tell time points, and no pattern from which an ingest would read whose they are, as those of
    "p1_2020_01_31".
    """
    above = os.path.commonpath([os.path.dirname(path) for path in paths]) if paths else ""
    if above:
        return layout([path.removeprefix(f"{above}/") for path in paths]).below(above)
    of_times = [found for place in (0, -1) if (found := _of_scans(timed(paths, place), paths)) is not None]
    if of_times:
        return max(of_times, key=_rank)
    plain = of_patients(paths)
    ways = [below_folders(plain.roles), behind_names(plain.roles), behind_folders(paths)]
    ways += [numbered(plain.roles, place) for place in (0, -1)]
    of_scans = [found for times in ways if (found := _of_scans(times, paths)) is not None]
    return max([plain, *(found for found in of_scans if regular(found) >= regular(plain))], key=_rank)


def _rank(found: Layout) -> tuple[bool, float, int]:
    """Return the key by which readings are chosen: that with scans, then the most regular, then the fewest patterns."""
    return bool(found.scans), regular(found), -len(found.roles)


def _of_scans(times: Times, paths: Sequence[str]) -> Layout | None:
    """Return the reading of paths whose scans are known; None where none tells patients apart.

    One pattern alone is none either: two files of it may be two channels, "pre" and "post", of one mask. The reading is
    empty where an ingest would read other patients.
    """
    found = of_patients([*times])
    rows = [(r, p, scan, path) for r, own in found.roles.items() for p, bare in own.items()
            for scan, path in times[bare].items()]  # fmt: skip
    if len(found.roles) < 2:
        return None
    told = ({"patient": patient.rpartition("/")[2], "scan": scan} for _, patient, scan, _ in rows)
    if any(_read_back(role, path) != own for (role, *_, path), own in zip(rows, told, strict=True)):
        return Layout({}, tuple(paths))
    roles: dict[str, dict[str, str]] = defaultdict(dict)
    for role, patient, scan, path in rows:
        roles[role][f"{patient} {scan}"] = path
    used = {path for *_, path in rows}
    scans = {f"{patient} {scan}": patient for _, patient, scan, _ in rows}
    return Layout(dict(roles), tuple(p for p in paths if p not in used), scans)


def _read_back(pattern: str, path: str) -> dict[str, str]:
    """Return what an ingest reads from a path by a pattern, but for the group."""
    return {k: v for row in matching([path], pattern) for k, v in row.items() if k != "group"}

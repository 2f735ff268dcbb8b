"""Files of patients by patterns: "{patient}/t2.nii.gz" has the column `patient`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from crossover.sources.settings import COLUMN, columns_in


def filled(pattern: str, row: Mapping[str, str]) -> str:
    """Return a pattern with each column replaced by its value in a row."""
    return COLUMN.sub(lambda found: row[found[1].strip()], pattern)


def paths_below(root: Path) -> list[str]:
    """Return all files below a folder, sorted, relative to it with `/`; hidden ones and folders are left out.

    Those that macOS writes beside others when it packs them ("._t2.nii.gz") are hidden.
    """
    found = []
    for folder, subfolders, names in os.walk(root, followlinks=False):
        subfolders[:] = sorted(n for n in subfolders if not n.startswith("."))
        here = Path(folder).relative_to(root)
        found += [(here / n).as_posix() for n in names if not n.startswith(".")]
    return sorted(found)


def links_below(root: Path) -> list[str]:
    """Return the links to folders below a folder, relative to it with `/`: `paths_below` does not follow them."""
    walked = ((Path(folder), name) for folder, subfolders, _ in os.walk(root) for name in subfolders)
    return sorted((at / name).relative_to(root).as_posix() for at, name in walked if (at / name).is_symlink())


def matching(paths: Sequence[str], pattern: str) -> Iterator[dict[str, str]]:
    """Yield the columns' values for each path that a pattern fits; a value is a part of one name of the path."""
    wanted, columns = _matcher(pattern)
    for path in paths:
        if found := wanted.fullmatch(path):
            yield dict(zip(columns, found.groups()))


def _matcher(pattern: str) -> tuple[re.Pattern[str], list[str]]:
    """Return a pattern as a regular expression, and the columns that its groups stand for, in their order."""
    order = list(dict.fromkeys(columns_in(pattern)))
    parts, seen = [], set()
    for k, part in enumerate(COLUMN.split(pattern)):
        name = part.strip()
        if k % 2 == 0:
            parts.append(re.escape(part))
        elif name in seen:
            parts.append(f"(?:\\{order.index(name) + 1})")  # the same value again
        else:
            seen.add(name)
            parts.append("([^/]+)")
    return re.compile("".join(parts), re.DOTALL), order

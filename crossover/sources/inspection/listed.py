"""A table in whose columns stand paths of files: what it lists, whatever the files are called."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from crossover.sources.inspection.layout import Layout
from crossover.sources.settings import columns_pattern

PATIENT = re.compile(
    r"(patient|subject|participant|person|proband)([ _.-]*(id|no|nr|number|name|code))?", re.IGNORECASE
)
"""What a table calls its column of patients, where another column names their scans."""
LEAST = 0.5
"""The share of a column's cells that have to be paths of volumes in the folder."""


@dataclass(frozen=True)
class ListedFiles:
    """What a table lists: a row for each case, with the paths of its files."""

    table: str
    patient: str
    """The column of the patients."""
    cases: dict[str, str]
    """Case -> its patient, in the order of the rows: a patient's only case is called as the patient."""
    layout: Layout
    """The columns of files, as patterns `{column}`, each with every case's file."""
    others: list[str]
    """The volumes that no row names."""


def listed_files(paths: Sequence[str], tables: Mapping[str, pd.DataFrame]) -> ListedFiles | None:
    """Return what the first table lists that has columns of paths and one of patients; None where none has.

    Args:
        paths: of the folder's volumes, below the folder.
        tables: of the folder, by name.
    """
    there = set(paths)
    for name, rows in tables.items():
        files = [column for column in rows if _names_files(rows[column], there)]
        others = [column for column in rows if column not in files]
        called = [column for column in others if PATIENT.fullmatch(column)]
        patient = next(iter([*called, *(c for c in others if rows[c].is_unique and rows[c].ne("").all())]), None)
        if files and patient:
            return _listed(name, rows[rows[patient].ne("")], patient, files, paths)
    return None


def _names_files(cells: pd.Series, there: set[str]) -> bool:
    named = cells[cells.ne("")]
    try:
        columns_pattern(f"{{{cells.name}}}")
    except ValueError:  # a source can't name the column
        return False
    return named.nunique() > 1 and named.isin(there).mean() >= LEAST


def _listed(name: str, rows: pd.DataFrame, patient: str, files: list[str], paths: Sequence[str]) -> ListedFiles:
    there = set(paths)
    several = rows[patient].duplicated(keep=False)
    number = rows.groupby(patient).cumcount() + 1
    names = [f"{p}, row {n} of the patient" if more else p for p, n, more in zip(rows[patient], number, several)]
    roles = {
        f"{{{column}}}": {case: path for case, path in zip(names, rows[column]) if path in there} for column in files
    }
    used = {path for own in roles.values() for path in own.values()}
    return ListedFiles(
        name, patient, dict(zip(names, rows[patient])), Layout(roles, ()), [path for path in paths if path not in used]
    )

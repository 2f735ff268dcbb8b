"""Cells of tables that a person made: blanks, numbers, and how messages name rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from crossover.core.wording import MOST_NAMED, first_few

BLANK = " \t\n\r\v\f\x85\xa0\u2007\u2009\u200b\u200e\u200f\u202f\u2060\u3000\ufeff"
_ERROR = re.compile(r"#[A-ZÀ-Þ/0]+[!?]|#N/A|#NV|#GETTING_DATA")
"""Cells that a spreadsheet could not compute: #REF!, #DIV/0!, in other languages too (#BEZUG!)."""
MISSING = {"", "na", "n/a", "nan", "none", "null", "#n/a", "#nv", "<na>"}
"""What stands for a missing number, in lower case."""
_INFINITE = {
    "inf": 1,
    "+inf": 1,
    "-inf": -1,
    "infinity": 1,
    "+infinity": 1,
    "-infinity": -1,
    "∞": 1,
    "-∞": -1,
}
_NUMBER = re.compile(r"[+-]?(?:\d+(?P<sign>[.,]?)\d*|(?P<first>[.,])\d+)(?:[eE][+-]?\d+)?")
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}")

UNSURE = "the sign may separate thousands or decimals; write numbers without thousands separators, with a decimal point"


class TableError(ValueError):
    """A table is not what it has to be; the message lists all findings, one to a line."""

    def of(self, path: Path) -> TableError:
        """Return the same error with the file's name before each line."""
        return TableError("\n".join(f"{path}: {line}" for line in str(self).splitlines()))


def numbers(column: pd.Series, decimal: str = ".") -> tuple[pd.Series, list[str]]:
    """Read text as numbers: empty cells, NA, n/a and NaN are missing, inf and -inf infinite.

    A comma is a decimal comma where it can be nothing else, and "1,234" where the column or else the
    table (`decimal`) shows what it is.

    Args:
        column: text; its name and index (rows) go into the findings.

    Returns:
        Floats, NaN for what is missing or wrong; and the findings, with the rows and cells.
    """
    cells = column.tolist()
    if decimal == "." and not "".join(cells).encode(errors="replace").translate(None, b"0123456789+-.eE"):
        try:
            values = [float(cell) if cell else float("nan") for cell in cells]
            return pd.Series(values, column.index, float, name=column.name), []
        except ValueError:
            pass
    cells = [cell.strip(BLANK).replace("−", "-") for cell in cells]
    own = sure_signs(cells)
    sign = own.pop() if len(own) == 1 else "" if own else decimal
    values = []
    wrong: dict[str, list[str]] = {}
    for row, cell in zip(column.index, cells):
        value, why = _number(cell, sign)
        values.append(value)
        if why:
            wrong.setdefault(why, []).append(f"row {row} ({cell!r})")
    findings = [f"{column.name}: {why}: {first_few(places)}" for why, places in wrong.items()]
    return pd.Series(values, column.index, float, name=column.name), findings


def uncomputed_cells(column: pd.Series) -> list[str]:
    """Return what is wrong with a column of text: cells that the spreadsheet could not compute (#REF!)."""
    cells = column.tolist()
    if "#" not in "".join(cells):
        return []
    rows = [row for row, cell in zip(column.index, cells) if _ERROR.fullmatch(cell)]
    return [f"{column.name}: the spreadsheet shows an error, such as #REF!, in {named_rows(rows)}"] if rows else []


def named_rows(rows: Sequence[int]) -> str:
    """Return words for rows: "row 3", "rows 3, 5 and 9", or the first few and how many more."""
    if len(rows) == 1:
        return f"row {rows[0]}"
    if len(rows) > MOST_NAMED:
        return f"rows {first_few(rows)}"
    return f"rows {', '.join(map(str, rows[:-1]))} and {rows[-1]}"


def _number(cell: str, sign: str) -> tuple[float, str]:
    """Return a cell's value and "", or NaN and what is wrong."""
    word = cell.lower()
    if word in MISSING:
        return float("nan"), ""
    if word in _INFINITE:
        return _INFINITE[word] * float("inf"), ""
    match = _NUMBER.fullmatch(cell)
    if not match or not cell.isascii():
        return float("nan"), "not a number"
    if _GROUPED.fullmatch(cell) and match["sign"] != sign:
        return float("nan"), UNSURE
    return float(cell.replace(",", ".")), ""


def sure_signs(cells: Iterable[str]) -> set[str]:
    """Return the decimal signs of those cells whose sign can't be one between thousands."""
    found = set()
    for cell in cells:
        match = _NUMBER.fullmatch(cell) if cell[-1:].isdigit() or cell[-1:] in ".," else None
        if match and not _GROUPED.fullmatch(cell):
            found.add(match["sign"] or match["first"] or "")
    return found - {""}

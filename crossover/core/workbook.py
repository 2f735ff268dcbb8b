"""Excel workbooks (.xlsx) as rows of text."""

from __future__ import annotations

import datetime
import io
import zipfile
from typing import Any

from crossover.core.cells import TableError, named_rows
from crossover.core.wording import first_few

AS_TABLE = "save the table as .xlsx or as CSV in UTF-8"


def read_workbook(content: bytes) -> tuple[list[list[str]], list[str]]:
    """Return the rows of the one visible sheet that holds anything, and notes.

    Raises:
        TableError: the file is of another kind, has several such sheets, or formulas whose values were not
            saved.
    """
    from openpyxl import load_workbook

    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if "xl/workbook.xml" not in archive.namelist():
                raise TableError(f"not a table: the file is an archive but not an Excel workbook; {AS_TABLE}")
        book = load_workbook(io.BytesIO(content), read_only=True)
        values = load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        held = {s.title: _sheet(s, values[s.title]) for s in book.worksheets if s.sheet_state == "visible"}
    except TableError:
        raise
    except Exception as error:  # damaged workbooks raise nearly anything
        raise TableError(f"the workbook cannot be read ({type(error).__name__}); {AS_TABLE}") from None
    held = {title: sheet for title, sheet in held.items() if any(any(r) for r in sheet[0])}
    if len(held) > 1:
        names = ", ".join(repr(title) for title in held)
        raise TableError(f"several sheets are not empty: {names}; delete or hide all but that of the table")
    if not held:
        return [], []
    records, notes, uncomputed = next(iter(held.values()))
    if uncomputed:
        raise TableError(
            f"formulas without a saved value: {first_few(uncomputed, 8, '; ')}; open the workbook in Excel and save it"
        )
    width = max(map(len, records))
    return [record + [""] * (width - len(record)) for record in records], notes


def _sheet(formulas: Any, values: Any) -> tuple[list[list[str]], list[str], list[str]]:
    """Return cells as text, notes, and the places of formulas that were never computed."""
    records, dates, padded, uncomputed = [], [], [], []
    formulas.reset_dimensions()
    values.reset_dimensions()
    for number, (typed, shown) in enumerate(zip(formulas.iter_rows(), values.iter_rows()), 1):
        record = []
        for place, (own, cell) in enumerate(zip(typed, shown), 1):
            if cell.value is None and own.data_type == "f":
                uncomputed.append(f"row {number} column {place}")
            text = _text(cell.value, getattr(cell, "number_format", ""))
            if isinstance(cell.value, datetime.date):
                dates.append(number)
            elif isinstance(cell.value, (int, float)) and text.startswith("0") and len(text) > 1 and text.isdigit():
                padded.append(number)
            record.append(text)
        records.append(record)
    notes = [f"dates read as YYYY-MM-DD: {named_rows(list(dict.fromkeys(dates)))}"] if dates else []
    if padded:
        notes.append(f"numbers with leading zeros, as Excel shows them: {named_rows(list(dict.fromkeys(padded)))}")
    return records, notes, uncomputed


def _text(value: object, shown_as: str) -> str:
    """Return a cell's value as text: 7.0 is "7", and "007" where its format is 000."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, (int, float)):
        if abs(value) < 1e15 and value == int(value):
            return str(int(value)).zfill(len(shown_as) if set(shown_as) == {"0"} else 0)
        return repr(value)
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat(" ")
    return str(value)

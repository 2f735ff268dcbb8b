"""Tables that a person made: the one reader of CSV, TSV, semicolons and Excel workbooks.

Everything is read as text: `007` and `NA` stay what they are. What can be read is read, and `notes` tell
what was done; what can't is a `TableError` that names each place by row and column. Rows are counted as a
spreadsheet shows them: the header of most tables is row 1. No note or error of `read_table` quotes a cell
below the header, since cells may tell who a patient is.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from crossover.core.cells import BLANK, TableError, named_rows, numbers, sure_signs
from crossover.core.wording import first_few
from crossover.core.workbook import AS_TABLE, read_workbook

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_HEAD = 50_000  # characters that the separator is chosen by
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LOST = "\ufffd"  # what stands for bytes that are no text
_MARKS = (
    (b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe\0\0", "utf-32-le"), (b"\0\0\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"),
)  # fmt: skip
_OTHERS = {
    b"\xd0\xcf\x11\xe0": "an Excel file of before 2007, or one with a password",
    b"\x1f\x8b": "compressed with gzip", b"BZh": "compressed with bzip2", b"\xfd7zXZ": "compressed with xz",
    b"%PDF": "a PDF", b"PAR1": "a Parquet file",
}  # fmt: skip
_TOGETHER = 50_000  # rows of which all cells are held as text at once
_NOT_PLAIN = bytes({*range(0x20), 0x7F, *b' ";|'} - {0x0A})
_MIXED = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}")


@dataclass(frozen=True)
class RawTable:
    """A table as text, blanks around each cell cut off."""

    rows: pd.DataFrame
    """All columns are text, "" where a cell is empty; the index is the row's number in a spreadsheet."""
    notes: list[str]
    """What was done to read it, a sentence each."""
    decimal: str = "."
    """The decimal sign that the table as a whole shows, "" where it shows both."""

    def numbers(self, column: str) -> tuple[pd.Series, list[str]]:
        """Return a column's numbers and what is wrong with it; see `crossover.core.cells.numbers`."""
        return numbers(self.rows[column], self.decimal)


def read_table(path: Path, needed: Iterable[str] = (), repeated: Collection[str] = ()) -> RawTable:
    """Read a table, whatever its separator, encoding and line ends; an .xlsx is known by its content.

    Args:
        path: the file.
        needed: columns that must be there.
        repeated: columns that may stand several times; the first counts.

    Raises:
        TableError: for a file that is no table, an unknown encoding, columns that are missing or stand twice,
            rows with more or fewer cells than the header: all of them, without the file's name.
        OSError: there is no such file, or it can't be read.
    """
    content = Path(path).read_bytes()
    if content.startswith(b"PK\x03\x04"):
        records, notes = read_workbook(content)
        return _table(records, notes, [], ".", needed, repeated)
    text, notes, cause = _decoded(content)
    records, more, findings, separator = _records(text)
    findings += _unread(records, cause) if cause or _CONTROL.search(text) else []
    if not cause and notes and (place := _first(records, lambda cell: not cell.isascii())):
        notes = [f"{note}; look at {place}" for note in notes]
    decimal, commas = _decimal(separator, records)
    notes += ["decimal commas"] if commas else []
    # tables that machines wrote mostly hold none: these are read in half the time
    blanks = '"' in text or any(sign in text for sign in BLANK if sign not in f"\r\n{separator}")
    return _table(records, notes + more, findings, decimal, needed, repeated, blanks)


def read_plain_table(path: Path, needed: Collection[str], numeric: Collection[str]) -> pd.DataFrame | None:
    """Read a table as a machine writes it, with less memory and time than `read_table` takes, and with the same values.

    Such a table has commas between cells, no blanks, quotation marks, control characters or other separators, as many
    cells in each row, and nothing but finite numbers and empty cells in the columns of numbers.

    Args:
        path: the file.
        needed: columns that must be there.
        numeric: columns of numbers, where they are there.

    Returns:
        The table, its index as that of `read_table`: text, and floats in the columns of numbers (NaN where a cell is
            empty). None for any other table, of which `read_table` tells what is wrong or what it did to read it.
    """
    content = Path(path).read_bytes()
    header = content[: content.find(b"\n")].decode(errors="replace").split(",")
    if not (set(needed) <= set(header) and all(header) and len(set(header)) == len(header)):
        return None
    if not _is_plain(content, len(header)):
        return None
    parts, columns = [], [name for name in header if name in numeric]
    try:
        with pd.read_csv(io.BytesIO(content), dtype=str, na_filter=False, chunksize=_TOGETHER) as chunks:
            for part in chunks:
                read = {name: numbers(part[name]) for name in columns}
                if not isinstance(part.index, pd.RangeIndex) or any(wrong for _, wrong in read.values()):
                    return None
                parts.append(part.assign(**{name: values for name, (values, _) in read.items()}))
    except pd.errors.ParserError:
        return None
    table = pd.concat(parts)
    return None if np.isinf(table[columns]).any(axis=None) else table.set_axis(range(2, len(table) + 2))


def _is_plain(content: bytes, columns: int) -> bool:
    """Return whether all that `read_plain_table` says of the text holds; pandas itself refuses rows with more cells."""
    lines = content.removesuffix(b"\n")
    nothing = b"\n" + b"," * (columns - 1) + b"\n"
    even = lines.count(b",") == (columns - 1) * (lines.count(b"\n") + 1)
    if not even or nothing in lines + b"\n" or len(content.translate(None, _NOT_PLAIN)) < len(content):
        return False
    try:
        text = "" if content.isascii() else content.decode()
    except UnicodeDecodeError:
        return False
    return b"\n" in lines and not any(sign in text for sign in BLANK if sign != "\n")


def _decimal(separator: str, records: list[list[str]]) -> tuple[str, bool]:
    """Return the sign that the whole table shows, as `RawTable.decimal`; whether there are decimal commas."""
    if separator == ",":
        return ".", False
    found = sure_signs(cell.strip(BLANK) for record in records for cell in record)
    if len(found) == 1:
        return min(found), found == {","}
    return "" if found else "," if separator == ";" else ".", bool(found)


def _decoded(content: bytes) -> tuple[str, list[str], str]:
    """Return the text, notes about its encoding, and why bytes could not be read, where there are such (U+FFFD)."""
    for start, what in _OTHERS.items():
        if content.startswith(start):
            raise TableError(f"not a table: the file is {what}; {AS_TABLE}")
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            text = content[len(mark) :].decode(encoding, "replace")
            return text, [], f"not valid {encoding.upper()}, the encoding that the file's first bytes state"
    if b"\0" in content:
        raise TableError(f"not a table: byte {content.index(0) + 1} is not text; {AS_TABLE}")
    try:
        return content.decode(), [], ""
    except UnicodeDecodeError:
        pass
    if _MIXED.search(content):
        return content.decode(errors="replace"), [], "not in UTF-8, although other characters are"
    try:
        return (
            content.decode("cp1252"),
            ["not in UTF-8: read as Windows-1252 (Western European)"],
            "",
        )
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace"), [], "neither UTF-8 nor Windows-1252"


def _records(text: str) -> tuple[list[list[str]], list[str], list[str], str]:
    """Return the cells of each row, notes, findings, and the separator."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    declared = re.match(r"sep=(.)\n", text, re.IGNORECASE)  # Excel's own; it shows no such row
    if declared and declared[1] in SEPARATORS:
        records, findings = _parsed(text[declared.end() :], declared[1])
        return records, [], findings, declared[1]
    head = text if len(text) <= _HEAD else text[: text.rfind("\n", 0, _HEAD) + 1] or text
    fits = {s: _fit(_parsed(head, s)[0]) for s in SEPARATORS}
    best = max(fits, key=fits.__getitem__)
    records, findings = _parsed(text, best)
    equal = [s for s in fits if fits[s] == fits[best]]
    if fits[best][0] and len(equal) > 1:
        names = " and ".join(SEPARATORS[s] for s in equal)
        findings.append(f"cells may be separated by {names}: put cells that contain one of these in quotes")
    notes = [f"cells are separated by {SEPARATORS[best]}"] if best in ";|" else []
    return records, notes, findings, best


def _parsed(text: str, separator: str) -> tuple[list[list[str]], list[str]]:
    reader = csv.reader(io.StringIO(text, newline="\n"), delimiter=separator, strict=True)
    records: list[list[str]] = []
    try:
        records.extend(reader)
    except csv.Error:
        row = len(records) + 1
        return records, [f'row {row}: a quotation mark is not closed; write "" for a quotation mark within a cell']
    return records, []


def _fit(records: list[list[str]]) -> tuple[bool, float, int]:
    """Return how well a separator suits: it divides the header, the rows have as many cells, and these are many."""
    filled = [record for record in records if any(cell.strip(BLANK) for cell in record)]
    if not filled:
        return False, 1.0, 2  # all that stands there separates
    columns = len(filled[0])
    same = sum(len(record) == columns for record in filled[1:])
    return columns > 1, same / (len(filled) - 1) if filled[1:] else 1.0, columns


def _first(records: list[list[str]], wanted: Callable[[str], bool]) -> str:
    """Return the first cell that is `wanted`: "row 3 column 2"."""
    for number, record in enumerate(records, 1):
        for place, cell in enumerate(record, 1):
            if wanted(cell):
                return f"row {number} column {place}"
    return ""


def _unread(records: list[list[str]], cause: str) -> list[str]:
    findings = []
    if cause and (place := _first(records, lambda cell: _LOST in cell)):
        findings.append(f"{place}: {cause}; save the table as CSV in UTF-8")
    if place := _first(records, lambda cell: _CONTROL.search(cell) is not None):
        findings.append(f"{place}: contains a control character: type the cell again")
    return findings


def _table(
    records: list[list[str]], notes: list[str], findings: list[str], decimal: str,
    needed: Iterable[str], repeated: Collection[str], blanks: bool = True,
) -> RawTable:  # fmt: skip
    """Return header and rows with blanks cut off; rows and columns without any text are left out."""
    trimmed: list[tuple[int, int]] = []
    filled: dict[int, list[str]] = {}
    blank = []
    for number, record in enumerate(records, 1):
        cells = [cell.strip(BLANK) for cell in record] if blanks else record
        if not any(cells):
            blank += [number] if cells or number < len(records) else []
            continue
        if blanks and cells != record:
            places = [k for k, (a, b) in enumerate(zip(cells, record)) if a != b and a]
            trimmed += [(number, k) for k in places]
        filled[number] = cells
    if not filled:
        raise TableError("\n".join(["the table is empty", *findings]))
    top, header = next(iter(filled.items()))
    del filled[top]
    while not header[-1] or _surplus(header, filled, repeated):
        header.pop()
    findings = findings + _uneven(filled, header) + _doubled(top, header, repeated)
    if missing := [c for c in dict.fromkeys(needed) if c not in header]:
        findings.append(_lacking(missing, header, top, needed))
    nameless = [k + 1 for k, name in enumerate(header) if not name]
    keep = [k for k, name in enumerate(header) if name and header.index(name) == k]
    if findings:
        raise TableError("\n".join(findings))
    if blank:
        notes = notes + [f"left out, since empty: {named_rows(blank)}"]
    if nameless:
        notes = notes + [f"left out, since without a name: column {', '.join(map(str, nameless))}"]
    if trimmed:
        shown = [f"row {n} column {k + 1} ({header[k]})" for n, k in trimmed if k < len(header)]
        notes = notes + [f"blanks around the text removed: {first_few(shown)}"]
    columns = list(zip(*filled.values())) if filled else [()] * len(header)
    rows = pd.DataFrame({header[k]: list(columns[k]) for k in keep}, index=list(filled), dtype=str)
    return RawTable(rows, notes, decimal)


def _surplus(header: list[str], filled: dict[int, list[str]], repeated: Collection[str]) -> bool:
    """Return whether the last name repeats another, and no row has a cell for it."""
    again = header[-1] in repeated and header[-1] in header[:-1]
    return again and all(len(cells) < len(header) for cells in filled.values())


def _uneven(filled: dict[int, list[str]], header: list[str]) -> list[str]:
    """Cut empty cells beyond the header off, in place; return findings of rows with more or fewer cells."""
    wrong: dict[int, list[int]] = {}
    for number, cells in filled.items():
        while len(cells) > len(header) and not cells[-1]:
            cells.pop()
        if len(cells) != len(header):
            wrong.setdefault(len(cells), []).append(number)
    findings = [
        f"{named_rows(rows)}: {n} {'cells' if n > 1 else 'cell'} where the header has {len(header)}"
        + (f"; no cell in column {n + 1} ({header[n]})" if n < len(header) else "")
        for n, rows in wrong.items()
    ]
    if len(wrong) == 1 and len(next(iter(wrong.values()))) == len(filled) and min(wrong) > len(header):
        findings[0] += "; put cells that contain a decimal comma or separator in quotation marks"
    return findings


def _doubled(top: int, header: list[str], repeated: Collection[str]) -> list[str]:
    places: dict[str, list[str]] = {}
    for k, name in enumerate(header):
        places.setdefault(name, []).append(str(k + 1))
    return [
        f"row {top}: {name!r} is the name of columns {' and '.join(own)}; give each column its own name"
        for name, own in places.items()
        if len(own) > 1 and name and name not in repeated
    ]


def _lacking(missing: list[str], header: list[str], top: int, needed: Iterable[str]) -> str:
    """Return which columns are missing, in words.

    A header with none of the names may be a patient's row and is not quoted.
    """
    what = f"no column {', '.join(missing)}"
    same = {"".join(name.casefold().split()): k for k, name in enumerate(header, 1)}
    for name in missing:
        if place := same.get("".join(name.casefold().split())):
            return f"{what}; the name of column {place} differs from {name} only in case or blanks"
    if set(header) & set(needed):
        return f"{what}; there are {', '.join(filter(None, header))}"
    return f"{what}; check that row {top}, with {len(header)} cells, is the header"

"""The one reader of tables that people made."""

import csv
import datetime
import io
import re
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from crossover.core.cells import TableError, numbers, uncomputed_cells
from crossover.core.tables import RawTable, read_plain_table, read_table

DIALECTS = [(s, end) for s in ",;\t|" for end in ("\n", "\r\n", "\r")]
ENCODINGS = ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
MARKS = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables")


def read(folder: Path, content: str | bytes, encoding: str = "utf-8", **how) -> RawTable:
    path = folder / "table.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return read_table(path, **how)


def refusal(folder: Path, content: str | bytes, **how) -> list[str]:
    with pytest.raises(TableError) as caught:
        read(folder, content, **how)
    return str(caught.value).splitlines()


def written(table: list[list[str]], separator: str, end: str, quoting: int) -> str:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=separator, lineterminator=end, quoting=quoting).writerows(table)
    return out.getvalue()


def text(alphabet: str) -> st.SearchStrategy[str]:
    return st.text(alphabet=alphabet, max_size=6).map(str.strip)


@st.composite
def tables(draw, alphabet: str = "aZ09 .,;|\t\n\"'äÖ–€#=-") -> list[list[str]]:
    """A header of words, and rows of any text that stands in no blank row."""
    width = draw(st.integers(1, 4))
    header = draw(st.lists(text("abcäß x").filter(bool), min_size=width, max_size=width, unique=True))
    row = st.lists(text(alphabet), min_size=width, max_size=width).filter(any)
    return [header, *draw(st.lists(row, max_size=5))]


@settings(deadline=None, max_examples=60)
@given(
    tables(), st.sampled_from(DIALECTS), st.sampled_from(ENCODINGS),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
)  # fmt: skip
def test_a_table_reads_back_the_same_in_any_dialect_and_encoding(folder, table, dialect, encoding, quoting):
    if len(table[0]) == 1 or dialect[1] == "\r":
        quoting = csv.QUOTE_ALL  # nothing else tells what divides one column; line ends in cells
    content = MARKS.get(encoding, b"") + written(table, *dialect, quoting).encode(encoding)
    # two or more characters of Windows-1252 may be one of UTF-8
    as_utf8 = rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
    assume(encoding != "cp1252" or not re.search(as_utf8, content))
    found = read(folder, content)
    assert list(found.rows.columns) == table[0]
    assert found.rows.values.tolist() == table[1:]
    assert list(found.rows.index) == list(range(2, len(table) + 1))


@settings(deadline=None, max_examples=20)
@given(tables())
def test_a_workbook_reads_back_the_same(folder, table):
    book = Workbook()
    for i, row in enumerate(table, 1):
        for j, cell in enumerate(row, 1):
            book.active.cell(i, j).value = cell
            book.active.cell(i, j).data_type = "s"  # "=1" is text here
    book.save(folder / "table.xlsx")
    found = read_table(folder / "table.xlsx")
    assert [list(found.rows.columns), *found.rows.values.tolist()] == table


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.floats(0, 1e6).map(lambda v: round(v, 4)), min_size=1, max_size=8),
    st.sampled_from(";\t"),
)
def test_decimal_commas_are_numbers_or_told_to_be_ambiguous(folder, values, separator):
    table = [["case", "dsc"], *([f"p{i}", repr(v).replace(".", ",")] for i, v in enumerate(values))]
    found, findings = read(folder, written(table, separator, "\n", csv.QUOTE_MINIMAL)).numbers("dsc")
    assert findings or found.tolist() == values
    assert not findings or separator == "\t"  # a comma beside semicolons is a decimal comma


@given(st.lists(st.floats(), max_size=8), st.sampled_from([".", ",", ""]))
def test_numbers_as_machines_write_them_are_exact(values, decimal):
    # scientific or long, so that none looks like thousands
    found, findings = numbers(pd.Series([f"{v:.17e}" for v in values], name="x", dtype=str), decimal)
    assert not findings
    pd.testing.assert_series_equal(found, pd.Series(values, name="x", dtype=float), check_exact=True)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["inf", "-Inf", "Infinity", "+inf"], ["inf", "-inf", "inf", "inf"]),
        (["", "NA", "nan", "NaN", "n/a", "#N/A", "None"], ["nan"] * 7),
        (["0,5", "1,234"], ["0.5", "1.234"]),
        (["0.5", "1.234", "12"], ["0.5", "1.234", "12.0"]),
        (["−2", "+3", "1e-3", ".5", "5."], ["-2.0", "3.0", "0.001", "0.5", "5.0"]),
    ],
)  # fmt: skip
def test_numbers_mean_what_they_mean_in_the_field(cells, expected):
    found, findings = numbers(pd.Series(cells, name="x", dtype=str))
    assert not findings and [str(v) for v in found] == expected


@pytest.mark.parametrize(
    ("cells", "decimal", "told"),
    [
        (["1,234", "2"], ".", "may separate thousands or decimals"),
        (["1.234"], ",", "may separate thousands or decimals"),
        (["0,5", "1.234"], ".", "row 3 ('1.234')"),
        (["1,234,567"], ".", "not a number: row 2"),
        (["1.234,5"], ",", "not a number"),
        (["5", "83%", "12 mm", "#REF!", "1_000", "0x1", "٣"], ".", "row 3 ('83%')"),
    ],
)  # fmt: skip
def test_what_may_mean_two_numbers_or_none_is_told_by_row(cells, decimal, told):
    found, findings = numbers(pd.Series(cells, range(2, 2 + len(cells)), name="x", dtype=str), decimal)
    assert told in findings[0] and findings[0].startswith("x: ") and found.isna().any()


def test_a_column_of_one_table_shows_what_another_column_means(folder):
    table = read(folder, "case;dsc;ml\np;0,83;1,234\n")
    assert table.numbers("ml")[0].tolist() == [1.234] and "decimal commas" in table.notes
    assert read(folder, "case\tdsc\tml\np\t0.83\t1,234\n").numbers("ml")[1]


def test_identifiers_stay_text_and_blanks_are_cut_off_and_told(folder):
    table = read(folder, "id , center\n007,NA\n1e3 ,\u00a0ours\n")
    assert table.rows.values.tolist() == [["007", "NA"], ["1e3", "ours"]]
    assert "row 3 column 1 (id), row 3 column 2 (center)" in table.notes[-1]


def test_blank_rows_and_nameless_columns_are_left_out_and_told(folder):
    table = read(folder, ",id,age,\n0,P1,50,\n,,,\n1,P2,60,\n,,,\n\n")
    assert table.rows.to_dict("index") == {
        2: {"id": "P1", "age": "50"},
        4: {"id": "P2", "age": "60"},
    }
    assert table.notes == [
        "left out, since empty: rows 3 and 5",
        "left out, since without a name: column 1",
    ]


def test_rows_columns_and_names_that_are_wrong_are_told_at_once(folder):
    findings = refusal(folder, "id,x,x\nP1,1\nP2,1,2,3\nP3,1,2\n", needed=["id", "age"])
    assert findings == [
        "row 2: 2 cells where the header has 3; no cell in column 3 (x)",
        "row 3: 4 cells where the header has 3",
        "row 1: 'x' is the name of columns 2 and 3; give each column its own name",
        "no column age; there are id, x, x",
    ]


def test_a_column_whose_name_is_nearly_the_one_asked_for_is_told(folder):
    (finding,) = refusal(folder, "Center,Patient ID\nA,P1\n", needed=["patientid"])
    assert finding == "no column patientid; the name of column 2 differs from patientid only in case or blanks"


def test_a_first_row_that_may_be_a_patient_is_not_quoted(folder):
    (finding,) = refusal(folder, "MUSTERMANN,ours\nMEIER,ours\n", needed=["id"])
    assert finding == "no column id; check that row 1, with 2 cells, is the header"


def test_a_column_that_may_stand_twice_counts_by_its_first(folder):
    assert read(folder, "a,mean,mean\n1,2,3\n", repeated=["mean"]).rows.values.tolist() == [["1", "2"]]


def test_decimal_commas_between_commas_are_told(folder):
    (finding,) = refusal(folder, "model,case,dsc\na,p1,0,83\na,p2,0,81\n")
    assert "rows 2 and 3: 4 cells where the header has 3; put cells that contain a decimal comma" in finding


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "empty"),
        (b"\n,,\n", "empty"),
        (b"id\n\x00\x01", "byte 4 is not text"),
        (b"id,town\nP1,K\x81ln\n", "row 2 column 2: neither UTF-8 nor Windows-1252"),
        ("id,town\nP1,Köln\n".encode() + b"P2,K\xf6ln\n", "row 3 column 2: not in UTF-8, although"),
        (b"\xff\xfei\0d\0\n\0\x00\xd8", "row 2 column 1: not valid UTF-16-LE"),
        (b"id,x\nP1,\x1b[2J\n", "row 2 column 2: contains a control character"),
        (b'id,x\n"P1,2\nP3,4\n', "row 2: a quotation mark is not closed"),
        (b"\xd0\xcf\x11\xe0....", "Excel file of before 2007"),
        (b"\x1f\x8b....", "compressed with gzip"),
        (b"PK\x03\x04....", "workbook cannot be read"),
        (b"a;b,c\n1;2,3\n", "separated by commas and semicolons"),
    ],
)
def test_what_is_no_table_is_told_with_its_place(folder, content, told):
    assert told in "\n".join(refusal(folder, content))


def test_excels_own_line_names_the_separator_and_is_no_row(folder):
    table = read(folder, "sep=|\r\nid|a,b\r\nP1|0,5\r\n")
    assert table.rows.to_dict("index") == {2: {"id": "P1", "a,b": "0,5"}}


def test_windows_1252_is_told_with_a_place_to_look_at(folder):
    table = read(folder, "id,town\nP1,Bonn\nP2,Köln\n", "cp1252")
    assert table.rows["town"].tolist() == ["Bonn", "Köln"]
    assert "row 3 column 2" in table.notes[0] and "Köln" not in table.notes[0]


def workbook(folder: Path, rows: list[list], change=lambda book: None) -> Path:
    book = Workbook()
    for row in rows:
        book.active.append(row)
    change(book)
    book.save(folder / "table.xlsx")
    return folder / "table.xlsx"


def test_cells_of_a_workbook_are_the_text_that_excel_shows(folder):
    def zeros(book):
        book.active["A2"].number_format = "000"
        book.create_sheet("Sheet2")
        book.create_sheet("list")["A1"] = "hidden"
        book["list"].sheet_state = "hidden"

    day = datetime.datetime(2024, 1, 2)
    path = workbook(
        folder,
        [["id", "n", "day", "ok"], [7, 7.0, day, True], [None], ["012", 0.1, day, "#REF!"]],
        zeros,
    )
    table = read_table(path)
    assert table.rows.values.tolist() == [
        ["007", "7", "2024-01-02", "TRUE"],
        ["012", "0.1", "2024-01-02", "#REF!"],
    ]
    assert uncomputed_cells(table.rows["ok"]) == ["ok: the spreadsheet shows an error, such as #REF!, in row 4"]
    assert table.notes == [
        "dates read as YYYY-MM-DD: rows 2 and 4",
        "numbers with leading zeros, as Excel shows them: row 2",
        "left out, since empty: row 3",
    ]


def test_several_sheets_and_formulas_without_values_are_told(folder):
    path = workbook(folder, [["id"], ["P1"]], lambda book: book.create_sheet("Other").append(["x"]))
    with pytest.raises(TableError, match="several sheets are not empty: 'Sheet', 'Other'"):
        read_table(path)
    path = workbook(folder, [["id", "x"], ["P1", "=1+1"]])
    with pytest.raises(TableError, match="formulas without a saved value: row 2 column 2"):
        read_table(path)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.text("aÄ0-#", min_size=1), st.one_of(st.none(), st.floats(allow_infinity=False)))))
def test_a_table_as_machines_write_it_is_read_the_same_in_the_short_way(folder, rows):
    frame = pd.DataFrame(rows, columns=["case", "dsc"]).assign(level="")
    path = folder / "plain.csv"
    frame.to_csv(path, index=False)
    assert (read_plain_table(path, ["case"], ["dsc"]) is None) == frame.empty
    if len(frame):
        check_plain(path)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.text('a1.,;"\n e-+\x00\u00a0#', max_size=9), max_size=4), st.sampled_from(["", "\n", "\r\n"]))
def test_the_short_way_reads_no_table_otherwise(folder, lines, end):
    path = folder / "odd.csv"
    path.write_bytes(("\n".join(["case,dsc,level", "p0,0.5,", *lines]) + end).encode())
    if read_plain_table(path, ["case"], ["dsc"]) is not None:
        check_plain(path)


@pytest.mark.parametrize(
    "content",
    [
        b"dsc,level\n0.5,x", b"case,dsc,case\na,0.5,b", b"case,dsc,\na,0.5,", b"case,dsc", b"case,dsc\na,0.5\n\nb,1",
        b"case,dsc\na,inf", b"case,dsc\na,1e999", b"case,dsc\na,0.5\nb", b"case,dsc\na,0.5,1\nb", b"case,dsc\na,0.5\n,",
        b"case,dsc\na,True", b"case,dsc\na,1_0", b"case,dsc\n\xff,0.5", b"\xef\xbb\xbfcase,dsc\na,0.5", b"PK\x03\x04",
        b"", "case,dsc\na\u00a0,0.5".encode(), b"case,dsc\na,0.5\n,0.5,\n",
    ],
)  # fmt: skip
def test_all_other_tables_are_left_to_the_reader_of_any_table(folder, content):
    path = folder / "other.csv"
    path.write_bytes(content)
    assert read_plain_table(path, ["case", "dsc"], ["dsc"]) is None


def check_plain(path: Path) -> None:
    """What the short way reads of a table with numbers in the column dsc is what the reader of any table reads."""
    short, long = read_plain_table(path, ["case"], ["dsc"]), read_table(path)
    values, wrong = long.numbers("dsc")
    assert not wrong and not long.notes
    pd.testing.assert_frame_equal(short, long.rows.assign(dsc=values), check_exact=True, check_index_type=False)

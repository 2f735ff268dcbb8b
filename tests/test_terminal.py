"""What commands print is never cut short."""

import io

import pytest
from rich.console import Console

from crossover.core.files import read_json
from crossover.core.terminal import WIDTH_OF_FILES, Table, stdout_console


def test_a_cell_that_is_too_wide_goes_on_in_the_next_line():
    table, out = Table("what changed", "reruns"), io.StringIO()
    table.add_row("recipe.learning_rate", "figure_training_curves")
    Console(file=out, width=24).print(table)
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.getvalue().splitlines() if "│" in line]
    assert ["".join(column) for column in zip(*cells)] == ["recipe.learning_rate", "figure_training_curves"]


def test_lines_in_files_are_wider_than_a_terminal(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    assert stdout_console().width == WIDTH_OF_FILES
    monkeypatch.setenv("COLUMNS", "70")
    assert stdout_console().width == 70


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "record.json").write_text('{"a": 1 "b": 2}')
    with pytest.raises(ValueError, match=r"record\.json: the file is damaged, or is no JSON"):
        read_json(tmp_path / "record.json")

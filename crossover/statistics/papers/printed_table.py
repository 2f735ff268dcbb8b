"""A table of scores as a paper prints it, one cell for each mean, in place of an entry of `values` for each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from crossover.statistics.papers.paper_names import MetricName, ModelName, StructureName, TestSetName, TrainingSize
from crossover.statistics.papers.printed import Placed
from crossover.statistics.papers.printed_number import Printed

Axis = Literal["family", "n_train", "structure", "test_set", "metric"]
"""What the names of columns, or rows, may be."""
AXES: tuple[Axis, ...] = ("family", "n_train", "structure", "test_set", "metric")
_NUMBER = r"(-?\d+(?:\.\d+)?)"
_CELL = re.compile(rf"{_NUMBER}\s*(?:(?:±|\+/-|\+-)\s*{_NUMBER}|\(\s*(?:±\s*)?{_NUMBER}\s*\))?")


def _cell(given: object) -> tuple[Printed, Printed | None] | None:
    """Return the mean and the spread of a cell; None for an empty one.

    Raises:
        ValueError: it is none of the forms of `ScoreTable`.
    """
    if given is None or isinstance(given, tuple):
        return given
    text = given.text if isinstance(given, Printed) else str(given).strip()
    if not (found := _CELL.fullmatch(text)):
        raise ValueError(
            f"write a cell as 0.91, 0.91 ± 0.04 or 0.91 (0.04), or null where it is empty, not {text!r}; a mean with "
            "an interval or quartiles is an entry of `values`"
        )
    mean, *spread = found.groups()
    told = next((number for number in spread if number), None)
    return Printed(mean), None if told is None else Printed(told)


Cell = Annotated[tuple[Printed, Printed | None] | str | float | None, BeforeValidator(_cell)]


class ScoreTable(Placed):
    """A printed table of scores, each cell a mean with its spread or without: 0.91, 0.91 ± 0.04 or 0.91 (0.04).

    What the columns are, and the rows, is a key of theirs: family, n_train, structure, test_set or metric. What all
    cells have in common is a key of the table. An empty cell is null.
    """

    columns: Annotated[dict[Axis, list[str | int]], Field(min_length=1, max_length=1)]
    """The names of the columns below what they are: {family: [A, B, C]}."""
    rows: Annotated[dict[Axis, dict[str | int, list[Cell]]], Field(min_length=1, max_length=1)]
    """The cells of each row, in the order of the columns, below what the rows are: {structure: {liver: [0.91, 0.89,
    null]}}."""
    family: ModelName | None = None
    """The model of all cells, if neither columns nor rows are models."""
    n_train: TrainingSize | None = None
    """The number of training cases of all cells; 0 or not given if the models have none."""
    structure: StructureName | None = None
    """The structure of all cells; not given in a study of one structure."""
    test_set: TestSetName | None = None
    """The test set of all cells."""
    metric: MetricName | None = None
    """The metric of all cells."""
    spread: Literal["sd", "se"] = "sd"
    """Whether the second number of a cell is the standard deviation or the standard error."""
    sd_of: Literal["cases", "averages", "runs"] | None = None
    """The values that the SD or standard error describes, as of `values`."""
    statistic: Literal["mean", "median"] = "mean"
    """Whether cells hold means or medians."""

    @model_validator(mode="after")
    def _whole(self) -> ScoreTable:
        told = [*self.columns, *self.rows, *(axis for axis in AXES if getattr(self, axis) is not None)]
        if twice := sorted({axis for axis in told if told.count(axis) > 1}):
            raise ValueError(f"{twice[0]} stands twice: in columns, in rows or as a key of the table")
        if lacking := [axis for axis in ("family", "test_set", "metric") if axis not in told]:
            raise ValueError(f"{' and '.join(lacking)} missing: as columns, as rows or as a key of the table")
        [(_, columns)], [(_, rows)] = self.columns.items(), self.rows.items()
        for name, cells in rows.items():
            if len(cells) != len(columns):
                raise ValueError(
                    f"row {name} has {len(cells)} cells, and there are {len(columns)} columns: an empty cell is null, "
                    "and decimals have a point"
                )
        return self

    def values(self) -> Iterator[dict[str, Any]]:
        """Yield the entry of `values` that each cell stands for."""
        [(across, columns)], [(down, rows)] = self.columns.items(), self.rows.items()
        shared: dict[str, Any] = {axis: getattr(self, axis) for axis in AXES}
        for row, cells in rows.items():
            for column, cell in zip(columns, cells, strict=True):
                if not isinstance(cell, tuple):
                    continue
                of = shared | {across: column, down: row}
                model = {"family": of.pop("family"), "n_train": of.pop("n_train") or 0}
                more = {self.spread: cell[1], "sd_of": self.sd_of, "statistic": self.statistic, "where": self.where}
                yield {"model": model, **of, "mean": cell[0], **more}


def with_tables(values: dict) -> dict:
    """Return what a paper's file holds, with the entries that its tables stand for after those of `values`.

    A table that is wrong gives none: its errors are found where the file is checked.
    """
    tables, entries = values.get("tables"), values.get("values", [])
    if not isinstance(tables, list) or not isinstance(entries, list):
        return values
    more: list[dict[str, Any]] = []
    for table in tables:
        try:
            more += ScoreTable.model_validate(table).values()
        except ValidationError:
            continue
    return values | {"values": [*entries, *more]}

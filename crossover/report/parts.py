"""What the report's pages are made of, whatever a study compares."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from crossover.analyses.figures import style
from crossover.report.layout import Table, stability_by_fold, table
from crossover.report.made import Made
from crossover.report.tables import table_one_layout
from crossover.study.schema import Study


class Titled(NamedTuple):
    """A table with its words.

    Attributes:
        of: the frame that it shows, by the name in `StudyResults.frames`: the way to its provenance record.
    """

    title: str
    note: str
    table: Table
    of: str = ""


@dataclass(frozen=True)
class StudyResults:
    """What the report needs of one study.

    Attributes:
        frames: any of the tables that the statistics wrote (metrics, summary, anova, tukey, stability,
            paired, training_time, training_time_saved, icc, splits, cross_validation, validation, chains,
            gains, contrasts, field_strength) by their files' names, table1, table2, table3 (tidy),
            published, table1_published, published_gains (the paper's), initial (`facts.initial_weights`) and
            failed (`failures.failed_table`), claims, crossover, cases_needed, learning_curves, pairwise, repeated,
            audit (`audit.table.audit_table`), contradictions and sizes (ours, theirs: of the paper); a missing one is
            left out.
        figures: name (flow, performance, ...) -> its SVG or PNG, in the order of the report.
        facts: about the run, name -> number, text, or mapping of these; seconds end in "_s".
        collapsed: trainings that found nothing (`failures.collapsed`).
        made: how frames and figures were made, by their names, figures as "figures/flow".
    """

    study: Study
    frames: dict[str, pd.DataFrame]
    figures: dict[str, Path]
    facts: dict[str, Any] = field(default_factory=dict)
    collapsed: list[str] = field(default_factory=list)
    made: dict[str, Made] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What one structure's tables say.

    Attributes:
        structure: its label; "" for all together.
        summary: the answer as a table.
    """

    structure: str
    sentences: list[str]
    summary: Table


@dataclass(frozen=True)
class Part:
    """A part of a study's page.

    Attributes:
        name: of its anchor.
        tables: that stand open. details: that open on a click.
        figure: the name of a figure that stands here, "" for none.
    """

    name: str
    title: str
    sentences: list[str]
    tables: list[Titled] = field(default_factory=list)
    details: list[Titled] = field(default_factory=list)
    figure: str = ""


def patients(results: StudyResults) -> Iterator[Titled]:
    """Table 1 of the target's patients, ours and the paper's."""
    study, frames = results.study, results.frames
    label = study.cohorts[study.target].label
    if "table1" in frames:
        layout = table_one_layout(frames["table1"].fillna({"category": ""}))
        shown = table(layout, study)
        yield Titled(f"Patients, {label}", "Mean (SD) or number (%).", shown, "table1")
    if "table1_published" in frames and len(frames["table1_published"]):
        theirs = table(frames["table1_published"], study)
        yield Titled(f"Patients of the paper, {label}", "As published.", theirs, "published")


def stability(results: StudyResults) -> Iterator[Titled]:
    """Means of the folds side by side."""
    rows = results.frames.get("stability", pd.DataFrame())
    if len(rows):
        metric = style.metric_label(results.study.statistics.metric)
        note = f"Mean (SD) {metric} of each fold; F and p over them."
        if rows["test"].eq("repeated measures").any():
            note += (
                " Every fold's model is tested on the same cases: analysis of variance for repeated "
                "measures, p with Greenhouse and Geisser's correction."
            )
        layout = stability_by_fold(rows)
        yield Titled("Stability over folds", note, table(layout, results.study), "stability")


def counted(number: int, what: str) -> str:
    """ "1 training", "3 trainings"."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def listed(parts: list[str]) -> str:
    """ "a, b and c"."""
    return f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else "".join(parts)

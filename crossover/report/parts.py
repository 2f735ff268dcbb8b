"""What the report's pages are made of, whatever a study compares."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from crossover.figures import style
from crossover.report.layout import Table, stability_by_fold, table
from crossover.report.tables import table_one_layout
from crossover.study import Study

Titled = tuple[str, str, Table]
"""Title, note, table."""


@dataclass(frozen=True)
class StudyResults:
    """What the report needs of one study.

    Attributes:
        frames: any of the tables that the statistics wrote (metrics, summary, anova, tukey, stability,
            paired, training_time, training_time_saved, icc, splits, cross_validation, validation, chains,
            gains, contrasts, field_strength) by their files' names, table1, table2, table3 (tidy),
            published, table1_published, published_gains (the paper's), initial (`facts.initial_weights`) and
            failed (`failures.failed_table`); a missing one is left out.
        figures: name (flow, performance, ...) -> its SVG or PNG, in the order of the report.
        facts: about the run, name -> number, text, or mapping of these; seconds end in "_s".
        collapsed: trainings that found nothing (`failures.collapsed`).
    """

    study: Study
    frames: dict[str, pd.DataFrame]
    figures: dict[str, Path]
    facts: dict[str, Any] = field(default_factory=dict)
    collapsed: list[str] = field(default_factory=list)


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


def patients(results: StudyResults) -> Iterator[Titled]:
    """Table 1 of the target's patients, ours and the paper's."""
    study, frames = results.study, results.frames
    label = study.cohorts[study.target].label
    if "table1" in frames:
        layout = table_one_layout(frames["table1"].fillna({"category": ""}))
        yield f"Patients, {label}", "Mean (SD) or number (%).", table(layout, study)
    if "table1_published" in frames and len(frames["table1_published"]):
        theirs = table(frames["table1_published"], study)
        yield f"Patients of the paper, {label}", "As published.", theirs


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
        yield "Stability over folds", note, table(layout, results.study)

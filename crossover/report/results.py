"""What the report is given of a study, and the pieces that its page is made of."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pandas as pd

from crossover.report.prose import statements
from crossover.report.provenance_note import ProvenanceNote
from crossover.report.table_layout import TextTable, table
from crossover.study.schema import Study

OF_THE_PAPER = ("audit", "false_claims", "contradictions", "table1_published")
"""Frames that are made of the paper's printed numbers alone."""


@dataclass(frozen=True)
class StudyResults:
    """What the report needs of one study.

    Attributes:
        frames: any of the tables that the statistics wrote (metrics, summary, anova, tukey, stability,
            paired, training_time, training_time_saved, icc, splits, cross_validation, validation, chains,
            gains, contrasts, attributes), the papers' tables (patients, cohorts, scores, structures, networks,
            prediction_time, sources), by their files' names, published, table1_published, published_gains (the
            paper's), initial (`run_facts.initial_weights`) and failed (`failures_section.failed_table`), claims,
            crossover, cases_needed, planning, learning_curves, pairwise, repeated, audit (`audit.audit_table`),
            false_claims, contradictions and sizes (ours, theirs: of the paper); what is missing or empty is left out
            of the page.
        figures: name (flow, performance, ...) -> its SVG or PNG, in the order of the report.
        facts: about the run, name -> number, text, or mapping of these; seconds end in "_s".
        scored_zero: trainings whose kept weights found nothing (`failures_section.scored_zero`).
        retried: trainings that were done again, and why (`failures_section.retried`).
        provenance: how frames and figures were made, by their names, figures as "figures/flow".
    """

    study: Study
    frames: dict[str, pd.DataFrame]
    figures: dict[str, Path]
    facts: dict[str, Any] = field(default_factory=dict)
    scored_zero: list[str] = field(default_factory=list)
    provenance: dict[str, ProvenanceNote] = field(default_factory=dict)
    retried: dict[str, str] = field(default_factory=dict)

    def frame(self, name: str, *columns: str) -> pd.DataFrame:
        """Return a frame by its name; an empty one, with these columns, where there is none."""
        return self.frames.get(name, pd.DataFrame(columns=list(columns)))


class TableKind(NamedTuple):
    """A table that a page has where its study has what it shows.

    Attributes:
        entry: of `prose.j2`, with its title and note; they see the frame (`rows`) and what is shown of it (`shown`).
        source: the name of the frame that it shows; "" shows nothing.
        layout: a frame and the study -> its columns as shown; a table without rows is left out.
        metric: the metric of whose rows it is; "" for all rows.
        wraps: its first column is text in lines, not a name.
        about: what else the entry sees, as `about`.
    """

    entry: str
    source: str
    layout: Callable[[pd.DataFrame, Study], pd.DataFrame]
    metric: str = ""
    wraps: bool = False
    about: object = None


class TitledTable(NamedTuple):
    """A table with its words.

    Attributes:
        source: the frame that it shows, by the name in `StudyResults.frames`: the way to its provenance.
    """

    title: str
    note: str
    table: TextTable
    source: str


@dataclass(frozen=True)
class Answer:
    """The answer of a structure's tables ("" for all together), in sentences and as a table."""

    structure: str
    sentences: list[str]
    summary: TextTable


@dataclass(frozen=True)
class Section:
    """A section of a study's page.

    Attributes:
        name: of its anchor.
        tables: that stand in it. details: long ones, that stand in the appendix.
        figure: the name of a figure that stands here, "" for none.
        part: of the study's page in which it stands.
    """

    name: str
    title: str
    sentences: list[str]
    tables: list[TitledTable] = field(default_factory=list)
    details: list[TitledTable] = field(default_factory=list)
    figure: str = ""
    part: Literal["results", "paper", "checks"] = "paper"


def titled_tables(results: StudyResults, kinds: Iterable[TableKind]) -> list[TitledTable]:
    """Return those of the tables that have rows, in this order."""
    study, out = results.study, []
    for kind in kinds:
        rows = results.frame(kind.source)
        if kind.metric and len(rows):
            rows = rows[rows["metric"] == kind.metric]
        shown = kind.layout(rows, study) if len(rows) else rows
        if len(shown):
            title, note = statements(study, kind.entry, rows=rows, shown=shown, about=kind.about)
            made_of = "published" if kind.source in OF_THE_PAPER else kind.source
            out.append(TitledTable(title, note, table(shown, study, kind.wraps), made_of))
    return out

"""What an analysis declares, and what it is given when it runs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pandas as pd

from crossover.core.written_tables import read_written
from crossover.study.schema import Study

Frames = Mapping[str, pd.DataFrame]
"""Tables by the names of their files."""
Source = Literal["stages", "selection", "images", "corrected", "patients", "slices", "published", "claims"]
"""What an analysis may read beside tables: the stages' records and histories, or only those of
the trainings that choose the network, with the choice; images with masks and predictions;
images after bias field correction; the clinical table of the target; how many slices a cohort has; the paper's
numbers; the paper's findings."""
Part = Literal["results", "paper", "appendix"]
"""Of a study's page: what answers its question; the paper's own figures; all else."""


@dataclass(frozen=True)
class Analysis:
    """The declaration of a statistic, table or figure: `ANALYSIS` of its module.

    The module also has `make(given, study)`, which returns the tables by the names of their files or a
    `matplotlib.figure.Figure`, and where it has a title `caption(frames, study)`, its text with the numbers of a run.
    The declaration is read without running the module, so it may use only this class and what `predicates` has.

    Attributes:
        reads: tables under results/<study>; those that a study doesn't make are left out.
        sources: what is read beside tables.
        settings: what is read of the study's file, as dotted keys; "design" stands for what was compared with what, and
            "labels" for names for people (see `study.parameters.analysis`).
        applies: predicates on a study's design, all of which must hold.
        writes: table under results/<study> -> the columns that name its rows, whose other columns that are numbers
            become values by name; none for the papers' tables. A figure writes figures/<name>.svg, .png and .pdf.
        title: of a figure's caption; or of the first table that it writes, which then stands in the report as it is
            (others stand there where `report.study_tables` lists them).
        part: of the page in which that figure or table stands; without a paper what is of the paper stands in the
            appendix.
        order: the place among the figures, statistics or tables in the report; the last by default.
    """

    reads: Sequence[str] = ()
    sources: Sequence[Source] = ()
    settings: Sequence[str] = ()
    applies: Sequence[Callable[[Study], bool]] = ()
    writes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    title: str = ""
    part: Part = "appendix"
    order: int = 100


@dataclass(frozen=True)
class Inputs:
    """What an analysis may read when it runs.

    Attributes:
        results: results/<study>, with the tables.
        tables: those of `Analysis.reads` that the study makes.
        stages: manifests of the study's stages, or of those that choose the network.
        slices: manifests of its cohorts' slices.
        patients: the target's clinical table, where the analysis reads it.
        predictions: manifests of the study's predictions, of an analysis with the source "images".
        cases, corrected: data/cases and data/corrected/<study>, for figures of images.
    """

    results: Path
    tables: Sequence[Path] = ()
    stages: Sequence[Path] = ()
    slices: Sequence[Path] = ()
    patients: Path | None = None
    predictions: Sequence[Path] = ()
    cases: Path = Path()
    corrected: Path = Path()

    def path(self, name: str) -> Path:
        """Return where a table lies, or the folder of predictions for the name "predictions"."""
        return self.results / name

    def table(self, name: str) -> pd.DataFrame:
        """Read a table of `Analysis.reads`.

        Raises:
            FileNotFoundError: the study does not make this table; `optional` is for tables that it may lack.
        """
        return read_written(self.results / name)

    def optional(self, name: str) -> pd.DataFrame | None:
        """Read a table of `Analysis.reads`; return None where the study does not make it."""
        return self.table(name) if self.path(name) in self.tables else None

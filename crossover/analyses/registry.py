"""The analyses that there are, found by listing this package's files, and which of them a study has."""

import ast
import functools
import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pandas as pd

from crossover.analyses import predicates
from crossover.analyses.analysis import Analysis, Frames, Inputs, Part
from crossover.core.paths import ROOT
from crossover.core.source_code import STUDY
from crossover.core.written_tables import read_written
from crossover.study import parameters
from crossover.study.families import in_study_order
from crossover.study.schema import Study

KINDS = ("statistics", "tables", "figures")
SUFFIXES = ("svg", "png", "pdf")
"""The suffixes of each figure's files."""
CONTRACT = ("metrics.csv", "splits.csv", "left_out.csv", "warned.csv")
"""Tables of every study that no analysis makes; with radiomics there is radiomics.csv too."""
PLACE = ROOT / "crossover/analyses"
_NAMES = {**vars(predicates), "Analysis": Analysis}


@dataclass(frozen=True)
class Registered:
    """An analysis by its place: its kind is its package, its name its module's."""

    kind: str
    name: str
    declared: Analysis

    @property
    def rule(self) -> str:
        """The name of its rule."""
        prefix = {"statistics": "", "tables": "table_", "figures": "figure_"}
        return prefix[self.kind] + self.name

    @property
    def source(self) -> str:
        """The module's file, from the project's root."""
        return f"crossover/analyses/{self.kind}/{self.name}.py"

    def entries(self, study: Study) -> list[str]:
        """Return the source files that its code begins with, its module first, by which a job finds it."""
        read = self.declared.settings
        network = [f"crossover/networks/{study.network.architecture}.py"] if "network" in read else []
        return [
            self.source,
            "workflow_scripts/analysis.py",
            *(STUDY if "design" in read else ()),
            *network,
        ]

    def settings(self, study: Study) -> dict:
        """Return what it reads of the study's file, by dotted key (`Analysis.settings`)."""
        return parameters.analysis(study, self.declared.settings)

    @property
    def outputs(self) -> list[str]:
        """The paths that it writes under results/<study>."""
        drawn = [f"figures/{self.name}.{suffix}" for suffix in SUFFIXES]
        return drawn if self.kind == "figures" else list(self.declared.writes)

    def applies(self, study: Study) -> bool:
        """Return whether the analysis fits the study's design: all its predicates hold."""
        return all(holds(study) for holds in self.declared.applies)

    def module(self) -> ModuleType:
        """Import its module, with all that it draws or computes with."""
        return importlib.import_module(f"crossover.analyses.{self.kind}.{self.name}")

    def write(self, given: Inputs, study: Study, results: Path) -> list[Path]:
        """Run the analysis and write its outputs below a folder.

        Args:
            results: the folder of the study's results.

        Returns:
            The files that were written.
        """
        outputs, paths = self.module().make(given, study), [results / name for name in self.outputs]
        for folder in {path.parent for path in paths}:
            folder.mkdir(parents=True, exist_ok=True)
        if self.kind == "figures":  # by name: no statistic depends on how figures look
            style = importlib.import_module("crossover.analyses.figures.style")
            return style.save(outputs, paths[0].with_suffix(""))
        for path in paths:
            outputs[path.stem].to_csv(path, index=False)
        return paths


@functools.cache
def analyses() -> tuple[Registered, ...]:
    """Return all analyses: statistics, tables and figures, each kind in its order.

    A declaration is evaluated from its module's text, since importing the modules would import all that draws
    and computes, of which Snakemake, which asks for them at its start, needs nothing.
    """
    found = [
        Registered(kind, path.stem, declared)
        for kind in KINDS
        for path in sorted((PLACE / kind).glob("*.py"))
        if (declared := _declared(path)) is not None
    ]
    return tuple(sorted(found, key=lambda a: (KINDS.index(a.kind), a.declared.order, a.name)))


def of_study(study: Study, *kinds: str) -> list[Registered]:
    """Return the analyses that fit a study's design, of these kinds, or of all kinds where none is given."""
    return [a for a in analyses() if a.kind in (kinds or KINDS) and a.applies(study)]


def find(kind: str, name: str) -> Registered:
    """Return the analysis with this name, without reading the others.

    Raises:
        KeyError: there is no such analysis.
    """
    path = PLACE / kind / f"{name}.py"
    declared = _declared(path) if path.is_file() else None
    if declared is None:
        raise KeyError(f"{kind}/{name}")
    return Registered(kind, name, declared)


def caption(figure: str, frames: Frames, study: Study) -> tuple[str, str]:
    """Return (title, text) of a figure; one that is no analysis of ours gets its name as title.

    Args:
        figure: the figure's name.
        frames: the tables of the run by name, `published` (the paper's) and `failed` (trainings) among them.
    """
    known = {a.name: a for a in analyses() if a.kind == "figures"}
    if figure not in known:
        return figure.replace("_", " ").capitalize(), ""
    return known[figure].declared.title, known[figure].module().caption(frames, study)


def part(figure: str, study: Study) -> Part:
    """Return the part of a study's page that shows a figure: the appendix, where it is of no analysis of ours."""
    known = {a.name: a.declared.part for a in analyses() if a.kind == "figures"}
    own = known.get(figure, "appendix")
    return "appendix" if own == "paper" and study.paper is None else own


def tables_of(study: Study) -> list[str]:
    """Return the names of the tables under results/<study> that analyses may read or the report shows."""
    radiomics = ["radiomics.csv"] if study.radiomics else []
    files = (f for a in of_study(study, "statistics", "tables") for f in a.outputs)
    return [*CONTRACT, *radiomics, *files]


def read_tables(paths: Iterable[Path], study: Study) -> dict[str, pd.DataFrame]:
    """Read tables by the names of their files, statistics in the study's order of cohorts and structures."""
    read = {path.stem: read_written(path) for path in paths}
    return read | {n: in_study_order(read[n], study) for n in read.keys() & names_of_rows().keys()}


def names_of_rows() -> dict[str, tuple[str, ...]]:
    """Return the statistics by their files' names, each with the columns that name its rows."""
    written = (item for a in analyses() if a.kind == "statistics" for item in a.declared.writes.items())
    return {Path(file).stem: tuple(columns) for file, columns in written}


def _declared(path: Path) -> Analysis | None:
    text = path.read_text(encoding="utf-8")
    if "\nANALYSIS = " not in text:
        return None
    assigned = (node for node in ast.parse(text).body if isinstance(node, ast.Assign))
    node = next(a for a in assigned if ast.unparse(a.targets[0]) == "ANALYSIS")
    return eval(compile(ast.Expression(node.value), str(path), "eval"), dict(_NAMES))

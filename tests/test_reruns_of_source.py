"""A line of every source file: exactly the rules of docs/reruns.md rerun.

Which jobs depend on a file follows from the graph: those whose code's entries import it, and all that read what they
make. For a file of each row of the page, Snakemake says so itself.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import cache

import pytest

from crossover.core.source_code import closure
from crossover.study.config import load_study
from tests.dry_runs import ROOT
from tests.rerun_page import SCALE, STUDIES, Pretended, closed, named, rows

pytestmark = pytest.mark.slow

SOURCES = sorted(
    str(path.relative_to(ROOT))
    for folder in ("crossover", "workflow_scripts")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in (".py", ".j2")
)


@pytest.fixture(scope="module")
def all_studies(dry_run_server) -> Pretended:
    return Pretended(dry_run_server, "uterus,nasopharynx,prostate")


TABLE = [(pattern, *cells[1:]) for cells in rows("A line of source") for pattern in named(cells[0])]


def row_of(path: str) -> tuple[str, ...]:
    return next((row for row in TABLE if fnmatchcase(path, row[0])), (path, "no row", ""))


def dependent(path: str, jobs: list[dict]) -> list[dict]:
    """The jobs that rerun, of a graph in which inputs come before what reads them."""
    found: dict[int, dict] = {}
    for job in jobs:
        if path in imported(tuple(job["entries"])) or found.keys() & set(job["depends"]):
            found[job["place"]] = job
    return list(found.values())


@cache  # of a hundred jobs, for each of 300 files
def imported(entries: tuple[str, ...]) -> frozenset[str]:
    return frozenset(closure(*entries))


def test_a_line_of_source_reruns_what_the_page_says(all_studies: Pretended):
    rules = {study: of_study(study, all_studies.first) for study in all_studies.studies}
    wrong = []
    for path in SOURCES:
        jobs = dependent(path, all_studies.first)
        row = row_of(path)
        cell = row[1].replace("analyses that import it", f"analyses that import {path}")
        only = [study for study in named(row[2]) if study in all_studies.studies]
        for study in all_studies.studies:
            found = of_study(study, jobs)
            expected = closed(cell, rules[study]) if study in only or not only else set()
            if found != expected - {"report"}:
                more, less = sorted(found - expected), sorted(expected - found - {"report"})
                wrong.append(f"{path}, {study}: reruns also {more}, and not {less}")
        ran = {job["rule"] for job in jobs}
        if bool(ran - {"values"}) != ("report" in ran):
            wrong.append(f"{path}: the report")
        if not closed(cell, {"report"}.union(*rules.values())) and jobs:
            wrong.append(f"{path}: reruns something")
    assert not wrong, "\n" + "\n".join(wrong)


@pytest.mark.thorough
def test_snakemake_reruns_what_depends_on_a_line_of_source(all_studies: Pretended):
    """Of a file for each answer that the page has."""
    of_answers = {row_of(path)[1:]: path for path in SOURCES}
    for path in of_answers.values():
        text = (all_studies.folder / path).read_text()
        all_studies.after(path, text + "\nchanged = True\n")
        asked = [job["place"] for job in all_studies.last]
        assert asked == [job["place"] for job in dependent(path, all_studies.first)], path


def of_study(name: str, jobs: list[dict]) -> set[str]:
    return {job["rule"] for job in jobs if COHORTS.get(job["cohort"], job["study"]) == name}


COHORTS = {c: name for name in STUDIES for c in load_study(name, SCALE).cohorts}


@pytest.mark.parametrize("path", ["crossover/training/loop.py", "workflow_scripts/_job.py"])
def test_a_remark_in_source_reruns_nothing(all_studies: Pretended, path: str):
    text = (all_studies.folder / path).read_text()
    assert all_studies.after(path, text + "\n# a remark\n") == set()

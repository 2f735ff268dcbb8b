"""The first page: what was asked, what was found, how sure that is. Every sentence comes from the tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pandas as pd

from crossover.analyses.figures.learning_curves import shown_pairs
from crossover.findings.claims.parts import VERDICTS
from crossover.report import failures
from crossover.report.beside_paper import disagreement
from crossover.report.claims_part import verdicts_sentence
from crossover.report.crossover_part import crossover_sentences
from crossover.report.layout import Table
from crossover.report.parts import Answer, StudyResults, counted, listed
from crossover.statistics.crossing import CROSSES, NONE

MOST = 2
"""Sentences of a study's own answer that stand on the first page."""


@dataclass(frozen=True)
class Linked:
    """A sentence, and the part of the page that it comes from."""

    text: str
    to: str = ""


@dataclass(frozen=True)
class Brief:
    """A study on the first page."""

    study: str
    title: str
    question: str
    found: list[Linked]
    sure: list[Linked]


def brief(results: StudyResults, answers: Iterable[Answer], meaning: str) -> Brief:
    """A study's question, answer and how sure it is.

    Args:
        meaning: of its scale.
    """
    study = results.study
    return Brief(
        study.study,
        study.title,
        study.question,
        list(_found(results, list(answers))),
        [Linked(f"Scale {study.scale}, {meaning}." if meaning else f"Scale {study.scale}."),
         Linked(str(study.data)), *_sure(results)],
    )  # fmt: skip


def overview(studies: list[StudyResults]) -> Table:
    """Counts of all studies side by side."""
    rows = [
        [
            results.study.title,
            str(patients_tested(results) or "–"),
            _crossovers(results),
            *_verdicts(results),
        ]
        for results in studies
    ]
    head = ["Study", "Patients tested", "Crossover"]
    head += [f"Claims: {v}" if i == 0 else v for i, v in enumerate(VERDICTS)]
    return Table(head, rows, [False, True, False, *[True] * len(VERDICTS)], wraps=True)


def patients_tested(results: StudyResults, cohort: str | None = None) -> int:
    """Patients with a score under a model that doesn't stand for a fold alone; of one cohort or all."""
    splits = results.frames.get("splits", pd.DataFrame())
    metrics = results.frames.get("metrics", pd.DataFrame())
    if splits.empty or metrics.empty:
        return 0
    test = splits[splits["part"] == "test"]
    scored = set(zip(metrics["cohort"], metrics["case"], strict=True))
    there = [place in scored for place in zip(test["cohort"], test["case"], strict=True)]
    test = test[there]
    test = test if cohort is None else test[test["cohort"] == cohort]
    return len(test.drop_duplicates(["cohort", "patient"]))


def _found(results: StudyResults, answers: list[Answer]) -> Iterator[Linked]:
    for text in crossover_sentences(results):
        yield Linked(text, "crossover")
    said = [sentence for answer in answers for sentence in answer.sentences]
    for text in said[:MOST]:
        yield Linked(text, "answer")
    claims = results.frames.get("claims", pd.DataFrame())
    if len(claims):
        yield Linked(verdicts_sentence(claims), "claims")


def _sure(results: StudyResults) -> Iterator[Linked]:
    study, frames = results.study, results.frames
    by_cohort = {c: patients_tested(results, c) for c in study.cohorts}
    if patients := sum(by_cohort.values()):
        parts = [f"{n} of {study.cohorts[c].label}" for c, n in by_cohort.items() if n]
        yield Linked(f"Tested on {counted(patients, 'patient')}: {listed(parts)}.")
    if trained := _trained(frames.get("metrics", pd.DataFrame())):
        yield Linked(trained)
    failed = frames.get("failed", failures.failed_table({}))
    if line := failures.line(failed, results.collapsed):
        yield Linked(line, "failed")
    pairs = frames.get("pairwise", pd.DataFrame())
    if len(pairs):
        for text in disagreement(pairs, study):
            yield Linked(text, "tests")


def _trained(metrics: pd.DataFrame) -> str:
    """Whether anything tells how much a score hangs on its one training."""
    if metrics.empty:
        return ""
    folds = int(metrics["fold"].nunique()) if metrics["fold"].notna().all() else 0
    times = folds or int(metrics.groupby(["family", "n_train"])["replicate"].nunique().min())
    if times > 1:
        return f"Every model was trained {f'in {times} folds' if folds else f'{times} times'}."
    once = "Every model was trained once"
    return (
        f"{once}: tests and intervals of scores are for other patients, not for another training."
    )


def _crossovers(results: StudyResults) -> str:
    """ "1 found, 2 none, 3 can't tell" of the pairs of strategies on the target."""
    table = results.frames.get("crossover", pd.DataFrame())
    if table.empty:
        return "no learning curves"
    study = results.study
    here = shown_pairs(table[table["test_set"] == study.target], study)["verdict"]
    found, none = int((here == CROSSES).sum()), int((here == NONE).sum())
    left = len(here) - found - none
    words = [(found, "found"), (none, "none in the range"), (left, "can't tell")]
    return ", ".join(f"{n} {word}" for n, word in words if n)


def _verdicts(results: StudyResults) -> list[str]:
    claims = results.frames.get("claims", pd.DataFrame())
    if claims.empty:
        return ["–"] * len(VERDICTS)
    return [str(int((claims["verdict"] == verdict).sum())) for verdict in VERDICTS]

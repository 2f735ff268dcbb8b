"""The report of a study of chains: each against its target's baseline."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from crossover.analyses.figures import style
from crossover.report import chains_findings
from crossover.report.chains_findings import of_metric
from crossover.report.chains_layout import (
    by_kind,
    everywhere,
    folds_layout,
    gains_layout,
    labelled,
    scored,
    statements,
    strengths_layout,
)
from crossover.report.chains_table import cohorts_layout, grid_layout, sources_layout
from crossover.report.layout import table
from crossover.report.parts import Answer, StudyResults, Titled, stability
from crossover.study.chains import chains
from crossover.study.schema import Study

KINDS = (
    "Mean difference on the same cases in percentage points, with the {confidence} interval for other patients "
    "and other trainings. Not corrected."
)
SOURCES = (
    "In per cent, on the target's test cases. Best fold: the model of the best validation DSC, as the paper "
    "reports. Mean: over the folds' models, with the {confidence} CI over test cases (t on the logit scale). "
    "None: the target's patients alone, which the paper prints where source and target meet."
)
GAINS = (
    "Each chain minus its target's baseline on the same test cases, in percentage points, a case's score being "
    "its mean over the folds. {confidence} CI for other patients (t), and for other patients and "
    "trainings. p: Wilcoxon's signed-rank test, exact; "
    "Holm: over all {tests} rows. r: matched-pairs rank-biserial correlation; dz: Cohen's. Best folds: between "
    "the two models of the best validation DSC."
)


def answers(results: StudyResults) -> Iterator[Answer]:
    """One; sentences, and kinds of chains against each other."""
    study, frames = results.study, results.frames
    sentences = chains_findings.headline(frames, study)
    if sentences and "contrasts" in frames:
        yield Answer("", sentences, table(by_kind(frames["contrasts"], study), study))


def tables(results: StudyResults) -> Iterator[Titled]:
    """The paper's three tables beside the published, and what its text states."""
    study, frames = results.study, results.frames
    confidence = f"{study.statistics.confidence:.0%}"
    if "table1" in frames:
        note = "Slices: those with the structure, of all patients."
        yield Titled("Cohorts", note, table(cohorts_layout(frames["table1"]), study), "table1")
    if "table2" in frames and frames["table2"]["folds"].notna().any():
        note = (
            "Validation DSC in per cent, mean ± SD over the folds; * the selected network. It chose the "
            "weights of each training and the network, so it is better than that of new patients."
        )
        yield Titled("Networks", note, table(grid_layout(frames["table2"]), study), "table2")
    if "table3" in frames:
        for metric in scored(study):
            layout = sources_layout(frames["table3"], metric, study)
            title = f"{style.metric_label(metric)}, by what was trained on before"
            note = SOURCES.format(confidence=confidence)
            yield Titled(title, note, table(layout, study), "table3")
    stated = statements(frames, study)
    if len(stated):
        note = (
            "Mean gain of the chains with one source over the baseline, in percentage points. From its "
            "table: what the published scores "
            "give. A statement is supported where the interval for other patients and trainings is above 0."
        )
        yield Titled("Gains that the paper states", note, table(stated, study), "gains")


def details(results: StudyResults) -> Iterator[Titled]:
    """The long tables that open on a click."""
    study, frames = results.study, results.frames
    confidence = f"{study.statistics.confidence:.0%}"
    whole = dict.fromkeys([study.statistics.metric, "dsc"])
    if "table3" in frames:
        for metric in [m for m in whole if m not in scored(study)]:
            layout = sources_layout(frames["table3"], metric, study)
            title = f"{style.metric_label(metric)} of whole volumes, by what was trained on before"
            note = SOURCES.format(confidence=confidence)
            yield Titled(title, note, table(layout, study), "table3")
    if "gains" in frames and len(frames["gains"]):
        for metric in whole:
            rows = frames["gains"][frames["gains"]["metric"] == metric]
            note = GAINS.format(tests=len(rows), confidence=confidence)
            title = f"Gains in {style.metric_label(metric)} ({len(rows)} rows)"
            yield Titled(title, note, table(gains_layout(rows, study), study), "gains")
    if "field_strength" in frames and len(frames["field_strength"]):
        rows = of_metric(frames["field_strength"], study)
        note = KINDS.format(confidence=confidence)
        layout = table(strengths_layout(rows, study), study)
        yield Titled("Field strength of the source", note, layout, "field_strength")
    if "summary" in frames:
        note = (
            f"Mean {style.metric_label(study.statistics.metric)} in per cent over folds and cases; in "
            "brackets the cohorts that the last training was not on."
        )
        layout = everywhere(frames["summary"], study)
        yield Titled("Every chain on every cohort", note, table(layout, study), "summary")
    if "validation" in frames:
        note = "Validation DSC in per cent of each fold's model; * the best, by validation."
        layout = table(folds_layout(frames["validation"], study), study)
        yield Titled("Validation of the chains", note, layout, "validation")
    if "stability" in frames:
        rows = _on_targets(frames["stability"], study)
        yield from stability(StudyResults(study, {"stability": rows}, {}))


def _on_targets(stability: pd.DataFrame, study: Study) -> pd.DataFrame:
    """The rows of each chain's own targets, in the study's order, `family` what was trained before."""
    own = [(chain.family, target) for chain in chains(study) for target in chain.targets]
    places = list(zip(stability["family"], stability["cohort"], strict=True))
    rows = stability.assign(place=[own.index(p) if p in own else -1 for p in places])
    rows = rows[rows["place"] >= 0].sort_values(["place", "fold"]).drop(columns="place")
    return rows.assign(family=labelled(rows["family"], study))

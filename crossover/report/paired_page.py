"""The report of a study whose models are compared in pairs on the same cases."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from crossover.analyses.figures import style
from crossover.report import paired_findings
from crossover.report.layout import table
from crossover.report.paired_table import P, paired_layout, table_two_paired_layout
from crossover.report.parts import Answer, StudyResults, Titled, patients, stability
from crossover.report.times_table import times_layout
from crossover.statistics.metrics_table import POOLED

SAVED = (
    "Saved: of the time from scratch. Cheaper steps: no gradient and no update in the frozen layers; "
    "anything else: fewer steps, batches, validation, loading, starting. The two shares add up to 100% and one is "
    "negative where it cost time."
)
PAIRED = (
    "On the target's test cases; difference: mean of the first minus the second on the same cases, with "
    "{confidence} CI (paired t). W: the smaller rank sum. r: matched-pairs rank-biserial correlation; "
    "dz: Cohen's, mean over SD of the differences. Corrected over the main question's comparisons: Holm "
    "(of the exact p) and Westfall and Young (step-down, signs of a case's differences flipped together)."
)


def answers(results: StudyResults) -> Iterator[Answer]:
    """One for all structures together."""
    study, frames = results.study, results.frames
    if "paired" not in frames or "table2" not in frames:
        return
    sentences = paired_findings.headline(frames["table2"], frames["paired"], study)
    if "training_time_saved" in frames:
        sentences += paired_findings.time_saved(frames["training_time_saved"], study)
    yield Answer("", sentences, table(paired_findings.by_pair(frames["table2"], study), study))


def tables(results: StudyResults) -> Iterator[Titled]:
    """The tables that stand open; Table 2 as two that fit the page, scores and p values."""
    study, frames = results.study, results.frames
    yield from patients(results)
    if "table2" in frames:
        yield from _scores_and_tests(results)
        saved = frames.get("training_time_saved")
        layout = pd.DataFrame() if saved is None else times_layout(saved, study)
        if len(layout):
            yield Titled("Training time", SAVED, table(layout, study), "training_time_saved")
    yield from stability(results)


def details(results: StudyResults) -> Iterator[Titled]:
    """The long table that opens on a click."""
    study, frames = results.study, results.frames
    if "paired" in frames and len(frames["paired"]):
        rows = paired_layout(frames["paired"], study)
        note = PAIRED.format(confidence=f"{study.statistics.confidence:.0%}")
        title = f"Paired comparisons ({len(rows)} rows)"
        yield Titled(title, note, table(rows, study), "paired")


def _scores_and_tests(results: StudyResults) -> Iterator[Titled]:
    study, frames = results.study, results.frames
    metric = style.metric_label(study.statistics.metric)
    where = style.test_set_label(study, study.target)
    if frames["table2"].empty:
        return
    cases = int(frames["table2"]["cases"].max())
    layout = table_two_paired_layout(frames["table2"].fillna({"b": ""}), study)
    layout = layout.loc[:, [c == "Structure" or (layout[c] != "").any() for c in layout]]
    several = frames["table2"]["structure"].eq(POOLED).any()
    scores = layout[[c for c in layout if not c.startswith(P)]]
    note = f"Mean ± SD of {cases} {where} test cases."
    note += " Average: the SD is that of all structures' cases about it." if several else ""
    yield Titled(f"{metric} of each structure", note, table(scores, study), "table2")
    tests = layout.drop(columns=[c for c in scores if c not in ("Structure", "n_train")])
    note = (
        "p of Wilcoxon's signed-rank test on the same cases, two-sided, zero differences dropped, "
        "uncorrected: asymptotic without continuity correction (the form that gives the paper's "
        "values), and in brackets exact."
    )
    note += " Average: of each case's mean over the structures." if several else ""
    tests = tests.rename(columns=lambda c: c.removeprefix(P))
    yield Titled(f"Differences of {metric}", note, table(tests, study), "table2")

"""The report of a study whose models are compared by analysis of variance and Tukey's test."""

from __future__ import annotations

from collections.abc import Iterator

from crossover.analyses.figures import style
from crossover.report import findings
from crossover.report.layout import table
from crossover.report.parts import Answer, StudyResults, Titled, patients, stability
from crossover.report.tables import table_two_layout
from crossover.statistics.scales import method


def answers(results: StudyResults) -> Iterator[Answer]:
    """One for each structure."""
    study, frames = results.study, results.frames
    if "summary" not in frames or "tukey" not in frames:
        return
    for structure in study.structures:
        about = (frames["summary"], frames["tukey"], study, structure)
        sizes = table(findings.by_size(*about), study)
        yield Answer(study.structures[structure].label, findings.headline(*about), sizes)


def tables(results: StudyResults) -> Iterator[Titled]:
    """The tables that stand open."""
    study, frames = results.study, results.frames
    yield from patients(results)
    if "table2" in frames:
        metric = style.metric_label(study.statistics.metric)
        how = method(study.statistics.metric)
        note = f"Mean ({study.statistics.confidence:.0%} CI, {how})."
        if frames["table2"]["published_mean"].notna().any():
            note += " Published: of the paper's patients, at the corresponding training size."
        layout = table_two_layout(frames["table2"])
        layout = layout.loc[:, [c == "" or (layout[c] != "").any() for c in layout]]
        yield Titled(f"{metric} on each test set", note, table(layout, study), "table2")
    yield from stability(results)


def details(results: StudyResults) -> Iterator[Titled]:
    """The long tables that open on a click."""
    study, frames = results.study, results.frames
    alpha, confidence = study.statistics.alpha, f"{study.statistics.confidence:.0%}"
    notes = {
        "anova": (
            "Analysis of variance",
            "One-way; df: degrees of freedom; η²: share of variance.",
        ),
        "tukey": (
            "Tukey's honestly significant differences",
            f"Differences of means with {confidence} CI; significant: p < {alpha:g}.",
        ),
    }
    for name, (title, note) in notes.items():
        if name in frames and len(frames[name]):
            rows = frames[name].drop(columns="n_train")
            yield Titled(f"{title} ({len(rows)} rows)", note, table(rows, study), name)

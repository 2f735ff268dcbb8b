"""The report: one HTML file that holds everything, whoever opens it and wherever.

Its sentences, captions and counts come from the tables (`findings`, `captions`), its layout from
`template.html.j2`.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from crossover.config import SCALES
from crossover.figures import style
from crossover.report import findings, paired_findings
from crossover.report.captions import caption
from crossover.report.layout import Table, stability_by_fold, table
from crossover.report.paired_table import P, paired_layout, table_two_paired_layout
from crossover.report.tables import table_one_layout, table_two_layout
from crossover.report.times_table import times_layout
from crossover.statistics.metrics_table import POOLED
from crossover.study import Study

MEANING = {
    "smoke": "a check that every step runs. Its numbers mean nothing",
    "demo": "the published design with fewer patients, smaller images and a smaller network. It "
    "shows the workflow and the shape of an answer, not the paper's numbers",
    "paper": "the published design: its numbers of patients, sizes, network and recipe",
}
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
MIME = {".svg": "image/svg+xml", ".png": "image/png"}


@dataclass(frozen=True)
class StudyResults:
    """What the report needs of one study.

    Attributes:
        frames: any of metrics, summary, anova, tukey, stability, paired, training_time,
            training_time_saved, icc, splits, published (as the statistics wrote them) and table1,
            table2 (tidy); a missing one is left out.
        figures: name (flow, performance, ...) -> its SVG or PNG, in the order of the report.
        facts: about the run, name -> number, text, or mapping of these; seconds end in "_s".
    """

    study: Study
    frames: dict[str, pd.DataFrame]
    figures: dict[str, Path]
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Picture:
    """A figure with its words, inlined."""

    title: str
    caption: str
    data: str


@dataclass(frozen=True)
class Answer:
    """What one structure's tables say."""

    structure: str
    sentences: list[str]
    sizes: Table


@dataclass(frozen=True)
class Section:
    """One study, ready to print."""

    study: Study
    meaning: str
    published_scale: str
    answers: list[Answer]
    pictures: list[Picture]
    tables: list[tuple[str, str, Table]]
    details: list[tuple[str, str, Table]]
    facts: list[tuple[str, str]]


def render(studies: list[StudyResults], out: Path) -> None:
    """Write the report of these studies as one file without any outside resource."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["code"] = _code
    page = environment.get_template("template.html.j2")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page.render(sections=[_section(s) for s in studies]), encoding="utf-8")


def _section(results: StudyResults) -> Section:
    study, frames = results.study, results.frames
    pictures = [
        Picture(*caption(name, frames, study), _inline(path))
        for name, path in results.figures.items()
    ]
    return Section(
        study=study,
        meaning=MEANING.get(study.scale, ""),
        published_scale=SCALES[-1],
        answers=list(_answers(results)),
        pictures=pictures,
        tables=list(_tables(results)),
        details=list(_details(results)),
        facts=[(_words(k), _fact(k, v)) for k, v in results.facts.items()],
    )


def _answers(results: StudyResults) -> Iterator[Answer]:
    study, frames = results.study, results.frames
    if "paired" in frames and "table2" in frames:
        yield _paired_answer(results)
        return
    if "summary" not in frames or "tukey" not in frames:
        return
    for structure in study.structures:
        about = (frames["summary"], frames["tukey"], study, structure)
        sizes = table(findings.by_size(*about), study)
        yield Answer(study.structures[structure].label, findings.headline(*about), sizes)


def _paired_answer(results: StudyResults) -> Answer:
    """What the paired tables say of all structures together."""
    study, frames = results.study, results.frames
    sentences = paired_findings.headline(frames["table2"], frames["paired"], study)
    if "training_time_saved" in frames:
        sentences += paired_findings.time_saved(frames["training_time_saved"], study)
    return Answer("", sentences, table(paired_findings.by_pair(frames["table2"], study), study))


def _tables(results: StudyResults) -> Iterator[tuple[str, str, Table]]:
    """(title, note, table) of the tables that stand open."""
    study, frames = results.study, results.frames
    confidence = f"{study.statistics.confidence:.0%}"
    if "table1" in frames:
        note = "Mean (SD) or number (%)."
        yield (
            f"Patients, {study.cohorts[study.target].label}",
            note,
            table(table_one_layout(frames["table1"].fillna({"category": ""})), study),
        )
    if "table1_published" in frames and len(frames["table1_published"]):
        patients = f"Patients of the paper, {study.cohorts[study.target].label}"
        yield patients, "As published.", table(frames["table1_published"], study)
    if "table2" in frames and "paired" in frames:
        yield from _paired_tables(results)
        saved = frames.get("training_time_saved")
        layout = pd.DataFrame() if saved is None else times_layout(saved, study)
        if len(layout):
            yield "Training time", SAVED, table(layout, study)
    elif "table2" in frames:
        metric = style.metric_label(study.statistics.metric)
        note = f"Mean ({confidence} CI)."
        if frames["table2"]["published_mean"].notna().any():
            note += " Published: of the paper's patients, at the corresponding training size."
        layout = table_two_layout(frames["table2"])
        layout = layout.loc[:, [c == "" or (layout[c] != "").any() for c in layout]]
        yield f"{metric} on each test set", note, table(layout, study)
    if "stability" in frames and len(frames["stability"]):
        metric = style.metric_label(study.statistics.metric)
        note = f"Mean (SD) {metric} of each fold; F and p over them."
        yield "Stability over folds", note, table(stability_by_fold(frames["stability"]), study)


def _paired_tables(results: StudyResults) -> Iterator[tuple[str, str, Table]]:
    """Table 2 as two that fit the page: scores, and p values."""
    study, frames = results.study, results.frames
    metric = style.metric_label(study.statistics.metric)
    where = style.test_set_label(study, study.target)
    cases = int(frames["table2"]["cases"].max())
    layout = table_two_paired_layout(frames["table2"].fillna({"b": ""}), study)
    layout = layout.loc[:, [c == "Structure" or (layout[c] != "").any() for c in layout]]
    several = frames["table2"]["structure"].eq(POOLED).any()
    scores = layout[[c for c in layout if not c.startswith(P)]]
    note = f"Mean ± SD of {cases} {where} test cases."
    note += " Average: the SD is that of all structures' cases about it." if several else ""
    yield f"{metric} of each structure", note, table(scores, study)
    tests = layout.drop(columns=[c for c in scores if c not in ("Structure", "n_train")])
    note = (
        "p of Wilcoxon's signed-rank test on the same cases, two-sided, zero differences dropped, "
        "uncorrected: asymptotic without continuity correction (the form that gives the paper's "
        "values), and in brackets exact."
    )
    note += " Average: of each case's mean over the structures." if several else ""
    tests = tests.rename(columns=lambda c: c.removeprefix(P))
    yield f"Differences of {metric}", note, table(tests, study)


def _details(results: StudyResults) -> Iterator[tuple[str, str, Table]]:
    """(title, note, table) of the long tables that open on a click."""
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
            yield f"{title} ({len(rows)} rows)", note, table(rows, study)
    if "paired" in frames and len(frames["paired"]):
        rows = paired_layout(frames["paired"], study)
        note = PAIRED.format(confidence=confidence)
        yield f"Paired comparisons ({len(rows)} rows)", note, table(rows, study)


def _inline(path: Path) -> str:
    """The figure as a data URI. An SVG that carries pixels gains nothing over its PNG."""
    if path.suffix == ".svg" and b"<image" in path.read_bytes():
        png = path.with_suffix(".png")
        path = png if png.exists() else path
    return f"data:{MIME[path.suffix]};base64,{base64.b64encode(path.read_bytes()).decode()}"


def _code(text: str) -> Markup:
    """Escaped text, with what stands between backticks as code."""
    parts = str(escape(text)).split("`")
    if len(parts) % 2 == 0:  # an unpaired backtick is only a backtick
        return escape(text)
    marked = [f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts)]
    return Markup("".join(marked))


def _words(name: str) -> str:
    words = name.removesuffix("_s").replace("_", " ")
    return words[:1].upper() + words[1:]


def _fact(name: str, value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {_fact(k, v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_fact("", v) for v in value)
    if name.endswith("_s") and isinstance(value, int | float):
        return _duration(value)
    if isinstance(value, float) and not value.is_integer():
        return f"{value:,.2f}"
    return f"{value:,.0f}" if isinstance(value, int | float) else str(value)


def _duration(seconds: float) -> str:
    """ "2 h 05 min", "12 min 03 s", "8.1 s"."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{seconds:.1f} s"

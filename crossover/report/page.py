"""The report: one HTML file that holds everything, whoever opens it and wherever.

Its sentences, captions and counts come from the tables (`findings`, `captions`), its layout from
`template.html.j2`.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from crossover.config import SCALES
from crossover.figures.style import DPI, PAGE_MM
from crossover.report import chains_page, failures, independent_page, initialisation, paired_page
from crossover.report.captions import caption
from crossover.report.layout import Table, table
from crossover.report.parts import Answer, StudyResults, Titled
from crossover.study import Study

PAGES = {"independent": independent_page, "paired": paired_page, "chains": chains_page}
"""What a study compares by -> its answers, tables and details."""
MEANING = {
    "smoke": "a check that every step runs. Its numbers mean nothing",
    "demo": "the published design cut down: smaller images and networks, fewer patients or steps. It "
    "shows the workflow and the shape of an answer, not the paper's numbers",
    "paper": "the published design: its numbers of patients, sizes, network and recipe",
}
MIME = {".svg": "image/svg+xml", ".png": "image/png"}


@dataclass(frozen=True)
class Picture:
    """A figure with its words, inlined.

    Attributes:
        width: of a page's, in per cent, so that letters have one size in all figures.
    """

    title: str
    caption: str
    data: str
    width: int


@dataclass(frozen=True)
class Holes:
    """Trainings that failed.

    Attributes:
        line: for the top of the page. failed: None where none failed. warning: about those that found nothing.
    """

    title: str
    line: str
    failed: Table | None
    warning: str


@dataclass(frozen=True)
class Section:
    """One study, ready to print."""

    study: Study
    meaning: str
    published_scale: str
    notices: list[str]
    answers: list[Answer]
    pictures: list[Picture]
    tables: list[Titled]
    details: list[Titled]
    facts: list[tuple[str, str]]
    holes: Holes | None


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
    page = PAGES[study.statistics.comparison]
    pictures = [
        Picture(*caption(name, frames, study), _inline(path), _width(path))
        for name, path in results.figures.items()
    ]
    return Section(
        study=study,
        meaning=MEANING.get(study.scale, ""),
        published_scale=SCALES[-1],
        notices=initialisation.notices(frames.get("initial"), study),
        answers=list(page.answers(results)),
        pictures=pictures,
        tables=list(page.tables(results)),
        details=list(page.details(results)),
        facts=[(_words(k), _fact(k, v)) for k, v in results.facts.items()],
        holes=_holes(results),
    )


def _holes(results: StudyResults) -> Holes | None:
    failed = results.frames.get("failed", failures.failed_table({}))
    line = failures.line(failed, results.collapsed)
    if not line:
        return None
    shown = table(failures.failures_layout(failed, results.study), results.study)
    warning = failures.warning(results.collapsed)
    return Holes(failures.TITLE, line, shown if len(failed) else None, warning)


def _inline(path: Path) -> str:
    """The figure as a data URI. An SVG that carries pixels gains nothing over its PNG."""
    if path.suffix == ".svg" and b"<image" in path.read_bytes():
        png = path.with_suffix(".png")
        path = png if png.exists() else path
    return f"data:{MIME[path.suffix]};base64,{base64.b64encode(path.read_bytes()).decode()}"


def _width(path: Path) -> int:
    """A figure's printed width, in per cent of a page's."""
    if path.suffix == ".png":
        pixels = int.from_bytes(path.read_bytes()[16:20], "big")  # of its header
        mm = pixels / DPI * 25.4
    else:
        found = re.search(rb'width="([\d.]+)pt"', path.read_bytes())
        mm = float(found[1]) / 72 * 25.4 if found else PAGE_MM
    return min(100, round(100 * mm / PAGE_MM))


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

"""The report: one HTML file that holds everything, whoever opens it and wherever.

Its sentences, captions and counts come from the tables (`findings`, and the figures' own captions), its layout from
`template.html.j2`.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from crossover.analyses import registry
from crossover.analyses.figures.style import DPI, PAGE_MM
from crossover.report import chains_page, failures, independent_page, initialisation, paired_page
from crossover.report.audit_part import audit_part
from crossover.report.beside_paper import beside_paper
from crossover.report.claims_part import claims_part
from crossover.report.crossover_part import crossover_part
from crossover.report.first_page import Brief, brief, overview
from crossover.report.layout import Table, table
from crossover.report.made import Made
from crossover.report.parts import Answer, Part, StudyResults, Titled
from crossover.study.config import SCALES
from crossover.study.families import comparison
from crossover.study.schema import Study

PAGES = {"independent": independent_page, "paired": paired_page, "chains": chains_page}
"""What a study compares -> its answers, tables and details."""
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
        number: in its study.
        width: of a page's, in per cent, so that letters have one size in all figures.
    """

    name: str
    number: int
    title: str
    caption: str
    data: str
    width: int
    made: Made | None


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
    """One study, ready to print.

    Attributes:
        pictures: those that stand under Figures. apart: those that stand in a part, by name.
    """

    study: Study
    brief: Brief
    meaning: str
    published_scale: str
    notices: list[str]
    answers: list[Answer]
    pictures: list[Picture]
    apart: dict[str, Picture]
    tables: list[Titled]
    details: list[Titled]
    parts: list[Part]
    facts: list[tuple[str, str]]
    holes: Holes | None
    made: dict[str, Made]


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
    sections = [_section(s) for s in studies]
    out.write_text(page.render(sections=sections, overview=overview(studies)), encoding="utf-8")


def _section(results: StudyResults) -> Section:
    study = results.study
    page = PAGES[comparison(study)]
    answers, meaning = list(page.answers(results)), MEANING.get(study.scale, "")
    parts = [part for part in _parts(results) if part]
    pictures, apart = _pictures(results, [part.figure for part in parts])
    return Section(
        study=study,
        brief=brief(results, answers, meaning),
        meaning=meaning,
        published_scale=SCALES[-1],
        notices=initialisation.notices(results.frames.get("initial"), study),
        answers=answers,
        pictures=pictures,
        apart=apart,
        tables=list(page.tables(results)),
        details=list(page.details(results)),
        parts=parts,
        facts=[(_words(k), _fact(k, v)) for k, v in results.facts.items()],
        holes=_holes(results),
        made=results.made,
    )


def _parts(results: StudyResults) -> Iterator[Part | None]:
    yield claims_part(results)
    yield crossover_part(results)
    yield beside_paper(results)
    yield audit_part(results)


def _pictures(results: StudyResults, named: list[str]) -> tuple[list[Picture], dict[str, Picture]]:
    """Those under Figures, then those that parts name, numbered in this order."""
    names = sorted(results.figures, key=lambda name: name in named)
    pictures = [
        Picture(name, i, *registry.caption(name, results.frames, results.study), _inline(path), _width(path),
                results.made.get(f"figures/{name}"))
        for i, (name, path) in enumerate(((n, results.figures[n]) for n in names), 1)
    ]  # fmt: skip
    return (
        [p for p in pictures if p.name not in named],
        {p.name: p for p in pictures if p.name in named},
    )


def _holes(results: StudyResults) -> Holes | None:
    failed = results.frames.get("failed", failures.failed_table({}))
    line = failures.line(failed, results.collapsed)
    if not line:
        return None
    shown = table(failures.failures_layout(failed, results.study), results.study, wraps=True)
    warning = failures.warning(results.collapsed)
    return Holes(failures.TITLE, line, shown if len(failed) else None, warning)


def _inline(path: Path) -> str:
    """The figure as a data URI, its SVG where that is no larger than its PNG and carries no pixels.

    An SVG's text is no base64, which is a third larger.
    """
    svg, png = path.with_suffix(".svg"), path.with_suffix(".png")
    if svg.exists():
        text = re.sub(r"\s*\n\s*", " ", svg.read_text(encoding="utf-8"))
        text = text if "'" in text else text.replace('"', "'")
        quoted = quote(text, safe=" ='():/;,@!*~+$<>|{}[]^`")
        encoded = 4 * png.stat().st_size / 3 if png.exists() else math.inf
        if "<image" not in text and len(quoted) <= encoded:
            return f"data:{MIME['.svg']},{quoted}"
        path = png if png.exists() else svg
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

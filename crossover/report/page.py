"""The report: one HTML file that holds everything, whoever opens it and wherever.

Its sentences, captions and counts come from the tables (`prose.j2`, and the figures' own captions), its layout from
`template.html.j2`. It tells a story: on the first page each study's answer; then its results, what the paper says of
them, what was checked; and at the end, apart on paper too, an appendix with all else.
"""

import base64
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup, escape

from crossover.analyses import registry
from crossover.analyses.figures.captions import left_out, warned
from crossover.analyses.figures.style import DPI, PAGE_MM
from crossover.report import best_by_size, study_tables
from crossover.report.agreement_section import agreement_section
from crossover.report.answers import answers, chains_picture
from crossover.report.audit_section import audit_section
from crossover.report.claims_section import claims_section
from crossover.report.crossover_section import crossover_section
from crossover.report.failures_section import failures_in_short, failures_section
from crossover.report.formats import duration
from crossover.report.overview import LinkedSentence, found, how_sure, is_not, makes_surer, only_runs, overview
from crossover.report.prose import environment
from crossover.report.provenance_note import ProvenanceNote
from crossover.report.results import Answer, Section, StudyResults, TitledTable
from crossover.report.run_facts import notices, without_structures
from crossover.study.config import SCALES
from crossover.study.schema import Study

SECTIONS = (
    claims_section, crossover_section, agreement_section, audit_section, failures_section,
)  # fmt: skip
MEANING = {
    "smoke": "a check that every step runs. Its numbers mean nothing",
    "demo": "the published design cut down: smaller images and networks, fewer patients or steps. It "
    "shows the workflow and the shape of an answer, not the paper's numbers",
    "paper": "the published design: its numbers of patients, sizes, network and recipe",
}
OWN_MEANING = MEANING | {
    "demo": "the design cut down: smaller images and networks, and fewer steps. It shows the shape of an answer; "
    "conclusions need the scale paper",
    "paper": "all of the design: its numbers of patients, sizes, network and recipe",
}
"""What scales mean to a study that follows no paper."""
PARTS = ("results", "paper", "checks", "appendix")
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
    provenance: ProvenanceNote | None


@dataclass(frozen=True)
class PagePart:
    """A part of a study's page."""

    pictures: list[Picture]
    tables: list[TitledTable]
    sections: list[Section]

    @property
    def empty(self) -> bool:
        """Whether nothing is in it."""
        return not (self.pictures or self.tables or self.sections)


@dataclass(frozen=True)
class StudyPage:
    """One study, ready to print.

    Attributes:
        found, sure, surer, isnt: the sentences of the first page. picture: of the answer.
        of_a_paper: whether the study follows a publication.
        answers: what the tables say of all structures together, or else of each. others: of each, for the appendix.
        results, paper, checks, appendix: the parts of the page, the appendix apart from the others.
        in_sections: figures that stand in a section, by name.
        failures: how many trainings failed or found nothing; "" for none.
    """

    study: Study
    found: list[LinkedSentence]
    sure: list[LinkedSentence]
    surer: list[LinkedSentence]
    isnt: list[LinkedSentence]
    picture: best_by_size.AnswerTable | None
    others: list[Answer]
    meaning: str
    published_scale: str
    of_a_paper: bool
    notices: list[str]
    answers: list[Answer]
    results: PagePart
    paper: PagePart
    checks: PagePart
    appendix: PagePart
    in_sections: dict[str, Picture]
    facts: list[tuple[str, str]]
    failures: str
    provenance: dict[str, ProvenanceNote]


def render(studies: list[StudyResults], out: Path) -> None:
    """Write the report of these studies as one file without any outside resource."""
    templates = environment(autoescape=True)
    templates.filters["code"] = _code
    page = templates.get_template("template.html.j2")
    out.parent.mkdir(parents=True, exist_ok=True)
    pages = [study_page(s) for s in studies]
    out.write_text(page.render(pages=pages, overview=overview(studies)), encoding="utf-8")


def study_page(results: StudyResults) -> StudyPage:
    """Return what a study's page holds, which follows from the study and from the frames that there are."""
    study, of_a_paper = results.study, _of_a_paper(results.study)
    meaning = (MEANING if of_a_paper else OWN_MEANING).get(study.scale, "")
    answered = list(answers(results))
    whole = [answer for answer in answered if not answer.structure]
    sections = [section for make in SECTIONS if (section := make(results))]
    pictures = _pictures(results, sections)
    named = {section.figure for section in sections}
    tables = study_tables.of_page(results) | {"checks": []}
    parts = {
        name: PagePart(
            [p for p in pictures if p.name not in named and registry.part(p.name, study) == name],
            own, [section for section in sections if section.part == name],
        )
        for name, own in tables.items()
    }  # fmt: skip
    return StudyPage(
        study=study,
        found=list(found(results, answered)),
        sure=list(how_sure(results)),
        surer=list(makes_surer(results)),
        isnt=list(is_not(results, meaning)),
        picture=None if only_runs(study) else best_by_size.picture(results) or chains_picture(results),
        meaning=meaning,
        published_scale=SCALES[-1],
        of_a_paper=of_a_paper,
        notices=[
            *left_out(results.frames, study),
            *warned(results.frames, study),
            *without_structures(results.frame("metrics"), study),
            *notices(results.frame("initial"), study),
        ],
        answers=whole or answered,
        others=[answer for answer in answered if whole and answer.structure],
        **parts,
        in_sections={p.name: p for p in pictures if p.name in named},
        facts=[(_head(name), _fact(name, value)) for name, value in results.facts.items()],
        failures=failures_in_short(results),
        provenance=results.provenance,
    )


def _of_a_paper(study: Study) -> bool:
    return bool(study.paper or study.published)


def _pictures(results: StudyResults, sections: list[Section]) -> list[Picture]:
    """Return all figures, numbered as they come on the page: by part, those of its sections before the others."""
    named = {section.figure: (PARTS.index(section.part), i) for i, section in enumerate(sections)}

    def place(name: str) -> tuple[int, int]:
        return named.get(name) or (PARTS.index(registry.part(name, results.study)), len(sections))

    names = sorted(results.figures, key=place)
    return [
        Picture(name, i, *registry.caption(name, results.frames, results.study), _inline(path), _width(path),
                results.provenance.get(f"figures/{name}"))
        for i, (name, path) in enumerate(((n, results.figures[n]) for n in names), 1)
    ]  # fmt: skip


def _inline(path: Path) -> str:
    """Return the figure as a data URI, its SVG where that is no larger than its PNG and carries no pixels.

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
    """Return a figure's printed width, in per cent of a page's."""
    if path.suffix == ".png":
        pixels = int.from_bytes(path.read_bytes()[16:20], "big")  # of its header
        mm = pixels / DPI * 25.4
    else:
        found = re.search(rb'width="([\d.]+)pt"', path.read_bytes())
        mm = float(found[1]) / 72 * 25.4 if found else PAGE_MM
    return min(100, round(100 * mm / PAGE_MM))


def _code(text: str) -> Markup:
    """Return escaped text, with what stands between backticks as code."""
    return Markup(re.sub("`([^`]*)`", r"<code>\1</code>", str(escape(text))))


def _head(name: str) -> str:
    words = name.removesuffix("_s").replace("_", " ")
    return words[:1].upper() + words[1:]


def _fact(name: str, value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {_fact(k, v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_fact("", v) for v in value)
    if name.endswith("_s") and isinstance(value, int | float):
        return duration(value)
    if isinstance(value, float) and not value.is_integer():
        return f"{value:,.2f}"
    return f"{value:,.0f}" if isinstance(value, int | float) else str(value)

"""The report's prose: sentences, and the titles and notes of tables, from the entries of `prose.j2`."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from crossover.analyses.figures import style
from crossover.core.wording import counted
from crossover.report import formats
from crossover.statistics.scores.scales import direction, method, shown
from crossover.study.schema import Study

FOLDER = Path(__file__).parent
FORMATS = ("listed", "points", "quoted", "score", "share")


def environment(autoescape: bool) -> Environment:
    """Return the Jinja environment of the report's templates; a name that they miss is an error."""
    return Environment(
        loader=FileSystemLoader(FOLDER), autoescape=autoescape, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip


def statements(study: Study, entry: str, **facts: Any) -> list[str]:
    """Return what an entry of `prose.j2` says of these facts, one text for each of its "- " items.

    Entries also see the study, the labels of its metric (`metric`) and of its target (`target`), its
    significance level (`alpha`), its confidence as "95%", the level of intervals that belong to tests
    (`test_interval`), and the metric's `direction` (`scales.direction`). The filters `direction`, `method` and `shown`
    are functions of `scales`.
    """
    settings = study.statistics
    text = _entries()[entry].render(
        study=study, metric=style.metric_label(settings.metric), alpha=f"{settings.alpha:g}",
        target=style.test_set_label(study, study.target), confidence=f"{settings.confidence:.0%}",
        test_interval=settings.test_interval, direction=direction(settings.metric), **facts,
    )  # fmt: skip
    items = re.split(r"^\s*- ", text, flags=re.MULTILINE)
    return [_joined(item) for item in items[1:]]


def _joined(lines: str) -> str:
    """Return one line, without the spaces that the template leaves inside brackets and before punctuation."""
    return re.sub(r" (?=[,;:.)])|(?<=\() ", "", re.sub(r"[ \n]+", " ", lines)).strip()


@cache
def _entries() -> dict[str, Template]:
    templates = environment(autoescape=False)
    templates.filters |= {name: getattr(formats, name) for name in FORMATS}
    templates.filters |= {"counted": counted, "metric_label": style.metric_label}
    templates.filters |= {"direction": direction, "method": method, "shown": shown}
    templates.tests["known"] = pd.notna
    _, *parts = re.split(r"^## (\w+)\n", (FOLDER / "prose.j2").read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {n: templates.from_string(body) for n, body in zip(parts[::2], parts[1::2], strict=True)}

"""What the first page of a report says, for the terminal: read from the page itself, so that the two never differ."""

import html
import re
from pathlib import Path

_STUDY = re.compile(
    r'<div class="brief">\s*<h3><a [^>]*>(.*?)</a></h3>(.*?)<div class="verdict">(.*?)</div>', re.DOTALL
)
_PARAGRAPH = re.compile(r"<p[^>]*>(.*?)</p>", re.DOTALL)
_ONLY_RUNS = re.compile(r'<p class="only">(.*?)</p>')


def answers(page: Path) -> list[str]:
    """Return "title: sentence" of each study's answer, and before it that its numbers mean nothing where that is so."""
    out = []
    for title, before, verdict in _STUDY.findall(page.read_text(encoding="utf-8")):
        sentences = [*_ONLY_RUNS.findall(before), *_PARAGRAPH.findall(verdict)]
        out.append(html.unescape(f"{title}: {' '.join(sentences)}"))
    return out

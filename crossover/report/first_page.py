"""What the first page of a report says, for the terminal: read from the page itself, so that the two never differ."""

import html
import re
import textwrap
from pathlib import Path

WIDTH = 100
"""Of a line, in characters."""

_STUDY = re.compile(r'<div class="brief">\s*<h3><a [^>]*>(.*?)</a></h3>.*?<div class="verdict">(.*?)</div>', re.DOTALL)
_PARAGRAPH = re.compile(r"<p[^>]*>(.*?)</p>", re.DOTALL)
_SIZES = re.compile(r"(?<=;) (?=with \d)")


def answers(page: Path) -> list[str]:
    """Return the lines of each study's answer: its title, then its sentences, indented, each size on its own line."""
    lines = []
    for title, verdict in _STUDY.findall(page.read_text(encoding="utf-8")):
        lines.append(html.unescape(title))
        for sentence in _PARAGRAPH.findall(verdict):
            for clause in _SIZES.split(html.unescape(sentence)):
                lines += textwrap.wrap(clause, WIDTH, initial_indent="  ", subsequent_indent="    ")
    return lines

"""Figures in tests: which of their files are written, and whether what stands in them can be read."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from crossover.analyses.figures import style


@contextmanager
def only(*suffixes: str) -> Iterator[None]:
    """Of each figure only the files with these suffixes, as "svg": each takes as long as the drawing, a PDF twice."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(style, "UNTIMED", {s: style.UNTIMED[s] for s in suffixes})
        yield


def texts(figure: Figure) -> list[Text]:
    """What is written in a figure, once it is laid out."""
    if figure.stale:
        figure.draw_without_rendering()
    # matplotlib keeps the labels of ticks beyond an axis's limits, which it doesn't draw
    beyond = {
        label
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in axis.get_major_ticks()
        if not min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
        for label in (tick.label1, tick.label2)
    }
    found = [t for t in figure.findobj(Text) if t.get_text().strip() and t.get_visible()]
    return [t for t in found if t not in beyond]


def assert_readable(name: str, figure: Figure, smallest: float, apart: bool = True) -> None:
    """A figure fits a page, and no text in it is smaller than `smallest` points, cut or, if `apart`, on another."""
    assert figure.get_figwidth() * 25.4 <= style.PAGE_MM + 0.1, name
    shown = texts(figure)
    boxes = [t.get_window_extent() for t in shown]
    for text, box in zip(shown, boxes, strict=True):
        where = (name, text.get_text())
        assert text.get_fontsize() >= smallest, where
        assert box.x0 > -2 and box.y0 > -2, where
        assert box.x1 < figure.bbox.width + 2 and box.y1 < figure.bbox.height + 2, where
    for (one, a), (other, b) in combinations(zip(shown, boxes, strict=True), 2) if apart else ():
        across = min(a.x1, b.x1) - max(a.x0, b.x0)
        down = min(a.y1, b.y1) - max(a.y0, b.y0)
        assert across < 1 or down < 1, (name, one.get_text(), other.get_text())

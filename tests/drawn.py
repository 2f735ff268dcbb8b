"""Which files of a figure are written: each takes as long as the drawing, and a PDF twice as long."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from crossover.analyses.figures import style


@contextmanager
def only(*suffixes: str) -> Iterator[None]:
    """Of each figure only the files with these suffixes, as "svg"."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(style, "UNTIMED", {s: style.UNTIMED[s] for s in suffixes})
        yield

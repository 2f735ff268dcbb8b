"""The pictures in docs/ are those of the code."""

import pytest

from docs import draw


@pytest.mark.slow
def test_pictures_are_up_to_date():
    old = [path.name for path, drawn in draw.pictures().items() if path.read_text() != drawn]
    assert not old, f"{old} show an older state of the code: run `make pictures`, and commit them"

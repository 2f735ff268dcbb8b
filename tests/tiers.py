"""Parameters of tests that only `make test-thorough` runs; see conftest.py."""

from collections.abc import Iterable

import pytest


def thorough(*values: object) -> object:
    """One set of values of `parametrize`, for the thorough tier."""
    return pytest.param(*values, marks=pytest.mark.thorough)


def first(names: Iterable[str], *quick: str) -> list:
    """All names, of which only the given ones are not of the thorough tier."""
    return [name if name in quick else thorough(name) for name in names]

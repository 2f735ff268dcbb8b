"""Seconds by what they were spent on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter


class Clock:
    """Adds up times by name, over the attempts of a training."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, what: str) -> Iterator[None]:
        """Add the seconds that the block takes to a part of the work."""
        start = perf_counter()
        yield
        self.add({what: perf_counter() - start})

    def add(self, seconds: dict[str, float]) -> None:
        """Add seconds that were measured elsewhere."""
        for what, more in seconds.items():
            self.seconds[what] = self.seconds.get(what, 0.0) + more

    def rounded(self) -> dict[str, float]:
        """Return the seconds of each part of the work, to the millisecond."""
        return {what: round(seconds, 3) for what, seconds in self.seconds.items()}

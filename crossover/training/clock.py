"""Seconds by what they were spent on, and of processors."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter


class Clock:
    """Adds up times by name, over the attempts of a training."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._cpu = -_cpu_seconds()

    @property
    def cpu_seconds(self) -> float:
        """Seconds of processors that all threads of this process and its ended children took, over the attempts."""
        return round(self._cpu + _cpu_seconds(), 2)

    def add_cpu(self, seconds: float) -> None:
        """Add those of an earlier attempt."""
        self._cpu += seconds

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


def _cpu_seconds() -> float:
    return sum(os.times()[:4])

"""The processes that this one started, and those that they started, ended together."""

from contextlib import suppress

import psutil

SECONDS_TO_END = 10.0
"""The seconds until a process that was asked to end (SIGTERM) is killed."""


def end_descendants(seconds: float = SECONDS_TO_END) -> None:
    """End all processes below this one, and return when none of them runs any more.

    All are asked at once, whoever started them: a shell that ends first leaves what it started to no one.

    Args:
        seconds: until those that don't end by themselves are killed.
    """
    those = psutil.Process().children(recursive=True)
    for process in those:
        with suppress(psutil.NoSuchProcess):  # it ended meanwhile
            process.terminate()
    _, left = psutil.wait_procs(those, seconds)
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, seconds)

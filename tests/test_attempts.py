"""A process that trains a stage is asked to end, and so are its forks."""

import os
import signal
from pathlib import Path

from crossover.training.attempts import ASKED_TO_END, NOTE, attempt


def test_a_fork_ends_by_a_signal_as_it_would_anywhere(tmp_path: Path):
    """Workers of nnU-Net's pools hung now and then, when a signal came just before they waited for work."""
    with attempt(tmp_path, "key", []):
        assert all(callable(signal.getsignal(number)) for number in ASKED_TO_END)
        child = os.fork()
        if not child:
            os._exit(int(any(signal.getsignal(number) != signal.SIG_DFL for number in ASKED_TO_END)))
        assert os.waitpid(child, 0)[1] == 0
        assert (tmp_path / NOTE).exists()
    assert not (tmp_path / NOTE).exists()
    assert all(signal.getsignal(number) == signal.SIG_DFL for number in ASKED_TO_END)

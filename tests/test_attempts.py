"""A process that trains a stage is asked to end, and so are its forks."""

import os
import signal
from pathlib import Path

import pytest

from crossover.core.files import write_json
from crossover.training.attempts import ASKED_TO_END, GIVEN, NOTE, attempt, memory_given
from crossover.training.failure import TrainingFailed


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


def test_the_memory_of_a_job_is_known_in_a_step_from_which_the_variables_of_slurm_were_removed():
    """Attempts with more memory were given up: 0 MB were compared with 0."""
    assert memory_given({}) == 0
    assert memory_given({"SLURM_MEM_PER_NODE": "881", GIVEN: "5"}) == 881
    assert memory_given({"SLURM_MEM_PER_CPU": "500", "SLURM_CPUS_ON_NODE": "4"}) == 2000
    assert memory_given({"SLURM_JOB_ID": "7", GIVEN: "881"}) == 881
    assert memory_given({"SLURM_JOB_ID": "7"}) is None


@pytest.mark.parametrize(("given", "tried"), [({GIVEN: "572"}, False), ({GIVEN: "1144"}, True), ({}, True)])
def test_a_training_killed_twice_is_tried_again_unless_it_has_no_more_memory(tmp_path, monkeypatch, given, tried):
    for name in ("SLURM_MEM_PER_NODE", "SLURM_MEM_PER_CPU", GIVEN):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"SLURM_JOB_ID": "7", **given}.items():
        monkeypatch.setenv(name, value)
    write_json(tmp_path / NOTE, {"place": ["key"], "kills": 1, "memory": 572})
    went_on = []
    try:
        with attempt(tmp_path, "key", []):
            went_on.append(True)
    except TrainingFailed:
        pass
    assert bool(went_on) == tried

"""Every job has a GPU of its own, and gives it back."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from crossover.training import devices

HOLD = """
import sys, time
from pathlib import Path
from crossover.training.devices import claim
with claim(("0", "1"), Path(sys.argv[1])) as device:
    print(device, flush=True)
    time.sleep(60)
"""


def test_two_jobs_have_two_devices_and_a_killed_one_gives_its_own_back(tmp_path: Path):
    with devices.claim(("0", "1"), tmp_path) as first:
        assert first == "0" == os.environ["CUDA_VISIBLE_DEVICES"]
        job = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert job.stdout.readline().strip() == "1"
        job.kill()
        job.wait()
        with devices.claim(("0", "1"), tmp_path) as again:
            assert again == "1"


def test_the_environment_is_left_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for before in ("0,1", None):
        if before is None:
            monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        else:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", before)
        with devices.claim(("1",), tmp_path):
            assert os.environ["CUDA_VISIBLE_DEVICES"] == "1"
        assert os.environ.get("CUDA_VISIBLE_DEVICES") == before
    with devices.claim((), tmp_path) as none:
        assert none is None


@pytest.mark.parametrize(("visible", "found"), [("", ()), ("2,5", ("2", "5"))])
def test_devices_that_are_hidden_are_not_used(visible, found, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    devices.gpus.cache_clear()
    assert devices.gpus() == found
    devices.gpus.cache_clear()

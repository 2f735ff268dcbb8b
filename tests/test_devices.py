"""A job has a GPU, or its share of one, and gives it back."""

import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import get_args

import pytest

from crossover.execution import preflight
from crossover.study.sections import Execution
from crossover.training import devices

HOLD = """
import sys, time
from pathlib import Path
from crossover.training.devices import claim
with claim(("0", "1"), int(sys.argv[2]), Path(sys.argv[1])) as device:
    print(device, flush=True)
    time.sleep(60)
"""

COUNT = """
import os, sys, time
from pathlib import Path
from crossover.training.devices import claim
folder = Path(sys.argv[1])
(folder / "in").mkdir(exist_ok=True)
with claim(("0",), 4, folder / "locks"):
    own = folder / "in" / str(os.getpid())
    own.touch()
    time.sleep(0.2)
    print(len(list((folder / "in").iterdir())))
    own.unlink()
"""


def hold(folder: Path, tickets: int = 12) -> subprocess.Popen:
    command = [sys.executable, "-c", HOLD, str(folder), str(tickets)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_two_jobs_have_two_devices_and_a_killed_one_gives_its_own_back(tmp_path: Path):
    with devices.claim(("0", "1"), 12, tmp_path) as first:
        assert first == "0" == os.environ["CUDA_VISIBLE_DEVICES"]
        job = hold(tmp_path)
        assert job.stdout.readline().strip() == "1"
        job.kill()
        job.wait()
        with devices.claim(("0", "1"), 12, tmp_path) as again:
            assert again == "1"


def test_the_environment_is_left_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for before in ("0,1", None):
        if before is None:
            monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        else:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", before)
        with devices.claim(("1",), 12, tmp_path):
            assert os.environ["CUDA_VISIBLE_DEVICES"] == "1"
        assert os.environ.get("CUDA_VISIBLE_DEVICES") == before
    with devices.claim((), 12, tmp_path) as none:
        assert none is None


@pytest.fixture
def unknown():
    """The GPUs are found anew, before and after the test."""
    devices.gpus.cache_clear()
    yield
    devices.gpus.cache_clear()


UUIDS = "GPU-5c89852c-d268-c3f3-1b07-005d5ae1dc3f", "MIG-97c16dfc-5df3-5b4d-9a52-7c8e0a2c9b5e"


@pytest.mark.parametrize(("visible", "found"), [
    ("", ()),
    ("2,5", ("2", "5")),
    ("2, 5", ("2", "5")),
    (",".join(UUIDS), UUIDS),
    ("-1", ()),
    ("0,-1,1", ("0",)),
    ("NoDevFiles", ()),
])  # fmt: skip
def test_devices_that_are_hidden_are_not_used(visible, found, unknown, monkeypatch: pytest.MonkeyPatch):
    """As for CUDA: what follows something that names no device is hidden too."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert devices.gpus() == found


WHOLE = "GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-a)\nGPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-b)\n"
DIVIDED = """GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-a)
  MIG 3g.20gb     Device  0: (UUID: MIG-c)
  MIG 2g.10gb     Device  1: (UUID: MIG-GPU-a/2/0)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-b)
"""


@pytest.mark.parametrize(("listed", "found"), [
    (WHOLE, ("0", "1")),
    ("GPU 0: a card whose UUID is hidden\n", ("0",)),
    (DIVIDED, ("MIG-c", "MIG-GPU-a/2/0", "GPU-b")),
    ("Failed to initialize NVML: Driver/library version mismatch\n", ()),
])  # fmt: skip
def test_instances_of_a_divided_device_stand_for_it(listed, found, unknown, tmp_path, monkeypatch: pytest.MonkeyPatch):
    """With MIG, CUDA finds an instance by its UUID alone."""
    command = tmp_path / "nvidia-smi"
    command.write_text(f"#!/bin/sh\ncat <<'END'\n{listed}END\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    for name in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID"):
        monkeypatch.delenv(name, raising=False)
    assert devices.gpus() == found
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    devices.gpus.cache_clear()
    assert devices.gpus() == (), "Slurm gave this job none"


def test_a_device_of_its_node_that_slurm_did_not_give_is_hidden_from_a_job(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    with pytest.raises(ValueError), devices.claim((), 0, tmp_path):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == ""
        raise ValueError
    assert "CUDA_VISIBLE_DEVICES" not in os.environ
    with devices.claim(("0",), 0, tmp_path) as device:
        assert device == "0" and "CUDA_VISIBLE_DEVICES" not in os.environ


def test_a_device_that_a_scheduler_gave_is_a_jobs_own():
    assert devices.share(3, ("0", "1")) == 0.25
    assert devices.share(0, ("0",)) == 1
    assert devices.share(0, ()) == 0


def test_small_jobs_share_a_device_and_a_whole_one_waits_for_all_of_its_tickets(tmp_path: Path):
    """Of four processes with 3 tickets each and one with 12, on two devices."""
    jobs = []
    for _ in range(4):
        jobs.append(hold(tmp_path, 3))
        assert jobs[-1].stdout.readline().strip() == "0", "the fullest that has room"
    whole = hold(tmp_path)
    assert whole.stdout.readline().strip() == "1"
    waiting = hold(tmp_path)
    os.set_blocking(waiting.stdout.fileno(), False)
    for job in jobs[:3]:
        job.kill()
        job.wait()
        time.sleep(2.5 * devices.WAIT_SECONDS / 3)
        assert not waiting.stdout.readline(), "9 tickets are not enough"
    with devices.claim(("0", "1"), 9, tmp_path) as shared:  # nothing of them is held by who waits
        assert shared == "0"
    os.set_blocking(waiting.stdout.fileno(), True)
    jobs[3].kill()
    assert waiting.stdout.readline().strip() == "0"
    for job in (jobs[3], whole, waiting):
        job.kill()
        job.wait()


@pytest.mark.slow
def test_many_at_once_never_hold_more_than_a_device_has(tmp_path: Path):
    """Twelve processes claim 4 of 12 tickets of one device at the same time: three hold them."""
    jobs = [
        subprocess.Popen([sys.executable, "-c", COUNT, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(12)
    ]  # fmt: skip
    most = [int(job.communicate()[0]) for job in jobs]
    assert max(most) == 3 and not list((tmp_path / "in").iterdir())


@pytest.mark.parametrize("per_gpu", get_args(Execution.model_fields["per_gpu"].annotation))
def test_so_many_jobs_fit_on_a_device(tmp_path: Path, per_gpu: int):
    with ExitStack() as stack:
        for _ in range(per_gpu):
            claim = devices.claim(("0", "1"), devices.TICKETS // per_gpu, tmp_path)
            assert stack.enter_context(claim) == "0"
        assert stack.enter_context(devices.claim(("0", "1"), 1, tmp_path)) == "1"


def test_a_framework_that_cannot_compute_on_the_gpu_is_told_before_anything_runs(monkeypatch: pytest.MonkeyPatch):
    tried = {
        "torch": "import os, sys; sys.exit('the driver is too old, says ' + os.environ['CUDA_VISIBLE_DEVICES'])",
        "keras": "pass",
    }
    monkeypatch.setattr(preflight, "CONVOLUTIONS", tried)
    (told,) = preflight.check_gpus(["torch", "keras", "torch"], ("5", "6"))
    assert told.startswith("PyTorch can't compute on GPU 5: the driver is too old, says 5. Trainings by it run on proc")
    assert preflight.check_gpus(["keras"], ("5",)) == preflight.check_gpus(["torch"], ()) == []
    monkeypatch.setattr(preflight, "CONVOLUTIONS", {"torch": "import time; time.sleep(60)"})
    monkeypatch.setattr(preflight, "GPU_SECONDS", 0.1)
    (hangs,) = preflight.check_gpus(["torch"], ("5",))
    assert "no answer within 0.1 seconds" in hangs


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.skipif(bool(devices.gpus()), reason="there is a GPU, on which they compute")
def test_frameworks_without_a_gpu_say_so():
    told = preflight.check_gpus(preflight.CONVOLUTIONS, ("0",))
    assert [line.split(" can't compute on GPU 0: ")[0] for line in told] == ["TensorFlow", "PyTorch"]
    assert "no GPU found" in told[0]

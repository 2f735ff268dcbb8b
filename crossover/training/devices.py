"""GPUs of this machine, shared by small jobs: Snakemake counts tickets but assigns no device.

A device has `TICKETS`; a job takes its number of one device's, all or nothing. A job of a cluster's scheduler was given
its device and takes none: on every node devices are counted from 0.
"""

from __future__ import annotations

import functools
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

TICKETS = 12
"""So that 1, 2, 3, 4, 6 or 12 jobs share a device."""
LOCKS = Path(".cache/gpu")
WAIT_SECONDS = 0.5


@functools.cache
def gpus() -> tuple[str, ...]:
    """Return the GPUs that jobs may use: those of CUDA_VISIBLE_DEVICES, else all that nvidia-smi lists.

    Slurm sets CUDA_VISIBLE_DEVICES for a job with GPUs; one without it was given none, whatever the node has.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return tuple(device for device in visible.split(",") if device)
    if "SLURM_JOB_ID" in os.environ or not shutil.which("nvidia-smi"):
        return ()
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True).stdout
    return tuple(str(i) for i, line in enumerate(listed.splitlines()) if line.startswith("GPU"))


@functools.cache
def processor() -> str:
    """Return the CPU's model: another may round otherwise, with the same software."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


@contextmanager
def claim(devices: tuple[str, ...], tickets: int = TICKETS, locks: Path = LOCKS) -> Iterator[str | None]:
    """Take tickets of one GPU, which is then CUDA_VISIBLE_DEVICES; wait for them. None where there is no GPU.

    Of the devices with as many free, the fullest, so that whole ones stay free. The locks are the
    system's: a killed job gives its tickets back. Without a number of tickets the device is the first one.
    """
    if not devices:
        yield None
        return
    if not tickets:
        yield devices[0]
        return
    locks.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        while (device := _take(devices, tickets, locks, held)) is None:
            time.sleep(WAIT_SECONDS)
        before = os.environ.get("CUDA_VISIBLE_DEVICES")
        os.environ["CUDA_VISIBLE_DEVICES"] = device
        yield device
        if before is None:
            del os.environ["CUDA_VISIBLE_DEVICES"]
        else:
            os.environ["CUDA_VISIBLE_DEVICES"] = before


def _take(devices: tuple[str, ...], tickets: int, locks: Path, held: ExitStack) -> str | None:
    """Take tickets of one device, or none; one job at a time looks, so that no two hold parts of what both need."""
    with FileLock(locks / "counter"):
        free = {device: _free(device, locks) for device in devices}
        enough = [device for device in devices if len(free[device]) >= tickets]
        device = min(enough, key=lambda d: len(free[d]), default=None)
        for name, tickets_of_it in free.items():
            kept = tickets if name == device else 0
            for ticket in tickets_of_it[:kept]:
                held.callback(ticket.release)
            for ticket in tickets_of_it[kept:]:
                ticket.release()
    return device


def _free(device: str, locks: Path) -> list[FileLock]:
    """Take the locks of a device's free tickets and return them."""
    taken = []
    for i in range(TICKETS):
        ticket = FileLock(locks / f"{device.replace('/', '_')}.{i}")
        with suppress(Timeout):
            ticket.acquire(blocking=False)
            taken.append(ticket)
    return taken

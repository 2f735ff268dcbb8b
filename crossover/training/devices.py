"""GPUs of this machine, shared by small jobs: Snakemake counts tickets but assigns no device.

A device has `TICKETS`; a job takes its number of one device's, all or nothing. A job of a cluster's scheduler was given
its device and takes none: on every node devices are counted from 0.
"""

from __future__ import annotations

import functools
import os
import platform
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from itertools import pairwise, takewhile
from pathlib import Path

from filelock import FileLock, Timeout

TICKETS = 12
"""So that 1, 2, 3, 4, 6 or 12 jobs share a device."""
LOCKS = Path(".cache/gpu")
VISIBLE = "CUDA_VISIBLE_DEVICES"
WAIT_SECONDS = 0.5


@functools.cache
def gpus() -> tuple[str, ...]:
    """Return the GPUs that jobs may use: those of CUDA_VISIBLE_DEVICES, else all that nvidia-smi lists.

    As for CUDA, those of the variable end at the first that names none: `-1`, or Slurm's `NoDevFiles`, hides all.
    Slurm sets the variable for a job with GPUs; one without it was given none, whatever the node has.
    """
    visible = os.environ.get(VISIBLE)
    if visible is not None:
        return tuple(takewhile(re.compile(r"\d+|(GPU|MIG)-.+").fullmatch, map(str.strip, visible.split(","))))
    if _of_slurm() or not shutil.which("nvidia-smi"):
        return ()
    return _listed(subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True).stdout)


def _listed(text: str) -> tuple[str, ...]:
    """Return the GPUs that `nvidia-smi -L` lists, by number.

    Where one is divided into MIG instances, which CUDA finds by their UUIDs alone, all are named by UUID, and the
    instances stand for their GPU.
    """
    lines = (re.match(r"\s*(GPU|MIG)\b(?:.*UUID: (\S+)\))?", line) for line in text.splitlines())
    named = [(line[1], line[2]) for line in lines if line]
    if all(kind == "GPU" for kind, _ in named):
        return tuple(map(str, range(len(named))))
    after = pairwise([*named, ("", "")])
    return tuple(uuid for (kind, uuid), (following, _) in after if kind == "MIG" or following != "MIG")


def _of_slurm() -> bool:
    return "SLURM_JOB_ID" in os.environ


def share(tickets: int, devices: tuple[str, ...]) -> float:
    """Return the share of a GPU that a job's tickets are; without tickets a scheduler gave it a whole one, or none."""
    return tickets / TICKETS if tickets else float(bool(devices))


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
    To a job of Slurm's that was given none, the GPUs of its node are hidden: not every site hides them.
    """
    if not devices:
        with _visible("") if _of_slurm() else nullcontext():
            yield None
        return
    if not tickets:
        yield devices[0]
        return
    locks.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        while (device := _take(devices, tickets, locks, held)) is None:
            time.sleep(WAIT_SECONDS)
        with _visible(device):
            yield device


@contextmanager
def _visible(devices: str) -> Iterator[None]:
    """Let the frameworks see these devices alone; they look once, when they first use one."""
    before = os.environ.get(VISIBLE)
    os.environ[VISIBLE] = devices
    try:
        yield
    finally:
        if before is None:
            del os.environ[VISIBLE]
        else:
            os.environ[VISIBLE] = before


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

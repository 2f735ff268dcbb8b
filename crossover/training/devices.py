"""GPUs of this machine, one for each job: Snakemake counts a `gpu` resource but assigns no device."""

from __future__ import annotations

import fcntl
import functools
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCKS = Path(".cache/gpu")
WAIT_SECONDS = 0.5


@functools.cache
def gpus() -> tuple[str, ...]:
    """The GPUs that jobs may use: those of CUDA_VISIBLE_DEVICES, else all that nvidia-smi lists."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return tuple(device for device in visible.split(",") if device)
    if not shutil.which("nvidia-smi"):
        return ()
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True).stdout
    return tuple(str(i) for i, line in enumerate(listed.splitlines()) if line.startswith("GPU"))


@contextmanager
def claim(devices: tuple[str, ...], locks: Path = LOCKS) -> Iterator[str | None]:
    """A GPU that no other job has, as CUDA_VISIBLE_DEVICES; waits for one. None where there is none.

    The lock is the system's, so a killed job gives its device back.
    """
    if not devices:
        yield None
        return
    locks.mkdir(parents=True, exist_ok=True)
    with _free(devices, locks) as device:
        before = os.environ.get("CUDA_VISIBLE_DEVICES")
        os.environ["CUDA_VISIBLE_DEVICES"] = device
        yield device
        if before is None:
            del os.environ["CUDA_VISIBLE_DEVICES"]
        else:
            os.environ["CUDA_VISIBLE_DEVICES"] = before


@contextmanager
def _free(devices: tuple[str, ...], locks: Path) -> Iterator[str]:
    files = {device: (locks / device.replace("/", "_")).open("w") for device in devices}
    try:
        while True:
            for device, file in files.items():
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                yield device
                return
            time.sleep(WAIT_SECONDS)
    finally:
        for file in files.values():
            file.close()

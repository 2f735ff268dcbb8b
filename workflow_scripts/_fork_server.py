"""A process that imports the libraries of one kind of jobs once, and forks each job that `_fork` asks for.

The workflow starts it (`start`) with a socket to listen at and a pipe as standard input: when the pipe ends, with
Snakemake, however that happens, so do the server and its jobs. Of `crossover` it imports only the form of a study,
which takes four fifths of what a small job imports: each job imports the rest as it lies there when it begins, as a
process of its own would, and refuses to run where a source file that it depends on is no longer that with which the
workflow was started. It runs one thread only, so that forks are safe.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import importlib
import json
import os
import runpy
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_scripts import POOLS
from workflow_scripts._fork import LENGTH, PYTHON, SOCKET

DATA = (
    "numpy", "pandas", "pydantic", "yaml", "filelock", "SimpleITK", "scipy.ndimage", "crossover.study.schema",
)  # fmt: skip
LIBRARIES = {
    "tables": (
        *DATA, "scipy.stats", "scipy.optimize", "statsmodels.api", "statsmodels.formula.api", "pingouin", "jinja2",
        "matplotlib.pyplot", "matplotlib.backends.backend_svg", "matplotlib.backends.backend_agg",
        "matplotlib.backends.backend_pdf", "fontTools.ttLib.tables.otTables", "seaborn",
    ),
    "images": (*DATA, "pydicom", "nibabel", "skimage", "surface_distance", "radiomics", "isal"),
    "keras": (*DATA, "tensorflow", "keras", "safetensors"),
    "torch": (*DATA, "torch", "torch._inductor", "safetensors.torch"),
}  # fmt: skip
"""Kind of jobs -> what their server imports. PyTorch imports its `_inductor` where algorithms shall be deterministic
(`torch.use_deterministic_algorithms` sets a value in it; no public module stands for it), and matplotlib a backend
where a figure is saved."""
READ_AT_IMPORT = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
"""What the engines set before they import their framework."""
PR_SET_PDEATHSIG = 1


@dataclass
class Request:
    """A job that `_fork` asks for, see there, with its connection and its standard streams."""

    connection: socket.socket
    streams: list[int]
    about: dict[str, Any]


def start(kinds: Iterable[str]) -> None:
    """Start a server of each kind, and name them in the environment of the jobs that this process starts from now on.

    Each imports its libraries when its first job asks. Nothing happens where the system has no pidfd (only Linux
    has), which tells a server that a job has ended, and where no socket can be made in the folder of temporary files,
    as one with a name of a hundred letters.
    """
    if not hasattr(os, "pidfd_open"):
        return
    try:
        folder = tempfile.mkdtemp(prefix="crossover-")  # of this user only
        atexit.register(_stop, folder)
        _STARTED.extend(_start_one(kind, Path(folder) / kind) for kind in kinds)
    except OSError:
        return
    os.environ.update({SOCKET: folder, PYTHON: str(Path(sys.executable).parent)})


def _start_one(kind: str, path: Path) -> subprocess.Popen:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(1024)
        number = listener.fileno()
        command = [sys.executable, "-m", "workflow_scripts._fork_server", kind, str(number)]
        environment = READ_AT_IMPORT | os.environ
        return subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[number], env=environment)


def _stop(folder: str) -> None:
    """End the servers; without this, as after a kill, they end by themselves."""
    while _STARTED:
        _STARTED.pop().communicate()
    shutil.rmtree(folder, ignore_errors=True)


_STARTED: list[subprocess.Popen] = []
"""Held, so that the servers' standard inputs stay open until this process ends."""


def serve(listener: socket.socket, libraries: Iterable[str]) -> Request | None:
    """Fork for each request, and tell the process that asked how the job ended, until standard input ends.

    Returns:
        In a fork, its request; in the server itself, at its end, None.
    """
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    selector.register(sys.stdin, selectors.EVENT_READ)
    running: dict[int, tuple[int, socket.socket]] = {}  # by pidfd
    while True:
        for key, _ in selector.select():
            if key.fileobj is sys.stdin:
                for process, _ in running.values():
                    os.kill(process, signal.SIGTERM)
                return None
            if key.fileobj is listener:
                request = _accept(listener)
                if request is None:
                    continue
                _import(libraries)
                process = os.fork()
                if process == 0:
                    selector.close()
                    for ended, (_, connection) in running.items():
                        os.close(ended)
                        connection.close()
                    return request
                for stream in request.streams:
                    os.close(stream)
                ended = os.pidfd_open(process)
                running[ended] = process, request.connection
                selector.register(ended, selectors.EVENT_READ)
                selector.register(request.connection, selectors.EVENT_READ, process)
            elif key.data:  # whoever asked was killed
                selector.unregister(key.fileobj)
                os.kill(key.data, signal.SIGTERM)
            else:
                process, connection = running.pop(key.fd)
                selector.unregister(key.fd)
                os.close(key.fd)
                _end(process, connection, selector)


def _accept(listener: socket.socket) -> Request | None:
    """Return the next request; None where whoever asked was killed meanwhile."""
    connection, _ = listener.accept()
    head, streams, _, _ = socket.recv_fds(connection, LENGTH.size, 3)
    body = b""
    if len(head) == LENGTH.size:
        body = connection.recv(LENGTH.unpack(head)[0], socket.MSG_WAITALL)
        if len(body) == LENGTH.unpack(head)[0]:
            return Request(connection, list(streams), json.loads(body))
    for stream in streams:
        os.close(stream)
    connection.close()
    return None


def _import(libraries: Iterable[str]) -> None:
    if all(name in sys.modules for name in libraries):
        return
    for name in libraries:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # else each fork's first collection copies all of it


def _end(process: int, connection: socket.socket, selector: selectors.BaseSelector) -> None:
    """Tell the process that asked for a job how it ended."""
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    if connection in selector.get_map():
        selector.unregister(connection)
        with contextlib.suppress(BrokenPipeError):
            connection.sendall(LENGTH.pack(status))
    connection.close()


def become(request: Request) -> None:
    """Make this fork the job that was asked for, and run it."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, stream in enumerate(request.streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(request.about["folder"])
    threads = {name: os.environ[name] for name in POOLS}  # read by the libraries long ago
    os.environ.clear()
    os.environ.update(request.about["environment"] | threads)
    sys.argv = [request.about["script"], *request.about["arguments"]]
    runpy.run_module(request.about["module"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal: jobs end, then Snakemake, then this
    with socket.socket(fileno=int(sys.argv[2])) as listener:
        request = serve(listener, LIBRARIES[sys.argv[1]])
    if request:
        become(request)

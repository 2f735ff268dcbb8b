"""`python -I -S workflow_scripts/_fork.py torch train ...` does what `python -m workflow_scripts.train ...` does.

Importing statsmodels and seaborn, or a learning framework, takes two to five seconds, more than most analyses take.
Where the workflow has started a server of this kind on this machine (see `_fork_server`), the job is a fork of that
process, which has imported them once; elsewhere (on a node of a cluster, in a conda environment of its own, by hand)
this process becomes the job. Either way the job has this process's arguments, environment, folder and standard
streams, and this process ends as the job ends. A job whose libraries are to use several threads is no fork, since they
take their number of threads when they are imported.

Imports nothing but Python's own modules, so that it starts in a hundredth of a second.
"""

import itertools
import json
import os
import signal
import socket
import struct
import sys
from pathlib import Path

SOCKET, PYTHON = "CROSSOVER_FORK_SERVER", "CROSSOVER_FORK_SERVER_PYTHON"
"""Variables of the environment: the folder of the servers' sockets, and that of the Python which runs them."""
ONE_THREAD = ("tables", "images")
"""Kinds whose libraries never use several threads; image rules use processes."""
LENGTH = struct.Struct("!q")


def main() -> None:
    """Become the job, or wait for the fork that is the job and end as it ends."""
    kind, name, *arguments = sys.argv[1:]
    module = f"workflow_scripts.{name}"
    server = _connect(kind) if kind in ONE_THREAD or _threads(arguments) == "1" else None
    if server is None:
        os.execv(sys.executable, [sys.executable, "-m", module, *arguments])
    request = json.dumps(
        {
            "module": module,
            "script": str(Path(__file__).with_name(f"{name}.py")),
            "arguments": arguments,
            "folder": os.getcwd(),
            "environment": dict(os.environ),
        }
    ).encode()
    with server:
        socket.send_fds(server, [LENGTH.pack(len(request))], [0, 1, 2])
        server.sendall(request)
        answer = server.recv(LENGTH.size, socket.MSG_WAITALL)
    if len(answer) < LENGTH.size:
        sys.exit(f"{module} ended with the process that it was forked from, before it was done")
    (status,) = LENGTH.unpack(answer)
    if status < 0:  # killed: Snakemake shall see the same signal
        if -status != signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status)


def _threads(arguments: list[str]) -> str:
    given = dict(itertools.pairwise(arguments))
    return given.get("--threads", "1")


def _connect(kind: str) -> socket.socket | None:
    """Return the connection to the server; None where there is none, or it is of another environment."""
    folder = os.environ.get(SOCKET)
    if not folder or os.environ.get(PYTHON) != os.path.dirname(sys.executable):
        return None
    server = socket.socket(socket.AF_UNIX)
    try:
        server.connect(os.path.join(folder, kind))
    except OSError:  # of another machine, or it has ended
        server.close()
        return None
    return server


if __name__ == "__main__":
    main()

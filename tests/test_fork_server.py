"""A job that is a fork of a server does what a process of its own does, and both end together, however they end."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from workflow_scripts import _fork, _fork_server

ROOT = Path(__file__).parent.parent
CLIENT = [sys.executable, "-I", "-S", "workflow_scripts/_fork.py"]
PROBE = '''"""Say what this job was given, and end as it is told."""
import os, sys, time
print(__name__, sys.argv[1:], os.getcwd(), os.environ.get("ASKED"), os.environ.get("ONCE"), "json" in sys.modules)
print(sys.modules["__main__"].__doc__, sys.stdin.read(), "colorsys" in sys.modules)
print(os.path.basename(sys.argv[0]), file=sys.stderr, flush=True)
sys.stdout.flush()
if sys.argv[-1] == "sleep":
    open("begun", "w").write(str(os.getpid()))
    time.sleep(60)
if sys.argv[-1] == "killed":
    os.kill(os.getpid(), 9)
sys.exit(int(sys.argv[-1]))
'''


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A folder with an entry, the current one, and variables of the environment as they were afterwards."""
    scripts = tmp_path / "workflow_scripts"
    scripts.mkdir()
    for name in ("__init__.py", "_fork.py", "_fork_server.py"):
        (scripts / name).write_text((ROOT / "workflow_scripts" / name).read_text())
    (scripts / "probe.py").write_text(PROBE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    for name in (_fork.SOCKET, _fork.PYTHON):
        monkeypatch.setenv(name, "")
    return tmp_path


@pytest.fixture
def server(folder, monkeypatch) -> subprocess.Popen:
    """A server for tables, which here imports one of Python's modules."""
    text = (folder / "workflow_scripts/_fork_server.py").read_text()
    begin, end = text.index('    "tables": ('), text.index('    "images"')
    small = text[:begin] + '    "tables": ("colorsys",),\n' + text[end:]
    (folder / "workflow_scripts/_fork_server.py").write_text(small)
    monkeypatch.setenv("ONCE", "the server's")
    _fork_server.start(["tables"])
    monkeypatch.delenv("ONCE")
    yield _fork_server._STARTED[-1]
    _fork_server._stop(os.environ[_fork.SOCKET])


def ask(*words: str, kind: str = "tables", **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [*CLIENT, kind, "probe", *words], env={**os.environ, **environment},
        input="typed", capture_output=True, text=True, timeout=30,
    )  # fmt: skip


def test_a_fork_has_the_arguments_folder_environment_and_streams_of_who_asks(folder, server):
    done = ask("--out", "a b", "3", ASKED="yes")
    said = f"__main__ ['--out', 'a b', '3'] {folder} yes None True\n"
    assert done.stdout == f"{said}Say what this job was given, and end as it is told. typed True\n"
    assert done.stderr == "probe.py\n"
    assert done.returncode == 3


def test_many_forks_at_once_each_get_their_own_answer(server):
    asked = [subprocess.Popen([*CLIENT, "tables", "probe", str(i)], stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for i in range(12)]  # fmt: skip
    assert [process.wait(30) for process in asked] == list(range(12))


def test_a_killed_job_is_seen_as_killed(server):
    assert ask("killed").returncode == -signal.SIGKILL


@pytest.mark.parametrize("kind", ["images", "torch"])
def test_without_a_server_of_that_kind_the_job_is_a_process_of_its_own(folder, server, kind):
    done = ask("2", kind=kind)
    assert done.returncode == 2 and done.stdout.endswith("typed False\n")


def test_a_job_of_several_threads_or_of_another_environment_is_a_process_of_its_own(server):
    assert ask("0", PYTHON="/elsewhere", **{_fork.PYTHON: "/elsewhere"}).stdout.endswith("False\n")
    path = Path(os.environ[_fork.SOCKET])
    (path / "tables").rename(path / "torch")
    assert ask("--threads", "1", "0", kind="torch").stdout.endswith("True\n")
    assert ask("--threads", "2", "0", kind="torch").stdout.endswith("False\n")


def test_where_no_socket_can_be_made_jobs_are_processes_of_their_own(folder, monkeypatch):
    (folder / ("x" * 120)).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder / ("x" * 120)))
    _fork_server.start(["tables"])
    assert not os.environ[_fork.SOCKET] and ask("4").returncode == 4


def begun(folder: Path) -> tuple[subprocess.Popen, int]:
    """Who asks for a job that sleeps, and the job."""
    asking = subprocess.Popen([*CLIENT, "tables", "probe", "sleep"], stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)  # fmt: skip
    until(lambda: (folder / "begun").exists() and (folder / "begun").read_text())
    return asking, int((folder / "begun").read_text())


def until(holds) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def is_gone(process: int) -> bool:
    try:
        return "\nState:\tZ" in Path(f"/proc/{process}/status").read_text()
    except FileNotFoundError:
        return True


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="servers are for Linux")
def test_the_job_ends_with_who_asked_for_it(folder, server):
    asking, job = begun(folder)
    asking.kill()
    until(lambda: is_gone(job))
    assert ask("5").returncode == 5
    asking.communicate()


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="servers are for Linux")
def test_the_job_and_who_asked_end_with_the_server_that_is_killed(folder, server):
    asking, job = begun(folder)
    server.kill()
    assert "ended with the process" in asking.communicate(timeout=20)[1]
    assert asking.returncode == 1
    until(lambda: is_gone(job))


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="servers are for Linux")
def test_all_end_with_the_process_that_started_the_server(folder, server):
    asking, job = begun(folder)
    server.stdin.close()
    assert server.wait(20) == 0
    until(lambda: is_gone(job))
    asking.communicate(timeout=20)
    assert asking.returncode != 0


FRAMEWORKS = [
    pytest.param("tables", marks=pytest.mark.slow),
    *(pytest.param(kind, marks=[pytest.mark.slow, pytest.mark.thorough]) for kind in ("keras", "torch")),
]


@pytest.mark.parametrize("kind", ["images", *FRAMEWORKS])
def test_what_a_server_imports_starts_no_thread(kind):
    check = (
        "import importlib, os, sys; [importlib.import_module(name) for name in sys.argv[1:]]; "
        "sys.exit(len(os.listdir('/proc/self/task')) - 1)"
    )
    environment = os.environ | _fork_server.READ_AT_IMPORT | dict.fromkeys(_fork_server.POOLS, "1")
    command = [sys.executable, "-c", check, *_fork_server.LIBRARIES[kind]]
    assert subprocess.run(command, env=environment).returncode == 0

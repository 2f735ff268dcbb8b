"""Tiers of tests, and their order.

`slow`: builds or trains a network, runs the workflow, makes all of a study's tables, figures and report, or takes
more than a second; `make test-quick` leaves these out. `thorough`: a variant of what a cheaper test shows, or a run
through Slurm, DVC or nnU-Net; `make test` leaves these out too, and `make test-thorough`, as CI, runs them. `real`:
reads real patients in `shared/` beside the project, which a clone does not have. `gpu`: needs a GPU. What needs
something that is not here is skipped, and pytest says so.
"""

import gc
import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from filelock import FileLock

from tests.dry_runs import Server, copy_workflow
from tests.smoke import run_all
from workflow_scripts import POOLS

# Each worker has a core of its own; the libraries would start a thread for every core in each of them.
os.environ.update(dict.fromkeys(POOLS, "1"))

# Else each job of a workflow's copy compiles the library anew, and each run of pytest its tests.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

WORKER = 4e9
"""The memory in bytes of a worker that has imported both frameworks."""


@pytest.hookimpl(optionalhook=True)  # without xdist there is none
def pytest_xdist_auto_num_workers() -> int:
    """Return as many as there are cores, and memory for.

    Four at most: in a container the machine's cores and memory are seen, and not how much of them is ours.
    """
    return max(1, min(4, len(os.sched_getaffinity(0)), int(psutil.virtual_memory().total // WORKER)))


MEMORY = Path("/dev/shm")
ROOM = 8e9
"""Bytes of files that are kept free; the tests write half as much."""


def _use_memory() -> None:
    """Let the tests write into memory: their runs of the workflow write tens of thousands of small files, which takes
    half the time that a disk takes.

    Files there take the memory that the workers need. pytest removes what a killed session left after three days only.
    """
    if not MEMORY.is_dir() or os.statvfs(MEMORY).f_flag & os.ST_NOEXEC:
        return
    for lock in MEMORY.glob("pytest-of-*/pytest-*/.lock"):
        if (process := lock.read_text()).isdigit() and not psutil.pid_exists(int(process)):
            shutil.rmtree(lock.parent, ignore_errors=True)
    needed = ROOM + WORKER * pytest_xdist_auto_num_workers()
    if shutil.disk_usage(MEMORY).free > ROOM and psutil.virtual_memory().available > needed:
        os.environ.setdefault("TMPDIR", str(MEMORY))
        tempfile.tempdir = None  # pytest has asked for it before


if "PYTEST_XDIST_WORKER" not in os.environ:  # a worker writes where the session's own process does
    _use_memory()

# A shell lets what it starts in the background ignore Ctrl-C, and so would the runs that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

SHARED = Path(__file__).parents[2] / "shared"
LONGEST = (
    "test_workflow", "test_slurm", "test_dvc", "test_reruns", "test_nnunet", "test_engines", "test_holes",
    "test_provenance_of_a_run", "test_interrupted", "test_activations", "test_reruns_of_source",
)  # fmt: skip
"""The longest files come first, so that no worker is left with one at the end."""
WHOLLY_SLOW = re.compile(r"^pytestmark = (\[\s*)?pytest\.mark\.slow", re.M)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Without the slow tests, a file of slow tests only is not even imported: those import learning frameworks."""
    if "not slow" not in config.option.markexpr or collection_path.suffix != ".py":
        return None
    return WHOLLY_SLOW.search(collection_path.read_text()) is not None or None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    rank = {name: i for i, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(LONGEST)))
    for item in items:
        if item.get_closest_marker("real") and not SHARED.exists():
            item.add_marker(pytest.mark.skip(reason="shared/ with real patients is not here"))
        if item.get_closest_marker("gpu") and not _has_gpu():
            item.add_marker(pytest.mark.skip(reason="there is no GPU"))


def _has_gpu() -> bool:
    from crossover.training.devices import gpus

    return bool(gpus())


def pytest_collection_finish() -> None:
    _keep_what_is_imported()


def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    if nextitem is not None and nextitem.path != item.path:
        _keep_what_is_imported()


def _keep_what_is_imported() -> None:
    """Out of the garbage collector's sight: statsmodels asks it to look through all of it at every correction of p
    values, which takes a second where both learning frameworks are imported."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A copy of the workflow after a run of all studies at smoke scale, which the first worker that asks makes for all.

    No test changes it, since another worker may read it at the same time; see `smoke_copy`.
    """
    shared = tmp_path_factory.getbasetemp()
    folder = (shared if worker_id == "master" else shared.parent) / "smoke"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            run_all(folder)
    assert (folder / "results/report.html").exists(), "its run failed in another worker"
    return folder


@pytest.fixture(scope="module")
def smoke_copy(smoke: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of that run for one file of tests. What a test changes in it, it sets back."""
    return shutil.copytree(smoke, tmp_path_factory.mktemp("smoke") / "copy", symlinks=True)


@pytest.fixture(scope="module")
def dry_run_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Of dry runs in a copy of the workflow with nothing computed."""
    made = Server(copy_workflow(tmp_path_factory.mktemp("reruns") / "w"))
    yield made
    made.close()

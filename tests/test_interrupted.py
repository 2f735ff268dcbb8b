"""Two Snakemakes at once, a killed one, and what is left of it: with real processes; and a full disk."""

import contextlib
import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from fnmatch import fnmatch
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import SimpleITK as sitk

from crossover.core import disk, incremental, locks
from crossover.core.files import write_json
from crossover.core.provenance import read_record
from crossover.imaging import volumes
from tests.dry_runs import ROOT, copy_workflow
from tests.tiers import thorough
from workflow_scripts._job import described

pytestmark = pytest.mark.slow

TARGET = "data/raw/cervix/manifest.json"
OTHER = "data/raw/site_a/manifest.json"
COMMAND = [sys.executable, "-m", "snakemake", "--cores", "2", "--config", "scale=smoke"]
SLOW = '''
"""Says when it begins and ends; ends when it may."""

import os, time
from pathlib import Path
from crossover.core.files import write_json
from workflow_scripts._job import run

def main(job):
    with open("seen", "a") as seen:
        print("begins", os.getpid(), job.out.parent.name, file=seen, flush=True)
        while "cervix" in str(job.out) and not Path("go").exists():
            time.sleep(0.05)
        time.sleep(0.5)
        write_json(job.out, {"items": {}})
        print("ends", os.getpid(), job.out.parent.name, file=seen, flush=True)

if __name__ == "__main__":
    run(main, "out")
'''


OWN = "os.execv(sys.executable, [sys.executable, '-m', 'workflow_scripts.' + sys.argv[2], *sys.argv[3:]])"
"""In place of `_fork.py`: each job is a process of its own, as on a GPU or with several threads."""


def start(folder: Path, *more: str, target: str = TARGET) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": ""}
    study = "studies=uterus" if target == TARGET else "studies=prostate"
    return subprocess.Popen(
        [*COMMAND, study, *more, "--", target], cwd=folder, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip


def seen(folder: Path) -> list[list[str]]:
    file = folder / "seen"
    return [line.split() for line in file.read_text().splitlines()] if file.exists() else []


def until(true, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> SimpleNamespace:
    """A run, a second beside it, one of another study and a dry run; then the first is killed and a third goes on."""
    folder = copy_workflow(tmp_path_factory.mktemp("w"))
    (folder / "workflow_scripts/receive.py").write_text(SLOW)
    (folder / "workflow_scripts/_fork.py").write_text(
        (folder / "workflow_scripts/_fork.py").read_text().replace("    main()\n", f"    {OWN}\n")
    )
    first = start(folder)
    until(lambda: seen(folder))
    second, dry, other = start(folder), start(folder, "-n"), start(folder, target=OTHER)
    beside, looked = second.communicate()[0], dry.communicate()[0]
    other.communicate()
    first.send_signal(signal.SIGKILL)
    first.wait()
    third = start(folder)
    lines = []
    while not any("waiting for it" in line for line in lines):
        line = third.stdout.readline()
        assert line, "".join(lines)
        lines.append(line)
    begun = [what for what, _, of in seen(folder) if of == "cervix"].count("begins")
    (folder / "go").touch()
    after = "".join(lines) + third.communicate(timeout=100)[0]
    again = start(folder, "-n")
    return SimpleNamespace(
        folder=folder, first=first.pid, beside=beside, codes=(second.returncode, dry.returncode, other.returncode),
        looked=looked, after=after, third=third.returncode, begun=begun, again=again.communicate()[0],
    )  # fmt: skip


def test_a_second_snakemake_is_refused_and_told_of_the_first(told):
    assert told.codes[0] == 1 and f"process {told.first}, since 2" in told.beside
    assert "WorkflowError" not in told.beside and "run.smk" not in told.beside, "the rules' lines tell nobody anything"
    assert f"another Snakemake is at work on cervix in {told.folder / 'data'}" in told.beside


def test_a_run_of_another_study_beside_it_is_not_refused(told):
    """As Snakemake's own lock has it."""
    assert told.codes[2] == 0 and (told.folder / OTHER).exists()


def test_a_dry_run_beside_a_run_is_not(told):
    assert told.codes[1] == 0 and "receive" in told.looked


def test_after_a_kill_there_is_nothing_to_unlock(told):
    assert told.third == 0 and "unlock" not in told.after, told.after
    assert "Nothing to be done" in told.again


def test_a_job_waits_for_the_one_that_a_killed_run_left(told):
    rows = [(what, process) for what, process, of in seen(told.folder) if of == "cervix"]
    orphan = rows[0][1]
    assert told.begun == 1, "the second did not begin beside it"
    assert [what for what, _ in rows] == ["begins", "ends", "begins", "ends"]
    assert rows[1][1] == orphan != rows[2][1]
    assert f"{TARGET} is still being made by process {orphan}, since" in told.after, "the run says so, not only its job"
    assert f"{TARGET} is being made by process {orphan}, since" in told.after
    record = read_record(told.folder / TARGET)
    assert 0 < record["starting"] < 60 and record["seconds"] >= 0.5


def test_a_forked_job_ends_with_the_snakemake_that_is_killed(tmp_path: Path):
    """So that the next run waits for nobody."""
    folder = copy_workflow(tmp_path / "w")
    (folder / "workflow_scripts/receive.py").write_text(SLOW)
    first = start(folder)
    until(lambda: seen(folder))
    first.kill()
    first.wait()
    (_, job, _), *_ = seen(folder)
    until(lambda: not Path("/proc", job).exists())
    (folder / "go").touch()
    said, _ = start(folder).communicate(timeout=100)
    assert "waiting for it" not in said and (folder / TARGET).exists()
    rows = [what for what, _, of in seen(folder) if of == "cervix"]
    assert rows == ["begins", "begins", "ends"]


def processes_of(folder: Path) -> list[str]:
    """The commands of all processes that a run in this folder started, whoever their parents are by now."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("OF_RUN") == str(folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline()))
    return found


@pytest.mark.parametrize(
    ("name", "forked"), [("SIGINT", True), thorough("SIGTERM", False)]
)  # SIGHUP, and all with a view: test_live
def test_a_run_that_is_interrupted_ends_its_jobs_and_leaves_no_process(tmp_path, monkeypatch, name, forked):
    """Sent to Snakemake alone, as `kill` does; by itself it would wait for the job."""
    folder = copy_workflow(tmp_path / "w")
    monkeypatch.setenv("OF_RUN", str(folder))
    (folder / "workflow_scripts/receive.py").write_text(SLOW)
    fork = folder / "workflow_scripts/_fork.py"
    fork.write_text(fork.read_text() if forked else fork.read_text().replace("    main()\n", f"    {OWN}\n"))
    run = start(folder)
    until(lambda: seen(folder))
    assert len(processes_of(folder)) > 3
    run.send_signal(getattr(signal, name))
    run.send_signal(getattr(signal, name))  # who is impatient
    said, _ = run.communicate(timeout=30)
    assert run.returncode == 1 and "the same command goes on from there.\n" in said and "WorkflowError" not in said
    until(lambda: processes_of(folder) == [], seconds=2)
    (folder / "go").touch()
    assert start(folder).wait(100) == 0 and (folder / TARGET).exists()


def test_a_run_with_nohup_goes_on_when_its_terminal_is_closed(tmp_path: Path):
    folder = copy_workflow(tmp_path / "w")
    (folder / "workflow_scripts/receive.py").write_text(SLOW)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # what is started has it too
    run = start(folder)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    until(lambda: seen(folder))
    run.send_signal(signal.SIGHUP)
    (folder / "go").touch()
    said, _ = run.communicate(timeout=100)
    assert run.returncode == 0 and (folder / TARGET).exists(), said


def test_what_does_not_end_when_asked_is_killed():
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    start = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}])"
    ends = (
        "import subprocess, sys; from crossover.execution.workflow import end_descendants; "
        f"child = subprocess.Popen([sys.executable, '-c', {start!r}], stdout=subprocess.PIPE, text=True); "
        "child.stdout.readline(); import psutil; deaf = psutil.Process().children(recursive=True); "
        "end_descendants(0.5); sys.exit(len(deaf) != 2 or any(p.is_running() and p.status() != 'zombie' for p in deaf))"
    )
    assert subprocess.run([sys.executable, "-c", ends], timeout=30).returncode == 0


def test_snakemakes_own_lock_outlives_a_kill(tmp_path: Path):
    """Why it is switched off (profiles/default): when this fails, ours in rules/run.smk is needed no more."""
    (tmp_path / "Snakefile").write_text("rule all:\n    output: 'out'\n    shell: 'touch begun; sleep 60'\n")
    command = [sys.executable, "-m", "snakemake", "--cores", "1"]
    first = subprocess.Popen(command, cwd=tmp_path, start_new_session=True, stderr=subprocess.DEVNULL)
    until((tmp_path / "begun").exists)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    again = subprocess.run([*command, "--rerun-incomplete"], cwd=tmp_path, capture_output=True, text=True)
    assert again.returncode == 1 and "--unlock" in again.stderr


# ---- locks


HOLD = """
import sys, time
from pathlib import Path
from crossover.core.locks import held
with held(sys.argv[1]):
    print("has it", flush=True)
    time.sleep(60)
"""


def as_another(*command: str, folder: Path) -> tuple[int, str]:
    """Run a command by the rights that a folder's modes give, which do not bind root."""
    rights = "-dac_override,-dac_read_search"
    bound = ["setpriv", f"--inh-caps={rights}", f"--bounding-set={rights}"] if os.geteuid() == 0 else []
    environment = {**os.environ, "PYTHONPATH": ""}
    done = subprocess.run([*bound, *command], cwd=folder, env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_who_may_not_write_in_a_clone_sees_what_a_run_would_do_and_is_refused_a_run(tmp_path: Path):
    folder = copy_workflow(tmp_path / "w")
    (folder / ".snakemake/metadata").mkdir(parents=True)
    (folder / ".snakemake/metadata/x").touch(mode=0)
    for path in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        path.chmod(0o555)
    snakemake, target = [*COMMAND, "studies=uterus"], ["--", TARGET]
    before = sorted(folder.rglob("*"))
    try:
        code, said = as_another(*snakemake, "-n", *target, folder=folder)
        assert code == 0 and "receive" in said, said
        code, said = as_another(*snakemake, *target, folder=folder)
        assert code == 1 and "you may not read and write" in said and "Traceback" not in said, said
        assert sorted(folder.rglob("*")) == before
    finally:
        for path in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
            path.chmod(0o755)


def test_a_lock_in_a_folder_of_somebody_else_is_refused_in_a_sentence(tmp_path: Path):
    tmp_path.chmod(0o555)
    try:
        call = "import sys; from pathlib import Path; from crossover.core import locks; locks.take(Path('run/a'))"
        code, said = as_another(sys.executable, "-c", call, folder=tmp_path)
    finally:
        tmp_path.chmod(0o755)
    assert code == 1 and said.splitlines()[-1].startswith(f"crossover.core.locks.Barred: you may not write {tmp_path}")


def test_a_lock_ends_with_its_process_and_leaves_no_file(tmp_path: Path, capsys):
    table = tmp_path / "results/x.csv"
    job = subprocess.Popen([sys.executable, "-c", HOLD, table], stdout=subprocess.PIPE)
    job.stdout.readline()
    with pytest.raises(locks.Held, match=f"process {job.pid}, since 2"):
        locks.take(table)
    job.kill()
    job.wait()
    assert locks.is_unfinished(table)
    with locks.held(table), pytest.raises(locks.Held):
        locks.take(table)
    assert list(table.parent.iterdir()) == [] and capsys.readouterr().out == ""
    locks.take(table).release()


def test_clones_whose_results_are_one_folder_share_its_locks(tmp_path: Path, monkeypatch):
    """However deep the link is, and also where one of them has the folder itself."""
    for clone in ("a", "b", "c"):
        (tmp_path / clone).mkdir()
    (tmp_path / "a/results/uterus").mkdir(parents=True)
    (tmp_path / "b/results").symlink_to(tmp_path / "a/results")
    (tmp_path / "c/results").mkdir()
    (tmp_path / "c/results/uterus").symlink_to(tmp_path / "a/results/uterus")
    monkeypatch.chdir(tmp_path / "a")
    with locks.held("results/uterus/metrics.csv"):
        for other in ("b", "c"):
            monkeypatch.chdir(tmp_path / other)
            with pytest.raises(locks.Held):
                locks.take("results/uterus/metrics.csv")


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK])
def test_a_file_system_without_locks_is_refused_in_a_sentence(tmp_path: Path, monkeypatch, number):
    """A lock that is a file alone, which filelock would take there, outlives a holder that is killed."""

    def flock(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", flock)
    with pytest.raises(locks.Barred, match=f"the file system of {tmp_path} has no file locks"):
        locks.take(tmp_path / "x.csv")


def test_dvc_leaves_out_what_killed_jobs_left():
    ignored = (ROOT / ".dvcignore").read_text().splitlines()
    assert any(fnmatch(locks.lock_path("results/uterus/metrics.csv").name, pattern) for pattern in ignored)
    assert f"{incremental.MAKING}/" in ignored


def test_a_process_that_is_started_does_not_keep_the_lock(tmp_path: Path):
    with locks.held(tmp_path / "a"):
        child = subprocess.Popen(["sleep", "30"])
    locks.take(tmp_path / "a").release()
    child.kill()
    child.wait()


def test_an_item_that_another_process_made_meanwhile_is_kept(tmp_path: Path, monkeypatch):
    """As a training of a killed run that ended while this job waited for it."""
    monkeypatch.chdir(tmp_path)
    made = []

    def make(name: str, folder: Path) -> dict:
        made.append(name)
        if name == "a":  # meanwhile another makes b
            incremental.refresh(Path("stages"), {"b": "1"}, make, prune=False)
        (folder / "weights").write_text(name)
        return {}

    incremental.refresh(Path("stages"), {"a": "1", "b": "1"}, make, prune=False)
    assert made == ["a", "b"] and (tmp_path / "stages/b/weights").read_text() == "b"


SIDE_BY_SIDE = """
import os, time
from pathlib import Path
from crossover.core import incremental

def make(name, folder):
    (folder / "by").write_text(str(os.getpid()))
    (folder / "by").rename(folder / "pid")
    time.sleep(60)

incremental.refresh(Path("items"), {"a": "1", "b": "1"}, make, workers=2)
"""


def test_processes_side_by_side_end_with_a_job_that_is_killed(tmp_path: Path):
    """Else they would go on making items that the next job makes anew, and hold its locks."""
    job = subprocess.Popen([sys.executable, "-c", SIDE_BY_SIDE], cwd=tmp_path)
    began = [tmp_path / "items" / incremental.MAKING / name / "pid" for name in "ab"]
    until(lambda: all(file.exists() for file in began))
    job.kill()
    job.wait()
    until(lambda: not any(Path("/proc", file.read_text()).exists() for file in began))


# ---- a full disk


SCRIPT = """
import sys, numpy as np
from pathlib import Path
from safetensors.numpy import save_file
from crossover.core import incremental
import SimpleITK as sitk
from crossover.imaging import stored
from crossover.imaging.volumes import write

def make(name, folder):
    big = np.random.default_rng(1).random(300_000, "float32")
    if name == "weights":
        save_file({"w": big}, folder / "weights.safetensors")
    elif name == "slices":
        stored.write(folder, big.reshape(3, 100, 1000, 1), {})
    elif name == "mask":
        write(sitk.GetImageFromArray(big.reshape(3, 100, 1000)), folder / "mask.nii.gz")
    return {}

kind, room = sys.argv[1:]
try:
    incremental.update(Path(room, "manifest.json"), {"small": "1", kind: "1", "after": "1"}, make)
except BaseException as error:
    print(f"{type(error).__name__}: {error}")
print(sorted(str(p.relative_to(room)) for p in Path(room).rglob("*") if p.is_file()))
"""


@pytest.mark.parametrize("kind", ["weights", "slices", "mask"])
def test_a_full_disk_is_told_in_one_line_and_no_half_file_is_left(tmp_path: Path, kind: str):
    shell = 'mount -t tmpfs -o size=1m tmpfs "$1" && shift && exec "$@"'
    inside = ["unshare", "-rm", "sh", "-c", shell, "sh", str(tmp_path)]
    if not shutil.which("unshare") or subprocess.run([*inside, "true"], capture_output=True).returncode:  # fmt: skip
        pytest.skip("no small disk can be made here")
    code = [sys.executable, "-c", SCRIPT, kind, str(tmp_path)]
    run = subprocess.run([*inside, *code], capture_output=True, text=True)
    error, left = run.stdout.splitlines()
    new = tmp_path / incremental.MAKING / kind
    assert error.startswith(f"DiskFull: the disk is full: {new}"), run.stdout
    assert f"{new} has " in error and "MB free" in error and left == "['small/record.json']", left


def test_a_mask_that_was_written_in_part_is_not_packed(tmp_path: Path, monkeypatch):
    """ITK's writer of NIfTI says nothing, and there may be room again a moment later."""
    monkeypatch.setattr(sitk, "WriteImage", lambda image, path: Path(path).write_bytes(b"x" * 400))
    with pytest.raises(OSError, match="No space left"):
        volumes.write(sitk.Image([20, 20, 5], sitk.sitkUInt8), tmp_path / "mask.nii.gz")
    assert not (tmp_path / "mask.nii.gz").exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_an_error_deep_down_is_a_full_disks(tmp_path: Path, number: int):
    try:
        try:
            raise OSError(number, os.strerror(number), str(tmp_path / "x.csv"))
        except OSError as error:
            raise RuntimeError("can't save") from error
    except RuntimeError as error:
        told = disk.as_disk_full(error, tmp_path / "other")
    assert f"{tmp_path}/x.csv could not be written, {tmp_path} has" in str(told)
    assert disk.as_disk_full(ValueError("wrong"), tmp_path / "new/x.csv") is None


def test_what_is_written_whole_or_not_at_all_leaves_no_part(tmp_path: Path, monkeypatch):
    def fails(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    write_json(tmp_path / "a.json", 1)
    monkeypatch.setattr(Path, "replace", fails)
    with pytest.raises(OSError):
        write_json(tmp_path / "a.json", 2)
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
    assert (tmp_path / "a.json").read_text() == "1\n"


def test_a_missing_column_is_told_as_such_with_its_place():
    with pytest.raises(KeyError) as missing:
        dict[str, int]()["test_set"]
    told = described(missing.value)
    assert told.startswith("there is no column or key 'test_set' (tests/test_interrupted.py:")
    assert described(ValueError("wrong")) == "wrong" and described(AssertionError()) == "AssertionError"

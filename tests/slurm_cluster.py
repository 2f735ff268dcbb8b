"""A Slurm of two nodes on this machine, whose GPUs only count: Debian's `slurm-wlm` and `munge`, as root.

With accounts, as most sites have them, also Debian's `slurmdbd` and `mariadb-server`.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

CONFIGURATION = Path("/etc/slurm/slurm.conf")
"""A job's own commands look here, whatever the submitting process has in SLURM_CONF."""


DATABASE = CONFIGURATION.with_name("slurmdbd.conf")
CLUSTER, ACCOUNT = "test", "lab"


def missing() -> str:
    """Return why there can be no cluster here; empty where there can."""
    absent = [name for name in ("munged", "slurmctld", "slurmd", "sbatch") if not shutil.which(name)]
    if absent:
        return f"Slurm is not here: {', '.join(absent)}"
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        return "the executor of requirements-slurm.lock is not installed"
    if os.geteuid() or CONFIGURATION.exists():
        return "a cluster of one's own needs root, and no other on this machine"
    return ""


SETTINGS = """
ClusterName={name}
SlurmctldHost={host}
SlurmUser=root
AuthType=auth/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType={accounting}
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
ReturnToService=2
SlurmdParameters=config_overrides
MaxJobCount=20000
MinJobAge=600
MpiDefault=none
GresTypes=gpu
SlurmdTimeout=10
KillWait=2
NodeName=node1 NodeHostname={host} Port=17001 CPUs={cores} RealMemory=9000 Gres=gpu:1
NodeName=node2 NodeHostname={host} Port=17002 CPUs={cores} RealMemory=9000 Gres=gpu:1
PartitionName=main Nodes=node1,node2 Default=YES MaxTime=INFINITE State=UP
PartitionName=short Nodes=node1,node2 MaxTime=00:10:00 State=UP
"""
GPU_FILES = "NodeName=node1 Name=gpu File=/dev/null\nNodeName=node2 Name=gpu File=/dev/zero\n"


ACCOUNTS = """
DbdHost=localhost
SlurmUser=root
AuthType=auth/munge
PidFile={folder}/slurmdbd.pid
LogFile={folder}/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=slurm
"""


def accounts() -> bool:
    """Whether a cluster here can keep accounts."""
    return all(shutil.which(name) for name in ("slurmdbd", "mariadbd"))


@contextlib.contextmanager
def cluster(folder: Path, cores: int | None = None, accounting: bool = False) -> Iterator[Path]:
    """Run a Slurm of two nodes with its files in a folder, where a node's process is in `<node>.pid`.

    Args:
        cores: of each node; by default this machine's.
        accounting: with accounts, of which root has one, `ACCOUNT`, so that `sacct` tells what became of a job.
    """
    (folder / "state").mkdir()
    values = {
        "name": CLUSTER,
        "folder": folder,
        "host": socket.gethostname().split(".")[0],
        "cores": cores or os.cpu_count(),
        "accounting": f"accounting_storage/{'slurmdbd' if accounting else 'none'}",
    }
    CONFIGURATION.parent.mkdir(exist_ok=True)
    CONFIGURATION.write_text(SETTINGS.format(**values))
    (CONFIGURATION.parent / "gres.conf").write_text(GPU_FILES)
    Path("/run/munge").mkdir(exist_ok=True)
    shutil.chown("/run/munge", "munge", "munge")
    began = not subprocess.run(["su", "-s", "/bin/sh", "munge", "-c", "munged"], capture_output=True).returncode
    database = _with_accounts(folder) if accounting else None
    subprocess.run(["slurmctld"], check=True)
    for node in ("node1", "node2"):
        (folder / f"spool-{node}").mkdir()
        subprocess.run(["slurmd", "-N", node], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["scancel", "--user", "root"])
        subprocess.run(["scontrol", "shutdown"])
        _until(lambda: not (folder / "slurmctld.pid").exists())
        if began:  # else it was there before
            subprocess.run(["su", "-s", "/bin/sh", "munge", "-c", "munged --stop"], capture_output=True)
        if database:
            os.kill(int((folder / "slurmdbd.pid").read_text()), signal.SIGTERM)
            database.terminate()
            database.wait()
        for name in ("slurm.conf", "gres.conf", "slurmdbd.conf"):
            (CONFIGURATION.parent / name).unlink(missing_ok=True)


def _with_accounts(folder: Path) -> subprocess.Popen:
    """Start what keeps the accounts, with one account; return the process of its database."""
    data, log = folder / "database", (folder / "mariadbd.log").open("w")
    subprocess.run(["mariadb-install-db", f"--datadir={data}", "--user=root"], stdout=log, stderr=log, check=True)
    socket_file = Path("/run/mysqld/mysqld.sock")  # where Slurm's library looks
    socket_file.parent.mkdir(exist_ok=True)
    command = ["mariadbd", "--no-defaults", "--user=root", f"--datadir={data}", f"--socket={socket_file}",
               f"--pid-file={folder}/mariadbd.pid", "--skip-networking"]  # fmt: skip
    process = subprocess.Popen(command, stdout=log, stderr=log)
    DATABASE.write_text(ACCOUNTS.format(folder=folder))
    DATABASE.chmod(0o600)
    _until(socket_file.exists)
    subprocess.run(["slurmdbd"], check=True)
    for what in (f"cluster {CLUSTER}", f"account {ACCOUNT}", f"user root account={ACCOUNT}"):
        _until(lambda what=what: not subprocess.run(["sacctmgr", "--immediate", "add", *what.split()]).returncode)
    return process


def _until(true: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise TimeoutError("Slurm did not do what it was asked for")
        time.sleep(0.2)

"""A Slurm of two nodes on this machine, whose GPUs only count: Debian's `slurm-wlm` and `munge`, as root."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

CONFIGURATION = Path("/etc/slurm/slurm.conf")
"""A job's own commands look here, whatever the submitting process has in SLURM_CONF."""


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
ClusterName=test
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
AccountingStorageType=accounting_storage/none
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
NodeName=node1 NodeHostname={host} Port=17001 CPUs={cores} RealMemory=9000 Gres=gpu:{gpus}
NodeName=node2 NodeHostname={host} Port=17002 CPUs={cores} RealMemory=9000 Gres=gpu:{gpus}
PartitionName=main Nodes=node1,node2 Default=YES MaxTime=INFINITE State=UP
"""
GPU_FILES = "NodeName=node1 Name=gpu File=/dev/null\nNodeName=node2 Name=gpu File=/dev/zero\n"
GPUS = "NodeName=node1 Name=gpu Count={gpus}\nNodeName=node2 Name=gpu Count={gpus}\n"


@contextlib.contextmanager
def cluster(folder: Path, cores: int | None = None, gpus: int = 1) -> Iterator[Path]:
    """Run a Slurm of two nodes with its files in a folder, where a node's process is in `<node>.pid`.

    Args:
        cores: of each node; by default this machine's.
        gpus: of each node, as counts.
    """
    (folder / "state").mkdir()
    values = {
        "folder": folder,
        "host": socket.gethostname().split(".")[0],
        "cores": cores or os.cpu_count(),
        "gpus": gpus,
    }
    CONFIGURATION.parent.mkdir(exist_ok=True)
    CONFIGURATION.write_text(SETTINGS.format(**values))
    (CONFIGURATION.parent / "gres.conf").write_text(GPUS.format(gpus=gpus) if gpus > 1 else GPU_FILES)
    Path("/run/munge").mkdir(exist_ok=True)
    shutil.chown("/run/munge", "munge", "munge")
    began = not subprocess.run(["su", "-s", "/bin/sh", "munge", "-c", "munged"], capture_output=True).returncode
    subprocess.run(["slurmctld"], check=True)
    for node in ("node1", "node2"):
        (folder / f"spool-{node}").mkdir()
        subprocess.run(["slurmd", "-N", node], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["scancel", "--user", "root"])
        subprocess.run(["scontrol", "shutdown"])
        if began:  # else it was there before
            subprocess.run(["su", "-s", "/bin/sh", "munge", "-c", "munged --stop"], capture_output=True)
        for name in ("slurm.conf", "gres.conf"):
            (CONFIGURATION.parent / name).unlink()

"""What a run would wait for in vain in this Slurm, told before it begins.

The executor of Snakemake ends a refused submission without Slurm's words, or waits for it; a job that asks for more
cores than any node has waits for ever.
"""

from __future__ import annotations

import getpass
import subprocess
from collections.abc import Sequence

SECONDS = 60
"""The seconds that Slurm may take to answer; without an answer nothing is refused."""
WHERE = "set it between the lines of profiles/slurm/profile.yaml"


def refusals(account: str, partition: str, cores: int | None) -> list[str]:
    """Return what is wrong with a run's settings, one sentence each.

    Args:
        account: `slurm_account` of the default resources; "" for none. Known are those of which `sacctmgr` tells.
        partition: `slurm_partition` of the default resources; "" for Slurm's default.
        cores: the most that one job asks for.
    """
    out = []
    nodes = [line.split() for line in _lines(["sinfo", "--noheader", "--format=%R %c"])]
    sizes = {name: max(int(size.rstrip("+")) for n, size in nodes if n == name) for name, _ in nodes}
    if partition and sizes and not (named := {*partition.split(",")}) <= {*sizes}:
        out.append(
            f"slurm_partition: there is no {', '.join(sorted(named - {*sizes}))}; there are {_listed(sizes)}: {WHERE}"
        )
    most = max((sizes[name] for name in partition.split(",") if name in sizes), default=max(sizes.values(), default=0))
    if cores and 0 < most < cores:
        out.append(f"cores: {cores}, and no node has more than {most}, so that jobs would wait for ever: {WHERE}")
    user = f"user={getpass.getuser()}"
    own = {*_lines(["sacctmgr", "--noheader", "--parsable2", "list", "associations", user, "format=account"])}
    if account and own and account.casefold() not in {name.casefold() for name in own}:
        out.append(f"slurm_account: {account} is none of yours; you have {_listed(own)}: {WHERE}")
    return out


def _listed(names: Sequence[str] | set[str] | dict[str, int]) -> str:
    return ", ".join(sorted(names))


def _lines(command: list[str]) -> list[str]:
    """Return what a command of Slurm prints; nothing where it can't answer, as `sacctmgr` without accounts."""
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=SECONDS)
    except (subprocess.SubprocessError, OSError):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]

"""The variables by which nnU-Net is told where its folders are and how it computes: set while it works for us."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

FOLDERS = {"nnUNet_raw": "raw", "nnUNet_preprocessed": "preprocessed", "nnUNet_results": "results"}
MISSING = (
    "nnU-Net is not installed in this environment: pip install 'crossover[nnunet]', or "
    "pip install --no-deps -r requirements-exchange.lock in addition to requirements.lock (docs/nnunet.md)"
)


@contextlib.contextmanager
def environment(root: Path | None, threads: int, workers: int | None = None) -> Iterator[None]:
    """Set nnU-Net's variables, and send what it prints to the log, until the block ends.

    nnU-Net reads its three folders once, as it is imported: a process trains below one folder.

    Args:
        root: of its folders, for training; None where it only predicts.
        threads: CPU threads, and processes of its preprocessing.
        workers: processes of its augmentation, as many as threads by default; 0 augments in this process, in an
            order that repeats. Planning takes it for a number of threads, which 0 is none of.

    Raises:
        RuntimeError: nnU-Net was imported with other folders, or is not installed.
    """
    variables: dict[str, str | None] = {
        "nnUNet_n_proc_DA": str(threads if workers is None else workers),
        "nnUNet_def_n_proc": str(threads),
        "nnUNet_compile": None,  # as nnU-Net does by itself, whatever the user's shell says
        "nnUNet_wandb_enabled": "0",
    }
    if root is not None:
        for variable, name in FOLDERS.items():
            folder = (root / name).resolve()
            folder.mkdir(parents=True, exist_ok=True)
            variables[variable] = str(folder)
    before = {name: os.environ.get(name) for name in variables}
    _set(variables)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            _imported(variables)
            yield
    finally:
        _set(before)


def device() -> torch.device:
    """Return the device that nnU-Net computes on; on a GPU cuDNN tries out algorithms, as by nnU-Net's own commands."""
    import torch

    found = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cudnn.benchmark = found.type == "cuda"
    return found


def _set(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _imported(variables: Mapping[str, str | None]) -> None:
    try:
        from nnunetv2 import paths
    except ImportError as error:
        raise RuntimeError(MISSING) from error
    for variable in FOLDERS:
        if variable in variables and getattr(paths, variable) != variables[variable]:
            raise RuntimeError(
                f"nnU-Net was imported with {variable}={getattr(paths, variable)} and cannot use {variables[variable]} "
                "in the same process"
            )

"""A disk of the node for what is read most and matters least: kept activations."""

import os
from pathlib import Path

from crossover.core.configuration import ConfigError
from crossover.training.cache import FOLDER


def keep_activations_in(folder: str, own: bool, link: Path = FOLDER) -> None:
    """Make the folder of kept activations a link to a folder on each machine's own disk, and make that on this one.

    Args:
        folder: on every node; `~` and variables of the environment are replaced.
        own: whether this process begins the run, and makes the link; the processes on nodes find it.
        link: where trainings keep activations, on the disk that all nodes see.

    Raises:
        ConfigError: activations are kept there already, or the folder can't be made.
    """
    target = Path(os.path.expandvars(folder)).expanduser().absolute()
    try:
        target.mkdir(parents=True, exist_ok=True)
        if not own or (link.is_symlink() and link.readlink() == target):
            return
        link.parent.mkdir(parents=True, exist_ok=True)
        if link.is_symlink():
            link.unlink()
        elif link.exists():
            link.rmdir()
        link.symlink_to(target)
    except OSError as error:
        there = error.filename == str(link)
        what = "run crossover clear-cache and remove the folder first" if there else "name another folder"
        raise ConfigError(f"activations: {folder} cannot be used for kept activations ({error}): {what}") from None

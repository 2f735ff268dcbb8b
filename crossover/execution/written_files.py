"""What `crossover segment` wrote to a folder, so that a later call replaces and removes that alone.

People correct masks in place, and keep other files beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from crossover.core.configuration import ConfigError
from crossover.core.files import file_digest, read_json_or_none, write_json
from crossover.core.wording import first_few

NAME = "written.json"
"""The model whose masks a folder holds, and the SHA-256 of each file as it was written."""
BEGUN = ""
"""Stands for the digest of a file that is being written: a call that was killed may have left it in part."""


class NotOurs(Exception):
    """Files that would be replaced were changed, or were written by somebody else."""


class WrittenFiles:
    """The files of one folder.

    Attributes:
        left: those of an earlier call that would have been removed, but were changed since.
    """

    def __init__(self, folder: Path, model: str) -> None:
        """Read what earlier calls wrote to `folder`; `model` is that of this call.

        Raises:
            ConfigError: they were of another model.
        """
        held = read_json_or_none(folder / NAME) or {"model": model, "files": {}}
        if held["files"] and held["model"] != model:
            raise ConfigError(
                f"{folder} has the masks of model {held['model']}, and those of {model} would replace them: name "
                "another folder"
            )
        self._folder, self._model = folder, model
        self._files: dict[str, str] = held["files"]
        self._present: set[str] = set()
        self.left: list[str] = []

    def begin(self, paths: Sequence[Path]) -> None:
        """Announce the files of a case, before any of them is written.

        Raises:
            NotOurs: some are there already and were changed, or written by somebody else; all then stay as they are.
        """
        names = self._names(paths)
        self._present.update(names)
        if other := [name for name in names if not self._is_ours(name)]:
            raise NotOurs(
                f"{first_few(other, 3)}: changed after this command wrote it, or not written by it; the case was not "
                "replaced. Move the file, or choose another folder"
            )
        self._files |= dict.fromkeys(names, BEGUN)
        self._keep()

    def end(self, paths: Sequence[Path]) -> None:
        """Tell that files which were announced are written, those of them that are there."""
        for name, path in zip(self._names(paths), paths, strict=True):
            if path.exists():
                self._files[name] = file_digest(path)
            else:
                del self._files[name]
        self._keep()

    def remove_others(self) -> set[str]:
        """Remove what earlier calls wrote and this one did not, or in part; return the files' names without folders."""
        others = [name for name, known in self._files.items() if name not in self._present or known == BEGUN]
        for name in others:
            if self._is_ours(name):
                (self._folder / name).unlink(missing_ok=True)
            else:
                self.left.append(name)
            del self._files[name]
        self._keep()
        return {Path(name).name for name in others}

    def _names(self, paths: Sequence[Path]) -> list[str]:
        return [path.relative_to(self._folder).as_posix() for path in paths]

    def _is_ours(self, name: str) -> bool:
        path, known = self._folder / name, self._files.get(name)
        return not path.exists() or known == BEGUN or (known is not None and known == file_digest(path))

    def _keep(self) -> None:
        write_json(self._folder / NAME, {"model": self._model, "files": self._files})

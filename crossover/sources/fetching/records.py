"""What is written beside a fetched cohort: the accepted licence, and the SHA-256 of each file.

Below the folder of public cohorts, `<cohort>/` has the data, `<cohort>.fetched.json` says what was accepted and
fetched, and `<cohort>.lock.json` has the files of each part (an archive, a series, a commit) with their bytes and
SHA-256.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

from crossover.core.files import file_digest, read_json_or_none, write_json
from crossover.core.wording import first_few
from crossover.sources.fetching.cohort_registry import Licence, PublicCohort
from crossover.sources.fetching.errors import WrongChecksum

THREADS = 8
SHOWN = 3


class FetchRecords:
    """The records of one cohort below the folder of public cohorts."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self.data = folder / name
        self.record_path = folder / f"{name}.fetched.json"
        self.lock_path = folder / f"{name}.lock.json"
        self.aside = folder / f"{name}.aside"
        self.parts: dict[str, dict] = (read_json_or_none(self.lock_path) or {}).get("parts", {})
        """Label of a part -> `files` (path -> bytes and SHA-256), and `archive`, the SHA-256 of what held them."""

    def accepted(self, licence: Licence) -> str | None:
        """Return the date at which this licence was accepted, None where it was not."""
        record = read_json_or_none(self.record_path) or {}
        same = record.get("licence") == licence.model_dump(mode="json")
        return record.get("accepted") if same else None

    def accept(self, licence: Licence) -> None:
        """Put on record that the licence is accepted today."""
        values = {"cohort": self.name, "licence": licence.model_dump(mode="json"), "accepted": f"{date.today()}"}
        write_json(self.record_path, values)

    def begin(self) -> None:
        """Put on record that the cohort is not complete."""
        if record := read_json_or_none(self.record_path):
            write_json(self.record_path, {key: value for key, value in record.items() if key != "complete"})

    def complete(self, cohort: PublicCohort, unverified: list[str]) -> None:
        """Put on record that all of the cohort is here."""
        record = read_json_or_none(self.record_path) or {}
        files = [each for part in self.parts.values() for each in part["files"].values()]
        whole = {"files": len(files), "bytes": sum(each["bytes"] for each in files)}
        said = {"citation": cohort.citation, "doi": cohort.doi, "page": cohort.page, "unverified": unverified}
        write_json(self.record_path, record | said | {"complete": whole, "fetched": f"{date.today()}"})

    @property
    def is_complete(self) -> bool:
        """Whether the cohort's last fetch ended well."""
        return "complete" in (read_json_or_none(self.record_path) or {})

    def changed(self, label: str) -> list[Path]:
        """Return the files of a part that are missing or not as they were."""
        files = self.parts[label]["files"]
        with ThreadPoolExecutor(THREADS) as threads:
            same = threads.map(lambda item: _is(self.data / item[0], item[1]), files.items())
            return [self.data / path for path, is_same in zip(files, same) if not is_same]

    def put_aside(self, paths: Iterable[Path]) -> list[str]:
        """Move changed files out of the data; return a message about each."""
        out = []
        for path in paths:
            if path.exists():
                aside = self.aside / path.relative_to(self.data)
                aside.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(path, aside)
                out.append(f"{path} is not what was fetched: moved aside to {aside}")
            else:
                out.append(f"{path} is missing")
        return out

    def keep(self, label: str, files: Iterable[Path], archive: str | None = None) -> None:
        """Note the SHA-256 of a part's files, which must be those of an earlier fetch of the same part.

        Raises:
            WrongChecksum: the files differ from those of the earlier fetch; they are moved aside.
        """
        paths = sorted(files)
        with ThreadPoolExecutor(THREADS) as threads:
            digests = threads.map(file_digest, paths)
            found = {
                path.relative_to(self.data).as_posix(): {"bytes": path.stat().st_size, "sha256": digest}
                for path, digest in zip(paths, digests)
            }
        before = self.parts.get(label, {}).get("files", found)
        if wrong := sorted(path for path in found if found[path] != before.get(path)):
            self.put_aside(self.data / path for path in wrong)
            raise WrongChecksum(
                f"{label}: these files differ from those of the first fetch ({self.lock_path}): "
                f"{first_few(wrong, SHOWN)}. They were moved to {self.aside}"
            )
        self.parts[label] = {"files": found} | ({"archive": archive} if archive else {})

    def write_lock(self) -> None:
        """Write the lock file."""
        write_json(self.lock_path, {"parts": self.parts})


def _is(path: Path, noted: dict) -> bool:
    return path.is_file() and path.stat().st_size == noted["bytes"] and file_digest(path) == noted["sha256"]

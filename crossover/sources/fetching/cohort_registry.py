"""The registry of public cohorts: `config/cohorts/<name>.yaml`, and `<name>.csv` with the series of a bucket."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, Field, model_validator

from crossover.core.configuration import ConfigError, ConfigSection, read_yaml, validate
from crossover.core.file_names import unsafe
from crossover.sources.settings import below

FOLDER = Path("config/cohorts")
_HEX = {"sha256": 64, "md5": 32}
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _checksum(value: str) -> str:
    """Check a checksum, "md5:…" or "sha256:…" in small hexadecimal letters."""
    kind, _, digits = value.partition(":")
    if not (kind in _HEX and re.fullmatch(f"[0-9a-f]{{{_HEX[kind]}}}", digits)):
        raise ValueError(f"{value!r} is not a checksum: write md5: and 32, or sha256: and 64, digits 0-9 and a-f")
    return value


Below = Annotated[str, AfterValidator(below)]
Checksum = Annotated[str, AfterValidator(_checksum)]
Bytes = Annotated[int, Field(gt=0)]


class Licence(ConfigSection):
    """Under which terms a cohort may be used; accepted once, by its name and address."""

    name: str
    url: str
    note: str = ""
    """What else its owners ask for."""


class RemoteFile(ConfigSection):
    """A file that is downloaded by its address."""

    url: Annotated[str, Field(pattern=r"^https?://")]
    name: Below
    checksum: Checksum | None = None
    """The checksum as published; without one the first download can't be verified."""
    bytes: Bytes | None = None
    """The size, where that is known before the server says it."""
    unpack: Below | None = None
    """Where a zip or tar archive is unpacked to, below the cohort's folder; the archive is then removed."""
    unpacked_bytes: Bytes | None = None


class Repository(ConfigSection):
    """A commit of a Git repository, whose identity verifies all its files."""

    url: str
    commit: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    folders: Annotated[list[Below], Field(min_length=1)]
    """The folders of it that are kept."""


class Bucket(ConfigSection):
    """Series in a bucket that answers as Amazon's S3 does; `<cohort>.csv` beside the registry's file lists them."""

    endpoint: Annotated[str, Field(pattern=r"^https?://")]
    index: str
    """What the list was made from, and by which choice."""
    into: Below = "."
    """Where the patients' folders are put, below the cohort's folder."""


class ByHand(ConfigSection):
    """What can't be downloaded by address, and must be put there by hand."""

    what: str
    page: str
    into: Below


class PublicCohort(ConfigSection):
    """What is known of a public cohort."""

    title: str
    patients: int
    licence: Licence
    citation: str
    doi: str | None = None
    page: str
    """Where people find it, also when files were moved."""
    known_from: str
    """Where these facts were taken from."""
    confirmed: bool = False
    """Whether somebody has fetched it from the real servers with this entry."""
    layout: str
    """What lies where after a fetch, and what is odd in it."""
    files: list[RemoteFile] = []
    git: Repository | None = None
    bucket: Bucket | None = None
    by_hand: list[ByHand] = []
    study: str | None = None
    """The study in config/studies/ that is written for it, perhaps with other cohorts."""

    @model_validator(mode="after")
    def _has_something_to_fetch(self) -> PublicCohort:
        if not (self.files or self.git or self.bucket):
            raise ValueError("it names nothing to fetch: files, git or bucket")
        parts = len(self.files) + bool(self.git) + bool(self.bucket)
        if parts > 1 and any(Path(file.unpack or "file") == Path() for file in self.files):
            raise ValueError("an archive with `unpack: .` must be the only part; unpack it into a folder of its own")
        return self


class BucketSeries(NamedTuple):
    """A series in a bucket: a row of the cohort's list."""

    patient: str
    study: str
    """The examination's place among the patient's, by date, counted from 1."""
    modality: str
    series: str
    """The prefix of its objects: the Imaging Data Commons gives each version of a series one that never changes."""
    files: int
    bytes: int

    @property
    def folder(self) -> str:
        """The folder that its files are put into, below `Bucket.into`."""
        return f"{self.patient}/{self.study}/{self.modality}-{self.series[:8]}"


def names(folder: Path = FOLDER) -> list[str]:
    """Return the names of all cohorts in the registry."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def load(name: str, folder: Path = FOLDER) -> PublicCohort:
    """Read a cohort's entry.

    Raises:
        ConfigError: there is no such cohort (the message names those that there are), or the file is wrong
        (the message lists all that is).
    """
    path = folder / f"{name}.yaml"
    if not path.exists():
        raise ConfigError(f"there is no public cohort {name!r}; there are {', '.join(names(folder)) or 'none'}")
    return validate(PublicCohort, read_yaml(path), path)


def series_of(name: str, folder: Path = FOLDER) -> list[BucketSeries]:
    """Read the list of a cohort's series in its bucket.

    Raises:
        ConfigError: the file has wrong lines; the message names it and them.
    """
    path = folder / f"{name}.csv"
    if not path.exists():
        raise ConfigError(f"{path} does not exist: a cohort in a bucket needs the list of its series")
    with path.open(newline="") as file:
        lines = list(csv.DictReader(file))
    found, wrong = [], []
    for number, line in enumerate(lines, 2):
        try:
            found.append(_series(line))
        except (KeyError, TypeError, ValueError) as error:
            wrong.append(f"{path}, line {number}: {error}")
    if wrong or not found:
        raise ConfigError("\n".join(wrong) or f"{path}: the file lists no series")
    return found


def _series(line: dict[str, str]) -> BucketSeries:
    patient, study, modality, series = (line[name] for name in BucketSeries._fields[:4])
    row = BucketSeries(patient, study, modality, series, int(line["files"]), int(line["bytes"]))
    for name in BucketSeries._fields[:3]:
        if why := unsafe(line[name]):
            raise ValueError(f"{name}: {line[name]!r} cannot be used as a folder name: it {why}")
    if not _UUID.fullmatch(row.series):
        raise ValueError(f"series: {row.series!r} is not a UUID")
    if row.files < 1 or row.bytes < 1:
        raise ValueError("files and bytes must be more than 0")
    return row


def of_study(study: str, folder: Path = FOLDER) -> list[str]:
    """Return the cohorts that a study needs."""
    return [name for name in names(folder) if load(name, folder).study == study]

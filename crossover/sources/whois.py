"""What a pseudonym or a file's token stands for: told on the terminal, from the export or table itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pydicom

from crossover.core.tables import TableError, read_table
from crossover.sources.dicom.files import FileRef, walk
from crossover.sources.dicom.header import STRUCTURES, Instance, read_header
from crossover.sources.dicom.places import parted
from crossover.sources.dicom.scan import patient_of
from crossover.sources.dicom.stacks import stacks
from crossover.sources.pseudonyms import VARIABLE, pseudonym, secret, secret_file
from crossover.sources.settings import Export

TABLES = (".csv", ".tsv", ".txt", ".xlsx")


class Unknown(ValueError):
    """Names that nothing in the source stands for, and why that may be."""


def whois(source: Path, names: list[str], rules: Export) -> Iterator[str]:
    """Lines about each case or file among `names`, or about every case where none is given.

    Whose they are, which series with which descriptions, and what the structures are called: all that
    the report of an ingest leaves out. Of tables (the source itself, or those that lie in it) the rows and
    identifiers. Never written to a file.

    Args:
        rules: what the source was ingested by.

    Raises:
        Unknown: after all lines, where a name stands for nothing here.
        ValueError: where there is no secret, or no such source.
    """
    if not os.environ.get(VARIABLE) and not secret_file().exists():
        raise ValueError(
            f"there is no secret here: {VARIABLE} is not set, and {secret_file()} does not exist. Names are "
            "told with the secret of the ingest alone: set the one, or restore the other"
        )
    met: set[str] = set()
    wanted = set(names)
    tables = _tables(source)
    yield from map(_printable, _rows(tables, wanted, met))
    if source not in tables:
        yield from map(_printable, _exported(source, wanted, met, rules))
    if names and (unknown := [name for name in dict.fromkeys(names) if name not in met]):
        raise Unknown(_nothing(source, unknown))


def _nothing(source: Path, unknown: list[str]) -> str:
    by = VARIABLE if os.environ.get(VARIABLE) else str(secret_file())
    return (
        f"nothing in {source} is {', '.join(map(_printable, unknown))} by the secret of this call ({by}): "
        "another secret than the ingest's, or another folder or table. To check: `crossover whois` with the "
        "source alone lists its names; if none of them stands in the ingest's report, the secret is another"
    )


def _tables(source: Path) -> list[Path]:
    if source.is_dir():
        return sorted(p for p in source.iterdir() if p.suffix.lower() in TABLES and p.is_file())
    return [source] if source.suffix.lower() in TABLES else []


def _rows(tables: list[Path], wanted: set[str], met: set[str]) -> Iterator[str]:
    """Rows whose cell in any column is a name's, as itself or by its pseudonym; without names, the cells of
    each table's first column whose values all differ."""
    key = secret()
    asked: dict[str, list[str]] = {}
    for name in wanted:  # a patient of several rows has cases called p…-3fa21c
        asked.setdefault(name, []).append(name)
        asked.setdefault(patient_of(name), []).append(name)
    for path in tables:
        try:
            rows = read_table(path).rows
        except (TableError, OSError):
            continue  # no table of patients
        listed = next((c for c in rows if rows[c].is_unique), None) if not wanted else None
        for column in rows if wanted else filter(None, [listed]):
            for number, cell in rows[column].items():
                name = pseudonym(cell, key)
                found = {n for own in (name, cell) for n in asked.get(own, []) if cell}
                if found or not wanted:
                    met |= found
                    who = ", ".join(sorted(found)) or name
                    yield f"{who}: row {number} of {path.name}, {column} {cell}"


def _exported(source: Path, wanted: set[str], met: set[str], rules: Export) -> Iterator[str]:
    """Lines about a folder or archive of DICOM files."""
    key = secret()
    files, _ = walk(source, key)
    asked = {patient_of(name): name for name in wanted}
    for file in files:
        if file.token in asked:
            met |= {name for name in wanted if patient_of(name) == file.token}
            yield f"{file.token}: {_place(file)}"
    if wanted and not any(name.startswith("p") for name in wanted - met):
        return
    patients: dict[str, list[Instance]] = {}
    for header in map(read_header, parted(rules, files)[0]):
        if isinstance(header, Instance):
            patients.setdefault(header.patient, []).append(header)
    for patient, own in sorted(patients.items()):
        name = pseudonym(patient, key)
        if not wanted or name in asked:
            met |= {each for each in wanted if patient_of(each) == name}
            yield f"{name}: patient {patient}"
            yield from _contents(own)


def _contents(instances: list[Instance]) -> Iterator[str]:
    for stack in stacks(instances):
        text = " / ".join(filter(None, stack.instance.text.split("\n")))
        yield f"  {stack.instance.date[:8]} {stack.describe()}: {text} ({_place(stack.instance.file)})"
    for instance in (i for i in instances if i.modality in STRUCTURES):
        try:
            structures = ", ".join(_structures(instance.file))
        except Exception as error:  # damaged files raise nearly anything
            structures = f"can't be read: {type(error).__name__}"
        yield f"  {instance.modality}: {structures} ({_place(instance.file)})"


def _structures(file: FileRef) -> list[str]:
    """What an object's structures are called."""
    with file.open() as opened:
        dataset = pydicom.dcmread(opened, force=True, stop_before_pixels=True)
    rois = [str(r.get("ROIName", "")) for r in dataset.get("StructureSetROISequence") or []]
    return rois + [str(s.get("SegmentLabel", "")) for s in dataset.get("SegmentSequence") or []]


def _place(file: FileRef) -> str:
    return file.path + (f", {file.member}" if file.member else "")


def _printable(line: str) -> str:
    """A name may hold what no terminal should be sent: escape sequences, or bytes that are no text."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)

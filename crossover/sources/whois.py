"""What a pseudonym or a file's token stands for: told on the terminal, from the export itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset

from crossover.sources.dicom.files import FileRef, walk
from crossover.sources.dicom.header import STRUCTURES, Instance, read_header
from crossover.sources.dicom.places import parted
from crossover.sources.dicom.rtstruct import rois
from crossover.sources.dicom.scan import patient_of
from crossover.sources.dicom.segmentation import segments
from crossover.sources.dicom.stacks import stacks
from crossover.sources.pseudonyms import pseudonym, secret
from crossover.sources.settings import Export


def whois(source: Path, names: list[str], rules: Export) -> Iterator[str]:
    """Lines about each case or file among `names`, or about every case where none is given.

    Whose they are, which series with which descriptions, and what the structures are called: all that
    the report of an ingest leaves out. Never written to a file.

    Args:
        rules: what the source was ingested by.
    """
    yield from map(_printable, _lines(source, names, rules))


def _lines(source: Path, names: list[str], rules: Export) -> Iterator[str]:
    key = secret()
    files, _ = walk(source, key)
    wanted = {patient_of(name) for name in names}
    yield from (f"{f.token}: {_place(f)}" for f in files if f.token in wanted)
    if names and not any(name.startswith("p") for name in wanted):
        return
    patients: dict[str, list[Instance]] = {}
    for header in map(read_header, parted(rules, files)[0]):
        if isinstance(header, Instance):
            patients.setdefault(header.patient, []).append(header)
    for patient, own in sorted(patients.items()):
        name = pseudonym(patient, key)
        if not names or name in wanted:
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
    """What an object's structures are called: number, name or label, description, meaning of their code."""
    with file.open() as opened:
        dataset = pydicom.dcmread(opened, force=True, stop_before_pixels=True)
    found = [(r.number, r.name, *r.descriptions, _meaning(r.kind)) for r in rois(dataset)]
    for s in segments(dataset):
        sides = map(_meaning, s.modifiers)
        found.append((s.number, s.label, s.description, _meaning(s.kind), *sides))
    return [f"{number} " + " / ".join(filter(None, told)) for number, *told in found]


def _meaning(code: Dataset | None) -> str:
    return "" if code is None else str(code.get("CodeMeaning") or "")


def _place(file: FileRef) -> str:
    return file.path + (f", {file.member}" if file.member else "")


def _printable(line: str) -> str:
    """A name may hold what no terminal should be sent: escape sequences, or bytes that are no text."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)

"""Which patient or file a pseudonym or token stands for: printed, from the export or table itself."""

import os
from collections.abc import Iterator
from itertools import combinations, permutations
from pathlib import Path

import pandas as pd
import pydicom
from pydicom.dataset import Dataset

from crossover.core.cells import TableError
from crossover.core.file_names import one_form
from crossover.core.image_names import is_volume
from crossover.core.tables import read_table
from crossover.core.wording import printable
from crossover.sources.dicom.export_files import FileRef, list_files
from crossover.sources.dicom.header import STRUCTURES, Instance, read_header
from crossover.sources.dicom.places import parted
from crossover.sources.dicom.rtstruct import rois
from crossover.sources.dicom.scan import patient_of
from crossover.sources.dicom.segmentation import segments
from crossover.sources.dicom.stacks import stacks
from crossover.sources.file_patterns import paths_below
from crossover.sources.inspection import holds_volumes
from crossover.sources.inspection.layout import word_runs
from crossover.sources.inspection.tree import layout
from crossover.sources.pseudonyms import VARIABLE, pseudonym, scan_name, secret, secret_file
from crossover.sources.settings import Export

MOST_COLUMNS = 3
"""The most columns of a table that together name a scan's files."""
TABLES = (".csv", ".tsv", ".txt", ".xlsx")


class Unknown(ValueError):
    """Names that nothing in the source stands for, and why that may be."""


def reidentify(source: Path, names: list[str], rules: Export) -> Iterator[str]:
    """Yield lines about each case or file among `names`, or about every case where none is given.

    They say whose it is, which series with which descriptions it has, and what the structures are called: all
    that the report of an ingest leaves out. Of tables (the source itself, or those that lie in it) they give
    the rows and identifiers. They must not be written to a file.

    Args:
        source: an export, a table, or a folder with either.
        names: of cases, and tokens of files.
        rules: what the source was ingested by.

    Raises:
        Unknown: after all lines, where a name stands for nothing here.
        ValueError: there is no secret, or no such source.
    """
    if not os.environ.get(VARIABLE) and not secret_file().exists():
        raise ValueError(
            f"there is no secret: {VARIABLE} is not set, and {secret_file()} does not exist. Only the secret of the "
            "ingest identifies its names: set the variable, or restore the file"
        )
    met: set[str] = set()
    wanted = set(names)
    tables = _tables(source)
    yield from map(printable, _rows(tables, wanted, met, rules.prefix))
    if source.is_dir():
        named = _named_files(source, wanted, met, rules.prefix) if wanted else _of_layout(source, tables, rules.prefix)
        yield from map(printable, named)
    if source not in tables:
        yield from map(printable, _exported(source, wanted, met, rules))
    if names and (unknown := [name for name in dict.fromkeys(names) if name not in met]):
        raise Unknown(_nothing(source, unknown))


def _nothing(source: Path, unknown: list[str]) -> str:
    by = VARIABLE if os.environ.get(VARIABLE) else str(secret_file())
    return (
        f"with the secret in {by}, nothing in {source} is {', '.join(map(printable, unknown))}: the secret is not the "
        "ingest's, or this is another folder or table. To find out, list all names by `crossover reidentify` with "
        "the source alone: if none of them is in the ingest's report, the secret is another one"
    )


def _tables(source: Path) -> list[Path]:
    if source.is_dir():
        return sorted(p for p in source.iterdir() if p.suffix.lower() in TABLES and p.is_file())
    return [source] if source.suffix.lower() in TABLES else []


def _rows(tables: list[Path], wanted: set[str], met: set[str], prefix: str) -> Iterator[str]:
    """Yield a line for each row of which any cell is a name's patient, as itself or by its pseudonym.

    Without names, there is one for each row, by the column `patient` or else the first.
    """
    key = secret()
    for path in tables:
        try:
            rows = read_table(path).rows
        except (TableError, OSError):
            continue  # no table of patients
        columns = list(rows) if wanted else (["patient"] if "patient" in rows else list(rows)[:1])
        for column in columns:
            for number, cell in rows[column].items():
                own = {cell, prefix + cell, pseudonym(prefix + cell, key)} if cell else set()
                found = {n for n in wanted if n in own or n.rpartition("-")[0] in own}
                found = {n for n in found if n in own or _is_scan(n, number, rows, column, key)}
                met |= found
                if found or (own and not wanted):
                    who = ", ".join(sorted(found)) or pseudonym(prefix + cell, key)
                    yield f"{who}: row {number} of {path.name}, {column} {cell}"


def _named_files(source: Path, wanted: set[str], met: set[str], prefix: str) -> Iterator[str]:
    """Yield a line for each volume whose path holds a name's patient as a word: those of a folder without a table.

    Of a patient with several scans they are those of the scan, where words of the path tell it.
    """
    key, asked = secret(), sorted(wanted - met)
    of_patient: dict[str, list[tuple[str, set[str]]]] = {}
    for path in filter(is_volume, paths_below(source) if asked else ()):
        words = {path[a:b] for a, b in word_runs(path)}
        for word in words:
            rest = words - {word} | _odd_form(word)
            of_patient.setdefault(pseudonym(prefix + word, key), []).append((f"patient {word}, {path}", rest))
    for name in asked:
        files = of_patient.get(patient_of(name), [])
        scan = name.partition("-")[2]
        own = [line for line, words in files if scan and _tell(words, scan, key)] or [line for line, _ in files]
        met |= {name for _ in own[:1]}
        yield from (f"{name}: {line}" for line in own)


def _of_layout(source: Path, tables: list[Path], prefix: str) -> Iterator[str]:
    """Yield a line for each patient of a folder of volumes without a table, as its paths tell them apart."""
    alone = not tables and holds_volumes(source)
    key, found = secret(), layout([path for path in paths_below(source) if is_volume(path)] if alone else [])
    files = {case: path for own in found.roles.values() for case, path in own.items()}
    first = {found.scans.get(case, case).rpartition("/")[2]: path for case, path in sorted(files.items(), reverse=True)}
    yield from (f"{pseudonym(prefix + p, key)}: patient {p}, {path}" for p, path in sorted(first.items()))


def _tell(words: set[str], scan: str, key: bytes) -> bool:
    """Return whether one or two words of a path are what distinguishes a scan."""
    return any(scan_name(values, key) == scan for n in (1, 2) for values in permutations(sorted(words), n))


def _is_scan(name: str, number: int, rows: pd.DataFrame, patient: str, key: bytes) -> bool:
    """Return whether a row is the scan behind the dash of a case's name, by any columns that may name its files."""
    others = sorted(set(rows) - {patient})
    values = dict(zip(others, rows.loc[number, others]))
    odd = [*_odd_form(rows.at[number, patient])]
    scan = name.rpartition("-")[2]
    return any(
        scan_name([*(values[c] for c in columns), *odd], key) == scan
        for n in range(0 if odd else 1, MOST_COLUMNS + 1)
        for columns in combinations(others, n)
    )


def _odd_form(identifier: str) -> set[str]:
    """Return what `volumes` names a patient's scans by too: an identifier that isn't in `one_form`."""
    return {identifier} - {one_form(identifier)}


def _exported(source: Path, wanted: set[str], met: set[str], rules: Export) -> Iterator[str]:
    """Yield lines about a folder or archive of DICOM files."""
    key = secret()
    files, _ = list_files(source, key)
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
        name = pseudonym(rules.prefix + patient, key)
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
    """Return what an object's structures are called: number, name or label, description, meaning of their code."""
    with file.open() as opened:
        dataset = pydicom.dcmread(opened, force=True, stop_before_pixels=True)
    found: list[tuple] = [(r.number, r.name, *r.descriptions, _meaning(r.kind)) for r in rois(dataset)]
    for s in segments(dataset):
        sides = map(_meaning, s.modifiers)
        found.append((s.number, s.label, s.description, _meaning(s.kind), *sides))
    return [f"{number} " + " / ".join(filter(None, texts)) for number, *texts in found]


def _meaning(code: Dataset | None) -> str:
    return "" if code is None else str(code.get("CodeMeaning") or "")


def _place(file: FileRef) -> str:
    return file.path + (f", {file.member}" if file.member else "")

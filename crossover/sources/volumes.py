"""Cases from a folder of NIfTI or NRRD volumes with a table of patients."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from crossover.core.cells import TableError, named_rows, uncomputed_cells
from crossover.core.file_names import WRITTEN_ALIKE, one_form, unsafe
from crossover.core.file_names import alike as written_alike
from crossover.core.tables import RawTable, read_table
from crossover.core.wording import counted
from crossover.imaging.volumes import on_grid
from crossover.sources.dicom.landing import contradictory, land_file
from crossover.sources.file_patterns import filled, links_below, matching, paths_below
from crossover.sources.findings import Finding, allowed
from crossover.sources.pseudonyms import PUBLIC, alike_names, case_names, key_of, scan_name
from crossover.sources.reading import Reading, brought_onto, errors_as_findings
from crossover.sources.rows import CaseRow, Rows
from crossover.sources.settings import OtherGrids, VolumesSource, columns_in, leads_out
from crossover.sources.time_points import without_time
from crossover.sources.volume_file import read_image, read_mask

MISSING = {"channel": "series-missing", "structure": "structure-missing"}
"""What a file is -> the finding of a case without it, as `allow` names it."""
DOUBLED = {"channel": "series-ambiguous", "structure": "structure-doubled"}
"""What a file is -> the finding of a case that has several of the files of which it may have one."""
_ABSENT = "the file does not exist"
_EMPTY = "the cell that names the file is empty"
_SEVERAL = "several of these files exist"


class VolumesError(ValueError):
    """What the folder or its table lack, all findings at once."""


def rows(source: VolumesSource, root: Path) -> Rows:
    """Return the cases of this cohort; a patient of several rows has a case for each.

    Such a case is called after its patient and what names its files, so that neither the table's order nor a
    further row changes its name.

    Rows that lack files only of what `allow` lets a case lack (`series-missing`, `structure-missing`) are left out,
    and those with several files in place of one where it has `series-ambiguous` or `structure-doubled`.

    Raises:
        VolumesError: for a table that can't be read, a missing column, identifiers that can't name files,
            doubled rows, no row, or missing files: all of them, by row, without text of the table.
    """
    root /= source.folder
    table, lacks = (_read_table(source, root), []) if source.table else _table_of_files(source, root)
    own, passed = _of_cohort(source, table.rows)
    ids, every = (some[source.patient].map(one_form) for some in (own, table.rows))
    wrong = {n: _wrong_files(source, root, row) for n, row in own.to_dict("index").items()}
    may = allowed(source.allow)
    missing = {n: why for n, files in wrong.items() if (why := _may_lack(files, may))}
    lacks += [(ids[number], why) for number, why in missing.items()]
    complete = {*every.drop(index=[*missing])}
    left_out = {patient: why for patient, why in lacks if patient not in complete}
    lacking = _lacking(source, [*left_out.values()], [why for patient, why in lacks if patient in complete])
    lacking += [] if source.table else _linked(root)
    findings = [f for column in sorted(_needed(source)) for f in uncomputed_cells(own[column])]
    if key_of(source) == PUBLIC:
        findings += _unsafe(source, ids)
    findings += [] if "patients-alike" in source.allow else _alike(source, ids)
    findings += [] if source.table else _of_one_patient(source, ids)
    named = _named(source, own)
    taken = own.drop(index=[*missing])
    alike = alike_names(source, ids)
    cases = {
        case: CaseRow(patient, dict(own.loc[n]), alike[ids[n]])
        for n, (case, patient) in named.items()
        if n in taken.index
    }
    for number, row in taken.to_dict("index").items():
        who = f"row {number}" + (f", patient {named[number][1]}" if number in named else "")
        findings += [f"{who}: {what}" for what in _wrong_row(source, row, wrong[number])]
    findings += _copies(named)
    if taken.empty:
        findings.append(_nobody(source, lacking))
    if findings:
        findings += [f.what for f in passed]
        findings += _ways_out(source, [wrong[number] for number in taken.index])
        raise VolumesError(f"{source.table or source.folder}:\n" + "\n".join(f"  {f}" for f in findings))
    notes = [Finding("table-read", f"{source.table}: {note}") for note in table.notes]
    return Rows(cases, [*notes, *lacking, *passed, *_repeated(named)], left_out)


def _table_of_files(source: VolumesSource, root: Path) -> tuple[RawTable, list[tuple[str, str]]]:
    """Return a row for each scan whose files are all there; and patient and why of those with the first channel only.

    What lacks files is told of the cohort alone, and not where its first channel is a file of another scan.
    """
    paths = paths_below(root)
    there, patterns = set(paths), source.files
    first = next(iter(patterns.values()))
    columns = list(dict.fromkeys(columns_in(first[0])))  # the other patterns have the same ones
    found = (tuple(row[column] for column in columns) for pattern in first for row in matching(paths, pattern))
    rows = [dict(zip(columns, values)) for values in dict.fromkeys(found)]
    files = [{what: there & {filled(one, row) for one in own} for what, own in patterns.items()} for row in rows]
    whole = [row for row, own in zip(rows, files) if all(own.values())]
    used = {file for own in files if all(own.values()) for one in own.values() for file in one}
    lacks = [
        (one_form(row[source.patient]), "no " + ", no ".join(what for what, one in own.items() if not one))
        for row, own in zip(rows, files)
        if not all(own.values())
        and not next(iter(own.values())) & used
        and all(row[column] == value.strip() for column, value in source.where.items())
    ]
    table = pd.DataFrame(whole, columns=columns, index=range(1, len(whole) + 1))
    return RawTable(table, []), lacks


def _may_lack(wrong: Mapping[str, str], allow: Collection[str]) -> str:
    """Return which files a row lacks, of its `_wrong_files`; "" where it lacks none, or where that is an error."""
    codes = {_ABSENT: MISSING, _EMPTY: MISSING, _SEVERAL: DOUBLED}
    may_lack = all(why in codes and codes[why][what.partition(" ")[0]] in allow for what, why in wrong.items())
    words = {_ABSENT: "no", _EMPTY: "no", _SEVERAL: "several files of"}
    return ", ".join(f"{words[why]} {what}" for what, why in wrong.items()) if wrong and may_lack else ""


def _ways_out(source: VolumesSource, wrong: Sequence[Mapping[str, str]]) -> list[str]:
    """Return what to do about rows that lack files or have several in place of one; `wrong` is of each row."""
    lines = []
    if source.table and any(_may_lack(own, MISSING.values()) for own in wrong):
        lines.append(f"to leave out the rows whose files do not exist, set `allow: [{', '.join(MISSING.values())}]`")
    doubled = {DOUBLED[what.partition(" ")[0]] for own in wrong for what, why in own.items() if why == _SEVERAL}
    if doubled:
        lines.append(
            "keep one file where several exist in place of one; or, to leave these patients out, set `allow: "
            f"[{', '.join(sorted(doubled))}]`"
        )
    return lines


def _lacking(source: VolumesSource, patients: list[str], scans: list[str]) -> list[Finding]:
    """Return warnings of patients, and of further scans of others, that lack files: why, without whose they are."""
    out = []
    for whys, what, about in ((patients, "patient", ""), (scans, "further scan", "scans")):
        number = counted(len(whys), what)
        found = "; ".join(f"{n} with {why}" for why, n in Counter(whys).items())
        if whys:
            there = "in the table" if source.table else "the first channel exists"
            text = f"{number} left out, although {there}: {found}"
            out.append(Finding("files-missing", text, about=about))
    return out


def _linked(root: Path) -> list[Finding]:
    number = len(links_below(root))
    return [Finding("link-skipped", f"links to folders, which are not followed: {number}")] if number else []


def _nobody(source: VolumesSource, lacking: list[Finding]) -> str:
    """Return words that the cohort has no patient, and why that may be."""
    if source.table and not lacking:
        return f"no row has {_where(source)}"
    where = f" with {_where(source)}" if source.where else ""
    listed = "".join(f"; {f.what}" for f in lacking)
    return f"no patient{where} has all of these files: {', '.join(map(' or '.join, source.files.values()))}{listed}"


def _where(source: VolumesSource) -> str:
    """Return in words what `where` asks for: "hospital 'A'"."""
    return ", ".join(f"{column} {value!r}" for column, value in source.where.items())


def _named(source: VolumesSource, own: pd.DataFrame) -> dict[int, tuple[str, str]]:
    """Return row -> its case and patient; rows without a patient are left out."""
    ids = {number: patient for number, patient in own[source.patient].items() if patient}
    names = case_names(source, list(ids.values()))
    times = Counter(names[patient] for patient in ids.values())
    out = {}
    for number, patient in ids.items():
        case = names[patient]
        if times[case] > 1:
            values = [own.at[number, c] for c in sorted(_asked(source) - {source.patient})]
            values += [patient] if patient != one_form(patient) else []  # it is another folder's name
            case = f"{case}-{scan_name(values, key_of(source))}"
        out[number] = (case, names[patient])
    return out


def _copies(named: Mapping[int, tuple[str, str]]) -> list[str]:
    at: dict[tuple[str, str], list[int]] = {}
    for number, own in named.items():
        at.setdefault(own, []).append(number)
    return [
        f"{named_rows(numbers)}, patient {patient}: the same patient with the same files; delete the copies, or, if "
        "they are different scans, name their files by a column in which they differ"
        for (_, patient), numbers in at.items()
        if len(numbers) > 1
    ]


def _repeated(named: Mapping[int, tuple[str, str]]) -> list[Finding]:
    """Report patients of several rows."""
    at: dict[str, list[int]] = {}
    for number, (_, patient) in named.items():
        at.setdefault(patient, []).append(number)
    return [
        Finding("several-scans", f"{named_rows(own)} of the table: scans of one patient, {patient}")
        for patient, own in at.items()
        if len(own) > 1
    ]


def patient_files(source: VolumesSource, row: Mapping[str, str], root: Path) -> dict[str, str]:
    """Return what a file of one row is ("channel ct", "structure gland") -> the file, relative to the folder."""
    below = "" if source.folder == "." else source.folder + "/"
    return {what: below + file for what, file in _files(source, root / source.folder, row).items()}


def _read_table(source: VolumesSource, root: Path) -> RawTable:
    assert source.table
    try:
        return read_table(root / source.table, needed=sorted(_needed(source)))
    except FileNotFoundError:
        raise VolumesError(
            f"{root / source.table} does not exist: correct `table:`, the table of patients in the folder of the data"
        ) from None
    except TableError as error:
        lines = "\n".join(f"  {line}" for line in str(error).splitlines())
        raise VolumesError(f"{source.table}:\n{lines}") from None


def _needed(source: VolumesSource) -> set[str]:
    """Return the columns that the table must have."""
    return {source.patient, *source.where, *source.variables, *_asked(source)}


def _asked(source: VolumesSource) -> set[str]:
    """Return the columns that name files."""
    return {column for files in source.files.values() for file in files for column in columns_in(file)}


def _files(source: VolumesSource, root: Path, row: Mapping[str, str]) -> dict[str, str]:
    """Return what a file is -> the file, relative to the folder; as "channel t2" -> "a/t2.nii.gz".

    Of several patterns, it is the first whose file exists.
    """
    named = {what: [filled(file, row) for file in files] for what, files in source.files.items()}
    return {what: next((f for f in own[:-1] if (root / f).is_file()), own[-1]) for what, own in named.items()}


def _of_cohort(source: VolumesSource, table: pd.DataFrame) -> tuple[pd.DataFrame, list[Finding]]:
    """Return the rows that `where` takes, and a warning of those that it nearly takes."""
    taken = pd.Series(True, table.index)
    nearly = taken.copy()
    for column, value in source.where.items():
        taken &= table[column] == value.strip()
        nearly &= table[column].map(_folded) == _folded(value)
    passed = list(table.index[nearly & ~taken])
    if not passed:
        return table[taken], []
    what = f"{named_rows(passed)} left out: equal to `where:` ({_where(source)}) but for case, blanks or accents"
    return table[taken], [Finding("row-passed", what)]


def _folded(text: str) -> str:
    """Return what is left of a text where case, blanks and the form of accents don't count."""
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


def _unsafe(source: VolumesSource, ids: pd.Series) -> list[str]:
    """Return messages about public identifiers that can't name files, by row; they are not quoted."""
    why: dict[str, list[int]] = {}
    for number, name in ids.items():
        if reason := unsafe(name) if name else "":  # an empty one is told with its row
            why.setdefault(reason, []).append(number)
    remedy = "with `identifiers: public`, it names files; change it, or set `identifiers: secret`"
    findings = [
        f"{named_rows(numbers)}: the identifier in column {source.patient} {reason}: {remedy}"
        for reason, numbers in why.items()
    ]
    return findings


def _of_one_patient(source: VolumesSource, ids: pd.Series) -> list[str]:
    """Return messages about files that are scans of one patient, as dates in their names say, and not two patients."""
    names: dict[str, set[str]] = {}
    for name in ids:
        names.setdefault(without_time(name), set()).add(name)
    several = [own for own in names.values() if len(own) > 1]
    if not several:
        return []
    return [
        f"{counted(len(several), 'patient')} with several scans would count as several patients, since dates or time "
        "points are in what the files' names say of the patient: write a table with a row for each scan, and name the "
        "files by its column of scans (docs/own-data.md)"
    ]


def _alike(source: VolumesSource, ids: pd.Series) -> list[str]:
    """Return messages about identifiers that may be one patient's, who could then be trained on and tested on."""
    return [
        f"{named_rows([number for number, name in ids.items() if name in group])}: the identifiers in column "
        f"{source.patient} {WRITTEN_ALIKE}: write them in one way if they are one patient's; if all such patients are "
        "different people, set `allow: [patients-alike]`"
        for group in written_alike(ids)
    ]


def _wrong_row(source: VolumesSource, row: Mapping[str, str], wrong: Mapping[str, str]) -> list[str]:
    """Return what a row lacks: a patient, or files (`_wrong_files`), named by the pattern that gave their paths."""
    if not row[source.patient]:
        return [f"no value in column {source.patient}"]
    places: dict[str, list[str]] = {}
    for what, why in wrong.items():
        places.setdefault(why, []).append(f"{what} ({' or '.join(source.files[what])})")
    return [f"{', '.join(own)}: {why}" for why, own in places.items()]


def _wrong_files(source: VolumesSource, root: Path, row: Mapping[str, str]) -> dict[str, str]:
    """Return what each file of a row is that can't be taken -> why; an empty cell names no file."""
    wrong = {}
    for what, every in source.files.items() if row[source.patient] else ():
        patterns = [pattern for pattern in every if all(row[column] for column in columns_in(pattern))]
        files = {filled(pattern, row) for pattern in patterns}
        if not files:
            wrong[what] = _EMPTY
            continue
        if any(map(leads_out, files)):
            wrong[what] = "its path leads out of the folder of the data"
            continue
        there = [file for file in files if (root / file).is_file()]
        if not there:
            wrong[what] = _ABSENT + next(filter(None, (_instead(root, row, one) for one in patterns)), "")
        elif len(there) > 1:
            wrong[what] = _SEVERAL
    return wrong


def _instead(root: Path, row: Mapping[str, str], pattern: str) -> str:
    """Return which file there is instead, as far as that tells nobody's identifier."""
    for column in columns_in(pattern):
        value = row[column]
        for digits in range(len(value) + 1, 13) if value.isdecimal() else ():
            if (root / filled(pattern, {**row, column: value.zfill(digits)})).is_file():
                return (
                    f", but one with {digits} digits where column {column} has {len(value)}: leading zeros were "
                    "lost; format the column as text and write the numbers again"
                )
        if "\\" in value:
            return f", and column {column} contains a backslash: write /"
    return ", but one whose name differs only in case or blanks" if _near(root, pattern, row) else ""


def _near(root: Path, pattern: str, row: Mapping[str, str]) -> bool:
    here = root
    for part in Path(filled(pattern, row)).parts:
        if not (here / part).exists():
            there = os.listdir(here) if here.is_dir() else []
            same = [name for name in there if _folded(name) == _folded(part)]
            if len(same) != 1:
                return False
            part = same[0]
        here /= part
    return True


def read_patient(
    source: VolumesSource, row: Mapping[str, str], root: Path, other_grids: OtherGrids = "refuse"
) -> Reading:
    """Read channels in the files' own unit and structures as 0/1; return them with every finding.

    All lie on the first channel's grid: an image with the same voxels may store its axes in another order or
    direction, and a mask may cover a part of them. Slices are the third axis of the first channel's file.
    """
    root /= source.folder
    out, files = Reading(), _files(source, root, row)
    for name, channel in source.channels.items():
        about = f"channel {name}"
        with errors_as_findings(out.findings, about):
            image, findings = read_image(root / files[about], getattr(channel, "volume", None))
            out.findings += [replace(f, about=about) for f in findings]
            first = next(iter(out.channels.items()), None)
            if first:
                image, finding = brought_onto(first[1], image, first[0], other_grids)
                out.findings += [replace(finding, about=about)] if finding else []
            out.channels[name] = image
    grid, doubtful = next(iter(out.channels.values()), None), contradictory(out.findings)
    for name, structure in source.structures.items():
        about = f"structure {name}"
        with errors_as_findings(out.findings, about):
            image, findings = read_mask(root / files[about], structure.labels)
            out.findings += [replace(f, about=about) for f in findings]
            if grid is not None:
                mask, findings = land_file(image, grid, doubtful or contradictory(findings))
                out.structures[name] = on_grid(mask.astype(np.uint8), grid)
                out.findings += [replace(f, about=about) for f in findings]
    return out

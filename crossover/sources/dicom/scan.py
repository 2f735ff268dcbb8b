"""What a folder of DICOM files holds: headers read once, grouped into examinations."""

from __future__ import annotations

import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import pydicom

from crossover.core import incremental
from crossover.core.wording import counted
from crossover.sources.dicom.choose import matches
from crossover.sources.dicom.elements import text
from crossover.sources.dicom.export_files import FileRef
from crossover.sources.dicom.header import IMAGES, STRUCTURES, Instance, read_header
from crossover.sources.dicom.stacks import stacks
from crossover.sources.findings import Finding, join_findings
from crossover.sources.settings import SeriesRule

MANY = 400
"""The number of files above which headers are read by several processes."""


@dataclass
class Examination:
    """One patient's study, with the structure objects that belong to it."""

    case: str
    patient: str
    """The patient's pseudonym."""
    files: list[FileRef]
    instances: list[Instance] | None = None
    """The headers, where they were read already."""
    findings: list[Finding] = field(default_factory=list)
    patient_id: str = ""
    """The PatientID (0010,0020) as received; it is never written."""


def read_headers(files: Sequence[FileRef], workers: int) -> tuple[list[Instance], list[Finding]]:
    """Read the headers of all files; return them, and what is wrong with the other files."""
    read = incremental.call_each(read_header, files, 1 if len(files) < MANY else workers, 64)
    return [r for r in read if isinstance(r, Instance)], [r for r in read if isinstance(r, Finding)]


def gather(
    files: Sequence[FileRef],
    findings: Sequence[Finding],
    rules: Mapping[str, SeriesRule],
    name: Callable[[str], str],
    workers: int = 1,
    known: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> tuple[dict[str, Examination], list[Finding]]:
    """Return the examinations in files by case name, and findings about files of none.

    Args:
        files: what lies below the source.
        findings: what listing the files has found; they are among the findings returned.
        name: PatientID -> pseudonym.
        known: case -> tokens of its files, all there and unchanged since they were read. Only files that
            stand in none, and those of their patients, are opened.
    """
    token = {file.token: file for file in files}
    held = {t for tokens in known.values() for t in tokens}
    instances, wrong = read_headers([f for f in files if f.token not in held], workers)
    touched = {name(i.patient) for i in instances}
    again = [t for c, tokens in known.items() if patient_of(c) in touched for t in tokens]
    more, also_wrong = read_headers([token[t] for t in again], workers)
    found = group(instances + more, rules, name)
    for case in (c for c in known if patient_of(c) not in touched):
        found[case] = Examination(case, patient_of(case), [token[t] for t in known[case]])
    all_findings = join_findings([*findings, *wrong, *also_wrong]) + _indexes(files) + _strangers(rules, found)
    return dict(sorted(found.items())), all_findings


def patient_of(case: str) -> str:
    """Return the pseudonym in a case's name, without the number that a patient's later studies have."""
    return case.split("-")[0]


def _indexes(files: Sequence[FileRef]) -> list[Finding]:
    """Warn of files that a DICOMDIR lists and that are gone."""
    out = []
    there = {file.path.casefold() for file in files if file.member is None}
    for file in (f for f in files if f.member is None and Path(f.path).name.upper() == "DICOMDIR"):
        listed = _listed(file)
        gone = sum(path.casefold() not in there for path in listed)
        if gone:
            what = f"{gone} of the {len(listed)} files that a DICOMDIR lists are missing"
            out.append(Finding("dicomdir-missing", what, files=(file.token,)))
    return out


def _listed(index: FileRef) -> set[str]:
    """Return the paths that a DICOMDIR lists, by its records in the order they stand: their links may run in a ring."""
    try:
        with warnings.catch_warnings(), index.open() as opened:
            warnings.simplefilter("ignore")
            records = pydicom.dcmread(opened, force=True).get("DirectoryRecordSequence") or []
            names = [text(record, "ReferencedFileID") for record in records]
    except Exception:  # an index is a help, not a need
        return set()
    return {str(Path(index.path).parent.joinpath(*n.split("\\"))) for n in names if n}


def group(
    instances: Iterable[Instance], rules: Mapping[str, SeriesRule], name: Callable[[str], str]
) -> dict[str, Examination]:
    """Return examinations by case name: `<pseudonym>`, and `<pseudonym>-2` and so on for later studies.

    Identifiers that have one pseudonym are one patient's.
    """
    pseudonyms: dict[str, str] = {}
    patients: dict[str, list[Instance]] = defaultdict(list)
    for instance in instances:
        if instance.patient not in pseudonyms:
            pseudonyms[instance.patient] = name(instance.patient)
        patients[pseudonyms[instance.patient]].append(instance)
    found = {}
    for patient, own in patients.items():
        there = studies(own)
        wanted = [s for s in there if _holds_any(s, rules)]
        passed = len(there) - len(wanted) if wanted else 0
        for k, study in enumerate(wanted or [own]):
            case = case_of(patient, k)
            found[case] = Examination(case, patient, [i.file for i in study], study)
            found[case].patient_id = own[0].patient
            if passed:
                what = f"{passed} of {len(there)} studies left out, since none of their series matches a rule"
                found[case].findings.append(Finding("study-passed", what))
    return found


def case_of(patient: str, k: int) -> str:
    """Return the name of the case that a patient's study makes, the first being number 0; see `patient_of`."""
    return patient + (f"-{k + 1}" if k else "")


def studies(instances: Sequence[Instance]) -> list[list[Instance]]:
    """Return the studies with images by date, each with the structure objects that were drawn on it.

    Where the series that an object names is in several studies, as of an anonymiser that gives all the same, it is its
    own study's; a frame of reference that is in several others tells nothing.
    """
    found: dict[str, list[Instance]] = defaultdict(list)
    for i in (i for i in instances if i.modality in IMAGES):
        found[i.study].append(i)
    of_series: dict[str, set[str]] = defaultdict(set)
    of_frame: dict[str, set[str]] = defaultdict(set)
    for name, own in found.items():
        for i in own:
            of_series[i.series].add(name)
            of_frame[i.frame_of_reference].add(name)
    first = {name: min(i.date for i in own) for name, own in found.items()}
    for i in (i for i in instances if i.modality not in IMAGES):
        drawn = Counter(own for s in i.references for own in of_series.get(s, ()))
        ranked = sorted((times, own == i.study, own) for own, times in drawn.items())
        uid = ranked[-1][-1] if ranked else None
        if uid is None and i.study not in found and i.modality in STRUCTURES and i.frame_of_reference:
            there = of_frame.get(i.frame_of_reference, ())
            uid = next(iter(there)) if len(there) == 1 else None
        only = next(iter(found)) if len(found) == 1 else i.study
        found[uid or (i.study if i.study in found else only)].append(i)
    return sorted(found.values(), key=lambda own: (first.get(own[0].study, own[0].date), own[0].study))


def _holds_any(study: Sequence[Instance], rules: Mapping[str, SeriesRule]) -> bool:
    wanted = [*rules.values()]
    wanted += [r.at_b_value(b) for r in rules.values() for b in r.computed_from or []]
    return any(matches(s, r) for s in stacks(study) for r in wanted)


def _strangers(rules: Mapping[str, SeriesRule], cases: Collection[str]) -> list[Finding]:
    """Warn of cases that a rule names under `by_patient` and that are not here."""
    known = {*cases, *map(patient_of, cases)}
    named = {case for rule in rules.values() for case in rule.by_patient}
    what = f"{len(named - known)} of {counted(len(named), 'name')} under `by_patient` with no case or patient here"
    return [Finding("rule-unused", what)] if named - known else []

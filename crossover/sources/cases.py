"""Received patients -> cases: images and structures on one grid, under names that tell nobody who."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from crossover.core import incremental
from crossover.core.files import digest, read_json, read_json_or_none, write_json
from crossover.core.wording import counted, first_few
from crossover.imaging.grids import plane_of
from crossover.imaging.volumes import write_case
from crossover.sources import ingest_report
from crossover.sources.blanked import shown_outlines, without_blank_ends
from crossover.sources.copies import alike_patients, equal_parts, same_images, values_digest
from crossover.sources.dicom.examination import read_examination
from crossover.sources.dicom.export_files import FileRef, list_files
from crossover.sources.dicom.header import Instance
from crossover.sources.dicom.places import (
    Candidates,
    LabelMapFiles,
    candidates,
    matcher,
    of_patient,
    parted,
)
from crossover.sources.dicom.scan import Examination, gather, patient_of, read_headers
from crossover.sources.findings import Finding, allowed, describe_unforeseen
from crossover.sources.ingest_report import CaseRecord, Report
from crossover.sources.people import doubtful_ids, one_id_for_all, people_of
from crossover.sources.pseudonyms import alike_names, case_names, key_of, segment_name
from crossover.sources.reading import Reading
from crossover.sources.segment_names import names_of, segments_in
from crossover.sources.settings import (
    DicomSource,
    IngestRules,
    LabelMap,
    OpenKbpSource,
    Phantom,
    ProstateSource,
    Source,
    StructureName,
    VolumesSource,
    VolumeStructure,
)
from crossover.sources.sides import swapped_sides
from crossover.sources.table_readers import form_of
from crossover.sources.unlike import drawn_of, unlike_cases, values_of


class CaseError(RuntimeError):
    """A case failed in a way that nobody thought of."""


class IngestError(RuntimeError):
    """Some cases are excluded by errors; all others are made and kept."""


@dataclass
class CaseSource:
    """What one case is made from."""

    patient: str
    received: dict[str, str]
    """The name of a file (its token, or what it is) -> SHA-256."""
    row: dict[str, str]
    """The variables that are kept with the case."""
    examination: Examination | None = None
    """The examination of a case from DICOM; else `source_row` names the files."""
    source_row: dict[str, str] | None = None
    label_maps: dict[str, list[LabelMapFiles]] = field(default_factory=dict)
    """Structure -> what its pattern finds: one file or folder, where all is well."""
    roles: dict[str, Any] = field(default_factory=dict)
    """What names and places of files tell and their contents don't: which of them is which structure or channel."""
    alike: str = ""
    """What the patient's identifier has in common with others that may be the same person's, of a table's case; the
    headers of DICOM tell it when they are read."""


def make_cases(
    raw: Path,
    manifest: Path,
    source: Source,
    rules: IngestRules,
    data: Path | None,
    code: str,
    workers: int,
    lenient: bool = False,
) -> Report:
    """Make every case of a cohort, then `patients.csv` and the report, `ingest.json` and `ingest.txt`.

    Args:
        raw: the cohort's raw manifest.
        manifest: the manifest of cases that is written; the cases lie beside it.
        source, rules: what the cases are read from, and how.
        data: the folder of real data; not used by phantoms.
        code: digest of the source code that makes cases, which is part of each case's key.
        workers: how many cases are made at the same time.
        lenient: make what can be made: structures with errors are left out of their cases, and cases with
            errors out of the manifest.

    Returns:
        The report, as in `ingest.json`.

    Raises:
        IngestError: where a case is excluded by an error that the source does not allow by name, or no case
            is left; if lenient, where there is no case at all. The report is written all the same, the
        manifest is not.
    """
    received = read_json(raw)["items"]
    folder = manifest.parent
    about = source.model_dump(mode="json", exclude={"patients", "table", "allow"})

    def settings(case: str) -> str:
        own = _rules_of(rules, case).model_dump(mode="json")
        return digest([about, own, code, lenient])

    known = _known(source, rules, folder, received, settings)
    work, findings, lacking = _work(source, rules, raw.parent, received, data, known, workers)
    findings = [*findings, *_renamed(folder, work, rules, getattr(source, "allow", ()))]
    keys = {c: digest([settings(c), sorted(w.received.values()), w.row, w.roles]) for c, w in work.items()}
    make = partial(_make, work, source, rules, data, lenient=lenient)
    records = _refresh(folder, keys, make, workers, work, isinstance(source, DicomSource))
    more = _compared(records)
    for case, own in work.items():  # of what lies beside a case's own files, so not in its record
        more[case] += own.examination.findings if own.examination else []
    if not lenient:  # else nobody is divided into training and test
        findings = [*findings, *alike_patients((r["patient"], r["alike"]) for r in records.values())]
        findings += doubtful_ids((r["patient"], r.get("people", ())) for r in records.values())
    report = ingest_report.report(records, findings, more, allowed(getattr(source, "allow", [])), lenient)
    ingest_report.write(report, folder)
    if not lenient or not report["cases"]:
        _raise_errors(report, folder, source)
    good = {case: records[case] for case in report["made"]}
    about_patients = {"left_out": lacking | _left_out(report, records), "warned": ingest_report.warned(report)}
    write_json(manifest, {"items": good} | {key: said for key, said in about_patients.items() if said})
    rows = [{"case": case, "patient": work[case].patient, **work[case].row} for case in good]
    _write_rows(folder / "patients.csv", rows)
    return report


def _renamed(folder: Path, work: Mapping[str, CaseSource], rules: IngestRules, allow: Collection[str]) -> list[Finding]:
    """Warn of examinations that were cases of other names at the last ingest, known by the contents of their files."""
    cases_of: dict[str, set[str]] = defaultdict(set)
    for case, own in work.items():
        for file in own.examination.files if own.examination else ():
            cases_of[own.received[file.token]].add(case)
    cases_of.pop("", None)  # files that came in since the folder was listed
    now: dict[str, set[str]] = {}
    for path in sorted(folder.glob(f"*/{incremental.RECORD}")) if cases_of else ():
        received = (read_json_or_none(path) or {}).get("received", {})
        now[path.parent.name] = set().union(*(cases_of.get(sha, ()) for sha in received.values()))
    moved = {case: own for case, own in now.items() if own and case not in own}
    if not moved:
        return []
    by_case = (case for rule in rules.series.values() for case in rule.by_patient if case != patient_of(case))
    named = {*allow, *by_case}
    told = sorted(named & {*moved, *set().union(*moved.values())})
    what = first_few([f"{case} is {' and '.join(sorted(own))} now" for case, own in moved.items()], 5, "; ")
    who = f"; `by_patient` or `allow` names {', '.join(told)}" if told else ""
    return [Finding("case-renamed", f"{counted(len(moved), 'examination')} renamed: {what}{who}")]


def _compared(records: Mapping[str, CaseRecord]) -> dict[str, list[Finding]]:
    """Return case -> findings that only show when cases are compared, in a defaultdict."""
    out = same_images(records)
    values = {case: record.get("values", {}) for case, record in records.items()}
    drawn = {case: record.get("drawn", {}) for case, record in records.items()}
    planes = {case: plane for case, record in records.items() if (plane := record.get("plane"))}
    segments = {case: record.get("segments", {}) for case, record in records.items()}
    for case, found in unlike_cases(values, drawn, planes, segments).items():
        out[case] += found
    return out


def _write_rows(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0] if rows else ()), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def _rules_of(rules: IngestRules, case: str) -> IngestRules:
    """Return the rules as they hold for one case."""
    series = {name: rule.of(case, patient_of(case)) for name, rule in rules.series.items()}
    return rules.model_copy(update={"series": series})


def _refresh(
    folder: Path,
    keys: Mapping[str, str],
    make: Callable[..., Any],
    workers: int,
    work: Mapping[str, CaseSource],
    apart: bool = False,
) -> dict[str, CaseRecord]:
    """Return the records of all cases; where making one failed, a record that says so and is not kept.

    A case that is kept may be of files that lie elsewhere now: its record gets their tokens.

    Args:
        apart: in processes of their own: a decoder that crashes takes its process with it, not the job.
    """
    try:
        records: Mapping = incremental.refresh(folder, keys, make, workers, apart=apart)
    except incremental.ItemsError as error:
        failed: dict[str, Any] = {case: _crashed(work[case], why) for case, why in error.failed.items()}
        records = dict(sorted((error.records | failed).items()))
    for case, record in records.items():
        if record.get("received", work[case].received) != work[case].received:
            record["received"] = work[case].received
            write_json(folder / case / incremental.RECORD, record)
    return dict(records)


def _crashed(own: CaseSource, why: str) -> CaseRecord:
    killed = why == incremental.KILLED
    what = "the process that read its pixels crashed or was killed"
    if not killed:
        kind, _, message = why.partition(": ")
        what = message if kind == CaseError.__name__ else kind
    finding = Finding("reader-crashed" if killed else "failed", what)
    return {
        "patient": own.patient,
        "alike": own.alike,
        "found": [],
        "chosen": {},
        "images": {},
        "findings": [finding.row()],
    }


def label_maps_of(source: Source) -> Mapping[str, LabelMap]:
    """Return the label maps of a source by structure; none where it is not of DICOM."""
    if isinstance(source, ProstateSource):
        return {name: LabelMap(file=file) for name, file in source.mask_files.items()}
    return getattr(source, "label_maps", {})


def _raise_errors(report: Report, folder: Path, source: Source) -> None:
    where = f"see {folder / ingest_report.TEXT}"
    if getattr(source, "identifiers", "public") != "public":
        where += "; `crossover reidentify` shows which patients its pseudonyms stand for"
    if not report["made"]:
        why = "; ".join(f["what"] for f in report["folder"] if not report["cases"])
        raise IngestError(f"no case could be made{f' ({why})' if why else ''}: {where}")
    if wrong := ingest_report.problems(report):
        raise IngestError(f"{wrong}: {where}")


def _work(
    source: Source, rules: IngestRules, raw: Path, received: dict, data: Path | None,
    known: Mapping[str, list[str]], workers: int,
) -> tuple[dict[str, CaseSource], list[Finding], dict[str, str]]:  # fmt: skip
    """Return case -> what it is made from; findings about files of no case; patient -> why it has no case."""
    if isinstance(source, Phantom):
        return {c: _phantom(c, item, source, raw) for c, item in received.items()}, [], {}
    if data is None:
        raise ValueError(
            "cases must be made again, from the folder of the data: give it with DATA=<folder> (make), --data "
            "(crossover) or --config data=<folder> (snakemake)"
        )
    if not isinstance(source, DicomSource):
        cases, notes, lacking = form_of(source).rows(source, data)
        names = case_names(source, [*lacking])
        own = {names[patient]: why for patient, why in lacking.items()}
        return (
            {c: replace(_volumes(case.patient, case.row, received[c]), alike=case.alike) for c, case in cases.items()},
            notes,
            own,
        )
    digests = {token: about["sha256"] for token, about in received.items()}
    name = partial(_pseudonym, source)
    files, findings = list_files(data / source.folder, key_of(source))
    images, maps = parted(source, files)
    found, findings = gather(images, findings, rules.series, name, workers, known)
    findings += one_id_for_all(found)
    patients = {e.patient_id for e in found.values()} if maps else set()
    return {c: _dicom(e, source, rules, digests, maps, patients) for c, e in found.items()}, findings, {}


def _left_out(report: Report, records: Mapping[str, CaseRecord]) -> dict[str, str]:
    """Return patient -> why no case of it was made, by its errors."""
    made = {records[case]["patient"] for case in report["made"]}
    why: dict[str, list[str]] = {}
    for case, about in report["cases"].items():
        if (patient := records[case]["patient"]) not in made:
            errors = [f for f in about["findings"] if f["severity"] == "error"]
            named = (f"{f['about']} ({f['code']})" if f["about"] else f["code"] for f in errors)
            why.setdefault(patient, []).extend(named)
    return {patient: ", ".join(dict.fromkeys(errors)) for patient, errors in why.items()}


def _pseudonym(source: DicomSource, patient: str) -> str:
    return case_names(source, [patient])[patient]


def _known(
    source: Source, rules: IngestRules, folder: Path, received: dict, settings: Callable[[str], str]
) -> dict[str, list[str]]:
    """Return case -> tokens of its files, for the patients with the same files and settings as before."""
    # A new label map may belong to any patient, and a file's place may say what it is: then all headers are read.
    if not isinstance(source, DicomSource) or source.label_maps or any(map(_told_by_place, _named(rules))):
        return {}
    digests = {token: about["sha256"] for token, about in received.items()}
    read = {path.parent.name: read_json_or_none(path) for path in folder.glob(f"*/{incremental.RECORD}")}
    records = {case: record for case, record in read.items() if record}
    held = {c: r.get("received", {}) for c, r in records.items()}
    changed = {
        patient_of(c) for c, files in held.items()
        if records[c]["key"] != digest([settings(c), sorted(files.values()), {}, {}])
        or any(digests.get(t) != sha for t, sha in files.items())
    }  # fmt: skip
    return {c: sorted(files) for c, files in held.items() if patient_of(c) not in changed}


def _phantom(case: str, item: dict, source: Phantom, raw: Path) -> CaseSource:
    """Return a phantom's files; it is read as any DICOM."""
    files = [FileRef(str(raw / case / f), None, f, place=f) for f in sorted(item["files"])]
    maps = {n: candidates(files, m.file) for n, m in label_maps_of(source).items()}
    own = {name: list(found.values()) for name, found in maps.items()}
    taken = {f for found in own.values() for one in found for f in one.files}
    images = [f for f in files if f not in taken]
    received = {f: about["sha256"] for f, about in item["files"].items()}
    row = {name: value for name, value in item["row"].items() if name != "patient"}
    return CaseSource(case, received, row, Examination(case, case, images), label_maps=own)


def _volumes(patient: str, row: dict[str, str], item: dict) -> CaseSource:
    files = {what: about["sha256"] for what, about in item["files"].items()}
    own = {name: value for name, value in item["row"].items() if name != "patient"}
    return CaseSource(patient, files, own, source_row=row, roles=files)


def _dicom(
    e: Examination, source: DicomSource, rules: IngestRules, digests: Mapping[str, str],
    maps: Mapping[str, Candidates], patients: Collection[str],
) -> CaseSource:  # fmt: skip
    own = {n: of_patient(maps[n], m.file, e.patient_id, patients) for n, m in source.label_maps.items()}
    files = [*e.files, *(f for found in own.values() for one in found for f in one.files)]
    # A file that came in since the folder was listed has no digest: the case is made again next time.
    received = {f.token: digests.get(f.token, "") for f in files}
    roles = _roles(e.files, own, source, rules, received)
    return CaseSource(e.patient, received, {}, e, label_maps=own, roles=roles)


def _named(rules: IngestRules) -> list[StructureName]:
    return [n for s in rules.structures.values() for n in s.names if isinstance(n, StructureName)]


def _told_by_place(name: StructureName) -> bool:
    return name.file is not None or name.order is not None


def _roles(
    images: Sequence[FileRef],
    maps: Mapping[str, Sequence[LabelMapFiles]],
    source: DicomSource,
    rules: IngestRules,
    received: Mapping[str, str],
) -> dict[str, Any]:
    """Return which contents are each label map, and what else is told by names and places, as digests of files."""
    by_name = {n for n, m in source.label_maps.items() if m.slices == "names"}

    def of(files: Iterable[FileRef], named: bool) -> list[list[str]]:
        return sorted([*([f.name] if named else []), received[f.token]] for f in files)

    roles: dict[str, Any] = {
        f"label map {n}": of((f for one in found for f in one.files), n in by_name) for n, found in maps.items()
    }
    if by_name:  # slices are paired with images of their names
        roles["images"] = of(images, named=True)
    for k, known in enumerate(filter(_told_by_place, _named(rules))):
        fits = matcher(known.file).fullmatch if known.file else (lambda place: True)
        in_order = sorted((f for f in images if fits(f.place)), key=lambda f: f.place)
        roles[f"structure {k}"] = [received[f.token] for f in in_order]
    return roles


def _make(
    work: Mapping[str, CaseSource], source: Source, rules: IngestRules, data: Path | None, case: str,
    folder: Path, lenient: bool = False,
) -> CaseRecord:  # fmt: skip
    """Return the record of one case, which is made where nothing is wrong; its files are written to the folder."""
    try:
        return _made(work[case], source, _rules_of(rules, case), data, lenient, folder)
    except Exception as error:
        if isinstance(source, Phantom):
            raise
        raise CaseError(describe_unforeseen(error)) from None  # the log tells no more than that


def _made(
    own: CaseSource, source: Source, rules: IngestRules, data: Path | None, lenient: bool, folder: Path
) -> CaseRecord:
    alike, people = own.alike, list[str]()
    if own.examination is None:
        assert isinstance(source, VolumesSource | OpenKbpSource), source.kind
        reading = form_of(source).read_patient(source, own.source_row, data, rules.other_grids)
    else:
        reading, instances = _read_dicom(own, own.examination, source, rules)
        if isinstance(source, DicomSource):
            patient = next((i.patient for i in instances), "")
            alike, people = alike_names(source, [patient])[patient], people_of(instances, key_of(source))
    reading.findings += equal_parts(reading.channels, reading.structures)
    reading.findings += swapped_sides(reading.structures)
    reading = reading.turned_upright()
    if not reading.failed:
        if rules.blank_ends == "cut":
            reading = without_blank_ends(reading)
        reading.findings += shown_outlines(reading.channels, reading.structures)
    good = reading.without_wrong_structures() if lenient else reading
    if not good.failed:
        write_case(folder, good.channels, good.structures)
        write_json(folder / "case.json", _description(good))
    first = next(iter(reading.channels.values()), None)
    return {
        "patient": own.patient,
        "alike": alike,
        "people": people,
        "received": own.received,
        "found": reading.found,
        "chosen": reading.chosen,
        "findings": [f.row() for f in reading.findings],
        "images": {n: values_digest(image) for n, image in reading.channels.items()},
        "plane": plane_of(first) if first is not None else "",
        "values": {n: values_of(image) for n, image in reading.channels.items()},
        "drawn": {n: found[1] for n, mask in reading.structures.items() if (found := drawn_of(mask))},
        "segments": _segments(own, source, data),
    }


def _segments(own: CaseSource, source: Source, data: Path | None) -> dict[str, str]:
    """Return structure -> a keyed digest of what its file calls the segments whose numbers the study gives."""
    structures: Mapping[str, VolumeStructure] = label_maps_of(source)
    paths = {n: Path(found[0].files[0].path) for n, found in own.label_maps.items() if found}
    if isinstance(source, VolumesSource):
        assert data is not None and own.source_row is not None
        files, structures = form_of(source).patient_files(source, own.source_row, data), source.structures
        paths = {n: data / files[f"structure {n}"] for n in structures}
    names = {n: names_of(segments_in(path), structures[n].labels) for n, path in paths.items()}
    return {n: segment_name(said, key_of(source)) for n, said in names.items() if said}


def _read_dicom(
    own: CaseSource, exam: Examination, source: Source, rules: IngestRules
) -> tuple[Reading, list[Instance]]:
    """Return what was read of an examination, and its headers."""
    instances, wrong = exam.instances, list[Finding]()
    if instances is None:
        instances, wrong = read_headers(exam.files, 1)
    maps = {n: (found, label_maps_of(source)[n]) for n, found in own.label_maps.items()}
    reading = read_examination(instances, rules, maps, key_of(source))
    reading.findings = [*wrong, *reading.findings]
    return reading, instances


def _description(reading: Reading) -> dict:
    grid = next(iter(reading.channels.values()))
    return {
        "channels": list(reading.channels),
        "structures": {n: _millilitres(m) for n, m in reading.structures.items()},
        "size": grid.GetSize(),
        "spacing_mm": [round(s, 5) for s in grid.GetSpacing()],
        **reading.facts,
    }


def _millilitres(mask: sitk.Image) -> float:
    voxels = int(sitk.GetArrayViewFromImage(mask).sum())
    return round(voxels * float(np.prod(mask.GetSpacing())) / 1000, 4)

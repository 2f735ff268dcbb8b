"""Whom a source's rules would take, before anything is read but headers and tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from crossover.core import incremental
from crossover.core.wording import first_few
from crossover.sources.blanked import without_blank_ends
from crossover.sources.copies import alike_patients
from crossover.sources.dicom.choose import matching_stacks
from crossover.sources.dicom.export_files import list_files
from crossover.sources.dicom.header import STRUCTURES, Instance
from crossover.sources.dicom.places import NO_LABEL_MAP, of_patient, parted
from crossover.sources.dicom.scan import gather, patient_of, read_headers
from crossover.sources.dicom.stacks import stacks
from crossover.sources.dicom.structures import no_such_name, with_name
from crossover.sources.findings import ELSEWHERE, Refused
from crossover.sources.inspection.dicom import NamedStructure, repeated_names, structure_names
from crossover.sources.people import doubtful_ids, one_id_for_all, people_of
from crossover.sources.pseudonyms import alike_names, case_names, key_of
from crossover.sources.settings import DicomSource, IngestRules, OpenKbpSource, Structure, VolumesSource
from crossover.sources.table_readers import form_of
from crossover.sources.volumes import read_patient

SHOWN = 5
"""The number of cases that a note names."""


@dataclass
class Taken:
    """The cases of a cohort by what headers and tables tell; what only pixels show is told when they are read."""

    cases: dict[str, str] = field(default_factory=dict)
    """Case -> its patient."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Case -> why it would be excluded: a finding's code, and what."""
    read: bool = False
    """Whether images and masks were read, too."""
    called: dict[str, str] = field(default_factory=dict)
    """Case that is left out -> its patient, as the folder calls it, where that is known."""
    lacking: dict[str, str] = field(default_factory=dict)
    """Patient, as the folder calls it -> which of its files are not there, so that it has no case."""
    wrong: list[str] = field(default_factory=list)
    """What would stop the run, of no single case."""
    alike: dict[str, str] = field(default_factory=dict)
    """Patient -> what the identifier has in common with others that may be the same person's (`alike_name`)."""
    notes: list[str] = field(default_factory=list)
    """What is to be said of the folder or table as a whole."""

    @property
    def patients(self) -> set[str]:
        """The patients with a case that is taken."""
        return {patient for case, patient in self.cases.items() if case not in self.left_out}


def would_take(
    source: DicomSource | VolumesSource | OpenKbpSource, rules: IngestRules, data: Path, workers: int
) -> Taken:
    """Return the cases of a source of real patients.

    Volumes are read, too, where the rules cut off blank ends.

    Raises:
        ValueError: the folder or table can't be read, with all that is wrong with it.
    """
    if isinstance(source, DicomSource):
        return _of_export(source, rules, data, workers)
    cases, findings, lacking = form_of(source).rows(source, data)
    left: dict[str, str] = {}
    called: dict[str, str] = {}
    if read := isinstance(source, VolumesSource) and rules.blank_ends == "cut":  # only pixels show what it cuts off
        rows = [own.row for own in cases.values()]
        wrong = incremental.call_each(partial(_wrong, source, rules, data), rows, min(workers, len(rows)))
        left = {case: why for case, why in zip(cases, wrong) if why}
        called = {case: cases[case].row[source.patient] for case in left}
    notes = [f.what for f in findings if f.code != "files-missing" or f.about]  # patients stand in `lacking`, by name
    alike = {row.patient: row.alike for row in cases.values()}
    patients = {case: row.patient for case, row in cases.items()}
    return Taken(patients, left, read, called, lacking=dict(lacking), alike=alike, notes=notes)


def _wrong(source: VolumesSource, rules: IngestRules, data: Path, row: dict[str, str]) -> str:
    """Return the first error of the volumes of a row, once their blank ends are cut off; "" where there is none."""
    reading = read_patient(source, row, data, rules.other_grids)
    if not reading.failed:
        reading = without_blank_ends(reading.turned_upright())
    return next((f"{f.code}, {f.about}: {f.what}" for f in reading.findings if f.severity == "error"), "")


def _of_export(source: DicomSource, rules: IngestRules, data: Path, workers: int) -> Taken:
    files, findings = list_files(data / source.folder, key_of(source))
    images, maps = parted(source, files)
    found, findings = gather(images, findings, rules.series, lambda p: case_names(source, [p])[p], workers)
    found_of = [(e.patient, people_of(e.instances or [], key_of(source))) for e in found.values()]
    findings += [*one_id_for_all(found), *doubtful_ids(found_of)]
    out = Taken({case: patient_of(case) for case in found}, notes=[f"{f.code}, {f.what}" for f in findings])
    of_ids = alike_names(source, (e.patient_id for e in found.values()))
    out.alike = {e.patient: of_ids[e.patient_id] for e in found.values()}
    if "patients-alike" not in source.allow:
        out.wrong += [f"{f.code}: {f.what}; {f.remedy}" for f in alike_patients(out.alike.items())]
    doubled: dict[str, list[str]] = defaultdict(list)
    patients = {e.patient_id for e in found.values()}
    for case, examination in found.items():
        patient = examination.patient_id
        with_maps = {n: bool(of_patient(maps[n], m.file, patient, patients)) for n, m in source.label_maps.items()}
        instances = examination.instances or read_headers(examination.files, 1)[0]
        objects = [i for i in instances if i.modality in STRUCTURES]
        named = [(i, own) for i in objects for own in structure_names(i)]
        if why := _excluded(instances, [own for _, own in named], rules, with_maps, case):
            out.left_out[case] = why
            continue
        drawn = [own for _, own in named]
        for structure, known in rules.structures.items():
            own = [(named[k][0], structure) for k in _with_name(drawn, structure, known) if drawn[k].closed]
            if structure not in with_maps and repeated_names(own):
                doubled[structure].append(case)
    out.notes += [
        f"structure {structure}: in {first_few(cases, SHOWN)}, several structures have its name; if they differ, the "
        "case is excluded (structure-doubled) unless `names` selects one by colour, reader, series, file or order"
        for structure, cases in doubled.items()
    ]
    return out


def _with_name(there: Sequence[NamedStructure], structure: str, known: Structure) -> list[int]:
    """Return the places of those that are called as a structure may be."""
    names = known.names or [structure]
    return with_name([drawn.name for drawn in there], (name for name in names if isinstance(name, str)))


def _excluded(
    instances: Sequence[Instance], named: Sequence[NamedStructure], rules: IngestRules, maps: Mapping[str, bool],
    case: str,
) -> str:  # fmt: skip
    """Return why a case would be excluded; "" where its headers say nothing against it.

    Args:
        named: its structures.
        maps: structure -> whether it has the label map that stands for it.
    """
    there, frame = stacks(instances), ""
    drawn_on = {uid for i in instances if i.modality in STRUCTURES for uid in i.references}
    for channel, rule in rules.series.items():
        try:
            found = matching_stacks(there, rule.of(case, patient_of(case)), drawn_on)
        except Refused as refused:
            return f"{refused.finding.code}, channel {channel}: {refused.finding.what}"
        if channel == next(iter(rules.series)):
            frame = found[0].instance.frame_of_reference
    here = [own for own in named if own.frame_of_reference in ("", frame)] if frame else named
    for structure, known in rules.structures.items():
        about = f"structure-missing, structure {structure}"
        numbered = any(not isinstance(name, str) for name in known.names)  # and what else only its object tells
        if structure in maps and not maps[structure]:
            return f"{about}: {NO_LABEL_MAP}"
        own = [here[k] for k in _with_name(here, structure, known)]
        if structure in maps or any(drawn.closed for drawn in own) or numbered:
            continue
        if own:
            return f"structure-empty, structure {structure}: the structure with its name has no closed contour"
        if _with_name(named, structure, known):
            return f"two-frames, structure {structure}: {ELSEWHERE}"
        return f"{about}: {no_such_name(len(named))}"
    return ""

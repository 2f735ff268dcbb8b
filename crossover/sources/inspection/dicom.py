"""A DICOM export -> an inventory: by headers, and by the code that an ingest chooses series with."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pydicom
import SimpleITK as sitk

from crossover.core.image_names import is_volume
from crossover.core.wording import counted, first_few
from crossover.sources.dicom.export_files import FileRef, list_files
from crossover.sources.dicom.header import IMAGES, STRUCTURES, Instance
from crossover.sources.dicom.pixels import volume
from crossover.sources.dicom.places import first_folder
from crossover.sources.dicom.rtstruct import rois
from crossover.sources.dicom.scan import case_of, read_headers, studies
from crossover.sources.dicom.segmentation import segments
from crossover.sources.dicom.stacks import Stack, grid, stacks
from crossover.sources.dicom.structures import drawn_by_model
from crossover.sources.findings import Finding, Refused, join_findings
from crossover.sources.inspection.inventory import (
    WINDOW,
    ChannelKind,
    Inventory,
    Lacks,
    StructureKind,
    grids_text,
    identifier,
    unique_names,
)
from crossover.sources.inspection.label_maps import LabelMaps, label_maps
from crossover.sources.inspection.names import Key, Named, group_names, key_of, signs_of
from crossover.sources.inspection.series import Candidate, candidates, tried

Name = TypeVar("Name", bound=Hashable)

KEY = b"inspect"
"""The key by which tokens of files are made: they stay in this process."""


@dataclass
class Case:
    """The images of one study of a patient with the structures drawn on them, by headers: a case of an ingest."""

    name: str
    patient: str
    """Its patient, as the folder or the headers call it."""
    stacks: list[Stack] = field(default_factory=list)
    drawn_on: frozenset[str] = frozenset()
    """The UIDs of the series that structures were drawn on."""
    structures: list[str] = field(default_factory=list)
    """The names of the structures that are drawn at all, as the objects call them."""
    frames: dict[Key, set[str]] = field(default_factory=dict)
    """`key_of` of such a name -> the UIDs of the frames of reference that structures of that name lie in."""
    undrawn: frozenset[str] = frozenset()
    """The names of those without a closed contour."""
    doubled: tuple[str, ...] = ()
    """What several structures are called that were drawn on one series and count as one here: "'GTV'"."""


@dataclass
class ExportHeaders:
    """What the headers of one export tell."""

    cases: list[Case]
    maps: LabelMaps
    odd: list[str]
    by_folder: bool
    """Whether folders identify its patients."""


def read_export(root: Path, workers: int) -> ExportHeaders:
    """Read the headers of a DICOM export.

    Raises:
        ValueError: where no file in it is a DICOM image.
    """
    files, findings = list_files(root, KEY)
    maps = [f for f in files if is_volume(f.place)]
    instances, wrong = _read([f for f in files if not is_volume(f.place)], workers)
    if not any(i.modality in IMAGES and i.pixels for i in instances):
        listed = "; ".join(f"{f.code}, {f.what}" for f in join_findings([*findings, *wrong])[:5])
        raise ValueError(f"{root}: none of {len(files)} files is a DICOM image" + (f": {listed}" if listed else ""))
    by_folder = _identified_by_folders(instances)
    if by_folder:
        wrong = [f for f in wrong if f.code != "no-patient"]
    else:
        instances = [i for i in instances if not i.file.patient]
    cases = _cases(instances, by_folder)
    odd = [f"{f.what} ({f.code}): {f.remedy}" for f in join_findings([*findings, *wrong]) if f.severity != "note"]
    return ExportHeaders(cases, label_maps(maps, list(dict.fromkeys(c.patient for c in cases))), odd, by_folder)


def inventories(exports: Sequence[ExportHeaders]) -> list[Inventory]:
    """Return an inventory of each export, all with the same rules: those that take most patients of them together."""
    cases = [case for export in exports for case in export.cases]
    found = candidates([(case.stacks, case.drawn_on) for case in cases])
    named = group_names([case.structures for case in cases])
    out, first = [], 0
    for export in exports:
        own = range(first, first + len(export.cases))
        out.append(_inventory(export, [_part(c, own) for c in found], [_named_part(n, own) for n in named]))
        first += len(export.cases)
    return out


def _part(found: Candidate, own: range) -> Candidate:
    part = slice(own.start, own.stop)
    return replace(found, chosen=found.chosen[part], why=found.why[part])


def _named_part(named: Named, own: range) -> Named:
    return replace(named, patients=frozenset(k - own.start for k in named.patients if k in own))


def _read(files: Sequence[FileRef], workers: int) -> tuple[list[Instance], list[Finding]]:
    """Read headers; of files that name no patient too, which have a finding each, by the folder that they lie in."""
    instances, wrong = read_headers(files, workers)
    nobody = {f.files[0] for f in wrong if f.code == "no-patient"}
    if not nobody:
        return instances, wrong
    again = [replace(f, patient=first_folder(f)) for f in files if f.token in nobody and first_folder(f)]
    more, also = read_headers(again, workers)
    return instances + more, wrong + also


def _identified_by_folders(instances: Sequence[Instance]) -> bool:
    """Return whether folders identify patients, and not PatientID (0010,0020).

    They do where most files name no patient, or all name one and lie in folders of other studies.
    """
    if 2 * sum(bool(i.file.patient) for i in instances) > len(instances):
        return True
    folders: dict[str, set[str]] = defaultdict(set)
    for i in instances:
        folders[first_folder(i.file)].add(i.study)
    apart = sum(map(len, folders.values())) == len(set().union(*folders.values()))
    return len({i.patient for i in instances}) == 1 and len(folders) > 1 and apart


def _cases(instances: Sequence[Instance], by_folder: bool) -> list[Case]:
    own: dict[str, list[Instance]] = defaultdict(list)
    for i in {i.uid: i for i in instances}.values():
        own[first_folder(i.file) if by_folder else i.patient].append(i)
    return [
        _case(case_of(patient, k), patient, study)
        for patient, some in sorted(own.items())
        for k, study in enumerate(_with_images(studies(some)) or [some])
    ]


def _with_images(found: Sequence[list[Instance]]) -> list[list[Instance]]:
    return [study for study in found if any(i.modality in IMAGES for i in study)]


def _case(name: str, patient: str, instances: Sequence[Instance]) -> Case:
    objects = [i for i in instances if i.modality in STRUCTURES]
    named = [(i, own) for i in objects for own in structure_names(i)]
    drawn = [(i, own.name.strip()) for i, own in named if own.closed]
    frames: dict[Key, set[str]] = defaultdict(set)
    for own in (own for _, own in named if own.closed):
        frames[key_of(own.name)].add(own.frame_of_reference)
    return Case(
        name,
        patient,
        stacks(instances),
        frozenset(uid for i in objects for uid in i.references),
        [title for _, title in drawn],
        dict(frames),
        frozenset(own.name for _, own in named if not own.closed),
        _alike(drawn),
    )


def _alike(drawn: Sequence[tuple[Instance, str]]) -> tuple[str, ...]:
    """Return what is called alike of the structures that were drawn on one series: "'Parotid_L' or 'Left Parotid'"."""
    named = [(i, title, (key_of(title), signs_of(title))) for i, title in drawn]
    repeated = repeated_names((i, name) for i, _, name in named)
    titles = {name: dict.fromkeys(repr(title) for _, title, own in named if own == name) for name in repeated}
    return tuple(" or ".join(own) for own in titles.values())


def repeated_names(drawn: Iterable[tuple[Instance, Name]]) -> tuple[Name, ...]:
    """Return the names that structures of several objects, or of one, have which were drawn on one series.

    Args:
        drawn: the object and the name of each structure.
    """
    times = Counter((i.study, series, name) for i, name in drawn for series in {*i.references} or {""})
    return tuple(dict.fromkeys(name for (_, _, name), n in times.items() if n > 1))


class NamedStructure(NamedTuple):
    """A structure of an object, by the object's headers."""

    name: str
    closed: bool
    """Whether it is drawn: in an RTSTRUCT, with an area."""
    frame_of_reference: str
    """The UID of the frame of reference that it lies in; "" where the object names none."""


def structure_names(instance: Instance) -> list[NamedStructure]:
    """Return the structures of an RTSTRUCT or SEG; none of what a model of this program drew, or of a damaged file."""
    try:
        with instance.file.open() as opened:
            dataset = pydicom.dcmread(opened, force=True, stop_before_pixels=True)
        if drawn_by_model(dataset):
            return []
        own = [NamedStructure(r.name, any(c.closed for c in r.contours), r.frame_of_reference) for r in rois(dataset)]
        frame = str(dataset.get("FrameOfReferenceUID") or "")
        return own + [NamedStructure(s.label or s.description, True, frame) for s in segments(dataset)]
    except Exception:  # damaged files raise nearly anything; an ingest says what is wrong with them
        return []


def _inventory(export: ExportHeaders, found: Sequence[Candidate], named: Sequence[Named]) -> Inventory:
    there = export.cases
    cases: dict[str, Lacks] = {case.name: {} for case in there}
    names = unique_names(c.name for c in found)
    channels = [_channel(name, c, there, cases) for name, c in zip(names, found)]
    whose = {case.name: case.patient for case in there}
    structures = _drawn(named, there, cases) + export.maps.structures(cases, whose)
    source: dict[str, Any] = {"kind": "dicom"} | ({"patients": "folder"} if export.by_folder else {})
    several = sum(n > 1 for n in Counter(whose.values()).values())
    odd = [*export.odd]
    odd += [f"{counted(several, 'patient')} with several studies, each of which is a case"] * (several > 0)
    odd += ["PatientID does not identify the patients; their folders do (`patients: folder`)"] * export.by_folder
    odd += export.maps.odd + _refused(there) + _doubled(there)
    keys = {s.name: key_of(str(s.names[0])) for s in structures if "file" not in s.rule}
    elsewhere = _elsewhere(there, dict(zip(names, found)), keys)
    scans = whose if several else {}
    inventory = Inventory(
        "a DICOM export", cases, channels, structures, odd, source, scans=scans, elsewhere=elsewhere,
        tried=partial(_tried, there, keys),
    )  # fmt: skip
    inventory.odd += [*inventory.spellings(), *inventory.alike()]
    return inventory


def _tried(there: Sequence[Case], keys: Mapping[str, Key], name: str, rule: dict[str, Any]) -> Inventory:
    """Return an inventory of nothing but a channel; see `Inventory.tried`, and `_elsewhere` for the arguments."""
    found = tried(name, rule, [(case.stacks, case.drawn_on) for case in there])
    cases: dict[str, Lacks] = {case.name: {} for case in there}
    channels = [_channel(name, found, there, cases)]
    return Inventory("", cases, channels, [], [], {"kind": "dicom"}, elsewhere=_elsewhere(there, {name: found}, keys))


def _elsewhere(
    there: Sequence[Case], channels: Mapping[str, Candidate], keys: Mapping[str, Key]
) -> dict[str, dict[str, list[str]]]:
    """Return case -> channel -> the structures that lie in another frame of reference than it, as an ingest sees them.

    Args:
        channels: by their names.
        keys: structure -> `key_of` its names.
    """
    out: dict[str, dict[str, list[str]]] = {}
    for name, found in channels.items():
        for case, chosen in zip(there, found.chosen):
            frame = chosen[0].instance.frame_of_reference if chosen else ""
            drawn_in = {s: case.frames[key] for s, key in keys.items() if key in case.frames}
            if apart := [s for s, frames in drawn_in.items() if frame and not frames & {"", frame}]:
                out.setdefault(case.name, {})[name] = apart
    return out


def _channel(name: str, found: Candidate, there: Sequence[Case], cases: Mapping[str, Lacks]) -> ChannelKind:
    for case, why in zip(there, found.why):
        if why:
            cases[case.name][name] = why
    taken = [chosen[0] for chosen in found.chosen if chosen]
    texts = Counter(line for s in taken for line in s.instance.text.split("\n")[:1] if line.strip())
    images = [grid(s) for s in taken]
    drawn_on = {p.patient for c, p in zip(found.chosen, there) if c and c[0].instance.series in p.drawn_on}
    patients = {p.patient for c, p in zip(found.chosen, there) if c}
    return ChannelKind(
        name=name, about=found.about, quoted=[text for text, _ in texts.most_common(4)], patients=len(patients),
        several=found.several, rule=found.rule, modality=found.rule["modality"], drawn_on=len(drawn_on),
        example=partial(_example, taken[len(taken) // 2]) if taken else None,
        **grids_text([image.GetSize() for image in images], [image.GetSpacing() for image in images]),
    )  # fmt: skip


def _example(stack: Stack) -> sitk.Image:
    """Return a stack as a volume, with the window that its middle image is to be shown in, where the file names one."""
    image, middle = volume(stack), stack.planes[len(stack.planes) // 2][0]
    with middle.file.open() as opened:
        tags = pydicom.dcmread(opened, force=True, stop_before_pixels=True)
    for tag, value in ((WINDOW[0], tags.get("WindowCenter")), (WINDOW[1], tags.get("WindowWidth"))):
        if value not in (None, ""):
            image.SetMetaData(tag, str(value[0] if isinstance(value, pydicom.multival.MultiValue) else value))
    return image


def _drawn(named: Sequence[Named], there: Sequence[Case], cases: Mapping[str, Lacks]) -> list[StructureKind]:
    out = []
    undrawn = [{key_of(name) for name in case.undrawn} for case in there]
    for name, own in zip(unique_names(identifier(own.names[0], "structure") for own in named), named):
        rule = {"label": own.names[0], "names": list(own.names)}
        if own.patients:
            patients = {there[k].patient for k in own.patients}
            out.append(StructureKind(name, list(own.names), len(patients), rule, alike=list(own.alike)))
        for k, case in enumerate(there):
            if k not in own.patients:
                empty = key_of(own.names[0]) in undrawn[k]
                why = "the structure with its name has no closed contour" if empty else "no structure with its name"
                cases[case.name][name] = why
    return out


def _doubled(there: Iterable[Case]) -> list[str]:
    """Name the patients of whom several structures on one series have one name, as two readers' have."""
    whose: dict[str, dict[str, None]] = defaultdict(dict)
    for case in there:
        for name in case.doubled:
            whose[name][case.patient] = None
    return [
        f"{counted(len(own), 'patient')} with several structures called {name} ({first_few([*own], 3)}): if they "
        f"differ, select one by colour, reader, series, file or order "
        "(`names: [{name: NAME, colour: [255, 0, 0]}]`)"
        for name, own in sorted(whose.items(), key=lambda item: -len(item[1]))
    ]


def _refused(there: Iterable[Case]) -> list[str]:
    """Count the patients of whom images form no volume, by what is wrong with them."""
    whose: set[tuple[str, str]] = set()
    for case in there:
        for stack in case.stacks:
            try:
                grid(stack)
            except Refused as refused:
                whose.add((refused.finding.code, case.patient))
    usual = {"one-position", "too-few-slices", "no-geometry", "colour"}  # of localisers and screenshots
    counts = Counter(code for code, _ in sorted(whose) if code not in usual)
    return [
        f"{counted(n, 'patient')} with a series that is not a regular volume: {code}"
        for code, n in counts.most_common()
    ]

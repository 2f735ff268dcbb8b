"""An examination's files -> channels, structures, and everything that is wrong with them."""

from __future__ import annotations

import datetime
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from crossover.core.wording import counted
from crossover.imaging.grids import same_grid
from crossover.imaging.volumes import on_grid
from crossover.sources.dicom.choose import ChosenImage, channel, of_one_measurement, without_adc
from crossover.sources.dicom.header import STRUCTURES, Instance
from crossover.sources.dicom.label_map import label_map_mask
from crossover.sources.dicom.mask_series import mask_series
from crossover.sources.dicom.pixels import stored
from crossover.sources.dicom.places import NO_LABEL_MAP, LabelMapFiles
from crossover.sources.dicom.stacks import Stack, stacks
from crossover.sources.dicom.structures import (
    Drawable,
    Drawing,
    drawables,
    drawn_by_model,
    find_structure,
    unclaimed,
)
from crossover.sources.findings import Finding, Refused
from crossover.sources.pseudonyms import days_back, scanner_name
from crossover.sources.reading import Reading, brought_onto, errors_as_findings
from crossover.sources.settings import IngestRules, LabelMap, OtherGrids, Structure


def read_examination(
    instances: Sequence[Instance],
    rules: IngestRules,
    label_maps: Mapping[str, tuple[Sequence[LabelMapFiles], LabelMap]],
    key: bytes,
) -> Reading:
    """Read channels by rule and structures by name.

    It never raises: what is wrong is among the findings.

    Args:
        instances: headers of all files of the examination.
        rules: which series are channels, and what structures are called.
        label_maps: structure -> what was found to be its label map: one thing, where all is well.
        key: the secret, for the dates and the scanner's name.
    """
    out = Reading()
    with errors_as_findings(out.findings, ""):
        _read(out, instances, rules, label_maps, key)
    return out


def _read(
    out: Reading,
    instances: Sequence[Instance],
    rules: IngestRules,
    label_maps: Mapping[str, tuple[Sequence[LabelMapFiles], LabelMap]],
    key: bytes,
) -> None:
    instances = without_copies(instances, out.findings)
    there = stacks(instances)
    objects = [i for i in instances if i.modality in STRUCTURES]
    out.found = [s.describe() for s in there] + [f"{i.modality} object" for i in objects]
    drawn_on = {uid for i in objects for uid in i.references}
    chosen: dict[str, ChosenImage] = {}
    for name, rule in rules.series.items():
        with errors_as_findings(out.findings, f"channel {name}"):
            chosen[name] = channel(there, rule, drawn_on)
            out.chosen[name] = chosen[name].how
            out.findings += _about(chosen[name].findings, f"channel {name}")
    out.channels = {name: c.image for name, c in chosen.items()}
    _bring_onto_one_grid(out, chosen, rules.other_grids)
    _read_structures(out, objects, rules.structures, label_maps, chosen, there)
    for name in [name for name, c in chosen.items() if c.adc]:
        out.findings += _about(without_adc(out.channels[name], out.structures), f"channel {name}")
    used = [s for c in chosen.values() for s in c.stacks]
    if used:
        out.facts = facts(used[0].instance, key)


def _read_structures(
    out: Reading,
    objects: list[Instance],
    structures: Mapping[str, Structure],
    label_maps: Mapping[str, tuple[Sequence[LabelMapFiles], LabelMap]],
    chosen: Mapping[str, ChosenImage],
    images: Sequence[Stack],
) -> None:
    first = next(iter(chosen.values()), None)
    if first is None:
        return
    frame = first.stacks[0].instance.frame_of_reference
    drawn_on = [{s.instance.series for c in some for s in c.stacks} for some in ([first], chosen.values())]
    referred = {uid for i in objects for uid in i.references} - drawn_on[1]
    drawn_on.append(of_one_measurement(first.stacks[0], [s for s in images if s.instance.series in referred]))
    series = {s.instance.series: s.describe() for s in images}
    there: list[Drawable] = []
    for instance in objects:
        with errors_as_findings(out.findings, f"{instance.modality} object"):
            own, findings = _load(instance)
            there += own
            out.findings += _about(findings, f"{instance.modality} object")
    out.found += [structure.describe() for structure in there]
    for name, structure in structures.items():
        with errors_as_findings(out.findings, f"structure {name}"):
            if name in label_maps:
                mask, findings = _label_map(*label_maps[name], first)
                out.structures[name] = on_grid(mask.astype("uint8"), first.image)
            else:
                names = structure.names or [name]
                out.structures[name], findings = find_structure(there, names, first.image, frame, drawn_on, series)
            out.findings += _about(findings, f"structure {name}")


def _label_map(found: Sequence[LabelMapFiles], rule: LabelMap, channel: ChosenImage) -> Drawing:
    if not found:
        raise Refused("structure-missing", NO_LABEL_MAP)
    if len(found) > 1:
        tokens = [one.files[0].token for one in found]
        what = f"{len(found)} files or folders match the pattern of its label map"
        raise Refused("structure-doubled", what, tokens)
    (one,) = found
    if one.folder:
        planes = channel.stacks[0].planes
        return mask_series(one.files, rule.labels, channel.image, planes, rule.slices)
    if one.files[0].member:
        raise Refused("structure-refused", "its label map is in a zip archive: unpack the archive")
    return label_map_mask(Path(one.files[0].path), rule.labels, channel.image)


def _load(instance: Instance) -> tuple[list[Drawable], list[Finding]]:
    """Return the structures of an object, and what in it belongs to none of them."""
    try:
        with instance.file.open() as opened:
            dataset = pydicom.dcmread(opened, force=True)
        if drawn_by_model(dataset):
            what = "its masks were predicted by a model and are not manual: they were left out"
            return [], [Finding("mask-of-model", what, files=(instance.file.token,))]
        if instance.modality == "SEG":  # its frames are read when a structure is drawn
            _convert(dataset)
        loose = [replace(f, files=(instance.file.token,)) for f in unclaimed(dataset)]
        number, place = instance.series_number, instance.file.place
        return [s._replace(series_number=number, place=place) for s in drawables(dataset)], loose
    except Exception as error:
        what = f"its content cannot be read ({type(error).__name__})"
        raise Refused("unreadable", what, [instance.file.token]) from None


def _convert(dataset: Dataset) -> None:
    """Have pydicom read all values, which it puts off: damage is to show where the file is known."""
    for tag in [t for t in dataset.keys() if t.group != 0x7FE0]:  # noqa: SIM118
        element = dataset[tag]
        for item in element.value if element.VR == "SQ" else ():
            _convert(item)


def _about(findings: Iterable[Finding], what: str) -> list[Finding]:
    return [replace(f, about=what) for f in findings]


def without_copies(instances: Sequence[Instance], findings: list[Finding]) -> list[Instance]:
    """Return one of each SOPInstanceUID; two contents under one are an error where what is read of them differs."""
    by_uid: dict[str, list[Instance]] = defaultdict(list)
    for instance in instances:
        by_uid[instance.uid].append(instance)
    differing, copies, alike = [], [], []
    for group in (g for g in by_uid.values() if len(g) > 1):
        contents = {_digest(i): i for i in reversed(group)}  # of each content the first file
        if len(contents) == 1:
            copies += group[1:]
        elif all(_read_alike(group[0], other) for other in contents.values() if other is not group[0]):
            alike += group[1:]
        else:
            differing.append(group)
    for files, what in (
        (copies, "with the same content as another"),
        (alike, "with the image of another; their headers or encodings differ in what is not used"),
    ):
        if files:
            tokens = tuple(i.file.token for i in files[:5])
            findings.append(Finding("duplicate-file", f"{counted(len(files), 'file')} {what}", files=tokens))
    if differing:
        tokens = tuple(i.file.token for i in differing[0])[:5]
        what = f"{counted(len(differing), 'SOPInstanceUID')} in files of different contents"
        findings.append(Finding("inconsistent-instances", what, files=tokens))
    return [group[0] for group in by_uid.values()]


def _digest(instance: Instance) -> str:
    with instance.file.open() as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()  # type: ignore[arg-type]  # BinaryIO lacks `readinto`, which every binary file has


def _read_alike(a: Instance, b: Instance) -> bool:
    """Return whether two files hold one image: equal in all that is used of their headers, and in each stored value.

    Examinations that are exported again often have other texts or another compression under the same SOPInstanceUIDs.
    """

    def used(i: Instance) -> Instance:
        return replace(i, file=a.file, pixels=None, person=a.person)

    images = all(i.pixels is not None and i.modality not in STRUCTURES for i in (a, b))
    if not images or used(a) != used(b) or a.image.padding != b.image.padding:
        return False
    try:
        first, second = (stored(Stack(tuple((i, frame) for frame in i.frames))) for i in (a, b))
        return all(np.array_equal(x, y) for x, y in zip(first, second))
    except Refused:
        return False


def _bring_onto_one_grid(out: Reading, chosen: Mapping[str, ChosenImage], other_grids: OtherGrids) -> None:
    """Put all channels on the first one's grid, by resampling where that is asked for and one frame holds both.

    The same coordinates in two frames of reference are not the same place: that is a warning.
    """
    first = next(iter(out.channels), "")
    for name in [n for n in out.channels if n != first]:
        about, grid = f"channel {name}", out.channels[first]
        frames = {chosen[n].stacks[0].instance.frame_of_reference for n in (first, name)}
        what = f"it lies in another frame of reference than channel {first}"
        with errors_as_findings(out.findings, about):
            if not same_grid(grid, out.channels[name]):
                if other_grids != "refuse" and len(frames) > 1:
                    raise Refused("two-frames", what)
                out.channels[name], finding = brought_onto(grid, out.channels[name], first, other_grids)
                out.findings += [replace(finding, about=about)] if finding else []
            if len(frames - {""}) > 1:
                out.findings.append(Finding("frames-unlike", f"{what}, at the same coordinates", about))


def facts(instance: Instance, key: bytes) -> dict:
    """Return what may be disclosed of an examination: the allow-list, the moved date, the scanner's coded name."""
    out = dict(instance.facts)
    out["scanner"] = scanner_name(instance.scanner, key)
    try:
        date = datetime.datetime.strptime(instance.date[:8], "%Y%m%d").date()
        back = datetime.timedelta(days=days_back(instance.patient, key))
        out["study_date_moved"] = (date - back).isoformat()
    except (ValueError, OverflowError):
        pass  # no date, or none that is one
    return out

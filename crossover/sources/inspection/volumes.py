"""A tree of NIfTI, NRRD or MetaImage files -> an inventory."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import SimpleITK as sitk
from numpy.typing import NDArray

from crossover.core import incremental
from crossover.core.cells import TableError
from crossover.core.image_names import is_volume, stem, without_ending
from crossover.core.tables import read_table
from crossover.core.wording import counted, first_few
from crossover.imaging.grids import plane_of, upright
from crossover.imaging.volumes import on_grid
from crossover.sources.blanked import shown_outlines, without_blank_ends
from crossover.sources.copies import values_digest
from crossover.sources.file_patterns import links_below, matching, paths_below
from crossover.sources.findings import KINDS, Finding, Refused
from crossover.sources.inspection.described import Described, datasets_below, described
from crossover.sources.inspection.inventory import (
    NO_FILE,
    ChannelKind,
    Inventory,
    StructureKind,
    beside_file,
    files_of,
    grids_text,
    identifier,
    unique_names,
)
from crossover.sources.inspection.label_maps import LabelKey, in_order, layers, passed_labels, usual
from crossover.sources.inspection.layout import Layout, named_by
from crossover.sources.inspection.listed import PATIENT, ListedFiles, listed_files
from crossover.sources.inspection.modality import UNKNOWN, guess
from crossover.sources.inspection.tree import layout
from crossover.sources.reading import Reading, errors_as_findings
from crossover.sources.segment_names import segments_in
from crossover.sources.settings import VolumeImage, VolumesSource, VolumeStructure
from crossover.sources.sides import misplaced
from crossover.sources.unlike import (
    StructureExtent,
    Values,
    drawn_of,
    exchanged,
    unlike_planes,
    unlike_values,
    values_of,
)
from crossover.sources.volume_file import read_volume
from crossover.sources.volumes import read_patient

TABLES = (".csv", ".tsv", ".xlsx", ".xls", ".ods")
MOST_VALUES = 64
"""The most different values in a label map; more are an image's."""
SAMPLED = 5
"""The number of patients whose files show which patterns are label maps."""
MOST_GROUPS = 8
"""The most values of a column that may divide patients into cohorts."""


@dataclass(frozen=True)
class _Table:
    """A table of the folder: the columns that name files and patients, and those of few values."""

    name: str
    file: str
    """The column that names the files; "" where columns hold their paths."""
    patient: str
    columns: dict[str, dict[str, list[str]]]
    scans: dict[str, str]
    """The scan -> its patient, where the files are named by scans."""


@dataclass
class _Look:
    """What one patient's files hold."""

    sizes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    spacings: dict[str, tuple[float, ...]] = field(default_factory=dict)
    plane: str = ""
    """The plane of the slices; "" where no image could be read."""
    values: dict[str, Values] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    """Channel -> the digest of its values, by which copies are known."""
    labels: dict[str, dict[LabelKey, StructureExtent]] = field(default_factory=dict)
    """Pattern of a label map -> value, or its segment's name -> its size and place."""
    outlined: list[str] = field(default_factory=list)
    """The patterns of the label maps whose outlines the images show, by blank ends that were blanked around them."""
    in_ends: dict[str, set[LabelKey]] = field(default_factory=dict)
    """Pattern of a label map -> the labels all of which lie in the images' blank ends."""
    errors: list[Finding] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)


def inspect_volumes(root: Path, workers: int) -> Inventory:
    """Return what a tree of volumes holds; every file of a regular pattern is read.

    Raises:
        ValueError: the files fit no pattern, and the message says what would be one; or folders below are datasets
            whose own dataset.json names their channels and labels, of which one must be chosen.
    """
    if below := datasets_below(root):
        raise ValueError(
            f"{root}: a dataset.json, which names channels and labels, is in its folder {first_few(below, 3)}: give "
            f"that folder, such as {root / below[0]}"
        )
    said = described(root)
    paths = [p for p in said.listed or paths_below(root) if is_volume(p)]
    tables, unread = _tables(root)
    found = layout(paths)
    listed = listed_files(paths, tables) if said == Described() else None
    if listed and (not found.roles or len(listed.others) < len(found.loose)):  # else the paths tell as much
        kinds = {pattern: _kind(root, files) for pattern, files in listed.layout.roles.items()}
        return _Inspection(root, said, listed.layout, kinds, tables, unread, listed).inventory(workers)
    for rows in tables.values():  # what it names counts, where it names more files than regular paths do
        of_table = [named_by(paths, {*rows[column]} - {""}) for column in rows if rows[column].is_unique]
        found = min([found, *(one for one in of_table if one.roles)], key=lambda one: len(one.loose))
    if not found.roles:
        raise ValueError(
            f"{root}: the paths of its {len(paths)} volumes fit no pattern, such as <patient>/t2.nii.gz or "
            "imagesTr/<patient>_0000.nii.gz: write a table with a row for each patient and the files' names "
            "(docs/own-data.md), or rename them; a date in a name is 20200131, or 2020-01-31 behind another sign than -"
            + "".join(f"; {name} was not used: {why}" for name, why in unread.items())
        )
    kinds = {pattern: _kind(root, files) for pattern, files in found.roles.items()}
    return _Inspection(root, said, found, kinds, tables, unread).inventory(workers)


def _tables(root: Path) -> tuple[dict[str, pd.DataFrame], dict[str, str]]:
    """Return the tables in the folder that can be read, by name, and why the others can't."""
    found, unread = {}, {}
    for path in sorted(p for p in root.iterdir() if p.suffix.lower() in TABLES):
        try:
            rows = read_table(path).rows
        except (TableError, OSError) as error:
            unread[path.name] = str(error).partition("\n")[0]
            continue
        if len(rows):
            found[path.name] = rows
        else:
            unread[path.name] = "it has no rows"
    return found, unread


@dataclass(frozen=True)
class _FileKind:
    """What the first few files of a pattern are."""

    mask: bool
    volumes: int
    """The number of volumes along a fourth axis."""


def _kind(root: Path, files: Mapping[str, str]) -> _FileKind:
    some = [files[p] for p in sorted(files)[:SAMPLED]]
    volumes = max((_volumes(root / path) for path in some), default=1)
    if volumes > 1:
        return _FileKind(False, volumes)
    if any(segments_in(root / path) for path in some):
        return _FileKind(True, 1)
    arrays = [*_arrays(root, some)]
    masks = sum(a.min() >= 0 and _few(a) for a in arrays) * 2 > len(arrays)
    return _FileKind(masks and all(_few(np.rint(a)) for a in arrays), 1)  # also where some are wrong, such as blurred


def _few(values: NDArray) -> bool:
    return len(np.unique(values)) <= MOST_VALUES


def _arrays(root: Path, paths: Iterable[str]) -> Iterator[NDArray]:
    """Yield the values of those files that can be read."""
    for path in paths:
        with suppress(Refused):
            yield sitk.GetArrayFromImage(read_volume(root / path).image)


def _volumes(path: Path) -> int:
    """Count the volumes along a fourth axis of a NIfTI file."""
    if not path.name.lower().endswith((".nii", ".nii.gz")):
        return 1
    try:
        shape: tuple[int, ...] = tuple(getattr(nib.load(path), "shape", ()))
    except Exception:  # nibabel raises several kinds; the file is told with its patient
        return 1
    return int(shape[3]) if len(shape) == 4 else 1


@dataclass(frozen=True)
class _Inspection:
    root: Path
    said: Described
    found: Layout
    kinds: Mapping[str, _FileKind]
    tables: Mapping[str, pd.DataFrame]
    """The tables in the folder, by name."""
    unread: Mapping[str, str]
    """Why other tables there can't be read, by name."""
    listed: ListedFiles | None = None
    """What a table lists, where one names the files."""

    def inventory(self, workers: int) -> Inventory:
        """Return the inventory, for which all patients' files are read.

        Raises:
            ValueError: every volume looks like a label map.
        """
        channels = self._channels()
        if not channels:
            raise ValueError(f"{self.root}: all volumes look like label maps, so none can be a channel; add the images")
        masks = [pattern for pattern, kind in self.kinds.items() if kind.mask]
        probe = partial(_look, self.root, channels, masks, not self.said.labels)
        patients = self.found.patients
        files = [{pattern: own.get(p, "") for pattern, own in self.found.roles.items()} for p in patients]
        looks = dict(zip(patients, incremental.call_each(probe, files, min(workers, len(patients)))))
        return self._as_inventory(channels, masks, looks)

    def _channels(self) -> dict[str, Any]:
        """Return name -> its file, as a source has it."""
        out: list[tuple[str, Any]] = []
        for pattern, kind in self.kinds.items():
            if kind.mask:
                continue
            number = re.search(r"_(\d{4})\.", pattern) if "nnU-Net" in self.said.form else None
            for volume in range(kind.volumes):
                at = int(number[1]) if number else volume
                own = self.said.channels.get(at) if number or kind.volumes > 1 or len(self.said.channels) == 1 else None
                name = identifier(own or _called(pattern, kind), "channel")
                out.append((name, {"file": pattern, "volume": volume} if kind.volumes > 1 else pattern))
        return dict(zip(unique_names(name for name, _ in out), (file for _, file in out)))

    def _as_inventory(self, channels: Mapping[str, Any], masks: Sequence[str], looks: Mapping[str, _Look]) -> Inventory:
        structures = self._structures(masks, looks)
        kinds = [self._channel(name, file, looks) for name, file in channels.items()]
        cases = {patient: self._lacks(patient, look, kinds, structures) for patient, look in looks.items()}
        for structure in structures:
            _add_ends(structure, looks)
        drawn = {patient: _drawn(look, structures) for patient, look in looks.items()}
        table = self._table()
        source = {"kind": "volumes", "table": None} | ({"table": table.name, "patient": table.patient} if table else {})
        if table and table.file:
            for image in kinds:
                image.rule = _by_column(image.rule, table.file)
            for structure in structures:
                structure.rule = _by_column(structure.rule, table.file)
        scans = dict(table.scans if table else self.found.scans)
        columns = table.columns if table else {"group": groups} if (groups := self._groups()) else {}
        channel_names = [kind.name for kind in kinds]

        def look(some: Collection[str]) -> list[str]:
            own = {patient: one for patient, one in looks.items() if patient in some}
            odd = self._unlike(own, channel_names, {patient: drawn[patient] for patient in own})
            odd += [*self._joined(masks, own), *self._odd(own), *self._unused(table), *self._unlisted()]
            return [*_copies(looks, own), *odd]

        found = Inventory(self.said.form, cases, kinds, structures, look(cases), source, columns, scans, look=look)
        found = _in_any_format(found.with_others())
        found.channels.sort(key=_likely)
        return replace(found, odd=[*found.about_apart(self.root), *found.odd])

    def _channel(self, name: str, file: Any, looks: Mapping[str, _Look]) -> ChannelKind:
        pattern = file["file"] if isinstance(file, dict) else file
        own = [look for look in looks.values() if name in look.sizes]
        sizes, spacings = [look.sizes[name] for look in own], [look.spacings[name] for look in own]
        found = guess([look.values[name] for look in own], name, pattern.replace("{patient}", ""))
        return ChannelKind(
            name=name, about=found.about, quoted=[pattern], patients=len(own), several=0,
            rule=file, modality=found.modality, doubt=found.doubt, values=found.values, hu=found.hu,
            example=partial(self._example, file, pattern),
            **grids_text(sizes, spacings),
        )  # fmt: skip

    def _example(self, file: Any, pattern: str) -> sitk.Image:
        paths = [path for _, path in sorted(self.found.roles[pattern].items())]
        number = file["volume"] if isinstance(file, dict) else None
        return read_volume(self.root / paths[len(paths) // 2], number).image

    def _structures(self, masks: Sequence[str], looks: Mapping[str, _Look]) -> list[StructureKind]:
        out = []
        for pattern in masks:
            maps, times = _labels(pattern, looks)
            out += [self._structure(pattern, labels, maps) for labels in self._labels_of(maps, times)]
        for kind, name in zip(out, unique_names(kind.name for kind in out)):
            kind.name = name
        return out

    def _labels_of(
        self, maps: Sequence[Mapping[LabelKey, StructureExtent]], times: Mapping[LabelKey, int]
    ) -> Sequence[tuple[LabelKey, ...] | None]:
        """Return the labels of each structure: those that the dataset names, where it has regions; None for all."""
        if any(len(own) > 1 for own in self.said.labels.values()):
            return [*self.said.labels.values()]
        return [None] if _one_structure(maps, times) else [(label,) for label in in_order(times)]

    def _joined(self, masks: Sequence[str], looks: Mapping[str, _Look]) -> list[str]:
        """Return whose labels are taken together as one structure."""
        found = {pattern: _labels(pattern, looks) for pattern in masks}
        one = {pattern: times for pattern, (maps, times) in found.items() if _one_structure(maps, times)}
        return [line for pattern, times in one.items() for line in passed_labels(pattern, [None], times)]

    def _structure(
        self, pattern: str, labels: tuple[LabelKey, ...] | None, maps: Sequence[Mapping[LabelKey, StructureExtent]]
    ) -> StructureKind:
        """Return a structure: some labels of the maps, or None for all of them."""
        several = len({label for own in maps for label in own}) > 1
        said = next((name for name, own in self.said.labels.items() if own == labels), None)
        called = f"label_{labels[0]}".replace("-", "minus_") if labels and several else None
        called = labels[0] if labels and isinstance(labels[0], str) else called
        called = said or called or _called(pattern, self.kinds[pattern])
        own = [[d["ml"] for k, d in m.items() if labels is None or k in labels] for m in maps]
        own_ml = [sum(ml) for ml in own if ml or labels is None]
        rule: dict[str, Any] = {"file": pattern}
        if labels and (several or said):
            rule["label"] = labels[0] if len(labels) == 1 else [*labels]
        median = float(np.median(own_ml)) if own_ml else None
        return StructureKind(identifier(called, "label"), [*(labels or ())], len(own_ml), rule, median)

    def _groups(self) -> dict[str, list[str]]:
        """Return the folders above patients -> their cases."""
        if not any("{group}" in pattern for pattern in self.found.roles):
            return {}
        return _groups((p.partition("/")[0], p) for p in self.found.patients)

    def _table(self) -> _Table | None:
        """Return the table that names the patients, or each one's scans."""
        if self.listed:
            rows, cases = self.tables[self.listed.table], self.listed.cases
            rows = rows[rows[self.listed.patient].ne("")]
            few = {c: _groups(zip(rows[c], cases)) for c in rows if f"{{{c}}}" not in self.found.roles}
            columns = {c: own for c, own in few.items() if 2 <= len(own) <= MOST_GROUPS and c != self.listed.patient}
            scans = cases if len({*cases.values()}) < len(cases) else {}
            return _Table(self.listed.table, "", self.listed.patient, columns, scans)
        if self.found.scans or self._groups():  # its rows would have to name scans, or groups, as the folders do
            return None
        wanted = set(self.found.patients)
        for name, rows in self.tables.items():
            shares = {column: len(wanted & set(rows[column])) / len(wanted) for column in rows}
            best = max(shares, key=lambda column: shares[column], default=None)
            if best is not None and shares[best] >= 0.5:
                few = {c: _groups(zip(rows[c], rows[best])) for c in rows if c != best}
                columns = {c: own for c, own in few.items() if 2 <= len(own) <= MOST_GROUPS}
                person = next((c for c in few if PATIENT.fullmatch(c) and len(few[c]) < len({*rows[best]})), None)
                scans = {} if person is None else dict(zip(rows[best], rows[person]))
                return _Table(name, best, person or best, columns, scans)
        return None

    def _unlisted(self) -> list[str]:
        """Tell which volumes no row of the table names that lists the files."""
        if not self.listed or not self.listed.others:
            return []
        count = counted(len(self.listed.others), "volume")
        return [
            f"{count} {'is' if count.startswith('1 ') else 'are'} in no row of {self.listed.table}, and no study reads "
            f"{'it' if count.startswith('1 ') else 'them'}: {first_few(self.listed.others, 3)}"
        ]

    def _unused(self, used: _Table | None) -> list[str]:
        """Return which tables are not used, and of which one the identifiers lost their leading zeros."""
        wanted, digits = set(self.found.patients), {len(p) for p in self.found.patients if p.isdecimal()}
        odd = [f"the table {name} is not used: {why}" for name, why in self.unread.items()]
        for name, rows in self.tables.items():
            if used and used.name == name:
                continue
            if self.found.scans or self._groups():
                odd.append(f"the table {name} is not used: the paths of the files show whose they are")
                continue
            lost = [c for c in rows if any({v.zfill(n) for v in rows[c] if v.isdecimal()} & wanted for n in digits)]
            why = (
                f"its column {lost[0]} lacks the leading zeros of the patients' names; format it as text and write the "
                "numbers again"
                if lost
                else "no column of it names half of the patients as the files do"
            )
            odd.append(f"the table {name} is not used: {why}")
        return odd

    def _lacks(
        self, patient: str, look: _Look, channels: list[ChannelKind], structures: list[StructureKind]
    ) -> dict[str, str]:
        errors = {f.about.partition(" ")[2] or f.about: f"{f.code}, {f.what}" for f in look.errors}
        lacks = {}
        for kind in channels:
            if patient not in self.found.roles[_pattern(kind.rule)]:
                lacks[kind.name] = NO_FILE
            elif kind.name in errors:
                lacks[kind.name] = errors[kind.name]
        for structure in structures:
            pattern = structure.rule["file"]
            if patient not in self.found.roles[pattern]:
                lacks[structure.name] = NO_FILE
            elif pattern in errors:
                lacks[structure.name] = errors[pattern]
            elif not {*(structure.names or look.labels.get(pattern, {}))} & {*look.labels.get(pattern, {})}:
                lacks[structure.name] = "no voxel of it"
        return lacks

    def _unlike(
        self,
        looks: Mapping[str, _Look],
        channels: Sequence[str],
        drawn: Mapping[str, Mapping[str, StructureExtent]],
    ) -> list[str]:
        """Return whose values and structures are unlike the others'."""
        odd = []
        for channel in channels:
            of_patients = {p: look.values[channel] for p, look in looks.items() if channel in look.values}
            unlike = [f"{p}: {what}" for p, what in unlike_values(of_patients).items()]
            who = counted(len(unlike), "patient")
            odd += [f"{who} whose {channel} is unlike that of the others: {first_few(unlike, 3, '; ')}"] * bool(unlike)
        planes = unlike_planes({p: look.plane for p, look in looks.items() if look.plane})
        if planes:
            which = first_few([f"{p}: {what}" for p, what in planes.items()], 3, "; ")
            odd.append(f"{counted(len(planes), 'patient')} whose slices lie in another plane: {which}")
        pairs = _groups((f"{a} and {b}", patient) for patient, own in exchanged(drawn).items() for a, b in own)
        odd += [
            f"{counted(len(own), 'patient')} ({first_few(own, 3)}) in whom {pair} seem to be exchanged: by size and "
            "place, each is what the other is in the other patients"
            for pair, own in pairs.items()
        ]
        sides = _groups((left, p) for p, own in drawn.items() for left, _, _ in misplaced(_leftward(own)))
        return odd + [
            f"{counted(len(own), 'patient')} ({first_few(own, 3)}) whose {left} is on the patient's right of its "
            "partner: the names, or the image's orientation, may be exchanged"
            for left, own in sides.items()
        ]

    def _of_the_list(self) -> list[str]:
        """Return what a study doesn't do as the folder's list says."""
        odd, listed = [], {*self.said.listed}
        if len(self.said.parts) > 1:
            parts = ", ".join(f"{name} {len(cases)}" for name, cases in self.said.parts.items())
            odd.append(
                f"the list's parts ({parts}) are not kept: the study draws its own test patients from all of them"
            )
        others = [path for path in paths_below(self.root) if is_volume(path) and path not in listed] if listed else []
        if alike := [path for path in others if any([*matching([path], role)] for role in self.found.roles)]:
            odd.append(
                f"the list leaves out {counted(len(alike), 'volume')} with names like those in it: "
                f"{first_few(alike, 3)}; a study takes files by their names, not by the list: move those to another "
                "folder, or write a table of the patients to take (docs/own-data.md)"
            )
        return odd

    def _odd(self, looks: Mapping[str, _Look]) -> list[str]:
        odd = _warned(looks)
        if scans := self.found.scans:
            some = next((p for p, n in Counter(scans.values()).items() if n > 1), None)
            such = f", such as {first_few([c for c, p in scans.items() if p == some], 2, ' and ')}," if some else ""
            odd.append(
                f"{counted(len(scans), 'scan')} are taken for those of {counted(len({*scans.values()}), 'patient')}: "
                f"scans{such} of one patient stay together in training or testing; if they are of different "
                "people, name these in a table of patients (docs/own-data.md)"
            )
        case_of = {path: case for files in self.found.roles.values() for case, path in files.items()}
        parted = [own for own in self.said.cases if len({case_of[p] for p in own if p in case_of}) > 1]
        if parted:
            odd.append(
                f"the list has {counted(len(parted), 'case')} whose files seem to be of different patients, such as "
                f"{first_few(parted[0], 3)}: the study pairs files by their names, not by the list; rename them, or "
                "write a table of patients (docs/own-data.md)"
            )
        odd += self._of_the_list()
        if links := links_below(self.root):
            odd.append(
                f"links to folders, which are not followed: {first_few(links, 3)}; copy the linked folders into "
                f"{self.root}, or give their own folder"
            )
        read = [path for path in self.found.loose if any([*matching([path], role)] for role in self.found.roles)]
        if read:
            odd.append(
                f"{counted(len(read), 'volume')} would be read as those of further patients, whose names are unlike "
                f"those of the others: {first_few(read, 3)}; if some are scans of one patient, write a table "
                "(docs/own-data.md)"
            )
        if self.found.loose and not read:
            some = ", ".join(self.found.loose[:3])
            fits, it = ("fits", "it") if len(self.found.loose) == 1 else ("fit", "them")
            odd.append(
                f"{counted(len(self.found.loose), 'volume')} {fits} no pattern, and no study reads {it}: {some}"
                + (", ..." if len(self.found.loose) > 3 else "")
            )
        named = {p.replace("{patient}", name).casefold(): p.replace("{patient}", name)
                 for p in self.found.roles for name in looks}  # fmt: skip
        meant = [f"{loose} as {named[loose.casefold()]}" for loose in self.found.loose if loose.casefold() in named]
        if meant:
            odd.append(f"names that differ in capital letters only; rename {first_few(meant, 3)}")
        return odd


def _add_ends(structure: StructureKind, looks: Mapping[str, _Look]) -> None:
    """Put in which patients images show a structure's outline, and in which all of it lies in blank ends."""
    pattern = _pattern(structure.rule)
    structure.outlined = [patient for patient, look in looks.items() if pattern in look.outlined]
    for patient, look in looks.items():
        own = {*look.labels.get(pattern, {})}
        if own := own & {*structure.names} if structure.names else own:
            structure.in_ends += [patient] * (own <= look.in_ends.get(pattern, set()))


def _copies(looks: Mapping[str, _Look], own: Collection[str]) -> list[str]:
    """Return a line for each two or more patients with the same image, some of them among the own."""
    holders = _groups((digest, patient) for patient, look in looks.items() for digest in {*look.digests.values()})
    return [
        f"{counted(len(alike), 'patient')} ({first_few(alike, 3)}) with the same image: a run refuses them; take all "
        "but one out of the folder"
        for alike in holders.values()
        if len(alike) > 1 and {*alike} & {*own}
    ]


def _labels(
    pattern: str, looks: Mapping[str, _Look]
) -> tuple[list[dict[LabelKey, StructureExtent]], Counter[LabelKey]]:
    """Return the labels of each of a pattern's maps that has some, and how many maps have each label."""
    maps = [look.labels[pattern] for look in looks.values() if look.labels.get(pattern)]
    return maps, Counter(label for own in maps for label in own)


def _one_structure(maps: Sequence[Mapping[LabelKey, StructureExtent]], times: Mapping[LabelKey, int]) -> bool:
    """Return whether all that isn't 0 is one structure: no label is usual, or each map has 1 alone or 255 alone."""
    return usual(times, len(maps)) == [None] or ({*times} == {1, 255} and all(len(own) == 1 for own in maps))


def _drawn(look: _Look, structures: Sequence[StructureKind]) -> dict[str, StructureExtent]:
    """Return a patient's structures that are one label of a map each, with their sizes and places."""
    out = {}
    for kind in structures:
        own = look.labels.get(kind.rule["file"], {})
        wanted = [*kind.names] or [*own]
        if len(wanted) == 1 and wanted[0] in own:
            out[kind.name] = own[wanted[0]]
    return out


def _leftward(drawn: Mapping[str, StructureExtent]) -> dict[str, float]:
    return {name: own["centre_mm"][0] for name, own in drawn.items()}


def _by_column(rule: Any, column: str) -> Any:
    """Return a rule whose files are named by a column of a table."""
    if isinstance(rule, dict):
        return {key: _by_column(value, column) for key, value in rule.items()}
    return rule.replace("{patient}", f"{{{column}}}") if isinstance(rule, str) else rule


def _groups(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for value, patient in pairs:
        if value:
            groups[value].append(patient)
    return dict(sorted(groups.items()))


def _likely(kind: ChannelKind) -> tuple[int, bool]:
    """Return the key by which channels are sorted, the likely ones first."""
    return -kind.patients, kind.about == UNKNOWN


def _in_any_format(found: Inventory) -> Inventory:
    """Return an inventory in which volumes whose names differ in their formats only are one channel or structure."""
    for what in ("channels", "structures"):
        kinds = found.kinds(what)
        same = _groups((f"{without_ending(files_of(k.rule)[0])} {beside_file(k.rule)}", k.name) for k in kinds)
        for names in same.values():
            if len(one := found.joinable(what, names)) > 1:
                found = found.joined(what, min(names, key=len), one)
    return found


def _pattern(rule: Any) -> str:
    return rule["file"] if isinstance(rule, dict) else rule


def _called(pattern: str, kind: _FileKind) -> str:
    """Return what a pattern's name says beside the patient: "t2" of "{patient}/t2.nii.gz", else its folder's."""
    if column := re.fullmatch(r"\{([^{}]+)\}", pattern):
        return re.sub(r"[ _.-]*(file|path|filename)$", "", column[1], flags=re.IGNORECASE) or column[1]
    words = re.sub(r"\{\w+\}", "", stem(pattern)).strip("_-. ")
    folders = [part for part in pattern.split("/")[:-1] if "{" not in part]
    name = (
        words
        if words and not words.isdigit()
        else "_".join([*(f.lower().replace("tr", "") for f in folders[-1:]), words])
    )
    return name.strip("_") or ("label" if kind.mask else "image")


def _look(
    root: Path, channels: Mapping[str, Any], masks: Sequence[str], named: bool, files: Mapping[str, str]
) -> _Look:
    """Read a patient's files by the code of an ingest; labels are called by the names of their segments if `named`."""
    look = _Look()
    own = {n: f for n, f in channels.items() if files[_pattern(f)]}
    images = _read(look, root, own, masks, files) if own else Reading()
    for pattern in masks:
        with errors_as_findings([], pattern):
            if files[pattern]:
                extents: dict[LabelKey, StructureExtent] = {}
                ends: set[LabelKey] = set()
                for image, names in layers(root / files[pattern]):
                    labels = on_grid(np.rint(sitk.GetArrayViewFromImage(image)).astype(int), image)
                    called = names if named else {}
                    extents |= {called.get(label, label): extent for label, extent in drawn_of(labels).items()}
                    ends |= {called.get(label, label) for label in _in_ends(upright(labels), images)}
                look.labels[pattern], look.in_ends[pattern] = extents, ends
    return look


def _in_ends(labels: sitk.Image, images: Reading) -> set[int]:
    """Return the labels of a map all of which lies in blank ends; see `_read` for the images."""
    if any(image.GetSize() != labels.GetSize() for image in images.channels.values()):
        return set()  # a map of a part of the image: an ingest, and `check`, bring it onto the image's grid
    left = without_blank_ends(replace(images, structures={"labels": labels})) if images.channels else images
    there = [np.unique(sitk.GetArrayViewFromImage(of)) for of in (labels, left.structures.get("labels", labels))]
    return {int(label) for label in {*there[0]} - {*there[1]}}


def _read(
    look: _Look, root: Path, channels: Mapping[str, Any], masks: Sequence[str], files: Mapping[str, str]
) -> Reading:
    """Put what an ingest says of a patient's images and masks, which need an image, into a look.

    Returns:
        The patient's images, upright, where they have blank ends and can be used; else none.
    """
    there = {f"mask{k}": files[pattern] for k, pattern in enumerate(masks) if files[pattern]}
    source = VolumesSource.model_construct(
        kind="volumes", folder=".", table="", patient="patient", where={}, variables=[], identifiers="public", allow=[],
        channels={n: _exact(f, files) for n, f in channels.items()},
        structures={n: VolumeStructure.model_construct(file=f, label=None) for n, f in there.items()},
    )  # fmt: skip
    reading = read_patient(source, {}, root)
    named = {f"structure mask{k}": pattern for k, pattern in enumerate(masks)}
    for finding in reading.findings:
        named_finding = Finding(finding.code, finding.what, named.get(finding.about, finding.about))
        (look.errors if finding.severity == "error" else look.warnings).append(named_finding)
    for name, image in reading.channels.items():
        look.plane = look.plane or plane_of(image)
        look.values[name], look.digests[name] = values_of(image), values_digest(image)
        look.sizes[name], look.spacings[name] = image.GetSize(), tuple(round(s, 4) for s in image.GetSpacing())
    turned = reading.turned_upright()
    if not turned.channels or reading.failed or not _with_blank_ends(turned):
        return Reading()
    for name, mask in turned.structures.items():  # each by itself: with a mask of the body, all would seem to be shown
        if shown_outlines(turned.channels, {name: mask}):
            look.outlined.append(named[f"structure {name}"])
    return Reading(turned.channels)


def _with_blank_ends(reading: Reading) -> bool:
    return without_blank_ends(replace(reading, structures={})).channels is not reading.channels


def _warned(looks: Mapping[str, _Look]) -> list[str]:
    """Return a sentence for each kind of warning, with the patients and with the patterns of the files."""
    of_code: dict[str, dict[str, dict[str, None]]] = {}
    for name, look in looks.items():
        for f in look.warnings:
            of_code.setdefault(f.code, {}).setdefault(f.about, {})[name] = None
    out = []
    for code, patterns in of_code.items():
        own = list(dict.fromkeys(name for names in patterns.values() for name in names))
        differ = any(len(names) < len(own) for names in patterns.values())
        where = ", ".join(f"{pattern} ({len(names)})" if differ else pattern for pattern, names in patterns.items())
        remedy = KINDS[code].remedy
        out.append(f"{counted(len(own), 'patient')} ({first_few(own, 3)}): {where}: {code} ({remedy})")
    return out


def _exact(file: Any, files: Mapping[str, str]) -> Any:
    if isinstance(file, dict):
        return VolumeImage.model_construct(file=files[file["file"]], volume=file["volume"])
    return files[file]

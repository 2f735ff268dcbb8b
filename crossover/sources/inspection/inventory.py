"""What `inspect` gives: channels, structures, what is odd, and who would be left out."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from crossover.core.file_names import WRITTEN_ALIKE, alike, one_form, unaccented
from crossover.core.image_names import stem
from crossover.core.wording import counted, first_few, patients_and_cases
from crossover.sources.findings import ELSEWHERE, IN_BLANK_ENDS
from crossover.sources.inspection.names import one_of_two_spellings


@dataclass
class ChannelKind:
    """Images that look the same in patient after patient, and may be a channel."""

    name: str
    """What the channel may be called; the first word of a rule to paste."""
    about: str
    """A description in numbers and closed words: "MR axial, b 800"."""
    quoted: list[str]
    """The names in the files, the most frequent first; these may tell who somebody is."""
    patients: int
    several: int
    """The patients who have more than one."""
    size: str
    """The columns, rows and slices: "512 x 512 x 80 to 134"."""
    spacing_mm: str
    """The distances of columns, rows and slices."""
    rule: Any
    """The rule as it stands under `series:` or in a cohort's `channels:`."""
    modality: str
    """MR, CT or PT: of volumes, a guess."""
    doubt: str = ""
    """What a guess rests on, where it is unsure: "is taken for CT by its name, ..."."""
    values: tuple[float, float] | None = None
    """The medians of the volumes' lowest and highest values; None of DICOM, whose headers tell the unit."""
    hu: bool = True
    """Whether the values can be HU."""
    drawn_on: int = 0
    """The patients of whom a structure was drawn on it."""
    extent_mm: float = 0.0
    """The largest field of view in plane, mm."""
    finest_mm: float = 0.0
    """The median of the patients' pixel size, mm."""
    example: Callable[[], sitk.Image] | None = None
    """Reads the image of one patient, of the middle of those sorted by name."""


@dataclass
class StructureKind:
    """Something that was outlined, in patient after patient."""

    name: str
    names: list[str | int]
    """The names in the files."""
    patients: int
    rule: Any
    """The rule as it stands under `structures:` or in a cohort's `structures:`."""
    median_ml: float | None = None
    alike: list[str] = field(default_factory=list)
    """Further names that may mean the same, each a structure of its own here."""
    outlined: list[str] = field(default_factory=list)
    """The cases whose images have blank ends and are blank around it, so that they show its outline; of volumes."""
    in_ends: list[str] = field(default_factory=list)
    """The cases in which all of it lies in the blank ends, which `blank_ends: cut` cuts off; of volumes."""

    @property
    def called(self) -> str:
        """What the files call it: its names in them, or its file, with the label if that holds several."""
        if "file" not in self.rule:
            return ", ".join(map(str, self.names))
        return _shown(self.rule) + (f", label {self.rule['label']}" if "label" in self.rule else "")


def files_of(rule: Any) -> list[str]:
    """Return the patterns of files that a channel's or structure's rule has; none of one without files."""
    file = rule.get("file", []) if isinstance(rule, dict) else rule
    return file if isinstance(file, list) else [file]


def _shown(rule: Any) -> str:
    """Return the patterns of a rule without the patients' folders: "cord.nii.gz or Myelon.nrrd"."""
    return " or ".join(re.sub(r"^(\{[^{}]*\}/)+", "", file) for file in files_of(rule))


def beside_file(rule: Any) -> Any:
    """Return what a rule says beside its files: a label, or the number of a volume."""
    return {key: value for key, value in rule.items() if key != "file"} if isinstance(rule, dict) else None


Lacks = dict[str, str]
"""Channel or structure -> why a patient lacks it; what the patient has does not stand there."""

WINDOW = ("0028|1050", "0028|1051")
"""How ITK calls the center and width (values) of the window that an image is to be shown in."""
NO_FILE = "no such file"
"""Why a patient lacks something of whom there is no file for it."""

NONE = "series-missing"
"""How the reason begins why a study of DICOM lacks a channel of which no series may be one."""

DOUBLED = {"channels": "series-ambiguous", "structures": "structure-doubled"}
"""The finding of a patient who has several of the files of which each patient may have one."""

SEVERAL = "several files in place of one"
"""What is wrong with such a patient."""

SHOWN = 5
"""How many of the cases that are left out for one reason are named."""

USUAL = 0.8
"""Share of the patients with the most frequent channel or structure that others must have to be proposed with it."""


@dataclass
class Inventory:
    """All that was found."""

    form: str
    """What kind of folder it is: "a DICOM export", "an nnU-Net dataset"."""
    cases: dict[str, Lacks]
    """Case: a patient, or a scan or study of one -> what it lacks. The names of patients are the folder's own."""
    channels: list[ChannelKind]
    """The channels, the likely ones first."""
    structures: list[StructureKind]
    odd: list[str]
    """What wants a look, a sentence each."""
    source: dict[str, Any]
    """The source of a cohort, as in a study's file, but for its channels and structures."""
    columns: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    """The columns that divide patients into few groups: column of a table, or "group" for folders -> value ->
    patients."""
    scans: dict[str, str] = field(default_factory=dict)
    """Case -> its patient, where a patient may have several; empty where each case is called as its patient."""
    elsewhere: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    """Case -> channel -> the structures that lie in another frame of reference than this channel; of DICOM."""
    tried: Callable[[str, dict[str, Any]], Inventory] | None = None
    """Returns an inventory of nothing but a channel, by its name and the rule that selects its series; of DICOM."""
    look: Callable[[Collection[str]], list[str]] | None = None
    """Returns what wants a look where there are only some of the cases, without what `told` says; of volumes."""

    @property
    def dicom(self) -> bool:
        """Whether channels are rules of a study's `series:`, and not files of a cohort."""
        return self.source["kind"] == "dicom"

    def patients_of(self, cases: Iterable[str]) -> set[str]:
        """Return the patients of some cases."""
        return {one_form(self.scans.get(case, case)) for case in cases}

    def count_patients(self, cases: Iterable[str]) -> int:
        """Count the patients of some cases."""
        return len(self.patients_of(cases))

    @property
    def counted(self) -> str:
        """How many patients and cases there are: "12 patients (30 cases)"."""
        return patients_and_cases(self._whose(self.cases))

    def taken(self, names: Iterable[str]) -> str:
        """Return how many patients and cases have all of some channels and structures, of how many; see `left_out`."""
        wanted = list(names)
        return patients_and_cases(self._whose(self._asked(wanted)), self.left_out(wanted))

    def patients_with(self, names: Iterable[str]) -> set[str]:
        """Return the patients with a case that has all of some channels and structures; see `left_out`."""
        wanted = list(names)
        return self.patients_of(self._asked(wanted).keys() - self.left_out(wanted).keys())

    def _whose(self, cases: Iterable[str]) -> dict[str, str]:
        return {case: one_form(self.scans.get(case, case)) for case in cases}

    def _asked(self, names: Iterable[str]) -> dict[str, Lacks]:
        """Return the cases without the studies that an ingest passes over for these channels and structures.

        Those are the studies of DICOM in which no series is one of the channels, of patients with another study.
        """
        channels = {kind.name for kind in self.channels} & {*names}
        if not (self.dicom and self.scans and channels):
            return self.cases
        fit = {c for c, lacks in self.cases.items() if not all(lacks.get(n, "").startswith(NONE) for n in channels)}
        first = {self.scans[case]: case for case in reversed(self.cases)}
        others = self.patients_of(fit)
        fit |= {case for patient, case in first.items() if patient not in others}
        return {case: lacks for case, lacks in self.cases.items() if case in fit}

    def of_patients_with(self, column: str, value: str) -> Inventory:
        """Return what there is of the patients with a value in a column.

        Raises:
            ValueError: no patient has it; the message names the columns and values that there are.
        """
        own = self.columns.get(column, {}).get(value)
        if own is None:
            there = "; ".join(f"{c}: {', '.join(values)}" for c, values in self.columns.items()) or "nothing here"
            raise ValueError(f"no patients have {column}={value}; patients can be selected by {there}")
        cases = {patient: lacks for patient, lacks in self.cases.items() if patient in own}
        odd = self.look(cases) if self.look else self.odd
        return self.with_others(cases=cases, odd=odd, source=self.source | {"where": {column: value}})

    def without_ends(self, names: Iterable[str]) -> Inventory:
        """Return a copy for a study that cuts off blank ends: cases lack those structures that lie there alone."""
        cases = {case: dict(lacks) for case, lacks in self.cases.items()}
        for kind in (kind for kind in self.structures if kind.name in {*names}):
            for case in cases.keys() & {*kind.in_ends}:
                cases[case].setdefault(kind.name, f"{IN_BLANK_ENDS}, which `blank_ends: cut` cuts off")
        return self.with_others(cases=cases)

    def with_others(self, **fields: Any) -> Inventory:
        """Return a copy with other fields, whose `odd` has what `told` says of them."""
        told, out = self.told(), replace(self, **fields)
        return replace(out, odd=[*(what for what in out.odd if what not in told), *out.told()])

    def told(self) -> list[str]:
        """Return what channels, structures and names of patients leave in doubt, a sentence each."""
        doubts = [in_doubt(kind) for kind in self.channels if kind.doubt]
        return [*doubts, *self.outlines(), *self.spellings(), *self.alike()]

    def outlined(self, names: Iterable[str]) -> dict[str, list[str]]:
        """Return which of some structures have their outlines shown by what is blank around them -> in which cases."""
        own = {kind.name: [case for case in kind.outlined if case in self.cases] for kind in self.structures}
        return {name: own[name] for name in names if own.get(name)}

    def outlines(self) -> list[str]:
        """Say which structures' outlines the images show, and what to do: one sentence, or none."""
        found = self.outlined(kind.name for kind in self.structures)
        return [
            f"{outlines_text(found, self)} (outline-shown). Use images that were not blanked; or `blank_ends: cut` in "
            "a study's file cuts off their blank ends, and `crossover new` writes it where the study has such a "
            "structure (docs/own-data.md)"
        ] * bool(found)

    def apart(self) -> dict[str, str]:
        """Return the groups (folders above patients) whose files have other names than another's -> that group.

        A group is apart if it has names that nobody of the other has, and nobody of it has a file of the channel
        that is proposed, or of any structure that is. The other is the one with most of what is proposed.
        """
        groups = {} if self.source.get("table") or "where" in self.source else self.columns.get("group", {})
        names = [*(kind.name for kind in self.channels), *(kind.name for kind in self.structures)]
        there = {
            group: {n for n in names if any(self.cases[patient].get(n) != NO_FILE for patient in own)}
            for group, own in groups.items()
        }
        first = max(there, key=lambda group: len({*self.proposed} & there[group]), default="")
        images, drawn = {*self.proposed_channels()}, {*self.proposed_structures()}
        return {
            group: first
            for group, own in there.items()
            if own - there[first] and (not images <= own or (drawn and not drawn & own))
        }

    def kinds(self, what: str) -> Sequence[ChannelKind] | Sequence[StructureKind]:
        """Return what there is of "channels" or "structures"."""
        return self.channels if what == "channels" else self.structures

    def with_file(self, name: str) -> set[str]:
        """Return the cases that have a file of a channel or structure."""
        return {case for case, lacks in self.cases.items() if lacks.get(name) != NO_FILE}

    def joinable(self, what: str, names: Sequence[str]) -> list[str]:
        """Return those of some volumes' names that can be one channel or structure, whichever file a patient has.

        A name is left out if most of its patients have a file of those before it too, or if it is another label, or
        another volume of its file, than the first.
        """
        rules = {kind.name: kind.rule for kind in self.kinds(what)}
        out: list[str] = []
        having: set[str] = set()
        for name in (n for n in dict.fromkeys(names) if n in rules and files_of(rules[n])):
            own = self.with_file(name)
            if not out or (len(own - having) > len(own & having) and _alike(rules[out[0]], rules[name])):
                out.append(name)
                having |= own
        return out

    def joined(self, what: str, own: str, names: Sequence[str]) -> Inventory:
        """Return an inventory in which volumes of some names, all `joinable`, are one called `own`.

        A patient with several of the files lacks it, as a run would refuse the patient.
        """
        kinds = [kind for name in names for kind in self.kinds(what) if kind.name == name]
        most = max(kinds, key=lambda kind: len(self.with_file(kind.name)))
        files = [file for kind in kinds for file in files_of(kind.rule)]
        rule = most.rule | {"file": files} if isinstance(most.rule, dict) else files
        about: dict[str, Any] = {"name": own, "rule": rule, "patients": sum(kind.patients for kind in kinds)}
        if isinstance(most, ChannelKind):
            images = [kind for kind in kinds if isinstance(kind, ChannelKind)]
            about |= {"quoted": files, "extent_mm": max(kind.extent_mm for kind in images)}
        else:
            drawn = [kind for kind in kinds if isinstance(kind, StructureKind)]
            about |= {of: [c for kind in drawn for c in getattr(kind, of)] for of in ("outlined", "in_ends")}
        cases = {}
        for case, lacks in self.cases.items():
            there = [name for name in names if lacks.get(name) != NO_FILE]
            why = lacks.get(there[0], "") if there else NO_FILE
            if len(there) > 1:
                why = f"{DOUBLED[what]}, {SEVERAL}"
            others = {name: reason for name, reason in lacks.items() if name not in (own, *names)}
            cases[case] = others | ({own: why} if why else {})
        left = [replace(most, **about) if kind is most else kind for kind in self.kinds(what)]
        left = [kind for kind in left if kind.name == own or kind.name not in names]
        left = [kind for kind in left if kind.name != own or kind.rule is rule]
        changed: dict[str, Any] = {what: left, "cases": cases}
        return self.with_others(**changed)

    def with_series(self, own: str, names: Sequence[str], rule: dict[str, Any]) -> Inventory:
        """Return an inventory of DICOM in which some channels are one called `own`, selected by another rule."""
        assert self.tried, "the headers of an export were read"
        found = self.tried(own, rule)
        gone = {own, *names}
        cases, elsewhere = {}, {}
        for case, lacks in self.cases.items():
            cases[case] = {name: why for name, why in lacks.items() if name not in gone} | found.cases[case]
            apart = {name: s for name, s in self.elsewhere.get(case, {}).items() if name not in gone}
            elsewhere[case] = apart | found.elsewhere.get(case, {})
        channels = [*found.channels, *(kind for kind in self.channels if kind.name not in gone)]
        return self.with_others(channels=channels, cases=cases, elsewhere=elsewhere)

    def about_apart(self, folder: Path) -> list[str]:
        """Return what to do with groups of a folder that are apart, a sentence each."""
        return [
            f"group {group} has other file names than group {other}: give each group's folder, as crossover new NAME "
            f'--source "{folder / other}" --target "{folder / group}"'
            for group, other in self.apart().items()
        ]

    def spellings(self) -> list[str]:
        """Return which names may be of one channel or structure, as no patient has two of them, a sentence each.

        Of several, the last sentence has the options of all.
        """
        apart = [*self._channels_apart(), *self._structures_apart()]
        lines = [f"{what}: {option}" for what, option in apart]
        if len(apart) > 1:
            lines.append(f"all of these names at once: {' '.join(option for _, option in apart)}")
        return lines

    def _channels_apart(self) -> list[tuple[str, str]]:
        """Return which volumes of one modality no patient has two of, though no group of folders has its own names.

        They are a sentence each, with the option that joins them.
        """
        lines = []
        for modality in dict.fromkeys(kind.modality for kind in self.channels if not self.dicom and not self.apart()):
            group: list[ChannelKind] = []
            having: set[str] = set()
            for kind in (k for k in self.channels if k.modality == modality and self.with_file(k.name)):
                if not having & self.with_file(kind.name) and (not group or _alike(group[0].rule, kind.rule)):
                    group.append(kind)
                    having |= self.with_file(kind.name)
            if len(group) > 1:
                own = "ct" if modality == "CT" else group[0].name
                what = (
                    "no patient has two of "
                    + ", ".join(f"{_shown(kind.rule)} ({len(self.with_file(kind.name))})" for kind in group)
                    + ": they may be one channel under several names, and are a channel each here; to take whichever a "
                    "patient has"
                )
                lines.append((what, f"--channels {own}={'+'.join(kind.name for kind in group)}"))
        return lines

    def _structures_apart(self) -> list[tuple[str, str]]:
        having = {s.name: self._having(s.name) for s in self.structures}
        groups: list[list[StructureKind]] = []
        for kind in (s for s in self.structures if having[s.name]):
            own = (g for g in groups if any(self._spelt(kind, other) for other in g))
            fitting = (g for g in own if not any(having[kind.name] & having[other.name] for other in g))
            if (group := next(fitting, None)) is None:
                groups.append(group := [])
            group.append(kind)
        return [
            (
                "no patient has two of "
                + ", ".join(f"{kind.called} ({len(having[kind.name])})" for kind in group)
                + ": they may be one structure under several names, and are a structure each here; to join them",
                f"--structures {group[0].name}={'+'.join(kind.name for kind in group)}",
            )
            for group in groups
            if len(group) > 1
        ]

    @staticmethod
    def _spelt(kind: StructureKind, other: StructureKind) -> bool:
        a, b = (
            stem(files_of(k.rule)[0].rpartition("/")[2]) if "file" in k.rule else str(k.names[0]) for k in (kind, other)
        )
        labels = [k.rule.get("label") if "file" in k.rule else None for k in (kind, other)]
        return labels[0] == labels[1] and one_of_two_spellings(a, b)

    def alike(self) -> list[str]:
        """Return which patients may be one whose name is written in two ways, a sentence each."""
        return [
            f"patients {' and '.join(group)} may be one: their names {WRITTEN_ALIKE}; if they are, write the name "
            "in one way, since one could be trained on and the other tested on"
            for group in alike(sorted(self.patients_of(self.cases)))
        ]

    def count_having(self, name: str) -> int:
        """Count the patients who have a channel or structure."""
        return len(self._having(name))

    def _having(self, name: str) -> set[str]:
        return self.patients_of(case for case, lacks in self.cases.items() if name not in lacks)

    def left_out(self, names: Iterable[str]) -> dict[str, str]:
        """Return case -> why a source with these channels and structures would not take it."""
        wanted, out = list(names), {}
        first = next((n for n in wanted if any(kind.name == n for kind in self.channels)), "")
        for case, lacks in self._asked(wanted).items():
            apart = dict.fromkeys(self.elsewhere.get(case, {}).get(first, ()), f"two-frames, {ELSEWHERE}")
            of_reason: dict[str, list[str]] = {}
            for name in wanted:
                if why := lacks.get(name) or apart.get(name):
                    of_reason.setdefault(why, []).append(name)
            if of_reason:
                out[case] = "; ".join(f"{', '.join(own)}: {why}" for why, own in of_reason.items())
        return out

    def about_left_out(self, left: Mapping[str, str], most: int) -> list[str]:
        """Return who is left out and why, a line for each of the first few reasons."""
        of_reason: dict[str, list[str]] = {}
        for case, why in left.items():
            of_reason.setdefault(why, []).append(case)
        lines = [f"left out: {first_few(cases, SHOWN)}: {why[:300]}" for why, cases in [*of_reason.items()][:most]]
        untold = sum(map(len, [*of_reason.values()][most:]))
        more = f"and {counted(untold, 'more case')} left out: `crossover inspect` has all with --page or --json"
        return lines + [more] * (untold > 0)

    def proposed_channels(self) -> list[str]:
        """Return the channel that a study begins with: the likeliest."""
        return [kind.name for kind in self.channels[:1]]

    def proposed_structures(self) -> list[str]:
        """Return the structures that most patients have."""
        most = max((self.count_having(s.name) for s in self.structures), default=0)
        return [s.name for s in self.structures if self.count_having(s.name) >= USUAL * most]

    @property
    def proposed(self) -> list[str]:
        """The channels and structures of the study that is proposed."""
        return [*self.proposed_channels(), *self.proposed_structures()]

    def for_machines(self) -> dict[str, Any]:
        """Return everything but the examples, as plain values."""
        kinds = [{k: v for k, v in vars(kind).items() if k != "example"} for kind in self.channels]
        values = asdict(replace(self, channels=[], tried=None, look=None)) | {"channels": kinds}
        del values["tried"], values["look"]
        return values | {"proposed": self.proposed, "left_out": self.left_out(self.proposed)}


def _alike(rule: Any, other: Any) -> bool:
    return isinstance(rule, dict) == isinstance(other, dict) and beside_file(rule) == beside_file(other)


def in_doubt(kind: ChannelKind) -> str:
    """Return what a channel's modality rests on, and what to call it if it is another: a sentence."""
    other = "mr" if kind.modality == "CT" else "ct"
    return f"{kind.name} {kind.doubt}; if it is {other.upper()}, use `crossover new ... --channels {other}={kind.name}`"


def outlines_text(outlined: Mapping[str, Sequence[str]], found: Inventory) -> str:
    """Say of how many patients the images show the outlines of structures; see `Inventory.outlined`."""
    cases = list(dict.fromkeys(case for own in outlined.values() for case in own))
    patients = sorted(found.patients_of(cases))
    where = [f"{name} ({len(own)})" if len(own) < len(cases) else name for name, own in outlined.items()]
    return (
        f"in {counted(len(patients), 'patient')} ({first_few(patients, 3)}) the image is blank around "
        f"{first_few(where, SHOWN)}, so that a network can read the contour off the image's values instead of learning "
        "what the structure looks like"
    )


def identifier(words: str, otherwise: str) -> str:
    """Return a text as the name of a channel or structure: "Parotid L" becomes "parotid_l".

    Args:
        words: the text.
        otherwise: what the name begins with where the text doesn't begin with a letter.
    """
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", unaccented(words))
    name = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:40]
    return name if name and name[0].isalpha() else f"{otherwise}_{name}".rstrip("_")


def unique_names(names: Iterable[str]) -> list[str]:
    """Return names of which none stands twice: a second "t2" is "t2_2"."""
    out: list[str] = []
    for name in names:
        k, own = 1, name
        while own in out:
            k += 1
            own = f"{name}_{k}"
        out.append(own)
    return out


def grids_text(sizes: Sequence[Sequence[int]], spacings: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Return what a `ChannelKind` says of its images' grids.

    Args:
        sizes: voxels along each axis of each image. spacings: mm between them.
    """
    if not sizes:
        return {"size": "", "spacing_mm": ""}
    extents = (n * mm for size, spacing in zip(sizes, spacings) for n, mm in zip(size[:2], spacing[:2]))
    return {
        "size": _ranges_text(sizes, 5), "spacing_mm": _ranges_text(spacings), "extent_mm": max(extents),
        "finest_mm": float(np.median([spacing[0] for spacing in spacings])),
    }  # fmt: skip


def _ranges_text(rows: Sequence[Sequence[float]], digits: int = 3) -> str:
    """Return the ranges of each axis in words: "512 x 512 x 80 to 134"."""
    return " x ".join(_range_text(axis, digits) for axis in zip(*rows))


def _range_text(values: Sequence[float], digits: int) -> str:
    """Return the smallest and largest value in words: "0.5 to 0.7", or the one value."""
    low, high = (f"{v:.{digits}g}" for v in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"

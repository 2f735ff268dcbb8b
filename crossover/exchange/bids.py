"""A study as a BIDS data set, manual masks as a derivative: `crossover export bids`.

The form is that of the Brain Imaging Data Structure 1.10 (bids-specification.readthedocs.io). It knows no CT, and not
every kind of MR image; those lie beside the others, and `.bidsignore` lists them, as it provides for.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from crossover.core.configuration import ConfigError
from crossover.core.files import read_json_or_none
from crossover.exchange.label_maps import LabelValues, flat_label_map, grid_of
from crossover.exchange.study_cases import (
    StudyCase,
    chosen_structures,
    folder_of_its_own,
    hand_over,
    study_cases,
    write_ordered,
)
from crossover.imaging.volumes import image_path, structure_path
from crossover.study.schema import Study

VERSION = "1.10.0"
DERIVATIVE = "derivatives/manual"
SUFFIXES = {
    "t1": "T1w", "t1w": "T1w", "t2": "T2w", "t2w": "T2w", "pd": "PDw", "pdw": "PDw", "flair": "FLAIR",
    "t1map": "T1map", "t2map": "T2map",
}  # fmt: skip
"""BIDS' names for anatomical MR images, by the names of channels."""
OLDEST = 89
"""The age in years that older people are given, as BIDS asks, since few are older."""


@dataclass(frozen=True)
class BidsKind:
    """Where BIDS has an image: its folder, and the end of its name; `known` is False for what BIDS has no name for."""

    folder: str
    ending: str
    known: bool = True
    b_value: float | None = None

    @property
    def ignored(self) -> str:
        """The line of `.bidsignore` for what BIDS has no name for."""
        return f"*_{self.ending}.*" if self.folder == "anat" else f"**/{self.folder}"


def export(study: Study, results: Path, out: Path, structures: Sequence[str] = ()) -> str:
    """Write a study's images, and its masks as a derivative, to a folder.

    Args:
        structures: all of the study's where none is named.

    Returns:
        What was written, in a sentence.

    Raises:
        ConfigError: there is something at `out`, cases are missing, or patients, channels or structures would have
            one name in BIDS.
    """
    structures = chosen_structures(study, structures)
    cases = study_cases(study, results, structures)
    names = _names(cases)
    kinds = kinds_of(study)
    _check_names({c: _plain(c) and f"{kind.folder}/{kind.ending}" for c, kind in kinds.items()}, "channels")
    joined = flat_label_map(cases, structures)
    if not joined:
        _check_names({structure: _plain(structure) for structure in structures}, "structures")
    with folder_of_its_own(out) as part:
        for case in cases:
            _write_images(study, case, names[case], kinds, part)
            _write_masks(study, case, names[case], structures, joined, part / DERIVATIVE)
        _write_about(study, cases, names, part)
        _write_derivative(study, joined, part / DERIVATIVE)
        unknown = {channel: kind for channel, kind in kinds.items() if not kind.known}
        if unknown:
            (part / ".bidsignore").write_text(
                "".join(f"{line}\n" for line in dict.fromkeys(k.ignored for k in unknown.values()))
            )
    ignored = f"; BIDS has no name for {', '.join(unknown)}, which .bidsignore lists" if unknown else ""
    patients = len({case.patient for case in cases})
    return f"{out}: {patients} participants, {len(cases)} examinations, masks in {DERIVATIVE}{ignored}"


def kinds_of(study: Study) -> dict[str, BidsKind]:
    """Return where BIDS has each channel; where several are of one kind, their names (`acq-`) tell them apart."""
    kinds = {channel: kind_of(study, channel) for channel in study.channels}
    count = Counter((kind.folder, kind.ending.casefold()) for kind in kinds.values())
    return {
        channel: kind
        if count[kind.folder, kind.ending.casefold()] == 1 or kind.b_value is not None
        else replace(kind, ending=f"acq-{_plain(channel)}_{kind.ending}")
        for channel, kind in kinds.items()
    }


def kind_of(study: Study, channel: str) -> BidsKind:
    """Return where BIDS has a channel: by the rule of its series where the study has one, else by its name."""
    rule, short = study.series.get(channel), _plain(channel)
    if rule and rule.modality not in ("MR", "OT"):
        return BidsKind(rule.modality.lower(), rule.modality.lower(), known=False)
    if rule and rule.b_value is not None:
        return BidsKind("dwi", f"acq-{short}_dwi", b_value=rule.b_value)
    if short.casefold() == "adc" or (rule and rule.image_type == "ADC"):
        return BidsKind("dwi", "ADC")
    known = SUFFIXES.get(short.casefold())
    return BidsKind("anat", known) if known else BidsKind("anat", short, known=False)


def _names(cases: Sequence[StudyCase]) -> dict[StudyCase, str]:
    """Return what the names of each case's files begin with: "sub-x", or "sub-x_ses-1" where a patient has several.

    Raises:
        ConfigError: naming patients that are one once all but letters and digits are left out, as BIDS asks.
    """
    patients = dict.fromkeys(case.patient for case in cases)
    label = {patient: _plain(patient) for patient in patients}
    _check_names(label, "patients")
    own = {patient: [case for case in cases if case.patient == patient] for patient in patients}
    several = len(cases) > len(patients)
    return {
        case: f"sub-{label[patient]}" + (f"_ses-{number}" if several else "")
        for patient, group in own.items()
        for number, case in enumerate(group, start=1)
    }


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "", name)


def _check_names(in_bids: Mapping[str, str], what: str) -> None:
    """Refuse names that are the same in BIDS, on file systems that ignore case too, or that are empty there."""
    alike = pd.Series(in_bids, dtype=str).str.casefold()
    if wrong := [*alike[alike.duplicated(keep=False) | (alike == "")].index]:
        raise ConfigError(
            f"BIDS allows only letters and digits in names; these {what} would have the same name or none: "
            f"{', '.join(wrong)}"
        )


def _place(name: str, folder: str, ending: str) -> str:
    return "/".join([*name.split("_"), folder, f"{name}_{ending}"])


def _write_images(study: Study, case: StudyCase, name: str, kinds: Mapping[str, BidsKind], out: Path) -> None:
    grid, facts = grid_of(case, study.channels[0]), read_json_or_none(case.folder / "case.json") or {}
    for channel, kind in kinds.items():
        stem = out / _place(name, kind.folder, kind.ending)
        hand_over(image_path(case.folder, channel), stem.with_name(f"{stem.name}.nii.gz"), grid)
        write_ordered(stem.with_name(f"{stem.name}.json"), _sidecar(facts))
        if kind.b_value is not None:  # of all directions together
            stem.with_name(f"{stem.name}.bval").write_text(f"{kind.b_value:g}\n")
            stem.with_name(f"{stem.name}.bvec").write_text("0\n0\n0\n")


def _sidecar(facts: Mapping) -> dict:
    """Return what is known of an examination, by BIDS' names and in its units (s, mm, T)."""
    found = {
        "Manufacturer": facts.get("manufacturer"),
        "MagneticFieldStrength": facts.get("field_strength_t"),
        "EchoTime": facts["echo_time_ms"] / 1000 if facts.get("echo_time_ms") else None,
        "SliceThickness": facts.get("slice_thickness_mm"),
    }
    return {name: value for name, value in found.items() if value is not None}


def _write_masks(
    study: Study, case: StudyCase, name: str, structures: Sequence[str], joined: LabelValues | None, out: Path
) -> None:
    """Write a label map of all structures or, where they overlap, a mask for each."""
    grid = grid_of(case, study.channels[0])
    if joined:
        target = out / f"{_place(name, 'anat', 'desc-manual_dseg')}.nii.gz"
        joined.write(case, grid, target)
        _about_mask(target, {"Manual": True})
        return
    for structure in structures:
        target = out / f"{_place(name, 'anat', f'label-{_plain(structure)}_desc-manual_mask')}.nii.gz"
        hand_over(structure_path(case.folder, structure), target, grid)
        _about_mask(target, {"Type": "ROI", "Manual": True})


def _about_mask(target: Path, about: dict) -> None:
    write_ordered(target.with_name(target.name.replace(".nii.gz", ".json")), about)


def _write_about(study: Study, cases: Sequence[StudyCase], names: Mapping[StudyCase, str], out: Path) -> None:
    about = {
        "Name": study.title,
        "BIDSVersion": VERSION,
        "DatasetType": "raw",
        "GeneratedBy": [{"Name": "crossover export bids", "Description": f"study {study.study}, scale {study.scale}"}],
    }
    write_ordered(out / "dataset_description.json", about)
    (out / "README").write_text(
        f"{study.title}\n\n{study.data.strip()}\n\nPatients have pseudonyms. {DERIVATIVE} has the manual masks. "
        "The column `part` of participants.tsv says who is trained on and who is tested on.\n"
    )
    _participants(cases, names).to_csv(out / "participants.tsv", sep="\t", index=False, na_rep="n/a")
    write_ordered(
        out / "participants.json",
        {
            "cohort": {"Description": "cohort of the study", "Levels": {n: c.label for n, c in study.cohorts.items()}},
            "part": {
                "Description": "what the study has the patient for",
                "Levels": {"train": "training", "test": "test"},
            },
            "age": {"Description": f"age, of whoever is older than {OLDEST} as {OLDEST}", "Units": "year"},
            "sex": {"Description": "sex", "Levels": {"M": "male", "F": "female", "O": "other"}},
        },
    )


def _participants(cases: Sequence[StudyCase], names: Mapping[StudyCase, str]) -> pd.DataFrame:
    rows: dict[str, dict] = {}
    for case in cases:
        facts = read_json_or_none(case.folder / "case.json") or {}
        age = facts.get("age_years")
        rows.setdefault(case.patient, {
            "participant_id": names[case].split("_")[0], "cohort": case.cohort,
            "part": "test" if case.test else "train", "age": None if age is None else f"{min(float(age), OLDEST):g}",
            "sex": facts.get("sex"),
        })  # fmt: skip
    return pd.DataFrame([*rows.values()])


def _write_derivative(study: Study, joined: LabelValues | None, out: Path) -> None:
    about = {
        "Name": f"{study.title}: manual masks",
        "BIDSVersion": VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "manual segmentation"}],
    }
    write_ordered(out / "dataset_description.json", about)
    (out / "README").write_text(f"Manual masks of: {', '.join(s.label for s in study.structures.values())}.\n")
    if joined:
        rows = sorted((own[0], name) for name, own in joined.values.items())
        table = pd.DataFrame([(0, "background"), *rows], columns=["index", "name"])
        table.to_csv(out / "desc-manual_dseg.tsv", sep="\t", index=False)

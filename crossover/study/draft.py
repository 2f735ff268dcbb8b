"""A study's file from what folders of images hold: what `crossover new` writes."""

from __future__ import annotations

import json
import os
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from crossover.core.paired_names import SIDES
from crossover.sources.findings import ONE_CASE
from crossover.sources.inspection.inventory import (
    NO_FILE,
    SEVERAL,
    ChannelKind,
    Inventory,
    in_doubt,
    outlines_text,
)
from crossover.sources.unlike import SCALE
from crossover.study.draft_names import (
    CT_CHANNEL,
    ChosenNames,
    DraftError,
    FoundCohort,
    as_called,
    matched_channels,
    matched_structures,
    merged,
    names_told,
    same_names,
)
from crossover.study.suggested import grid, source_test, test_and_sizes

PIXELS = {"paper": 384, "demo": 96, "smoke": 64}
"""The most pixels a side of a slice, by scale."""


LEFT_OUT = 10
"""The number of cases left out of each cohort that are named."""
SMOKE_TESTED = 2
"""The patients of a cohort who are tested on at the scale smoke: enough to see that everything runs."""


@dataclass(frozen=True)
class StartingModel:
    """A network that the study begins with, instead of patients of a source."""

    label: str
    network: dict[str, Any]
    """The network as a study has it: architecture, settings and initial weights."""
    frozen: str
    """The level from which its decoder is trained, the encoder frozen."""
    structures: tuple[str, ...] = ()
    """What it segments, in the order of its outputs, as far as that is known."""


@dataclass(frozen=True)
class Draft:
    """A study's file and what was assumed in it."""

    text: str
    data: Path
    """The folder of the data, below which the cohorts' folders are."""
    notes: list[str]
    patients: dict[str, int]
    """Cohort -> the patients whose files are all there, as they were found."""


def draft(
    name: str,
    cohorts: Mapping[str, FoundCohort],
    channels: Sequence[str] = (),
    structures: Sequence[str] = (),
    model: StartingModel | None = None,
) -> Draft:
    """Draft a study of one target, and a source where there is one: patients, or a model.

    Args:
        name: of the study.
        cohorts: "target", and "source" where the study has one -> what was found there.
        channels: names in the inventories, as `NAME` or `NAME=FOUND`; by default the target's likeliest.
        structures: names in the inventories, as `NAME`, `NAME=FOUND` or `NAME=FOUND+FOUND`; by default those
        that the model segments, if the target has them by these names, or that most patients of each cohort have.
        model: the network that the study begins with, instead of a source's patients.

    Raises:
        DraftError: a name isn't there, both cohorts have nothing in common, or there are too few patients.
    """
    there = {kind.name for kind in cohorts["target"].found.structures}
    if model and not structures and there.issuperset(model.structures):
        structures = model.structures
    dicom = [kind for given in cohorts.values() if given.found.dicom for kind in given.found.channels]
    cohorts = {
        c: replace(given, found=merged(as_called(given.found, channels), structures, channels, dicom))
        for c, given in cohorts.items()
    }
    target = cohorts["target"].found
    images = matched_channels(cohorts, channels)
    drawn = matched_structures(cohorts, structures)
    outlined = _outlined(cohorts, drawn)
    if outlined:
        cohorts = {c: replace(given, found=given.found.without_ends(drawn.of(c))) for c, given in cohorts.items()}
        target = cohorts["target"].found
    taken = {c: _taken(given.found, [*images.of(c), *drawn.of(c)]) for c, given in cohorts.items()}
    data = Path(os.path.commonpath([_folder(given.path) for given in cohorts.values()]))
    try:
        test, sizes = test_and_sizes(taken["target"])
    except ValueError as error:
        raise DraftError(f"{error}; {_why(target, [*images.of('target'), *drawn.of('target')])}") from None
    if not all(taken.values()):
        raise DraftError(_nobody(cohorts["source"], [*images.of("source"), *drawn.of("source")]))
    tests = {"target": test} | ({"source": source_test(taken["source"])} if "source" in cohorts else {})
    values = _values(name, cohorts, (images, drawn), data, (tests, sizes), model)
    notes = [*_assumptions(cohorts, tests, sizes, images, drawn, structures), *same_names(cohorts, name)]
    notes += [_prepared(values), *outlined, *_of_images(cohorts, images)]
    if model and "file" in model.network["initial"]:
        notes.append(f"images are prepared by this study's `preparation`: set it as {model.label} was trained with")
    whole = {c: _with_files(given.found, [*images.of(c), *drawn.of(c)]) for c, given in cohorts.items()}
    return Draft(_text(values), data, notes, whole)


def _values(
    name: str,
    cohorts: dict[str, FoundCohort],
    chosen: tuple[ChosenNames, ChosenNames],
    data: Path,
    divided: tuple[Mapping[str, int], Sequence[int]],
    model: StartingModel | None,
) -> dict[str, Any]:
    """Return what the study's file says.

    Args:
        chosen: channels and structures.
        divided: test patients of each cohort, and the sizes.
    """
    (images, drawn), (tests, sizes) = chosen, divided
    kinds = [cohorts["target"].channel(own["target"]) for own in images.names.values()]
    values: dict[str, Any] = {
        "extends": "ct" if _is_ct(kinds, images) else "mr",
        "study": name,
        "title": ", ".join(map(_label, drawn.names)).capitalize()
        + f": {' to '.join(cohorts[c].label for c in cohorts)}",
        "question": _question(cohorts, model),
        "data": _data_told([cohorts[c].label for c in reversed(cohorts)]),
        "cohorts": {f"{name}_{c}": _cohort(c, g, data, images, drawn, tests[c]) for c, g in cohorts.items()},
        "channels": [*images.names],
        **({"blank_ends": "cut"} if _outlined(cohorts, drawn) else {}),
        **_series(cohorts, images),
        "structures": {
            n: {"label": label} | _called(own, cohorts)
            for (n, own), label in zip(drawn.names.items(), _labels(drawn.names), strict=True)
        },
        **_design(name, kinds, sizes, cohorts["source"].label if "source" in cohorts else "", model),
    }
    if _is_ct(kinds, images) and kinds[0].values and not kinds[0].hu:
        window = {"method": "window", "window": [float(f"{v:.4g}") for v in kinds[0].values]}
        values["preparation"]["slices"]["normalisation"] = window
    values["scales"]["smoke"]["cohorts"] = {f"{name}_{c}": {"test": min(SMOKE_TESTED, n)} for c, n in tests.items()}
    values["figures"] |= {"overlays": values["figures"]["overlays"] | {"channels": values["channels"][:1]}}
    return values


def _data_told(labels: Sequence[str]) -> str:
    return f"The cases are patients of {'two cohorts, ' if len(labels) > 1 else ''}{' and '.join(labels)}."


def _is_ct(kinds: Sequence[ChannelKind], images: ChosenNames) -> bool:
    return [*images.names] == [CT_CHANNEL] and kinds[0].modality == "CT"


def _prepared(values: Mapping[str, Any]) -> str:
    """Return how the values of images are normalised."""
    if values["extends"] == "mr":
        return "values: each case is brought to mean 0 and SD 1 (the base mr)"
    own = values["preparation"]["slices"].get("normalisation")
    if own is None:
        return "values: CT in HU, cut to a window (the base ct)"
    low, high = own["window"]
    return (
        f"check: the values are CT's, but not in HU: the window is {low:g} to {high:g}, the usual lowest and highest "
        "value of the target (preparation.slices.normalisation)"
    )


def _of_images(cohorts: Mapping[str, FoundCohort], images: ChosenNames) -> list[str]:
    """Return what is unsure of the images that were chosen, and what is odd in each folder."""
    notes = []
    for called, own in images.names.items():
        kinds = {c: cohorts[c].channel(name) for c, name in own.items()}
        notes += [f"check: {cohorts[c].label}: {in_doubt(kind)}" for c, kind in kinds.items() if kind.doubt]
        if len({kind.modality for kind in kinds.values()}) > 1:
            which = ", ".join(f"{kind.modality} of {cohorts[c].label}" for c, kind in kinds.items())
            notes.append(f"check: channel {called} is taken for {which}")
        if _of_other_scale([*kinds.values()]):
            ranges = "; ".join(
                f"{kind.values[0]:.4g} to {kind.values[1]:.4g} in {cohorts[c].label}"
                for c, kind in kinds.items()
                if kind.values
            )
            notes.append(f"check: the values of channel {called} differ in unit or scale: {ranges}; bring them to one")
    of_line: dict[str, list[str]] = {}
    for given in cohorts.values():
        told = {*(in_doubt(kind) for kind in given.found.channels if kind.doubt), *given.found.outlines()}
        for what in given.found.odd:
            if what not in told:
                of_line.setdefault(what, []).append(given.label)
    return notes + [f"check: {' and '.join(labels)}: {what}" for what, labels in of_line.items()]


def _outlined(cohorts: Mapping[str, FoundCohort], drawn: ChosenNames) -> list[str]:
    """Say of each cohort whose images show the outlines of the study's structures that their blank ends are cut off."""
    shown = {c: given.found.outlined(drawn.of(c)) for c, given in cohorts.items()}
    return [
        f"{cohorts[c].label}: {outlines_text(found, cohorts[c].found)}; the study's file has `blank_ends: cut`, which "
        "cuts off the slices at both ends of a volume of which most is blank (docs/own-data.md)"
        for c, found in shown.items()
        if found
    ]


def _of_other_scale(kinds: Sequence[ChannelKind]) -> bool:
    """Return whether the values of cohorts can't be of one unit: HU and others, or far from each other in size."""
    sizes = [max(map(abs, kind.values)) for kind in kinds if kind.values]
    ct = [kind for kind in kinds if kind.modality == "CT"]
    apart = max(sizes, default=0.0) >= SCALE * min(sizes, default=0.0) > 0
    return apart or len({kind.hu for kind in ct}) > 1


def _series(cohorts: Mapping[str, FoundCohort], images: ChosenNames) -> dict[str, Any]:
    """Return the rules of channels, which all cohorts of DICOM share."""
    first = next((c for c, given in cohorts.items() if given.found.dicom), None)
    if first is None:
        return {}
    return {"series": {n: cohorts[first].channel(own[first]).rule for n, own in images.names.items()}}


def _design(
    name: str, kinds: Sequence[ChannelKind], sizes: Sequence[int], source: str, model: StartingModel | None
) -> dict[str, Any]:
    """Return how images are prepared, what is trained, and what the smaller scales change of it."""
    preparation, scales = _grids(kinds)
    scales["smoke"] |= {"sizes": sizes[-2:], "splits": {"replicates": {"draws": 1}}}
    if model:  # the base has other networks at the smaller scales
        scales = {scale: own | {"network": {"settings": model.network["settings"]}} for scale, own in scales.items()}
    strategies = _of_model(name, model) if model else _strategies(name, source)
    return {
        "preparation": preparation,
        "sizes": sizes,
        **({"network": model.network} if model else {}),
        "strategies": strategies,
        "figures": _figures(strategies, sizes),
        "scales": scales,
    }


def _folder(path: Path) -> Path:
    return path.resolve() if path.is_dir() else path.resolve().parent


def _taken(found: Inventory, names: Sequence[str]) -> int:
    return len(found.patients_with(names))


def _with_files(found: Inventory, names: Sequence[str]) -> int:
    whys = {case: [lacks[name] for name in names if name in lacks] for case, lacks in found.cases.items()}
    return found.count_patients(c for c, own in whys.items() if not any(w == NO_FILE or SEVERAL in w for w in own))


def _why(found: Inventory, names: Sequence[str]) -> str:
    left = found.left_out(names)
    lines = [f"{found.taken(names)} would be taken", *found.about_left_out(left, LEFT_OUT), *found.spellings()]
    if not found.dicom and any(NO_FILE in reason for reason in left.values()):
        lines += [f"{what}: {_counted(found, what)}" for what in ("channels", "structures")]
        lines.append(
            "if patients' files have different names: --channels NAME=FOUND+FOUND and --structures NAME=FOUND+FOUND "
            "select, for each patient, whichever of the files exists"
        )
    return "\n".join(lines)


def _nobody(given: FoundCohort, names: Sequence[str]) -> str:
    return f"{given.path}: no patient has all of {', '.join(names)}; {_why(given.found, names)}"


def _counted(found: Inventory, what: str) -> str:
    """Return the names of channels or structures, each with the number of cases that have a file of it."""
    return ", ".join(f"{kind.name} ({len(found.with_file(kind.name))})" for kind in found.kinds(what))


def _question(cohorts: Mapping[str, FoundCohort], model: StartingModel | None) -> str:
    ours = cohorts["target"].label
    if model:
        return (
            f"With n labelled patients of {ours}, what is the best way to train, and does it help to begin with "
            f"{model.label}?"
        )
    if "source" not in cohorts:
        return f"With n labelled patients of {ours}, which score does a network reach if it is trained from scratch?"
    theirs = cohorts["source"].label
    return (
        f"With n labelled patients of {ours}, what is the best way to train, and do {theirs}'s patients, or a network "
        "trained on them, help?"
    )


def _cohort(
    cohort: str, given: FoundCohort, data: Path, channels: ChosenNames, structures: ChosenNames, test: int
) -> dict[str, Any]:
    found, folder = given.found, os.path.relpath(given.path.resolve(), data)
    usual = (("table", "patients.csv"), ("patient", "patient"))
    source = {key: value for key, value in found.source.items() if (key, value) not in usual}
    source |= {"folder": folder} if folder != "." else {}
    if found.dicom:
        maps = {n: given.structure(own[cohort]).rule for n, own in structures.names.items()}
        if maps := {n: rule for n, rule in maps.items() if "file" in rule}:
            source["label_maps"] = maps
    else:
        source["channels"] = {n: given.channel(own[cohort]).rule for n, own in channels.names.items()}
        source["structures"] = {n: given.structure(own[cohort]).rule for n, own in structures.names.items()}
    names = [*channels.of(cohort), *structures.of(cohort)]
    if found.dicom or found.left_out(names):  # of volumes all voxels were read, of DICOM the headers only
        source["allow"] = [ONE_CASE]
    return {"label": given.label, "role": cohort, "source": source, "test": test}


def _called(own: Mapping[str, str], cohorts: Mapping[str, FoundCohort]) -> dict[str, Any]:
    rules = [g.structure(own[c]).rule for c, g in cohorts.items() if g.found.dicom]
    names = list(dict.fromkeys(n for rule in rules for n in rule.get("names", [])))
    return {"names": names} if names else {}


def _labels(names: Iterable[str]) -> list[str]:
    """Return the labels of structures: their names where two would have the same one, as `lung_l` and `l_lung`."""
    labels = {name: _label(name) for name in names}
    return [label if [*labels.values()].count(label) == 1 else name for name, label in labels.items()]


def _label(name: str) -> str:
    """Return a structure's name for people: "parotid_l" is "Left parotid"."""
    words = name.split("_")
    sides = [SIDES[word] for word in words if word in SIDES]
    return " ".join([*sides, *(word for word in words if word not in SIDES)]).capitalize()


def _grids(kinds: Sequence[ChannelKind]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the preparation, and what the smaller scales change of it."""
    extent, pixel = max(k.extent_mm for k in kinds), min(k.finest_mm for k in kinds)
    of = {}
    for scale, most in PIXELS.items():
        pixels, spacing = grid(extent, pixel, most)
        of[scale] = {"slices": {"size": [pixels, pixels], "spacing_mm": spacing}}
    return of["paper"], {scale: {"preparation": of[scale]} for scale in ("demo", "smoke")}


def _strategies(name: str, source: str) -> dict[str, Any]:
    """Return the strategies of a study with a source, by its label, or with none ("")."""
    ours, theirs = f"{name}_target", f"{name}_source"
    scratch = {"label": "From scratch", "chain": [{"train": {ours: "n"}}]}
    if not source:
        return {"scratch": scratch}
    pretrained = {"train": {theirs: "all"}}
    return {
        "source": {"label": f"Network of {source}", "chain": [pretrained]},
        "scratch": scratch,
        "transfer": {"label": "Fine-tuned", "chain": [pretrained, {"train": {ours: "n"}}]},
        "tuned": {
            "label": "Decoder tuned",
            "chain": [pretrained, {"train": {ours: "n"}, "levels": ["decoder"]}],
        },
        "aggregated": {"label": "Both together", "chain": [{"train": {theirs: "all", ours: "n"}}]},
    }


def _of_model(name: str, model: StartingModel) -> dict[str, Any]:
    on_target = {"train": {f"{name}_target": "n"}}
    begun = on_target | {"initial": model.network["initial"]["weights"]}
    return {
        "scratch": {"label": "From scratch", "chain": [on_target | {"initial": "random"}]},
        "transfer": {"label": "Fine-tuned", "chain": [begun]},
        "tuned": {"label": "Decoder tuned", "chain": [begun | {"levels": [model.frozen]}]},
    }


def _figures(strategies: Mapping[str, Any], sizes: Sequence[int]) -> dict[str, Any]:
    shown = [name for name in ("source", "scratch", "transfer") if name in strategies]
    return {"order": [*strategies], "overlays": {"strategies": shown, "sizes": [sizes[-1]]}}


def _assumptions(
    cohorts: Mapping[str, FoundCohort], tests: Mapping[str, int], sizes: Sequence[int], channels: ChosenNames,
    structures: ChosenNames, asked: Sequence[str],
) -> list[str]:  # fmt: skip
    """Return what was assumed, a sentence each."""
    asked_of = {c: [*channels.of(c), *structures.of(c)] for c in cohorts}
    notes = [
        f"{c}: {g.label}, {g.found.form}; {g.found.taken(own)} {'has' if len(g.found.cases) == 1 else 'have'} all that "
        f"the study asks for; {tests[c]} of these patients {'is' if tests[c] == 1 else 'are'} tested on"
        for (c, own), g in zip(asked_of.items(), cohorts.values())
    ]
    notes += [
        f"{g.label}: {line}"
        for (c, own), g in zip(asked_of.items(), cohorts.values())
        for line in g.found.about_left_out(g.found.left_out(own), LEFT_OUT)
    ]
    notes.append(
        f"labels: {' and '.join(g.label for g in cohorts.values())}, as the folders or groups are called; the report "
        "prints them. To change them before a run: label, title, question and data in the study's file"
    )
    notes.append(f"channels: {', '.join(channels.names)}; structures: {', '.join(structures.names)}")
    notes += names_told(cohorts, channels, structures, asked)
    notes.append(f"sizes: {', '.join(map(str, sizes))} labelled patients of the target, drawn three times")
    return notes


BLOCKS = {"cohorts", "structures", "strategies", "scales"}
"""The sections with a line or more for each of their keys."""
WIDTH = 118


def _text(values: Mapping[str, Any]) -> str:
    """Return the values as YAML: what fits on a line is on one."""
    lines = ["# yaml-language-server: $schema=../schema.json"]
    for key, value in values.items():
        lines += [""] * (key in BLOCKS or key == "channels") + _lines(key, value, "", key not in BLOCKS)
    return "\n".join(lines) + "\n"


def _lines(key: str, value: Any, indent: str, may_flow: bool = True) -> list[str]:
    flow = yaml.safe_dump([_plain(value)], default_flow_style=True, sort_keys=False, width=10_000, allow_unicode=True)
    line = f"{indent}{key}: {flow.strip()[1:-1]}"
    if not isinstance(value, dict) or (may_flow and len(line) <= WIDTH):
        if not isinstance(value, (str, list)):
            return [line]
        whole = textwrap.TextWrapper(
            WIDTH, subsequent_indent=indent + "  ", break_on_hyphens=False, break_long_words=False
        )
        return whole.wrap(line)  # YAML reads a new line as a blank, which no word may get
    flow_below = key != "scales"  # `check` names lines to write below a scale
    return [f"{indent}{key}:", *(line for k, v in value.items() for line in _lines(k, v, indent + "  ", flow_below))]


def _plain(value: Any) -> Any:
    """Return a copy in which nothing stands twice, so that YAML writes no anchors."""
    return json.loads(json.dumps(value))

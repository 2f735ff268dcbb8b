"""What each rule reads of a study: the one place where a change in the configuration meets the rules.

Each function returns plain values; as one canonical JSON text they are the rule's parameter, and the
rule's script gets nothing else of the configuration.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict

from crossover.study import backends
from crossover.study.initial_weights import PLACE, at_hand, of_file
from crossover.study.plan import Batch, Model, plan
from crossover.study.schema import Study
from crossover.study.sections import Network


def receive(study: Study, cohort: str) -> dict:
    return {"source": study.cohorts[cohort].source.model_dump(mode="json")}


def cases(study: Study, cohort: str) -> dict:
    return {
        "source": study.cohorts[cohort].source.model_dump(mode="json"),
        "series": {n: r.model_dump(mode="json") for n, r in study.series.items()},
        "structures": {
            # a structure is found by its names; what people call it changes nothing
            n: {"label": n, "names": s.model_dump(mode="json")["names"]}
            for n, s in study.structures.items()
        },
        "other_grids": study.other_grids,
        "blank_ends": study.blank_ends,
    }


def bias_field(study: Study) -> dict:
    return study.preparation.bias_field.model_dump(mode="json")


def bias_field_part(study: Study, part: int) -> dict:
    return {"bias_field": bias_field(study), "part": [part, study.execution.bias_field_jobs]}


def slices(study: Study) -> dict:
    return {
        "slices": study.preparation.slices.model_dump(mode="json"),
        "channels": study.channels,
        "structures": sorted(study.structures),
    }


def splits(study: Study) -> dict:
    return {
        "settings": study.splits.model_dump(mode="json", exclude={"k_fold": {"of"}}),
        "tests": {name: cohort.test for name, cohort in study.cohorts.items()},
    }


def split_checks(study: Study) -> dict:
    """Return what the split is checked with: `needed`, and the structures. The split does not follow from it."""
    return {"needed": needed(study), "structures": sorted(study.structures)}


def needed(study: Study) -> dict[str, int]:
    """Return cohort -> fewest training patients that the study can do with; 0 where nothing is trained on a cohort."""
    k = study.splits.k_fold.k
    least = k if study.folded else 2
    trained = {c for strategy in study.strategies.values() for step in strategy.chain for c in step.train}
    trained.update(study.selection.train if study.selection else ())
    needed = {cohort: least if cohort in trained else 0 for cohort in study.cohorts}
    for strategy in study.strategies.values():
        for cohort in (c for step in strategy.chain for c, size in step.train.items() if size == "n"):
            needed[cohort] = max(study.sizes[-1], least)
    for model in plan(study).models.values():
        if (left_out := model.fold_cohort) is not None:
            needed[left_out] = max(needed[left_out], k + 1, 4)
    return needed


def train(study: Study, batch: Batch) -> dict:
    cell, network = batch.stages[0].cell, network_of(study, batch)
    own = network.cell(*cell) if cell else network
    settings = backends.backend_of(network).training(study, own)
    return {
        "settings": settings.model_dump(mode="json", exclude={"network": {"initial"}}),
        "stages": [asdict(stage) for stage in batch.stages],
        "initial": {
            name: {key: value for key, value in about.items() if key not in PLACE}
            for name, about in _initial(study, batch).items()
        },
        "prepared": prepared(study, own),
    }


def train_checks(study: Study, batch: Batch) -> dict:
    """Return where the initial weights of a job are, or were looked for: it reads them there, and its records tell."""
    found = _initial(study, batch).items()
    return {"places": {name: {key: about[key] for key in PLACE if key in about} for name, about in found}}


def prepared(study: Study, network: Network) -> dict:
    """Return how a study's images get to a network and masks from it, without which its weights mean nothing."""
    settings = backends.backend_of(network).prediction(study, network).model_dump(mode="json")
    own = {key: value for key, value in settings.items() if key not in ("network", "structures")}
    own.get("slices", {}).pop("smallest_mask_px", None)  # of the masks to compare with
    bias = study.preparation.bias_field
    return {"bias_field": {"method": "none"} if bias.method == "none" else bias_field(study), **own}


def network_of(study: Study, planned: Batch | Sequence[Model]) -> Network:
    """Return the one network of a job's stages, or of its models."""
    if isinstance(planned, Batch):
        return study.network_of(planned.stages[0].network)
    return study.network_of(study.strategies[planned[0].strategy].network)


def _initial(study: Study, batch: Batch) -> dict:
    """Return the initial weights that a job reads.

    They are encoder -> the ImageNet weights at hand, where a stage begins with such, and "model" -> the
    study's file, where one begins with that.
    """
    kinds = {stage.initial for stage in batch.stages}
    found = {"model": of_file(network_of(study, batch).initial)} if "model" in kinds else {}
    if "imagenet" in kinds:
        cell = batch.stages[0].cell
        encoders = [cell[1]] if cell else study.encoders  # any of which may be selected
        found |= {encoder: at_hand(study.network.initial, encoder) for encoder in encoders}
    return found


def selection(study: Study) -> dict:
    assert study.selection
    return {"cells": study.selection.cells, "folds": study.splits.k_fold.k}


def predict(study: Study, models: Sequence[Model]) -> dict:
    network = network_of(study, models)
    settings = backends.backend_of(network).prediction(study, network)
    return {
        "settings": settings.model_dump(mode="json"),
        "models": [asdict(model) for model in models],
    }


def scoring(study: Study) -> dict:
    """Return the settings by which masks are scored, whoever predicted them."""
    return {
        "nsd_tolerance_mm": {s: study.evaluation.tolerance(s) for s in sorted(study.structures)},
        "smallest_mask_px": study.preparation.slices.smallest_mask_px,
    }


def evaluate(study: Study, models: list[Model]) -> dict:
    return {
        **scoring(study),
        "models": [asdict(model) for model in models],
        "draws": {model.name: study.splits.replicates.draw(model.replicate) for model in models},
    }


def radiomics(study: Study, models: list[Model] | None) -> dict:
    """Return what radiomics reads: of models, those that are tested on test cases; None stands for the manual masks."""
    assert study.radiomics
    return {
        "settings": study.radiomics.model_dump(mode="json", exclude={"icc"}),
        "structures": sorted(study.structures),
        "models": None if models is None else [asdict(model) for model in models if model.fold_cohort is None],
    }


COHORT = ("label", "role", "attributes")
NETWORK = ("per_structure", "initial")
DESIGN, LABELS = "design", "labels"


def analysis(study: Study, read: Iterable[str]) -> dict:
    """Return what an analysis reads of a study, from which `Study.of` makes a study.

    Args:
        study: the whole study.
        read: sections or `section.key`; "design" for the parts that say what was compared with what; "labels"
        for names for people, without which structures, strategies and attributes are called by their keys,
        and for the order in which structures are shown.
    """
    read = list(dict.fromkeys(read))
    values = design(study) if DESIGN in read else {}
    for place in [name for name in read if name not in (DESIGN, LABELS)]:
        section, _, key = place.partition(".")
        dumped = study.model_dump(mode="json", include={section})[section]
        if key:
            values[section] = {**values.get(section, {}), key: dumped[key]}
        else:
            values[section] = dumped
    if LABELS in read:
        shown = {"structures": study.figures.structures}
        values["figures"] = values.get("figures", {}) | shown
    for section in {"structures", "strategies"} & set(values) if LABELS not in read else ():
        for name, value in values[section].items():
            value["label"] = name
    if "attributes" in values and LABELS not in read:
        values["attributes"] = [{"name": a.name, "label": a.name} for a in study.attributes]
    return values


def design(study: Study) -> dict:
    """Return the parts of a study that say what was compared with what."""
    names = ("study", "attributes", "structures", "sizes", "strategies", "selection")
    values = study.model_dump(mode="json", include={*names})
    values["cohorts"] = {
        name: cohort.model_dump(mode="json", include={*COHORT}) for name, cohort in study.cohorts.items()
    }
    values["network"] = study.network.model_dump(mode="json", include={*NETWORK})
    if study.other_networks:
        others = {name: each.model_dump(mode="json", include={*NETWORK}) for name, each in study.other_networks.items()}
        values["other_networks"] = others
    values["splits"] = study.splits.model_dump(mode="json", exclude={"seed"})
    values["figures"] = {"order": study.figures.order}
    return values


DESCRIPTIVE = ("title", "question", "paper", "data", "assumptions", "execution", "published")
"""The sections that describe a study, or say how its work is laid out: no result depends on them."""


def result_settings(study: Study) -> dict:
    """Return the settings that a study's results were made with, scale merged: what DVC shows as parameters."""
    unread = {name: {"slices_per_patient"} for name in study.cohorts}
    exclude = dict.fromkeys(DESCRIPTIVE, True) | {"cohorts": unread}
    return study.model_dump(mode="json", exclude=exclude)


def report(study: Study) -> dict:
    """Return what the report reads: everything but how the work is laid out on a machine."""
    unread = {name: {"slices_per_patient"} for name in study.cohorts}
    return study.model_dump(mode="json", exclude={"execution": True, "cohorts": unread})

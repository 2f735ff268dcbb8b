"""A model that a new study begins with: ImageNet's encoder, or the weights that a study trained."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from crossover import networks
from crossover.core.file_names import one_form
from crossover.core.files import read_json_or_none
from crossover.core.incremental import RECORD
from crossover.sources.pseudonyms import VARIABLE, pseudonym, secret, secret_file
from crossover.study.draft import StartingModel
from crossover.study.initial_weights import PARAMS
from crossover.study.splits import read_splits

IMAGENET = "imagenet"
ENCODER = "timm-tf_efficientnet_lite0"
"""Its ImageNet weights come with the packages of the lock."""
WEIGHTS = "weights.safetensors"


def model_of(source: str) -> StartingModel | None:
    """Return the model that a source names; None where it names patients.

    Raises:
        ValueError: a file of weights without the record of its training beside it, which tells its network.
    """
    if source == IMAGENET:
        settings = {"encoder": ENCODER}
        initial = {"weights": "imagenet", "otherwise": "stop"}
        network = {"architecture": "unet", "engine": "torch", "settings": settings, "initial": initial}
        return StartingModel(f"ImageNet's {ENCODER}", network, "decoder")
    path = Path(source)
    file = path / WEIGHTS if path.is_dir() else path
    if not source or not file.is_file() or file.suffix != ".safetensors":
        return None
    record = read_json_or_none(file.parent / RECORD) or {}
    known = record.get("network")
    if not known:
        raise ValueError(
            f"{file}: the record of its training ({RECORD}), which describes its network, is not next to it: copy the "
            "whole folder of the stage. Name the weights of another program in the study's file (network.initial.file, "
            "with the network.architecture and network.settings with which they were made)"
        )
    if known.get("backend"):
        raise ValueError(
            f"{file}: this is a model of the backend {known['backend']}: name it in the study's file "
            f"(network.backend, network.initial.file, docs/{known['backend']}.md)"
        )
    initial = {"weights": "model", "file": os.path.relpath(file)}
    every = networks.declared(known["architecture"]).settings(**known["settings"]).model_dump()
    network = {"architecture": known["architecture"], "engine": known["engine"], "settings": every}
    levels = networks.declared(known["architecture"]).levels
    frozen = "decoder" if "decoder" in levels else next(iter(levels))
    params = read_json_or_none(file.parent.parent.parent / PARAMS) or {}
    apart = params.get("network", {}).get("per_structure")  # then it segments one of them
    structures = () if apart else tuple(params.get("structures", ()))
    return StartingModel(f"the model {file.parent.name}", network | {"initial": initial}, frozen, structures)


def trained_on(model: StartingModel, patients: Iterable[str]) -> list[str]:
    """Return those of some patients who are training patients of the study that trained a model.

    They are known by their names, or by their pseudonyms where this machine has the secret; nobody is where the study's
    `splits.csv` is not two folders above the model's.
    """
    results = Path(model.network["initial"].get("file", "")).parents[2:3]
    if not results or not (results[0] / "splits.csv").exists():
        return []
    splits = read_splits(results[0] / "splits.csv")
    trained = {*splits[splits.part == "train"].patient}
    cohorts = (read_json_or_none(results[0] / PARAMS) or {}).get("cohorts", {}).values()
    prefixes = {"", *(cohort["source"].get("prefix", "") for cohort in cohorts)}
    key = secret() if os.environ.get(VARIABLE) or secret_file().exists() else None
    return [
        patient
        for patient in patients
        for names in [{one_form(prefix + patient) for prefix in prefixes}]
        if trained & (names | ({pseudonym(name, key) for name in names} if key else set()))
    ]

"""Trains stages of two drawn cohorts by the backend nnunet, in a process of its own: nnU-Net reads its folders once.

    python -m tests.nnunet_trained FOLDER [--source-alone] [--killed-after ITERATION | --killed-in-validation]
    python -m tests.nnunet_trained FOLDER --begin-with CHECKPOINT

The second trains the source alone, in 3D, from a checkpoint.

Leaves FOLDER/stages/<stage> with weights, history and record, FOLDER/masks with a mask for each case and structure,
and FOLDER/told.json with what else the tests ask for.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk

from crossover.core import incremental
from crossover.core.files import file_digest, read_json, write_json
from crossover.imaging.volumes import write, write_case
from crossover.study.plan import Stage
from crossover.training import backends
from crossover.training.backends.nnunet.environment import environment
from crossover.training.job import Initials, Stages
from crossover.training.stage_files import Place

CASES = {"s": 3, "t": 3}
STRUCTURES = ("bright", "dark")
NETWORK = {
    "backend": "nnunet",
    "configuration": "2d",
    "overwrite_target_spacing": [4.0, 2.0, 2.0],
    "trainer": {"num_epochs": 3, "num_iterations_per_epoch": 2, "num_val_iterations_per_epoch": 1},
}
SETTINGS = {
    "network": NETWORK, "seed": 5, "retries": 0, "validation": 0.5, "channels": ["ct"], "channel_names": ["CT"],
}  # fmt: skip
SOURCE = Stage("source", (("s", None),), None, None, STRUCTURES, initial="random")
AGAIN = Stage("again", (("t", 2),), None, None, STRUCTURES, initial="random")
CHILD = Stage("child", (("t", 2),), "source", "decoder", STRUCTURES, recipe=(("learning_rate", 0.001), ("warmup", 0.5)))


def draw(cohort: str, number: int) -> tuple[sitk.Image, dict[str, sitk.Image]]:
    """An image (6, 32, 32) with a bright and a dark box, on a grid that is turned and shifted."""
    rng = np.random.default_rng([ord(cohort), number])
    image = rng.normal(0, 10, (6, 32, 32)).astype(np.float32)
    masks = {}
    for place, (name, value) in enumerate(zip(STRUCTURES, (150, -150), strict=True)):
        mask = np.zeros(image.shape, np.uint8)
        row, column = rng.integers(1, 7, 2) + [15 * place, 0]
        mask[1:5, row : row + 8, column : column + 8] = 1
        image[mask > 0] += value
        masks[name] = mask
    return on_grid(image), {name: on_grid(mask) for name, mask in masks.items()}


def on_grid(values: np.ndarray) -> sitk.Image:
    out = sitk.GetImageFromArray(values)
    out.SetSpacing((1.5, 1.5, 4.0))
    out.SetOrigin((-20.0, 30.0, 7.0))
    out.SetDirection((0.8, -0.6, 0.0, 0.6, 0.8, 0.0, 0.0, 0.0, 1.0))
    return out


def write_cases(folder: Path) -> tuple[dict[str, Path], pd.DataFrame]:
    """The manifests of the cohorts' cases, and their splits: the last case of each is for testing."""
    manifests, rows = {}, []
    for cohort, count in CASES.items():
        manifests[cohort] = folder / "cases" / cohort / "manifest.json"

        def make(name: str, out: Path, cohort: str = cohort) -> dict:
            image, masks = draw(cohort, int(name))
            write_case(out, {"ct": image}, masks)
            return {}

        incremental.update(manifests[cohort], {str(n): "drawn" for n in range(count)}, make)
        for n in range(count):
            part = "test" if n == count - 1 else "train"
            rows.append((cohort, f"{cohort}{n}", str(n), part, 0, n, False, 0))
    names = ["cohort", "patient", "case", "part", "replicate", "rank", "validation", "fold"]
    return manifests, pd.DataFrame(rows, columns=names)


def write_raw_alone(folder: Path) -> None:
    """A raw data set of one blank case."""
    for name in ("imagesTr/c_0000", "labelsTr/c"):
        (folder / name).parent.mkdir(parents=True)
        write(sitk.Image([8, 8, 4], sitk.sitkUInt8), folder / f"{name}.nii.gz")
    about = {"channel_names": {"0": "CT"}, "labels": {"background": 0}, "numTraining": 1, "file_ending": ".nii.gz"}
    write_json(folder / "dataset.json", about)


def of_nnunet() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("nnUNet")}


def making(made: Stages, stage: Stage, key: str, name: str, out: Path) -> dict:
    return made.make(stage, key, out)


def plainly_trained(folder: Path, root: Path) -> dict[str, bool]:
    """Train the source's data set by nnU-Net's own trainer, seeded alike: which weights come out as the stage's."""
    import random

    import torch
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
    from safetensors.torch import load_file

    class Seeded(nnUNetTrainer):
        def seed(self, epoch: int) -> None:
            seed = read_json(folder / "stages/source/record.json")["seed"]
            numbers = np.random.SeedSequence([seed, epoch]).generate_state(3)
            random.seed(int(numbers[0]))
            np.random.seed(int(numbers[1]))
            torch.manual_seed(int(numbers[2]))

        def on_epoch_start(self) -> None:
            super().on_epoch_start()
            self.seed(self.current_epoch + 1)

    (data,) = (root / "preprocessed").glob("*_source_*")
    plans, about = read_json(data / "nnUNetPlans.json"), read_json(data / "dataset.json")
    with environment(root, 1, 0):
        plain = Seeded(plans | {"continue_training": False}, "2d", 0, about, torch.device("cpu"))
        told = NETWORK["trainer"]
        plain.num_epochs, plain.num_iterations_per_epoch = told["num_epochs"], told["num_iterations_per_epoch"]
        plain.num_val_iterations_per_epoch = told["num_val_iterations_per_epoch"]
        plain.seed(0)
        plain.run_training()
    own = load_file(folder / "stages/source/weights.safetensors")
    return {name: torch.equal(value, own[name]) for name, value in plain.network.named_parameters()}


def main(folder: Path, killed_after: int | None, alone: bool, begins: Path | None) -> None:
    manifests, splits = write_cases(folder)

    def watch(stage: str, step: int, steps: int, loss: float, dsc: float) -> None:
        if killed_after == step:
            os._exit(9)

    settings, source, initial = SETTINGS, SOURCE, Initials({}, "")
    if begins:
        settings = SETTINGS | {"network": NETWORK | {"configuration": "3d_fullres"}}
        source = replace(SOURCE, initial="model", level="decoder")
        at_hand = {"model": {"weights": "model", "sha256": file_digest(begins)}}
        initial = Initials(at_hand, "", {"model": {"file": str(begins)}})
    given = backends.Job(
        settings, {}, manifests, {}, splits, 1,
        out=folder / "stages", cache=folder / "cache", initial=initial, watch=watch,
    )  # fmt: skip
    made = backends.part(given, "training").stages(given)
    if "--killed-in-validation" in sys.argv:
        made._validate = lambda *_: os._exit(9)
    before = of_nnunet()
    with environment(folder / "cache/nnunet", 1):
        from crossover.training.backends.nnunet import trainer

        trainer.CHECKPOINT_SECONDS = -1  # after each epoch
    stages = [source] if alone or killed_after else [SOURCE, AGAIN, CHILD]
    keys: dict[str, str] = {}
    for stage in stages:
        keys[stage.name] = made.key(stage, "code", keys)
        make = partial(making, made, stage, keys[stage.name])
        incremental.refresh(made.out, {stage.name: keys[stage.name]}, make, prune=False)
    if alone:
        return
    (folder / "plain.json").write_text(json.dumps(plainly_trained(folder, folder / "cache/nnunet")))
    kept = sorted(p.name for p in (folder / "cache/nnunet").glob("*/*"))
    for stage in stages:
        made.forget(stage.name)
    settings = {"network": NETWORK, "channels": ["ct"]}
    predicting = backends.Job(settings, {}, manifests, {}, splits, 1)
    predictor = backends.part(predicting, "prediction").predictor(predicting)
    cases = [Place("s", "2"), Place("t", "2")]
    (folder / "masks").mkdir(exist_ok=True)
    for case, masks in zip(cases, predictor.masks(made.out / "child", STRUCTURES, cases), strict=True):
        for name, mask in zip(STRUCTURES, masks, strict=True):
            write(mask, folder / "masks" / f"{case.cohort}_{case.case}_{name}.nii.gz")
    told = {
        "same_environment": of_nnunet() == before,
        "kept": kept,
        "left": sorted(p.name for p in (folder / "cache/nnunet").glob("*/*")),
    }
    (folder / "told.json").write_text(json.dumps(told))


if __name__ == "__main__":
    after = int(sys.argv[sys.argv.index("--killed-after") + 1]) if "--killed-after" in sys.argv else None
    begins = Path(sys.argv[3]) if "--begin-with" in sys.argv else None
    main(Path(sys.argv[1]), after, "--source-alone" in sys.argv or begins is not None, begins)

"""nnU-Net's planning and preprocessing of a stage's own cases, or with its parent's plans."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from crossover.core.files import read_json, write_json
from crossover.study.sections import Network
from crossover.training.backends.nnunet.dataset import DATASET, ENDING
from crossover.training.failure import TrainingFailed

PLANNERS = {
    "default": ("default_experiment_planner", "ExperimentPlanner", "nnUNetPlans"),
    "ResEncM": ("residual_unets.residual_encoder_unet_planners", "nnUNetPlannerResEncM", "nnUNetResEncUNetMPlans"),
    "ResEncL": ("residual_unets.residual_encoder_unet_planners", "nnUNetPlannerResEncL", "nnUNetResEncUNetLPlans"),
    "ResEncXL": ("residual_unets.residual_encoder_unet_planners", "nnUNetPlannerResEncXL", "nnUNetResEncUNetXLPlans"),
}
"""`network.plans` -> module, class and plans' name of nnU-Net's experiment planner."""
FINGERPRINT, SPLITS = "dataset_fingerprint.json", "splits_final.json"


def planned(root: Path, dataset: str, network: Network, threads: int, moved: dict | None) -> dict:
    """Plan a raw data set, or move plans to it; return the plans.

    Args:
        root: of nnU-Net's folders. dataset: its name, DatasetNNN_Name.
        moved: plans that were made for another data set: by nnU-Net's own rule for pretraining and fine-tuning they are
            taken as they are (`move_plans_between_datasets`).

    Raises:
        TrainingFailed: the plans have no such configuration.
    """
    raw, folder = root / "raw" / dataset, root / "preprocessed" / dataset
    folder.mkdir(parents=True, exist_ok=True)
    if moved is None:
        plans = _planned_anew(root, dataset, network, threads)
    else:
        plans = _moved(root, dataset, moved)
        shutil.copyfile(raw / DATASET, folder / DATASET)
        write_json(folder / FINGERPRINT, {"plans_of": moved["dataset_name"]})
    if network.configuration not in plans["configurations"]:
        raise TrainingFailed(
            f"nnU-Net's plans for these images have no configuration {network.configuration}; they have "
            f"{', '.join(plans['configurations'])}",
            "another network.configuration",
        )
    return plans


def _planned_anew(root: Path, dataset: str, network: Network, threads: int) -> dict:
    from nnunetv2.experiment_planning.dataset_fingerprint.fingerprint_extractor import DatasetFingerprintExtractor

    module, name, identifier = PLANNERS[network.plans]
    planner = getattr(importlib.import_module(f"nnunetv2.experiment_planning.experiment_planners.{module}"), name)
    extractor = DatasetFingerprintExtractor(dataset, threads)
    extractor.show_progress_bar = False
    extractor.run(overwrite_existing=True)
    given = {name: getattr(network, name) for name in ("gpu_memory_target_in_gb", "overwrite_target_spacing")}
    planner(dataset, **{name: value for name, value in given.items() if value is not None}).plan_experiment()
    return read_json(root / "preprocessed" / dataset / f"{identifier}.json")


def _moved(root: Path, dataset: str, plans: dict) -> dict:
    from nnunetv2.experiment_planning.plans_for_pretraining.move_plans_between_datasets import (
        move_plans_between_datasets,
    )

    name = plans["plans_name"]
    source = "Dataset000_" + dataset.partition("_")[2]  # their own name may be that of other plans, too
    before = root / "preprocessed" / source
    write_json(before / f"{name}.json", plans)
    move_plans_between_datasets(source, dataset, name)
    shutil.rmtree(before)
    return read_json(root / "preprocessed" / dataset / f"{name}.json")


def preprocess(root: Path, dataset: str, plans: dict, configuration: str, cases: Sequence[str]) -> Path:
    """Preprocess the cases of a raw data set that are not there yet, and return the folder.

    In this process, case after case: what nnU-Net's `DefaultPreprocessor.run` does in several.
    """
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    raw, base = root / "raw" / dataset, root / "preprocessed" / dataset
    manager = PlansManager(plans)
    settings = manager.get_configuration(configuration)
    out = base / settings.data_identifier
    out.mkdir(exist_ok=True)
    preprocessor, about = settings.preprocessor_class(verbose=False), read_json(raw / DATASET)
    for case in cases:
        if (out / f"{case}.pkl").exists():  # written last
            continue
        for old in (out / f"{case}.b2nd", out / f"{case}_seg.b2nd"):
            old.unlink(missing_ok=True)
        images = [str(raw / f"imagesTr/{case}_{i:04}{ENDING}") for i in range(len(about["channel_names"]))]
        label = str(raw / f"labelsTr/{case}{ENDING}")
        data, segmentation, properties = preprocessor.run_case(images, label, manager, settings, about)
        save(
            out / case,
            data.astype(np.float32, copy=False),
            segmentation.astype(np.int16, copy=False),
            properties,
            tuple(settings.patch_size),
        )
    return out


def save(path: Path, data: np.ndarray, segmentation: np.ndarray, properties: dict, patch: tuple[int, ...]) -> None:
    """Write a preprocessed case as `DefaultPreprocessor.run_case_save` does, but with chunks that hold a block.

    For an image of 113 to 127 rows and patches of 64, nnU-Net chooses chunks smaller than a block, which blosc2 refuses
    (https://github.com/MIC-DKFZ/nnUNet/issues/2901).

    Args:
        data, segmentation: (channels, slices, rows, columns).
    """
    from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2 as Saved

    parts = [Saved.comp_blosc2_params(array.shape, patch, array.itemsize) for array in (data, segmentation)]
    blocks, blocks_seg = (own for own, _ in parts)
    chunks, chunks_seg = (tuple(map(max, own, chunk)) for own, chunk in parts)
    Saved.save_case(data, segmentation, properties, str(path), chunks, blocks, chunks_seg, blocks_seg)


def write_split(root: Path, dataset: str, train: Sequence[str], validation: Sequence[str]) -> None:
    """Give nnU-Net the stage's own split, as its only fold (documentation/manual_data_splits.md)."""
    write_json(root / "preprocessed" / dataset / SPLITS, [{"train": list(train), "val": list(validation)}])

"""Masks by nnU-Net's own predictor: sliding window, Gaussian weights, mirroring, resampling of logits."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import SimpleITK as sitk

from crossover.core.files import read_json
from crossover.imaging.volumes import image_path, on_grid, read_grid
from crossover.study.sections import CasePrediction
from crossover.training.backends import Job
from crossover.training.backends.nnunet.dataset import DATASET, labels_of, link_images
from crossover.training.backends.nnunet.environment import device, environment
from crossover.training.stage_files import WEIGHTS, Cases, Place, record_of

PLANS = "plans.json"
READ = (WEIGHTS, PLANS, DATASET)
"""Files of a stage that its predictions follow from."""


def predictor(job: Job) -> NnunetPredictor:
    """Return what predicts with stages."""
    settings = CasePrediction.model_validate(job.settings)
    return NnunetPredictor(settings, Cases(job.cases, job.corrected), job.threads)


class NnunetPredictor:
    """See `crossover.training.prediction.Predictor`."""

    def __init__(self, settings: CasePrediction, cases: Cases, threads: int) -> None:
        self.settings, self._cases, self._threads = settings, cases, threads

    def begins(self, record: Mapping[str, Any]) -> Any:
        """See `Predictor`."""
        return [*(record["files"][name]["sha256"] for name in READ), record["inference"]]

    def digests(self, cases: pd.DataFrame) -> dict[str, list[str]]:
        """See `Predictor`."""
        return self._cases.digests(cases, self.settings.channels)

    def masks(self, stage: Path, structures: Sequence[str], cases: Sequence[Place]) -> Iterator[list[sitk.Image]]:
        """See `Predictor`."""
        inference = Inference(**record_of(stage.parent, stage.name)["inference"])
        with environment(None, self._threads):
            loaded = Loaded(stage, self.settings.network.configuration, inference, self._threads)
        for place in cases:
            with environment(None, self._threads):
                masks = loaded.masks(self._cases, place, self.settings.channels, structures)
            yield masks


class Inference(NamedTuple):
    """How nnU-Net predicts with the weights of one training, as its record has it."""

    mirroring_axes: Sequence[int] | None
    """Axes along which images are mirrored, too; None for none."""
    tile_step_size: float
    """Distance between windows, as a share of a window."""


class Loaded:
    """nnU-Net's predictor with a stage's weights; within its `environment`.

    Args:
        stage: a folder with the weights, the plans and the data set's description.
    """

    def __init__(self, stage: Path, configuration: str, inference: Inference, threads: int) -> None:
        import torch
        from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
        from nnunetv2.utilities.label_handling.label_handling import determine_num_input_channels
        from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

        from crossover.training.backends.nnunet.checkpoints import load_weights
        from crossover.training.backends.nnunet.windows import BatchPredictor

        torch.set_num_threads(threads)
        self._threads, self._dataset = threads, read_json(stage / DATASET)
        plans = PlansManager(read_json(stage / PLANS))
        settings = plans.get_configuration(configuration)
        channels = determine_num_input_channels(plans, settings, self._dataset)
        heads = plans.get_label_manager(self._dataset).num_segmentation_heads
        network = nnUNetTrainer.build_network_architecture(plans, settings, channels, heads, False)
        load_weights(network, stage / WEIGHTS)
        step, axes, where = inference.tile_step_size, inference.mirroring_axes, device()
        self._predictor = BatchPredictor(tile_step_size=step, device=where, allow_tqdm=False)
        network.to(where).eval()
        mirrored = None if axes is None else tuple(axes)  # none of `network.disable_tta`
        state = [network.state_dict()]
        self._predictor.manual_initialization(network, plans, settings, state, self._dataset, "nnUNetTrainer", mirrored)

    def masks(self, cases: Cases, place: Place, channels: Sequence[str], structures: Sequence[str]) -> list[sitk.Image]:
        """Return a mask (uint8) for each structure, on the case's own grid."""
        with tempfile.TemporaryDirectory(prefix="crossover-") as folder:
            segmentation = self._label_map(link_images(Path(folder), cases, place, channels))
        grid = read_grid(image_path(cases.folder(place), channels[0]))
        values = labels_of(self._dataset).values
        return [on_grid(np.isin(segmentation, values[s]).astype(np.uint8), grid) for s in structures]

    def _label_map(self, images: Sequence[Path]) -> np.ndarray:
        """Return (slices, rows, columns), the values of the data set's labels."""
        import torch
        from nnunetv2.inference.export_prediction import convert_predicted_logits_to_segmentation_with_correct_shape

        p = self._predictor
        preprocessor = p.configuration_manager.preprocessor_class(verbose=False)
        data, _, properties = preprocessor.run_case(
            list(map(str, images)), None, p.plans_manager, p.configuration_manager, self._dataset
        )
        logits = p.predict_logits_from_preprocessed_data(torch.from_numpy(data)).cpu()
        return convert_predicted_logits_to_segmentation_with_correct_shape(
            logits,
            p.plans_manager,
            p.configuration_manager,
            p.label_manager,
            properties,
            num_threads_torch=self._threads,
        )

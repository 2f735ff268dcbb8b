"""Whole volumes by a network of patches: windows that overlap, weighed by a Gaussian, by MONAI's own function."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from crossover.networks.torch.monai import sliding_window_inference
from crossover.study.sections import Patches
from crossover.training.engines import Engine


def probabilities(engine: Engine, images: np.ndarray, patches: Patches) -> np.ndarray:
    """Return the probabilities of a volume (slices, rows, columns, structures) float32.

    Args:
        images: (slices, rows, columns, channels) float32, no axis of which is shorter than a patch's.
    """

    def predict(windows: Tensor) -> Tensor:
        found = engine.predict(windows.movedim(1, -1).contiguous().numpy())
        return torch.from_numpy(found).movedim(-1, 1)

    given = torch.from_numpy(np.array(images)).movedim(-1, 0)[None]  # a copy: what is read of a file can't be written
    found = sliding_window_inference(given, patches.size, engine.at_once, predict, patches.overlap, "gaussian")
    assert isinstance(found, Tensor), "one input, one output"
    return found[0].movedim(0, -1).numpy()

"""nnU-Net's predictor, with the windows of several slices in one batch.

It is imported when nnU-Net's environment is set, see `environment`.
"""

from __future__ import annotations

import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor


class SlicesPredictor(nnUNetPredictor):
    """`nnUNetPredictor` whose 2D windows cover as many slices as the plan's batch has patches.

    nnU-Net predicts window by window. A batch of the size that the plan found memory for in training takes less time,
    and differs from it only in the last digits, since nnU-Net normalises each window by itself. 3D windows stay single.
    """

    def _internal_get_sliding_window_slicers(self, image_size: tuple[int, ...]) -> list[tuple]:
        """Return windows (channels, slices, rows, columns) in 2D, where nnU-Net's have a slice's index instead."""
        if len(self.configuration_manager.patch_size) == len(image_size):
            return super()._internal_get_sliding_window_slicers(image_size)
        size = self.configuration_manager.batch_size
        first = [w for w in super()._internal_get_sliding_window_slicers(image_size) if w[1] == 0]
        batches = [slice(start, start + size) for start in range(0, image_size[0], size)]
        return [(channels, batch, *plane) for batch in batches for channels, _, *plane in first]

    def _internal_maybe_mirror_and_predict(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits (1, labels, ...) of windows (1, channels, ...); in 2D, the third axis is that of the slices."""
        predict = super()._internal_maybe_mirror_and_predict
        if x.ndim == len(self.configuration_manager.patch_size) + 2:
            return predict(x)
        return predict(x[0].transpose(0, 1).contiguous()).transpose(0, 1)[None]

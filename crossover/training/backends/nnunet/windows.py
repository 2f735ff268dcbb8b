"""nnU-Net's predictor, with several windows in one batch.

It is imported when nnU-Net's environment is set, see `environment`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.inference.sliding_window_prediction import compute_gaussian


class BatchPredictor(nnUNetPredictor):
    """`nnUNetPredictor` that predicts as many windows at once as the plan's batch has patches.

    nnU-Net predicts window by window. A batch of the size that the plan found memory for in training takes less time,
    and differs from it only in the last digits, since nnU-Net normalises each window by itself. Without a GPU, PyTorch
    computes 3D convolutions of a single small window in a third of the speed.
    """

    @torch.inference_mode()
    def _internal_predict_sliding_window_return_logits(
        self, data: torch.Tensor, slicers: Sequence[tuple], do_on_device: bool = True
    ) -> torch.Tensor:
        """Return logits (labels, slices, rows, columns), of half precision as nnU-Net's.

        Args:
            data: (channels, slices, rows, columns).
            slicers: of each window; in 2D, the second is a slice's index.
            do_on_device: whether logits are summed on the device that predicts, or in the computer's memory.

        Raises:
            RuntimeError: a logit is too large for half precision.
        """
        place = self.device if do_on_device else torch.device("cpu")
        data = data.to(place)
        patch, size = tuple(self.configuration_manager.patch_size), self.configuration_manager.batch_size
        weight = compute_gaussian(patch, sigma_scale=1 / 8, value_scaling_factor=10, device=place)
        shape = (self.label_manager.num_segmentation_heads, *data.shape[1:])
        logits = torch.zeros(shape, dtype=torch.half, device=place)
        weights = torch.zeros(data.shape[1:], dtype=torch.half, device=place)
        for start in range(0, len(slicers), size):
            windows = slicers[start : start + size]
            batch = torch.stack([data[window] for window in windows]).to(self.device)
            found = self._internal_maybe_mirror_and_predict(batch).to(place) * weight
            for window, own in zip(windows, found, strict=True):
                logits[window] += own
                weights[window[1:]] += weight
        logits /= weights
        if torch.isinf(logits).any():
            raise RuntimeError("nnU-Net's logits are too large for numbers of half precision")
        return logits

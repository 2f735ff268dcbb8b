"""Keras layers that the library adds to Keras' own."""

from __future__ import annotations

import keras
from keras import ops


@keras.saving.register_keras_serializable("crossover")
class BatchNorm(keras.layers.BatchNormalization):
    """Batch normalisation whose behaviour when frozen is declared, not left to the Keras version.

    Args:
        frozen: what a frozen layer normalises with in a training step. "inference": its running
            statistics (Keras since 2.2; the frozen part is then a fixed function). "batch": the
            mini-batch's own statistics, without updating the running ones (Keras 2.1.4, which Lin
            2023 used).
    """

    def __init__(self, frozen: str = "inference", **kwargs) -> None:
        super().__init__(**kwargs)
        if frozen not in ("inference", "batch"):
            raise ValueError(
                f"frozen batch normalisation is 'inference' or 'batch', not {frozen!r}"
            )
        self.frozen = frozen

    def call(self, inputs, training=None, mask=None):
        if not (training and not self.trainable and self.frozen == "batch"):
            return super().call(inputs, training=training, mask=mask)
        mean, variance = ops.moments(inputs, axes=[0, 1, 2])
        return ops.batch_normalization(
            inputs,
            mean,
            variance,
            axis=-1,
            offset=self.beta,
            scale=self.gamma,
            epsilon=self.epsilon,
        )

    def get_config(self) -> dict:
        return {**super().get_config(), "frozen": self.frozen}

"""Keras layers that the library adds to Keras' own."""

from __future__ import annotations

import keras
from keras import ops

from crossover.networks import FrozenBatchNorm


@keras.saving.register_keras_serializable("crossover")
class BatchNorm(keras.layers.BatchNormalization):
    """Batch normalisation whose behaviour when frozen is declared (`crossover.networks.FrozenBatchNorm`),
    not left to the Keras version."""

    def __init__(self, frozen: FrozenBatchNorm = "inference", **kwargs) -> None:
        super().__init__(**kwargs)
        self.frozen = frozen

    def call(self, inputs, training=None, mask=None):
        if not (training and not self.trainable and self.frozen == "batch"):
            return super().call(inputs, training=training, mask=mask)
        values = ops.cast(
            inputs, self.variable_dtype
        )  # as the layer itself does in mixed precision
        mean, variance = ops.moments(values, axes=[0, 1, 2])
        out = ops.batch_normalization(
            values,
            mean,
            variance,
            axis=-1,
            offset=self.beta,
            scale=self.gamma,
            epsilon=self.epsilon,
        )
        return ops.cast(out, self.compute_dtype)

    def get_config(self) -> dict:
        return {**super().get_config(), "frozen": self.frozen}

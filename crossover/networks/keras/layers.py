"""Keras layers that the library adds to Keras' own."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from crossover.networks import FrozenBatchNorm


@keras.saving.register_keras_serializable("crossover")
class BatchNorm(keras.layers.BatchNormalization):
    """Batch normalisation whose behaviour when frozen is declared, not left to the Keras version.

    See `crossover.networks.FrozenBatchNorm`.

    With a batch's own statistics it is TensorFlow's fused operation, where Keras has some sixty. As in Keras, the
    running variance is that of the values themselves, without the n / (n - 1) of the fused operation.
    """

    def __init__(self, frozen: FrozenBatchNorm = "inference", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.frozen = frozen

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        if not training or not (self.trainable or self.frozen == "batch"):
            return super().call(inputs, training=training, mask=mask)
        values = ops.cast(inputs, self.variable_dtype)  # as the layer itself does in mixed precision
        out, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            values, ops.convert_to_tensor(self.gamma), ops.convert_to_tensor(self.beta),
            epsilon=self.epsilon,
        )  # fmt: skip
        if self.trainable:
            count = ops.cast(ops.size(values[..., 0]), self.variable_dtype)
            for running, now in (
                (self.moving_mean, mean),
                (self.moving_variance, variance * (count - 1) / count),
            ):
                running.assign(running * self.momentum + now * (1 - self.momentum))
        return ops.cast(out, self.compute_dtype)

    def get_config(self) -> dict:
        return {**super().get_config(), "frozen": self.frozen}

"""What is told of a network whose output does not fit."""

from collections.abc import Callable

import numpy as np
import pytest

from crossover.core.configuration import ConfigError
from crossover.study.config import load_study
from crossover.training.network_output import check_output
from tests.test_config import CONFIG

RECIPE = load_study("headneck", "smoke", CONFIG).recipe
IMAGES = np.random.default_rng(0).normal(size=(2, 8, 8, 1)).astype("float32")
RNG = np.random.default_rng(1)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(x, -80, 80)))


class Engine:
    """A network whose logits are a function of the images, (n, 8, 8, 2), and of the last bias."""

    def __init__(self, logits: Callable[[np.ndarray, float], np.ndarray]) -> None:
        self._logits = logits

    def start(self, recipe, seed, weights, level) -> None:
        self._bias = recipe.initial_bias or 0.0

    def predict(self, images: np.ndarray) -> np.ndarray:
        return sigmoid(self._logits(np.repeat(images, 2, -1), self._bias)).astype("float32")


def failing(x: np.ndarray, bias: float) -> np.ndarray:
    raise AttributeError("'tuple' object has no attribute 'float'")


@pytest.mark.parametrize("logits, told", [
    (lambda x, b: x[:, ::2, ::2] + b, r"own returns maps of \(1, 4, 4, 2\) for one image, not \(1, 8, 8, 2\)"),
    (lambda x, b: x[..., :1] + b, r"own returns maps of \(1, 8, 8, 1\)"),
    (failing, "own fails on images of .*AttributeError: 'tuple'"),
    (lambda x, b: x + b + RNG.normal(), "a different map for the same image each time"),
    (lambda x, b: x - x.mean() + b, "depends on the other images of the batch"),
    (lambda x, b: sigmoid(x + b), "must return logits, without sigmoid or softmax"),
    (lambda x, b: x, "build the convolution of the logits last"),
])  # fmt: skip
def test_a_network_that_returns_no_logits_of_each_structure_that_the_image_alone_tells_is_named(logits, told):
    with pytest.raises(ConfigError, match=told):
        check_output(Engine(logits), "own", IMAGES, 2, RECIPE)


@pytest.mark.parametrize("scale", [1.0, 1e3, 0.0])
def test_a_network_that_returns_logits_is_not_refused_however_large_they_are(scale):
    check_output(Engine(lambda x, b: scale * x + b), "own", IMAGES, 2, RECIPE)


def test_a_bias_without_effect_is_no_fault_where_no_initial_probability_is_asked_for():
    asked = RECIPE.model_copy(update={"initial_probability": None})
    check_output(Engine(lambda x, b: x), "own", IMAGES, 2, asked)

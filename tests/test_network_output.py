"""What is told of a network whose output does not fit."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest

from crossover.core.configuration import ConfigError
from crossover.study.config import load_study
from crossover.training.clock import Clock
from crossover.training.loop import Trainer
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

    def start(self, recipe, seed=0, weights=None, level=None) -> None:
        self._bias = recipe.initial_bias or 0.0

    def predict(self, images: np.ndarray) -> np.ndarray:
        return sigmoid(self._logits(np.repeat(images, 2, -1), self._bias)).astype("float32")


def failing(x: np.ndarray, bias: float) -> np.ndarray:
    raise AttributeError("'tuple' object has no attribute 'float'")


def unfit(x: np.ndarray, bias: float) -> np.ndarray:
    raise RuntimeError("Sizes of tensors must match except in dimension 1")


def with_other_channels(x: np.ndarray, bias: float) -> np.ndarray:
    """As PyTorch says it."""
    raise RuntimeError(
        "Given groups=1, weight of size [8, 3, 3, 3], expected input[1, 2, 8, 8] to have 3 channels, but got 2 channels"
    )


@pytest.mark.parametrize("logits, told", [
    (with_other_channels, r"RuntimeError: Given .* 2 channels$"),
    (unfit, r"own fails on images of .*RuntimeError: Sizes .*MULTIPLE in crossover/networks/own.py must say which"),
    (
        lambda x, b: x[:, ::2, ::2] + b,
        r"own returns maps of \(1, 4, 4, 2\) for one image, not \(1, 8, 8, 2\).*MULTIPLE in crossover/networks/own",
    ),
    (lambda x, b: x[..., :1] + b, r"own returns maps of \(1, 8, 8, 1\).*as many maps as `build` is told"),
    (lambda x, b: x + np.nan + b, r"values that are no numbers \(NaN\)"),
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


def test_a_training_fails_before_its_first_step_where_the_map_does_not_fit_and_tries_each_network_once(tmp_path):
    settings = SimpleNamespace(network=SimpleNamespace(architecture="own"), size=(8, 8), channels=["T2"])
    trainer, tried = Trainer(settings, None, None, tmp_path, tmp_path, 1), []
    trainer._begin = lambda engine, stage, recipe, seed: engine.start(recipe)
    given = SimpleNamespace(structures=["a", "b"]), RECIPE, 0, None, Clock(), tmp_path / "checkpoint"
    with pytest.raises(ConfigError, match=r"own returns maps of \(1, 4, 4, 2\)"):
        trainer._attempt(Engine(lambda x, b: x[:, ::2, ::2]), *given)
    for _ in range(2):
        with pytest.raises(AttributeError, match="drawn"):  # it goes on to its data, of which there are none
            trainer._attempt(Engine(lambda x, b: tried.append(x.shape) or x), *given)
    assert tried == [(1, 8, 8, 2)]

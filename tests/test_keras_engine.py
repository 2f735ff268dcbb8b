"""Keras obeys the numerics that a study declares (`network.device`)."""

import numpy as np
import pytest

from crossover.study.sections import Device, Network
from crossover.training import engines

pytestmark = pytest.mark.slow

pytest.importorskip("keras")
from test_activations import PLENTY, same, train  # noqa: E402
from test_engines import NAME, RECIPE, SMALL, batch, made_once  # noqa: E402, F401


def make(**device) -> engines.Engine:
    network = Network(architecture=NAME, engine="keras", settings=SMALL, device=Device(**device))
    return engines.create(network, (32, 32, 3), 1, threads=1)


@pytest.fixture(scope="module")
def bfloat16() -> engines.Engine:
    return make(precision="bfloat16")


@pytest.fixture(scope="module")
def plain(batch) -> tuple:  # noqa: F811
    return trained(made_once("keras"), batch)


def trained(engine: engines.Engine, batch) -> tuple:  # noqa: F811
    """Losses, predictions and weights of a short training at the level that is traced soonest."""
    engine.start(RECIPE, 1, None, "L3")
    losses = [engines.whole_step(engine, *batch, 1e-3) for _ in range(3)]
    return losses, engine.predict(batch[0]), engine.weights()


@pytest.mark.parametrize("device", ["bfloat16", "compile"])
def test_declared_numerics_repeat_and_stay_near_float32(plain, batch, bfloat16, device):  # noqa: F811
    """What is compiled is compiled twice, by engines of its own."""
    twice = [bfloat16] * 2 if device == "bfloat16" else [make(compile=True), make(compile=True)]
    once, again = (trained(engine, batch) for engine in twice)
    assert once[0] == again[0] and np.array_equal(once[1], again[1])
    np.testing.assert_allclose(once[0], plain[0], rtol=0.02)
    assert (once[0] != plain[0]) or device == "compile"
    assert {v.dtype for v in once[2].values()} == {np.dtype("float32")}
    assert once[1].dtype == np.float32


def test_kept_bfloat16_activations_are_the_same_to_the_bit(bfloat16, tmp_path):
    computed, kept = (train(bfloat16, "L3", tmp_path, limit) for limit in (0, PLENTY))
    assert same(computed, kept) and kept[2]["read"] > 0


def test_products_are_rounded_to_tf32_only_where_a_study_says_so():
    import tensorflow as tf

    enabled = tf.config.experimental.tensor_float_32_execution_enabled
    make(precision="tf32")
    assert enabled()
    make()
    assert not enabled()

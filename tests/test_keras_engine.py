"""Keras obeys the numerics that a study declares (`network.device`)."""

import numpy as np
import pytest

from crossover.study.sections import Device, Network
from crossover.training import engines

pytestmark = pytest.mark.slow

pytest.importorskip("keras")
from test_activations import PLENTY, same, train  # noqa: E402
from test_engines import NAME, RECIPE, SMALL, batch  # noqa: E402, F401


def make(**device) -> engines.Engine:
    network = Network(architecture=NAME, engine="keras", settings=SMALL, device=Device(**device))
    return engines.create(network, (32, 32, 3), 1, threads=1)


@pytest.mark.parametrize("device", [{"precision": "bfloat16"}, {"compile": True}], ids=str)
def test_declared_numerics_repeat_and_stay_near_float32(batch, device):  # noqa: F811
    results = []
    for each in (make(), make(**device), make(**device)):
        each.start(RECIPE, 1, None, "L3")
        losses = [engines.whole_step(each, *batch, 1e-3) for _ in range(3)]
        results.append((losses, each.predict(batch[0]), each.weights()))
    plain, once, again = results
    assert once[0] == again[0] and np.array_equal(once[1], again[1])
    np.testing.assert_allclose(once[0], plain[0], rtol=0.02)
    assert (once[0] != plain[0]) or "compile" in device
    assert {v.dtype for v in once[2].values()} == {np.dtype("float32")}
    assert once[1].dtype == np.float32


def test_kept_bfloat16_activations_are_the_same_to_the_bit(tmp_path):
    engine = make(precision="bfloat16")
    plain, kept = (train(engine, "L2", tmp_path, limit) for limit in (0, PLENTY))
    assert same(plain, kept) and kept[2]["read"] > 0


def test_products_are_rounded_to_tf32_only_where_a_study_says_so():
    import tensorflow as tf

    enabled = tf.config.experimental.tensor_float_32_execution_enabled
    make(precision="tf32")
    assert enabled()
    make()
    assert not enabled()

"""Keras obeys the numerics that a study declares (`network.device`)."""

import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from crossover.core.configuration import ConfigError
from crossover.networks import Declared, Settings
from crossover.study.sections import Device, Network
from crossover.training import engines

pytestmark = pytest.mark.slow

keras = pytest.importorskip("keras")
from test_activations import PLENTY, same, train  # noqa: E402
from test_engines import NAME, RECIPE, SMALL, batch, made_once  # noqa: E402, F401

from crossover.training.engines.keras import check_built  # noqa: E402
from tests.tiers import thorough  # noqa: E402


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


@pytest.mark.parametrize("device", ["bfloat16", thorough("compile")])
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


def built(encoder: str, late: str = "", **last) -> keras.Model:
    """A network of two convolutions of these names; between them one of the name `late`, where it is given."""
    image = keras.Input((8, 8, 1))
    x = keras.layers.ReLU()(keras.layers.Conv2D(2, 1, name=encoder)(image))  # without weights: any name will do
    for name in [late] if late else []:
        x = keras.layers.Conv2D(2, 1, name="decoder_conv")(keras.layers.Conv2D(2, 1, name=name)(x))
    out = keras.layers.Conv2D(1, 1, name="head_logits", **last)(x)
    return keras.Model(image, [out, out] if encoder == "encoder_two" else out)


@pytest.mark.parametrize("model, told", [
    (lambda: built("encoder_a"), ""),
    (lambda: built("encoder_a", "encoder_b"), ""),
    (lambda: built("conv2d"), "layer conv2d has weights and belongs to no part: name it encoder_…, decoder_…, head_…"),
    (lambda: built("encoder_a", "head_early"), "layer decoder_conv uses the output of part head"),
    (lambda: built("encoder_two"), "build returns a model with 2 outputs"),
    (lambda: built("encoder_a", trainable=False), "layer head_logits has trainable=False"),
])  # fmt: skip
def test_a_network_whose_layers_no_level_can_tell_apart_is_refused(model, told):
    made = Declared("own", ("encoder", "decoder", "head"), {}, Settings, ["keras"], (1, 0), None)
    if not told:
        check_built(made, model())
        return
    with pytest.raises(ConfigError, match=re.escape(told)):
        check_built(made, model())


def test_the_keras_network_of_the_page_is_built_as_it_is_declared(monkeypatch):
    page = (Path(__file__).parents[1] / "docs" / "new-network.md").read_text()
    declaring, building = (
        next(text for text in re.findall(r"^```python\n(.*?)^```", page, re.M | re.S) if word in text)
        for word in ("PARTS =", "import keras")
    )
    own = types.ModuleType("crossover.networks.mynetwork")
    monkeypatch.setitem(sys.modules, own.__name__, own)
    exec(declaring, own.__dict__)
    exec(building, made := {"__name__": "made"})
    model = made["build"](32, 64, 3, 2, width=8)
    check_built(Declared("mynetwork", own.PARTS, own.LEVELS, own.Settings, ["keras"], own.MULTIPLE, None), model)
    assert model.output_shape == (None, 32, 64, 2)

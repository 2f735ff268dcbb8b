"""DeepLabV3+ with Xception under Keras: its counts, its levels, and where it is cut."""

import numpy as np
import pytest

from crossover.study.config import load_study
from crossover.study.sections import Network

pytestmark = pytest.mark.slow

keras = pytest.importorskip("keras")
from crossover.networks import declared  # noqa: E402
from crossover.networks.keras import deeplabv3plus_xception as deeplab  # noqa: E402
from crossover.training import engines  # noqa: E402
from crossover.training.engines.keras import freeze, split  # noqa: E402

SMALL = {"width": 0.125, "middle_units": 1, "batchnorm_momentum": 0.9}
RECIPE = load_study("uterus", "smoke").recipe


def small_engine(**settings) -> engines.Engine:
    network = Network(architecture="deeplabv3plus_xception", engine="keras", settings=SMALL | settings)
    return engines.create(network, (32, 32, 3), 1, threads=1)


@pytest.fixture(scope="module", autouse=True)
def engine() -> engines.Engine:
    """Made before all else: it sets the threads of the process."""
    return small_engine()


@pytest.fixture(scope="module")
def batch() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    images = rng.normal(size=(4, 32, 32, 3)).astype("float32")
    return images, (images[..., :1] > 1).astype("float32")


@pytest.fixture(scope="module")
def published() -> keras.Model:
    return deeplab.build(256, 256, 3)


def test_has_the_published_number_of_parameters(published):
    assert published.count_params() == 41_253_073


@pytest.mark.parametrize("level, trained", [("L1", 3_182_961), ("L2", 491_377), ("L3", 163_185)])
def test_each_level_leaves_its_parameters_to_train(published, level, trained):
    freeze(published, declared("deeplabv3plus_xception"), level)
    assert sum(int(np.prod(v.shape)) for v in published.trainable_variables) == trained


def test_the_levels_cut_at_the_published_shapes(published):
    freeze(published, declared("deeplabv3plus_xception"), "L1")
    trunk_outputs = {spec.shape[1:] for spec in split(published).specs}
    assert trunk_outputs == {(16, 16, 2048), (64, 64, 256)}


def test_output_stride_8_keeps_the_parameters_and_doubles_the_features():
    model = deeplab.build(64, 64, 3, width=0.125, middle_units=1, output_stride=8)
    other = deeplab.build(64, 64, 3, width=0.125, middle_units=1, output_stride=16)
    assert model.count_params() == other.count_params()
    assert model.get_layer("aspp_concat").output.shape[1] == 8
    assert other.get_layer("aspp_concat").output.shape[1] == 4


@pytest.mark.parametrize("level", ["L1", "L2", "L3"])
def test_the_two_halves_of_a_split_make_the_whole(engine, batch, level):
    engine.start(RECIPE, 1, None, level)
    trunk, tail, *_ = split(engine._model)
    whole = np.array(engine._model(batch[0], training=False))
    assert np.array_equal(whole, np.array(tail(trunk(batch[0]), training=False)))

"""DeepLabV3+ with Xception: its counts, its levels, and that frozen means frozen."""

import numpy as np
import pytest

from crossover.config import load_study
from crossover.study import Network

keras = pytest.importorskip("keras")
from crossover.networks import deeplabv3plus_xception as deeplab  # noqa: E402
from crossover.training import engines  # noqa: E402
from crossover.training.engines.keras import freeze, split  # noqa: E402

SMALL = {"width": 0.125, "middle_units": 1, "batchnorm_momentum": 0.9}
RECIPE = load_study("uterus", "smoke").recipe


def small_engine(**settings) -> engines.Engine:
    network = Network(
        architecture="deeplabv3plus_xception", engine="keras", settings=SMALL | settings
    )
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
    freeze(published, deeplab, level)
    assert sum(int(np.prod(v.shape)) for v in published.trainable_variables) == trained


def test_the_levels_cut_at_the_published_shapes(published):
    freeze(published, deeplab, "L1")
    trunk_outputs = split_trunk_shapes(published)
    assert trunk_outputs == {(16, 16, 2048), (64, 64, 256)}


def split_trunk_shapes(model) -> set[tuple[int, ...]]:
    trunk, _ = split(model)
    shapes = keras.tree.map_structure(lambda t: t.shape[1:], trunk(keras.Input((256, 256, 3))))
    return {tuple(shape) for shape in shapes}


def test_output_stride_8_keeps_the_parameters_and_doubles_the_features():
    model = deeplab.build(64, 64, 3, width=0.125, middle_units=1, output_stride=8)
    other = deeplab.build(64, 64, 3, width=0.125, middle_units=1, output_stride=16)
    assert model.count_params() == other.count_params()
    assert model.get_layer("aspp_concat").output.shape[1] == 8
    assert other.get_layer("aspp_concat").output.shape[1] == 4


@pytest.mark.parametrize("level", ["L1", "L2", "L3"])
def test_a_frozen_part_keeps_its_weights_and_outputs_to_the_last_bit(engine, batch, level):
    engine.start(RECIPE, 1, None, level)
    model = engine._model
    frozen = {
        v.path: np.array(v)
        for layer in model.layers
        if not layer.trainable
        for v in layer.variables
    }
    trunk, _ = split(model)
    before = [np.array(t) for t in keras.tree.flatten(trunk(batch[0]))]
    started = engine.weights()
    for _ in range(3):
        engine.step(*batch, 1e-3)
    after = engine.weights()
    assert frozen and all(np.array_equal(after[name], value) for name, value in frozen.items())
    assert all(np.array_equal(a, b) for a, b in zip(before, keras.tree.flatten(trunk(batch[0]))))
    changed = [name for name in after if not np.array_equal(after[name], started[name])]
    assert changed and not set(changed) & set(frozen)


@pytest.mark.parametrize("level", ["L1", "L2", "L3"])
def test_the_two_halves_of_a_split_make_the_whole(engine, batch, level):
    engine.start(RECIPE, 1, None, level)
    trunk, tail = split(engine._model)
    whole = np.array(engine._model(batch[0], training=False))
    assert np.array_equal(whole, np.array(tail(trunk(batch[0]), training=False)))


def test_frozen_batch_statistics_are_used_where_they_are_declared(batch):
    outputs = {}
    for frozen in ("inference", "batch"):
        engine = small_engine(frozen_batchnorm=frozen)
        engine.start(RECIPE, 1, None, "L1")
        kept = engine.weights()
        trunk, _ = split(engine._model)
        outputs[frozen] = np.array(keras.tree.flatten(trunk(batch[0]))[0])
        engine.step(*batch, 1e-3)
        after = engine.weights()
        assert np.array_equal(
            kept["entry_conv1_bn/moving_mean"], after["entry_conv1_bn/moving_mean"]
        )
    assert not np.allclose(outputs["inference"], outputs["batch"])


def test_training_everything_changes_every_part(engine, batch):
    engine.start(RECIPE, 1, None, None)
    before = engine.weights()
    engine.step(*batch, 1e-3)
    after = engine.weights()
    parts = {n.split("_")[0] for n in after if not np.array_equal(after[n], before[n])}
    assert parts == set(deeplab.PARTS)


def test_one_seed_gives_one_result_whatever_was_trained_before(engine, batch):
    results = []
    for _ in range(2):
        engine.start(RECIPE, 7, None, None)
        losses = [engine.step(*batch, 1e-3) for _ in range(3)]
        results.append((losses, engine.weights()))
        engine.start(RECIPE, 8, None, "L2")
        engine.step(*batch, 1e-3)
    assert results[0][0] == results[1][0]
    assert all(np.array_equal(results[0][1][n], results[1][1][n]) for n in results[0][1])


def test_a_restored_state_goes_on_as_the_unbroken_training(engine, batch):
    engine.start(RECIPE, 3, None, "L2")
    engine.step(*batch, 1e-3)
    state = {name: value.copy() for name, value in engine.state().items()}
    unbroken = [engine.step(*batch, 1e-3) for _ in range(3)]
    engine.start(RECIPE, 4, None, "L2")
    engine.restore(state)
    assert [engine.step(*batch, 1e-3) for _ in range(3)] == unbroken


def test_weights_of_another_network_are_refused(engine):
    other = small_engine(middle_units=2)
    with pytest.raises(ValueError, match="don't fit the network"):
        other.load(engine.weights())


def test_an_unknown_level_is_named_with_the_known_ones(engine):
    with pytest.raises(ValueError, match="no level 'L9'; it has L1, L2, L3"):
        engine.start(RECIPE, 1, None, "L9")


def test_predictions_do_not_depend_on_how_slices_are_grouped(engine, batch):
    engine.start(RECIPE, 1, None, None)
    images = np.concatenate([batch[0]] * 9)
    together = engine.predict(images)
    assert together.shape == (36, 32, 32, 1)
    assert np.allclose(together[:4], engine.predict(batch[0]), atol=1e-6)


@pytest.mark.parametrize("loss", ["bce", "dice", "dice_bce"])
def test_each_loss_is_lower_for_the_better_prediction(loss):
    from crossover.training.engines.keras import LOSSES

    mask = np.zeros((1, 8, 8, 1), "float32")
    mask[:, 2:6, 2:6] = 1
    right, wrong = (mask * 2 - 1) * 4, (1 - mask * 2) * 4
    assert float(LOSSES[loss](mask, right)) < float(LOSSES[loss](mask, wrong))


def test_dice_loss_agrees_with_its_formula():
    from crossover.training.engines.keras import LOSSES

    rng = np.random.default_rng(1)
    logits = rng.normal(size=(2, 4, 4, 1)).astype("float32")
    mask = (rng.random((2, 4, 4, 1)) > 0.5).astype("float32")
    p = 1 / (1 + np.exp(-logits))
    expected = 1 - (2 * (p * mask).sum() + 1) / (p.sum() + mask.sum() + 1)
    assert float(LOSSES["dice"](mask, logits)) == pytest.approx(expected, rel=1e-5)

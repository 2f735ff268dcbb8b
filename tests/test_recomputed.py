"""Training steps within less memory: the same to the bit, and no more often than a step needs it."""

import numpy as np
import pytest

from crossover.networks import builder
from crossover.study.sections import Augmentation, Device, Network, Recipe
from crossover.training import engines

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch")
from crossover.networks.torch.recomputed import blocks, enough_blocks, kept_bytes, recompute  # noqa: E402
from crossover.training.engines import torch as engine_of_torch  # noqa: E402
from tests.tiers import first  # noqa: E402

SHAPE = (2, 1, 32, 64)
ENCODERS = {
    "unet": "efficientnet-b0",  # drops connections at random; DeepLabV3's decoder has dropout
    "unetplusplus": "resnet18",
    "manet": "timm-tf_efficientnet_lite0",
    "deeplabv3": "mobilenet_v2",
}
RECIPE = Recipe(
    loss="dice_bce", optimiser="adam", learning_rate=0.01, batch=2, epochs=1, validations=1,
    augmentation=Augmentation(), background_slices=0, seed=1,
)  # fmt: skip


def make(architecture: str, **device) -> engines.Engine:
    settings = {"encoder": ENCODERS[architecture], "decoder_width": 0.125}
    network = Network(architecture=architecture, engine="torch", settings=settings, device=Device(**device))
    return engines.create(network, (32, 64, 1), 1, threads=1)


def is_recomputed(engine: engines.Engine) -> list[bool]:
    return ["forward" in block.__dict__ for block in blocks(engine._model)]


def trained(engine: engines.Engine, level: str | None) -> tuple:
    """What two steps give: losses, predictions, and all weights, running statistics and moments."""
    images = np.random.default_rng(0).normal(size=(2, 32, 64, 1)).astype("float32")
    masks = (images > 1).astype("float32")
    engine.start(RECIPE, 1, None, level)
    losses = [engines.whole_step(engine, images, masks, 0.01) for _ in range(2)]
    return losses, engine.predict(images), engine.state()


@pytest.mark.parametrize("architecture", first(ENCODERS, "unet"))
@pytest.mark.parametrize("level", [None, "decoder"])
def test_recomputed_blocks_give_the_same_to_the_bit(architecture, level, monkeypatch):
    results = []
    for kept in (10**12, 0):
        monkeypatch.setattr(engine_of_torch, "KEPT_BYTES", kept)
        engine = make(architecture)
        results.append(trained(engine, level))
        assert set(is_recomputed(engine)) == {kept == 0}
    (losses, predicted, state), (again, same, other) = results
    assert losses == again and losses[0] != losses[1]
    assert np.array_equal(predicted, same)
    assert any("running_var" in name for name in state)
    assert [name for name in state if not np.array_equal(state[name], other[name])] == []


@pytest.mark.parametrize("architecture", first(ENCODERS, "unet"))
def test_what_a_step_keeps_is_told_without_computing_it(architecture):
    engine = make(architecture)
    engine.start(RECIPE, 1, None, None)
    before, told = engine.weights(), kept_bytes(engine._model, SHAPE)
    assert all(np.array_equal(value, before[n]) for n, value in engine.weights().items())
    kept = {}
    with torch.autograd.graph.saved_tensors_hooks(
        lambda t: kept.setdefault(t.untyped_storage()._cdata, t), lambda t: t
    ):
        engine._model(torch.randn(SHAPE))
    assert told == pytest.approx(sum(t.untyped_storage().nbytes() for t in kept.values()), rel=0.02)
    weights = sum(value.nbytes for value in before.values())
    recompute(engine._model, blocks(engine._model))
    assert kept_bytes(engine._model, SHAPE) - weights < 0.5 * (told - weights)
    engine.start(RECIPE, 1, None, "decoder")
    assert kept_bytes(engine._model, SHAPE) < told, "a frozen encoder keeps nothing"


def test_small_networks_and_compiled_ones_keep_everything(monkeypatch):
    for device, limit, recomputed in (
        ({}, 5e9, False),
        ({}, 0, True),
        ({"compile": True}, 0, False),
    ):
        monkeypatch.setattr(engine_of_torch, "KEPT_BYTES", limit)
        engine = make("unet", **device)
        engine.start(RECIPE, 1, None, None)
        assert set(is_recomputed(engine)) == {recomputed}


@pytest.mark.parametrize("architecture", first(ENCODERS, "unet"))
@pytest.mark.parametrize("part", [1.0, 0.8, 0.6, 0.0])
def test_no_more_blocks_are_recomputed_than_the_limit_asks_for(architecture, part):
    engine = make(architecture)
    engine.start(RECIPE, 1, None, None)
    model, everything = engine._model, kept_bytes(engine._model, SHAPE)
    chosen = enough_blocks(model, SHAPE, part * everything)
    kept = []
    for count in range(len(chosen) + 1):
        recompute(model, chosen[:count])
        kept.append(kept_bytes(model, SHAPE))
    assert all(earlier > part * everything for earlier in kept[:-1])
    assert kept[-1] <= part * everything or len(chosen) == len(list(blocks(model)))
    assert len(chosen) == {1.0: 0, 0.0: len(list(blocks(model)))}.get(part, len(chosen))


@pytest.mark.parametrize(
    "architecture, encoder, recomputed",
    [("unet", "resnet18", 0), ("unetplusplus", "efficientnet-b3", 18)],
)
def test_published_networks_are_recomputed_where_they_keep_much(architecture, encoder, recomputed):
    with torch.device("meta"):
        network = builder(architecture, "torch")(320, 320, 1, encoder=encoder)
    chosen = enough_blocks(network, (16, 1, 320, 320), engine_of_torch.KEPT_BYTES)
    assert len(chosen) == recomputed

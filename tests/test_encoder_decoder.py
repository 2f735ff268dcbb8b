"""The networks of segmentation_models_pytorch: Touijer's 28, as that package makes them; their levels."""

from itertools import product
from typing import get_args

import numpy as np
import pytest

from crossover.networks import builder, declared, wrong_batch, wrong_settings, wrong_size
from crossover.networks.encoder_decoder import Encoder
from crossover.study.sections import Augmentation, Device, Network, Recipe
from crossover.training import engines

torch = pytest.importorskip("torch")
from crossover.networks.torch.smp import smp  # noqa: E402

CLASSES = {
    "unet": "Unet",
    "unetplusplus": "UnetPlusPlus",
    "manet": "MAnet",
    "deeplabv3": "DeepLabV3",
}
TABLE_II = [
    *(f"efficientnet-b{i}" for i in range(4)),
    *(f"resnet{depth}" for depth in (18, 34, 50)),
]
SMALL = {"encoder": "efficientnet-b0", "decoder_width": 0.125}
RECIPE = Recipe(
    loss="dice_bce", optimiser="adam", learning_rate=0.01, batch=2, epochs=1, validations=1,
    augmentation=Augmentation(), background_slices=0, seed=1,
)  # fmt: skip

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:`timm-` encoders:DeprecationWarning"),
]


def plain(architecture: str, encoder: str, channels: int = 1, classes: int = 1):
    """The network as a user of that package makes it."""
    make = getattr(smp, CLASSES[architecture])
    return make(encoder, encoder_weights=None, in_channels=channels, classes=classes)


def by_our_names(weights: dict) -> dict:
    """A plain network's weights by the names of ours: the head is the segmentation head."""
    return {
        name.replace("segmentation_head.", "head."): value
        for name, value in weights.items()
        if not name.endswith("num_batches_tracked")
    }


def make(architecture: str = "unetplusplus", settings: dict = SMALL, **device) -> engines.Engine:
    network = Network(architecture=architecture, engine="torch", settings=settings, device=Device(**device))
    return engines.create(network, (64, 64, 1), 1, threads=1)


@pytest.fixture(scope="module")
def engine() -> engines.Engine:
    return make()


@pytest.fixture(scope="module")
def batch() -> tuple[np.ndarray, np.ndarray]:
    images = np.random.default_rng(0).normal(size=(2, 64, 64, 1)).astype("float32")
    return images, (images > 1).astype("float32")


@pytest.mark.parametrize("architecture", CLASSES)
def test_every_cell_of_table_ii_has_the_packages_weights_name_for_name(architecture):
    for encoder in TABLE_II:
        with torch.device("meta"):  # shapes without numbers
            ours = builder(architecture, "torch")(64, 64, 1, encoder=encoder)
            theirs = plain(architecture, encoder)
        shapes = {name: value.shape for name, value in ours.state_dict().items()}
        expected = by_our_names(theirs.state_dict())
        assert shapes == {name: value.shape for name, value in expected.items()}
        assert [name for name, _ in ours.named_children()] == list(declared(architecture).parts)


def test_the_network_of_the_paper_has_its_parameters():
    with torch.device("meta"):
        network = builder("unetplusplus", "torch")(320, 320, 1, encoder="efficientnet-b3")
    assert sum(p.numel() for p in network.parameters()) == 13_624_073


@pytest.mark.parametrize(
    "architecture, encoder",
    [
        ("unet", "mobilenet_v2"),
        ("unetplusplus", "efficientnet-b1"),
        ("manet", "timm-tf_efficientnet_lite0"),
        ("deeplabv3", "efficientnet-b0"),
    ],
)
def test_one_seed_gives_the_packages_network_and_its_output(architecture, encoder):
    torch.manual_seed(1)
    ours = builder(architecture, "torch")(64, 96, 1, 2, encoder=encoder).eval()
    torch.manual_seed(1)
    theirs = plain(architecture, encoder, 1, 2).eval()
    expected = by_our_names(theirs.state_dict())
    assert all(torch.equal(v, expected[n]) for n, v in ours.state_dict().items())
    images = torch.randn(2, 1, 64, 96)
    with torch.no_grad():
        logits = ours(images)
        assert logits.shape == (2, 2, 64, 96)
        assert torch.equal(logits, theirs(images))


@pytest.mark.parametrize("architecture", CLASSES)
def test_a_narrower_decoder_leaves_the_encoder_as_it_is(architecture):
    with torch.device("meta"):
        small, full = (
            builder(architecture, "torch")(64, 64, 1, encoder="resnet18", decoder_width=width) for width in (0.25, 1.0)
        )
    count = lambda part: sum(p.numel() for p in part.parameters())  # noqa: E731
    assert count(small.encoder) == count(full.encoder)
    assert count(small.decoder) < 0.8 * count(full.decoder)


def test_a_frozen_encoder_is_a_fixed_function_that_training_leaves_alone(engine, batch):
    """Without drop-connect, with its running statistics; and a trained one is not."""
    engine.start(RECIPE, 1, None, "decoder")
    before = engine.weights()
    engines.whole_step(engine, *batch, 0.01)
    images = engine._tensor(batch[0])
    once, again = engine._trunk(images), engine._trunk(images)
    assert all(torch.equal(a, b) for a, b in zip(once, again))
    engines.whole_step(engine, *batch, 0.01)
    after = engine.weights()
    kept = [n for n in before if n.startswith("encoder.")]
    assert any("running_mean" in n for n in kept)
    assert all(np.array_equal(after[n], before[n]) for n in kept)

    engine.start(RECIPE, 1, None, None)
    engine._model.train()
    assert not torch.equal(engine._model.encoder(images)[-1], engine._model.encoder(images)[-1])


def test_drop_connect_is_that_of_the_seed_and_the_step(engine, batch):
    losses = {}
    for seed in (1, 2):
        engine.start(RECIPE, 1, None, None)
        engine._seed = seed
        losses[seed] = [engines.whole_step(engine, *batch, 0.0) for _ in range(3)]
    engine.start(RECIPE, 1, None, None)
    assert losses[1] == [engines.whole_step(engine, *batch, 0.0) for _ in range(3)]
    assert len({*losses[1], *losses[2]}) == 6


def test_channels_last_repeats_and_stays_near(engine, batch):
    results = []
    for each in (engine, make(channels_last=True), make(channels_last=True)):
        each.start(RECIPE, 1, None, None)
        losses = [engines.whole_step(each, *batch, 0.001) for _ in range(2)]
        results.append((losses, each.predict(batch[0])))
    plain, once, again = results
    assert once[0] == again[0] and np.array_equal(once[1], again[1])
    np.testing.assert_allclose(once[0], plain[0], rtol=0.01)


def test_a_training_begins_from_the_weights_of_a_part(engine):
    engine.start(RECIPE, 1, None, None)
    given = {n: w for n, w in engine.weights().items() if n.startswith("encoder.")}
    engine.start(RECIPE, 2, None, None)
    other = engine.weights()
    engine.start(RECIPE, 2, None, None)
    engine.begin_from(given)
    assert all(np.array_equal(w, given.get(n, other[n])) for n, w in engine.weights().items())
    name = next(iter(given))
    with pytest.raises(ValueError, match="are missing or have another"):
        engine.begin_from({n: w for n, w in given.items() if n != name})
    with pytest.raises(ValueError, match=r"has no array encoder\.more"):
        engine.begin_from(given | {"encoder.more": given[name]})


@pytest.mark.parametrize("architecture", CLASSES)
def test_a_batch_is_refused_exactly_where_pytorch_would_refuse_it(architecture):
    network = builder(architecture, "torch")(
        64, 64, 1, encoder="timm-tf_efficientnet_lite0", decoder_width=0.125
    ).train()
    for batch, size in product((1, 2), ((32, 32), (32, 64))):
        try:
            network(torch.zeros(batch, 1, *size))
        except ValueError as error:
            assert "more than 1 value per channel" in str(error)
            (told,) = wrong_batch(architecture, batch, size)
            assert architecture in told and "2 slices or more" in told
        else:
            assert wrong_batch(architecture, batch, size) == []


def test_wrong_settings_and_sizes_are_named():
    assert wrong_batch("resnet101_cascaded", 1, (417, 417)) == []
    (told,) = wrong_size("unetplusplus", (320, 300))
    assert "[320, 300]" in told and "[320, 288]" in told
    (told,) = wrong_settings("manet", {"encoder": "resnet19"})
    assert "resnet19" in told and "resnet18" in told
    for settings in ({}, SMALL | {"decoder_width": 0.0}, SMALL | {"width": 0.5}):
        assert len(wrong_settings("unet", settings)) == 1
    for architecture, encoder in product(CLASSES, get_args(Encoder)):
        assert wrong_settings(architecture, {"encoder": encoder}) == []

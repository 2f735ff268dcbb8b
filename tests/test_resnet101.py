"""ResNet-101 with cascaded atrous convolution and SPP: Chen's Table 1, the levels, and what they lock."""

import numpy as np
import pytest
from pydantic import ValidationError

from crossover.networks import builder, declared, wrong_settings, wrong_size
from crossover.networks.resnet101_cascaded import LEVELS, PARTS, Settings, retrained_layers
from crossover.study.config import load_study
from crossover.study.sections import Network
from crossover.training import engines

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

RESNET = declared("resnet101_cascaded")
build = builder("resnet101_cascaded", "torch")
SMALL = {"width": 0.125, "blocks": [1, 1, 3]}


@pytest.fixture(scope="module")
def published() -> nn.Sequential:
    """Shapes without numbers."""
    with torch.device("meta"):
        return build(417, 417, 1)


@pytest.fixture(scope="module")
def outputs(published) -> dict[str, tuple[int, ...]]:
    """(rows, columns, channels) of every convolution, pooling and part at 417 x 417, by name."""
    shapes, hooks = {}, []
    for name, module in published.named_modules():
        if isinstance(module, (nn.Conv2d, nn.MaxPool2d)) or name in PARTS:

            def keep(_module, _input, output, name=name):
                shapes[name] = (*output.shape[2:], output.shape[1])

            hooks.append(module.register_forward_hook(keep))
    with torch.no_grad():
        published.eval()(torch.zeros(1, 1, 417, 417, device="meta"))
    for hook in hooks:
        hook.remove()
    return shapes


def parameters(network: nn.Sequential, parts: tuple[str, ...]) -> int:
    return sum(p.numel() for part in parts for p in network.get_submodule(part).parameters())


def test_its_parameters_are_the_published_ones(published):
    assert parameters(published, RESNET.frozen("conv5")) == 27_529_152
    assert parameters(published, ("conv5b1", "conv5b2", "conv5b3")) == 14_964_736
    assert parameters(published, ("spp",)) == 114_696


def test_every_shape_is_that_of_table_1(outputs):
    table = {
        "conv1.0": (209, 209, 64),
        "conv1": (105, 105, 64),
        "conv2": (105, 105, 256),
        "conv3": (53, 53, 512),
        **{part: (53, 53, 1024) for part in ("conv4a", "conv4b", "conv4c")},
        **{f"conv5b{i}": (53, 53, 2048) for i in (1, 2, 3)},
        "spp.conv": (53, 53, 2),
        **{f"spp.dilated.{i}": (53, 53, 2) for i in range(3)},
        "spp": (417, 417, 1),
    }
    assert {name: outputs[name] for name in table} == table
    inner = {"conv2": (105, 64), "conv3": (53, 128), "conv4": (53, 256), "conv5": (53, 512)}
    for name, shape in outputs.items():
        part, *inside = name.split(".")
        if part[:5] in inner and inside[1:] in (["conv1"], ["conv2"]):
            size, width = inner[part[:5]]
            assert shape == (size, size, width), name


def test_its_blocks_and_dilations_are_the_declared_ones(published):
    rates = {
        part: {m.dilation[0] for m in published.get_submodule(part).modules()
               if isinstance(m, nn.Conv2d) and m.kernel_size[0] == 3}
        for part in PARTS[1:]
    }  # fmt: skip
    assert rates == {
        "conv2": {1}, "conv3": {1}, "conv4a": {2}, "conv4b": {2}, "conv4c": {2},
        "conv5b1": {4}, "conv5b2": {8}, "conv5b3": {16}, "spp": {6, 12, 18},
    }  # fmt: skip
    assert sum(len(published.get_submodule(f"conv4{x}")) for x in "abc") == 23
    assert (len(published.conv2), len(published.conv3)) == (3, 4)


@pytest.mark.parametrize("settings", [{}, SMALL, {"blocks": [2, 3, 7]}])
def test_retrained_layers_are_those_of_the_longest_path(settings):
    with torch.device("meta"):
        network = build(97, 97, 1, **settings)

    def depth(part: str) -> int:
        kinds = network.get_submodule(part).named_modules()
        names = [n for n, m in kinds if isinstance(m, nn.Conv2d) and "shortcut" not in n]
        return 1 if part == "spp" else len(names)

    told = retrained_layers(Settings(**settings))
    for level in LEVELS:
        trained = set(PARTS) - set(RESNET.frozen(level))
        assert told[level] == sum(map(depth, trained)), level
    assert told["all"] == sum(map(depth, PARTS))


def test_the_papers_level_retrains_ten_layers():
    told = retrained_layers(Settings())
    assert told["conv5"] == 10 and told["all"] == 101
    assert list(told.values()) == sorted(told.values())  # from "SPP only" back to everything


def test_levels_freeze_from_the_input_on():
    assert RESNET.frozen(None) == ()
    assert RESNET.frozen("spp") == PARTS[:-1]
    assert RESNET.frozen("conv2") == ("conv1",)
    assert RESNET.engines == ["torch"]


def test_the_interpolation_aligns_corners():
    """Every eighth pixel of the output is a pixel of the features."""
    network = build(97, 97, 1, **SMALL).eval()
    maps = {}
    network.spp.conv.register_forward_hook(lambda m, i, o: maps.update(x=i[0]))
    with torch.no_grad():
        out = network(torch.randn(1, 1, 97, 97))
        spp = network.spp
        coarse = spp.conv(maps["x"]) + sum(conv(maps["x"]) for conv in spp.dilated)
    difference = (coarse[:, 1] - coarse[:, 0]).numpy()
    np.testing.assert_allclose(out[:, 0, ::8, ::8].numpy(), difference, atol=1e-6)


def test_a_structures_probability_is_the_softmax_of_its_two_maps():
    network = build(33, 33, 1, 3, **SMALL).eval()
    with torch.no_grad():
        features = network[:-1](torch.randn(2, 1, 33, 33))
        logits = network.spp(features)
        maps = network.spp.conv(features) + sum(c(features) for c in network.spp.dilated)
    maps = maps.reshape(2, 3, 2, 5, 5)
    assert logits.shape == (2, 3, 33, 33)
    np.testing.assert_allclose(logits[..., ::8, ::8].sigmoid().numpy(), maps.softmax(2)[:, :, 1].numpy(), atol=1e-6)


@pytest.mark.parametrize("channels, structures", [(1, 1), (3, 12)])
def test_channels_and_structures_are_the_studys(channels, structures):
    network = build(33, 41, channels, structures, **SMALL).eval()
    with torch.no_grad():
        assert network(torch.zeros(2, channels, 33, 41)).shape == (2, structures, 33, 41)


def test_an_image_of_another_size_is_padded_by_its_last_row_and_column_and_its_output_cut():
    assert wrong_size("resnet101_cascaded", (96, 90)) == []
    network, padded = build(96, 90, 1, **SMALL).eval(), build(97, 97, 1, **SMALL).eval()
    assert padded.load_state_dict(network.state_dict()) and "pad" not in dict(padded.conv1.named_children())
    image = torch.randn(1, 1, 96, 90)
    rows, columns = torch.arange(97).clamp(max=95), torch.arange(97).clamp(max=89)
    with torch.no_grad():
        expected = padded(image[:, :, rows][..., columns])[..., :96, :90]
        np.testing.assert_array_equal(network(image).numpy(), expected.numpy())


def test_a_size_that_does_not_fit_is_refused_with_some_that_do():
    (found,) = wrong_size("unet", (20, 96))
    assert "[20, 96]" in found and "[32, 96] or [64, 128]" in found
    assert wrong_size("deeplabv3plus_xception", (80, 81)) == []


WRONG = {
    "depth": 3, "blocks": [3, 4, 2], "conv5_rates": [4, 8], "spp_rates": [6, 0, 18],
    "width": "thin", "frozen_batchnorm": "never",
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_settings_are_named(name):
    (told,) = wrong_settings("resnet101_cascaded", {name: WRONG[name]})
    assert name in told
    with pytest.raises(ValidationError):
        build(33, 33, 1, **{name: WRONG[name]})


@pytest.mark.parametrize("structures", [1, 3])
def test_it_begins_at_the_initial_probability(structures):
    """It is put in the maps of structures alone: in those of the background, too, it would cancel out."""
    network = Network(architecture="resnet101_cascaded", engine="torch", settings=SMALL)
    engine = engines.create(network, (65, 65, 1), structures, threads=1)
    images = np.random.default_rng(0).normal(size=(2, 65, 65, 1)).astype("float32")
    recipe = load_study("nasopharynx", "smoke").recipe
    logits = []
    for initial in (None, 0.01):
        engine.start(recipe.model_copy(update={"initial_probability": initial}), 1, None, None)
        p = engine.predict(images).astype(float)
        logits.append(np.log(p / (1 - p)))
    np.testing.assert_allclose(logits[1] - logits[0], np.log(0.01 / 0.99), rtol=1e-3)

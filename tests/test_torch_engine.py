"""The PyTorch engine: batch 1, its optimiser, exact halves, and declared numerics."""

import functools
import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from crossover.core.configuration import ConfigError
from crossover.networks import Declared, architectures, declared, wrong_batch
from crossover.study.sections import Augmentation, Device, Network, Recipe
from crossover.training import engines
from crossover.training.network_output import check_output

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from crossover.networks.torch import replay  # noqa: E402
from crossover.networks.torch.layers import BatchNorm, frozen_mode  # noqa: E402
from crossover.training.engines.torch import Sgd, check_built  # noqa: E402
from tests.tiers import first  # noqa: E402

RESNET = declared("resnet101_cascaded")
RECIPE = Recipe(
    loss="bce", optimiser="sgd", momentum=0.9, weight_decay=0.0005, learning_rate=0.01,
    schedule="poly", batch=2, epochs=1, validations=1, augmentation=Augmentation(),
    background_slices=0, seed=1,
)  # fmt: skip
SMALL = {
    "resnet101_cascaded": {"width": 0.125, "blocks": [1, 1, 3], "batchnorm_momentum": 0.9},
    "deeplabv3plus_xception": {"width": 0.125, "middle_units": 1, "dropout": 0.5},
    "unet": {"encoder": "mobilenet_v2", "decoder_width": 0.125},
    "unetplusplus": {"encoder": "timm-tf_efficientnet_lite0", "decoder_width": 0.125},
    "manet": {"encoder": "timm-tf_efficientnet_lite0", "decoder_width": 0.125},
    "deeplabv3": {"encoder": "resnet18", "decoder_width": 0.125},
}
SIZE = {"resnet101_cascaded": 33, "deeplabv3plus_xception": 33}
EVERY = [a for a in architectures(2) if "torch" in declared(a).engines]
"""Every network of slices: one that is added inherits their tests, with its default settings unless `SMALL` has it."""


def size_of(architecture: str) -> int:
    return SIZE.get(architecture, 64)


def make(architecture: str = "resnet101_cascaded", **device) -> engines.Engine:
    network = Network(
        architecture=architecture,
        engine="torch",
        settings=SMALL.get(architecture, {}),
        device=Device(**device),
    )
    size = size_of(architecture)
    return engines.create(network, (size, size, 1), 2, threads=1)


made_once = functools.cache(make)
"""`start` forgets all that an engine was."""


def batch_for(architecture: str) -> tuple[np.ndarray, np.ndarray]:
    size = size_of(architecture)
    images = np.random.default_rng(0).normal(size=(2, size, size, 1)).astype("float32")
    return images, np.concatenate([images > 1, images < 0], -1).astype("float32")


@pytest.fixture(scope="module")
def engine() -> engines.Engine:
    return made_once("resnet101_cascaded")


@pytest.fixture(scope="module")
def batch() -> tuple[np.ndarray, np.ndarray]:
    return batch_for("resnet101_cascaded")


@pytest.mark.parametrize("level", [*RESNET.levels, None])
def test_only_the_trained_parts_change_weight_decay_included(engine, batch, level):
    only_the_trained_parts_change(engine, RESNET, batch, level)


@pytest.mark.parametrize("architecture", ["unetplusplus", "deeplabv3", *(a for a in EVERY if a not in SMALL)])
def test_only_the_trained_parts_change_where_some_weights_are_unused(architecture):
    engine, network = made_once(architecture), declared(architecture)
    for level in (*network.levels, None):
        only_the_trained_parts_change(engine, network, batch_for(architecture), level)


def only_the_trained_parts_change(engine: engines.Engine, network: Declared, batch: tuple, level: str | None) -> None:
    engine.start(RECIPE, 1, None, level)
    before = engine.weights()
    for _ in range(2):
        engines.whole_step(engine, *batch, 0.01)
    after = engine.weights()
    others = [name for name, value in after.items() if value.dtype != np.float32]
    assert not others, f"every weight is float32 (docs/new-network.md): {others}"
    changed = {name.split(".")[0] for name in after if not np.array_equal(after[name], before[name])}
    assert changed == set(network.parts) - set(network.frozen(level))
    counts = engine.parameters()
    trained = sum(
        v.size for n, v in after.items()
        if n.split(".")[0] in changed and "running" not in n
    )  # fmt: skip
    assert counts == {"total": sum(v.size for v in after.values()), "trained": trained}


def test_the_network_of_the_page_is_built_as_it_is_declared(monkeypatch):
    page = (Path(__file__).parents[1] / "docs" / "new-network.md").read_text()
    declaring, _, building, *_ = re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)
    own = types.ModuleType("crossover.networks.mynetwork")
    monkeypatch.setitem(sys.modules, own.__name__, own)
    exec(declaring, own.__dict__)
    exec(building, built := {"__name__": "built"})
    model = built["build"](32, 64, 3, 2, width=8)
    assert tuple(name for name, _ in model.named_children()) == own.PARTS
    assert model(torch.zeros(2, 3, 32, 64)).shape == (2, 2, 32, 64)
    assert all(value.dtype == torch.float32 for value in model.state_dict().values())
    assert set(own.LEVELS.values()) < set(own.PARTS)


def test_a_level_that_freezes_nothing_is_refused(monkeypatch):
    own = types.ModuleType("crossover.networks.mynetwork")
    monkeypatch.setitem(sys.modules, own.__name__, own)
    own.PARTS, own.LEVELS, own.Settings = ("encoder", "head"), {"everything": "encoder", "head": "head"}, object
    with pytest.raises(ConfigError, match="LEVELS has everything from 'encoder' on, the first part, which freezes"):
        declared("mynetwork")


@pytest.mark.parametrize("architecture", EVERY)
def test_the_two_halves_make_the_whole_to_the_last_bit_at_every_level(architecture):
    engine = made_once(architecture)
    images = engine._tensor(batch_for(architecture)[0])
    for level in declared(architecture).levels:
        engine.start(RECIPE, 1, None, level)
        engine._model.eval()
        with torch.no_grad():
            whole = engine._model(images)
            assert torch.equal(engine._tail(engine._trunk(images)), whole), level


@pytest.mark.parametrize("architecture", EVERY)
def test_its_map_is_of_logits_and_follows_from_the_image_alone(architecture):
    check_output(made_once(architecture), architecture, batch_for(architecture)[0], 2, RECIPE)


@pytest.mark.parametrize("architecture", EVERY)
def test_its_map_has_the_size_of_every_image_that_fits(architecture):
    """Of odd multiples of MULTIPLE, more columns than rows."""
    multiple = declared(architecture).multiple
    odd = -(-33 // multiple) // 2 * 2 + 1
    size = (odd * multiple, (odd + 2) * multiple)
    network = Network(architecture=architecture, engine="torch", settings=SMALL.get(architecture, {}))
    engine = engines.create(network, (*size, 1), 2, threads=1)
    check_output(engine, architecture, np.random.default_rng(0).normal(size=(2, *size, 1)).astype("float32"), 2, RECIPE)


@pytest.mark.parametrize("architecture", [a for a in EVERY if not wrong_batch(a, 1, (size_of(a), size_of(a)))])
def test_it_trains_on_batches_of_one(architecture):
    engine, batch = made_once(architecture), batch_for(architecture)
    engine.start(RECIPE, 1, None, None)
    losses = [engines.whole_step(engine, batch[0][:1], batch[1][:1], 0.01) for _ in range(8)]
    assert losses[-1] < losses[0]
    assert all(np.isfinite(value).all() for value in engine.weights().values())
    assert np.isfinite(engine.predict(batch[0])).all()


def test_dropout_is_that_of_the_seed_and_the_step(batch):
    engine = made_once("deeplabv3plus_xception")
    losses = {}
    for seed in (1, 2):
        engine.start(RECIPE, 1, None, None)
        engine._seed = seed
        losses[seed] = [engines.whole_step(engine, *batch, 0.0) for _ in range(3)]
    engine.start(RECIPE, 1, None, None)
    assert losses[1] == [engines.whole_step(engine, *batch, 0.0) for _ in range(3)]
    assert len({*losses[1], *losses[2]}) == 6


def test_a_resumed_training_keeps_its_velocity(engine, batch):
    engine.start(RECIPE, 3, None, "conv4c")
    engines.whole_step(engine, *batch, 0.01)
    state = {name: value.copy() for name, value in engine.state().items()}
    unbroken = [engines.whole_step(engine, *batch, 0.005) for _ in range(2)], engine.weights()
    other = make()
    other.start(RECIPE, 4, None, "conv4c")
    engines.whole_step(other, *batch, 0.01)
    other.restore(state)
    assert [engines.whole_step(other, *batch, 0.005) for _ in range(2)] == unbroken[0]
    assert all(np.array_equal(v, unbroken[1][n]) for n, v in other.weights().items())
    assert sum(name.startswith("velocity/") for name in state) == len(engine._trained())


def test_it_starts_from_given_weights(engine, batch):
    engine.start(RECIPE, 1, None, None)
    given = engine.weights()
    engine.start(RECIPE, 2, given, "spp")
    assert all(np.array_equal(v, given[n]) for n, v in engine.weights().items())


def test_sgd_holds_the_learning_rate_in_its_velocity():
    weight = nn.Parameter(torch.tensor([1.0, -2.0]))
    optimiser = Sgd([weight], 0.1, momentum=0.9, weight_decay=0.5)
    expected, velocity = np.array([1.0, -2.0]), np.zeros(2)
    for rate, gradient in ((0.1, [1.0, 2.0]), (0.01, [-3.0, 0.5]), (0.02, [0.0, 1.0])):
        weight.grad = torch.tensor(gradient)
        optimiser.param_groups[0]["lr"] = rate
        optimiser.step()
        velocity = 0.9 * velocity + rate * (np.array(gradient) + 0.5 * expected)
        expected = expected - velocity
        np.testing.assert_allclose(weight.detach().numpy(), expected, rtol=1e-6)


def test_batch_normalisation_is_that_of_its_formula():
    torch.manual_seed(0)
    norm = BatchNorm(3, "inference", momentum=0.9, epsilon=1e-3)
    x = torch.randn(4, 3, 5, 5) * 2 + 1
    out = norm(x)
    mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)
    expected = (x - mean[:, None, None]) / (variance[:, None, None] + 1e-3).sqrt()
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(norm.running_mean, 0.1 * mean)
    torch.testing.assert_close(norm.running_var, 0.9 + 0.1 * variance)
    assert norm(torch.randn(1, 3, 1, 1)).abs().max() < 1e-5  # one value: variance 0


@pytest.mark.parametrize("frozen", ["inference", "batch"])
def test_a_frozen_part_is_without_dropout_and_normalises_as_declared(frozen):
    norm = BatchNorm(2, frozen, momentum=0.9, epsilon=1e-3)
    part = nn.Sequential(nn.Dropout(0.9), norm).requires_grad_(False)
    frozen_mode(part)
    torch.manual_seed(0)
    x = torch.randn(3, 2, 4, 4) + 5
    out = part(x)
    assert torch.equal(out, part(x))
    assert torch.equal(norm.running_mean, torch.zeros(2))
    assert (abs(out.mean()) < 1e-3) == (frozen == "batch")
    part.eval()
    assert part(x).mean() > 4


NUMERICS = [{"channels_last": True}, {"precision": "tf32"}, {"precision": "bfloat16"}]


@pytest.mark.parametrize("device", NUMERICS, ids=str)
def test_declared_numerics_repeat_and_stay_near_float32(engine, batch, device):
    results = []
    for each in (engine, make(**device), make(**device)):
        each.start(RECIPE, 1, None, "conv4")
        losses = [engines.whole_step(each, *batch, 0.01) for _ in range(3)]
        results.append((losses, each.predict(batch[0]), each.weights()))
    make()  # the process' settings as they were
    plain, once, again = results
    assert once[0] == again[0] and np.array_equal(once[1], again[1])
    np.testing.assert_allclose(once[0], plain[0], rtol=0.02)
    assert {v.dtype for v in once[2].values()} == {np.dtype("float32")}
    assert all(v.flags.c_contiguous for v in once[2].values())


@pytest.mark.parametrize("architecture", first([*SIZE, "unetplusplus", "deeplabv3"], "unet", "deeplabv3"))
def test_every_network_compiles_whole_and_trains_the_same(architecture, monkeypatch):
    """Traced in one piece; that its code is then also fast is the compiler's affair."""
    batch = batch_for(architecture)
    torch._dynamo.reset()  # it stops compiling after so many networks in a process
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="eager", fullgraph=True))
    losses = []
    for compile_ in (True, False):
        engine = make(architecture, compile=compile_)
        engine.start(RECIPE, 1, None, next(iter(declared(architecture).levels)))
        losses.append([engines.whole_step(engine, *batch, 0.001) for _ in range(2)])
        assert isinstance(engine._tail, nn.Sequential) != compile_
    np.testing.assert_allclose(*losses, rtol=1e-4)


def test_a_run_names_what_it_ran_on(engine):
    assert engine.versions["torch"] == torch.__version__
    assert engine.device == "CPU" or torch.cuda.is_available()


def test_the_batch_of_a_training_is_recorded_though_a_validation_came_first(monkeypatch):
    """A fine-tuning validates the weights that it begins with, in larger batches and before its first step."""
    recorded, computed = [], []

    class Graph:
        replay = staticmethod(lambda: None)

    def record(own: replay.Replayed, given: list) -> Graph:
        recorded.append(len(given[0]))
        own._given, own._made = [t.clone() for t in given], own._compute(given)
        return Graph()

    monkeypatch.setattr(replay.Replayed, "_record", record)
    replayed = replay.Replayed(lambda given: computed.append(len(given[0])) or given, rows=2)
    for rows in (6, 6, 6, 4, 2, 2, 2, 6, 2):
        (made,) = replayed([torch.zeros(rows, 3)])
        assert len(made) == rows
    assert recorded == [2] and computed == [6, 6, 6, 4, 2, 2, 2, 6]


@pytest.mark.gpu
def test_a_gpu_trains_as_the_processor_does(monkeypatch):
    losses = {}
    for found in (True, False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda found=found: found)
        engine = make()
        engine.start(RECIPE, 1, None, "conv4")
        losses[engine.device] = [engines.whole_step(engine, *batch_for("resnet101_cascaded"), 0.01) for _ in range(3)]
    on_gpu, on_cpu = losses.values()
    np.testing.assert_allclose(on_gpu, on_cpu, rtol=1e-3)


@pytest.mark.gpu
@pytest.mark.parametrize("level", ["conv4", None])
@pytest.mark.parametrize("device", [{}, {"precision": "bfloat16", "channels_last": True}], ids=str)
def test_on_a_gpu_replayed_steps_are_to_the_bit_those_computed(device, level, monkeypatch):
    results = []
    for before in (2, 10**9):
        monkeypatch.setattr(replay, "BEFORE", before)
        engine = make(**device)
        engine.start(RECIPE, 1, None, level)
        images, masks = batch_for("resnet101_cascaded")
        losses = [engines.whole_step(engine, images + i, masks, 0.01 / (i + 1)) for i in range(6)]
        assert (engine._learn._graph is None) == (before > 2)
        results.append((losses, engine.weights()))
    (once, weights), (again, others) = results
    assert once == again and all(np.array_equal(weights[n], others[n]) for n in weights)


@pytest.mark.parametrize("names, part, told", [
    (("encoder", "head"), nn.Conv2d(1, 1, 1), ""),
    (("head", "encoder"), nn.Conv2d(1, 1, 1), "build returns the parts head, encoder, but PARTS are encoder, head"),
    (("encoder", "neck"), nn.Conv2d(1, 1, 1), "build returns the parts encoder, neck, but PARTS are encoder, head"),
    (("encoder", "head"), nn.Conv2d(1, 1, 1, bias=False), "the last convolution, has no bias"),
    (("encoder", "head"), nn.BatchNorm2d(1), "head.num_batches_tracked is not a floating-point tensor"),
])  # fmt: skip
def test_a_network_that_is_built_as_it_isnt_declared_is_refused(names, part, told):
    """Levels freeze the first parts: in another order they would train what they are said to freeze."""
    made = Declared("own", ("encoder", "head"), {}, declared("unet").settings, ["torch"], (1, 0), None)
    model = nn.Sequential()
    for name, module in zip(names, (nn.Conv2d(1, 1, 1), part), strict=True):
        model.add_module(name, module)
    if not told:
        check_built(made, model)
        return
    with pytest.raises(ConfigError, match=re.escape(told)):
        check_built(made, model)


def test_a_part_without_weights_is_refused():
    made = Declared("own", ("pad", "head"), {"head": "head"}, declared("unet").settings, ["torch"], (1, 0), None)
    model = nn.Sequential()
    model.add_module("pad", nn.Identity())
    model.add_module("head", nn.Conv2d(1, 1, 1))
    with pytest.raises(ConfigError, match="the part pad has no weights"):
        check_built(made, model)


@pytest.mark.parametrize("shared, told", [
    (True, "encoder.weight and head.weight are one weight in two parts"),
    (False, "encoder.weight has requires_grad=False"),
])  # fmt: skip
def test_a_weight_that_no_level_can_freeze_or_train_by_its_part_is_refused(shared, told):
    made = Declared("own", ("encoder", "head"), {}, declared("unet").settings, ["torch"], (1, 0), None)
    model = nn.Sequential()
    for name in made.parts:
        model.add_module(name, nn.Conv2d(1, 1, 1))
    if shared:
        model.head.weight = model.encoder.weight
    model.encoder.weight.requires_grad_(shared)
    with pytest.raises(ConfigError, match=re.escape(told)):
        check_built(made, model)

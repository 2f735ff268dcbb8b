"""What both engines promise: frozen means frozen, one seed one result, resume; and that one network with one
recipe is the same under either."""

import functools
import importlib
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from converted_weights import to_keras, to_torch
from test_items import imported

from crossover.networks import Declared, OwnSettings, builder, declared
from crossover.study.config import load_study
from crossover.study.sections import Network, Recipe
from crossover.training import engines, stage
from crossover.training.augmentation import Versions
from crossover.training.batches import Batches, SliceSet
from crossover.training.clock import Clock
from crossover.training.inputs import BatchQueue

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
NAME = "deeplabv3plus_xception"
DEEPLAB = declared(NAME)
SMALL = {"width": 0.125, "middle_units": 1, "batchnorm_momentum": 0.9}
RECIPE = load_study("uterus", "smoke").recipe
SGD = RECIPE.model_copy(update={"optimiser": "sgd", "momentum": 0.9, "weight_decay": 0.01})
ENGINES = ("keras", "torch")
OTHERS = {"unetplusplus": {"encoder": "efficientnet-b0", "decoder_width": 0.25}}
"""Of PyTorch alone, with what DeepLabV3+ hasn't: a drop-connect in what a level freezes."""
KINDS = (*ENGINES, *OTHERS)


def small_engine(kind: str, structures: int = 1, **settings) -> engines.Engine:
    """DeepLabV3+ by the engine of this name, or PyTorch's network of this name."""
    engine, name = ("torch", kind) if kind in OTHERS else (kind, NAME)
    pytest.importorskip(engine)
    small = OTHERS.get(kind, SMALL) | settings
    network = Network(architecture=name, engine=engine, settings=small)
    return engines.create(network, (32, 32, 3), structures, threads=1)


made_once = functools.cache(small_engine)
"""One for all tests of a process, since each traces what it trains anew; `start` forgets all that it was."""


@pytest.fixture(params=KINDS)
def engine(request) -> engines.Engine:
    return made_once(request.param)


@pytest.fixture(scope="module")
def batch() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    images = rng.normal(size=(4, 32, 32, 3)).astype("float32")
    return images, (images[..., :1] > 1).astype("float32")


def part(name: str) -> str:
    """The part that a weight belongs to, whichever engine named it."""
    return re.split(r"[._/]", name)[0]


def steps(engine: engines.Engine, batch: tuple, n: int = 3) -> list[float]:
    return [engines.whole_step(engine, *batch, 1e-3) for _ in range(n)]


def architecture(engine: engines.Engine) -> Declared:
    return engine._architecture


def levels(engine: engines.Engine) -> list[str]:
    return list(architecture(engine).levels)


def test_a_frozen_part_keeps_its_weights_and_every_other_part_is_trained(engine, batch):
    declared = architecture(engine)
    for level in declared.levels:
        engine.start(RECIPE, 1, None, level)
        before = engine.weights()
        steps(engine, batch)
        after = engine.weights()
        changed = {part(name) for name in after if not np.array_equal(after[name], before[name])}
        assert {part(name) for name in before} == set(declared.parts)
        assert changed == set(declared.parts) - set(declared.frozen(level)), level


def test_training_everything_changes_every_part(engine, batch):
    engine.start(RECIPE, 1, None, None)
    before = engine.weights()
    steps(engine, batch, 1)
    after = engine.weights()
    changed = {part(n) for n in after if not np.array_equal(after[n], before[n])}
    assert changed == set(architecture(engine).parts)


@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
def test_each_part_learns_at_a_share_of_the_rate_of_the_part_behind_it(engine, batch, optimiser):
    """By one step of momentum 0, and of Adam, whose first step has the rate's size whatever the gradient."""
    declared, level = architecture(engine), levels(engine)[0]
    moved = {}
    for decay in (1.0, 0.5):
        recipe = RECIPE.model_copy(update={"optimiser": optimiser, "layer_decay": decay})
        engine.start(recipe, 1, None, level)
        before = engine.weights()
        engines.whole_step(engine, *batch, 0.5)
        after = engine.weights()
        moved[decay] = {name: after[name] - before[name] for name in after if not re.search("moving|running", name)}
    behind = {name: i for i, name in enumerate(reversed(declared.parts))}
    assert len(set(declared.parts) - set(declared.frozen(level))) > 1
    for name, whole in moved[1.0].items():
        expected = whole * 0.5 ** behind[part(name)]
        np.testing.assert_allclose(moved[0.5][name], expected, atol=1e-6 + 1e-3 * abs(whole).max())


def test_one_seed_gives_one_result_whatever_was_trained_before(engine, batch):
    results = []
    for _ in range(2):
        engine.start(RECIPE, 7, None, None)
        results.append((steps(engine, batch), engine.weights()))
        engine.start(RECIPE, 8, None, levels(engine)[1])
        steps(engine, batch, 1)
    assert results[0][0] == results[1][0]
    assert all(np.array_equal(results[0][1][n], results[1][1][n]) for n in results[0][1])
    engine.start(RECIPE, 9, None, None)
    assert steps(engine, batch) != results[0][0]


def test_a_restored_state_goes_on_as_the_unbroken_training(engine, batch):
    level = levels(engine)[0]
    engine.start(RECIPE, 3, None, level)
    steps(engine, batch, 1)
    state = {name: value.copy() for name, value in engine.state().items()}
    unbroken = steps(engine, batch), engine.weights()
    engine.start(RECIPE, 4, None, level)
    engine.restore(state)
    assert steps(engine, batch) == unbroken[0]
    after = engine.weights()
    assert all(np.array_equal(after[n], unbroken[1][n]) for n in after)


def test_a_killed_training_resumes_in_another_process_to_the_same_weights(
    engine, batch, tmp_path, monkeypatch, request
):
    """Another process is an engine of its own that has trained something else."""
    monkeypatch.setattr(stage, "CHECKPOINT_SECONDS", -1)
    monkeypatch.setattr(stage, "CHECKPOINT_SHARE", 1e9)
    recipe = RECIPE.model_copy(update={"batch": 4, "steps": (8, 8), "validations": 4})
    images, masks = (np.concatenate([a, a[:, ::-1]]) for a in batch)
    cases = np.array([0, 0, 1, 1, 2, 2, 3, 3])
    slices = SliceSet(images, masks.astype(np.uint8), cases, masks.any(axis=(1, 2)))

    def train(engine, name):
        engine.start(recipe, 1, None, levels(engine)[-1])
        batches = Batches(slices, Versions(recipe.augmentation, (32, 32)), 4, 0, 5)

        def validate() -> np.ndarray:
            return stage.validation_dsc([engine.predict(slices.images)], slices, "volumes")

        given = BatchQueue(engine, batches)
        return stage.train(engine, given, validate, recipe, tmp_path / name, Clock())

    unbroken = train(engine, "unbroken")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(engine, "step", killed_after(5, engine.step))
        train(engine, "killed")
    other = small_engine(request.node.callspec.params["engine"])
    other.start(RECIPE, 2, None, levels(other)[-1])
    resumed = train(other, "killed")
    assert resumed.history == unbroken.history
    assert all(np.array_equal(resumed.weights[n], w) for n, w in unbroken.weights.items())


def killed_after(steps: int, step: Callable) -> Callable:
    count = iter(range(steps))

    def run(*arguments):
        if next(count, None) is None:
            raise KeyboardInterrupt
        return step(*arguments)

    return run


@pytest.mark.parametrize("kind", ENGINES)
def test_frozen_batch_statistics_are_used_where_they_are_declared(kind, batch):
    assert OwnSettings().frozen_batchnorm == "inference"
    used = {"inference": made_once(kind), "batch": small_engine(kind, frozen_batchnorm="batch")}
    losses = {}
    for frozen, engine in used.items():
        engine.start(RECIPE, 1, None, "L3")  # which freezes most, and is traced soonest
        before = engine.weights()
        losses[frozen] = engines.whole_step(engine, *batch, 0.0)
        after = engine.weights()
        running = [n for n in before if part(n) == "entry" and re.search("mean|var", n)]
        assert running and all(np.array_equal(before[n], after[n]) for n in running)
    assert losses["inference"] != losses["batch"]


@pytest.mark.parametrize("kind", KINDS)
def test_weights_of_another_network_are_refused(kind):
    other = {"decoder_width": 0.5} if kind in OTHERS else {"middle_units": 2}
    with pytest.raises(ValueError, match="do not fit the network"):
        small_engine(kind, **other).load(made_once(kind).weights())


def test_a_keras_network_begins_from_the_weights_that_are_given_and_keeps_its_others():
    engine = made_once("keras")
    engine.start(RECIPE, 1, None, None)
    before = engine.weights()
    first, *others = before
    engine.begin_from({first: before[first] + 1})
    after = engine.weights()
    np.testing.assert_array_equal(after[first], before[first] + 1)
    assert all(np.array_equal(after[name], before[name]) for name in others)
    with pytest.raises(ValueError, match="the network has no array other"):
        engine.begin_from({"other": before[first]})


def test_an_unknown_level_is_named_with_the_known_ones(engine):
    with pytest.raises(ValueError, match=f"no level 'L9'; it has {', '.join(levels(engine))}"):
        engine.start(RECIPE, 1, None, "L9")


def test_predictions_do_not_depend_on_how_slices_are_grouped(engine, batch):
    engine.start(RECIPE, 1, None, None)
    images = np.concatenate([batch[0]] * 9)
    together = engine.predict(images)
    assert together.shape == (36, 32, 32, 1) and together.dtype == np.float32
    assert np.allclose(together[:4], engine.predict(batch[0]), atol=1e-6)


def test_predicting_changes_no_training(engine, batch):
    level = levels(engine)[0]
    engine.start(RECIPE, 5, None, level)
    plain = steps(engine, batch)
    engine.start(RECIPE, 5, None, level)
    between = []
    for _ in range(3):
        between += steps(engine, batch, 1)
        engine.predict(batch[0])
    assert between == plain


def loss(engine: str, name: str, masks: np.ndarray, logits: np.ndarray) -> float:
    """A loss of (n, rows, columns, structures) masks and logits."""
    pytest.importorskip(engine)
    losses = importlib.import_module(f"crossover.training.engines.{engine}").LOSSES
    if engine == "torch":
        import torch

        masks, logits = (torch.from_numpy(a).permute(0, 3, 1, 2) for a in (masks, logits))
    return float(losses[name](masks, logits))


@pytest.mark.parametrize("kind", ENGINES)
@pytest.mark.parametrize("name", ["bce", "dice", "dice_bce"])
def test_each_loss_is_lower_for_the_better_prediction(kind, name):
    mask = np.zeros((1, 8, 8, 1), "float32")
    mask[:, 2:6, 2:6] = 1
    right, wrong = (mask * 2 - 1) * 4, (1 - mask * 2) * 4
    assert loss(kind, name, mask, right) < loss(kind, name, mask, wrong)


@pytest.mark.parametrize("kind", ENGINES)
def test_losses_agree_with_their_formulas(kind):
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(2, 4, 4, 3)).astype("float32")
    mask = (rng.random((2, 4, 4, 3)) > 0.5).astype("float32")
    p = 1 / (1 + np.exp(-logits))
    axes = (0, 1, 2)
    dice = 1 - (2 * (p * mask).sum(axes) / (p.sum(axes) + mask.sum(axes))).mean()
    bce = -np.mean(mask * np.log(p) + (1 - mask) * np.log(1 - p))
    for name, expected in (("dice", dice), ("bce", bce), ("dice_bce", dice + bce)):
        assert loss(kind, name, mask, logits) == pytest.approx(expected, rel=1e-5)


def test_a_network_begins_at_the_initial_probability(engine):
    """The last layer is linear: a bias that is higher by so much raises every pixel's logit by as much."""
    recipe = RECIPE.model_copy(update={"initial_probability": 0.01})
    images = np.random.default_rng(0).normal(size=(1, 32, 32, 3)).astype("float32")
    logits = []
    for own in (RECIPE, recipe):
        engine.start(own, 1, None, None)
        p = engine.predict(images).astype(float)
        logits.append(np.log(p / (1 - p)))
    np.testing.assert_allclose(logits[1] - logits[0], np.log(0.01 / 0.99), rtol=1e-3)
    engine.start(recipe, 1, engine.weights(), None)
    p = engine.predict(images).astype(float)
    np.testing.assert_allclose(np.log(p / (1 - p)), logits[1], rtol=1e-4)


@pytest.mark.parametrize("kind", ENGINES)
def test_dice_is_of_the_structures_that_the_batch_shows(kind):
    """A structure that no slice of a batch shows would else pull its pixels down: it was never learnt."""
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(2, 4, 4, 3)).astype("float32")
    mask = (rng.random((2, 4, 4, 3)) > 0.5).astype("float32")
    mask[..., 1] = 0
    others = [0, 2]
    expected = loss(kind, "dice", mask[..., others], logits[..., others])
    assert loss(kind, "dice", mask, logits) == pytest.approx(expected, rel=1e-6)
    assert loss(kind, "dice", np.zeros_like(mask), logits) == 0


@pytest.mark.parametrize("kind", ENGINES)
def test_dice_never_rewards_an_empty_prediction(kind):
    """A pixel added to numerator and denominator does: a spinal cord of 6 pixels a slice was then never found."""
    mask = np.zeros((2, 64, 64, 1), "float32")
    mask[:, 30:32, 30:33] = 1
    losses = [loss(kind, "dice", mask, np.full_like(mask, logit)) for logit in (-9, -7, -5, -3)]
    assert losses == sorted(losses, reverse=True)


def random_weights(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Weights of a torch network with batch normalisations that are not trivial."""
    rng = np.random.default_rng(2)
    out = {}
    for name, value in weights.items():
        if name.endswith(("running_var", "bn.weight")):
            value = rng.uniform(0.5, 2, value.shape)
        elif value.ndim == 1:
            value = rng.normal(0, 0.3, value.shape)
        out[name] = value.astype("float32")
    return out


Twins = tuple[engines.Engine, engines.Engine, dict[str, np.ndarray]]


def twins(**settings) -> Twins:
    keras = small_engine("keras", 2, **settings)
    importlib.import_module("torch").manual_seed(2)  # some networks are so ill-conditioned that rounding shows
    torch = small_engine("torch", 2, **settings)
    weights = random_weights(torch.weights())
    torch.load(weights)
    keras.load(to_keras(weights))
    return keras, torch, weights


@pytest.fixture(scope="module")
def small_twins() -> Twins:
    return twins(dropout=0.0)


def test_weights_convert_to_the_other_engine_and_back(small_twins):
    keras, torch, weights = small_twins
    back = to_torch(keras.weights())
    assert set(back) == set(torch.weights()) == set(weights)
    assert all(np.array_equal(back[name], weights[name]) for name in weights)


def test_the_twins_give_the_same_probabilities(small_twins, batch):
    keras, torch, weights = small_twins
    torch.load(weights)
    keras.load(to_keras(weights))
    ours, theirs = torch.predict(batch[0]), keras.predict(batch[0])
    assert ours.std() > 0.01
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_the_twins_give_the_same_at_output_stride_8(batch):
    keras, torch, _ = twins(output_stride=8)
    np.testing.assert_allclose(torch.predict(batch[0]), keras.predict(batch[0]), atol=1e-5)


def test_the_published_twins_give_the_same(small_twins):
    """At full width; 64 x 64, since the network is convolutional."""
    import torch as pytorch

    keras, torch = (builder(NAME, kind)(64, 64, 3) for kind in ENGINES)
    torch.eval()
    weights = random_weights({n: v.numpy() for n, v in torch.state_dict().items()})
    torch.load_state_dict({n: pytorch.from_numpy(w) for n, w in weights.items()})
    converted = to_keras(weights)
    assert sum(w.size for w in weights.values()) == keras.count_params() == 41_253_073
    for variable in keras.variables:
        if variable.path in converted:
            variable.assign(converted.pop(variable.path))
    assert not converted
    images = np.random.default_rng(3).normal(size=(1, 64, 64, 3)).astype("float32")
    with pytorch.no_grad():
        ours = torch(pytorch.from_numpy(images).permute(0, 3, 1, 2)).permute(0, 2, 3, 1).numpy()
    apart = np.abs(ours - keras(images, training=False).numpy())
    assert apart.max() < 1e-3 * ours.std()


@pytest.mark.parametrize("level", [*DEEPLAB.levels, None])
def test_the_twins_train_as_many_parameters(small_twins, level):
    counts = []
    for engine in small_twins[:2]:
        engine.start(RECIPE, 1, None, level)
        counts.append(engine.parameters())
    assert counts[0] == counts[1]
    assert (counts[0]["trained"] < counts[0]["total"] / 2) == bool(level)


@pytest.mark.parametrize("recipe, level, tolerance", [(SGD, None, 2e-3), (RECIPE, "L3", 5e-2)], ids=["sgd", "adam"])
def test_the_twins_train_to_the_same_weights(small_twins, batch, recipe: Recipe, level, tolerance):
    """Two steps with falling learning rates: loss, optimiser, weight decay, running statistics.

    Adam divides a gradient by its size, so that one near 0 moves its weight by rounding alone.
    """
    keras, torch, weights = small_twins
    images, masks = batch
    masks = np.concatenate([masks, 1 - masks], -1)
    torch.start(recipe, 1, weights, level)
    keras.start(recipe, 1, to_keras(weights), level)
    for rate in (0.01, 0.002):
        ours, theirs = (engines.whole_step(e, images, masks, rate) for e in (torch, keras))
        assert ours == pytest.approx(theirs, rel=tolerance / 10)
    after, theirs = torch.weights(), to_torch(keras.weights())
    moved = np.concatenate([(after[n] - weights[n]).ravel() for n in weights])
    apart = np.concatenate([(after[n] - theirs[n]).ravel() for n in weights])
    assert np.linalg.norm(apart) < tolerance * np.linalg.norm(moved)


def sources() -> Iterator[str]:
    """Files that no framework belongs to; nnU-Net and MONAI are PyTorch's."""
    for path in sorted((ROOT / "crossover").rglob("*.py")):
        if path.parent.name not in (*ENGINES, "nnunet") and path.stem not in (*ENGINES, "windows"):
            yield str(path.relative_to(ROOT))


def test_nothing_but_engines_and_their_networks_imports_a_framework():
    files = list(sources())
    assert "crossover/networks/resnet101_cascaded.py" in files
    for file in files:
        assert not imported(file) & {"torch", "tensorflow", "keras"}, file


def test_planning_and_training_import_no_framework_before_an_engine_is_made():
    code = (
        "import sys; from crossover.study.config import load_study; import crossover.training.loop\n"
        "load_study('uterus', 'demo')\n"
        "sys.exit(' '.join({'torch', 'tensorflow', 'keras'} & set(sys.modules)) or 0)"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr

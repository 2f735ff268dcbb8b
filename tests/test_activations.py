"""Kept activations change no result: both engines, killed, shared, damaged, without room."""

import errno
import logging
import multiprocessing
import os
import signal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from killed import STEPS, killed
from killed import same as same_result
from test_engines import KINDS, RECIPE, levels, made_once, small_engine

from crossover.study.sections import Augmentation, Drawn, Recipe
from crossover.training import activations, stage
from crossover.training.activations import Activations, ItemArray
from crossover.training.augmentation import Cuts, augmenter
from crossover.training.batches import Batches, SliceSet
from crossover.training.cache import Cache
from crossover.training.clock import Clock
from crossover.training.failure import TrainingFailed
from crossover.training.inputs import Validation, inputs
from tests.tiers import thorough

pytestmark = pytest.mark.slow

SHORT = RECIPE.model_copy(update={"batch": 2, "steps": (15, 15), "validations": 3})
HALF = SHORT.model_copy(update={"activations": "float16"})
DRAWN = SHORT.model_copy(
    update={"augmentation": Augmentation(drawn=Drawn(scales=[0.8, 1.2], rotation_deg=9, versions=3))}
)
PLENTY = 10**9


def slices(cases: int = 1, first: int = 0) -> SliceSet:
    """Three slices a case, nine batches; a case's are the same in whatever set it is."""
    images = np.stack(
        [
            np.random.default_rng([first + c, i]).normal(size=(32, 32, 3)).astype("float32")
            for c in range(cases)
            for i in range(3)
        ]
    )
    masks = (images[..., :1] > 1).astype(np.uint8)
    digests = tuple(f"{first + c:016x}" for c in range(cases))
    return SliceSet(images, masks, np.repeat(range(cases), 3), masks.any(axis=(1, 2)), digests)


def batches(recipe: Recipe, data: SliceSet, seed: int = 5) -> Batches:
    versions = augmenter(recipe.augmentation, (32, 32))
    return Batches(data, versions, recipe.batch, 0, seed, recipe.seed)


def train(engine, level, folder, limit, recipe=SHORT, data=None, seed=5, weights=None):
    """(weights, history, how many batches were computed and read) of a stage."""
    engine.start(recipe, 1, weights, level)
    made = batches(recipe, data or slices(), seed)
    held = slices(1, first=90)
    cache = Cache(limit, folder)
    steps = stage.planned_steps(recipe, made.epoch_steps)
    with inputs(engine, made, steps, cache, f"part-{level}") as given:
        validation = Validation(engine, held.images, np.arange(len(held.images)), cache, f"part-{level}")

        def validate() -> np.ndarray:
            return stage.validation_dsc(validation.predict(), held, "volumes")

        done = stage.train(engine, given, validate, recipe, folder / "checkpoint", Clock())
        validation.close()
        return done.weights, done.history, given.counts


def same(a, b) -> bool:
    return a[1] == b[1] and all(np.array_equal(a[0][name], b[0][name]) for name in a[0])


@pytest.fixture
def engine(request):
    return made_once(request.param)


KEPT = {"float32": (SHORT, 0), "float16": (HALF, -1)}
OF_ONE = {"float32 at the last level": (SHORT, -1), "drawn": (DRAWN, -1)}
"""What is kept of which level; and, of one engine, of another level and of drawn slices, which no engine knows of."""
CASES = {f"{k}-{n}": (k, *c) for k in KINDS for n, c in (KEPT | OF_ONE if k == "torch" else KEPT).items()}  # fmt: skip


QUICK = {"keras-float32"} | {name for name in CASES if name.startswith("torch")}


@pytest.mark.parametrize(
    "engine, recipe, at", [case if name in QUICK else thorough(*case) for name, case in CASES.items()], ids=CASES,
    indirect=["engine"],
)  # fmt: skip
def test_a_stage_from_kept_activations_is_the_same_to_the_bit(engine, tmp_path, recipe, at):
    level = levels(engine)[at]
    plain = train(engine, level, tmp_path, 0, recipe)
    kept = train(engine, level, tmp_path, PLENTY, recipe)
    again = train(engine, level, tmp_path, PLENTY, recipe)
    assert same(plain, kept) and same(plain, again)
    assert plain[2]["read"] == 0 < kept[2]["read"]
    assert again[2]["computed"] == 0


@pytest.mark.parametrize("engine", KINDS, indirect=True)
def test_float16_stays_near_float32(engine, tmp_path):
    level = levels(engine)[-1]
    full, half = (train(engine, level, tmp_path, 0, recipe)[1] for recipe in (SHORT, HALF))
    losses = [[h["loss"] for h in history] for history in (full, half)]
    assert losses[0] != losses[1] and np.allclose(*losses, rtol=0.01)


def test_a_larger_subset_computes_only_what_is_new(tmp_path):
    engine = made_once("torch")
    recipe = SHORT.model_copy(update={"steps": (30, 30)})
    small = train(engine, "L2", tmp_path, PLENTY, recipe, slices(1))
    large = train(engine, "L2", tmp_path, PLENTY, recipe, slices(2))
    assert same(large, train(engine, "L2", tmp_path / "other", 0, recipe, slices(2)))
    assert small[2]["computed"] == 9  # of 3 slices in 6 versions, two at once
    assert 9 <= large[2]["computed"] < 18


def test_what_is_trained_whole_or_drawn_anew_keeps_nothing(tmp_path, caplog):
    engine = made_once("torch")
    train(engine, None, tmp_path, PLENTY)
    assert not list(tmp_path.glob("part*"))
    anew = Augmentation(drawn=Drawn(rotation_deg=9))
    with caplog.at_level(logging.INFO):
        drawn = train(engine, "L2", tmp_path, PLENTY, SHORT.model_copy(update={"augmentation": anew}))
    assert drawn[2]["read"] == 0 and "augmented again" in caplog.text
    batch = small_engine("torch", frozen_batchnorm="batch")
    assert train(batch, "L2", tmp_path, PLENTY)[2]["read"] == 0


@pytest.mark.parametrize(
    "limit, steps, told", [(5000, 15, "more than activations_gb allows"), (PLENTY, 12, "used less than 1.5 times")]
)
def test_what_does_not_fit_or_pay_is_trained_plainly_and_said(tmp_path, caplog, limit, steps, told):
    engine = made_once("torch")
    recipe = SHORT.model_copy(update={"steps": (steps, steps)})
    with caplog.at_level(logging.INFO):
        made = train(engine, "L2", tmp_path, limit, recipe)
    assert made[2]["read"] == 0 and told in caplog.text
    assert same(made, train(engine, "L2", tmp_path, 0, recipe))


def test_a_disk_that_fills_stops_the_keeping_and_nothing_else(tmp_path, monkeypatch, caplog):
    engine = made_once("torch")
    plain = train(engine, "L2", tmp_path / "plain", 0)
    write, calls = os.pwrite, iter(range(5))

    def full(*given):
        if next(calls, None) is None:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(*given)

    monkeypatch.setattr(activations.os, "pwrite", full)
    assert same(plain, train(engine, "L2", tmp_path, PLENTY))
    assert "No space left" in caplog.text
    monkeypatch.undo()
    assert same(plain, train(engine, "L2", tmp_path, PLENTY))


def test_damaged_bytes_are_computed_again(tmp_path):
    engine = made_once("torch")
    plain = train(engine, "L2", tmp_path, PLENTY)
    for file in tmp_path.glob("part*/*.bin"):
        content = bytearray(file.read_bytes())
        content[-50:] = bytes(50)
        file.write_bytes(content)
    again = train(engine, "L2", tmp_path, PLENTY)
    assert same(plain, again) and again[2]["computed"] > 0


@pytest.mark.parametrize("kind, kills", [("torch", 2), thorough("keras", 1)])
def test_a_training_killed_at_any_step_and_resumed_is_one_left_alone(tmp_path, kind, kills):
    """Ten kills of each: python -m tests.killed KIND."""
    assert killed(kind, tmp_path / "alone", 0, 0) == [STEPS]
    got = killed(kind, tmp_path / "killed", kills, seed=3)
    assert len(got) == kills + 1 and got[-1] < STEPS
    assert same_result(tmp_path / "alone", tmp_path / "killed")


def test_validation_is_in_inference_mode_whatever_the_steps_do(tmp_path):
    """With a batch's own statistics in the frozen part of a step, what is kept is nothing and predicted is all."""
    engine = small_engine("torch", frozen_batchnorm="batch")
    engine.start(SHORT, 1, None, "L2")
    images = slices().images
    for chosen in (engine, small_engine("torch")):
        chosen.start(SHORT, 1, None, "L2")
        validation = Validation(chosen, images, np.arange(len(images)), Cache(PLENTY, tmp_path), "part")
        for _ in range(3):  # computed, then read
            assert np.array_equal(np.concatenate(list(validation.predict())), chosen.predict(images))
        validation.close()
    assert len(list(tmp_path.glob("*.asked"))) == 0


def test_predictions_that_are_no_numbers_fail_the_training(tmp_path):
    engine = made_once("torch")
    engine.start(SHORT, 1, None, None)
    engine.load({name: value * np.nan for name, value in engine.weights().items()})
    with pytest.raises(TrainingFailed, match="not finite numbers"):
        list(Validation(engine, slices().images, np.arange(3), Cache(0, tmp_path), "part").predict())


def test_a_cache_that_cannot_be_written_is_given_up(tmp_path, caplog):
    engine = made_once("torch")
    (tmp_path / "file").write_text("no folder")
    engine.start(SHORT, 1, None, "L2")
    made, cache = batches(SHORT, slices()), Cache(PLENTY, tmp_path / "file")
    with caplog.at_level(logging.INFO), inputs(engine, made, 15, cache, "part") as given:
        assert given.kept is None
    assert "not kept" in caplog.text


KINDS_OF_ARRAYS = [ItemArray((3, 2), "<f4"), ItemArray((5,), "<f2")]


def some(folder, cases=2) -> Activations:
    case = np.repeat(range(cases), 4)
    names = tuple(f"{c:x}" for c in range(cases))
    return Activations(folder, names, case, np.tile(range(4), cases), 3, KINDS_OF_ARRAYS)


def arrays(items: np.ndarray) -> list[np.ndarray]:
    """Arrays that tell the item that they are of."""
    return [np.stack([np.full(k.shape, item, k.dtype) for item in items]) for k in KINDS_OF_ARRAYS]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(0, 23), min_size=1, max_size=4), max_size=6), st.data())
def test_what_was_written_is_read_and_nothing_else(tmp_path_factory, writes, data):
    folder = tmp_path_factory.mktemp("kept")
    kept, written = some(folder), set()
    for batch in writes:
        kept.write(np.array(batch), arrays(np.array(batch)))
        written |= set(batch)
    other = some(folder)  # as another process would
    every = np.arange(24)
    assert other.missing(every) == 24 - len(written)
    for item in every:
        found = other.read(np.array([item]))
        assert (found is not None) == (item in written)
        if found:
            assert all(np.array_equal(f, a) for f, a in zip(found, arrays(np.array([item]))))


def test_what_is_being_written_by_one_thread_is_not_true_for_another(tmp_path, monkeypatch):
    """The reader has read a hole when the writer finishes the item and marks it as sound."""
    kept, item = some(tmp_path), np.array([5])
    read = os.preadv

    def slow(file, views, offset):
        got = read(file, views, offset)
        kept.write(item, arrays(item))
        return got

    kept.write(np.array([9]), arrays(np.array([9])))  # so that the file reaches beyond the hole
    monkeypatch.setattr(activations.os, "preadv", slow)
    assert kept.read(item) is None
    monkeypatch.undo()
    assert np.array_equal(kept.read(item)[0], arrays(item)[0])


def fill(part, size: int) -> None:
    (part.folder / f"{size}.bin").write_bytes(b"x" * size)


def test_bytes_count_once_written_or_promised(tmp_path):
    cache = Cache(16 * 4096, tmp_path)
    with cache.part("a") as a, cache.part("b") as b:
        assert a.ask(12 * 4096)
        assert not b.ask(8 * 4096)
        fill(a, 12 * 4096)
        assert b.ask(4 * 4096)
        assert not b.ask_beside(4096)
        assert a.ask(0)
    with cache.part("a") as a:
        assert a.ask(0) and a.ask(4 * 4096)


def test_what_can_never_fit_clears_nothing(tmp_path):
    cache = Cache(16 * 4096, tmp_path)
    with cache.part("a") as a:
        fill(a, 4096)
    with cache.part("b") as b:
        assert not b.ask(17 * 4096)
    assert list(tmp_path.glob("a/*.bin"))


def test_the_oldest_that_nobody_uses_goes_first(tmp_path):
    cache = Cache(3000, tmp_path / "a")
    for age, name in enumerate(("old", "used", "new")):
        with cache.part(name) as part:
            (part.folder / "0.bin").write_bytes(b"x" * 4096)
            os.utime(part.folder / "in-use", (age, age))
    cache.limit = 3 * 4096
    with cache.part("used"), cache.part("wanted") as part:
        assert part.ask(4096)
        assert {p.parent.name for p in cache.folder.glob("*/*.bin")} == {"used", "new"}
        assert part.ask(4096)  # the new one goes as well
        assert not part.ask(4096)
    assert cache.clear() == 4096
    assert not list(cache.folder.glob("*/*.bin"))


def promise(folder, told) -> None:
    with Cache(10_000, folder).part("a") as part:
        told.send(part.ask(8000))
        signal.pause()


def test_what_a_running_job_has_asked_for_counts_and_a_killed_one_has_asked_for_nothing(tmp_path):
    ours, theirs = multiprocessing.Pipe()
    job = multiprocessing.get_context("spawn").Process(target=promise, args=(tmp_path, theirs))
    job.start()
    assert ours.recv()
    with Cache(10_000, tmp_path).part("b") as part:
        assert not part.ask(3000)
        job.kill()
        job.join()
        assert part.ask(3000)


def test_cuts_drawn_once_are_those_of_the_slice_in_whatever_set():
    drawn = DRAWN.augmentation.drawn
    small, large = (batches(DRAWN, slices(n), seed) for n, seed in ((1, 3), (2, 4)))
    seen = {}
    for made in (small, large):
        for step in range(made.epoch_steps):
            for item, image in zip(made.items(step).tolist(), made.images(step)):
                assert np.array_equal(seen.setdefault(item, image), image)
    assert len(seen) == 18  # 6 slices, of which the small set has 3, in 3 versions
    assert len({image.tobytes() for image in seen.values()}) == 18
    assert Cuts(drawn, (32, 32)).count == 3


def test_items_are_those_that_the_batches_hold():
    made = batches(SHORT, slices())
    for steps in (1, made.epoch_steps, 2 * made.epoch_steps + 3):
        held = {item for step in range(steps) for item in made.items(step).tolist()}
        assert set(made.distinct(steps).tolist()) == held

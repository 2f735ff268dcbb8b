"""A stage: steps, validation, and that a killed training goes on as if nothing had happened."""

from time import process_time

import numpy as np
import pytest

from crossover.study.sections import Augmentation, Recipe
from crossover.training import stage
from crossover.training.augmentation import Versions
from crossover.training.batches import Batches, SliceSet
from crossover.training.clock import Clock
from crossover.training.failure import TrainingFailed
from crossover.training.inputs import BatchQueue

pytestmark = pytest.mark.slow

RECIPE = Recipe(
    loss="bce", optimiser="adam", learning_rate=0.1, batch=2, epochs=3, validations=4,
    augmentation=Augmentation(flip=True), background_slices=0, seed=1,
)  # fmt: skip


class Threshold:
    """A one-weight "network": predicts the image plus its weight, and learns with momentum."""

    def __init__(self, fail_at: int | None = None) -> None:
        self.fail_at, self.seen = fail_at, 0

    def begin(self) -> None:
        self.weight, self.momentum = np.zeros(1, np.float32), np.zeros(1, np.float32)

    def fixed(self) -> bool:
        return False

    def features(self, images):
        return images

    def step(self, images, masks, learning_rate) -> float:
        if self.seen == self.fail_at:
            raise KeyboardInterrupt
        self.seen += 1
        self.momentum = 0.9 * self.momentum + np.float32((masks - images).mean())
        self.weight = self.weight + np.float32(learning_rate) * self.momentum
        return float(abs(masks - images).mean())

    def predict(self, images):
        return images[..., :1] + self.weight

    def weights(self):
        return {"weight": self.weight.copy()}

    def state(self):
        return {"weight": self.weight, "momentum": self.momentum}

    def restore(self, state):
        self.weight, self.momentum = state["weight"], state["momentum"]


def slices(seed: int = 0) -> SliceSet:
    rng = np.random.default_rng(seed)
    images = rng.random((6, 4, 4, 1)).astype(np.float32)
    masks = (images > 0.6).astype(np.uint8)
    return SliceSet(images, masks, np.array([0, 0, 0, 1, 1, 1]), masks.any(axis=(1, 2)))


def checkpoints_at_each_step(monkeypatch) -> None:
    monkeypatch.setattr(stage, "CHECKPOINT_SECONDS", -1)
    monkeypatch.setattr(stage, "CHECKPOINT_SHARE", 1e9)


def run(engine, checkpoint, recipe=RECIPE, watch=lambda *told: None, trained_before=False):
    batches = Batches(slices(), Versions(recipe.augmentation, (4, 4)), recipe.batch, 0, 5)
    held = slices(1)

    def validate() -> np.ndarray:
        return stage.validation_dsc([engine.predict(held.images)], held, "volumes")

    engine.begin()
    return stage.train(
        engine, BatchQueue(engine, batches), validate, recipe, checkpoint, Clock(), watch,
        trained_before,
    )  # fmt: skip


@pytest.mark.parametrize("fail_at", [0, 3, 7, 11, 15])
def test_a_killed_training_resumes_to_the_same_result(tmp_path, monkeypatch, fail_at):
    checkpoints_at_each_step(monkeypatch)
    unbroken = run(Threshold(), tmp_path / "a")
    with pytest.raises(KeyboardInterrupt):
        run(Threshold(fail_at), tmp_path / "b")
    resumed = run(Threshold(), tmp_path / "b")
    assert resumed.history == unbroken.history
    assert np.array_equal(resumed.weights["weight"], unbroken.weights["weight"])
    assert not list(tmp_path.glob("*.part"))


def test_a_resumed_training_does_only_what_is_left(tmp_path, monkeypatch):
    checkpoints_at_each_step(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        run(Threshold(fail_at=12), tmp_path / "a")
    engine = Threshold()
    result = run(engine, tmp_path / "a")
    assert result.steps == 18 and engine.seen < result.steps


def test_the_weights_kept_are_those_of_the_best_validation(tmp_path):
    result = run(Threshold(), tmp_path / "a")
    best = max(h["validation_dsc"] for h in result.history)
    assert result.best_dsc == best
    assert result.best_step == max(h["step"] for h in result.history if h["validation_dsc"] == best)


class Trained(Threshold):
    """Begins with the weight that is right."""

    def begin(self) -> None:
        super().begin()
        self.weight = np.full(1, -0.1, np.float32)  # 0.6 is 0.5 then


WORSE = RECIPE.model_copy(update={"learning_rate": 50.0})


def test_training_on_from_trained_weights_is_never_worse_than_they_are(tmp_path):
    worse = run(Trained(), tmp_path / "a", WORSE, trained_before=True)
    assert worse.history[0] == {"step": 0, "loss": None, "validation_dsc": 1.0}
    assert max(h["validation_dsc"] for h in worse.history[1:]) < 1
    assert worse.best_step == 0 and worse.best_dsc == 1
    assert worse.weights["weight"] == np.float32(-0.1)
    assert run(Trained(), tmp_path / "b", WORSE).best_dsc < 1, "unless it is told so"


def test_later_weights_that_are_as_good_as_the_trained_ones_are_kept(tmp_path):
    still = RECIPE.model_copy(update={"learning_rate": 1e-9})
    as_good = run(Trained(), tmp_path / "a", still, trained_before=True)
    assert as_good.best_step == as_good.steps and as_good.best_dsc == 1


@pytest.mark.parametrize("fail_at", [0, 3, 11])
def test_a_killed_training_on_from_trained_weights_resumes_to_the_same(tmp_path, monkeypatch, fail_at):
    checkpoints_at_each_step(monkeypatch)
    unbroken = run(Trained(), tmp_path / "a", WORSE, trained_before=True)
    killed = Trained()
    killed.fail_at = fail_at
    with pytest.raises(KeyboardInterrupt):
        run(killed, tmp_path / "b", WORSE, trained_before=True)
    resumed = run(Trained(), tmp_path / "b", WORSE, trained_before=True)
    assert resumed.history == unbroken.history and resumed.best_step == 0
    assert np.array_equal(resumed.weights["weight"], unbroken.weights["weight"])


@pytest.mark.parametrize("epochs, bounds, steps", [(3, None, 30), (3, (40, 50), 40), (9, (4, 8), 8)])
def test_steps_are_epochs_within_the_bounds(epochs, bounds, steps):
    recipe = RECIPE.model_copy(update={"epochs": epochs, "steps": bounds})
    assert stage.planned_steps(recipe, 10) == steps


def test_the_cosine_schedule_falls_from_the_learning_rate_to_nothing():
    recipe = RECIPE.model_copy(update={"schedule": "cosine"})
    rates = [stage.learning_rate(recipe, step, 100) for step in range(101)]
    assert rates[0] == 0.1 and rates[50] == pytest.approx(0.05) and rates[100] == pytest.approx(0)
    assert rates == sorted(rates, reverse=True)
    assert {stage.learning_rate(RECIPE, step, 100) for step in range(100)} == {0.1}


def test_the_poly_schedule_is_caffes():
    recipe = RECIPE.model_copy(update={"schedule": "poly", "learning_rate": 0.00025})
    rates = [stage.learning_rate(recipe, step, 200_000) for step in (0, 100_000, 199_999)]
    assert rates == pytest.approx([0.00025, 0.00025 * 0.5**0.9, 0.00025 * 0.000005**0.9])
    straight = recipe.model_copy(update={"power": 1.0})
    assert stage.learning_rate(straight, 1, 4) == pytest.approx(0.75 * 0.00025)


def test_a_warm_up_rises_to_the_schedule():
    rising = RECIPE.model_copy(update={"warmup": 0.5})
    rates = [stage.learning_rate(rising, step, 8) for step in range(8)]
    assert rates == pytest.approx([0.025, 0.05, 0.075] + [0.1] * 5)
    falling = rising.model_copy(update={"schedule": "cosine"})
    whole = falling.model_copy(update={"warmup": 0.0})
    assert stage.learning_rate(falling, 1, 8) == stage.learning_rate(whole, 1, 8) / 2
    assert stage.learning_rate(falling, 6, 8) == stage.learning_rate(whole, 6, 8)


def test_validations_are_even_and_end_with_the_last_step():
    assert stage.validation_steps(RECIPE, 18) == {4, 9, 14, 18}
    assert max(stage.validation_steps(RECIPE, 2)) == 2


class Losing(Threshold):
    """Learns nothing, its loss as given."""

    def __init__(self, losses) -> None:
        super().__init__()
        self.losses = iter(losses)

    def step(self, *batch) -> float:
        return next(self.losses)

    def predict(self, images):
        return np.zeros_like(images[..., :1])


def test_a_loss_that_is_no_number_stops_the_training_and_says_at_which_step(tmp_path):
    with pytest.raises(TrainingFailed, match="the loss is nan at step 7; try: a lower") as failed:
        run(Losing([1.0] * 6 + [float("nan")] * 12), tmp_path / "a")
    assert failed.value.happened == "the loss is nan at step 7"


def test_a_training_that_learns_nothing_is_stopped_at_half_of_it(tmp_path):
    seen = []
    recipe = RECIPE.model_copy(update={"validations": 6})
    with pytest.raises(TrainingFailed, match="nothing was learnt in 9 steps"):
        run(Losing([1.0] * 18), tmp_path / "a", recipe, lambda *told: seen.append(told[0]))
    assert seen == [*range(10)], "0 is where it begins"


def test_a_training_tells_from_which_step_it_goes_on(tmp_path, monkeypatch):
    checkpoints_at_each_step(monkeypatch)
    told = []
    with pytest.raises(KeyboardInterrupt):
        run(Threshold(fail_at=12), tmp_path / "a")
    run(Threshold(), tmp_path / "a", watch=lambda *course: told.append(course))
    step, steps, loss, dsc = told[0]
    assert (step, steps, loss) == (12, 18, None) and 0 <= dsc <= 1
    assert [own[2] is None for own in told[1:]] == [own[3] is None for own in told[1:]]


def test_a_falling_loss_or_any_dsc_is_learning(tmp_path):
    """A training whose predictions stay empty is told of, but is a result."""
    assert run(Losing(1 - 0.01 * i for i in range(18)), tmp_path / "a").best_dsc == 0
    steady = run(Threshold(), tmp_path / "b", RECIPE.model_copy(update={"learning_rate": 1e-9}))
    assert steady.best_dsc > 0


def test_checkpoints_that_cannot_be_written_stop_nothing(tmp_path, monkeypatch, caplog):
    checkpoints_at_each_step(monkeypatch)

    def full(*given):
        raise OSError(28, "No space left on device")

    plain = run(Threshold(), tmp_path / "a")
    monkeypatch.setattr(stage, "save_file", full)
    assert run(Threshold(), tmp_path / "b").history == plain.history
    assert "No space left" in caplog.text


def test_a_checkpoint_half_written_is_none(tmp_path, monkeypatch):
    """Killed while it writes: the one before stands."""
    checkpoints_at_each_step(monkeypatch)
    unbroken = run(Threshold(), tmp_path / "a")
    save, calls = stage.save_file, []

    def killed(arrays, path, metadata):
        calls.append(path)
        if len(calls) == 5:
            path.write_bytes(b"half")
            raise KeyboardInterrupt
        save(arrays, path, metadata)

    monkeypatch.setattr(stage, "save_file", killed)
    with pytest.raises(KeyboardInterrupt):
        run(Threshold(), tmp_path / "b")
    assert run(Threshold(), tmp_path / "b").history == unbroken.history


def test_a_damaged_checkpoint_is_a_beginning(tmp_path, monkeypatch, caplog):
    unbroken = run(Threshold(), tmp_path / "a")
    (tmp_path / "b").write_bytes(b"no checkpoint")
    assert run(Threshold(), tmp_path / "b").history == unbroken.history
    assert "damaged" in caplog.text


def test_a_clock_counts_the_processor_seconds_of_all_attempts():
    clock = Clock()
    begun = process_time()
    while process_time() - begun < 0.05:
        sum(range(10_000))
    assert 0.03 <= clock.cpu_seconds < 1
    clock.add_cpu(7)
    assert clock.cpu_seconds > 7

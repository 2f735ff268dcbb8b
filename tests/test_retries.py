"""A training that collapsed is done once more with another seed, where the study says so."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from crossover.study.config import load_study
from crossover.study.plan import plan
from crossover.training import engines, stage
from crossover.training.batches import SliceSet
from crossover.training.clock import Clock
from crossover.training.failure import Collapsed, TrainingFailed
from crossover.training.loop import Trainer
from crossover.training.stage import Trained

STUDY = load_study("uterus", "smoke")
STAGE = plan(STUDY).stages["scratch-n8"]


def trained(*scores: float) -> Trained:
    """Validated as 0 before its first step, then with these scores."""
    history = [{"step": step, "loss": 1.0, "validation_dsc": score} for step, score in enumerate((0.0, *scores))]
    return Trained({}, history, len(scores), len(scores), max(scores), {}, 0.0)


def learn(tmp_path, monkeypatch, retries: int, *outcomes):
    """What `_learn` gives where its attempts end so; and of each attempt the seed and the checkpoint's name."""
    recipe = STUDY.recipe.model_copy(update={"retries": retries})
    trainer = Trainer(SimpleNamespace(recipe=recipe), None, None, tmp_path, tmp_path / "cache", 1)
    left, attempts = iter(outcomes), []

    def attempt(engine, stage, recipe, seed, data, clock, checkpoint):
        attempts.append((seed, checkpoint.name))
        outcome = next(left)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome, None

    monkeypatch.setattr(trainer, "_attempt", attempt)
    return trainer._learn(None, STAGE, "key", None, Clock()), attempts


NAN = Collapsed("the loss is nan at step 7", "a lower rate")


@pytest.mark.parametrize("first, happened", [
    (NAN, "the loss is nan at step 7"),
    (trained(0.0, 0.0), "the validation DSC is 0 throughout"),
])  # fmt: skip
def test_both_attempts_are_on_record(tmp_path, monkeypatch, first, happened):
    good = trained(0.0, 0.5)
    (seed, done, _, collapsed), attempts = learn(tmp_path, monkeypatch, 1, first, good)
    assert done is good
    assert [name for _, name in attempts] == ["key.safetensors", "key-1.safetensors"]
    seeds = [seed for seed, _ in attempts]
    assert seed == seeds[1] != seeds[0]
    history = None if first is NAN else first.history
    assert collapsed == [{"seed": seeds[0], "happened": happened, "history": history}]


def test_what_learns_is_trained_once(tmp_path, monkeypatch):
    (_, _, _, collapsed), attempts = learn(tmp_path, monkeypatch, 1, trained(0.0, 0.1))
    assert collapsed == [] and len(attempts) == 1


def test_a_training_that_collapses_again_is_a_result_or_a_failure_as_without_retries(tmp_path, monkeypatch):
    second = trained(0.0, 0.0)
    (_, done, _, collapsed), _ = learn(tmp_path, monkeypatch, 1, trained(0.0), second)
    assert done is second and len(collapsed) == 1
    with pytest.raises(TrainingFailed, match="nan at step 7"):
        learn(tmp_path, monkeypatch, 1, trained(0.0), NAN)


def test_without_retries_nothing_is_done_again(tmp_path, monkeypatch):
    (_, done, _, collapsed), attempts = learn(tmp_path, monkeypatch, 0, trained(0.0))
    assert done.collapsed == "the validation DSC is 0 throughout" and collapsed == [] and len(attempts) == 1
    with pytest.raises(TrainingFailed):
        learn(tmp_path, monkeypatch, 0, NAN)


def test_fine_tuning_that_finds_nothing_has_collapsed_though_its_beginning_found_something():
    history = [{"step": 0, "loss": None, "validation_dsc": 0.4}]
    history += [{"step": 9, "loss": 1.0, "validation_dsc": 0.0}]
    assert Trained({}, history, 9, 0, 0.4, {}, 0.0).collapsed


def of_two(*scores: tuple[float, float]) -> Trained:
    """Of a network for two structures."""
    history = [
        {"step": step, "loss": 1.0, "validation_dsc": (a + b) / 2, "validation_dsc_cord": a, "validation_dsc_lens": b}
        for step, (a, b) in enumerate(((0.0, 0.0), *scores))
    ]
    return Trained({}, history, len(scores), len(scores), max(h["validation_dsc"] for h in history), {}, 0.0)


def test_a_structure_that_was_never_found_is_a_collapse_too(tmp_path, monkeypatch):
    first, good = of_two((0.0, 0.4), (0.0, 0.6)), of_two((0.1, 0.0), (0.5, 0.6))
    (_, done, _, collapsed), attempts = learn(tmp_path, monkeypatch, 1, first, good)
    assert done is good and len(attempts) == 2
    assert [own["happened"] for own in collapsed] == ["the validation DSC of cord is 0 throughout"]
    assert of_two((0.0, 0.0)).collapsed == "the validation DSC is 0 throughout"


def test_a_structure_that_no_validation_case_has_is_no_collapse():
    history = [{"step": 1, "loss": 1.0, "validation_dsc": 0.4, "validation_dsc_cord": None, "validation_dsc_lens": 0.4}]
    assert not Trained({}, history, 1, 1, 0.4, {}, 0.0).collapsed


def test_of_two_that_collapsed_the_better_is_kept(tmp_path, monkeypatch):
    better, worse = of_two((0.0, 0.6)), of_two((0.0, 0.2))
    for attempts in ((better, worse), (worse, better), (better, NAN)):
        (seed, done, _, collapsed), tried = learn(tmp_path, monkeypatch, 1, *attempts)
        assert done is better and seed == tried[attempts.index(better)][0]
        assert len(collapsed) == 1 and collapsed[0]["seed"] != seed


def validated(drawn: list[list[bool]], *scores: list[list[float]], structures: str = "ab") -> Trained:
    """A history as `stage` writes it, of validations with these DSC (cases, structures)."""
    history: list[dict] = []
    of_each = dict(zip(structures, np.array(drawn).T))
    for step, each in enumerate(scores, start=1):
        stage._validate(history, step, 1.0, lambda each=each: np.array(each), Clock(), of_each)
    return Trained({}, history, len(scores), len(scores), 0.0, {}, 0.0)


def test_a_case_without_the_structure_hides_no_collapse():
    """Whoever predicts nothing has a DSC of 1 there."""
    done = validated([[True, True], [True, False]], [[0.4, 0.0], [0.6, 1.0]], [[0.5, 0.0], [0.5, 1.0]])
    assert done.collapsed == "the validation DSC of b is 0 throughout"
    assert done.history[0]["validation_dsc"] == 0.5 and done.history[0]["validation_dsc_b"] == 0.0
    alone = validated([[True], [False]], [[0.0], [1.0]], structures="b")
    assert alone.collapsed == "the validation DSC of b is 0 throughout" and alone.history[0]["validation_dsc"] == 0.5
    assert not validated([[True], [False]], [[0.1], [0.0]], structures="b").collapsed
    assert list(validated([[True]], [[0.1]], structures="b").history[0]) == ["step", "loss", "validation_dsc"]


def test_a_false_pixel_in_cases_without_the_structure_is_no_collapse():
    assert not validated([[False]], [[0.0]], [[0.0]], structures="b").collapsed


def test_a_training_that_found_nothing_is_no_result_for_a_case_without_the_structure(tmp_path, monkeypatch):
    with pytest.raises(TrainingFailed, match="nan at step 7"):
        learn(tmp_path, monkeypatch, 1, validated([[True], [False]], [[0.0], [1.0]], structures="b"), NAN)


def test_validation_cases_without_the_structure_are_told_before_the_training(tmp_path, monkeypatch, caplog):
    trainer = Trainer(SimpleNamespace(recipe=STUDY.recipe, network=STUDY.network), None, None, tmp_path, tmp_path, 1)
    data = SimpleNamespace(drawn=np.array([[True, False], [False, False]]))
    monkeypatch.setattr(trainer, "_data", lambda *_: data)
    monkeypatch.setattr(trainer, "engine", lambda structures: pytest.fail("the training begins"))
    monkeypatch.setattr(engines, "module", lambda network: None)
    with pytest.raises(pytest.fail.Exception):
        trainer.train(replace(STAGE, structures=("cervix", "tumour")), "key", tmp_path)
    assert "sees no tumour in the cases to validate on (2 cases)" in caplog.text


def test_cases_are_known_by_whether_their_masks_have_a_pixel():
    masks = np.zeros((3, 4, 4, 2), np.uint8)
    masks[1, 0, 0, 0] = masks[2, 0, 0, 1] = 1
    given = SliceSet(masks[..., :1], masks, np.array([0, 0, 3]), np.zeros((3, 2), bool))
    assert given.drawn.tolist() == [[True, False], [False, True]]

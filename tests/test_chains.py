"""Cross-validation, selection and chains: the plan of Touijer's study, and what its stages are made of."""

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossover.core.files import file_digest, write_json
from crossover.study import parameters
from crossover.study.chains import CONTROL, chains, longer
from crossover.study.config import load_study
from crossover.study.plan import Stage, plan
from crossover.study.schema import Study
from crossover.study.sections import Augmentation, Prediction
from crossover.study.splits import evaluation_cases, split, stage_cases
from crossover.training import loop
from crossover.training.augmentation import augmenter
from crossover.training.batches import Batches, Moments, SliceSet
from crossover.training.failure import TrainingFailed
from crossover.training.job import seed_of, what
from crossover.training.loop import Trainer
from crossover.training.stage import mean_dsc, scored_slices, validation_dsc
from crossover.training.stage_files import with_selected

CONFIG = Path(__file__).parent.parent / "config"
STUDY = load_study("prostate", "paper", CONFIG)
PLAN = plan(STUDY)
NO_IMAGES = pd.DataFrame(columns=["cohort", "case", "channel", "image"])


def chain_of(last: Stage) -> list[Stage]:
    """Return a stage and all that it begins with, the first training last."""
    return [last, *(chain_of(PLAN.stages[last.parent]) if last.parent else [])]


def changed(**values: object) -> Study:
    return Study.model_validate(STUDY.model_dump(mode="json") | values)


def test_the_paper_has_28_networks_in_5_folds_and_16_chains():
    """Beside them are ours: 3 from random weights, and 6 that train their target two and three times."""
    cells = [s for s in PLAN.stages.values() if s.cell]
    assert len(cells) == 28 * 5 and len(PLAN.selection) == 28 * 5  # a job each
    ours = {c.family for c in chains(STUDY) if c.again or c.kind == CONTROL}
    papers = [m for m in PLAN.models.values() if m.family not in ours]
    assert len({m.family for m in papers}) == 16 and len(papers) == 16 * 5 and len(ours) == 9
    # all beginnings are shared: 3 + 6 + 6 chains are as many stages, all data is one, and A → A begins A → A → A
    assert len(PLAN.stages) == 28 * 5 + 16 * 5 + 9 * 5


def test_a_control_trains_the_same_patients_as_often_as_the_chain_and_starts_where_it_ended():
    again = PLAN.stages["a_a_a-f3"]
    assert (again.train, again.parent, again.fold) == ((("site_a", None),), "a_a-f3", 3)
    assert PLAN.stages["a_a-f3"].parent == "a-f3"
    demo, smoke = (load_study("prostate", scale, CONFIG) for scale in ("demo", "smoke"))
    assert len(plan(demo).stages) == 69 + 18
    assert not any(chain.again for chain in chains(smoke))


def test_which_chains_are_longer_and_what_is_as_long():
    """At the paper's scale a training takes epochs, so that all data's takes as many steps as three sites'."""
    found = longer(STUDY)
    assert found["b_a", "a"] == ("a_a",) and found["c_b_a", "a"] == ("a_a_a",)
    assert found["b_a", "random_a"] == () and ("a", "b_a") not in found
    assert found["all", "b"] == ("b_b_b",) and ("b_c_a", "all") not in found
    demo = longer(load_study("prostate", "demo", CONFIG))
    assert ("all", "b") not in demo and demo["b_c_a", "all"] == (), "40 steps each"
    assert longer(load_study("prostate", "smoke", CONFIG))["b_a", "a"] == ()
    for name in ("uterus", "nasopharynx"):
        assert not longer(load_study(name, "paper", CONFIG))


def test_a_chain_goes_through_its_sites_with_one_fold_left_out_everywhere():
    last = PLAN.stages["b_c_a-f3"]
    middle = PLAN.stages[last.parent]
    first = PLAN.stages[middle.parent]
    assert [s.train for s in (first, middle, last)] == [
        (("site_b", None),), (("site_c", None),), (("site_a", None),)
    ]  # fmt: skip
    assert (middle.name, first.name) == ("b_c-f3", "b-f3")
    assert {s.fold for s in (first, middle, last)} == {3}
    assert {s.fold_cohort for s in (first, middle, last)} == {None}
    assert [s.initial for s in (first, middle, last)] == ["imagenet", None, None]


def test_the_control_differs_by_its_initial_weights_alone():
    chain, control = (what(PLAN.stages[name]) for name in ("a-f0", "random_a-f0"))
    assert {k for k in chain if chain[k] != control[k]} == {"initial"}


def test_no_two_trainings_of_a_chain_are_given_the_same_batches():
    """The second fine-tuning of a control of equal length, a after a after a, had the seed of the first."""
    controls = {last.name: chain_of(last) for last in PLAN.stages.values()}
    assert [stage.repeats for stage in controls["a_a_a-f0"]] == [1, 0, 0]
    for chain in controls.values():
        assert len({seed_of(1, stage, 0) for stage in chain}) == len(chain)


def test_the_chosen_cell_is_the_same_training_as_the_first_of_its_chains():
    cell = PLAN.stages["cell-unetplusplus-efficientnet-b3-f2"]
    assert what(cell) == what(PLAN.stages["a-f2"])


def test_only_cells_know_their_network_before_the_selection(tmp_path):
    batch = next(b for b in PLAN.batches.values() if b.stages[0].cell == ("manet", "resnet18"))
    network = parameters.train(STUDY, batch)["settings"]["network"]
    assert (network["architecture"], network["settings"]) == ("manet", {"encoder": "resnet18"})
    later = parameters.predict(STUDY, PLAN.families()["b_a"])["settings"]
    write_json(tmp_path / "selection.json", {"architecture": "unet", "encoder": "resnet34"})
    got = with_selected(Prediction.model_validate(later), tmp_path / "selection.json").network
    assert (got.architecture, got.settings) == ("unet", {"encoder": "resnet34"})


@settings(max_examples=25, deadline=None)
@given(st.integers(6, 20), st.integers(6, 20), st.integers(0, 99))
def test_each_training_patient_validates_in_one_fold_and_trains_in_all_others(a, b, seed):
    rows = [(s, f"{s}{i}", f"{s}{i}") for s, n in (("site_a", a), ("site_b", b)) for i in range(n)]
    cases = pd.DataFrame(rows, columns=["cohort", "patient", "case"])
    asked = STUDY.splits.model_copy(update={"seed": seed})
    table = split(cases, {"site_a": 0.2, "site_b": 0.2}, asked, {"site_a": 2, "site_b": 2}, NO_IMAGES)
    tested = set(evaluation_cases(table, PLAN.models["a-f0"]).case)
    assert tested == set(table[table.part == "test"].case)
    stages = [PLAN.stages[f"b_a-f{f}"] for f in range(5)]
    parents = [PLAN.stages[s.parent] for s in stages]
    for chain, site in ((stages, "site_a"), (parents, "site_b")):
        used = [stage_cases(table, s, "fold") for s in chain]
        train = set(table[(table.part == "train") & (table.cohort == site)].case)
        validating = [set(u[u.use == "validation"].case) for u in used]
        assert sorted(c for v in validating for c in v) == sorted(train)
        assert all(set(u.case) == train and not train & tested for u in used)


def test_a_cohort_needs_a_patient_for_each_fold():
    assert set(parameters.needed(STUDY).values()) == {5}


def test_every_cohort_that_is_asked_for_n_patients_needs_the_largest_n():
    chain = [{"train": {"cervix": "n"}}, {"train": {"uterus": "n"}}]
    values = load_study("uterus", "demo", CONFIG).model_dump(mode="json")
    values["strategies"]["both"] = {"label": "Both", "chain": chain}
    study = Study.model_validate(values)
    assert set(parameters.needed(study).values()) == {study.sizes[-1]}


@pytest.mark.parametrize(
    "values, said",
    [
        ({"sizes": [5]}, "must use n patients"),
        ({"sizes": [5]}, "several are possible only in a study without sizes"),
        ({"selection": None}, "the key `selection` require each other"),
        ({"splits": {"seed": 1, "validation": 0.2}}, "needs cross-validation"),
        ({"recipe": STUDY.recipe.model_copy(update={"batch": 1})}, "batch"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_told(values: dict, said: str):
    with pytest.raises(ValueError, match=said):
        changed(**values)


def slices() -> SliceSet:
    """Four slices of two cases: large, small, none; large."""
    masks = np.zeros((4, 8, 8, 1), np.uint8)
    masks[0, :4, :4], masks[1, 0, 0], masks[3, :2] = 1, 1, 1
    images = np.random.default_rng(3).normal(5, 2, (4, 8, 8, 1)).astype(np.float32)
    large = np.array([[True], [False], [False], [True]])
    return SliceSet(images, masks, np.array([0, 0, 0, 1]), large)


def test_slices_with_a_small_mask_are_neither_trained_on_nor_background():
    plain = augmenter(Augmentation(), (8, 8))
    for background, wanted in ((0.0, {0, 3}), (5.0, {0, 2, 3})):
        batches = Batches(slices(), plain, 1, background, 0)
        seen = [batches[step][0] for step in range(batches.epoch_steps)]
        found = {int(np.flatnonzero((slices().images == s).all((1, 2, 3)))[0]) for s in seen}
        assert found == wanted


def test_validation_may_be_of_the_slices_with_the_structure_alone():
    given = slices()
    guess = (given.masks > 0).astype(np.float32)
    guess[2] = 1  # false positives where there is no structure
    shown = scored_slices(given, "structure_slices")
    assert shown.tolist() == [True, False, False, True]
    assert mean_dsc(validation_dsc([guess[shown]], given, "structure_slices")) == 1.0
    whole = validation_dsc([guess[:1], guess[1:]], given, "volumes")
    assert mean_dsc(whole) == pytest.approx((2 * 17 / (17 + 81) + 1) / 2)


def test_weights_are_chosen_at_the_studys_threshold(tmp_path):
    """A network whose probabilities reach 0.4 finds all of it where 0.3 is enough, and nothing at 0.5."""
    (batch, *_) = PLAN.batches.values()
    assert parameters.train(STUDY, batch)["settings"]["threshold"] == STUDY.evaluation.threshold
    data = SimpleNamespace(validation=replace(slices(), images=slices().masks.astype(np.float32)))
    engine = SimpleNamespace(fixed=lambda: False, at_once=8, predict=lambda images: 0.4 * images)
    for threshold, found in ((0.3, 1.0), (0.5, 0.0)):
        settings = SimpleNamespace(recipe=STUDY.recipe, threshold=threshold)
        trainer = Trainer(settings, None, None, tmp_path, tmp_path, 1)
        with ExitStack() as stack:
            assert trainer._validation(engine, data, "", stack)().tolist() == [[found], [found]]


def test_standardised_training_slices_have_mean_0_and_sd_1():
    given = slices()
    moments = Moments.of(given.images)
    done = given.standardised(moments).images[np.arange(4)]
    assert done.dtype == np.float32
    assert done.mean() == pytest.approx(0, abs=1e-6) and done.std() == pytest.approx(1, abs=1e-6)
    flat = Moments.of(np.ones((2, 4, 4, 1)))
    assert flat.sd == [1.0] and not flat.apply(np.ones((1, 4, 4, 1))).any()


def test_a_stage_of_another_name_but_the_same_key_is_not_trained_again(tmp_path):
    """As the chosen cell's and the first stage of its chains."""
    done = tmp_path / "cell"
    done.mkdir()
    (done / "weights.safetensors").write_bytes(b"weights")
    (done / "history.csv").write_text("step,loss,validation_dsc\n")
    files = {p.name: {"sha256": file_digest(p), "bytes": p.stat().st_size} for p in done.iterdir()}
    facts = {"stage": {"name": "cell"}, "steps": 7}
    write_json(done / "record.json", {"key": "k", "files": files, **facts})
    trainer = Trainer(SimpleNamespace(), None, None, tmp_path, tmp_path / "cache", 1)
    folder = tmp_path / "a-f0"
    folder.mkdir()
    made = trainer.make(PLAN.stages["a-f0"], "k", folder)
    assert (made["steps"], made["same_as"], made["stage"]["name"]) == (7, "cell", "a-f0")
    assert (folder / "weights.safetensors").read_bytes() == b"weights"
    assert trainer._twin("another key") is None
    copy = {p.name: {"sha256": file_digest(p), "bytes": p.stat().st_size} for p in folder.iterdir()}
    write_json(folder / "record.json", {"key": "k", "files": copy, **made})
    again = tmp_path / "b-f0"
    again.mkdir()
    made = trainer.make(PLAN.stages["a-f0"], "k", again)
    assert made["same_as"] == "cell", "a copy that comes first by name does not hide the original"


def test_no_memory_left_fails_the_stage_with_what_to_try(tmp_path, monkeypatch):
    trainer = Trainer(SimpleNamespace(), None, None, tmp_path, tmp_path / "cache", 1)
    told = RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 9 bytes")
    for error in (MemoryError("9 bytes"), told):
        monkeypatch.setattr(trainer, "_train", lambda *_, error=error: (_ for _ in ()).throw(error))
        with pytest.raises(TrainingFailed, match=r"no memory left.*a smaller recipe\.batch"):
            trainer.make(PLAN.stages["a-f0"], "k", tmp_path)
    other = ValueError("something else")
    monkeypatch.setattr(trainer, "_train", lambda *_: (_ for _ in ()).throw(other))
    with pytest.raises(ValueError, match="something else"):
        trainer.make(PLAN.stages["a-f0"], "k", tmp_path)


@pytest.mark.parametrize("use, on", [("train", "volumes"), ("validation", "structure_slices")])
def test_a_subset_without_the_structure_fails_the_stage(tmp_path, monkeypatch, use, on):
    stage = PLAN.stages["a-f0"]
    recipe = STUDY.recipe.model_copy(update={"validate_on": on})
    settings = SimpleNamespace(recipe=recipe, validation="fold", standardise=False)
    trainer = Trainer(settings, None, None, tmp_path, tmp_path / "cache", 1)
    cases = pd.DataFrame({"cohort": "a", "case": ["t", "v"], "use": ["train", "validation"]})
    empty = replace(slices(), large=np.zeros((4, 1), bool))
    monkeypatch.setattr(loop, "stage_cases", lambda *_: cases)
    of_case = {"t": "train", "v": "validation"}
    monkeypatch.setattr(loop, "load", lambda _, own, __: empty if of_case[own[0].case] == use else slices())
    with pytest.raises(TrainingFailed, match=r"no slice of its 1 case to .*smallest_mask_px"):
        trainer._data(stage, "key")
    monkeypatch.setattr(loop, "load", lambda *_: slices())
    assert trainer._data(stage, "key")[1].has_structure.sum() == 2

"""The plan: which stages and models follow from a study."""

import copy
from collections import Counter
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from crossover.core.configuration import merge
from crossover.study.config import SCALES, load_study
from crossover.study.plan import Plan, plan
from crossover.study.schema import Study

CONFIG = Path(__file__).parent.parent / "config"
STUDIES = sorted(path.stem for path in (CONFIG / "studies").glob("*.yaml"))
UTERUS = yaml.safe_load((CONFIG / "studies/uterus.yaml").read_text())


def study(scale: str = "paper", **changes: object) -> Study:
    values = copy.deepcopy(UTERUS)
    values = merge(values, values.pop("scales")[scale])
    return Study.model_validate(merge(values, changes) | {"scale": scale})


def three_step(**changes: object) -> Study:
    """Cervix -> uterus -> a third cohort, beside cervix -> uterus."""
    third = copy.deepcopy(UTERUS["cohorts"]["uterus"]) | {"role": "target", "label": "Ovary"}
    first, second = {"train": {"cervix": "all"}}, {"train": {"uterus": "all"}, "levels": ["L1"]}
    strategies = {
        "pair": {"label": "A→B", "chain": [first, second]},
        "triple": {"label": "A→B→C", "chain": [first, second, {"train": {"ovary": "n"}}]},
    }
    values = study().model_dump(mode="json")
    values["cohorts"] = UTERUS["cohorts"] | {"ovary": third}
    values["cohorts"]["uterus"] = values["cohorts"]["uterus"] | {"role": "source"}
    values["strategies"], values["figures"] = strategies, {"colours": {}}
    values["splits"]["k_fold"]["of"] = ["triple-L1"]
    return Study.model_validate(merge(values, changes))


@pytest.fixture(scope="module")
def paper() -> Plan:
    return plan(study())


def main_stages(p: Plan) -> list:
    return [s for s in p.stages.values() if s.fold is None]


def test_the_papers_design_has_31_stages_and_models(paper: Plan):
    models = [m for m in paper.models.values() if m.fold is None]
    families = Counter(m.strategy for m in models)
    assert families == {"pretrained": 1, "scratch": 6, "transfer": 18, "aggregated": 6}
    assert len(main_stages(paper)) == len(models) == 31


def test_each_family_of_the_cross_validation_has_one_model_for_each_fold(paper: Plan):
    folds = Counter(m.family for m in paper.models.values() if m.fold is not None)
    assert folds == dict.fromkeys(UTERUS["splits"]["k_fold"]["of"], 5)
    cohorts = {m.family: m.fold_cohort for m in paper.models.values() if m.fold is not None}
    assert cohorts.pop("pretrained") == "cervix" and set(cohorts.values()) == {"uterus"}
    sized = [m for m in paper.models.values() if m.fold is not None and m.strategy != "pretrained"]
    assert {m.n_train for m in sized} == {256}


def test_transfers_share_one_pretrained_stage(paper: Plan):
    transfers = [s for s in paper.stages.values() if s.name.startswith("transfer")]
    assert len(transfers) == 18 + 15
    assert {s.parent for s in transfers} == {"pretrained"} == {paper.models["pretrained"].stage}
    assert {s.level for s in transfers} == {"L1", "L2", "L3"}
    assert all(s.train[0][0] == "uterus" for s in transfers)


def test_a_model_says_what_its_stage_trained_on(paper: Plan):
    model = paper.models["aggregated-n26"]
    assert (model.family, model.level, model.n_train) == ("aggregated", None, 26)
    assert dict(paper.stages[model.stage].train) == {"cervix": None, "uterus": 26}
    assert paper.stages[model.stage].parent is None
    assert paper.models["transfer-L2-n51"].family == "transfer-L2"
    assert paper.models["pretrained"].n_train == 0


@cache
def plans() -> list[tuple[str, Study]]:
    out = [(f"{n} {s}", load_study(n, s, CONFIG)) for n in STUDIES for s in SCALES]
    out.append(("three steps", three_step()))
    out.append(("replicates", study("smoke", splits={"replicates": {"draws": 3}})))
    out.append(("three steps, replicates", three_step(splits={"replicates": {"draws": 1, "trainings": 2}})))
    return out


@pytest.mark.parametrize("which", plans(), ids=lambda which: which[0])
def test_every_plan_is_whole_and_in_order(which: tuple[str, Study]):
    p = plan(which[1])
    seen: set[str] = set()
    for name, stage in p.stages.items():
        assert name == stage.name
        assert stage.parent is None or stage.parent in seen, "parents exist and come first"
        seen.add(name)
    assert {m.stage for m in p.models.values()} <= seen
    assert all(name == m.name for name, m in p.models.items())
    used = {m.stage for m in p.models.values()} | {s.parent for s in p.stages.values()}
    used |= {s.name for s in p.stages.values() if s.cell}
    assert seen == used - {None}, "no stage is trained for nothing"
    identities = [
        (s.train, s.parent, s.level, s.structures, s.replicate, s.fold, s.initial, s.cell, s.network)
        for s in p.stages.values()
    ]
    assert len(set(identities)) == len(identities), "nothing is trained twice"


@pytest.mark.parametrize("per_job", [1, 2, 9, 1000])
@pytest.mark.parametrize("which", plans(), ids=lambda which: which[0])
def test_batches_partition_the_stages_and_wait_for_no_other_in_a_circle(which: tuple[str, Study], per_job: int):
    base = which[1].model_dump(mode="json")
    p = plan(Study.model_validate(merge(base, {"execution": {"stages_per_job": per_job}})))
    batched = [s.name for batch in p.batches.values() for s in batch.stages]
    assert sorted(batched) == sorted(p.stages)
    assert all(0 < len(b.stages) <= per_job for b in p.batches.values())
    assert all(p.stages[s.name] == s for b in p.batches.values() for s in b.stages)
    order = {name: i for i, name in enumerate(batched)}
    for batch in p.batches.values():
        own = {s.name for s in batch.stages}
        assert all(order[s.parent] < order[s.name] for s in batch.stages if s.parent in own)
    waits = {n: {p.batch_of[parent] for parent in b.parents} for n, b in p.batches.items()}
    list(TopologicalSorter(waits).static_order())  # raises CycleError


@pytest.mark.parametrize("per_job", [2, 9, 1000])
def test_how_many_stages_share_a_job_changes_no_stage_and_no_model(per_job: int, paper: Plan):
    other = plan(study(execution={"stages_per_job": per_job}))
    assert list(other.stages.items()) == list(paper.stages.items())
    assert list(other.models.items()) == list(paper.models.items())
    assert len(other.batches) < len(paper.batches) == len(paper.stages)


def test_a_study_that_one_job_holds_is_one_job_for_each_network():
    one = plan(study(execution={"stages_per_job": 1000}))
    assert len(one.batches) == len({stage.cell for stage in one.stages.values()})


def test_a_step_of_a_chain_may_have_a_recipe_of_its_own(paper: Plan):
    gentle = {"learning_rate": 0.0001, "warmup": 0.1}
    own = copy.deepcopy(UTERUS["strategies"]["transfer"]) | {"label": "Gentle"}
    own["chain"][1]["recipe"] = gentle
    p = plan(study(strategies={"gentle": own}))
    assert {k: v for k, v in p.stages.items() if "gentle" not in k} == paper.stages
    stages = [s for s in p.stages.values() if "gentle" in s.name]
    assert len(stages) == 18 and {s.parent for s in stages} == {"pretrained"}
    assert {s.recipe for s in stages} == {tuple(gentle.items())}
    changed = study().recipe.changed(stages[0].recipe)
    assert changed.model_dump() == study().recipe.model_dump() | gentle


def test_shared_beginnings_of_different_recipes_are_different_stages():
    first = {"train": {"cervix": "all"}, "recipe": {"learning_rate": 0.01}}
    chain = [first, {"train": {"uterus": "n"}}]
    p = plan(study(strategies={"fast": {"label": "Fast", "chain": chain}}))
    parents = {s.parent for s in p.stages.values() if s.name.startswith("fast")}
    assert parents == {"from-cervix-learning_rate_0.01"} < set(p.stages)


def test_a_setting_that_no_step_can_have_is_refused():
    chain = [{"train": {"cervix": "all"}, "recipe": {"batch": 3}}, {"train": {"uterus": "n"}}]
    with pytest.raises(ValidationError, match=r"recipe\.batch"):
        study(strategies={"fast": {"label": "Fast", "chain": chain}})


def test_the_plan_is_a_function_of_the_study(paper: Plan):
    assert plan(study()) == paper


def test_a_longer_chain_shares_its_beginning_with_a_shorter_one():
    p = plan(three_step())
    pair, triples = p.models["pair-L1"], [m for m in p.models.values() if m.strategy == "triple"]
    assert len(triples) == 6 + 5
    assert {p.stages[m.stage].parent for m in triples} == {pair.stage}
    assert len(p.stages) == 1 + 1 + 11  # A; A→B; A→B→C at six sizes and in five folds
    root = p.stages[pair.stage].parent
    assert p.stages[root].parent is None and dict(p.stages[root].train) == {"cervix": None}
    assert {m.n_train for m in triples if m.fold is None} == set(UTERUS["sizes"])


def test_levels_along_a_chain_multiply_and_name_the_family():
    first = {"train": {"cervix": "all"}}
    second = {"train": {"uterus": "all"}, "levels": ["L1", "L2"]}
    third = {"train": {"uterus": "n"}, "levels": ["L2", "L3"]}
    chain = {"strategies": {"chain": {"label": "c", "chain": [first, second, third]}}}
    p = plan(study(**chain, figures={"order": []}))
    families = {m.family for m in p.models.values() if m.strategy == "chain"}
    assert families == {f"chain-{a}-{b}" for a in ("L1", "L2") for b in ("L2", "L3")}
    middle = {s.parent for s in p.stages.values() if s.name.startswith("chain-") and s.level == "L3"}
    assert {p.stages[m].level for m in middle} == {"L1", "L2"} and len(middle) == 2


def test_replicates_repeat_every_model_with_stages_of_their_own():
    one, three = (plan(study("smoke", splits={"replicates": {"draws": n}})) for n in (1, 3))
    assert len(main_stages(three)) == 3 * len(main_stages(one))
    assert [m for m in three.models if m in one.models] == list(one.models)
    for stage in three.stages.values():
        if stage.parent:
            assert three.stages[stage.parent].replicate == stage.replicate
    assert {m.replicate for m in three.models.values() if m.fold is not None} == {0}
    assert "transfer-L1-n8-r2" in three.models


def test_families_hold_every_model_once(paper: Plan):
    families = paper.families()
    assert sorted(m.name for f in families.values() for m in f) == sorted(paper.models)
    assert all(m.family == name for name, f in families.items() for m in f)


def test_a_batch_is_found_by_its_stage(paper: Plan):
    assert set(paper.batch_of) == set(paper.stages) and set(paper.batch_of.values()) == set(paper.batches)


def test_a_shared_beginning_keeps_its_name_when_sizes_change():
    chain = [{"train": {"uterus": "all"}}, {"train": {"cervix": "all"}}, {"train": {"uterus": "n"}}]
    strategies = {"long": {"label": "l", "chain": chain}}
    figures = {"order": [], "overlays": None}
    few, more = (
        {s for s in plan(study(strategies=strategies, sizes=sizes, figures=figures)).stages if s.startswith("from-")}
        for sizes in ([5, 13], [2, 5, 13])
    )
    assert len(few) == 2 and few == more


def test_a_model_of_the_whole_target_cohort_does_not_say_it_saw_none_of_it():
    full = {"full": {"label": "All", "chain": [{"train": {"uterus": "all"}}]}}
    try:
        asked = study(strategies=full)
    except ValidationError as refused:
        assert "strategies.full" in str(refused)
        return
    assert plan(asked).models["full"].n_train != 0


def test_a_network_for_each_structure_is_a_stage_for_each(tmp_path):
    study = load_study("nasopharynx", "paper")
    p = plan(study)
    organs = sorted(study.structures)
    assert len(organs) == 12
    for family in ("source", "target", "transfer-conv5"):
        models = p.families()[family]
        assert [m.structures for m in models] == [(organ,) for organ in organs]
        assert all(m.name.endswith(f"-{m.structures[0]}") for m in models)
    for model in p.families()["transfer-conv5"]:
        assert p.stages[model.stage].parent == f"source-{model.structures[0]}"
    swept = {m.structures[0] for m in p.families()["sweep-spp"]}
    assert swept == set(study.strategies["sweep"].structures)
    assert p.stages["sweep-spp-n50-lens_left"].parent == "source-lens_left"
    together = study.model_copy(
        update={
            "network": study.network.model_copy(update={"per_structure": False}),
            "strategies": {k: s for k, s in study.strategies.items() if k != "sweep"},
        }
    )
    assert len(plan(together).stages) == 3
    assert next(iter(plan(together).stages.values())).structures == tuple(organs)


@pytest.mark.parametrize("which", plans(), ids=lambda which: which[0])
def test_groups_partition_the_models_and_keep_families_together(which: tuple[str, Study]):
    p = plan(which[1])
    grouped = [m.name for group in p.groups.values() for m in group]
    assert sorted(grouped) == sorted(p.models)
    of_family = Counter(f for g in p.groups.values() for f in {m.family for m in g})
    assert set(of_family.values()) == {1}


def test_the_page_of_runs_counts_the_patients_and_trainings_that_the_plans_have():
    """`uterus`: 212 phantoms and 96 trainings; at the paper scale a list of each."""
    page = (CONFIG.parent / "docs/running.md").read_text()
    sizes = {}
    for scale in ("demo", "paper"):
        for name in ("uterus", "nasopharynx", "prostate"):
            own = load_study(name, scale)
            patients = sum(cohort.source.patients for cohort in own.cohorts.values())
            sizes[scale, name] = patients, len(plan(own).stages)
    uterus, nasopharynx, prostate = (sizes["demo", name] for name in ("uterus", "nasopharynx", "prostate"))
    assert "`uterus`: {} phantoms and {} trainings".format(*uterus) in page
    assert "`nasopharynx`: {} and {}; `prostate`: {} and {}".format(*nasopharynx, *prostate) in page
    patients, trainings = zip(*(sizes["paper", name] for name in ("uterus", "nasopharynx", "prostate")), strict=True)
    assert "{}, {} and {} patients".format(*patients) in page and "{}, {} and {} trainings".format(*trainings) in page

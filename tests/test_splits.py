"""Splits: patients never cross, subsets nest, and what is left out was never trained on."""

import copy
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from crossover.core.configuration import merge
from crossover.core.files import write_json
from crossover.study import parameters
from crossover.study.plan import Plan, Stage, plan
from crossover.study.schema import Study
from crossover.study.sections import Splits
from crossover.study.splits import (
    COLUMNS,
    SplitError,
    evaluation_cases,
    read_splits,
    split,
    stage_cases,
    validation_patients,
)
from workflow_scripts.splits import main as splits_of_cohorts

CONFIG = Path(__file__).parent.parent / "config"
UTERUS = yaml.safe_load((CONFIG / "studies/uterus.yaml").read_text())
few = settings(max_examples=15, deadline=None)
NO_IMAGES = pd.DataFrame(columns=["cohort", "case", "channel", "image"])
NO_FIGURES = {"figures": {"colours": {}, "order": [], "overlays": None}}


counts = st.lists(st.integers(1, 3), min_size=6, max_size=20)
"""Cases of each patient of a cohort."""


def cohort(name: str, cases: list[int]) -> pd.DataFrame:
    rows = [(name, f"{name}{p}", f"{name}{p}-{c}") for p, n in enumerate(cases) for c in range(n)]
    return pd.DataFrame(rows, columns=["cohort", "patient", "case"])


def asked(seed: int = 1, share: float = 0.1, k: int = 3, replicates: int = 1) -> Splits:
    return Splits(seed=seed, validation=share, replicates={"draws": replicates}, k_fold={"k": k})


def divide(cases: pd.DataFrame, settings: Splits, tests: dict[str, float] | None = None):
    names = cases.cohort.unique()
    tests = tests or dict.fromkeys(names, 0.25)
    return split(cases, tests, settings, dict.fromkeys(names, 2), NO_IMAGES)


def order(table: pd.DataFrame, replicate: int = 0) -> list[str]:
    own = table[(table.part == "train") & (table.replicate == replicate)]
    return list(own.sort_values("rank").patient.drop_duplicates())


@few
@given(counts, counts, st.integers(0, 9), st.integers(1, 3))
def test_every_case_stands_on_the_side_of_its_patient(a, b, seed, replicates):
    cases = pd.concat([cohort("a", a), cohort("b", b)])
    table = divide(cases, asked(seed, replicates=replicates))
    assert list(table.columns) == COLUMNS
    assert (table.groupby("patient").part.nunique() == 1).all()
    assert set(table.case) == set(cases.case)
    for replicate in range(replicates):
        own = table[(table.part == "test") | (table.replicate == replicate)]
        assert sorted(own.case) == sorted(cases.case), "each case once"
    each = table[table.part == "train"].groupby(["patient", "replicate"])
    assert (each[["rank", "validation", "fold"]].nunique() == 1).all(axis=None)


@few
@given(counts, st.integers(0, 9), st.integers(2, 3))
def test_subsets_take_the_folds_in_turn_where_every_training_has_a_fold(a, seed, k):
    table = divide(cohort("a", a), asked(seed, "fold", k, replicates=2))
    for replicate in range(2):
        own = table[(table.part == "train") & (table.replicate == replicate)]
        folds = own.drop_duplicates("patient").sort_values("rank").fold.tolist()
        for n in range(k, len(folds) + 1):
            counted = [folds[:n].count(fold) for fold in range(k)]
            assert max(counted) - min(counted) <= 1


@few
@given(counts, st.integers(0, 9))
def test_ranks_number_the_training_patients_without_a_gap(a, seed):
    table = divide(cohort("a", a), asked(seed, replicates=2))
    for replicate in (0, 1):
        own = table[(table.part == "train") & (table.replicate == replicate)]
        ranks = own.drop_duplicates("patient")["rank"]
        assert sorted(ranks) == list(range(own.patient.nunique()))
    assert table[table.part == "test"][["rank", "validation", "fold"]].isna().all(axis=None)


@few
@given(counts, st.integers(0, 9), st.floats(0.05, 0.5))
def test_subsets_nest_and_so_do_their_validation_sets(a, seed, share):
    table = divide(cohort("a", a), asked(seed, share))
    most, before = len(order(table)), {"train": set(), "validation": set()}
    for n in range(2, most + 1):
        used = stage_cases(table, Stage("s", (("a", n),), None, None, ("x",)), share)
        patient = used.case.str.split("-").str[0]
        now = {use: set(patient[used.use == use]) for use in before}
        assert len(set(patient)) == n
        assert now["train"] and now["validation"] and not now["train"] & now["validation"]
        assert all(before[use] <= now[use] for use in before)
        before = now
    everyone = stage_cases(table, Stage("s", (("a", None),), None, None, ("x",)), share)
    assert set(everyone.case[everyone.use == "validation"]) == set(table.case[table.validation.fillna(False)])


@given(st.integers(2, 400), st.floats(0.01, 0.5))
def test_the_validation_share_is_what_was_asked_to_a_patient(n, share):
    ranked = [str(i) for i in range(n)]
    held = validation_patients(ranked, share)
    assert 1 <= len(held) <= n / 2
    assert abs(len(held) - n * share) <= 1
    assert validation_patients(ranked[:-1], share) == [p for p in held if p != ranked[-1]]
    assert validation_patients(ranked, 0) == []


@given(st.integers(1, 400), st.integers(2, 50))
def test_a_share_of_one_in_k_is_every_kth_patient_from_the_second_on(n, k):
    ranked = [str(i) for i in range(n)]
    assert validation_patients(ranked, 1 / k) == ranked[1::k]


@few
@given(counts, st.integers(2, 6), st.integers(0, 9))
def test_folds_partition_the_training_patients_evenly(a, k, seed):
    table = divide(cohort("a", a), asked(seed, k=k, replicates=2))
    own = table[table.part == "train"].drop_duplicates(["patient", "replicate"])
    sizes = own[own.replicate == 0].groupby("fold").size()
    assert sizes.sum() == len(order(table)) and sizes.max() - sizes.min() <= 1
    assert len(sizes) == min(k, len(order(table)))
    assert (own.groupby("patient").fold.nunique() == 1).all(), "the same in every replicate"


@few
@given(counts, st.integers(0, 9), st.integers(0, 29))
def test_a_patient_who_joins_moves_nobody_past_anybody(a, seed, joins):
    joins = min(joins, len(a))
    everyone = cohort("a", [*a, 1])
    newcomer = f"a{joins}"
    tests = {"a": 2}
    before = divide(everyone[everyone.patient != newcomer], asked(seed), tests)
    after = divide(everyone, asked(seed), tests)
    was, now = order(before), [p for p in order(after) if p != newcomer]
    assert [p for p in now if p in set(was)] == was
    out = [set(t[t.part == "test"].patient) for t in (before, after)]
    assert out[1] <= out[0] | {newcomer}


@few
@given(counts, st.integers(0, 9))
def test_the_order_of_the_rows_and_of_the_cohorts_changes_nothing(a, seed):
    cases = pd.concat([cohort("a", a), cohort("b", a)])
    table = divide(cases, asked(seed))
    other = divide(cases.sample(frac=1, random_state=seed), asked(seed), {"b": 0.25, "a": 0.25})
    by = ["cohort", "patient", "case"]
    pd.testing.assert_frame_equal(table.sort_values(by, ignore_index=True), other.sort_values(by, ignore_index=True))


def test_further_trainings_take_the_subsets_of_their_draw():
    """Replicate = draw * trainings + training; a draw's subsets are the same however often it is trained."""
    cases = cohort("a", [1] * 40)
    settings = Splits(seed=1, validation=0.1, replicates={"draws": 2, "trainings": 3})
    table, draws = divide(cases, settings), divide(cases, asked(1, replicates=2))
    assert set(table[table.part == "train"].replicate) == set(range(6))
    for replicate in range(6):
        assert order(table, replicate) == order(draws, replicate // 3)
    assert order(table, 0) != order(table, 3)


def test_seeds_cohorts_and_replicates_draw_anew():
    first, second = (divide(cohort("a", [1] * 40), asked(seed, replicates=2)) for seed in (1, 2))
    assert order(first) != order(second) and order(first) != order(first, 1)
    assert set(order(first)) == set(order(first, 1)), "the test set is that of the study"


@pytest.mark.parametrize(("test", "held"), [(0.25, 10), (25, 25), (1, 1), (0.95, 38)])
def test_test_patients_are_a_fraction_below_1_else_a_count(test: float, held: int):
    table = divide(cohort("a", [2] * 40), asked(), {"a": test})
    assert table[table.part == "test"].patient.nunique() == held


def test_cases_whose_files_would_have_one_name_are_refused():
    cases = pd.concat([cohort("site", [1] * 12), cohort("site_b", [1] * 12)])
    cases.loc[(cases.cohort == "site") & (cases.case == "site3-0"), "case"] = "b_site_b0-0"
    with pytest.raises(SplitError, match="case b_site_b0-0 of cohort site and case site_b0-0 of cohort site_b: their"):
        divide(cases, asked(), {"site": 0.25, "site_b": 0.25})


def test_cases_whose_predictions_of_two_structures_would_have_one_name_are_refused():
    cases = cohort("site", [1] * 12)
    cases.loc[cases.case == "site3-0", "case"] = "site4-0_left"
    asks = cases, {"site": 3}, asked(), {"site": 2}, NO_IMAGES
    wrong = (
        "^case site4-0_left of cohort site and case site4-0 of cohort site: .*_site4-0_left_kidney: rename a structure$"
    )
    with pytest.raises(SplitError, match=wrong):
        split(*asks, ["kidney", "left_kidney"])
    assert len(split(*asks, ["kidney", "liver"]).case.unique()) == 12


def test_a_cohort_on_which_nothing_is_trained_may_be_tested_whole():
    values = copy.deepcopy(UTERUS)
    values = merge(values, values.pop("scales")["demo"]) | {"scale": "demo"}
    values["strategies"] = {"scratch": {"label": "Scratch", "chain": [{"train": {"uterus": "n"}}]}}
    values["cohorts"]["cervix"]["test"], values["figures"] = 10, {}
    study = Study.model_validate(merge(values, {"splits": {"k_fold": {"of": []}}}))
    needed = parameters.needed(study)
    assert needed["cervix"] == 0 and needed["uterus"] == study.sizes[-1]
    table = split(cohort("cervix", [1] * 10), {"cervix": 10}, study.splits, needed, NO_IMAGES)
    assert (table.part == "test").sum() == 10 == len(table)
    with pytest.raises(SplitError, match=r"^cohort cervix: 9 patients of 10 to test \(cohorts.cervix.test\)$"):
        split(cohort("cervix", [1] * 9), {"cervix": 10}, study.splits, needed, NO_IMAGES)


BOTH = {"train": {"cervix": "all", "uterus": "n"}}


@pytest.mark.parametrize("name", ["NA", "null", "nan", "007"])
def test_a_patient_may_be_called_as_missing_values_are(tmp_path: Path, name: str):
    cases = cohort("a", [1] * 12)
    cases.loc[3, ["patient", "case"]] = name
    divide(cases, asked()).to_csv(tmp_path / "splits.csv", index=False)
    table = read_splits(tmp_path / "splits.csv")
    assert name in set(table.patient) and name in set(table.case)
    names = ["cohort", "patient", "case", "part"]
    pd.testing.assert_frame_equal(table[names], divide(cases, asked())[names])


@pytest.fixture(scope="module")
def designs() -> list[tuple[Study, Plan, pd.DataFrame, dict[str, pd.DataFrame]]]:
    """Plans with the splits of their cohorts and each stage's cases; every third patient has two cases."""
    out = []
    for changes in (
        {},
        {
            "splits": {
                "replicates": {"draws": 2},
                "k_fold": {"k": 3, "of": UTERUS["splits"]["k_fold"]["of"]},
            }
        },
        {"sizes": [2, 3, 8]},
        {
            "strategies": {
                "there": {"label": "all, then cervix", "chain": [BOTH, {"train": {"cervix": "all"}}]},
                "here": {"label": "all, then uterus", "chain": [BOTH, {"train": {"uterus": "n"}}]},
            },
            "splits": {"k_fold": {"k": 3, "of": ["there", "here"]}},
        },
    ):
        values = copy.deepcopy(UTERUS)
        values = merge(values, values.pop("scales")["demo"])
        study = Study.model_validate(merge(values, {"scale": "demo", "sizes": [2, 9, 30], **NO_FIGURES, **changes}))
        cases = [
            cohort(name, [1 + (i % 3 == 0) for i in range(c.source.patients)]) for name, c in study.cohorts.items()
        ]
        asks = parameters.splits(study)
        table = split(pd.concat(cases), asks["tests"], study.splits, parameters.needed(study), NO_IMAGES)
        stages = plan(study).stages
        used = {name: stage_cases(table, stage, study.splits.validation) for name, stage in stages.items()}
        out.append((study, plan(study), table, used))
    return out


def lineage(p: Plan, stage: str | None) -> list[str]:
    return [stage, *lineage(p, p.stages[stage].parent)] if stage else []


def test_no_model_was_trained_on_what_it_is_evaluated_on(designs):
    for _, p, table, used in designs:
        patient = table.drop_duplicates("case").set_index("case").patient
        for model in p.models.values():
            asked_for = evaluation_cases(table, model)
            seen = pd.concat(used[name] for name in lineage(p, model.stage))
            assert len(asked_for) and asked_for.case.is_unique
            crossed = set(patient[asked_for.case]) & set(patient[seen.case])
            assert not crossed, f"{model.name}: {crossed}"


def test_every_stage_has_patients_to_train_on_and_others_to_choose_by(designs):
    for _, _, table, used in designs:
        patient = table.drop_duplicates("case").set_index("case").patient
        for name, cases in used.items():
            assert {"train", "validation"} == set(cases.use), name
            patients = patient[cases.case]
            uses = pd.Series(cases.use.to_numpy(), index=patients.to_numpy())
            assert (uses.groupby(level=0).nunique() == 1).all()


def test_folds_together_evaluate_every_training_patient_once(designs):
    for _, p, table, _ in designs:
        for family in p.families().values():
            folds = [evaluation_cases(table, m).case for m in family if m.fold is not None]
            if not folds:
                continue
            where = next(m.fold_cohort for m in family if m.fold is not None)
            own = table[(table.cohort == where) & (table.part == "train") & (table.replicate == 0)]
            assert sorted(pd.concat(folds)) == sorted(own.case)


def test_models_without_a_fold_share_one_test_set_of_all_cohorts(designs):
    for _, p, table, _ in designs:
        models = [m for m in p.models.values() if m.fold is None]
        sets = {tuple(evaluation_cases(table, m).itertuples(index=False)) for m in models}
        assert len(sets) == 1
        assert {row.cohort for row in next(iter(sets))} == {"cervix", "uterus"}


def test_splits_read_back_from_their_file_say_the_same(designs):
    for study, p, table, used in designs[:2]:
        back = pd.read_csv(StringIO(table.to_csv(index=False)))
        share = study.splits.validation
        for name, stage in p.stages.items():
            ours, theirs = used[name], stage_cases(back, stage, share)
            assert ours.to_numpy().tolist() == theirs.to_numpy().tolist()
        for model in p.models.values():
            ours, theirs = (evaluation_cases(t, model) for t in (table, back))
            assert ours.to_numpy().tolist() == theirs.to_numpy().tolist()


def test_a_patient_in_two_cohorts_and_too_few_patients_are_told_at_once():
    cases = pd.concat([cohort("a", [1] * 5), cohort("b", [1] * 3)])
    stray = pd.DataFrame([("b", "a2", "x"), ("b", "a4", "y")], columns=cases.columns)
    with pytest.raises(SplitError) as caught:
        split(pd.concat([cases, stray]), {"a": 3, "b": 4}, asked(), {"a": 4, "b": 2}, NO_IMAGES)
    message = str(caught.value)
    assert "cohorts a, b: 2 names occur in both cohorts (a2, a4): patients never cross a split" in message
    assert "cohort a: 5 patients leave 2" in message and "4 are needed" in message
    assert "cohort b: 5 patients leave 1" in message


def test_just_enough_patients_are_enough():
    cases = cohort("a", [1] * 6)
    assert len(order(split(cases, {"a": 2}, asked(), {"a": 4}, NO_IMAGES))) == 4
    with pytest.raises(SplitError, match=r"leave 4 .* 5 are needed"):
        split(cases, {"a": 2}, asked(), {"a": 5}, NO_IMAGES)


def test_a_cohort_without_patients_is_told():
    with pytest.raises(SplitError, match="cohort b: 0 patients"):
        split(cohort("a", [1] * 6), {"a": 2, "b": 1}, asked(), {"a": 2, "b": 2}, NO_IMAGES)


def test_a_fold_is_left_out_of_the_whole_chain():
    """Uterus and cervix together, then uterus alone: the uterus folds must be new to both."""
    chain = [{"train": {"uterus": "all", "cervix": "all"}}, {"train": {"uterus": "n"}}]
    values = copy.deepcopy(UTERUS)
    values = merge(values, values.pop("scales")["demo"]) | {"scale": "demo"}
    values["strategies"]["twice"] = {"label": "twice", "chain": chain}
    values["splits"]["k_fold"]["of"] = ["twice"]
    study = Study.model_validate(values)
    cases = [cohort(name, [1] * c.source.patients) for name, c in study.cohorts.items()]
    asks = parameters.splits(study)
    table = split(pd.concat(cases), asks["tests"], study.splits, parameters.needed(study), NO_IMAGES)
    p = plan(study)
    folds = [m for m in p.models.values() if m.fold is not None]
    assert len(folds) == 3
    for model in folds:
        seen = [stage_cases(table, p.stages[s], study.splits.validation) for s in lineage(p, model.stage)]
        assert not set(evaluation_cases(table, model).case) & set(pd.concat(seen).case)


def test_a_test_set_without_patients_is_told():
    with pytest.raises(SplitError, match="cohort a: no test patient"):
        split(cohort("a", [1] * 6), {"a": 0.01}, asked(k=2), {"a": 2}, NO_IMAGES)


def small(patients: int, sizes: list[int], k: int) -> tuple[Study, list[pd.DataFrame]]:
    """The uterus study with cross-validated training from scratch, and few uteri beside its tests."""
    values = copy.deepcopy(UTERUS)
    values = merge(values, values.pop("scales")["demo"])
    folds = {"k_fold": {"k": k, "of": ["scratch"]}}
    changes = {"scale": "demo", "sizes": sizes, "splits": folds, **NO_FIGURES}
    study = Study.model_validate(merge(values, changes))
    uteri = patients + int(study.cohorts["uterus"].test)
    cervices = study.cohorts["cervix"].source.patients
    return study, [cohort("cervix", [1] * cervices), cohort("uterus", [1] * uteri)]


def divided(study: Study, cases: list[pd.DataFrame]) -> pd.DataFrame:
    tests = parameters.splits(study)["tests"]
    return split(pd.concat(cases), tests, study.splits, parameters.needed(study), NO_IMAGES)


@pytest.mark.parametrize(("patients", "k"), [(4, 5), (2, 3), (5, 9)])
def test_folds_without_patients_are_told(patients: int, k: int):
    study, cases = small(patients, [2], k)
    whole = patients + int(study.cohorts["uterus"].test)
    with pytest.raises(SplitError, match=f"cohort uterus: {whole} patients leave {patients}"):
        divided(study, cases)


@pytest.mark.parametrize(
    ("patients", "sizes", "k"),
    [
        (5, [2, 5], 3),
        (3, [2, 3], 2),
        (30, [2], 5),
        (30, [2, 4], 2),
    ],
)
def test_every_fold_leaves_patients_to_train_on_and_to_choose_by(patients: int, sizes: list[int], k: int):
    """Refused, or else n patients, or all that the fold leaves where those are fewer."""
    study, cases = small(patients, sizes, k)
    try:
        table = divided(study, cases)
    except SplitError:
        return
    for stage in plan(study).stages.values():
        used = stage_cases(table, stage, study.splits.validation)
        assert set(used.use) == {"train", "validation"}, stage.name
        if stage.fold is not None:
            own = (table.cohort == "uterus") & (table.replicate == stage.replicate)
            left = own & (table.part == "train") & (table.fold != stage.fold)
            assert len(used) == min(sizes[-1], left.sum()), stage.name


def test_one_patient_written_in_two_ways_in_two_cohorts_is_an_error_that_says_what_to_do():
    """Of one cohort's own, `cases` tells; and an unknown identifier is nobody's."""
    cases = pd.concat([cohort("a", [1] * 8), cohort("b", [1] * 8)])
    alike = {"a0": "x", "b3": "x", "a1": "y", "a2": "y", "a4": "", "b4": "", "a5": "z", "b5": "v"}
    with pytest.raises(SplitError) as caught:
        split(cases, {"a": 2, "b": 2}, asked(), {"a": 2, "b": 2}, NO_IMAGES, alike=alike)
    (message,) = str(caught.value).splitlines()
    assert message.startswith("cohorts a, b: the identifiers of 1 patient differ only in case, blanks, leading zeros")
    assert "(a0 and b3)" in message and "`prefix: b-`" in message
    assert len(split(cases, {"a": 2, "b": 2}, asked(), {"a": 2, "b": 2}, NO_IMAGES, alike=alike | {"b3": "w"})) == 16


def test_the_rule_compares_identifiers_by_what_the_manifests_of_cases_say(tmp_path: Path):
    alike = {"a": ["x", "", "y"], "b": ["z", "x", ""]}
    for cohort_, own in alike.items():
        items = {f"{cohort_}{k}": {"patient": f"{cohort_}{k}", "alike": of, "images": {}} for k, of in enumerate(own)}
        write_json(tmp_path / cohort_ / "manifest.json", {"items": items})
        cohort(cohort_, [1] * 3)[["case", "patient"]].replace("-0$", "", regex=True).to_csv(
            tmp_path / cohort_ / "patients.csv", index=False
        )
    job = SimpleNamespace(
        patients=[tmp_path / c / "patients.csv" for c in "ab"], cases=[tmp_path / c / "manifest.json" for c in "ab"],
        cfg={"settings": asked().model_dump(), "tests": {"a": 1, "b": 1}},
        checks={"needed": {"a": 1, "b": 1}, "structures": []}, out=[tmp_path / f"{k}.csv" for k in range(3)],
    )  # fmt: skip
    with pytest.raises(SplitError, match=r"1 patient differ only .*\(a0 and b1\)"):
        splits_of_cohorts(job)


def test_an_image_in_two_cohorts_is_an_error_that_names_the_cases_and_all_findings_at_once():
    cases = pd.concat([cohort("a", [1] * 8), cohort("b", [1] * 8)])
    held = [
        ("a", "a0-0", "t2", "one"), ("a", "a0-0", "adc", "two"), ("a", "a1-0", "t2", "three"),
        ("b", "b3-0", "t2", "one"), ("b", "b3-0", "adc", "two"), ("b", "b4-0", "t2", "four"),
        ("a", "a2-0", "t2", "five"), ("a", "a3-0", "t2", "five"),  # `cases` tells of one cohort's own
    ]  # fmt: skip
    images = pd.DataFrame(held, columns=["cohort", "case", "channel", "image"])
    with pytest.raises(SplitError) as caught:
        split(cases, {"a": 2, "b": 0.01}, asked(), {"a": 2, "b": 2}, images)
    none, same = str(caught.value).splitlines()
    assert none.startswith("cohort b: no test patient")
    assert same.startswith("same-image: case a0-0 of cohort a and case b3-0 of cohort b hold the same image (t2, adc)")

"""Training times and what fine-tuning saved, from simulated records of stages."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossover.analyses.tables.prediction_time import COLUMNS, prediction_times
from crossover.report.score_tables import prediction_time_layout
from crossover.statistics.scores.training_time import SAVINGS, TIMES, savings, training_times
from crossover.study.plan import Model, plan
from tests.chen_tables import chen_records, chen_study


def record(name: str, parent: str | None = None, level: str | None = None, **facts) -> dict:
    stage = {"name": name, "parent": parent, "level": level, "structures": ["organ"],
             "replicate": 0, "fold": None}  # fmt: skip
    base = {"steps": 100, "best_step": 50, "parameters": {"total": 9, "trained": 9},
            "seconds": 20.0, "cpu_seconds": 20.0, "threads": 1, "device": "CPU", "gpu_share": 0.0}  # fmt: skip
    spent = {"step": 9.9, "first_step": 2.0, "batch": 1.0, "validation": 4.0, "load": 3.0}
    given = {**spent, **facts.pop("spent", {})}
    return {"stage": stage, **base, **facts, "seconds_in": given}


def model(stage: str, family: str, n: int, strategy: str = "", level: str | None = None) -> Model:
    return Model(f"{family}-{stage}", family, strategy or family, level, n, 0, None, None, stage, ("organ",))


MODELS = [
    model("source", "source", 0),
    model("target", "target", 5),
    model("tuned", "transfer-L1", 5, "transfer", "L1"),
]


def times(tuned: dict | None = None, target: dict | None = None) -> pd.DataFrame:
    records = [
        record("source", seconds=50.0),
        record("target", **(target or {})),
        record("tuned", "source", "L1", **(tuned or {})),
    ]
    return training_times(records, MODELS)


def test_one_row_for_each_stage_with_its_facts():
    table = times()
    assert list(table.columns) == TIMES
    assert table["stage"].tolist() == ["source", "target", "tuned"]
    row = table.set_index("stage").loc["tuned"]
    assert (row["family"], row["level"], row["parent"], row["n_train"]) == (
        "transfer-L1", "L1", "source", 5,
    )  # fmt: skip
    assert row["other_seconds"] == pytest.approx(2.1) and row["first_step_seconds"] == 2
    assert row["seconds_per_step"] == pytest.approx(0.1)


def test_a_stage_may_end_several_models_or_none():
    shared = [*MODELS, model("tuned", "sweep-L1", 5, "sweep", "L1")]
    table = training_times([record("from-a"), record("tuned", "from-a", "L1")], shared)
    assert table["family"].tolist() == ["", "transfer-L1", "sweep-L1"]
    assert savings(table, "target").empty


def test_a_network_of_several_structures_is_all():
    many = record("target")
    many["stage"]["structures"] = ["left", "right"]
    assert training_times([many], MODELS)["structure"].tolist() == ["all"]


def test_a_third_less_by_cheaper_steps_alone():
    """The paper's case: as many steps, each cheaper."""
    tuned = {"spent": {"step": 6.9}, "seconds": 14.0}
    saved = savings(times(tuned, {"seconds": 17.0}), "target")
    assert list(saved.columns) == SAVINGS
    row = saved.iloc[0]
    assert row["saved_s"] == pytest.approx(3) and row["saved_percent"] == pytest.approx(300 / 17)
    assert row["cheaper_steps_percent"] == pytest.approx(100)
    assert row["anything_else_percent"] == pytest.approx(0)
    assert row["source_s"] == 50 and bool(row["alike"])


def test_fewer_steps_are_not_cheaper_steps():
    tuned = {"steps": 40, "spent": {"step": 3.9}, "seconds": 14.0}
    saved = savings(times(tuned), "target").iloc[0]
    assert saved["cheaper_steps_s"] == pytest.approx(0)
    assert saved["fewer_steps_s"] == pytest.approx(6)
    assert saved["anything_else_percent"] == pytest.approx(100)


seconds = st.floats(0.5, 500)


@settings(max_examples=15, deadline=None)
@given(st.lists(seconds, min_size=12, max_size=12), st.integers(2, 500), st.integers(2, 500))
@pytest.mark.slow
def test_the_parts_add_up_and_change_sign_when_swapped(parts, steps, others):
    def facts(own: list[float], n: int) -> dict:
        spent = dict(zip(("step", "first_step", "batch", "validation", "load"), own))
        return {"spent": spent, "steps": n, "seconds": sum(own)}

    first, second = facts(parts[:6], steps), facts(parts[6:], others)
    causes = [c for c in SAVINGS if c.endswith("_s") and c not in ("saved_s", "source_s")]
    assert len(causes) == 6
    one = savings(times(first, second), "target").iloc[0]
    other = savings(times(second, first), "target").iloc[0]
    assert one[causes].sum() == pytest.approx(one["saved_s"], abs=1e-6)
    if one["saved_s"]:
        shares = one[["cheaper_steps_percent", "anything_else_percent"]]
        assert shares.sum() == pytest.approx(100)
    for cause in causes:
        assert one[cause] == pytest.approx(-other[cause], abs=1e-6)


def test_other_machines_are_not_alike():
    assert not savings(times({"threads": 2}), "target")["alike"].any()
    assert not savings(times({"device": "cuda"}), "target")["alike"].any()
    read = {"activations": {"computed": 3, "read": 7}}
    assert not savings(times(read), "target")["alike"].any()


def test_facts_that_were_not_recorded_are_missing():
    old = record("target")
    del old["seconds_in"]
    table = training_times([record("source"), old, record("tuned", "source", "L1")], MODELS)
    row = savings(table, "target").iloc[0]
    assert row["saved_s"] == 0 and np.isnan(row["cheaper_steps_s"]) and np.isnan(row["other_s"])


def test_trainings_that_share_their_cores_are_told_by_their_processor_seconds():
    def saved(tuned: dict, target: dict) -> pd.Series:
        return savings(times(tuned, target), "target").iloc[0]

    alone = saved({"seconds": 12.0, "cpu_seconds": 11.5}, {"seconds": 20.0, "cpu_seconds": 19.0})
    assert alone["undisturbed"] and alone["cpu_saved_percent"] == pytest.approx(100 * 7.5 / 19)
    shared = saved({"seconds": 25.0, "cpu_seconds": 11.5}, {"seconds": 20.0, "cpu_seconds": 19.0})
    assert not shared["undisturbed"] and shared["saved_percent"] < 0 < shared["cpu_saved_percent"]
    untold = saved({"cpu_seconds": np.nan}, {})
    assert not untold["undisturbed"], "nothing tells that it had its cores"


def test_on_a_gpu_the_whole_device_is_asked_for_and_processor_seconds_say_nothing():
    def saved(**facts) -> pd.Series:
        gpu = {"device": "NVIDIA", "cpu_seconds": 1.0, **facts}
        return savings(times(gpu, gpu), "target").iloc[0]

    whole, part = saved(gpu_share=1.0), saved(gpu_share=0.25)
    assert whole["undisturbed"] and np.isnan(whole["cpu_saved_percent"])
    assert not part["undisturbed"]


def test_no_baseline_no_savings():
    assert savings(times(), None).empty
    assert list(savings(times(), None).columns) == SAVINGS


def test_a_replicate_without_one_of_the_structures_has_no_sum():
    """Half of each structure's time is saved, and all of the kidney's, whose second training was lost."""
    records, models = [], []
    for structure, replicate in [("liver", 0), ("spleen", 0), ("kidney", 0), ("liver", 1), ("spleen", 1)]:
        for family, seconds in (("target", 100.0), ("tuned", 0.0 if structure == "kidney" else 50.0)):
            name = f"{family}-{structure}-r{replicate}"
            records.append(record(name, "source" if family == "tuned" else None, seconds=seconds))
            records[-1]["stage"] |= {"structures": [structure], "replicate": replicate}
            models.append(model(name, family, 5))
    whole = savings(training_times(records, models), "target").query("structure == 'all'")
    assert whole["replicate"].tolist() == [0]
    assert whole["saved_percent"].tolist() == [pytest.approx(200 / 3)]


def test_structures_add_up_and_survive_the_file(tmp_path):
    study = chen_study(organs=3)
    table = training_times(chen_records(study), plan(study).models.values())
    table.to_csv(tmp_path / "times.csv", index=False)
    saved = savings(table, "target")
    read = savings(pd.read_csv(tmp_path / "times.csv"), "target")
    pd.testing.assert_frame_equal(saved, read, check_dtype=False)
    own = saved[saved["family"] == "transfer-conv5"].set_index("structure")
    assert set(own.index) == {*study.structures, "all"}
    parts, whole = own.drop(index="all"), own.loc["all"]
    assert whole["saved_s"] == pytest.approx(parts["saved_s"].sum())
    assert whole["source_s"] == pytest.approx(parts["source_s"].sum())
    assert whole["structures"] == 3
    assert whole["cheaper_steps_s"] == pytest.approx(parts["cheaper_steps_s"].sum())


def test_a_chains_earlier_stages_all_count_as_source():
    models = [model("target", "target", 5), model("c", "chain", 5)]
    records = [
        record("a", seconds=7.0),
        record("b", "a", seconds=8.0),
        record("c", "b", "L1"),
        record("target"),
    ]
    assert savings(training_times(records, models), "target")["source_s"].tolist() == [15.0]


def test_steps_of_gradual_unfreezing_on_the_target_all_count():
    on = {"source": [("s", None)], "target": [("t", 5)], "head": [("t", 5)], "tuned": [("t", 5)]}
    records = [record("source", seconds=50.0), record("target"), record("head", "source"), record("tuned", "head")]
    for each in records:
        each["stage"]["train"] = on[each["stage"]["name"]]
    [row] = savings(training_times(records, MODELS), "target").to_dict("records")
    assert (row["seconds"], row["saved_s"], row["source_s"], row["steps"]) == (40, -20, 50, 200)
    assert row["seconds_per_step"] == pytest.approx(2 * 9.9 / 198)
    causes = ("cheaper_steps_s", "fewer_steps_s", "batches_s", "validation_s", "loading_s", "other_s")
    assert sum(row[cause] for cause in causes) == pytest.approx(-20)


@pytest.mark.parametrize(("head", "alike"), [({}, True), ({"threads": 8}, False), ({"device": "H200"}, False)])
def test_trainings_are_alike_only_where_all_added_stages_are(head, alike):
    on = {"source": [("s", None)], "target": [("t", 5)], "head": [("t", 5)], "tuned": [("t", 5)]}
    records = [record("source"), record("target"), record("head", "source", **head), record("tuned", "head")]
    for each in records:
        each["stage"]["train"] = on[each["stage"]["name"]]
    assert savings(training_times(records, MODELS), "target")["alike"].tolist() == [alike]


def test_beginning_with_a_given_model_is_compared_with_beginning_at_random():
    records = [record("target"), record("tuned", seconds=15.0)]
    records[1]["stage"]["initial"] = "model"
    [row] = savings(training_times(records, MODELS), "target").to_dict("records")
    assert (row["family"], row["saved_s"], row["source_s"]) == ("transfer-L1", 5, 0)


def test_without_stages_the_tables_are_empty():
    table = training_times([], MODELS)
    assert table.empty and list(table.columns) == TIMES
    assert savings(table, "target").empty


# ---- prediction


def test_a_slice_takes_the_median_of_the_models_means():
    study = chen_study()
    models = plan(study).models
    family = next(iter(models.values())).family
    own = [name for name, model in models.items() if model.family == family][:3]
    seconds = dict(zip(own, [9.0, 2.0, 1.0], strict=True))  # the first of the job has its network compiled
    records = [{"model": name, "slices": 10, "seconds": s} for name, s in seconds.items()]
    (row,) = prediction_times([*records, {"model": "gone", "slices": 1, "seconds": 1.0}], models).to_dict("records")
    assert row == {
        "family": family,
        "models": 3,
        "slices": 30,
        "seconds_per_slice": 0.2,
        "fastest": 0.1,
        "slowest": 0.9,
    }
    shown = prediction_time_layout(pd.DataFrame([row]), study)
    assert shown.iloc[0].tolist()[1:] == ["3", "30", "0.200", "0.100", "0.900"]


def test_of_models_without_predicted_slices_there_is_no_time():
    """As where every training failed, and of predictions of before times were recorded."""
    found = prediction_times([{}, {"model": "a", "slices": 0, "seconds": 0.1}], {})
    assert found.empty and list(found) == COLUMNS

"""Whatever trainings fail, everything down to the report is made, without them and saying so."""

from __future__ import annotations

import functools
import html
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crossover.analyses.figures import examples, overlays, training_curves
from crossover.core.files import read_json
from crossover.report import failures_section as failures
from crossover.report.results import StudyResults
from crossover.statistics.differences.chains import ChainScores, attribute_contrasts, contrasts, gains
from crossover.statistics.differences.paired import paired
from crossover.statistics.scores.cross_validation import validation
from crossover.statistics.scores.metrics_table import check_metrics
from crossover.study.chains import chains
from crossover.study.families import main_question
from crossover.study.plan import plan
from crossover.study.schema import Study
from tests.chain_tables import chain_metrics, chain_records, chain_study, write_pictures
from tests.chen_tables import chen_metrics, chen_study
from tests.holes import ADVICE, CASES, HAPPENED, Case, make, with_descendants
from tests.test_figures import write_volumes
from tests.tiers import thorough

pytestmark = pytest.mark.slow


def stages_of(study: Study, *, family: str = "", strategy: str = "", one: str = "") -> list[str]:
    models = plan(study).models.values()
    if one:
        return [next(m.stage for m in models if m.family == one)]
    return [m.stage for m in models if family in ("", m.family) and strategy in ("", m.strategy)]


LOST = [
    ("uterus", {"one": "scratch"}), ("nasopharynx", {"one": "target"}), ("prostate", {"family": "together"}),
    *(thorough(name, lost) for name, lost in (
        ("uterus", {"family": "transfer-L1"}), ("uterus", {"family": "pretrained"}), ("uterus", {}),
        ("nasopharynx", {"strategy": "sweep"}), ("nasopharynx", {"strategy": "source"}),
        ("prostate", {"one": "east"}), ("prostate", {}),
    )),
]  # fmt: skip


@pytest.fixture(scope="module")
def cases() -> dict[str, Case]:
    return {name: case() for name, case in CASES.items()}


@pytest.fixture(scope="module")
def made(cases, tmp_path_factory) -> Callable[..., Path]:
    """results/ of a study of which some trainings failed, each made once; with figures where one failed, or all."""

    @functools.cache
    def results(name: str, **lost: str) -> Path:
        stages, folder = stages_of(cases[name].study, **lost), tmp_path_factory.mktemp(name)
        return make(cases[name], stages, folder, figures="one" in lost or not lost)

    return results


def text_of(report: Path) -> str:
    without = re.sub(r'src="data:[^"]*"', "", report.read_text())
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", without)))


@pytest.mark.parametrize(("name", "lost"), LOST, ids=lambda v: str(v))
def test_everything_is_made_without_the_trainings_that_failed(name, lost, cases, made):
    case = cases[name]
    stages = stages_of(case.study, **lost)
    results = made(name, **lost)
    text = text_of(results / "report.html")
    assert text.count("Trainings that failed") == 2, "a link at the top and the section"
    assert re.search(r"\d+ trainings? failed", text[: text.index("Scale:")])
    failed = with_descendants(case.study, stages)
    for stage in stages:
        if not failed[stage]["happened"].startswith("its parent"):
            assert f"{stage} {HAPPENED} {ADVICE}" in text
    assert not re.search(r"\bnan\b", text)
    gone = {m.name for m in plan(case.study).models.values() if m.stage in failed}
    named = (results / name / "values.json").read_text()
    assert not {value.split("/")[4] for value in read_json(results / name / "values.json")
                if "/summary/" in value} & gone, named  # fmt: skip


def test_without_a_failure_the_report_says_nothing_of_any(cases, tmp_path):
    whole = cases["uterus"]
    one_size = whole.study.model_copy(update={"sizes": whole.study.sizes[-1:]})
    metrics = whole.metrics[whole.metrics["model"].isin(plan(one_size).models)]
    case = replace(whole, study=one_size, metrics=metrics)
    text = text_of(make(case, [], tmp_path, figures=False) / "report.html")
    assert "Trainings that" not in text and "failed" not in text


def test_trainings_that_found_nothing_stay_and_are_named(cases, tmp_path):
    case = cases["uterus"]
    scores = {"scratch-n4": 0.0, "scratch-n32": 1e-9}
    records = [r | {"best_validation_dsc": scores.get(r["stage"]["name"], 0.6)} for r in case.records]
    zero = replace(case, records=records)
    results = make(zero, [], tmp_path, figures=False, only=["summary"])
    text = text_of(results / "report.html")
    assert "1 training ran to the end with a validation DSC of 0 at every check: scratch-n4." in text
    assert "would make their strategy look better" in text
    summary = pd.read_csv(results / "uterus/statistics/summary.csv")
    assert "scratch-n4" in set(summary["model"])


def test_what_is_missing_is_said_of_the_training_that_failed_first():
    study = chain_study(folds=3)
    failed = with_descendants(study, ["north-f0", "cell-unet-resnet18-f2"])
    table = failures.failures_layout(failures.failed_table(failed), study)
    assert table["Training"].tolist() == ["cell-unet-resnet18-f2", "north-f0"]
    cell, north = table["Missing because of it"]
    assert cell == "Fold 3 of U-Net with ResNet-18, which did not take part in the selection."
    assert "North: 1 of 3 folds; its means are over the other 2" in north
    assert "North → East → South: 1 of 3 folds" in north and "East:" not in north.split("North →")[0]


def test_the_line_at_the_top_counts_children_apart():
    study = chain_study(folds=3)
    failed = failures.failed_table(with_descendants(study, ["north-f0"]))
    line = failures.failures_in_short(StudyResults(study, {"failed": failed}, {}))
    assert line.startswith("1 training failed, and 4 others could not start without:")
    none = StudyResults(study, {"failed": failed.iloc[:0]}, {}, scored_zero=["a", "b"])
    assert failures.failures_in_short(none) == "2 trainings ended with a validation DSC of 0."


def test_trainings_that_were_done_again_are_named_with_what_happened_and_which_attempt_counts():
    records = [
        {"stage": {"name": "a"}, "collapsed": [{"seed": 1, "happened": "the loss is nan"}]},
        {"stage": {"name": "b"}, "collapsed": []},
    ]
    again = failures.retried(records)
    section = failures.failures_section(StudyResults(chain_study(), {}, {}, retried=again))
    assert section is not None and "1 training collapsed and was repeated" in section.sentences[0]
    assert section.sentences[0].endswith(
        "The attempt that did not collapse is used; if all collapsed, the one with the highest validation DSC, or the "
        "last of several equal ones. The other attempts: a (the loss is nan)."
    )


# ---- what must not be averaged over


def test_a_mean_over_all_structures_is_of_all_or_none(made):
    results = made("nasopharynx", one="target")
    table = pd.read_csv(results / "nasopharynx/tables/structures.csv").fillna({"b": ""})
    whole = table[table["structure"] == "all"]
    assert set(whole.loc[whole["kind"] == "model", "a"]) == {"source", "transfer-conv5"}
    pairs = whole[whole["kind"] == "comparison"]
    assert set(zip(pairs["a"], pairs["b"], strict=True)) == {("transfer-conv5", "source")}
    single = table[(table["structure"] != "all") & (table["kind"] == "model")]
    counts = single.groupby("a").size().to_dict()
    assert counts == {"source": 3, "target": 2, "transfer-conv5": 3}


def test_paired_rows_that_are_left_are_as_if_nothing_were_missing():
    study = chen_study(organs=3)
    metrics, main = check_metrics(chen_metrics(study)), main_question(study)
    lost = (metrics["family"] == "target") & (metrics["structure"] == "brainstem")
    key = ["test_set", "structure", "family_a", "family_b", "n_train"]
    whole, left = (paired(t, "dsc", 0.05, main).set_index(key) for t in (metrics, metrics[~lost]))
    assert set(left.index) < set(whole.index)
    same = ["difference", "p_wilcoxon_exact", "cases"]
    pd.testing.assert_frame_equal(left[same], whole.loc[left.index, same])
    assert left["tests"].max() == whole["tests"].max() - 2, "Holm corrects for the tests there are"


@pytest.fixture(scope="module")
def prostate() -> tuple[Study, pd.DataFrame, list[dict]]:
    study = chain_study(folds=3, most=2)
    return study, check_metrics(chain_metrics(study)), chain_records(study)


def scores_without(prostate, family: str, fold: int | None = None) -> ChainScores:
    study, metrics, records = prostate
    lost = (metrics["family"] == family) & (True if fold is None else metrics["fold"] == fold)
    gone = set(metrics.loc[lost, "model"])
    validated = validation(records, plan(study).models.values())
    return ChainScores(metrics[~lost], validated[~validated["model"].isin(gone)])


def test_kinds_of_chains_are_compared_where_all_of_a_kind_are_there(prostate):
    study, of = prostate[0], chains(prostate[0])
    whole = contrasts(scores_without(prostate, ""), of, 0.05)
    left = contrasts(scores_without(prostate, "east_north"), of, 0.05)
    place = ["a", "b", "metric", "target"]
    gone = whole.merge(left[place], how="left", indicator=True, on=place)
    gone = gone[gone["_merge"] == "left_only"]
    with_one = (whole["a"] == "one source") | (whole["b"] == "one source")
    assert set(gone["target"]) == {"north", "all"}
    assert len(gone) == (with_one & whole["target"].isin(["north", "all"])).sum()
    assert study.study == "prostate"


def test_a_lost_fold_is_left_out_on_both_sides(prostate):
    of = chains(prostate[0])
    left = contrasts(scores_without(prostate, "north", 1), of, 0.05)
    row = left[(left["a"] == "one source") & (left["target"] == "north")].iloc[0]
    assert row["folds"] == 2
    assert row["mean_a"] - row["mean_b"] == pytest.approx(row["difference"])


def test_without_a_baseline_its_target_has_no_gain(prostate):
    of = chains(prostate[0])
    left = gains(scores_without(prostate, "north"), of, 0.05)
    assert set(left["target"]) == {"east", "south"} and left["gain"].notna().all()


def test_attributes_are_compared_where_both_sources_are_there(prostate):
    study, of = prostate[0], chains(prostate[0])
    tesla = {"field_strength": study.of_cohorts("field_strength")}
    whole = attribute_contrasts(scores_without(prostate, ""), of, tesla, 0.05)
    left = attribute_contrasts(scores_without(prostate, "east_north"), of, tesla, 0.05)
    assert {"north", "all"} == set(whole["target"]) - set(left["target"])
    assert left["difference"].notna().all()


# ---- pictures


def words(figure) -> list[str]:
    axes = [t.get_text() for a in figure.axes for t in [*a.texts, a.title]]
    return axes + [t.get_text() for t in figure.texts]


def test_overlays_leave_a_panel_empty_and_judge_by_who_is_there(cases, tmp_path):
    case = cases["uterus"]
    study, metrics = case.study, case.metrics
    chosen = study.figures.overlays
    sized = [f for f in chosen.strategies if f in set(metrics.loc[metrics["n_train"] > 0, "family"])]
    sizes = sorted(set(chosen.sizes) & set(study.sizes))
    study = study.model_copy(
        update={"figures": study.figures.model_copy(
            update={"overlays": chosen.model_copy(update={"sizes": sizes})})}
    )  # fmt: skip
    paths = write_volumes(study, metrics, tmp_path)
    largest = (metrics["family"] == sized[-1]) & (metrics["n_train"] == sizes[-1])
    target = metrics[metrics["cohort"] == study.target]
    left = metrics[~largest]
    smaller = sizes[-2] if len(sizes) > 1 else sizes[-1]
    asked = (sized[-1], smaller) if len(sizes) > 1 else (sized[-2], smaller)
    assert overlays.judge(target, study) == (sized[-1], sizes[-1])
    assert overlays.judge(target[~largest.reindex(target.index)], study) == asked
    assert words(overlays.draw(left, study, *paths)).count("failed") == 1
    nothing = overlays.draw(metrics[metrics["n_train"] == 0], study, *paths)
    assert any("No model" in text for text in words(nothing))


def test_examples_leave_out_targets_without_a_baseline(prostate, tmp_path):
    study, metrics, records = prostate
    validated = validation(records, plan(study).models.values())
    of = chains(study)
    from crossover.statistics.differences.chains import chain_scores

    small = metrics[metrics["fold"] == 0]
    scores = chain_scores(ChainScores(small, validated), of, 0.95)
    paths = write_pictures(study, small[small["family"] != "north"], tmp_path)
    lost = scores["family"].isin([f for f in scores["family"] if f.startswith("blank")] + ["north"])
    figure = examples.draw(small, scores[~lost], study, *paths)
    labels = {axes.get_ylabel() for axes in figure.axes}
    assert {"East", "South"} <= labels and "North" not in labels
    nothing = examples.draw(small, scores.iloc[:0], study, *paths)
    assert any("No target" in text for text in words(nothing))


# ---- curves


def histories(study: Study) -> pd.DataFrame:
    rows = []
    for stage in plan(study).stages.values():
        step = np.array([10, 20, 30])
        rows.append(pd.DataFrame({
            "stage": stage.name, "step": step, "loss": [0.9, 0.5, 0.4],
            "validation_dsc": [0.1, 0.6, 0.5], "best_step": 20,
        }))  # fmt: skip
    return pd.concat(rows, ignore_index=True)


@pytest.mark.parametrize("name", CASES)
def test_every_training_has_a_curve_with_the_step_that_was_kept(name, cases):
    study = cases[name].study
    groups = training_curves.grouped(study)
    assert sorted(s.name for own in groups.values() for s in own) == sorted(plan(study).stages)
    lost = next(iter(groups.values()))[0].name
    curves = histories(study)
    figure = training_curves.draw(curves[curves["stage"] != lost], {lost}, study)
    scores = [axes for axes in figure.axes if axes.get_title(loc="left") or axes.get_title()]
    assert len(figure.axes) == 2 * len(groups)
    lines = [line for axes in figure.axes for line in axes.lines]
    kept = [line for line in lines if line.get_marker() == "o"]
    trained = len(plan(study).stages) - 1
    assert len(kept) == trained and len(lines) == 3 * trained
    assert {tuple(np.ravel(line.get_data())) for line in kept} == {(20.0, 0.6)}
    own = len(next(iter(groups.values())))
    told = "failed" if own == 1 else f"1 of {own} failed"
    assert [text for text in words(figure) if "failed" in text] == [told]
    assert scores


def test_curves_of_nothing_at_all_are_drawn(cases):
    study = cases["uterus"].study
    empty, failed = pd.DataFrame(columns=training_curves.CURVES), set(plan(study).stages)
    figure = training_curves.draw(empty, failed, study)
    assert words(figure).count("failed") >= 1


def test_histories_are_read_from_the_stages(tmp_path):
    from crossover.core.files import write_json

    write_json(tmp_path / "b.json", {"items": {"a": {"best_step": 2}}, "failed": {"c": {}}})
    (tmp_path / "a").mkdir()
    (tmp_path / "a/history.csv").write_text("step,loss,validation_dsc\n1,0.5,0.1\n2,0.4,0.2\n")
    table, failed = training_curves.read_histories([tmp_path / "b.json"])
    assert failed == {"c"}
    assert table.to_numpy().tolist() == [["a", 1, 0.5, 0.1, 2], ["a", 2, 0.4, 0.2, 2]]

"""The nasopharynx's published numbers, Table 2, figures and report, from simulated tables."""

from __future__ import annotations

import html
import json
from itertools import product
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from scipy import stats

from crossover.analyses import registry
from crossover.analyses.analysis import Inputs
from crossover.analyses.figures import organs, style, sweep, times
from crossover.analyses.predicates import fine_tuned_and_scratch
from crossover.analyses.tables.structures import table_two_paired
from crossover.report.answers import from_pairs
from crossover.report.formats import duration, share, spread
from crossover.report.page import StudyResults, render
from crossover.report.score_tables import (
    comparisons_layout,
    models_layout,
    p_values_layout,
    times_layout,
)
from crossover.statistics.differences.paired import paired, signed_rank
from crossover.statistics.estimates.summary import summarise
from crossover.statistics.papers.published import at_sizes, beside, load_published, of_structure
from crossover.statistics.scores.metrics_table import check_metrics
from crossover.statistics.scores.missing import completed
from crossover.statistics.scores.training_time import savings, training_times
from crossover.study.config import load_study
from crossover.study.families import baseline, fine_tuned, main_question
from crossover.study.plan import plan
from crossover.study.schema import Study
from tests import drawn
from tests.chen_tables import (
    CASES,
    LAYERS,
    ORGANS,
    SWEPT,
    chen_metrics,
    chen_records,
    chen_study,
)
from tests.drawn import assert_readable

pytestmark = pytest.mark.slow

MAIN = ["source", "target", "transfer-conv5"]


@pytest.fixture(scope="module")
def published():
    return load_published("nasopharynx")


@pytest.fixture(scope="module")
def study() -> Study:
    return chen_study()


@pytest.fixture(scope="module")
def few() -> tuple[Study, dict[str, pd.DataFrame]]:
    """A study of two organs and four levels, and tables of it."""
    study = chen_study(organs=2, levels=["spp", "conv4", "conv2"])
    metrics = check_metrics(chen_metrics(study))
    trained = training_times(chen_records(study), plan(study).models.values())
    return study, {
        "metrics": metrics, "paired": paired(metrics, "dsc", 0.05, main_question(study)),
        "training_time": trained, "training_time_saved": savings(trained, baseline(study)),
    }  # fmt: skip


@pytest.fixture(scope="module")
def frames(study: Study, published) -> dict[str, pd.DataFrame]:
    metrics = check_metrics(chen_metrics(study))
    summary = summarise(metrics, 0.95)
    asked = metrics[metrics["family"].isin(MAIN)]  # of the sweep a thousand pairs more
    tests = paired(asked, "dsc", 0.05, main_question(study))
    trained = training_times(chen_records(study), plan(study).models.values())
    return {
        "metrics": metrics, "summary": summary, "paired": tests, "training_time": trained,
        "training_time_saved": savings(trained, baseline(study)),
        "structures": table_two_paired(metrics, summary, tests, published, study),
        "published": at_sizes(published, study.sizes),
    }  # fmt: skip


# ---- what the paper printed


def test_table_two_of_the_paper_is_whole(published):
    values, tests = published.table(), published.paired_table()
    scores = values[values["where"] == "Table 2"]
    assert len(scores) == 12 * 3 and scores["sd"].notna().all()
    assert set(scores["structure"]) == set(ORGANS) and set(scores["family"]) == set(MAIN)
    assert not scores.duplicated(["family", "structure"]).any()
    assert len(tests[tests["where"] == "Table 2"]) == 36


def test_what_the_text_repeats_is_what_its_table_has(published):
    tests = published.paired_table()
    keys = ["structure", "family_a", "family_b"]
    assert (tests.groupby(keys)["p"].nunique() == 1).all()


def test_averages_and_p_values_by_hand(published):
    values = published.table()
    table = values[values["where"] == "Table 2"]
    average = values[values["structure"] == "all"].set_index("family")
    rows = table.groupby("family")["mean"].mean()
    assert rows["source"] == pytest.approx(0.731, abs=5e-4) and average.at["source", "mean"] == 0.74
    for family in ("target", "transfer-conv5"):
        assert round(rows[family], 2) == average.at[family, "mean"]
    assert rows["transfer-conv5"] - rows["target"] == pytest.approx(0.024, abs=5e-4)
    p = published.paired_table()
    against_t = p[(p["family_b"] == "target") & (p["where"] == "Table 2")]["p"]
    assert against_t.min() == 0.007
    assert p["p"].min() * 36 > 0.05  # nothing printed would pass Holm


def p_printed(differences: np.ndarray) -> float:
    return signed_rank(differences)["p_wilcoxon_asymptotic"]


def test_which_printed_p_ten_distinct_differences_can_give(published):
    ranks = np.arange(1, 11)
    possible = {f"{p_printed(signs * ranks):.3f}" for signs in product([-1, 1], repeat=10)}
    printed = {f"{p:.3f}" for p in published.paired_table()["p"]}
    assert printed & possible == {"0.005", "0.007", "0.009", "0.017"}
    tied = [0.04] * 6 + [0.01, 0.02, 0.03, 0.05]
    assert f"{p_printed(np.array(tied)):.3f}" == "0.004"


def test_table_one_of_the_paper_is_a_network(published):
    rows = {row.layer: row for row in published.architecture.rows}
    sides = [row.outputs[0][0] for row in published.architecture.rows]
    assert sides == [417, 209, 105, 105, 53, 53, 53, 53, 53, 53, 417, 417]
    for name in ("Conv2", "Conv3", "Conv4", "Conv5-b1", "Conv5-b2", "Conv5-b3"):
        narrow, same, wide = (out[2] for out in rows[name].outputs)
        assert (same, wide) == (narrow, 4 * narrow)
    named = [r for r in rows.values() if r.kernels and r.layer not in ("Max-pool1", "SPP")]
    assert sum(len(row.kernels) * row.repeats for row in named) == 100
    assert (rows["SPP"].outputs[0][0] - 1) * 8 + 1 == rows["Interpolation"].outputs[0][0]


def test_values_of_a_structure_stand_beside_that_structure(frames, published, study):
    table = beside(frames["summary"], published, study.sizes)
    table = table[(table["metric"] == "dsc") & (table["test_set"] == "target_center")]
    row = table[(table["family"] == "target") & (table["structure"] == "mandible")].iloc[0]
    assert (row["published_mean"], row["published_sd"]) == (0.89, 0.02)
    assert set(of_structure(published.table(), "mandible")["structure"]) == {"mandible"}


# ---- Table 2


def test_table_two_has_models_and_comparisons(frames, study):
    table = frames["structures"]
    assert len(table) == 13 * 6
    row = table[(table["structure"] == "lens_left") & (table["a"] == "transfer-conv5")]
    model = row[row["kind"] == "model"].iloc[0]
    own = frames["metrics"].query(
        "family == 'transfer-conv5' and structure == 'lens_left' and cohort == 'target_center'"
    )["dsc"]
    assert (model["mean"], model["sd"]) == pytest.approx((own.mean(), own.std()))
    assert (model["published_mean"], model["published_sd"]) == (0.71, 0.06)
    test = row[row["b"] == "target"].iloc[0]
    other = frames["metrics"].query("family == 'target' and structure == 'lens_left' and cohort == 'target_center'")[
        "dsc"
    ]
    theirs = stats.wilcoxon(own.to_numpy() - other.to_numpy(), method="exact").pvalue
    assert test["p_wilcoxon_exact"] == pytest.approx(theirs)
    assert test["published_p"] == 0.014 and test["p_holm"] >= test["p"]


def test_the_average_is_that_of_all_cases(frames, study):
    table = frames["structures"]
    row = table[(table["structure"] == "all") & (table["a"] == "target")].iloc[0]
    own = frames["metrics"].query("family == 'target' and cohort == 'target_center'")["dsc"]
    assert (row["mean"], row["sd"]) == pytest.approx((own.mean(), own.std()))
    assert (row["published_mean"], row["cases"]) == (0.78, CASES)
    pooled = table[(table["structure"] == "all") & (table["kind"] == "comparison")]
    assert len(pooled) == 3 and (pooled["p_holm"] >= pooled["p"]).all()


def test_table_two_reads_as_the_papers(frames, study):
    scores = models_layout(frames["structures"], study)
    models = ["Model_S", "Model_T", "Model_ST (conv5)"]
    both = [head + end for head in models for end in ("", ", published")]
    assert list(scores.columns) == ["structure", *both]
    assert scores["structure"].tolist() == [*ORGANS, "all"]
    assert scores["Model_ST (conv5), published"].iloc[0] == "0.89 ± 0.02"
    tests = p_values_layout(frames["structures"], study)
    pairs = ["Model_T vs. Model_S", "Model_ST vs. Model_S", "Model_ST vs. Model_T"]
    both = [head + end for head in pairs for end in ("", ", published")]
    assert list(tests.columns) == ["structure", *both]
    assert tests["Model_ST vs. Model_T, published"].iloc[0] == "0.071"
    assert tests["Model_T vs. Model_S"].iloc[0] == "0.005 (0.002)"


def test_table_two_of_several_sizes_and_of_one_structure(published):
    study = chen_study(sizes=(3, 50), organs=1, sweep=False)
    metrics = check_metrics(chen_metrics(study))
    tests = paired(metrics, "dsc", 0.05, main_question(study))
    table = table_two_paired(metrics, summarise(metrics, 0.95), tests, published, study)
    assert len(table) == 2 * 6 and set(table["structure"]) == {"brainstem"}
    assert table.groupby("n_train")["published_mean"].count().to_dict() == {3: 1, 50: 3}
    text = models_layout(table, study)
    assert text.columns[0] == "n_train" and len(text) == 2
    answer = from_pairs(table, tests, pd.DataFrame(), study)
    assert len(answer.summary.rows) == 2 * 3 and "Difference (CI)" in answer.summary.head
    said = " ".join(answer.sentences)
    assert "“Model_ST” minus “Model_T”, mean DSC on the same cases: 0.01 (" in said
    assert "structures" not in said
    assert table_two_paired(metrics, summarise(metrics, 0.95), tests, None, study)["published_p"].isna().all()


def test_the_mean_over_the_structures_of_models_is_that_of_their_comparison():
    """A structure that few patients have weighs in their means alone, for which a mean of means took it too high."""
    study = chen_study(organs=2, sweep=False)
    metrics = check_metrics(chen_metrics(study))
    few = metrics["structure"].eq(list(study.structures)[1]) & ~metrics["case"].isin(sorted(set(metrics["case"]))[::3])
    metrics, _ = completed(metrics.assign(volume_manual_ml=np.where(few, 0.0, 5.0)), "worst")
    tests = paired(metrics, "dsc", 0.05, main_question(study))
    table = table_two_paired(metrics, summarise(metrics, 0.95), tests, None, study).query("structure == 'all'")
    means = table[table["kind"] == "model"].set_index("a")["mean"]
    for row in table[table["kind"] == "comparison"].itertuples():
        assert row.difference == pytest.approx(means[row.a] - means[row.b], abs=1e-12)
    whole = metrics.dropna(subset="dsc").groupby(["family", "structure"])["dsc"].mean().groupby("family").mean()
    assert (means - whole[means.index]).abs().max() > 0.001


def test_numbers_as_text():
    assert (spread(0.894, 0.021), spread(0.5, np.nan), spread(np.nan, 1)) == (
        "0.89 ± 0.02", "0.50", "",
    )  # fmt: skip
    assert [duration(s) for s in (41.66, 130, 3600 * 98.2, np.nan)] == [
        "41.7 s", "2 min 10 s", "98 h 12 min", "",
    ]  # fmt: skip
    assert [share(v) for v in (33.4, -0.2, np.nan)] == ["33%", "0%", ""]


# ---- sentences

ANSWER = ("structures", "paired", "training_time_saved")


def sentences(frames: dict[str, pd.DataFrame], study: Study) -> str:
    return " ".join(from_pairs(*(frames[name] for name in ANSWER), study).sentences)


def test_findings_follow_the_tables(frames, study):
    said = sentences(frames, study)
    assert "“Model_ST” had a higher mean DSC than “Model_T” for 12 of 12 structures" in said
    worse = frames["structures"].assign(difference=-frames["structures"]["difference"])
    said = sentences(frames | {"structures": worse}, study)
    assert "than “Model_T” for 0 of 12 structures" in said and "in favour of “Model_T”" in said
    distance = study.statistics.model_copy(update={"metric": "hd95_mm"})
    said = sentences(frames | {"structures": worse}, study.model_copy(update={"statistics": distance}))
    assert "“Model_ST” had a lower mean HD95 (mm) than “Model_T” for 12 of 12 structures" in said
    assert "in favour of" not in said


def test_time_saved_is_said_with_its_cause(frames, study):
    said = from_pairs(*(frames[n] for n in ANSWER), study).sentences[-1]
    row = frames["training_time_saved"].query("structure == 'all' and family == 'transfer-conv5'")
    assert f"{row['saved_percent'].iloc[0]:.0f}% less time than training “Model_T”" in said
    assert f"cheaper steps account for {row['cheaper_steps_percent'].iloc[0]:.0f}%" in said
    text = times_layout(frames["training_time_saved"], study)
    assert len(text) == 13 and text["Structure"].iloc[-1] == "All together"


def test_time_saved_is_the_mean_of_the_replicates_and_says_what_was_not_alike(frames, study):
    saved = frames["training_time_saved"]
    slower = saved.assign(replicate=1, saved_s=0.0, alike=False)
    [*_, before] = from_pairs(*(frames[n] for n in ANSWER), study).sentences
    assert "not of the strategies alone" not in before and "replicates" not in before
    two = frames | {"training_time_saved": pd.concat([saved, slower])}
    said = from_pairs(*(two[n] for n in ANSWER), study).sentences[-1]
    row = saved.query("structure == 'all' and family == 'transfer-conv5'")
    assert f"{row['saved_percent'].iloc[0] / 2:.0f}% less time" in said
    assert "on average over 2 replicates" in said and "not of the strategies alone" in said


def test_captions_count_patients_not_their_cases(frames, study):
    metrics = frames["metrics"]
    number = {case: i // 2 for i, case in enumerate(metrics["case"].unique())}
    twos = frames | {"metrics": metrics.assign(patient=metrics["case"].map(number).astype(str))}
    target = metrics[metrics["cohort"] == study.target]
    for each, many in ((frames, target["case"].nunique()), (twos, target["case"].map(number).nunique())):
        assert f" {many} " in organs.caption(each, study) and f" {many} " in sweep.caption(each, study)


def test_the_times_caption_counts_the_trainings_that_are_drawn(frames, study):
    own = frames["training_time"]
    again = pd.concat([own, own.assign(model=own["model"] + "-r1", stage=own["stage"] + "-r1", replicate=1)])
    told = [times.caption(frames | {"training_time": table}, study) for table in (own, again)]
    assert told[0] == told[1] and " each)" in told[0]


# ---- figures


@pytest.fixture(scope="module")
def figures(study, frames) -> dict[str, Figure]:
    small = chen_study(sizes=(3, 20), organs=1, sweep=False)
    metrics = check_metrics(chen_metrics(small))
    tests = paired(metrics, "dsc", 0.05, main_question(small))
    bare = training_times(chen_records(small, extra=False), plan(small).models.values())
    times_only = savings(bare, baseline(small))
    return {
        "organs": organs.draw(frames["metrics"], frames["paired"], study, frames["published"]),
        "sweep": sweep.draw(frames["metrics"], frames["training_time"], study, LAYERS),
        "times": times.draw(frames["training_time"], frames["training_time_saved"], study),
        "organs of one": organs.draw(metrics, tests, small),
        "sweep of one": sweep.draw(metrics, bare, small, dict.fromkeys(LAYERS)),
        "times without parts": times.draw(bare, times_only, small),
    }


def test_no_text_is_too_small_cut_or_on_another(figures):
    for name, figure in figures.items():
        assert_readable(name, figure, 7)


def test_a_family_has_its_colour_and_no_structure_has_it(figures, study):
    names = {style.family_label(study, f): style.family_colour(study, f) for f in MAIN}
    for name in ("organs", "sweep"):
        (legend,) = figures[name].legends
        for handle, text in zip(legend.legend_handles, legend.get_texts(), strict=True):
            label, colour = text.get_text().removesuffix(", mean"), to_rgb(handle.get_color())
            if label in names:
                assert colour == to_rgb(names[label])
            elif label in {organ for organ, *_ in ORGANS.values()}:
                assert colour not in [to_rgb(c) for c in names.values()]


def test_the_sweep_goes_from_few_layers_to_all(figures, study):
    scores = figures["sweep"].axes[0]
    labels = [t.get_text() for t in scores.get_xticklabels()]
    assert (labels[0], labels[3], labels[-1]) == ("spp (1)", "conv5 (10)", "all (101)")
    legend = [t.get_text() for t in figures["sweep"].legends[0].get_texts()]
    assert legend[: len(SWEPT)] == [ORGANS[name][0] for name in SWEPT]


def test_the_sweeps_mean_is_that_of_the_cases(figures, frames):
    line = next(line for line in figures["sweep"].axes[0].lines if line.get_linewidth() == 1.8)
    own = frames["metrics"].query("family == 'sweep-conv3' and cohort == 'target_center'")
    assert line.get_ydata()[list(LAYERS).index("conv3")] == pytest.approx(own["dsc"].mean())


def test_the_main_question_is_read_from_the_strategies(study):
    uterus = load_study("uterus", "demo")
    assert (main_question(study), fine_tuned(study)) == (MAIN, "transfer-conv5")
    assert set(main_question(uterus)) == {"pretrained", "scratch", "transfer-L1", "aggregated"}
    assert fine_tuned(uterus) == "transfer-L1"


def test_a_sweep_alone_is_not_what_the_main_question_fine_tunes(study):
    assert fine_tuned_and_scratch(study)
    strategies = {name: own for name, own in study.strategies.items() if name != "transfer"}
    assert not fine_tuned_and_scratch(study.model_copy(update={"strategies": strategies}))


def test_differences_are_the_fine_tuned_models_whatever_the_order(study, frames):
    turned = frames["paired"].rename(
        columns={"family_a": "family_b", "family_b": "family_a", "ci_low": "ci_high",
                 "ci_high": "ci_low"}
    )  # fmt: skip
    for column in ("difference", "ci_low", "ci_high"):
        turned[column] = -turned[column]
    drawn = [
        [x for line in organs.draw(frames["metrics"], p, study).axes[1].lines for x in line.get_xdata()]
        for p in (frames["paired"], turned)
    ]
    assert drawn[0] == pytest.approx(drawn[1], nan_ok=True)


def test_levels_come_from_the_architecture():
    assert sweep.levels_of(chen_study()) == LAYERS
    other = chen_study().model_copy(
        update={"network": SimpleNamespace(architecture="deeplabv3plus_xception", settings={})}
    )
    assert sweep.levels_of(other) == {"L3": None, "L2": None, "L1": None, "": None}


def test_figures_are_drawn_from_files_and_repeat(few, tmp_path):
    """Each as SVG, which all that is drawn is in; tests/test_figures.py has the other formats."""
    study, frames = few
    (tmp_path / "statistics").mkdir()
    frames["metrics"].to_csv(tmp_path / "metrics.csv", index=False)
    for name in ("paired", "training_time", "training_time_saved"):
        frames[name].to_csv(tmp_path / f"statistics/{name}.csv", index=False)
    for name in ("times", "organs", "sweep"):
        with drawn.only("svg"):
            one, other = (
                registry.find("figures", name).write(Inputs(tmp_path), study, tmp_path / str(i)) for i in (1, 2)
            )
        for a, b in zip(one, other, strict=True):
            assert a.read_bytes() == b.read_bytes()


# ---- rules and report


def test_the_analyses_write_what_the_library_gives(few, tmp_path):
    study, frames = few
    frames["metrics"].to_csv(tmp_path / "metrics.csv", index=False)
    items = {r["stage"]["name"]: r for r in chen_records(study)}
    (tmp_path / "stages.json").write_text(json.dumps({"items": items}))
    sections = ("study", "cohorts", "structures", "sizes", "strategies", "splits", "network",
                "statistics", "figures")  # fmt: skip
    cfg = json.loads(json.dumps({name: _plain(getattr(study, name)) for name in sections}))
    given = Inputs(tmp_path, stages=[tmp_path / "stages.json"])
    for name in ("paired", "training_time"):
        registry.find("statistics", name).write(given, Study.of(cfg), tmp_path)
    out = tmp_path / "statistics"
    read = pd.read_csv(out / "paired.csv").fillna({"corrected_over": ""})
    pd.testing.assert_frame_equal(read, frames["paired"], check_dtype=False)
    saved = pd.read_csv(out / "training_time_saved.csv")
    pd.testing.assert_frame_equal(saved, frames["training_time_saved"], check_dtype=False)
    assert len(pd.read_csv(out / "training_time.csv")) == len(frames["training_time"])


def _plain(value):
    if isinstance(value, dict):
        return {name: _plain(v) for name, v in value.items()}
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value


def test_the_report_has_it_all(study, frames, figures, tmp_path):
    shown = {name: figures[name] for name in ("organs", "sweep", "times")}
    with drawn.only("svg"):
        paths = {name: style.save(figure, tmp_path / name)[0] for name, figure in shown.items()}
    render([StudyResults(study, frames, paths)], tmp_path / "report.html")
    text = html.unescape((tmp_path / "report.html").read_text())
    for title in ("Performance by structure", "number of re-trained layers", "Training time"):
        assert title in text
    assert "DSC of each structure" in text and "0.89 ± 0.02" in text
    assert "10 test cases of Target" in text and "(Brain stem, Parotid left, " in text
    assert "(CPU, 1 thread)" in text and "the means printed in Chen et al. 2023" in text
    assert f"Paired comparisons ({len(comparisons_layout(frames['paired'], study))} rows)" in text
    assert "Tukey" not in text

"""How captions count test cases: of each structure, and patients where these have several cases."""

import numpy as np
import pandas as pd
import pytest

from crossover.analyses.figures import captions, organs
from crossover.analyses.registry import caption
from crossover.report.answers import from_scores
from crossover.report.results import StudyResults
from crossover.report.run_facts import without_structures
from crossover.report.study_tables import of_results
from crossover.statistics.scores.missing import for_figures, read_completed
from crossover.study import families
from crossover.study.config import load_study

ORGANS = load_study("headneck", "demo")
FIRST, SECOND, *_ = ORGANS.structures
CASES, WITH_FIRST = 6, 2


@pytest.fixture(scope="module")
def metrics() -> pd.DataFrame:
    """Scores of six test cases of the target, four of which lack the first structure, found there by all models."""
    rows = [
        {"model": m.name, "family": m.family, "strategy": m.strategy, "level": "", "n_train": m.n_train,
         "replicate": m.replicate, "fold": m.fold, "cohort": ORGANS.target, "case": f"c{i}", "structure": s,
         "dsc": 0.0 if s == FIRST and i >= WITH_FIRST else 0.5 + 0.05 * i,
         "volume_manual_ml": 0.0 if s == FIRST and i >= WITH_FIRST else 5.0}
        for m in families.tested(ORGANS) for s in m.structures for i in range(CASES)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def of_pairs(metrics: pd.DataFrame) -> pd.DataFrame:
    """Pairs with the numbers of cases that statistics have."""
    rows = [
        {"structure": s, "test_set": ORGANS.target, "family_a": "transfer", "family_b": "scratch", "n_train": n,
         "cases": WITH_FIRST if s == FIRST else CASES, "difference": 0.1, "ci_low": 0.0, "ci_high": 0.2,
         "about": "methods"} for s in ORGANS.structures for n in ORGANS.sizes
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_a_structure_that_some_cases_lack_has_its_own_number(metrics):
    frames = {"metrics": metrics, "pairwise": of_pairs(metrics), "paired": of_pairs(metrics)}
    label = ORGANS.structures[FIRST].label
    for name in ("organs", "differences"):
        assert f"{CASES} test cases ({label} {WITH_FIRST}) of" in caption(name, frames, ORGANS)[1], name
    assert "is each case's mean over the structures that it has" in caption("organs", frames, ORGANS)[1]
    target = ORGANS.cohorts[ORGANS.target].label
    numbers = f"{CASES} test cases ({target} {CASES}; {label}: {target} {WITH_FIRST})"
    assert numbers in caption("performance", frames, ORGANS)[1]


def test_cases_without_a_structure_are_told_with_those_in_which_it_was_found(metrics):
    label = ORGANS.structures[FIRST].label
    [said] = without_structures(metrics, ORGANS)
    assert (
        said.startswith(f"{label}: {CASES - WITH_FIRST} cases without it in the reference")
        and "From scratch 4 (c2," in said
    )
    assert without_structures(metrics[metrics["structure"] == SECOND], ORGANS) == []
    assert without_structures(pd.DataFrame(), ORGANS) == []


def test_where_patients_have_several_cases_patients_are_counted(metrics):
    """Captions said "3 test cases" of 6 cases of 3 patients."""
    whole = metrics[metrics["structure"] == SECOND]
    frames = {"metrics": whole.assign(patient="p" + (whole["case"].str[1:].astype(int) // 2).astype(str))}
    frames["paired"] = of_pairs(metrics)
    text = caption("performance", frames, ORGANS)[1]
    assert f"{CASES // 2} test patients (" in text and "Each light point is a test patient." in text
    assert f"{CASES // 2} test patients of" in caption("organs", frames, ORGANS)[1]
    assert captions.unit({"metrics": whole}) == "test case"


def test_the_note_of_a_table_of_structures_counts_each(metrics):
    rows = pd.DataFrame([
        {"kind": "model", "structure": s, "n_train": ORGANS.sizes[-1], "a": "scratch", "b": None, "mean": 0.5,
         "sd": 0.1, "cases": WITH_FIRST if s == FIRST else CASES, "difference": np.nan, "replicates": 1,
         "published_mean": np.nan, "published_sd": np.nan} for s in ORGANS.structures
    ])  # fmt: skip
    [shown] = [t for t in of_results(StudyResults(ORGANS, {"structures": rows}, {})) if t.source == "structures"]
    assert f"{CASES} test cases ({ORGANS.structures[FIRST].label} {WITH_FIRST})" in shown.note


def test_each_interval_of_a_mean_says_what_it_holds_for(metrics):
    """Two intervals of one mean stood on a page, one for other trainings too, both as "95% CI"."""
    rows = metrics.groupby(["structure", "model", "family", "n_train"], as_index=False)["dsc"].mean()
    rows = rows.rename(columns={"dsc": "mean"}).assign(test_set=ORGANS.target, metric="dsc", ci_low=0.4, ci_high=0.6)
    summary = pd.concat([rows, rows.assign(test_set=next(iter(ORGANS.cohorts)))]).assign(about="methods")
    frames = {"metrics": metrics, "summary": summary, "paired": of_pairs(metrics)}
    whose = "for other patients and other trainings"
    assert f"confidence interval {whose} (" in caption("subgroups", frames, ORGANS)[1]
    assert "confidence interval for other patients (" in caption("organs", frames, ORGANS)[1]
    said = from_scores(summary, of_pairs(metrics).assign(p=0.2), ORGANS, SECOND).sentences
    assert [text.endswith(f"(95% CI {whose}).") for text in said if "it was not trained" in text] == [True]
    scores = summary.assign(
        model_label="m", training="t", test_set_label="T", replicates=1, sd_replicates=np.nan, published_mean=np.nan,
        cases=6, published_ci_low=np.nan, published_ci_high=np.nan,
    )  # fmt: skip
    [shown] = [t for t in of_results(StudyResults(ORGANS, frames | {"scores": scores}, {})) if t.source == "scores"]
    assert shown.note.startswith(f"Mean (95% CI {whose}, ")
    none = frames | {"scores": scores.assign(ci_low=np.nan, ci_high=np.nan)}
    [shown] = [t for t in of_results(StudyResults(ORGANS, none, {})) if t.source == "scores"]
    assert shown.note.startswith("Mean.") and "CI" not in shown.note, "of one test case there is no interval"


def test_a_unit_and_what_is_drawn_share_one_pair_of_brackets():
    how = ORGANS.statistics.model_copy(update={"metric": "hd95_mm"})
    by_distance = ORGANS.model_copy(update={"statistics": how})
    assert captions.metric_with(by_distance, "mean ± SD") == "HD95 (mm; mean ± SD)"
    assert captions.metric_with(ORGANS, "mean ± SD") == "DSC (mean ± SD)"


def test_figures_take_infinite_distances_as_statistics_do_and_say_so(metrics, tmp_path):
    """Figures had no mean where the table had one of the other cases."""
    how = ORGANS.statistics.model_copy(update={"metric": "hd95_mm"})
    study = ORGANS.model_copy(update={"statistics": how})
    table = metrics[metrics["structure"] == SECOND].assign(hd95_mm=5.0, replicate=0, iou=0.4, nsd=0.5)
    table = table.drop_duplicates(["family", "n_train", "case"])
    table.loc[table.index[0], ["dsc", "hd95_mm"]] = 0.0, np.nan
    table.to_csv(tmp_path / "metrics.csv", index=False)
    drawn, of_statistics = for_figures(table, "worst"), read_completed(tmp_path / "metrics.csv", "worst")
    assert drawn["hd95_mm"].isna().sum() == 1 and not np.isinf(drawn["hd95_mm"]).any()
    pd.testing.assert_series_equal(drawn["hd95_mm"], of_statistics["hd95_mm"], check_index=False)
    frames = {"metrics": table, "paired": of_pairs(table)}
    for name in ("performance", "organs"):
        assert "1 infinite value, caused by empty masks, is not included" in caption(name, frames, study)[1], name
        assert "infinite" not in caption(name, frames, ORGANS)[1], name


def test_a_strategy_without_a_score_is_not_named_as_drawn(metrics):
    """A caption and a legend had "From scratch", all trainings of which had failed at the largest size."""
    table = metrics[metrics["structure"] == SECOND].assign(structure=SECOND)
    study = ORGANS.model_copy(update={"structures": {SECOND: ORGANS.structures[SECOND]}})
    gone = table[~((table["family"] == "scratch") & (table["n_train"] == ORGANS.sizes[-1]))]
    pair = of_pairs(metrics).assign(p=0.2)
    pair = pair[pair["structure"] == SECOND]
    for rows, named in ((table, True), (gone, False)):
        text = caption("organs", {"metrics": rows, "paired": pair}, study)[1]
        assert ("From scratch and Fine-tuned trained on" in text) == named
        legend = organs.draw(rows, pair, study).legends[0]
        assert ("From scratch" in [t.get_text() for t in legend.get_texts()]) == named

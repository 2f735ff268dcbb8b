"""Findings of the papers as data, and that every verdict flips with the tables."""

from __future__ import annotations

import json
import math
import shutil
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm, t
from typer.testing import CliRunner

from crossover.cli.app import app
from crossover.core.configuration import ConfigError
from crossover.statistics.differences.chains import ChainScores, gains
from crossover.statistics.differences.paired import paired
from crossover.statistics.estimates.agreement import agreement, check_radiomics
from crossover.statistics.estimates.chance import effect
from crossover.statistics.papers.claims.check import check_claims
from crossover.statistics.papers.claims.parts import FAILS, HOLDS, NOT_RUN, OPEN, JudgedEffect, decisive, verdict
from crossover.statistics.papers.claims.score_parts import part
from crossover.statistics.papers.claims.statements import Claim, Untested
from crossover.statistics.papers.claims.verdict_files import judge_claims, read_claims
from crossover.statistics.papers.claims.verdicts import COLUMNS, evaluate_claims
from crossover.statistics.papers.published import load_published
from crossover.statistics.scores.cross_validation import validation
from crossover.statistics.scores.metrics_table import check_metrics
from crossover.study.chains import chains
from crossover.study.config import load_study
from tests.chain_tables import chain_metrics, chain_records, chain_study
from tests.claim_tables import tables_for
from tests.tables import SIZES, simulated_metrics, simulated_radiomics

CONFIG = Path(__file__).parents[1] / "config"
STUDIES = sorted(path.stem for path in (CONFIG / "claims").glob("*.yaml"))
SIDES = {1: HOLDS, -1: FAILS, 0: OPEN}
PLACE = {"metric": "dsc", "sizes": [13]}
PAIR = {"pairs": [{"test_set": "uterus", "a": ["transfer-L1"], "b": ["scratch"]}]}
VALUES = {**PLACE, "test_set": "uterus", "families": ["scratch"]}
OF_EVERY_KIND = {
    "better": {**PLACE, **PAIR},
    "majority": {**PLACE, "pairs": [{"test_set": "uterus", "a": ["transfer-L1", "aggregated"],
                                     "b": ["scratch", "pretrained"]}], "at_least": 3},
    "no_difference": {**PLACE, **PAIR},
    "above": {**VALUES, "bound": 0.5},
    "below": {**VALUES, "bound": 0.5},
    "range": {**VALUES, "low": 0.4, "high": 0.6},
    "rises": {**VALUES, "sizes": [5, 51, 256]},
    "crossover": {"metric": "dsc", "test_set": "all", "ahead": "transfer-L1", "overtakes": "scratch",
                  "between": [51, 128]},
    "time": {"family": "transfer-L1", "over": "scratch", "sizes": [256], "at_least": 33},
    "best_network": {"architecture": "unetplusplus", "encoder": "efficientnet-b3"},
}  # fmt: skip


@cache
def study_of(name: str):
    return load_study(name, "paper", CONFIG)


def claim(kind: str, **values) -> Claim:
    statement = {"kind": kind, **OF_EVERY_KIND.get(kind, {}), **values}
    return Claim(id="c", words="w", where="here", statement=statement)


def judge(asked: Claim, tables: dict, study=None) -> pd.Series:
    sizes = study.sizes if study else [5, 13, 26, 51, 128, 256]
    return evaluate_claims([asked], tables, 0.95, {n: n for n in sizes}).iloc[0]


# ---- every verdict flips


@pytest.mark.parametrize("kind", OF_EVERY_KIND)
def test_each_kind_has_each_verdict(kind):
    asked, study = claim(kind), study_of("uterus")
    for side, expected in SIDES.items():
        tables = tables_for(asked.statement, study, side)
        assert judge(asked, tables)["verdict"] == expected
        for missing in ({}, {name: table.iloc[:0] for name, table in tables.items()}):
            found = judge(asked, missing)
            assert found["verdict"] == NOT_RUN and found["because"] and math.isnan(found["effect"])


@pytest.mark.parametrize(("kind", "of_mm", "mirrored"), [
    ("better", "better", {}), ("majority", "majority", {}), ("no_difference", "no_difference", {"margin": 1.5}),
    ("rises", "rises", {}), ("above", "below", {"bound": 15}), ("below", "above", {"bound": 15}),
    ("range", "range", {"low": 12, "high": 18}),
])  # fmt: skip
def test_a_claim_about_a_distance_is_judged_as_that_about_the_score_that_it_mirrors(kind, of_mm, mirrored):
    """A distance of 30 mm for a score of 0, so that 0.5 is 15 mm."""
    asked = claim(kind)
    by_distance = claim(of_mm, metric="hd95_mm", **mirrored)
    for side, expected in SIDES.items():
        tables = tables_for(asked.statement, study_of("uterus"), side)
        tables["metrics"] = tables["metrics"].assign(hd95_mm=30 * (1 - tables["metrics"]["dsc"]))
        found = judge(by_distance, tables)
        assert found["verdict"] == expected and found["measure"].endswith("HD95 (mm)")
        score = judge(asked, tables)["effect"]
        mirror = -30 * score if found["measure"].startswith("difference") else 30 * (1 - score)
        assert found["effect"] == pytest.approx(mirror)
        tables["metrics"] = tables["metrics"].assign(hd95_mm=np.inf)
        assert judge(by_distance, tables)["verdict"] == NOT_RUN


def test_a_difference_of_distances_that_counts_as_none_is_stated():
    with pytest.raises(ValueError, match="give a margin in mm"):
        claim("no_difference", metric="assd_mm")
    assert claim("better", metric="assd_mm", by=2).statement.region == (-math.inf, -2)


SHIPPED = [(name, each) for name in STUDIES for each in read_claims(name, CONFIG).claims]
TESTED = [pair for pair in SHIPPED if not isinstance(pair[1].statement, Untested)]


@pytest.mark.thorough
@pytest.mark.slow
@pytest.mark.parametrize(("name", "asked"), TESTED, ids=[f"{n}-{c.id}" for n, c in TESTED])
def test_each_shipped_claim_has_each_verdict(name, asked):
    study = study_of(name)
    for side, expected in SIDES.items():
        found = judge(asked, tables_for(asked.statement, study, side), study)
        assert found["verdict"] == expected, found["because"]
    assert judge(asked, {}, study)["verdict"] == NOT_RUN


def test_what_is_untested_is_not_run_whatever_the_tables_hold():
    untested = [c for _, c in SHIPPED if isinstance(c.statement, Untested)]
    found = evaluate_claims(untested, {"metrics": check_metrics(simulated_metrics())}, 0.95, {})
    assert set(found["verdict"]) == {NOT_RUN}
    assert found["because"].tolist() == [c.statement.because for c in untested]


# ---- what is missing is named


@pytest.mark.parametrize(
    ("change", "because"),
    [({"sizes": [51]}, "no model transfer-L1 at n = 51"), ({"sizes": [7]}, "the paper's n = 7"),
     ({"metric": "iou"}, "no metric iou"), ({"structures": ["ovary"]}, "no dsc of transfer-L1 on uterus, ovary"),
     ({"pairs": [{"test_set": "cervix", "a": ["transfer-L1"], "b": ["scratch"]}]}, "on cervix")],
)  # fmt: skip
def test_a_claim_that_lacks_something_is_not_run(change, because):
    tables = tables_for(claim("better").statement, study_of("uterus"), 1)
    tables["metrics"] = tables["metrics"].drop(columns="iou")
    found = judge(claim("better", **change), tables)
    assert found["verdict"] == NOT_RUN and because in found["because"]


def test_times_of_trainings_that_shared_their_cores_answer_nothing():
    asked = claim("time")
    tables = tables_for(asked.statement, study_of("uterus"), -1)
    assert judge(asked, tables)["verdict"] == FAILS
    tables["training_time_saved"].loc[0, "undisturbed"] = False
    found = judge(asked, tables)
    assert found["verdict"] == NOT_RUN and "to itself" in found["because"]


def test_clock_and_processors_must_lead_to_the_same_verdict_on_time():
    """On a GPU processor seconds are missing, and the clock decides."""
    asked = claim("time")
    for side, told in ((1, HOLDS), (-1, FAILS)):
        saved = tables_for(asked.statement, study_of("uterus"), side)["training_time_saved"]
        other = saved.assign(cpu_saved_percent=saved["cpu_saved_percent"] - 40 * side)
        for table, expected in (
            (saved, told), (other, OPEN), (saved.assign(cpu_saved_percent=np.nan), told),
        ):  # fmt: skip
            found = judge(asked, {"training_time_saved": table})
            assert (found["verdict"], found["p"] < 0.05) == (expected, expected != OPEN)


def test_times_of_unlike_machines_answer_nothing():
    asked = claim("time")
    tables = tables_for(asked.statement, study_of("uterus"), 1)
    tables["training_time_saved"].loc[0, "alike"] = False
    assert "different devices" in judge(asked, tables)["because"]


def test_further_replicates_of_the_same_structures_are_no_further_structures():
    """Before, 12 rows of four structures were taken for 12 independent savings, and false claims held in 14%."""
    asked = claim("time")
    once = tables_for(asked.statement, study_of("uterus"), 1)["training_time_saved"].query("structure != 'all'")
    thrice = pd.concat(once.assign(replicate=replicate) for replicate in range(3))
    numbers = ["effect", "ci_low", "ci_high", "p"]
    one, three = (judge(asked, {"training_time_saved": saved})[numbers].astype(float) for saved in (once, thrice))
    assert three.to_numpy() == pytest.approx(one.to_numpy(), rel=1e-6)
    values = once["saved_percent"]
    half = t.ppf(0.975, len(values) - 1) * values.std() / math.sqrt(len(values))
    assert one["ci_low"] == pytest.approx(values.mean() - half)
    single = thrice[thrice["structure"] == "s0"].assign(replicate=[0, 1, 2], saved_percent=[50.0, 53, 59])
    single["cpu_saved_percent"] = np.nan
    assert judge(asked, {"training_time_saved": single})["ci_low"] == pytest.approx(54 - 4.302653 * 4.582576 / 3**0.5)


def test_one_training_has_no_interval():
    asked = claim("time")
    saved = tables_for(asked.statement, study_of("uterus"), 1)["training_time_saved"].iloc[:1]
    found = judge(asked, {"training_time_saved": saved})
    assert (found["verdict"], found["because"]) == (
        OPEN,
        "no interval: too few cases, or all have the same score",
    )
    assert found["effect"] == saved["saved_percent"].iloc[0] and math.isnan(found["ci_low"])


def test_scores_without_any_spread_say_nothing():
    tables = tables_for(claim("better").statement, study_of("uterus"), 1)
    tables["metrics"]["dsc"] = 0.0  # as after a few steps of training
    found = judge(claim("better"), tables)
    assert (found["verdict"], found["effect"]) == (OPEN, 0.0)


def test_a_crossover_the_other_way_is_none_of_the_claims():
    asked = claim("crossover")
    table = tables_for(asked.statement, study_of("uterus"), 1)["crossover"]
    turned = table.rename(columns={"ahead": "overtakes", "overtakes": "ahead"})
    assert judge(asked, {"crossover": turned})["verdict"] == FAILS
    unsure = table.assign(verdict="can't tell")  # not even with an interval inside
    assert judge(asked, {"crossover": unsure})["verdict"] == OPEN
    for low, high in ((129.0, np.inf), (0.0, 50.0)):
        found = judge(asked, {"crossover": unsure.assign(ci_low=low, ci_high=high)})
        assert (found["verdict"], found["ci_low"], found["ci_high"]) == (FAILS, low, high)
        once = unsure.assign(ci_low=low, ci_high=high, replicates=1)  # of these subsets only
        assert judge(asked, {"crossover": once})["verdict"] == OPEN
    twice = table.assign(verdict="leads change more than once")
    assert judge(asked, {"crossover": twice})["verdict"] == FAILS
    assert judge(asked, {"crossover": turned.assign(verdict="can't tell", ci_low=129.0)})["verdict"] == OPEN


# ---- the numbers


def test_a_difference_is_that_of_the_paired_comparisons_where_nothing_is_known_of_trainings():
    whole = check_metrics(simulated_metrics())
    table = whole[whole["n_train"].isin([0, 32])]  # one size and one training: no spread to be known
    expected = paired(table, "dsc", 0.05).set_index(["test_set", "a", "b"])
    here = dict(zip([5, 13, 26, 51, 128, 256], SIZES, strict=True))
    for test_set in ("cervix", "uterus"):
        pairs = [{"test_set": test_set, "a": ["transfer-L1"], "b": ["scratch"]}]
        asked = claim("better", sizes=[51], pairs=pairs)
        found = evaluate_claims([asked], {"metrics": table}, 0.95, here).iloc[0]
        row = expected.loc[(test_set, "transfer-L1-n32", "scratch-n32")]
        ours = found[["effect", "ci_low", "ci_high", "p"]].astype(float)
        theirs = row[["difference", "ci_low", "ci_high", "p_t"]].astype(float)
        assert ours.to_numpy() == pytest.approx(theirs.to_numpy())
        assert found["verdict"] == OPEN


def test_one_training_says_nothing_of_a_method_unless_the_study_tells_how_trainings_differ():
    asked, study = claim("better"), study_of("uterus")
    several = tables_for(asked.statement, study, 1)["metrics"]
    once = several[several["replicate"] == 0]
    assert judge(asked, {"metrics": several})["verdict"] == HOLDS
    found = judge(asked, {"metrics": once})
    assert found["verdict"] == OPEN
    assert "it holds of these trained models; another training of each is needed" in found["because"]


def test_chains_are_judged_for_other_patients_and_other_trainings():
    study = chain_study(folds=3, most=2)
    metrics = check_metrics(chain_metrics(study))
    records = chain_records(study)
    from crossover.study.plan import plan

    validated = validation(records, plan(study).models.values())
    table = gains(ChainScores(metrics, validated), chains(study), 0.05)
    row = table.query("family == 'east_north' and metric == 'dsc_structure_slices'").iloc[0]
    pairs = [{"test_set": "north", "a": ["east_north"], "b": ["north"]}]
    asked = claim("better", metric="dsc_structure_slices", sizes=[], pairs=pairs)
    found = judge(asked, {"metrics": metrics})
    numbers = found[["effect", "ci_low", "ci_high"]].astype(float).to_numpy()
    expected = row[["gain", "ci_wide_low", "ci_wide_high"]].astype(float)
    assert numbers == pytest.approx(expected.to_numpy())


@pytest.mark.parametrize("combine", ["each", "sides", "all"])
def test_a_chain_that_was_trained_longer_is_better_only_than_a_control_that_was_too(combine):
    """Chains of two trainings gain 0.12 on the target alone; trained twice itself it gains nothing, or 0.12 too."""
    study = chain_study(folds=3, most=2)
    pairs = [{"test_set": "north", "a": ["east_north", "south_north"], "b": ["north"]}]
    asked = claim("better", metric="dsc_structure_slices", sizes=[], pairs=pairs, combine=combine)
    better = dict.fromkeys(("east_north", "south_north"), 0.92)
    table = check_metrics(chain_metrics(study, families={"north": 0.8, "east": 0.8, **better}))
    controls = {(a, "north"): ("north_north",) for a in better}

    def judged_with(metrics: pd.DataFrame, controls: dict) -> pd.Series:
        tables = {"metrics": metrics}
        return evaluate_claims([asked], tables, 0.95, {}, controls=controls).iloc[0]

    alone = judged_with(table, {})
    assert alone["verdict"] == HOLDS
    untold = judged_with(table, controls)
    assert untold["verdict"] == OPEN and "trained longer: east_north than north" in untold["because"]
    for as_good_as, verdict_ in (("north", HOLDS), ("east_north", OPEN)):
        control = table[table["family"] == as_good_as]
        names = control["model"].str.replace(as_good_as, "north_north")
        control = control.assign(family="north_north", strategy="north_north", model=names)
        found = judged_with(check_metrics(pd.concat([table, control])), controls)
        assert found["verdict"] == verdict_ and found["parts"] == 2 * alone["parts"]


def test_means_over_families_places_and_structures_are_each_cases():
    table = check_metrics(simulated_metrics(sizes=(13, 51), structures=("left", "right")))
    pairs = [{"test_set": "uterus", "a": ["transfer-L1", "transfer-L2"], "b": ["scratch"]}]
    rows = table[(table["n_train"] == 13) & (table["cohort"] == "uterus") & table["fold"].isna()]
    means = rows.groupby(["family", "case"])["dsc"].mean().unstack(0)
    expected = (means[["transfer-L1", "transfer-L2"]].mean(axis=1) - means["scratch"]).mean()
    for combine in ("sides", "all"):
        asked = claim("better", structures=["all"], combine=combine, pairs=pairs)
        found = judge(asked, {"metrics": table})
        assert (found["parts"], found["effect"]) == (1, pytest.approx(expected))
    assert judge(claim("better", pairs=pairs), {"metrics": table})["parts"] == 4


def test_the_chance_of_training_of_one_effect_of_all_structures_is_not_that_of_the_first():
    """The order of structures decided: of equal methods a false verdict was given in 35% of tables or in none."""
    table = check_metrics(simulated_metrics(structures=("left", "right")))
    shaken = np.where(table["n_train"].isin(SIZES[::2]), 0.1, 0.0) * (table["structure"] == "right")
    table["dsc"] = (table["dsc"] - shaken).clip(0, 1)
    here = dict(zip([5, 13, 26, 51, 128, 256], SIZES, strict=True))

    def low(ascending: bool, **how) -> float:
        ordered = table.sort_values("structure", ascending=ascending, kind="stable")
        return evaluate_claims([claim("better", sizes=[51], **how)], {"metrics": ordered}, 0.95, here).iloc[0]["ci_low"]

    assert low(True, combine="all") == pytest.approx(low(False, combine="all"))
    assert low(True, combine="all") == pytest.approx(low(True, structures=["all"]))


def lost_kidney(families: list[str]) -> pd.DataFrame:
    """Families a and b, as good as each other, of three trainings; these lost that of the kidney in the last."""
    rng, ease = np.random.default_rng(0), np.random.default_rng(1).normal(0, 0.03, 12)
    rows = [
        {"model": f"{family}-n13-{structure}-r{r}", "family": family, "strategy": family, "level": "", "n_train": 13,
         "replicate": r, "fold": None, "cohort": "uterus", "case": f"c{c}", "structure": structure,
         "dsc": mean + ease[c] + rng.normal(0, 0.01), "iou": 0.5, "hd95_mm": 1.0, "nsd": 0.5}
        for family in "ab" for r in range(3) for structure, mean in (("liver", 0.9), ("kidney", 0.5))
        for c in range(12) if (structure, r) != ("kidney", 2) or family not in families
    ]  # fmt: skip
    return check_metrics(pd.DataFrame(rows))


@pytest.mark.parametrize("families", [["b"], ["a", "b"]])
def test_a_training_counts_for_a_claim_where_it_has_all_that_is_compared(families):
    """Scores that it lacks counted as 0."""
    table = lost_kidney(families)
    whole = table[(table["replicate"] < 2) | ~table["family"].isin(families)]
    pairs = [{"test_set": "uterus", "a": ["a"], "b": ["b"]}]
    numbers = ["effect", "ci_low", "ci_high", "p"]
    for how in ({"combine": "all"}, {"structures": ["all"]}):
        asked = claim("better", pairs=pairs, sizes=[13], **how)
        found, expected = (judge(asked, {"metrics": own})[numbers].astype(float) for own in (table, whole))
        assert found.to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-9)
        assert abs(found["effect"]) < 0.01


def test_a_claim_about_all_structures_needs_a_training_that_has_all():
    table = lost_kidney(["a", "b"])
    table = table[(table["replicate"] == 2) | ((table["replicate"] == 0) & (table["structure"] == "kidney"))]
    pairs = [{"test_set": "uterus", "a": ["a"], "b": ["b"]}]
    found = judge(claim("better", pairs=pairs, sizes=[13], combine="all"), {"metrics": table})
    assert found["verdict"] == NOT_RUN and "no training with scores of all" in found["because"]


def test_iccs_are_those_of_the_table_and_their_differences():
    table = check_radiomics(simulated_radiomics())
    icc = agreement(table, "ICC(A,1)", 0.95).query("test_set == 'uterus'")
    here = {13: 8}
    asked = claim("above", metric="icc", families=["transfer-L1"], bound=0.5)
    found = evaluate_claims([asked], {"radiomics": table}, 0.95, here).iloc[0]
    own = icc[icc["model"] == "transfer-L1-n8"]
    assert found["parts"] == len(own)
    assert np.abs(own["icc"] - found["effect"]).min() < 1e-9
    asked = claim("better", metric="icc")
    found = evaluate_claims([asked], {"radiomics": table}, 0.95, here).iloc[0]
    by_model = icc.pivot(index="feature", columns="model", values="icc")
    apart = by_model["transfer-L1-n8"] - by_model["scratch-n8"]
    assert np.abs(apart - found["effect"]).min() < 1e-9
    assert found["ci_low"] < found["effect"] < found["ci_high"]


def features(seed: int, trainings: dict[str, int], luck: float = 0.0, patients: int = 30) -> pd.DataFrame:
    """Features by two equal methods, each trained so many times; a training is as near as its luck has it."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(0, 1, patients)
    drawn = {f"{f}-r{r}": truth + 0.5 * np.exp(luck * rng.normal()) * rng.normal(0, 1, patients)
             for f, count in trainings.items() for r in range(count)}  # fmt: skip
    rows = [
        {"model": model, "family": model[:-3], "strategy": model[:-3], "level": "", "n_train": 0, "cohort": "uterus",
         "case": f"p{i}", "structure": "tumour", "feature": "Mean", "value": value}
        for model, values in {"manual": truth, **drawn}.items() for i, value in enumerate(values)
    ]  # fmt: skip
    return check_radiomics(pd.DataFrame(rows))


def icc_verdict(table: pd.DataFrame, **pair: list[str]) -> pd.Series:
    asked = claim("better", metric="icc", pairs=[{"test_set": "uterus", "a": ["tuned"], "b": ["scratch"]} | pair])
    return evaluate_claims([asked], {"radiomics": table}, 0.95, {}).iloc[0]


def test_folds_share_their_training_patients_in_the_interval_of_networks():
    """With five folds, Nadeau and Bengio's variance is 1 / 5 + 1 / 4 of the folds', not 1 / 5."""
    own, other = np.array([0.80, 0.83, 0.79, 0.84, 0.82]), np.array([0.78, 0.80, 0.79, 0.80, 0.81])
    names = {"architecture": "unetplusplus", "encoder": "efficientnet-b3"}
    rows = [
        names | {"fold": fold, "validation_dsc": score} | ({"encoder": "resnet18"} if scores is other else {})
        for scores in (own, other) for fold, score in enumerate(scores)
    ]  # fmt: skip
    found = judge(claim("best_network"), {"cross_validation": pd.DataFrame(rows)})
    apart = own - other
    half = t.ppf(0.975, 4) * apart.std(ddof=1) * np.sqrt(1 / 5 + 1 / 4)
    assert (found["ci_low"], found["ci_high"]) == pytest.approx((apart.mean() - half, apart.mean() + half))


def test_a_method_with_more_trainings_has_no_higher_icc_for_that():
    """The mean of three trainings' features agrees better than one's: "better" held in 4 of 5 tables of equals."""
    found = [icc_verdict(features(seed, {"tuned": 3, "scratch": 1}))["verdict"] for seed in range(20)]
    assert found.count(HOLDS) <= 2


def test_one_training_each_tells_nothing_of_the_icc_of_methods():
    """Of trained models that differ by luck alone a method was said to be better in a fifth of the tables."""
    row = icc_verdict(features(3, {"tuned": 1, "scratch": 1}, luck=1.5))
    assert row["verdict"] == OPEN and "of these trained models" in row["because"]
    others = {"tuned": 1, "scratch": 1, "aggregated": 3, "source": 3}
    row = icc_verdict(features(3, others, luck=1.5))
    assert row["verdict"] == OPEN and "of these trained models" not in row["because"]


def test_an_icc_decides_where_trainings_of_each_agree_about_it():
    near = features(1, {"tuned": 3})
    far = features(2, {"scratch": 3}).assign(value=lambda t: np.where(t["model"] == "manual", t["value"], -t["value"]))
    table = pd.concat([near, far[far["model"] != "manual"]], ignore_index=True)
    assert icc_verdict(table)["verdict"] == HOLDS
    assert icc_verdict(table, a=["scratch"], b=["tuned"])["verdict"] == FAILS


def test_one_patient_alone_decides_no_claim_about_iccs():
    """Two models that differ on one patient of eight."""
    table = check_radiomics(simulated_radiomics(cases={"cervix": 8, "uterus": 8}))
    keys = ["cohort", "case", "structure", "feature"]
    same = table[table["model"] == "scratch-n8"].set_index(keys)["value"]
    at = table["model"] == "transfer-L1-n8"
    table.loc[at, "value"] = same.loc[pd.MultiIndex.from_frame(table.loc[at, keys])].to_numpy()
    one = at & (table["case"] == table.loc[at & (table["cohort"] == "uterus"), "case"].iloc[0])
    for factor in (0.2, 5.0):  # further from the manual contours, on either side
        changed = table.assign(value=table["value"].where(~one, table["value"] * factor))
        for a, b in (("transfer-L1", "scratch"), ("scratch", "transfer-L1")):
            pairs = [{"test_set": "uterus", "a": [a], "b": [b]}]
            asked = claim("better", metric="icc", pairs=pairs)
            found = evaluate_claims([asked], {"radiomics": changed}, 0.95, {13: 8}).iloc[0]
            assert found["verdict"] == OPEN and found["p"] > 0.05
            assert found["ci_low"] <= 0 <= found["ci_high"]


def test_the_papers_effect_stands_beside():
    published = load_published("uterus", CONFIG).table()
    asked = next(c for _, c in SHIPPED if c.id == "transfer-highest-on-uterus")
    tables = tables_for(asked.statement, study_of("uterus"), 1) | {"published": published}
    # 0.70 - 0.66 (aggregated, n = 51) and 0.70 - 0.31 (pretrained)
    assert judge(asked, tables)["published"] == "+0.04 to +0.39; p < 0.001"


# ---- several parts


def normal(effect: float, name: str = "", se: float = 1.0) -> JudgedEffect:
    return JudgedEffect(name, effect, lambda c: (effect - z(c) * se, effect + z(c) * se))


@cache
def z(confidence: float) -> float:
    return float(norm.ppf((1 + confidence) / 2))


ABOVE = (0.0, math.inf)


def test_one_failing_part_fails_a_claim_about_all_and_none_about_most():
    parts = [normal(5.0), normal(6.0), normal(-5.0, "low")]
    assert verdict(parts, ABOVE, 0.95) == FAILS
    assert verdict(parts, ABOVE, 0.95, least=2) == HOLDS
    assert decisive(parts, ABOVE, 0.95).name == "low"
    assert decisive(parts, ABOVE, 0.95, least=2).effect == 5.0
    # below 0 at 95%, not once three are looked at (norm.ppf(1 - 0.025 / 3) = 2.39)
    assert verdict([normal(5.0), normal(6.0), normal(-2.2)], ABOVE, 0.95) == OPEN
    assert verdict([normal(-2.2)], ABOVE, 0.95) == FAILS


@given(st.lists(st.floats(-6, 6), min_size=1, max_size=8), st.data())
def test_a_claim_about_fewer_parts_is_weaker(effects, data):
    parts = [normal(effect) for effect in effects]
    k = data.draw(st.integers(1, len(parts)))
    order = [HOLDS, OPEN, FAILS]
    ranks = [order.index(verdict(parts, ABOVE, 0.95, least=i)) for i in (k, len(parts))]
    if k == 1 or len(parts) == k:
        assert (verdict(parts, ABOVE, 0.95, len(parts)) == HOLDS) <= all(e > z(0.95) for e in effects)
    # it never holds for all and fails for fewer
    assert not (ranks[1] == 0 and ranks[0] == 2)


@pytest.mark.parametrize("least", [1, 3, 5])
def test_wrong_verdicts_are_rare_whatever_is_claimed(least):
    """At the bound both verdicts are errors of at most 5% (of 4,000: below 6.2% by 3.5 SE)."""
    rng = np.random.default_rng(0)
    wrong = {HOLDS: 0, FAILS: 0}
    for _ in range(4000):
        # as many parts clearly true as leaves the claim just false, or just true
        for told, clear in ((HOLDS, least - 1), (FAILS, least)):
            means = np.where(np.arange(5) < clear, 8.0, 0.0)
            means = means if told == HOLDS else np.where(means > 0, 1e-9, -8.0)
            found = verdict([normal(e) for e in means + rng.normal(size=5)], ABOVE, 0.95, least)
            wrong[told] += found == told
    assert max(wrong.values()) / 4000 < 0.062


# ---- the files


def test_every_shipped_file_names_what_its_study_has():
    for scale in ("smoke", "demo", "paper"):
        check_claims({name: load_study(name, scale, CONFIG) for name in STUDIES}, CONFIG)
    for name in STUDIES:
        selection = study_of(name).selection
        for asked in (c.statement for n, c in SHIPPED if n == name):
            if asked.kind == "best_network":
                assert (asked.architecture, asked.encoder) in selection.cells
            elif asked.kind != "untested" and hasattr(asked, "metric"):
                own = study_of(name).statistics.metric
                assert asked.metric in {"icc", own, own.replace("dsc", "iou")}


def test_no_verdict_stands_in_a_file():
    for name in STUDIES:
        assert "verdict:" not in (CONFIG / "claims" / f"{name}.yaml").read_text()


@pytest.mark.real
def test_quoted_words_are_the_papers():
    """In the papers' texts."""
    papers = Path(__file__).parents[2] / "shared/papers"
    texts = {"uterus": "lin2023", "nasopharynx": "chen2023", "prostate": "touijer"}
    wrong = [
        f"{name}, {asked.id}: {piece}"
        for name, asked in SHIPPED
        for piece in asked.words.split("…")
        if not quoted(plain(piece), plain((papers / f"{texts[name]}.txt").read_text()))
    ]
    assert not wrong, "\n".join(wrong)


def quoted(piece: str, text: str) -> bool:
    """Whether it stands there, broken once at most: by a page's end with its figure or table."""
    if piece in text:
        return True
    most = next(i for i in range(len(piece), -1, -1) if piece[:i] in text)
    rest = piece[most:]
    return min(most, len(rest)) > 8 and rest in text


def plain(text: str) -> str:
    """Letters and digits alone: the texts break lines, hyphenate and set formulas."""
    return "".join(c for c in text.lower() if c.isalnum())


def test_all_that_is_wrong_with_a_file_is_told_at_once(tmp_path):
    shutil.copytree(CONFIG, tmp_path / "config")
    path = tmp_path / "config/claims/uterus.yaml"
    study = study_of("uterus")

    def written(*statements: dict) -> str:
        claims = [{"id": f"c{i}", "words": "w", "where": "x", "statement": s} for i, s in enumerate(statements)]
        path.write_text(yaml.safe_dump({"study": "uterus", "claims": claims}))
        with pytest.raises(ConfigError) as caught:
            check_claims({"uterus": study}, tmp_path / "config")
        return str(caught.value)

    text = written({"kind": "better", "metric": "dsc", "pairs": []}, {"kind": "bettre"})
    assert str(path) in text and "claims.entry 1" in text and "claims.entry 2" in text and "no_difference" in text
    pair = {"test_set": "ovary", "a": ["transfer-L9"], "b": ["scratch"]}
    text = written(
        {"kind": "better", "metric": "dsc", "sizes": [7], "structures": ["liver"], "pairs": [pair]},
        {"kind": "above", "metric": "dsc", "bound": 1, "test_set": "all", "families": ["nobody"]},
    )
    for place, finding in (("c0", "no size 7; it has 5, 13"), ("c0", "no family 'transfer-L9'; it has"),
                           ("c0", "no test set 'ovary'; it has cervix, uterus, all"),
                           ("c0", "no structure 'liver'; it has tumour"), ("c1", "no family 'nobody'")):  # fmt: skip
        assert any(f"claims.{place}: the study has {finding}" in line for line in text.splitlines()), finding


# ---- the command and the job


@pytest.mark.slow
def test_the_command_tells_verdicts_of_the_results_that_are_there(tmp_path):
    folder = tmp_path / "uterus"
    folder.mkdir()
    simulated_metrics(folds=0).to_csv(folder / "metrics.csv", index=False)
    run = CliRunner().invoke(app, ["claims", "--results", str(tmp_path), "--json"])
    assert run.exit_code == 0, run.output
    rows = {row["id"]: row for row in json.loads(run.output)}
    assert set(COLUMNS) <= set(rows["more-data-helps"]) and {r["study"] for r in rows.values()} == {"uterus"}
    assert rows["more-data-helps"]["verdict"] == HOLDS
    assert rows["crossover-to-aggregated"]["because"] == "the results have no table crossover"
    table = judge_claims(load_study("uterus", "demo", CONFIG), [folder / "metrics.csv"], CONFIG)
    assert {r["id"]: r["verdict"] for r in rows.values()} == dict(zip(table["id"], table["verdict"], strict=True))
    shown = CliRunner().invoke(app, ["claims", "uterus", "--results", str(tmp_path)], env={"COLUMNS": "200"})
    assert "more-data-helps" in shown.output and "31 claims" in shown.output


def test_the_command_names_what_is_missing(tmp_path):
    run = CliRunner().invoke(app, ["claims", "uterus", "liver", "--results", str(tmp_path)])
    assert run.exit_code == 2
    assert "liver.yaml does not exist; there are claims of nasopharynx, prostate, uterus" in run.output
    assert "uterus/metrics.csv does not exist" in run.output.replace("\n", "")


def test_p_of_a_region_with_two_ends_is_below_alpha_exactly_where_the_interval_lies_inside():
    rng, region, alpha = np.random.default_rng(0), (-0.05, 0.05), 0.05
    found = []
    for shift in np.linspace(-0.03, 0.03, 40):
        a, b = rng.normal(0.8, 0.1, (20, 1)) + rng.normal(0, 0.04, (2, 20, 3)) + shift * np.array([[[0.5]], [[-0.5]]])
        own = part("", effect([a, b], [1, -1]), region, np.nan, (0.0, 1.0))
        holds = verdict([own], region, 1 - alpha) == HOLDS
        assert (own.p < alpha) == holds
        found.append(holds)
    assert 0 < sum(found) < len(found)

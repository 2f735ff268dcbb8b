"""The prostate's published numbers, tables, figures and report, from simulated tables."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib import colormaps
from matplotlib.figure import Figure

from crossover.analyses import registry
from crossover.analyses.analysis import Inputs
from crossover.analyses.figures import examples, gains, grid, scheme, style
from crossover.analyses.registry import caption
from crossover.analyses.tables.cohorts import cohorts_table
from crossover.analyses.tables.networks import grid_table
from crossover.analyses.tables.sources import sources_table
from crossover.core.incremental import records_of
from crossover.report.answers import chains_in_short, chains_picture, from_chains
from crossover.report.chain_tables import (
    NONE,
    cohorts_layout,
    gains_layout,
    judged,
    kinds_layout,
    networks_layout,
    sources_layout,
    stated_gains,
)
from crossover.report.formats import points
from crossover.report.page import StudyResults, render
from crossover.report.run_facts import initial_weights, notices, run_facts
from crossover.report.study_tables import of_page
from crossover.report.table_layout import table
from crossover.statistics.differences.chains import (
    METRICS,
    ChainScores,
    attribute_contrasts,
    chain_scores,
    contrasts,
)
from crossover.statistics.differences.chains import gains as compute_gains
from crossover.statistics.differences.stability import stability
from crossover.statistics.estimates.summary import summarise
from crossover.statistics.papers.published import load_published
from crossover.statistics.scores.cross_validation import cross_validation, validation
from crossover.statistics.scores.metrics_table import check_metrics
from crossover.study import parameters
from crossover.study.chains import chains
from crossover.study.config import load_study
from crossover.study.plan import plan
from crossover.study.schema import Study
from tests import drawn
from tests.chain_tables import (
    SITES,
    TESTED,
    chain_metrics,
    chain_records,
    chain_splits,
    chain_study,
    write_pictures,
)
from tests.drawn import assert_readable, texts
from workflow_scripts import report as report_script

pytestmark = pytest.mark.slow

METRIC = "dsc_structure_slices"
CONFIG = Path(__file__).parents[1] / "config"
SLICES = {"north": 396, "east": 384, "south": 468}


@pytest.fixture(scope="module")
def study() -> Study:
    return chain_study()


@pytest.fixture(scope="module")
def published():
    return load_published("prostate", CONFIG)


def made(study: Study, missing: tuple[str, ...] = (), **simulation) -> dict[str, pd.DataFrame]:
    """Every table of the statistics."""
    metrics, records = (
        check_metrics(chain_metrics(study, **simulation)),
        chain_records(study, None, missing),
    )
    chosen = study.selection
    tried = {"cross_validation": cross_validation(records, chosen.cells)} if chosen else {}
    return tried | of_chains(study, metrics, records) | {
        "metrics": metrics, "splits": chain_splits(study), "summary": summarise(metrics, 0.95),
        "stability": stability(metrics, study.statistics.metric),
    }  # fmt: skip


def of_chains(study: Study, metrics: pd.DataFrame, records: list[dict]) -> dict[str, pd.DataFrame]:
    """The tables of chains alone."""
    validated = validation(records, plan(study).models.values())
    scores, of = ChainScores(metrics, validated, study.statistics.metric), chains(study)
    attributes = {a.name: study.of_cohorts(a.name) for a in study.attributes}
    return {
        "validation": validated, "chains": chain_scores(scores, of, 0.95),
        "gains": compute_gains(scores, of, 0.05), "contrasts": contrasts(scores, of, 0.05),
        "attributes": attribute_contrasts(scores, of, attributes, 0.05),
    }  # fmt: skip


@pytest.fixture(scope="module")
def frames(study) -> dict[str, pd.DataFrame]:
    return made(study)


def write_records(study: Study, folder: Path, missing: tuple[str, ...] = ()) -> Path:
    """A manifest of all stages."""
    items = {r["stage"]["name"]: r for r in chain_records(study, None, missing)}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "all.json").write_text(json.dumps({"items": items}))
    return folder


def records(folder: Path) -> list[dict]:
    return records_of(folder.glob("*.json"))


# ---- what the paper printed


def test_every_number_of_the_papers_tables_is_there(published):
    table = published.table()
    table = table[table["where"] == "Table III"]
    assert len(table) == 36 and not table.duplicated(["family", "test_set", "metric"]).any()
    assert table["mean"].between(0.80, 0.93).all()
    named = {(c.architecture, c.encoder) for c in published.grid.cells}
    assert len(published.grid.cells) == len(named) == 28
    best = max(published.grid.cells, key=lambda cell: cell.mean)
    assert (best.architecture, best.encoder) == published.grid.selected
    assert (best.mean, best.sd) == (0.8927, 0.0162)
    assert [(c.cases, c.slices) for c in published.cohorts] == [(30, 396), (30, 384), (19, 468)]


def test_the_texts_gains_follow_from_the_table_but_two(published):
    table = published.gains_table()
    rounded = {(r.test_set, r.metric): round(r.recomputed, 3) == r.gain for r in table.itertuples()}
    assert {place for place, same in rounded.items() if not same} == {
        ("site_a", "iou"), ("site_c", "dsc")
    }  # fmt: skip


def test_what_the_text_orders_holds_in_the_table(published):
    """All data against one source, which holds by the mean of the sources only, is a statement with both readings."""
    printed = {(v.model.family, v.test_set, v.metric): v.mean for v in published.values}
    broken = [
        (high, low, o.metric)
        for o in published.orderings
        for high in o.higher
        for low in o.lower
        if printed[high, o.test_set, o.metric] <= printed[low, o.test_set, o.metric]
    ]
    assert broken == []


# ---- tables


def test_cohorts_stand_beside_the_papers(study, frames, published):
    ours = cohorts_table(study, frames["splits"], SLICES, None)
    assert ours[["cases", "test_cases", "slices"]].to_numpy().tolist() == [
        [30, 6, 396], [30, 6, 384], [19, 4, 468],
    ]  # fmt: skip
    text = columns(cohorts_layout(ours, study), study)
    assert list(text) == [
        "Cohort",
        "Patients",
        "of them for testing",
        "Field strength",
        "Coil",
        "Slices",
    ]
    assert text["Field strength"] == ["3 T", "1.5 T", "3 T"]
    theirs = load_study("prostate", "paper", CONFIG)
    named = {name: (c.label, 10, *c.attributes.values()) for name, c in theirs.cohorts.items()}
    both = cohorts_table(theirs, chain_splits(study, named), {}, published)
    text = columns(cohorts_layout(both, theirs), theirs)
    assert text["Slices, published"] == ["396", "384", "468"]
    assert text["Field strength"] == text["Field strength, published"]


def columns(layout: pd.DataFrame, study: Study) -> dict[str, list[str]]:
    """Head -> cells, as a reader sees them."""
    shown = table(layout, study)
    return dict(zip(shown.head, map(list, zip(*shown.rows, strict=True)), strict=True))


def test_networks_stand_beside_the_papers(study, frames, published):
    table = grid_table(frames["cross_validation"], published)
    assert len(table) == 28 and table["selected"].sum() == table["published_selected"].sum() == 1
    own = table[(table["architecture"] == "unet") & (table["encoder"] == "resnet18")].iloc[0]
    cell = frames["cross_validation"].query("architecture == 'unet' and encoder == 'resnet18'")
    scores = cell["validation_dsc"]
    assert (own["mean"], own["sd"], own["folds"]) == pytest.approx((scores.mean(), scores.std(), 5))
    assert (own["published_mean"], own["published_sd"]) == (0.8672, 0.0099)
    text = networks_layout(table, study)
    assert text.loc[text["encoder"] == "EfficientNet-B3", "U-Net++, published"].item() == "89.27 ± 1.62 *"
    assert text.loc[text["encoder"] == "ResNet-50", "U-Net"].item() == ""  # only the paper's
    assert sum("*" in cell for cell in text.to_numpy().ravel()) == 2
    alone = networks_layout(grid_table(frames["cross_validation"], None), study)
    heads = [head for head in alone if (alone[head] != "").any()]
    assert heads == ["encoder", "U-Net", "U-Net++", "MA-Net", "DeepLabV3"]


def test_without_a_selection_the_papers_networks_stand_alone(frames, published):
    table = grid_table(frames["cross_validation"].iloc[:0], published)
    assert len(table) == 28 and not table["selected"].any() and table["mean"].isna().all()


def test_sources_by_targets_have_the_papers_shape(study, frames):
    table = sources_table(frames["chains"], None, study)
    text = sources_layout(table[table["metric"] == METRIC], study)
    assert text["trained_before"].tolist() == [
        "None", "North", "East", "South", "North → East", "North → South", "East → North",
        "East → South", "South → North", "South → East", "All data", "Random weights",
    ]  # fmt: skip
    assert list(text)[1:3] == ["North, best fold", "North, mean (CI)"]
    own = text.set_index("trained_before")
    assert own.loc["North", "North, mean (CI)"] == "–" == own.loc["East → North", "East, best fold"]
    row = frames["chains"].query("family == 'east_north' and metric == @METRIC").iloc[0]
    assert own.loc["East", "North, best fold"] == f"{100 * row['best_fold_mean']:.1f}"
    expected = "{:.1f} ({:.1f}, {:.1f})".format(*(100 * row[c] for c in ("mean", "ci_low", "ci_high")))
    assert own.loc["East", "North, mean (CI)"] == expected


def test_the_papers_scores_stand_beside_ours_of_both_kinds(frames, published):
    theirs = load_study("prostate", "paper", CONFIG)
    rows = [("site_a", "c_a", metric) for metric in (METRIC, "dsc", "iou")]
    rows += [("site_b", "all", METRIC), ("site_c", "random_c", METRIC)]
    ours = pd.DataFrame(rows, columns=["target", "family", "metric"])
    ours = ours.reindex(columns=list(frames["chains"]))
    table = sources_table(ours, published, theirs)
    assert table["published"].tolist()[:4] == [0.9234, 0.9234, 0.8675, 0.9083]
    assert len(table) == 5 and np.isnan(table["published"].iloc[4])


# ---- sentences


def simulated(study: Study, missing: tuple[str, ...] = (), **simulation) -> dict[str, pd.DataFrame]:
    """What sentences are of: the tables of chains, of the study's metric alone."""
    metrics = check_metrics(chain_metrics(study, **simulation))
    others = [name for name in METRICS if name != METRIC and name in metrics]
    return of_chains(study, metrics.drop(columns=others), chain_records(study, None, missing))


def said(frames: Mapping[str, pd.DataFrame], study: Study) -> str:
    return " ".join(from_chains(StudyResults(study, dict(frames), {})).sentences)


def test_sentences_follow_the_tables(study):
    text = said(simulated(study, noise=0.0), study)
    assert "12 of 12 chains had a higher mean than their target's baseline (gain +5.0 to +6.0)" in text
    assert "is above 0 for 12 and below it for 0" in text
    assert "Two sources instead of one: +1.0 (+1.0, +1.0) over 16 test cases, higher." in text
    assert "All data together instead of one source before the target: −1.0" in text
    assert "Random instead of ImageNet weights, without other cohorts: −8.0 (−8.0, −8.0)" in text
    worse = {
        "baseline": 0.85,
        "one source": 0.80,
        "two sources": 0.80,
        "all data": 0.8,
        "control": 0.8,
    }
    text = said(simulated(study, noise=0.0, means=worse), study)
    assert "0 of 12 chains had a higher mean" in text and "above 0 for 0 and below it for 12" in text
    assert "Two sources instead of one: 0.0 (0.0, 0.0) over 16 test cases, not shown to differ." in text


@pytest.mark.parametrize(
    ("apart", "noise", "word"),
    [(0.05, 0.003, "supported"), (-0.05, 0.003, "not supported"), (0.0, 0.02, "can't tell")],
)
def test_the_verdict_on_field_strength_follows_its_interval(study, apart, noise, word):
    low, high = ("east_north", "east_south"), ("south_north", "north_south")
    means = dict.fromkeys(low, 0.85) | dict.fromkeys(high, 0.85 + apart)
    text = said(simulated(study, noise=noise, families=means), study)
    assert f"“A source of higher field strength is the better one”: {word}." in text
    assert "South (3 T) minus East (1.5 T)" in text
    assert "East is the only source of lower field strength" in text


def test_without_a_result_over_all_targets_each_is_named(study):
    found = simulated(study, noise=0.0)
    apart = {name: found[name][found[name]["target"] != "all"] for name in ("contrasts", "attributes")}
    text = said(found | apart, study)
    for label in ("North", "South", "East"):
        assert f"Two sources instead of one on {label}: +1.0" in text
        assert f"without other cohorts on {label}: −8.0" in text
    assert "Two sources instead of one:" not in text and "A source of higher" not in text


def verdict(row: dict[str, float], metric: str = METRIC) -> str:
    return judged(pd.DataFrame([row | {"difference": 0.02, "metric": metric}]))["verdict"].item()


def test_the_verdict_uses_the_wide_interval_where_there_is_one():
    narrow = {
        "folds": 5,
        "ci_low": 0.01,
        "ci_high": 0.03,
        "ci_wide_low": -0.01,
        "ci_wide_high": 0.05,
    }
    assert verdict(narrow) == "can't tell"
    none = narrow | {"ci_wide_low": np.nan, "ci_wide_high": np.nan}
    assert verdict(none) == "can't tell"  # a case of each target
    once = none | {"folds": 1}
    assert verdict(once) == "supported"
    assert verdict(dict.fromkeys(narrow, np.nan)) == "can't tell"


def test_how_optimistic_the_best_fold_is(study, frames):
    own = frames["gains"].query("metric == @METRIC")
    apart = own["best_fold_gain"] - own["gain"]
    other = (np.sign(own["best_fold_gain"]) != np.sign(own["gain"])).sum()
    text = said(frames, study)
    assert f"by {points(apart.min(), METRIC)} to {points(apart.max(), METRIC)}" in text
    assert f"the other sign in {other} of 18 comparisons" in text


# ---- by a distance

DISTANCE = "hd95_mm"
"""Of the simulated tables: 20 mm times 1 - DSC."""


@pytest.fixture(scope="module")
def by_distance(study) -> Study:
    return Study.of(
        study.model_dump(mode="json") | {"statistics": {**study.statistics.model_dump(), "metric": DISTANCE}}
    )


@pytest.fixture(scope="module")
def distances(by_distance) -> dict[str, pd.DataFrame]:
    return made(by_distance)


def test_a_study_of_chains_by_a_distance_has_the_same_winners(study, frames, by_distance, distances):
    of = {"dsc": (StudyResults(study, frames, {}), METRIC), "mm": (StudyResults(by_distance, distances, {}), DISTANCE)}
    assert chains_in_short(of["dsc"][0]) == chains_in_short(of["mm"][0])
    pictures = [chains_picture(results) for results, _ in of.values()]
    colours = [[[cell.colour for cell in cells] for _, cells in picture.rows] for picture in pictures]
    assert colours[0] == colours[1] and any(map(any, colours[0]))
    for name in ("gains", "contrasts", "attributes"):
        one, other = (judged(r.frames[name].query("metric == @metric")) for r, metric in of.values())
        assert one["verdict"].tolist() == other["verdict"].tolist()
        assert one["p"].to_numpy() == pytest.approx(other["p"].to_numpy())
        assert one["low"].to_numpy() == pytest.approx(-other["high"].to_numpy() / 20)
    layouts = [gains_layout(r.frames["gains"].query("metric == @metric"), r.study) for r, metric in of.values()]
    for column in ("target", "trained_before", "better", "worse"):
        assert layouts[0][column].tolist() == layouts[1][column].tolist()
    shown = [examples.chosen_rows(r.frames["metrics"], r.frames["chains"], r.study) for r, _ in of.values()]
    assert [[m[:2] for m in row.models] for row in shown[0]] == [[m[:2] for m in row.models] for row in shown[1]]


def test_a_distance_stands_in_mm_and_never_in_per_cent(by_distance, distances):
    frames = distances | {"sources": sources_table(distances["chains"], None, by_distance)}
    results = StudyResults(by_distance, frames, {})
    own = [t for part in of_page(results).values() for t in part if "HD95" in t.title or "Every chain" in t.title]
    assert [t.title.split(" (")[0] for t in own] == [
        "HD95", "Differences from the baseline in HD95", "Every chain on every cohort",
    ]  # fmt: skip
    answer, picture = from_chains(results), chains_picture(results)
    said = [*answer.sentences, picture.title, picture.note, gains.caption(frames, by_distance)]
    said += [t.note for t in own] + [t.title for t in own]
    for text in said:
        assert "percentage point" not in text and "per cent" not in text, text
        assert not re.search(r"\d%", text.replace("95% ", "")), text
    assert any("Differences below are in mm, and below 0 is better." in text for text in said)
    assert any("on the same test cases, in mm (below 0 is better)" in text for text in said)
    row = frames["gains"].query("metric == @DISTANCE").iloc[0]
    cells = own[1].table.rows[0]
    assert (
        cells[own[1].table.head.index("Difference")]
        == points(row["gain"], DISTANCE)
        == f"{row['gain']:+.2f}".replace("-", "−")
    )
    scored = frames["chains"].query("metric == @DISTANCE").set_index(["target", "family"])["mean"]
    assert f"{scored['north', 'north']:.2f}" in answer.sentences[0] and 2 < scored.min() < scored.max() < 8


def test_figures_of_a_distance_are_in_mm(by_distance, distances):
    figure = gains.draw(distances["gains"], distances["chains"], by_distance)
    axes = figure.axes[0]
    assert axes.get_xlabel() == "Difference in HD95 (mm)"
    row = distances["chains"].query("metric == @DISTANCE and family == 'north'").iloc[0]
    assert any(f"baseline {row['mean']:.2f}, 6 test cases" == t.get_text() for t in axes.texts)
    assert "lowest mean" in examples.caption(distances, by_distance)
    assert examples.score_text(4.123, by_distance) == "4.12 mm"
    assert gains.caption(distances, by_distance).count("Below 0 is better.") == 1


def test_a_control_against_the_same_weights_says_nothing(study):
    text = said(simulated(study, missing=("efficientnet-b3",)), study)
    assert "The control is not conclusive here: baselines that should begin with ImageNet" in text
    assert "Random instead of ImageNet" not in text


def test_trainings_are_called_folds_only_where_they_are(study, frames):
    alone = study.model_copy(update={"paper": None, "splits": study.splits.model_copy(update={"validation": 0.2})})
    for of, unit, paper in ((study, "folds", True), (alone, "trainings", False)):
        texts = said(frames, of), gains.caption(frames, of)
        assert f"over 5 {unit}" in texts[0] and f"its family's {unit}" in texts[0]
        assert all(("which the paper reports" in text) == paper for text in texts)
        assert texts[1].endswith("Right: of the sources, field strength.")


def test_differences_are_points_with_a_sign():
    assert [points(v, "dsc") for v in (0.0312, -0.0004, -0.004, np.nan)] == ["+3.1", "0.0", "−0.4", ""]
    assert [points(v, "hd95_mm") for v in (0.312, -0.0004, -0.404, np.nan)] == ["+0.31", "0.00", "−0.40", ""]


def test_kinds_stand_against_each_other_on_every_target(study, frames):
    table = kinds_layout(frames["contrasts"], study)
    assert list(table) == [
        "Compared",
        "North (6 cases)",
        "East (6 cases)",
        "South (4 cases)",
        "All (16 cases)",
    ]
    assert table["Compared"].tolist()[:2] == [
        "One source minus baseline",
        "Two sources minus baseline",
    ]
    assert all(re.fullmatch(r"[+−]?\d+\.\d \(.+\)", cell) for cell in table.iloc[:, 1:].to_numpy().ravel())


def test_the_papers_gains_stand_beside_ours(study, frames):
    stated = pd.DataFrame([
        {"test_set": "north", "metric": "dsc", "families": ["east_north", "south_north"], "over": "north",
         "gain": 0.025, "recomputed": 0.0253, "where": "here"},
        {"test_set": "north", "metric": "dsc", "families": ["east_north"], "over": "north", "gain": 0.01,
         "recomputed": np.nan, "where": "here"},
    ])  # fmt: skip
    table = stated_gains(StudyResults(study, frames | {"published_gains": stated}, {}))
    assert table["Published"].tolist() == ["+2.5", "+1.0"]
    ours = frames["contrasts"].query("a == 'one source' and b == 'baseline' and target == 'north'")
    row = ours[ours["metric"] == METRIC].iloc[0]
    expected = judged(row.to_frame().T)["text"].item()
    assert table["Here, mean (CI)"].tolist() == [expected, ""]  # one of two sources isn't the kind
    assert stated_gains(StudyResults(study, frames, {})).empty


def test_a_gain_that_is_stated_in_a_metric_that_we_do_not_compare_stands_alone(study, frames):
    about = {"test_set": "north", "families": ["east_north", "south_north"], "over": "north", "gain": 0.025,
             "recomputed": 0.0253, "where": "here"}  # fmt: skip
    stated = pd.DataFrame([about | {"metric": metric} for metric in ("dsc", "iou", "nsd", "AUC")])
    table = stated_gains(StudyResults(study, frames | {"published_gains": stated}, {}))
    assert table["Published"].tolist() == ["+2.5"] * 4
    assert [bool(cell) for cell in table["Here, mean (CI)"]] == [True, True, False, False]
    assert table["Verdict"].tolist()[2:] == [NONE, NONE]


# ---- what the run began with


@pytest.mark.parametrize(
    ("missing", "words", "never"),
    [((), None, ""),
     (("resnet18", "resnet34"), "not available for ResNet-18 and ResNet-34: 40 trainings that should begin with them "
      "began with random weights instead. The choice of the network is therefore not between equals. All "
      "chains began with ImageNet", "No number"),
     (("efficientnet-b3",), "Chains are among them.", "All chains"),
     (("efficientnet-b0", "efficientnet-b3", "resnet18", "resnet34"), "No number of this run comes from a "
      "network that began with ImageNet weights.", "between equals")],
)  # fmt: skip
def test_weights_that_could_not_be_had_are_told_first(study, tmp_path, missing, words, never):
    initial = initial_weights(records(write_records(study, tmp_path, missing)))
    assert initial["stages"].sum() == 16 * 5 + 4 * 5 + 3 * 5  # all stages without a parent
    said = notices(initial, study)
    assert len(said) == (words is not None)
    if words:
        assert words in said[0] and never not in said[0]


def test_the_run_says_which_network_and_weights_it_had(study, tmp_path):
    facts = run_facts(records(write_records(study, tmp_path, ("resnet18",))))
    assert facts["network"] == "U-Net++ with EfficientNet-B3"
    assert facts["network_settings"].startswith("engine torch")
    assert facts["began_with"] == {"ImageNet (a package)": "80 trainings", "random": "35 trainings"}


def test_records_without_initial_weights_give_no_notice():
    record = {"stage": {"name": "x", "level": None}, "steps": 1}
    initial = initial_weights([record])
    assert initial.empty and notices(initial, chain_study()) == []


# ---- figures


@pytest.fixture(scope="module")
def pictures(study, frames, tmp_path_factory) -> tuple[Path, Path, Path]:
    rows = examples.chosen_rows(frames["metrics"], frames["chains"], study)
    models = {model for row in rows for _, model, _ in row.models}
    metrics = frames["metrics"][frames["metrics"]["model"].isin(models)]
    return write_pictures(study, metrics, tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def figures(study, frames, pictures) -> dict[str, Figure]:
    many = {f"s{i}": (f"Hospital of the city number {i}", 20, 3.0, "phased array") for i in range(4)}
    four, two = (
        chain_study(many, most=4),
        chain_study(dict(list(SITES.items())[:2]), folds=2, most=2),
    )
    small = made(two, tested=dict.fromkeys(SITES, 1))
    cells = cross_validation(chain_records(study, missing=("resnet18",)), study.selection.cells)
    tables = (frames[name] for name in ("metrics", "chains"))
    return {
        "scheme": scheme.draw(frames["splits"], study, frames["validation"]),
        "scheme of four": scheme.draw(chain_splits(four, many), four),
        "scheme of the uterus": scheme.draw(chain_splits(study), load_study("uterus", "demo", CONFIG)),
        "grid": grid.draw(cells, study),
        "gains": gains.draw(frames["gains"], frames["chains"], study),
        "gains of one case": gains.draw(small["gains"], small["chains"], two),
        "examples": examples.draw(*tables, study, *pictures),
    }  # fmt: skip


def test_no_text_is_too_small_cut_or_on_another(figures):
    for name, figure in figures.items():
        assert_readable(name, figure, 6.5)


def test_the_scheme_has_each_training_once(study, figures):
    roots = scheme.tree(plan(study), list(study.cohorts))
    assert list(roots) == ["imagenet", "random"]
    nodes = [node for root in roots.values() for node, depth in scheme.nodes_by_depth(root) if depth]
    assert len(nodes) == 3 + 6 + 6 + 1 + 3 and {n.trainings for n in nodes} == {5}
    chained = [s for s in plan(study).stages.values() if not s.cell]
    assert sum(n.trainings for n in nodes) == len(chained)
    rows = [node.row for root in roots.values() for node, _ in scheme.nodes_by_depth(root) if not node.children]
    assert rows == list(range(10))
    written = " ".join(t.get_text() for t in texts(figures["scheme"]))
    assert written.count("× 5") == len(nodes) + 1 and "North + East + South" in written
    assert "30 patients: 24 train, 6 test" in written and "1.5 T, coil: endorectal" in written
    assert "4 architectures × 4 encoders × 5 folds on North: 80 trainings" in written


def test_the_scheme_shows_beginnings_that_no_model_ends_on_and_levels():
    uterus = load_study("uterus", "demo", CONFIG)
    (root,) = scheme.tree(plan(uterus), list(uterus.cohorts)).values()
    nodes = {tuple(c for c, _ in n.key): n for n, depth in scheme.nodes_by_depth(root) if depth == 1}
    (tuned,) = nodes[("cervix",)].children.values()
    assert scheme.levels_text(tuned) == "from L1, L2, L3" and tuned.ends
    assert nodes[("cervix", "uterus")].key == (("cervix", ""), ("uterus", "n"))


@pytest.mark.parametrize(("missing", "expected"), [((), "ImageNet"), (("efficientnet-b3",), "Random\nfor ImageNet")])
def test_the_scheme_starts_from_what_the_chains_really_began_with(study, missing, expected):
    validated = validation(chain_records(study, None, missing), plan(study).models.values())
    assert scheme.initial_weights_label("imagenet", study, validated) == expected
    assert scheme.initial_weights_label("random", study, validated) == "Random"


def test_the_grid_marks_the_best_and_what_began_otherwise(study, figures):
    cells = cross_validation(chain_records(study, missing=("resnet18",)), study.selection.cells)
    shown = texts(figures["grid"])
    bold = [t.get_text() for t in shown if t.get_weight() == "bold"]
    best = cells.groupby(["encoder", "architecture"])["validation_dsc"].agg(["mean", "std"]).max()
    assert len(bold) == 1 and bold[0].startswith(f"{100 * best['mean']:.1f} ±")
    marked = [t.get_text() for t in shown if "†" in t.get_text()]
    assert marked == ["ResNet-18 †"] and figures["grid"].get_figwidth() * 25.4 <= style.COLUMN_MM + 0.1


def test_text_is_readable_on_every_colour_of_the_grid():
    def luminance(colour: str) -> float:
        rgb = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in style.to_rgb(colour)]
        return 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2]

    for share in np.linspace(0, 1, 30):
        colour = colormaps[grid.COLOURS]((0.05 + share) / 1.17)[:3]
        light, dark = sorted((luminance(colour), luminance(style.readable_on(colour))), reverse=True)
        assert (light + 0.05) / (dark + 0.05) > 4.1


def test_gains_are_drawn_where_they_are(figures, frames):
    axes = figures["gains"].axes[0]
    labels = [t.get_text() for t in axes.get_yticklabels()]
    y = labels.index("East → South")  # of the first target
    row = frames["gains"].query("family == 'east_south_north' and metric == @METRIC").iloc[0]
    marked = [line for line in axes.lines if line.get_marker() not in ("none", "None")]
    points = [point for line in marked for point in zip(*line.get_data()) if point[1] == y]
    drawn = [x for x, _ in points if np.isfinite(x)]
    assert drawn == pytest.approx([100 * row["gain"], 100 * row["best_fold_gain"]])
    written = [t.get_text() for t in texts(figures["gains"])]
    assert "1.5 → 3 T" in written and sum(t.startswith("baseline 8") for t in written) >= 1
    assert labels.count("Random weights") == labels.count("All data") == 3


def test_examples_show_the_median_case_of_the_best_chain(study, frames):
    rows = examples.chosen_rows(frames["metrics"], frames["chains"], study)
    assert [row.target for row in rows] == list(SITES)
    for row in rows:
        own = frames["chains"].query("target == @row.target and metric == @METRIC")
        sourced = own[own["kind"].isin(["one source", "two sources"])]
        best = sourced.loc[sourced["mean"].idxmax()]
        assert [chain.family for chain, *_ in row.models] == [row.target, best["family"]]
        assert row.models[1][1] == f"{best['family']}-f{best['best_fold']}"
        cases = frames["metrics"].query("family == @best.family and cohort == @row.target")
        means = cases.groupby("case")[METRIC].mean().sort_values()
        assert row.case == means.index[(TESTED[row.target] - 1) // 2]


def test_examples_without_a_correction_have_three_columns(study, frames, pictures):
    cases, _, predictions = pictures
    tables = [frames[name] for name in ("metrics", "chains")]
    figure = examples.draw(*tables, study, cases, cases / "nowhere", predictions)
    assert [axes.get_title() for axes in figure.axes[:3]] == ["Manual", "Baseline", "Best chain"]


def test_figures_are_drawn_from_files_and_repeat(study, frames, pictures, tmp_path):
    """Each as SVG, which all that is drawn is in; tests/test_figures.py has the other formats."""
    (tmp_path / "statistics").mkdir()
    for name in ("cross_validation", "validation", "gains", "chains"):
        frames[name].to_csv(tmp_path / f"statistics/{name}.csv", index=False)
    for name in ("metrics", "splits"):
        frames[name].to_csv(tmp_path / f"{name}.csv", index=False)
    cases, corrected, predictions = pictures
    (tmp_path / "predictions").symlink_to(predictions)
    for name in ("grid", "scheme", "gains", "examples"):
        figure = registry.find("figures", name)
        cfg = json.loads(json.dumps(figure.settings(Study.model_construct(**dict(study)))))
        given = Inputs(tmp_path, cases=cases, corrected=corrected)
        with drawn.only("svg"):
            one, other = (figure.write(given, Study.of(cfg), tmp_path / str(i)) for i in (1, 2))
        for a, b in zip(one, other, strict=True):
            assert a.read_bytes() == b.read_bytes()


# ---- analyses and report


def test_the_analyses_write_what_the_library_gives(study, frames, tmp_path):
    frames["metrics"].to_csv(tmp_path / "metrics.csv", index=False)
    frames["splits"].to_csv(tmp_path / "splits.csv", index=False)
    stages = write_records(study, tmp_path / "stages") / "all.json"
    whole = Study.model_construct(**dict(study))

    def run(kind: str, name: str, **sources) -> None:
        analysis = registry.find(kind, name)
        asked = Study.of(json.loads(json.dumps(analysis.settings(whole))))
        analysis.write(Inputs(tmp_path, **sources), asked, tmp_path)

    run("statistics", "validation", stages=[stages])
    run("statistics", "chains")
    out = tmp_path / "statistics"
    for name in ("validation", "chains", "gains", "contrasts", "attributes"):
        expected = tmp_path / "expected.csv"
        frames[name].to_csv(expected, index=False)
        assert (out / f"{name}.csv").read_text() == expected.read_text()
    slices = []
    for cohort, count in SLICES.items():
        path = tmp_path / cohort / "manifest.json"
        path.parent.mkdir()
        path.write_text(json.dumps({"items": {"x": {"with_structure": count - 1}, "y": {"with_structure": 1}}}))
        slices.append(path)
    frames["cross_validation"].to_csv(out / "cross_validation.csv", index=False)
    run("tables", "cohorts", slices=slices)
    run("tables", "networks", tables=[out / "cross_validation.csv"])
    run("tables", "sources")
    assert pd.read_csv(tmp_path / "tables/cohorts.csv")["slices"].tolist() == list(SLICES.values())
    assert len(pd.read_csv(tmp_path / "tables/networks.csv")) == 16
    assert len(pd.read_csv(tmp_path / "tables/sources.csv")) == len(frames["chains"])
    run("tables", "networks")
    assert pd.read_csv(tmp_path / "tables/networks.csv").empty


def test_the_report_has_it_all(study, frames, figures, published, tmp_path):
    shown = ("scheme", "grid", "gains", "examples")
    with drawn.only("png"):
        paths = {name: style.save(figures[name], tmp_path / name)[0] for name in shown}
    stages = write_records(study, tmp_path / "stages", ("resnet18",))
    more = {
        "cohorts": cohorts_table(study, frames["splits"], SLICES, None),
        "networks": grid_table(frames["cross_validation"], published),
        "sources": sources_table(frames["chains"], None, study),
        "initial": initial_weights(records(stages)),
    }
    render(
        [StudyResults(study, frames | more, paths, run_facts(records(stages)))],
        tmp_path / "report.html",
    )
    text = html.unescape((tmp_path / "report.html").read_text())
    for title in ("Chains of trainings", "Validation of every network", "One case of each target"):
        assert title in text
    assert '<div class="banner">ImageNet weights were not available for ResNet-18' in text
    assert "Every stage is trained 5 times" in text and "Training sizes here" not in text
    assert "more than 20 pixels of it" in text and "analysis of variance is for repeated measures" in text
    assert "DSC, slices with the structure, by what was trained on before" in text
    assert "DSC of whole volumes, by what was trained on before" in text
    assert "“A source of higher field strength is the better one”" in text
    assert 'style="width: 49%"' in text  # a column's figure is as wide as a column
    assert "Tukey" not in text and ">nan<" not in text.lower() and "None</td>" in text


def test_the_report_of_little_has_no_holes(tmp_path):
    """One test case for each of two targets, two folds: no interval, no test."""
    study = chain_study(dict(list(SITES.items())[:2]), folds=2, most=2)
    frames = made(study, tested=dict.fromkeys(SITES, 1))
    frames["sources"] = sources_table(frames["chains"], None, study)
    render([StudyResults(study, frames, {})], tmp_path / "report.html")
    text = html.unescape((tmp_path / "report.html").read_text())
    assert "nan" not in re.sub(r"<style>.*?</style>", "", text, flags=re.S).lower().replace("imagenet", "")
    assert "There are too few test cases for an interval." in text and "(1 case)" in text
    assert ", higher." not in text and ", lower." not in text


@pytest.mark.thorough
def test_chains_without_folds_or_a_selection_have_a_report_too(tmp_path):
    """Each model is trained once: nothing can be said about other trainings."""
    study = chain_study(
        splits={"seed": 1, "validation": 0.2},
        selection=None,
        network={"architecture": "unet", "engine": "torch", "settings": {"encoder": "resnet18"},
                 "initial": {"weights": "imagenet"}},
    )  # fmt: skip
    frames = made(study)
    assert "cross_validation" not in frames and frames["gains"]["ci_wide_low"].isna().all()
    frames["sources"] = sources_table(frames["chains"], None, study)
    tables = [frames[name] for name in ("metrics", "chains")]
    assert [row.models[0][1] for row in examples.chosen_rows(*tables, study)] == list(SITES)
    pictures = {
        "scheme": scheme.draw(frames["splits"], study, frames["validation"]),
        "gains": gains.draw(frames["gains"], frames["chains"], study),
    }
    with drawn.only("png"):
        paths = {name: style.save(f, tmp_path / name)[0] for name, f in pictures.items()}
    render([StudyResults(study, frames, paths)], tmp_path / "report.html")
    text = html.unescape((tmp_path / "report.html").read_text())
    assert "The interval for other patients is above 0 for" in text
    assert "The model of the best validation fold" not in text and "Every stage is trained" not in text


def test_the_reports_script_reads_every_table(study, frames, tmp_path, monkeypatch):
    folder = tmp_path / study.study
    whole = Study.model_construct(**dict(study))
    for file in registry.tables_of(whole):
        if (name := Path(file).stem) in frames:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            frames[name].to_csv(folder / file, index=False)
    write_records(study, folder / "stages")
    values = json.loads(json.dumps(parameters.report(study)))
    inputs = [path for path in folder.rglob("*") if path.is_file()]
    job = {"cfg": {"studies": [values]}, "inputs": inputs, "out": tmp_path / "r.html"}
    report_script.main(SimpleNamespace(**job))
    assert "12 of 12 chains" in (tmp_path / "r.html").read_text()


@pytest.mark.parametrize("name", ["scheme", "grid", "gains", "examples"])
def test_captions_say_what_is_drawn(study, frames, name):
    title, text = caption(name, frames, study)
    assert title and text.endswith(".") and "  " not in text
    expected = {"scheme": "(5 folds); 95 in all, in addition to those that choose the network",
                "grid": "over 5 folds of the validation DSC in per cent, trained on North",
                "gains": "the 95% interval for other patients", "examples": "median score under its best"}  # fmt: skip
    assert expected[name] in text

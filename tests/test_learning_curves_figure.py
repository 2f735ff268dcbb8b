"""The figure of learning curves and crossover, and its caption, from simulated tables."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from crossover.analyses.figures import learning_curves as drawn
from crossover.analyses.figures import style
from crossover.analyses.registry import caption
from crossover.report.overview import overview
from crossover.report.results import StudyResults
from crossover.statistics.learning_curves.crossing import CHANGES, crossovers
from crossover.statistics.learning_curves.curves import learning_curves
from crossover.statistics.scores.metrics_table import check_metrics
from crossover.study.config import load_study
from crossover.study.families import baseline, fine_tuned
from tests.drawn import only
from tests.simulated import Design, power, simulated_panel, table_of

CURVES = {
    "scratch": power(0.88, 1.5, 0.45),
    "transfer-L1": power(0.72, 0.5, 0.9),
    "transfer-L2": power(0.69, 0.5, 0.9),
    "aggregated": power(0.95, 0.6, 0.4),
}
STUDY = load_study("uterus", "paper")


@pytest.fixture(scope="module")
def frames() -> dict[str, pd.DataFrame]:
    panel = simulated_panel(CURVES, Design(patients=40, replicates=2, luck=0.005), 1)
    metrics = check_metrics(table_of(panel))
    return {
        "metrics": metrics,
        "learning_curves": learning_curves(metrics, "dsc", 0.95, draws=300),
        "crossover": crossovers(metrics, "dsc", 0.95, 0.05, draws=300),
    }


@pytest.fixture(scope="module")
def figure(frames) -> Figure:
    return drawn.draw(*frames.values(), STUDY, "tumour")


def test_every_training_is_a_point(figure, frames):
    points = [c for c in figure.axes[0].collections if isinstance(c, PathCollection)]
    shown = sorted(round(y, 9) for c in points for y in c.get_offsets()[:, 1])
    means = frames["metrics"].groupby("model")["dsc"].mean()
    assert shown == sorted(means.round(9))


def test_the_axis_has_no_scores_that_there_are_not(frames):
    """Where all scores are 0, it would reach as far below 0 as above."""
    none = [
        t.assign(**{c: 0.0 for c in ("dsc", "fitted_monotone", "fit_low", "fit_high") if c in t})
        for t in frames.values()
    ]
    low, high = drawn.draw(*none, STUDY, "tumour").axes[0].get_ylim()
    assert -0.1 * high < low <= 0


def test_pairs_of_strategies_are_shown_with_what_was_found(figure, frames):
    pairs = drawn.shown_pairs(frames["crossover"], STUDY)
    pairs = pairs[pairs["test_set"] == "uterus"]
    assert len(pairs) == 5, "the two levels of one strategy are not set against each other"
    told = [text.get_text() for text in figure.axes[1].texts]
    crossing = pairs[pairs["verdict"] == "crosses"]
    assert len(told) == 5
    assert [t for t in told if t.startswith("n = ")] == [f"n = {np.ceil(n):.0f}" for n in crossing["n"]]
    assert "none in the range" in told


def test_an_open_interval_ends_at_the_last_size_that_both_strategies_have(frames):
    """A crossover beyond 26 had its arrow beyond 256, where one of the two had no training at larger sizes."""
    row = drawn.shown_pairs(frames["crossover"], STUDY).head(1)
    row = row.assign(verdict="can't tell", n=np.inf, ci_low=13.0, ci_high=np.inf, n_largest=26)
    right = drawn.draw(frames["metrics"], frames["learning_curves"], row, STUDY, "tumour").axes[1]
    [arrow] = [line for line in right.lines if line.get_marker() == ">"]
    [bar] = [line for line in right.lines if len(line.get_xdata()) == 2]
    assert list(arrow.get_xdata()) == [26] and list(bar.get_xdata()) == [13, 26]


def test_of_many_pairs_those_of_the_main_question_are_drawn(frames, monkeypatch):
    """Of eleven families a figure had 55 rows."""
    assert "the table has all" not in caption("learning_curves", frames, STUDY)[1]
    monkeypatch.setattr(drawn, "MOST_PAIRS", 4)
    right = drawn.draw(*frames.values(), STUDY, "tumour").axes[1]
    labels = [label.get_text() for label in right.get_yticklabels()]
    main = {style.family_label(STUDY, f) for f in (baseline(STUDY), fine_tuned(STUDY))}
    assert labels and all(main & {*label.split("\nover ")} for label in labels) and len(labels) < 5
    text = caption("learning_curves", frames, STUDY)[1]
    assert f"Of 5 pairs those with {' or '.join(sorted(main, reverse=True))} are shown; the table has all." in text


def test_leads_that_change_more_than_once_are_told(frames):
    changed = frames["crossover"].assign(verdict=CHANGES)
    assert caption("learning_curves", frames | {"crossover": changed}, STUDY)[1].endswith("changes more than once.")
    figure = drawn.draw(frames["metrics"], frames["learning_curves"], changed, STUDY, "tumour")
    assert {text.get_text() for text in figure.axes[1].texts} == {"more than one"}
    row = overview([StudyResults(STUDY, {"crossover": changed[changed["test_set"] == "uterus"]}, {})]).rows[0]
    assert "5 more than one change" in row


def test_the_caption_counts_every_training_that_is_drawn(frames):
    again = frames["metrics"].assign(draw=0)
    of_one = frames | {"learning_curves": frames["learning_curves"].assign(replicates=1), "metrics": again}
    assert "2 trainings of each" in caption("learning_curves", of_one, STUDY)[1]


def test_the_caption_says_how_sure(frames):
    title, text = caption("learning_curves", frames, STUDY)
    assert title == "Learning curves and crossover"
    assert "40 test cases of Uterus" in text and "2 trainings of each" in text
    assert "other patients and other trainings" in text
    row = frames["crossover"].query("ahead == 'transfer-L1' and overtakes == 'scratch'").iloc[0]
    assert f"UT-only over TL (L1) at n = {np.ceil(row['n']):.0f}" in text
    none = frames | {"crossover": frames["crossover"].assign(verdict="can't tell")}
    assert caption("learning_curves", none, STUDY)[1].endswith("No crossover is beyond chance.")


def test_the_caption_of_curves_without_intervals_names_no_bands(frames):
    curves = frames["learning_curves"].assign(patients=1)
    _, text = caption("learning_curves", frames | {"learning_curves": curves}, STUDY)
    assert "band" not in text and "without intervals, which need several test cases" in text


@pytest.mark.slow
def test_the_same_tables_give_the_same_files(frames, figure, tmp_path):
    with only("svg"):
        first = style.save(figure, tmp_path / "a")
        second = style.save(drawn.draw(*frames.values(), STUDY, "tumour"), tmp_path / "b")
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]


def test_a_model_off_the_shelf_is_a_dotted_line_of_its_mean(frames):
    own = frames["metrics"].query("family == 'scratch' and n_train == n_train.min()")
    shelf = own.assign(family="pretrained", model="pretrained", n_train=0, dsc=0.5)
    more = {**frames, "metrics": pd.concat([frames["metrics"], shelf])}
    figure = drawn.draw(*more.values(), STUDY, "tumour")
    dotted = [line for line in figure.axes[0].lines if set(line.get_ydata()) == {0.5}]
    assert len(dotted) == 1 and "Pretrained" in [text.get_text() for text in figure.legends[0].get_texts()]
    assert "Dotted: the mean of Pretrained" in caption("learning_curves", more, STUDY)[1]


def test_of_several_structures_the_first_drawn_has_the_titles_and_the_last_drawn_the_legend(frames):
    """Whichever have curves: those without stand in their order."""
    names = ("without", "tumour", "second", "neither")
    study = STUDY.model_copy(update={"structures": dict.fromkeys(names, STUDY.structures["tumour"])})
    tables = [pd.concat([table, table.assign(structure="second")]) for table in frames.values()]
    parts = style.each_structure(study, partial(drawn.draw, *tables, study)).subfigs
    titled = [any(axes.get_title(loc="left") == "Learning curves" for axes in part.axes) for part in parts]
    assert titled == [False, True, False, False]
    assert [len(part.legends) for part in parts] == [0, 0, 1, 0]
    assert [any(axes.get_xlabel() for axes in part.axes) for part in parts] == [False, False, True, False]

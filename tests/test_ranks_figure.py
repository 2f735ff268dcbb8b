"""The figure of ranks: what is drawn is what the tables of ranks have."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from crossover.analyses.figures import ranks
from crossover.analyses.registry import caption, find
from crossover.statistics.differences.ranking import SHARES, rank_shares, ranking
from crossover.statistics.scores.metrics_table import check_metrics
from crossover.study.config import load_study
from tests.tables import simulated_metrics

STUDY = load_study("uterus", "smoke")
SIZE = STUDY.sizes[-1]


@pytest.fixture(scope="module")
def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    rows = check_metrics(simulated_metrics(sizes=(2, SIZE), folds=0))
    return ranking(rows, 0.95), rank_shares(rows, STUDY.statistics.metric)


def test_shares_of_a_model_sum_to_one_and_agree_with_the_table_of_ranks(tables):
    ranked, shares = tables
    keys = SHARES[:5]
    assert shares.groupby(keys)["share"].sum().to_numpy() == pytest.approx(1)
    first = shares[shares["rank"] == 1].merge(ranked, on=keys)
    assert len(first) == (ranked["metric"] == "dsc").sum() and (first["share"] == first["first"]).all()


def test_a_disc_for_each_rank_that_a_model_had_and_a_ring_for_its_own(tables):
    (axes,) = ranks.draw(*tables, STUDY).axes
    ranked, shares = (ranks.drawn_rows(table, STUDY) for table in tables)
    discs, rings = axes.collections
    had = shares[shares["share"] > 0]
    assert len(discs.get_offsets()) == len(had) and len(rings.get_offsets()) == len(ranked)
    area = discs.get_sizes() / discs.get_sizes().sum()
    assert area == pytest.approx((had["share"] / had["share"].sum()).to_numpy()), "areas, not diameters, are shares"
    assert rings.get_offsets()[:, 0].tolist() == ranked["rank"].tolist()
    told = [float(text.get_text()) for text in axes.texts]
    assert told == pytest.approx(100 * had.loc[had["share"] >= ranks.SHOWN_SHARE, "share"], abs=0.51)
    (tau,) = set(ranked["tau"])
    assert axes.get_title("right") == f"τ = {tau:.2f}"


def test_models_stand_by_their_mean_rank_in_all_panels(tables):
    ranked, shares = tables
    structures = {name: STUDY.structures["tumour"].model_copy(update={"label": name}) for name in ("a", "b")}
    study = STUDY.model_copy(update={"structures": structures})
    both = [pd.concat([t.assign(structure=s) for s in structures]) for t in (ranked, shares)]
    panels = ranks.draw(*both, study).axes
    assert [axes.get_title("left") for axes in panels] == ["a", "b"]
    names = [text.get_text() for text in panels[0].get_yticklabels()]
    own = ranks.drawn_rows(shares, STUDY)
    mean = (own["rank"] * own["share"]).groupby(own["family"]).sum()
    order = [ranks.style.family_label(STUDY, f) for f in mean.sort_values(kind="stable").index]
    assert names == order and np.ptp([len(axes.get_yticks()) for axes in panels]) == 0


def test_it_belongs_to_studies_with_sizes_and_says_what_it_is_about(tables):
    figure = find("figures", "ranks")
    assert figure.applies(STUDY) and not figure.applies(load_study("prostate", "smoke"))
    title, text = caption("ranks", {"ranking": tables[0]}, STUDY)
    assert "ranks" in title and "1,000 bootstrap samples of the 16 test cases of Uterus" in text
    assert "not to other trainings" in text


def test_without_a_ranking_it_says_so(tables):
    none = [table.iloc[:0] for table in tables]
    assert ranks.draw(*none, STUDY).texts
    assert "the 0 test cases of Uterus" in caption("ranks", {"ranking": none[0]}, STUDY)[1]

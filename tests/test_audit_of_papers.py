"""What the audit finds in the three papers: all that was found by reading them, and how it is told."""

import json

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from crossover.cli.app import app
from crossover.core.paths import ROOT
from crossover.statistics.papers.audit import COLUMNS, audit_table
from crossover.statistics.papers.audit.expressions import named
from crossover.statistics.papers.audit.verdicts import DEPENDS, FOLLOWS, NOT, UNCHECKED
from crossover.statistics.papers.printed_number import Printed, read_printed
from crossover.statistics.papers.published import Published, load_published

STUDIES = ("uterus", "nasopharynx", "prostate")
# What once stood in the files by hand -> how the check's finding begins, and its verdict.
FOUND = [
    ("uterus", "Lower end of the interval of pretrained, all", NOT),
    ("uterus", "Upper end of the interval of pretrained, all", NOT),
    ("uterus", "Mean of transfer-L1 at n = 13, cervix", NOT),
    ("uterus", "Mean of scratch at n = 51, all, dsc", NOT),  # 0.62 where its parts pool to 0.57
    ("uterus", "Mean of scratch at n = 51, all, dsc", DEPENDS),  # 0.64 in the Discussion
    ("uterus", "Interval of scratch at n = 51, all, dsc about its mean", DEPENDS),
    ("uterus", "Mean of transfer-L1 at n = 128, all", DEPENDS),
    ("uterus", "aggregated above scratch at n = 256", DEPENDS),
    # The paper doesn't say how its intervals were made: bootstrap ones may be as wide.
    ("uterus", "Interval of aggregated at n = 51, all, dsc", DEPENDS),
    # Scores that are correlated by 0.98 would have it, at the ends of what rounding allows.
    ("uterus", "p of transfer-L1 above aggregated at n = 13, all", DEPENDS),
    ("nasopharynx", "p of transfer-conv5 above source", UNCHECKED),  # of a rank test
    ("uterus", "p of Histology", NOT),
    ("uterus", "No significant difference in Histology", DEPENDS),
    ("uterus", "Oldest patient", NOT),
    ("nasopharynx", "Mean of source, all", DEPENDS),
    ("nasopharynx", '"significant improvement in all 10', DEPENDS),
    ("nasopharynx", "p of target at n = 50 against source, spinal_cord", DEPENDS),  # 0.004 needs six ties
    ("nasopharynx", "One form of the test", DEPENDS),
    ("nasopharynx", "Number of p values", DEPENDS),
    ("nasopharynx", "Layers of the network that are not", DEPENDS),
    ("nasopharynx", "Size after the interpolation", DEPENDS),
    ("nasopharynx", "Crop from the smallest", DEPENDS),
    ("nasopharynx", "Training time saved", DEPENDS),
    ("nasopharynx", "Announced: effect of the number of re-trained", UNCHECKED),
    ("prostate", "Gain of b_a and c_a over a, site_a, iou", NOT),
    ("prostate", "Gain of a_c and b_c over c, site_c, dsc", NOT),
    ("prostate", "Sources of the gain over c", NOT),
    ("prostate", "All data below in-domain fine-tuning, Site A, DSC", DEPENDS),
    ("prostate", "All data below in-domain fine-tuning, Site A, IoU", DEPENDS),
    ("prostate", "All data below in-domain fine-tuning, Site C, IoU", DEPENDS),
    ("prostate", "Gains in dsc against chance", UNCHECKED),
    ("prostate", "The selected network is better", DEPENDS),
    ("prostate", '"There seems to be a correlation', UNCHECKED),
    ("prostate", "Test patients, Site C", DEPENDS),
    ("prostate", "Datasets of which Fig. 1", NOT),
]  # fmt: skip
# What no check can find stays by hand, with the reason.
BY_HAND = {"uterus": 3, "nasopharynx": 0, "prostate": 2}


@pytest.fixture(scope="module")
def papers() -> dict[str, Published]:
    return {name: load_published(name, ROOT / "config") for name in STUDIES}


@pytest.fixture(scope="module")
def tables(papers) -> dict[str, pd.DataFrame]:
    return {name: audit_table(paper) for name, paper in papers.items()}


@pytest.mark.parametrize(("study", "about", "verdict"), FOUND)
@pytest.mark.slow
def test_what_was_found_by_reading_is_found(tables, study, about, verdict):
    table = tables[study]
    assert (table["about"].str.startswith(about) & (table["verdict"] == verdict)).any()


def test_a_gain_of_rounded_averages_is_within_rounding_of_the_rows(tables):
    """Once held to contradict the rows, which are 0.024 apart: 0.025 to 0.035 print as 0.03, and twelve
    rounded rows tell their mean no better than to 0.002."""
    gain = tables["nasopharynx"].query("about.str.startswith('Gain of transfer')").iloc[0]
    assert gain["verdict"] == FOLLOWS and "difference of the means of the printed rows is 0.0242" in gain["note"]


def test_what_stays_by_hand_says_why(papers):
    for name, paper in papers.items():
        assert len(paper.contradictions) == BY_HAND[name]
        assert all(c.unchecked for c in paper.contradictions)


def test_of_two_printed_intervals_one_follows_from_its_parts(tables):
    own = tables["uterus"].query("about == 'Interval of pretrained, all, dsc'").set_index("printed")
    assert own["verdict"].to_dict() == {
        "0.35 to 0.51 (± 0.080)": NOT, "0.38 to 0.49 (± 0.055)": FOLLOWS,
    }  # fmt: skip


def test_the_table_has_fixed_columns_and_an_offset_only_where_it_does_not_follow(tables):
    for table in tables.values():
        assert list(table.columns) == COLUMNS
        assert table.loc[table["verdict"] != NOT, "off_by"].isna().all()
        assert (table["off_by"].dropna() > 0).all()
        assert (table.loc[table["verdict"] == DEPENDS, "interpretation"] != "").all()
        assert table["where"].ne("").all() and table["printed"].ne("").all()
    assert {v for t in tables.values() for v in t["verdict"]} == {FOLLOWS, DEPENDS, NOT, UNCHECKED}


def _altered(study: str, path: list, by: float) -> Published:
    values = read_printed(ROOT / "config" / "published" / f"{study}.yaml")
    inside = values
    for key in path[:-1]:
        inside = inside[key]
    before = Printed(inside[path[-1]])
    inside[path[-1]] = Printed(f"{before + by:.{before.decimals}f}")
    return Published.model_validate(values)


@pytest.mark.parametrize(
    ("study", "path", "by"),
    [
        ("uterus", ["values", 14, "mean"], 0.03),
        ("uterus", ["facts", 7, "value"], 1),
        ("uterus", ["percentages", 0, "percent"], 2),
        ("uterus", ["table_one", "categorical", 3, "p"], 0.01),
        ("nasopharynx", ["values", 37, "mean"], 0.02),
        ("nasopharynx", ["paired", 2, "p"], 0.005),
        ("prostate", ["gains", 0, "gain"], 0.005),
        ("prostate", ["values", 0, "mean"], -0.05),
        ("prostate", ["grid", "cells", 0, "mean"], 0.05),
    ],
)
def test_a_number_altered_beyond_rounding_adds_to_what_does_not_follow(tables, study, path, by):
    altered = audit_table(_altered(study, path, by))
    assert (altered["verdict"] == NOT).sum() > (tables[study]["verdict"] == NOT).sum()


def test_keys_of_facts_are_of_use(papers):
    """Each is named in a statement or stands at several places."""
    for paper in papers.values():
        keys = [fact.key for fact in paper.facts if fact.key]
        used = {k for s in paper.statements for t in (s.left, *s.right.values()) for k in named(t)}
        assert {k for k in keys if keys.count(k) == 1} <= used


def test_digits_are_kept_from_the_file(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("a: 0.70\nb: [0.7, 3]\n")
    values = read_printed(path)
    assert (values["a"].text, values["b"][0].text, values["b"][1]) == ("0.70", "0.7", 3)
    assert yaml.safe_load(path.read_text()) == values


def test_the_command_tells_people_and_machines():
    run = CliRunner().invoke(app, ["audit", "prostate"])
    text = " ".join(run.stdout.split())
    assert run.exit_code == 0 and "Datasets of which Fig. 1" in text and "uterus" not in text
    run = CliRunner().invoke(app, ["audit", "--json", "uterus", "prostate"])
    told = json.loads(run.stdout)["studies"]
    assert [s["study"] for s in told] == ["uterus", "prostate"]
    for study in told:
        assert sum(study["verdicts"].values()) == len(study["findings"])
        assert set(study["findings"][0]) == set(COLUMNS) - {"study"}
        assert len(study["claims"]) == {"uterus": 21, "prostate": 0}[study["study"]]
    assert CliRunner().invoke(app, ["audit", "nothing"]).exit_code == 2


@pytest.mark.slow
def test_the_command_takes_the_correlation_from_the_results_that_are_there():
    results = ROOT / "docs" / "demo"
    run = CliRunner().invoke(app, ["audit", "uterus", "--results", str(results)])
    text = " ".join(run.stdout.split())
    assert run.exit_code == 0 and "Claims of superiority that may be false" in text
    assert "the study's own scores, 3510 pairs of models" in text and "(assumed)" not in text

"""The paper's numbers as data, and ours beside them."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from crossover.analyses.tables.scores import scores_table
from crossover.cli.app import app
from crossover.core.configuration import ConfigError
from crossover.report.formats import interval, p_value
from crossover.report.score_tables import patients_layout, scores_layout, table_one_published
from crossover.statistics.estimates.summary import summarise
from crossover.statistics.papers.published import at_sizes, beside, corresponding, load_published
from crossover.statistics.scores.metrics_table import check_metrics
from crossover.statistics.scores.table_one import table_one
from crossover.study.config import load_study
from tests.tables import SIZES, simulated_metrics

CONFIG = Path(__file__).parents[1] / "config"


@pytest.fixture(scope="module")
def published():
    return load_published("uterus", CONFIG)


@pytest.fixture(scope="module")
def study():
    return load_study("uterus", "demo", CONFIG)


@pytest.fixture(scope="module")
def summary() -> pd.DataFrame:
    return summarise(check_metrics(simulated_metrics()), 0.95)


def test_every_published_table_loads_and_names_its_study():
    for path in sorted((CONFIG / "published").glob("*.yaml")):
        published = load_published(path.stem, CONFIG)
        families = {s + (f"-{lv}" if lv else "") for s, lv in _families(published.study)}
        orderings = {f for o in published.orderings for f in [*o.higher, *o.lower]}
        named = {v.model.family for v in [*published.values, *published.icc]} | orderings
        named |= {model.family for test in published.paired for model in (test.a, test.b)}
        named |= {family for gain in published.gains for family in (*gain.families, gain.over)}
        assert named <= families
        study = load_study(published.study, "paper", CONFIG)
        numbers = [*published.values, *published.paired]
        sets = {n.test_set for n in [*numbers, *published.gains]}
        assert sets | {row.cohort for row in published.cohorts} <= {*study.cohorts, "all"}
        cells = {(c.architecture, c.encoder) for c in published.grid.cells} if published.grid else set()
        assert cells == set(study.selection.cells if study.selection else [])
        assert {n.structure for n in numbers} - {None} <= {*study.structures, "all"}


def _families(name: str):
    for strategy, settings in load_study(name, "paper", CONFIG).strategies.items():
        for level in settings.chain[-1].levels or [""]:
            yield strategy, level


def test_table_two_is_whole(published, study):
    table = published.table()
    table = table[table["where"] == "Table 2"]
    assert len(table) == 10 * 3
    assert not table.duplicated(["family", "n_train", "test_set"]).any()
    assert table["ci_low"].notna().all()
    paper = load_study("uterus", "paper", CONFIG)
    assert published.sizes == paper.sizes


def test_table_one_adds_up(published):
    printed = published.table_one
    for row in printed.categorical:
        for part, patients in printed.patients.items():
            cells = [getattr(category, part) for category in row.categories.values()]
            assert sum(count for count, _ in cells) == patients
            for count, percent in cells:
                assert percent == pytest.approx(100 * count / patients, abs=0.051)


def test_sizes_correspond_by_position_or_value(published):
    assert corresponding(list(SIZES), published) == dict(zip([0, *SIZES], [0, 5, 13, 26, 51, 128, 256]))
    assert corresponding([2, 13], published) == {0: 0, 13: 13}


@pytest.mark.slow
def test_published_values_stand_beside_ours(summary, published):
    table = beside(summary, published, list(SIZES))
    table = table[table["metric"] == "dsc"]
    row = table[(table["model"] == "scratch-n32") & (table["test_set"] == "uterus")]
    assert row["published_n_train"].tolist() == [51]
    assert row[["published_mean", "published_ci_low", "published_ci_high"]].values.tolist() == [[0.65, 0.61, 0.69]]
    both = table[(table["model"] == "transfer-L1-n8") & (table["test_set"] == "cervix")]
    assert both["published_mean"].tolist() == [0.69], "the table's, before the text's 0.67"
    none = table[table["model"] == "transfer-L3-n8"]
    assert len(none) == 3 and none["published_mean"].isna().all()
    assert set(summary["model"]) == set(table["model"])


@pytest.mark.slow
def test_table_two_has_the_papers_layout(summary, published, study):
    text = scores_layout(scores_table(summary, published, study), study)
    assert list(text.columns) == [
        "structure", "model_label", "Training data", "Cervix (n = 6)", "Cervix, published",
        "Uterus (n = 16)", "Uterus, published", "All (n = 22)", "All, published",
    ]  # fmt: skip
    assert len(text) == 10
    assert text["model_label"].iloc[-1] == "Pretrained" and text["Training data"].iloc[-1] == "Cervix (all)"
    row = text[(text["model_label"] == "TL (L1)") & (text["Training data"] == "Uterus (n = 8)")]
    assert row["All, published"].tolist() == ["0.62 (0.58, 0.66)"]
    ours = summary.query("model == 'transfer-L1-n8' and metric == 'dsc' and test_set == 'all'").iloc[0]
    assert row["All (n = 22)"].tolist() == [interval(ours["mean"], ours["ci_low"], ours["ci_high"])]


def test_table_two_without_a_paper_has_every_model(summary, study):
    text = scores_layout(scores_table(summary, None, study), study)
    assert len(text) == 1 + 5 * len(SIZES)
    assert (text["All, published"] == "").all()


def test_table_one_has_the_papers_layout(study):
    patients = pd.DataFrame({"age": [50.0, 61, 47, 58], "grade": ["well", "poor", "well", "well"]})
    parts = pd.Series(["training", "training", "testing", "testing"])
    text = patients_layout(table_one(patients, parts), study)
    assert list(text.columns) == ["Variable", "training", "testing", "p value"]
    assert text["Variable"].tolist() == ["Age", "Grade", "  poor", "  well"]
    assert text["training"].tolist() == ["55.50 (7.78)", "", "1 (50.0)", "1 (50.0)"]


def test_numbers_as_text():
    assert interval(0.618, 0.579, 0.66) == "0.62 (0.58, 0.66)"
    assert (interval(0.5, np.nan, np.nan), interval(np.nan, 0, 1)) == ("0.50", "")
    assert (p_value(0.0409), p_value(2e-9), p_value(np.nan)) == ("0.041", "< 0.001", "")


def test_wrong_values_are_named_with_their_place(tmp_path):
    (tmp_path / "published").mkdir()
    path = tmp_path / "published" / "x.yaml"
    value = "model: {family: a, n_train: 9}, test_set: all, metric: dsc, mean: 2, cases: 0, where: T"
    path.write_text(f"study: x\nsizes: [5]\nconfidence: 0.95\nvalues: [{{{value}}}]\n")
    with pytest.raises(ConfigError) as error:
        load_published("x", tmp_path)
    assert "x.yaml: citation: Field required" in str(error.value)
    assert "x.yaml: values.entry 1.cases: Input should be greater" in str(error.value)


def test_an_unknown_key_is_named_with_the_valid_ones(tmp_path):
    path = tmp_path / "x.yaml"
    value = "model: {family: a, n_train: 0}, test_set: all, metric: dsc, mean: 0.9, std: 0.1, where: T"
    path.write_text(f"study: x\ncitation: X\nsizes: []\nconfidence: 0.95\nvalues: [{{{value}}}]\n")
    with pytest.raises(
        ConfigError, match=r"x.yaml: values\.entry 1\.std: unknown key.*; valid keys: where, model, .*sd, se"
    ):
        load_published(str(path))


def test_what_a_check_found_is_told_without_the_checkers_words(tmp_path):
    path = tmp_path / "x.yaml"
    value = "model: {family: a, n_train: 9}, test_set: all, metric: dsc, mean: 0.9, where: T"
    path.write_text(f"study: x\ncitation: X\nsizes: [5]\nconfidence: 0.95\nvalues: [{{{value}}}]\n")
    with pytest.raises(ConfigError) as error:
        load_published(str(path))
    assert (
        str(error.value)
        == f"{path}: values.entry 1.model.n_train: no size 9; there are: 0, 5 (0 where models have none)"
    )


def test_the_example_of_the_page_is_a_paper_of_anyones_own(tmp_path):
    page = (CONFIG.parent / "docs" / "audit.md").read_text()
    path = tmp_path / "submission.yaml"
    path.write_text(page.partition("## A paper of your own")[2].partition("```yaml\n")[2].partition("```")[0])
    told = CliRunner().invoke(app, ["audit", str(path), "--json"])
    assert told.exit_code == 0, told.output
    (found,) = json.loads(told.output)["studies"]
    (wrong,) = [f for f in found["findings"] if f["verdict"] == "does not follow"]
    assert (wrong["about"], round(wrong["high"], 2)) == ("SD of C, external, dsc", 0.23)
    assert found["verdicts"]["follows"] == 7
    (read,) = [f for f in found["findings"] if f["verdict"] == "depends on interpretation"]
    assert read["interpretation"].startswith("scores of the two models that correlate with 0.97 or more")
    (claim,) = found["claims"]
    assert round(claim["probability"], 2) == 0.21


def tables_paper(path, tables: str) -> None:
    path.write_text(f"study: x\ncitation: X\nsizes: [5, 10]\n{tables}")


def test_the_tables_of_the_page_are_the_values_that_they_show(tmp_path):
    page = (CONFIG.parent / "docs" / "audit.md").read_text()
    tables_paper(tmp_path / "x.yaml", re.search(r"```yaml\n(tables:.*?)```", page, re.S)[1])
    paper = load_published(str(tmp_path / "x.yaml"))
    assert len(paper.values) == 5 + 4, "an empty cell is no value"
    first, last = paper.values[0], paper.values[-1]
    assert (first.model.family, first.model.n_train, first.structure, first.where) == ("A", 0, "liver", "Table 2")
    assert (first.mean.text, first.sd.text) == ("0.94", "0.02"), "with the printed digits"
    assert (last.model.family, last.model.n_train, last.structure, last.metric) == ("B", 10, "liver", "hd95_mm")
    assert (last.mean.text, last.sd.text) == ("10.1", "3.9")


@pytest.mark.parametrize(("row", "more", "told"), [
    ("[0.94]", "", r"tables\.entry 1: row liver has 1 cells, and there are 2 columns"),
    ("[0.94, 0.9 [0.8]]", "", "not valid YAML|write a cell as"),
    ("[0.94, '0.90 (0.88-0.92)']", "", r"rows\.structure\.liver\.entry 2: write a cell as 0.91, .* not '0.90 \(0.88"),
    ("[0.94, 0.90]", "family: A, ", "family stands twice"),
])  # fmt: skip
def test_what_is_wrong_with_a_table_of_scores_is_told(tmp_path, row, more, told):
    rows = f"columns: {{family: [A, B]}}, rows: {{structure: {{liver: {row}}}}}"
    tables_paper(tmp_path / "x.yaml", f"tables:\n  - {{where: T, {more}metric: dsc, test_set: all, {rows}}}\n")
    with pytest.raises(ConfigError, match=told):
        load_published(str(tmp_path / "x.yaml"))


def test_the_command_prints_the_example_of_the_page_to_begin_with():
    page = (CONFIG.parent / "docs" / "audit.md").read_text()
    shown = page.partition("## A paper of your own")[2].partition("```yaml\n")[2].partition("```")[0]
    printed = CliRunner().invoke(app, ["audit", "--example"])
    assert printed.exit_code == 0 and yaml.safe_load(printed.output) == yaml.safe_load(shown)
    assert "--example" in " ".join(CliRunner().invoke(app, ["audit", "--help"]).output.split())


def test_published_values_come_at_our_sizes(published):
    table = at_sizes(published, list(SIZES))
    assert len(table) == len(published.values)
    sizes = table[["n_train", "published_n_train"]].drop_duplicates()
    assert sizes.set_index("n_train")["published_n_train"].to_dict() == corresponding(list(SIZES), published)
    assert set(at_sizes(published, [2, 51])["n_train"]) == {0, 51}


def test_the_papers_table_one_is_laid_out_as_ours():
    text = table_one_published(load_published("uterus"))
    assert list(text.columns) == ["Variable", "training", "testing", "p value"]
    rows = text.set_index("Variable")
    assert rows.loc["Age (year)"].tolist() == ["52.14 (11.15)", "52.08 (10.77)", "0.968"]
    assert rows.loc["  Poorly"].tolist() == ["49 (19.1)", "12 (18.8)", ""]
    assert rows.loc["Histology", "p value"] == "0.602"

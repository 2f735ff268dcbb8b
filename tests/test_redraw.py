"""All figures again from metrics.csv: the same to the byte, and what can't be drawn is said."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from crossover.analyses import registry
from crossover.analyses.analysis import Inputs
from crossover.analyses.figures import style
from crossover.cli.app import app
from crossover.core.configuration import ConfigError, canonical
from crossover.core.paths import ROOT
from crossover.report.redraw import CAPTIONS, redraw, studies_in
from crossover.statistics.differences.comparisons import compare
from crossover.statistics.estimates.summary import summarise
from crossover.statistics.scores.metrics_table import check_metrics
from crossover.study import parameters
from crossover.study.config import load_study
from crossover.study.plan import plan
from crossover.study.schema import Study
from tests import drawn
from tests.tables import CASES, simulated_metrics, simulated_radiomics

pytestmark = pytest.mark.slow

STUDY = load_study("uterus", "demo").model_copy(update={"sizes": [4, 32]})


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    """results/uterus with scores of the demo's sizes and families, and nothing else."""
    folder = tmp_path_factory.mktemp("r") / "results/uterus"
    folder.mkdir(parents=True)
    table = simulated_metrics(sizes=tuple(STUDY.sizes), folds=0)
    table[table["model"].isin(plan(STUDY).models)].to_csv(folder / "metrics.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def outcomes(results, tmp_path_factory) -> dict:
    out = tmp_path_factory.mktemp("figures")
    return {o.figure: o for o in redraw(STUDY, results, out)} | {"out": out}


def test_scores_alone_give_what_is_drawn_from_scores(outcomes, results):
    out = outcomes["out"]
    named = [a.name for a in registry.of_study(STUDY, "figures")]
    made = [name for name in named if outcomes[name].files]
    assert {"performance", "learning_curves", "organs", "subgroups"} <= {*made}
    files = {path.name for path in out.iterdir()}
    assert files == {f"{name}.{s}" for name in made for s in style.UNTIMED} | {CAPTIONS}
    assert outcomes["overlays"].because == "it shows images"
    assert outcomes["flow"].because == f"no {results / 'splits.csv'}"
    assert outcomes["reliability"].because == f"no {results / 'radiomics.csv'}"
    assert str(results / "stages") in outcomes["training_curves"].because


def test_the_figures_are_those_of_the_workflow(outcomes, results, tmp_path):
    """Statistics as their rules make them, drawn as the rule draws."""
    (tmp_path / "statistics").mkdir()
    metrics = check_metrics(pd.read_csv(results / "metrics.csv"))
    metrics.to_csv(tmp_path / "metrics.csv", index=False)
    how = STUDY.statistics
    summarise(metrics, how.confidence).to_csv(tmp_path / "statistics/summary.csv", index=False)
    _, tukey = compare(metrics, how.metric, how.alpha)
    tukey.to_csv(tmp_path / "statistics/tukey.csv", index=False)
    figure = registry.find("figures", "subgroups")
    asked = Study.of(json.loads(json.dumps(figure.settings(STUDY))))
    with drawn.only("svg"):
        (expected,) = figure.write(Inputs(tmp_path), asked, tmp_path)
    again = {path.suffix: path for path in outcomes["subgroups"].files}
    assert {suffix.removeprefix(".") for suffix in again} == {*style.UNTIMED}
    assert expected.read_bytes() == again[".svg"].read_bytes()


def test_captions_have_the_numbers_of_these_results(outcomes):
    text = (outcomes["out"] / CAPTIONS).read_text()
    assert f"{sum(CASES.values())} test cases (Cervix {CASES['cervix']}, Uterus {CASES['uterus']})" in text  # fmt: skip
    made = [name for name, outcome in outcomes.items() if name != "out" and outcome.files]
    assert text.count("\n\n**") == len(made) - 1 and "Points and bars" in text and "bands" in text


def test_fonts_are_embedded_and_widths_are_a_journals(outcomes):
    for name in ("performance", "learning_curves", "subgroups"):
        pdf = (outcomes["out"] / f"{name}.pdf").read_bytes()
        assert b"/FontFile2" in pdf and b"/Type3" not in pdf and b"CreationDate" not in pdf
        svg = (outcomes["out"] / f"{name}.svg").read_text()
        assert "<text" not in svg and "<image" not in svg
        width = float(re.search(r'width="([\d.]+)pt"', svg)[1]) / 72 * 25.4
        assert any(width == pytest.approx(mm, abs=0.5) for mm in (style.COLUMN_MM, style.PAGE_MM))


def test_the_small_tables_beside_the_scores_are_used(results, tmp_path):
    own = tmp_path / "uterus"
    own.mkdir()
    study = STUDY.model_copy(update={"sizes": STUDY.sizes[-1:]})  # no learning curves to compute
    metrics = pd.read_csv(results / "metrics.csv")
    metrics[metrics["model"].isin(plan(study).models)].to_csv(own / "metrics.csv", index=False)
    radiomics = simulated_radiomics(sizes=tuple(study.sizes))
    radiomics[radiomics["model"].isin([*plan(study).models, "manual"])].to_csv(own / "radiomics.csv", index=False)
    (own / "figures").mkdir()
    (own / "figures/overlays.svg").write_text("<svg/>")
    with drawn.only("svg"):
        found = {o.figure: o for o in redraw(study, own, tmp_path / "out")}
    assert found["reliability"].files
    assert found["overlays"].because.endswith("overlays.svg is left as it is")
    assert (own / "figures/overlays.svg").read_text() == "<svg/>"


def test_scores_of_another_scale_are_refused(results):
    assert [s.scale for s in studies_in(results.parent, [], "", ROOT / "config")] == ["demo"]
    with pytest.raises(ConfigError, match=r"at scale smoke uterus has no model .*--scale"):
        studies_in(results.parent, ["uterus"], "smoke", ROOT / "config")
    with pytest.raises(ConfigError, match=r"no metrics\.csv of prostate; there is that of: uterus"):
        studies_in(results.parent, ["prostate"], "", ROOT / "config")


def test_the_scale_is_that_of_the_results(results, tmp_path):
    own = tmp_path / "uterus"
    own.mkdir()
    (own / "metrics.csv").write_text("model\nscratch-n2\n")
    (own / "params.json").write_text('{"scale": "smoke"}')
    [study] = studies_in(tmp_path, [], "", ROOT / "config")
    assert study.scale == "smoke"


def test_the_command_says_what_is_wrong(tmp_path):
    ran = CliRunner().invoke(app, ["figures", "--results", str(tmp_path)])
    assert ran.exit_code == 2 and "no metrics.csv of any study" in ran.output


def test_no_learning_framework_is_imported():
    program = (
        "import sys, crossover.report.redraw, crossover.analyses.figures.subgroups;"
        "print([m for m in ('tensorflow', 'keras', 'torch') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert ran.stdout.strip() == "[]", ran.stderr


SHOWN = {"uterus": "subgroups", "headneck": "learning_curves"}
"""Study -> the figure of its recorded run that the README or a page shows."""


def made_again(study: str) -> str:
    """What to do where a recorded run is not the study's as it is configured."""
    return f"""the figure of {study} is of another run. Make it again:
    make reproduce STUDIES={study} SCALE=demo    # of real patients: make {study} DATA=<folder> SCALE=demo
    cp results/{study}/metrics.csv results/{study}/params.json docs/demo/{study}/
    .venv/bin/crossover figures {study} --results docs/demo --out docs/demo"""


DECIDES = {
    "cohorts",
    "channels",
    "preparation",
    "splits",
    "network",
    "recipe",
    "sizes",
    "strategies",
    "evaluation",
}
"""The settings that scores come from."""


@pytest.mark.thorough
@pytest.mark.parametrize("name", SHOWN)
def test_a_shown_figure_is_of_the_scores_beside_it(name, tmp_path, monkeypatch):
    """Its curves, drawn again; the marks below them take seconds to compute, and stand in the same table."""
    shown, again = ROOT / "docs/demo" / name, made_again(name)
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    text = "".join(page.read_text() for page in pages)
    assert f"crossover figures {name} --results docs/demo --out docs/demo" in text
    assert f"demo/{name}/{SHOWN[name]}.png)" in text
    assert (shown / "metrics.csv").exists(), again
    (study,) = studies_in(shown.parent, [name], "", ROOT / "config")
    unmarked = pd.DataFrame(columns=["test_set", "structure", "question", "n_train", "a", "b", "p"])
    figure, tukey = registry.find("figures", SHOWN[name]), registry.find("statistics", "comparisons")
    made = {"tukey": unmarked, "anova": unmarked}
    monkeypatch.setattr(tukey.module(), "make", lambda *_: made)
    found = registry.of_study
    monkeypatch.setattr(registry, "of_study", lambda s, *kinds: [figure] if "figures" in kinds else found(s, *kinds))
    with drawn.only("png"):
        assert [outcome.because for outcome in redraw(study, shown, tmp_path)] == [""]
    now, then = (matplotlib.image.imread(folder / f"{SHOWN[name]}.png") for folder in (tmp_path, shown))
    assert now.shape == then.shape, again
    curves = np.abs(now - then)[: now.shape[0] // 2].max(axis=-1)
    assert (curves > 0.1).mean() < 0.0001, again


@pytest.mark.parametrize("name", SHOWN)
def test_a_shown_figure_is_of_the_demo_as_it_is_configured(name):
    shown, again = ROOT / "docs/demo" / name, made_again(name)
    assert (shown / "params.json").exists(), again
    study = load_study(name, "demo")
    made_with = json.loads((shown / "params.json").read_text())
    now = json.loads(canonical(parameters.result_settings(study)))
    for cohort in (*made_with["cohorts"].values(), *now["cohorts"].values()):
        if "digest" in cohort["source"] or cohort["source"].get("kind") == "volumes":
            cohort["source"] = "patients, of whom a run records a digest"
    changed = sorted(key for key in DECIDES if made_with.get(key) != now.get(key))
    assert not changed, f"{', '.join(changed)}: {again}"
    assert set(pd.read_csv(shown / "metrics.csv")["model"]) == set(plan(study).models), again

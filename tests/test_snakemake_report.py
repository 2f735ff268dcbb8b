"""`snakemake --report`: the figures and tables of a study under their titles, each with a caption."""

import html
from pathlib import Path

import pytest

from crossover.analyses import registry
from crossover.study.config import load_study
from tests.smoke import snakemake

pytestmark = pytest.mark.slow


def test_snakemakes_report_has_every_figure_and_table_with_its_title_and_caption(smoke: Path, tmp_path: Path):
    page = tmp_path / "page.html"
    words = ["--config", "studies=uterus", "scale=smoke", "--report", str(page), "--", "results/uterus/values.json"]
    run = snakemake(smoke, *words)
    assert run.returncode == 0, run.stdout + run.stderr
    text = html.unescape(page.read_text())
    for analysis in registry.of_study(load_study("uterus", "smoke"), "tables", "figures"):
        assert f">{analysis.rule}</tt> for the study uterus" in text, analysis.rule
        assert analysis.declared.title in text

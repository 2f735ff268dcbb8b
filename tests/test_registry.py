"""The registry: declarations that need no run of their modules, and analyses that fit a study's design."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from crossover.analyses import registry
from crossover.analyses.analysis import Inputs
from crossover.core.paths import ROOT
from crossover.study.config import load_study
from crossover.study.schema import Study

STUDIES = ["uterus", "nasopharynx", "prostate", "headneck"]


@pytest.mark.parametrize("analysis", registry.analyses(), ids=lambda a: a.rule)
def test_a_module_keeps_what_its_declaration_promises(analysis: registry.Registered):
    module = analysis.module()
    assert analysis.declared == module.ANALYSIS
    assert callable(module.make) and module.__doc__
    drawn = analysis.kind == "figures"
    assert bool(analysis.declared.title) == hasattr(module, "caption")
    assert drawn != bool(analysis.declared.writes) and (analysis.declared.title or not drawn)


def test_declarations_are_read_without_what_draws_and_counts():
    code = (
        "import sys; from crossover.analyses import registry; registry.analyses();"
        "print({'matplotlib', 'scipy', 'statsmodels', 'SimpleITK'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert ran.stdout.strip() == "set()", ran.stderr


@pytest.mark.filterwarnings("error")
def test_a_case_has_one_name_in_a_table_of_any_length(tmp_path: Path):
    """Cases of one center that are called by numbers stood as numbers or as text, by where in the table they stood."""
    rows = pd.DataFrame({"case": ["101"] * 70_000 + ["b_01"]}).assign(**dict.fromkeys("abcdefghijklmno", 0))
    rows.to_csv(tmp_path / "metrics.csv", index=False)
    read = registry.read_tables([tmp_path / "metrics.csv"], load_study("headneck", "smoke"))
    for table in (Inputs(tmp_path).table("metrics.csv"), read["metrics"]):
        assert set(table["case"]) == {"101", "b_01"}


def small(strategies: tuple[str, ...], sizes: list[int], structures: int) -> Study:
    """A study as `crossover new` writes them: few strategies, few sizes."""
    values = load_study("headneck", "smoke").model_dump(mode="json")
    values["strategies"] = {name: values["strategies"][name] for name in strategies}
    values["sizes"] = sizes
    values["structures"] = dict([*values["structures"].items()][:structures])
    return Study.model_validate(values | {"figures": {}})


SMALL = [
    small(strategies, sizes, structures)
    for strategies in (("scratch",), ("scratch", "source"), ("scratch", "transfer"), ("source", "transfer"))
    for sizes in ([3], [3, 8])
    for structures in (1, 4)
]


@pytest.mark.parametrize("study", SMALL, ids=lambda s: f"{'+'.join(s.strategies)}-{s.sizes}-{len(s.structures)}")
def test_what_a_small_study_gets_can_be_made(study: Study):
    check_that_all_can_be_made(study)


@pytest.mark.parametrize("name", STUDIES)
@pytest.mark.parametrize("scale", ["smoke", "paper"])
def test_what_a_study_gets_can_be_made(name: str, scale: str):
    check_that_all_can_be_made(load_study(name, scale))


def check_that_all_can_be_made(study: Study) -> None:
    """No file is written twice, and every table that an analysis needs is made, before it."""
    found = registry.of_study(study)
    written = [output for analysis in found for output in analysis.outputs]
    assert len(set(written)) == len(written)
    optional = {"claims", "networks", "pairwise", "structures"}
    there = set(registry.tables_of(study))
    for analysis in found:
        assert analysis.name in optional or set(analysis.declared.reads) <= there, analysis.rule


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_gets_what_fits_it(name: str):
    study = load_study(name, "paper")
    names = {analysis.rule for analysis in registry.of_study(study)}
    assert {"summary", "stability", "comparisons", "paired", "pairwise", "repeated"} <= names
    assert ("learning_curves" in names) == (len(study.sizes) > 1)
    assert ("chains" in names) == (not study.sizes)
    images = {"figure_overlays", "figure_examples"}
    assert len(images & names) == 1, "each study shows images once"


def test_statistics_are_read_in_the_studys_order_of_cohorts_and_structures(tmp_path):
    study = load_study("nasopharynx", "smoke")
    sets, structures = [*study.cohorts, "all"], [*study.structures, "all"]
    assert structures != sorted(structures)
    rows = [(t, s, n) for t in sorted(sets) for s in sorted(structures) for n in (2, 1)]
    table = pd.DataFrame(rows, columns=["test_set", "structure", "n_train"])
    for name in ("summary", "scores"):  # the papers' tables have an order of their own
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    read = registry.read_tables(tmp_path.glob("*.csv"), study)
    found = list(read["summary"].itertuples(index=False, name=None))
    assert found == [(t, s, n) for t in sets for s in structures for n in (2, 1)]
    assert read["scores"].equals(table)

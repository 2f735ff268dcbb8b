"""Every leaf of every study: exactly the rules of docs/reruns.md rerun."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
import yaml

from crossover.core.configuration import ConfigError, read_yaml
from crossover.study.config import load_study
from tests.dry_runs import copy_workflow
from tests.mutations import leaves, mutations, written
from tests.rerun_page import LEAVES, REFUSED, SCALE, STUDIES, Pretended, closed, fits

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=STUDIES)
def pretended(request, tmp_path_factory) -> Iterator[Pretended]:
    made = Pretended(tmp_path_factory.mktemp("reruns") / "w", request.param)
    yield made
    made.server.close()


def test_a_flipped_leaf_reruns_what_the_page_says(pretended: Pretended):
    name, config = pretended.config["studies"], pretended.folder / "config"
    file = f"config/studies/{name}.yaml"
    values = read_yaml(pretended.folder / file)
    real = "data" in pretended.config
    base = load_study(name, SCALE, config, real)
    wrong, flipped = [], 0
    for place, old in leaves(values):
        leaf = written(place)
        own = leaf.removeprefix(f"scales.{SCALE}.")
        row = next((cell for pattern, cell in LEAVES if fits(own, pattern)), None)
        for changed, study in mutations(base, values, place, old, real):
            if study == base:  # the graph is made from the study alone
                break
            try:
                text = yaml.safe_dump(changed, sort_keys=False, allow_unicode=True)
                found = pretended.after(file, text)
            except ConfigError:  # at another scale it contradicts
                continue
            flipped += 1
            expected = closed(row or "", pretended.rules | found)
            if row is None or found != expected:
                more, less = sorted(found - expected), sorted(expected - found)
                wrong.append(f"{leaf}: reruns also {more}, and not {less}")
            break
        else:
            if not any(fits(own.removeprefix("scales.demo."), pattern) for pattern in REFUSED):
                wrong.append(f"{leaf}: no other value is accepted, and the page doesn't say so")
    assert not wrong, f"{name}: {len(wrong)} leaves\n" + "\n".join(wrong)
    assert flipped > 60


def test_form_time_and_order_rerun_nothing(pretended: Pretended):
    """Comments, layout, the order of keys; times of all files; a branch switch and back."""
    name = pretended.config["studies"]
    file = f"config/studies/{name}.yaml"
    text = (pretended.folder / file).read_text()
    values = yaml.safe_load(text)
    backwards = {key: values[key] for key in reversed(values)}
    for same in (f"# a remark\n\n{text}", yaml.safe_dump(backwards, indent=7, width=40)):
        assert pretended.after(file, same) == set()
    for path in sorted(pretended.folder.rglob("*"), reverse=True):  # inputs after what reads them
        if path.is_file() and ".snakemake" not in path.parts:
            path.touch()
    assert pretended.dry_run() == []
    copy_workflow(pretended.folder)  # as a switch to another branch and back writes every file anew
    assert pretended.dry_run() == []


def test_without_snakemakes_metadata_the_records_decide(pretended: Pretended):
    """As after a copy of the results alone, or where `--touch` has written others."""
    name = pretended.config["studies"]
    file = f"config/studies/{name}.yaml"
    values = read_yaml(pretended.folder / file)
    values["scales"][SCALE].setdefault("recipe", {})["learning_rate"] = 0.123
    text = yaml.safe_dump(values)
    expected = pretended.after(file, text)
    metadata = pretended.folder / ".snakemake/metadata"
    kept = metadata.rename(metadata.with_name("kept"))
    assert pretended.dry_run() == []
    assert pretended.after(file, text) == expected and "train" in expected
    shutil.rmtree(metadata)  # a dry run makes an empty one
    kept.rename(metadata)


def test_a_further_size_adds_only_its_trainings(tmp_path):
    made = Pretended(tmp_path / "w", "uterus")
    file = "config/studies/uterus.yaml"
    values = read_yaml(made.folder / file)
    values["scales"]["smoke"]["sizes"] = [2, 5, 8]
    made.after(file, yaml.safe_dump(values), why=True)
    jobs = [job for job in made.last if job["rule"] == "train"]
    new = {name for job in jobs for name in job["stages"]}
    assert new == {f"{family}-n5" for family in (
        "scratch", "aggregated", "transfer-L1", "transfer-L2", "transfer-L3")}  # fmt: skip
    kept = {name for job in jobs for name in job["kept"]}
    assert {"scratch-n2", "transfer-L1-n8", "scratch-n8-f1"} <= kept
    assert not {job["rule"] for job in made.last} & {"receive", "cases", "slices", "splits"}
    (change,) = {w["what"] for job in jobs for w in job["why"] if w["what"].endswith("scratch-n5")}
    assert change == "stages.scratch-n5"
    made.server.close()

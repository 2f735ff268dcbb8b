"""Every leaf of every study: exactly the rules of docs/reruns.md rerun."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from crossover.core.configuration import read_yaml
from crossover.study.config import load_study, read_study_file
from tests.dry_runs import copy_workflow
from tests.mutations import leaves, mutations, written
from tests.rerun_page import LEAVES, REFUSED, SCALE, STUDIES, Pretended, closed, fits
from tests.tiers import first

pytestmark = pytest.mark.slow

CONFIRMED: set[tuple[str, str] | None] = set()
"""Rows of the page of which Snakemake has said itself what a leaf reruns."""
Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


FIRST = "uterus"
"""The study of which `make test` flips every leaf; `make test-thorough` does it for the others."""


@pytest.fixture(scope="module", params=first(STUDIES, FIRST))
def pretended(request, dry_run_server) -> Pretended:
    return Pretended(dry_run_server, request.param)


def test_a_flipped_leaf_reruns_what_the_page_says(pretended: Pretended):
    """The rules' own functions say which jobs get other parameters, and the graph what reads what they make.

    Of a leaf for each row of the page Snakemake says it itself, of the first study that has one, and so wherever there
    would be other jobs.
    """
    wrong, rows, said = [], set(), 0
    for leaf, text, changed in flipped(pretended):
        own = leaf.removeprefix(f"scales.{SCALE}.")
        row = next(((pattern, cell) for pattern, cell in LEAVES if fits(own, pattern)), None)
        if changed == "refused":
            if not any(fits(own.removeprefix("scales.demo."), pattern) for pattern in REFUSED):
                wrong.append(f"{leaf}: no other value is accepted, and the page doesn't say so")
            continue
        said += 1
        found = None if changed is None else rerun(pretended, changed)
        rows.add(row)
        if found is None or row not in CONFIRMED:
            CONFIRMED.add(row)
            asked = pretended.after(file_of(pretended), text)
            assert found in (None, asked), f"{leaf}: Snakemake reruns {asked}, not {found}"
            found = asked
        expected = closed(row[1] if row else "", pretended.rules | found)
        if row is None or found != expected:
            more, less = sorted(found - expected), sorted(expected - found)
            wrong.append(f"{leaf}: reruns also {more}, and not {less}")
    assert not wrong, f"{pretended.config['studies']}: {len(wrong)} leaves\n" + "\n".join(wrong)
    assert said > 60 and len(rows) > 20


# What follows is Snakemake's and the records', and the same for every study.
FEW = pytest.mark.parametrize("pretended", first(["nasopharynx", FIRST], FIRST), indirect=True)


@FEW
def test_another_tools_scores_rerun_the_metrics_and_what_follows(pretended: Pretended):
    external = pretended.folder / "results" / pretended.config["studies"] / "external/nnunet-n5.csv"
    external.parent.mkdir(parents=True)
    external.write_text("model\n")
    try:
        assert set(pretended.dry_run()) == closed("`metrics` →", pretended.rules)
    finally:
        shutil.rmtree(external.parent)
    assert pretended.dry_run() == []


def flipped(pretended: Pretended) -> Iterator[tuple[str, str, list[str] | str | None]]:
    """(leaf, text, what `Server.changed` says of it), with the first other value that every scale accepts; "refused"
    where there is none. A value that the scale replaces changes nothing, and is left out."""
    name, file = pretended.config["studies"], file_of(pretended)
    values = read_study_file(pretended.folder / file, pretended.folder / "config/bases")
    real = "data" in pretended.config
    base = load_study(name, SCALE, pretended.folder / "config", real)
    waiting = {written(place): mutations(base, values, place, old, real) for place, old in leaves(values)}
    while waiting:
        tried = {leaf: next(others, None) for leaf, others in waiting.items()}
        yield from ((leaf, "", "refused") for leaf, other in tried.items() if other is None)
        texts = {
            leaf: yaml.dump(other[0], Dumper=Dumper, sort_keys=False, allow_unicode=True)
            for leaf, other in tried.items()
            if other is not None and other[1] != base  # the graph is made from the study alone
        }
        answers = pretended.changed(file, list(texts.values()))
        refused = {leaf for leaf, answer in zip(texts, answers) if isinstance(answer, str)}
        for leaf, answer in zip(texts, answers):
            if leaf not in refused:
                yield leaf, texts[leaf], answer
        waiting = {leaf: others for leaf, others in waiting.items() if leaf in refused}


def rerun(pretended: Pretended, changed: list[str]) -> set[str]:
    """The rules of the jobs with changed parameters, by their first outputs, and of all that read what they make."""
    found: dict[int, str] = {}
    for job in pretended.first:  # inputs come before what reads them
        if job["outputs"][0] in changed or found.keys() & set(job["depends"]):
            found[job["place"]] = job["rule"]
    return set(found.values())


def file_of(pretended: Pretended) -> str:
    return f"config/studies/{pretended.config['studies']}.yaml"


@FEW
def test_form_time_and_order_rerun_nothing(pretended: Pretended):
    """Comments, layout, the order of keys; times of all files; a branch switch and back."""
    file = file_of(pretended)
    text = (pretended.folder / file).read_text()
    values = yaml.safe_load(text)
    backwards = {key: values[key] for key in reversed(values)}
    for same in (f"# a remark\n\n{text}", yaml.safe_dump(backwards, indent=7, width=40)):
        assert pretended.after(file, same) == set()
    put_times(pretended, {})
    assert pretended.dry_run() == []
    copy_workflow(pretended.folder)  # as a switch to another branch and back writes every file anew
    assert pretended.dry_run() == []


def put_times(pretended: Pretended, ahead: dict[str, int]) -> None:
    """Inputs after what reads them; those that are named so many seconds ahead of the clock."""
    files = [path for path in sorted(pretended.folder.rglob("*")) if path.is_file()]
    for path in reversed([path for path in files if ".snakemake" not in path.parts]):
        path.touch()
    for name, seconds in ahead.items():
        os.utime(pretended.folder / name, (time.time() + seconds,) * 2)


@FEW
def test_without_snakemakes_metadata_the_records_decide(pretended: Pretended):
    """As after a copy of the results alone, with other times, or where `--touch` has written others."""
    file = file_of(pretended)
    values = read_study_file(pretended.folder / file, pretended.folder / "config/bases")
    values["scales"][SCALE].setdefault("recipe", {})["learning_rate"] = 0.123
    text = yaml.safe_dump(values)
    expected = pretended.after(file, text)
    metadata = pretended.folder / ".snakemake/metadata"
    kept = metadata.rename(metadata.with_name("kept"))
    put_times(pretended, {file: 10**7, f"results/{pretended.config['studies']}/splits.csv": 10**7})
    assert pretended.dry_run() == []
    assert pretended.after(file, text) == expected and "train" in expected
    shutil.rmtree(metadata)  # a dry run makes an empty one
    kept.rename(metadata)


def without(pretended: Pretended, folders: list[str], path: str, text: str) -> tuple[set[str], set[str]]:
    """The rules that another text of a file reruns, with and without some folders; without a change none run."""
    there = pretended.after(path, text)
    aside = pretended.folder / "aside"
    for folder in folders:
        (aside / folder).parent.mkdir(parents=True, exist_ok=True)
        (pretended.folder / folder).rename(aside / folder)
    try:
        assert pretended.dry_run() == []
        return there, pretended.after(path, text)
    finally:
        for folder in folders:
            (aside / folder).rename(pretended.folder / folder)


@pytest.mark.parametrize("pretended", ["uterus"], indirect=True)
def test_what_was_cleared_away_hides_no_change_of_what_it_was_made_with(pretended: Pretended):
    put_times(pretended, {"results/uterus/splits.csv": 10**7})  # as a copy may have them
    file = "crossover/training/prediction.py"
    text = (pretended.folder / file).read_text() + "\nMORE = 1\n"
    there, gone = without(pretended, ["results/uterus/predictions"], file, text)
    assert there == gone and {"predict", "evaluate", "report"} <= gone
    values = read_study_file(pretended.folder / file_of(pretended), pretended.folder / "config/bases")
    values["cohorts"]["uterus"]["source"]["seed"] = 4711
    there, gone = without(pretended, ["data/raw", "data/cases"], file_of(pretended), yaml.safe_dump(values))
    assert there == gone and {"receive", "train", "report"} <= gone


@pytest.mark.parametrize("pretended", ["headneck"], indirect=True)
def test_patients_that_are_not_at_hand_make_nothing_outdated_where_all_of_them_was_cleared_away(pretended: Pretended):
    for folder in ("raw", "cases"):
        shutil.rmtree(pretended.folder / "data" / folder)
    assert pretended.dry_run() == []
    patients = Path(pretended.config.pop("data"))
    assert pretended.dry_run() == []
    pretended.config["data"] = str(patients)
    (patients / "new.bin").write_bytes(b"1")
    assert {"receive", "cases", "train"} <= {*pretended.dry_run()}


@pytest.mark.parametrize("pretended", ["uterus"], indirect=True)
def test_a_further_size_adds_only_its_trainings(pretended: Pretended):
    file = file_of(pretended)
    values = read_yaml(pretended.folder / file)
    values["scales"]["smoke"]["sizes"] = [2, 5, 8]
    pretended.after(file, yaml.safe_dump(values), why=True)
    jobs = [job for job in pretended.last if job["rule"] == "train"]
    new = {name for job in jobs for name in job["stages"]}
    assert new == {f"{family}-n5" for family in (
        "scratch", "aggregated", "transfer-L1", "transfer-L2", "transfer-L3")}  # fmt: skip
    kept = {name for job in jobs for name in job["kept"]}
    assert {"scratch-n2", "transfer-L1-n8", "scratch-n8-f1"} <= kept
    assert not {job["rule"] for job in pretended.last} & {"receive", "cases", "slices", "splits"}
    (change,) = {w["what"] for job in jobs for w in job["why"] if w["what"].endswith("scratch-n5")}
    assert change == "stages.scratch-n5"

"""Every leaf of every study, and a line of every source file: exactly the rules of docs/reruns.md rerun."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
import yaml

from crossover.config import load_study, read_yaml
from tests.dry_runs import ROOT, Server, copy_workflow
from tests.mutations import leaves, mutate, written

SCALE = "smoke"
TEXT = (ROOT / "docs/reruns.md").read_text()
STUDIES = sorted(p.stem for p in (ROOT / "config/studies").glob("*.yaml"))


# ---- the page


def section(title: str) -> str:
    return TEXT.split(f"## {title}\n")[1].split("\n## ")[0]


def rows(title: str) -> Iterator[list[str]]:
    """The cells of a table's rows."""
    for line in section(title).splitlines()[1:]:
        if line.startswith("| `"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def named(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


READ_BY = {
    rule: named(readers) for rules, readers in rows("What reads what") for rule in named(rules)
}
LEAVES = [
    (pattern, cell)
    for cells in rows("A leaf of a study's file")
    for pattern in named(cells[0])
    for cell in [cells[1]]
]
REFUSED = named(section("What can't be changed alone"))


def fits(leaf: str, pattern: str) -> bool:
    """Whether a pattern is the leaf's beginning, key by key."""
    keys, wanted = leaf.split("."), pattern.split(".")
    return len(keys) >= len(wanted) and all(map(fnmatchcase, keys, wanted))


def closed(cell: str, rules: set[str]) -> set[str]:
    """The rules that a cell names, of those given, and with an arrow all that follow; the report with them.

    A study's last job, `values`, follows all but what is only printed.
    """
    found: set[str] = set()
    for rule, arrow in re.findall(r"`([^`]+)`( →)?", cell):
        named_rules = {r for r in rules if r.startswith("figure:")} if rule == "figure" else {rule}
        found |= following(rule, rules) if arrow else named_rules & rules
    found |= {"values"} & rules if found - {"report"} else set()
    return found | {"report"} if found - {"values"} else found


def following(rule: str, rules: set[str]) -> set[str]:
    found, waiting = set(), [rule]
    while waiting:
        name = waiting.pop()
        if name in rules - found:
            found.add(name)
            waiting += READ_BY.get("figure" if name.startswith("figure:") else name, [])
    return found


# ---- the workflow


class Pretended:
    """One study, as after a run."""

    def __init__(self, folder: Path, studies: str) -> None:
        self.folder = copy_workflow(folder)
        self.config = {"studies": studies, "scale": SCALE}
        if studies == "headneck":  # it has no phantoms
            (folder / "patients").mkdir()
            (folder / "patients/scan.bin").write_bytes(b"1")
            self.config["data"] = str(folder / "patients")
        self.server = Server(self.folder)
        self.rules = {*self.dry_run()}
        self.first, self.studies = self.last, studies.split(",")
        self.server.pretend(self.config)

    def dry_run(self) -> list[str]:
        """The rules that would run."""
        answer = self.server.ask(config=self.config)
        assert "refused" not in answer, answer["refused"]
        self.last = answer["jobs"]
        return sorted({name_of(job) for job in answer["jobs"]})

    def after(self, path: str, text: str) -> set[str]:
        """The rules that would run if a file had another text."""
        file = self.folder / path
        kept, state = file.read_text(), file.stat()
        file.write_text(text)
        try:
            return set(self.dry_run())
        finally:
            file.write_text(kept)
            os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))


def name_of(job: dict) -> str:
    figure = Path(job["outputs"][0]).stem
    return f"figure:{figure}" if job["rule"] == "figure" else job["rule"]

    def after(self, path: str, text: str) -> set[str]:
        """The rules that would run if a file had another text."""
        file = self.folder / path
        kept, state = file.read_text(), file.stat()
        file.write_text(text)
        try:
            return set(self.dry_run())
        finally:
            file.write_text(kept)
            os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))


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
        changed, study = mutate(base, values, place, old, config, real)
        own = leaf.removeprefix(f"scales.{SCALE}.")
        if changed is None:
            if not any(fits(own.removeprefix("scales.demo."), pattern) for pattern in REFUSED):
                wrong.append(f"{leaf}: no other value is accepted, and the page doesn't say so")
            continue
        row = next((cell for pattern, cell in LEAVES if fits(own, pattern)), None)
        if row is None and study != base:
            wrong.append(f"{leaf}: no row of the page")
            continue
        if study != base:  # the graph is made from the study alone
            flipped += 1
            text = yaml.safe_dump(changed, sort_keys=False, allow_unicode=True)
            found = pretended.after(file, text)
            expected = closed(row, pretended.rules | found)
            if found != expected:
                more, less = sorted(found - expected), sorted(expected - found)
                wrong.append(f"{leaf}: reruns also {more}, and not {less}")
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


def test_a_further_size_adds_only_its_trainings(tmp_path):
    made = Pretended(tmp_path / "w", "uterus")
    file = "config/studies/uterus.yaml"
    values = read_yaml(made.folder / file)
    values["scales"]["smoke"]["sizes"] = [2, 5, 8]
    made.after(file, yaml.safe_dump(values))
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


SOURCES = sorted(
    str(path.relative_to(ROOT))
    for folder in ("crossover", "workflow_scripts")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in (".py", ".j2")
)


@pytest.fixture(scope="module")
def all_studies(tmp_path_factory) -> Iterator[Pretended]:
    studies = "uterus,nasopharynx,prostate"
    made = Pretended(tmp_path_factory.mktemp("reruns") / "w", studies)
    yield made
    made.server.close()


def test_a_line_of_source_reruns_what_the_page_says(all_studies: Pretended):
    table = [
        (pattern, *cells[1:]) for cells in rows("A line of source") for pattern in named(cells[0])
    ]
    rules = {study: of_study(study, all_studies.first) for study in all_studies.studies}
    wrong = []
    for path in SOURCES:
        text = (all_studies.folder / path).read_text()
        all_studies.after(path, text + "\nchanged = True\n")
        row = next((row for row in table if fnmatchcase(path, row[0])), (path, "no row", ""))
        cell = row[1].replace("<its name>", Path(path).stem)
        only = [study for study in named(row[2]) if study in all_studies.studies]
        for study in all_studies.studies:
            found = of_study(study, all_studies.last)
            expected = closed(cell, rules[study]) if study in only or not only else set()
            if found != expected - {"report"}:
                more, less = sorted(found - expected), sorted(expected - found - {"report"})
                wrong.append(f"{path}, {study}: reruns also {more}, and not {less}")
        ran = {name_of(job) for job in all_studies.last}
        if bool(ran - {"values"}) != ("report" in ran):
            wrong.append(f"{path}: the report")
        if not closed(cell, {"report"}.union(*rules.values())) and all_studies.last:
            wrong.append(f"{path}: reruns something")
    assert not wrong, "\n" + "\n".join(wrong)


def of_study(name: str, jobs: list[dict]) -> set[str]:
    return {name_of(job) for job in jobs if COHORTS.get(job["cohort"], job["study"]) == name}


COHORTS = {c: name for name in STUDIES for c in load_study(name, SCALE).cohorts}


@pytest.mark.parametrize("path", ["crossover/training/run.py", "workflow_scripts/_job.py"])
def test_a_remark_in_source_reruns_nothing(all_studies: Pretended, path: str):
    text = (all_studies.folder / path).read_text()
    assert all_studies.after(path, text + "\n# a remark\n") == set()

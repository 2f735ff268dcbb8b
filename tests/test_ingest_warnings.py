"""What the last lines of a run say of warnings of its ingests."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd

from crossover.analyses.figures.captions import warned
from crossover.core.files import write_json
from crossover.core.paths import CONFIG
from crossover.execution.ingest_warnings import ingest_warnings
from crossover.report.overview import is_not
from crossover.report.results import StudyResults
from crossover.sources.findings import KINDS
from crossover.study.config import load_study


def found(*codes: str, status: str = "made") -> dict:
    findings = [{"code": code, "severity": "note" if code.startswith("note") else "warning"} for code in codes]
    return {"status": status, "findings": findings}


def study_of(labels: dict[str, str], sizes: Sequence[int] = (), scale: str = "demo") -> Any:
    """A study of which two patients of each cohort are tested on."""
    cohorts = {name: SimpleNamespace(label=label, source=None, test=2) for name, label in labels.items()}
    return SimpleNamespace(cohorts=cohorts, target="ours", sizes=sizes, scale=scale)


def test_cases_that_are_used_with_a_warning_are_counted_by_what_they_are_warned_of(tmp_path: Path):
    cases = {
        "a": found("sides-swapped", "sides-swapped", "values-unlike"),
        "b": found("sides-swapped", "note-x"),
        "c": found("note-x"),
        "d": found("values-unlike", status="allowed"),
    }
    write_json(tmp_path / "ours/ingest.json", {"cases": cases})
    write_json(tmp_path / "theirs/ingest.json", {"cases": {"a": found("note-x")}})
    cohorts = {"ours": "Center B", "theirs": "Center A", "not made": "C"}
    assert ingest_warnings({"gland": study_of(cohorts)}, tmp_path) == [
        f"2 cases of Center B used with a warning: sides-swapped (2), values-unlike (1): see {tmp_path}/ours/ingest.txt"
    ]


def test_patients_whom_no_size_includes_are_told(tmp_path: Path):
    (tmp_path / "ours").mkdir()
    for patients, more in ((10, []), (12, ["`sizes: [2, 4, 8, 10]` into config/studies/gland.yaml"])):
        rows = "".join(f"p{i},p{i}\n" for i in range(patients))
        (tmp_path / "ours/patients.csv").write_text(f"case,patient\n{rows}")
        said = ingest_warnings({"gland": study_of({"ours": "Center B"}, [2, 4, 8])}, tmp_path)
        assert [line.partition("for example, ")[2] for line in said] == more
    assert ingest_warnings({"gland": study_of({"ours": "Center B"}, [2], "smoke")}, tmp_path) == []


def test_the_page_of_a_study_tells_of_them():
    study = load_study("uterus", "smoke", CONFIG)
    rows = [("uterus", "a", "sides-swapped"), ("uterus", "a", "values-unlike"), ("uterus", "b", "values-unlike")]
    frames = {"warned": pd.DataFrame([*rows, ("cervix", "a", "x")], columns=["cohort", "case", "code"])}
    assert warned(frames, study) == [
        "2 cases of Uterus are used with a warning: sides-swapped (1), values-unlike (2). "
        "data/cases/uterus/ingest.txt names them.",
        "1 case of Cervix is used with a warning: x (1). data/cases/cervix/ingest.txt names it.",
    ]
    assert warned({}, study) == []


def test_the_first_page_says_what_to_do_about_them():
    rows = [("uterus", "a", "outline-shown"), ("uterus", "b", "outline-shown")]
    frames = {"warned": pd.DataFrame(rows, columns=["cohort", "case", "code"])}
    study = load_study("uterus", "smoke", CONFIG)
    said = [s.text for s in is_not(StudyResults(study, frames, {}), "")]
    assert any(text.startswith("2 cases of Uterus are used with a warning: outline-shown (2)") for text in said)
    assert f"What to do about these warnings: outline-shown: {KINDS['outline-shown'].remedy}." in said
    assert not any("warning" in s.text for s in is_not(StudyResults(study, {}, {}), ""))

"""What the last lines of a run say of warnings of its ingests."""

from pathlib import Path

from crossover.core.files import write_json
from crossover.execution.ingest_warnings import ingest_warnings


def found(*codes: str, status: str = "made") -> dict:
    findings = [{"code": code, "severity": "note" if code.startswith("note") else "warning"} for code in codes]
    return {"status": status, "findings": findings}


def test_cases_that_are_used_with_a_warning_are_counted_by_what_they_are_warned_of(tmp_path: Path):
    cases = {
        "a": found("sides-swapped", "sides-swapped", "values-unlike"),
        "b": found("sides-swapped", "note-x"),
        "c": found("note-x"),
        "d": found("values-unlike", status="allowed"),
    }
    write_json(tmp_path / "ours/ingest.json", {"cases": cases})
    write_json(tmp_path / "theirs/ingest.json", {"cases": {"a": found("note-x")}})
    assert ingest_warnings(["ours", "theirs", "not made"], tmp_path) == [
        f"2 cases of ours used with a warning: sides-swapped (2), values-unlike (1): see {tmp_path}/ours/ingest.txt"
    ]

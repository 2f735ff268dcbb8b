"""What is known of a result: its trail, Snakemake's record, and what is refused when they don't fit."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossover.core import provenance
from crossover.core.configuration import ConfigError, canonical
from crossover.core.source_code import code_digest
from crossover.execution.preflight import check_results
from crossover.execution.workflow import coded, is_unfinished, read_record
from crossover.sources.redaction import without_places

PLANNED = ["results/uterus/stages/a.json", *(f"results/uterus/t{i}.csv" for i in range(5))]
TABLE = Path("results/uterus/metrics.csv")
ENTRY = "workflow_scripts/gather.py"
SETTINGS = {"alpha": 0.05}


def record(root: Path, output: Path, settings: dict) -> Path:
    """As Snakemake keeps it, of a job with these settings."""
    path = root / ".snakemake/metadata" / coded(output)
    code = {"entries": [ENTRY], "digest": code_digest(ENTRY)}
    params = [repr(canonical(value)) for value in (settings, code)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"params": params, "input": ["in.csv"]}))
    return path


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one input and one output, the input older."""
    monkeypatch.chdir(tmp_path)
    for path, text, time in ((Path("in.csv"), "n\n1\n", 1000), (TABLE, "dsc\n0.5\n", 2000)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, (time, time))
    provenance.write_trails(
        [TABLE],
        provenance.digests([Path("in.csv")]),
        SETTINGS,
        [ENTRY],
        redact=without_places,
        seconds=1.5,
    )
    record(tmp_path, TABLE, SETTINGS)
    return tmp_path


def refusal() -> str:
    with pytest.raises(ConfigError) as caught:
        check_results([str(TABLE), *PLANNED])
    return str(caught.value)


def test_results_with_their_records_pass(results):
    check_results([str(TABLE), *PLANNED])


def test_results_without_a_record_or_a_trail_are_refused(results):
    there = results / ".snakemake/metadata" / coded(TABLE)
    kept = there.read_text()
    there.unlink()
    assert "results/uterus/metrics.csv: there is no record" in refusal() and "dvc pull" in refusal()
    there.write_text(kept)
    provenance.trail_path(TABLE).unlink()
    assert "there is no record" in refusal()


def test_a_table_edited_by_hand_is_refused(results):
    TABLE.write_text("dsc\n0.9\n")
    assert "it is not what its job wrote" in refusal()


def test_an_input_that_changed_under_an_older_time_is_refused(results):
    """Snakemake looks at the time first and would not see it."""
    Path("in.csv").write_text("n\n2\n")
    os.utime("in.csv", (1500, 1500))
    assert "it was made from another in.csv" in refusal()
    os.utime("in.csv", (2500, 2500))  # this Snakemake sees
    check_results([str(TABLE), *PLANNED])


def test_an_input_that_snakemakes_record_of_another_run_has_is_refused(results):
    """Results of one revision with records of another: the time is seen, and the record says the same."""
    Path("in.csv").write_text("n\n2\n")
    os.utime("in.csv", (2500, 2500))
    path = record(results, TABLE, SETTINGS)
    content = json.loads(path.read_text())
    (seen,) = provenance.digests([Path("in.csv")]).values()
    path.write_text(json.dumps(content | {"input_checksums": {"in.csv": f"sha256:{seen}"}}))
    assert "it was made from another in.csv" in refusal()


def test_what_an_older_plan_left_is_no_concern(results):
    Path("results/uterus/stages").mkdir()
    Path("results/uterus/stages/old.json").write_text("{}")
    check_results([str(TABLE), *PLANNED])


def test_a_record_rewritten_by_touch_is_refused(results):
    record(results, TABLE, {"alpha": 0.01})
    assert "--touch" in refusal()


def test_outputs_of_a_job_that_runs_or_was_killed_are_left_to_snakemake(results):
    mark = Path(".snakemake/incomplete") / coded(TABLE)
    mark.parent.mkdir()
    mark.touch()
    provenance.trail_path(TABLE).unlink()
    assert is_unfinished(TABLE)
    check_results([str(TABLE), *PLANNED])


def test_findings_of_one_kind_are_told_together_with_their_number(results):
    for i in range(5):
        Path(f"results/uterus/t{i}.csv").write_text("x\n")
    (line,) = refusal().splitlines()
    assert line.startswith("results/uterus/t0.csv, results/uterus/t1.csv, results/uterus/t2.csv")
    assert "and 2 more files: there is no record" in line


def test_files_that_a_manifest_lists_must_be_there(results):
    manifest = Path("results/uterus/stages/a.json")
    manifest.parent.mkdir()
    listed = {"a": {"key": "k", "files": {"weights": {"bytes": 3, "sha256": "0"}}}}
    manifest.write_text(json.dumps({"items": listed}))
    provenance.write_trails([manifest], {}, SETTINGS, [ENTRY], redact=without_places)
    record(results, manifest, SETTINGS)
    assert "results/uterus/stages/a.json: 1 of its files are gone" in refusal()
    (manifest.parent / "a").mkdir()
    (manifest.parent / "a/weights").write_bytes(b"abc")
    check_results([str(TABLE), *PLANNED])


def test_outputs_of_one_stem_share_a_trail_that_says_all(results):
    pair = [Path("results/f.svg"), Path("results/f.png")]
    for path in pair:
        path.write_text(path.suffix)
    provenance.write_trails(
        pair, {"in.csv": "0"}, SETTINGS, [ENTRY], redact=without_places, seconds=2
    )
    read = provenance.read_trail(pair[0])
    assert read == provenance.read_trail(pair[1]) and set(read["outputs"]) == set(map(str, pair))
    assert read["settings"] == SETTINGS and read["seconds"] == 2
    assert set(read["code"]["files"]) >= {ENTRY, "workflow_scripts/_job.py"}
    assert read["versions"]["python"].startswith("3.")


def test_a_trail_names_no_place_of_real_patients():
    """An export's folder may be called after somebody."""
    source = {"kind": "dicom", "folder": "Doe_Jane"}
    settings = {"cohorts": {"a": {"source": source}}, "strategies": {"source": {"label": "S"}}}
    cleaned = without_places(settings)
    assert "Jane" not in json.dumps(cleaned) and cleaned["strategies"] == settings["strategies"]
    assert cleaned["cohorts"]["a"]["source"]["kind"] == "dicom"
    phantom = {"cohorts": {"a": {"source": {"kind": "phantom", "seed": 1}}}}
    assert without_places(phantom) == phantom


@settings(deadline=None)  # the first imports Snakemake
@given(st.text("abc/._-", min_size=1, max_size=600))
def test_records_are_found_where_snakemake_keeps_them(name):
    from snakemake.persistence.file import FilePersistence

    snakemake = FilePersistence.__new__(FilePersistence)
    snakemake._max_len = 255
    assert snakemake._record_path("", name) == coded(Path(name)) or str(Path(name)) != name


def test_there_is_no_record_of_what_snakemake_never_made(tmp_path):
    assert read_record(Path("results/none.csv"), tmp_path) is None

"""What is known of a result by its provenance record: what is made again, and what stops a run."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from typer.testing import CliRunner

from crossover.cli.app import app
from crossover.core import locks, provenance
from crossover.core.configuration import ConfigError
from crossover.core.files import digest, file_digest, write_json
from crossover.core.source_code import code_digest
from crossover.execution.integrity import Checker
from crossover.execution.preflight import check_results
from crossover.execution.recompute import _compared
from crossover.execution.workflow import GraphJob
from crossover.sources.redaction import without_places

TABLE = Path("results/uterus/metrics.csv")
MANIFEST = Path("results/uterus/stages/a.json")
ENTRY = "workflow_scripts/gather.py"
SETTINGS = {"alpha": 0.05}
CALL = "snakemake --config studies=uterus scale=smoke"


def planned(output: Path = TABLE, inputs: tuple[str, ...] = ("in.csv",), **changes) -> GraphJob:
    """The job that made an output, as the plan has it now."""
    code = {"entries": [ENTRY], "digest": code_digest(ENTRY)}
    about = {"settings": SETTINGS, "code": code} | changes
    return GraphJob("metrics", {}, [output], list(map(Path, inputs)), **about)


def record(output: Path = TABLE, *inputs: str) -> None:
    """As the job leaves it."""
    read = provenance.digest_files(map(Path, inputs))
    provenance.write_records([output], read, SETTINGS, [ENTRY], redact=without_places, seconds=1.5)


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one input and one output."""
    monkeypatch.chdir(tmp_path)
    for path, text in ((Path("in.csv"), "n\n1\n"), (TABLE, "dsc\n0.5\n")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    record(TABLE, "in.csv")
    return tmp_path


def made_again(job: GraphJob) -> bool:
    """Whether the job would run; nobody changed its results."""
    check_results(job.outputs, CALL)
    return Checker().is_outdated(job, lambda path: None)


def refusal(*outputs: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        check_results(outputs or [TABLE], CALL)
    return str(caught.value)


def test_a_result_with_its_record_stays(results):
    assert not made_again(planned()) and not made_again(planned(Path("results/not/made.csv")))


@pytest.mark.parametrize(
    "changes",
    [
        {"settings": {"alpha": 0.01}},
        {"code": {"entries": [ENTRY], "digest": "other"}},
        {"code": {"entries": [ENTRY, "other"], "digest": code_digest(ENTRY)}},
        {"inputs": ("in.csv", "more.csv")},
        {"inputs": ()},
    ],
)
def test_a_result_of_other_settings_code_or_inputs_is_made_again(results, changes):
    """Whatever Snakemake's own metadata say, which `--touch` rewrites and a partial copy lacks."""
    assert made_again(planned(**changes))


def test_an_input_that_changed_is_seen_whatever_its_time(results):
    """Snakemake looks at the time first."""
    Path("in.csv").write_text("n\n2\n")
    os.utime("in.csv", (1000, 1000))
    assert made_again(planned())
    Path("in.csv").unlink()  # cleared away, to save room
    assert not made_again(planned())


def test_a_result_without_a_record_is_made_again(results):
    mine = provenance.record_path(TABLE)
    mine.unlink()
    assert made_again(planned())
    mine.write_text('{"inputs": {')  # cut short
    assert made_again(planned())


def test_what_a_killed_job_left_is_made_again(results):
    mark = locks.lock_path(TABLE)
    mark.touch()
    TABLE.write_text("dsc\n")
    assert made_again(planned())


def test_a_table_edited_by_hand_is_refused(results):
    TABLE.write_text("dsc\n0.9\n")
    assert "it is not what its job wrote" in refusal() and "dvc checkout" in refusal()
    assert f"call `{CALL} -- FILE` with its name" in refusal()


def test_a_record_edited_by_hand_is_refused(results):
    path = provenance.record_path(TABLE)
    path.write_text(path.read_text().replace("0.05", "0.01"))
    assert f"{path}: it is not as it was written" in refusal()


def test_findings_of_one_kind_are_told_together_with_their_number(results):
    tables = [Path(f"results/uterus/t{i}.csv") for i in range(5)]
    for path in tables:
        path.write_text("x\n")
        record(path)
        path.write_text("y\n")
    (line,) = refusal(*tables).splitlines()
    assert line.startswith("results/uterus/t0.csv, results/uterus/t1.csv, results/uterus/t2.csv")
    assert "and 2 more files: it is not what its job wrote" in line


def test_files_that_a_manifest_lists_must_be_there(results):
    MANIFEST.parent.mkdir()
    listed = {"a": {"key": "k", "files": {"weights": {"bytes": 3, "sha256": hashlib.sha256(b"abc").hexdigest()}}}}
    MANIFEST.write_text(json.dumps({"items": listed}))
    record(MANIFEST)
    assert f"{MANIFEST}: 1 of its files are gone" in refusal(MANIFEST)
    (MANIFEST.parent / "a").mkdir()
    (MANIFEST.parent / "a/weights").write_bytes(b"abc")
    assert not made_again(planned(MANIFEST, ()))


def test_a_file_of_a_manifest_with_another_content_is_refused(results):
    """Weights of another training have the same size; their time may be older than the manifest."""
    weights = MANIFEST.parent / "one/weights"
    weights.parent.mkdir(parents=True)
    weights.write_text("mine")
    write_json(MANIFEST, {"items": {"one": {"files": {"weights": {"sha256": file_digest(weights), "bytes": 4}}}}})
    record(MANIFEST)
    check_results([MANIFEST], CALL)
    time.sleep(0.02)  # times of files are those of a coarse clock
    weights.write_text("copy")
    os.utime(weights, (1000, 1000))
    assert "first one/weights" in refusal(MANIFEST)
    weights.write_text("mine")
    check_results([MANIFEST], CALL)


def test_outputs_of_one_stem_share_a_record_that_says_all(results):
    pair = [Path("results/f.svg"), Path("results/f.png")]
    for path in pair:
        path.write_text(path.suffix)
    provenance.write_records(pair, {"in.csv": "0"}, SETTINGS, [ENTRY], redact=without_places, seconds=2)
    read = provenance.read_record(pair[0])
    assert read == provenance.read_record(pair[1]) and set(read["outputs"]) == set(map(str, pair))
    assert read["settings"] == SETTINGS and read["seconds"] == 2
    assert set(read["code"]["files"]) >= {ENTRY, "workflow_scripts/_job.py"}
    assert read["versions"]["python"].startswith("3.")


def test_a_record_names_no_place_of_real_patients():
    """An export's folder may be called after somebody."""
    source = {"kind": "dicom", "folder": "Doe_Jane"}
    settings = {"cohorts": {"a": {"source": source}}, "strategies": {"source": {"label": "S"}}}
    cleaned = without_places(settings)
    assert "Jane" not in json.dumps(cleaned) and cleaned["strategies"] == settings["strategies"]
    assert cleaned["cohorts"]["a"]["source"]["kind"] == "dicom"
    phantom = {"cohorts": {"a": {"source": {"kind": "phantom", "seed": 1}}}}
    assert without_places(phantom) == phantom


def test_digests_in_a_record_confirm_no_guess_at_a_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """They are made with the secret, or where there can be none, with a key that nobody has."""
    own = {"structures": {"gland": {"names": [{"reader": "SMITH^JOHN"}]}}, "source": {"kind": "dicom", "folder": "Doe"}}
    told = []
    for secret in ("one", "another", "one"):
        monkeypatch.setenv("CROSSOVER_SECRET", secret)
        told.append(without_places(own))
    monkeypatch.delenv("CROSSOVER_SECRET")
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
    told.append(without_places(own))
    assert told[0] == told[2]
    for place in (lambda t: t["structures"]["gland"]["names"][0]["reader"], lambda t: t["source"]["digest"]):
        values = {place(t) for t in told}
        assert len(values) == 3 and not values & {digest("SMITH^JOHN"), digest(own["source"])}
    public = {"source": {"kind": "volumes", "identifiers": "public"}}
    assert without_places(public) == {"source": {"kind": "volumes", "digest": digest(public["source"])}}


@pytest.fixture
def last(results) -> Path:
    """A file that was made from TABLE, which was made from in.csv."""
    path = Path("results/uterus/summary.csv")
    path.write_text("made")
    for output, source in ((TABLE, Path("in.csv")), (path, TABLE)):
        about = {"command": "c", "begun": "2026-01-01T00:00:00"}
        read = provenance.digest_files([source])
        provenance.write_records([output], read, SETTINGS, [ENTRY], redact=without_places, **about)
    return path


def outdated_by(between: GraphJob) -> bool:
    """Whether the last of three files is made again, where the one between is to be made by this job."""
    jobs = {TABLE: between}
    return Checker().is_outdated(planned(Path("results/uterus/summary.csv"), (str(TABLE),)), jobs.get)


def clear_away(*outputs: Path) -> None:
    for path in outputs:
        path.unlink()
        provenance.record_path(path).unlink()


def test_a_change_of_what_was_cleared_away_makes_what_was_made_from_it_again(last):
    other = planned(settings={"alpha": 0.01})
    assert not outdated_by(planned()) and not outdated_by(other), "files that are there are compared themselves"
    clear_away(TABLE)
    assert not outdated_by(planned()) and outdated_by(other)
    Path("in.csv").write_text("n\n2\n")
    assert outdated_by(planned())


def test_what_was_made_again_to_the_same_bytes_and_then_cleared_away_changes_nothing(last):
    recipe = {"alpha": 0.01}
    provenance.write_records([TABLE], provenance.digest_files([Path("in.csv")]), recipe, [ENTRY], redact=without_places)
    clear_away(TABLE)
    assert not outdated_by(planned(settings=recipe)) and outdated_by(planned())


def test_what_was_made_again_to_other_bytes_and_then_cleared_away_is_no_longer_what_was_read(last):
    TABLE.write_text("dsc\n0.6\n")
    record(TABLE, "in.csv")
    clear_away(TABLE)
    assert outdated_by(planned())


def test_what_was_cleared_away_without_a_record_that_is_kept_counts_as_unchanged(last):
    clear_away(TABLE)
    (provenance.KEPT / provenance.record_path(TABLE)).unlink()
    assert not outdated_by(planned(settings={"alpha": 0.01}))


def traced(path: Path, *options: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["trace", str(path), *options])
    return done.exit_code, done.output


def test_the_way_back_says_which_file_is_not_what_its_job_wrote(last):
    status, said = traced(last)
    assert status == 0 and "not what" not in said and "by gather" in said
    TABLE.write_text("dsc\n0.91\n")  # on the way
    status, said = traced(last)
    assert status == 1 and said.count("not what its job wrote") == 2 and "1 file on the way is not what its job" in said
    status, said = traced(TABLE)  # asked for
    assert status == 1 and "not what its job wrote" in said.splitlines()[0]
    status, said = traced(TABLE, "--json")
    assert status == 1 and json.loads(said)[str(TABLE)]["altered"]


def test_the_way_back_says_that_a_record_was_damaged(last):
    path = provenance.record_path(TABLE)
    path.write_text(path.read_text().replace('"code":', '"codex":'))
    status, said = traced(last)
    assert status == 1 and "not what its job wrote" in said


@pytest.mark.parametrize("key", ["code", "settings", "inputs", "outputs", "digest"])
def test_a_record_whose_keys_are_damaged_stops_the_run_and_is_named(results, key):
    path = provenance.record_path(TABLE)
    path.write_text(path.read_text().replace(f'"{key}":', f'"{key}x":'))
    assert not Checker().is_outdated(planned(), lambda path: None)
    assert "not as it was written" in refusal()


def test_a_training_that_was_repeated_on_another_device_says_so(tmp_path: Path):
    for name, device in (("kept", "NVIDIA A100"), ("again", "CPU")):
        (tmp_path / name).mkdir()
        save_file({"w": np.zeros(1, np.float32)}, tmp_path / name / "weights.safetensors")
        (tmp_path / name / "history.csv").write_text("step,loss,validation_dsc\n1,0.5,0.5\n")
        write_json(tmp_path / name / "record.json", {"best_validation_dsc": 0.5, "device": device, "processor": "x"})
    found = _compared(tmp_path / "kept", tmp_path / "again", {"platform": "p", "versions": {}})
    assert found.verdict == "identical" and found.machine["device"] == ("NVIDIA A100", "CPU")
    assert "processor" not in found.machine

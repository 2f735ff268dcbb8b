"""A run's own provenance: its files are verified, its numbers traced to the scanner's files, a training repeated."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from rocrate.rocrate import ROCrate

from crossover.core.files import file_digest
from crossover.report.values import rounded
from tests.dry_runs import ROOT

pytestmark = pytest.mark.slow

STUDY = "nasopharynx"
TABLE = f"results/{STUDY}/tables/structures.csv"


@pytest.fixture(scope="module", autouse=True)
def as_in_a_clone(smoke_copy: Path) -> None:
    """The versions that results are verified against."""
    shutil.copy(ROOT / "requirements.lock", smoke_copy)


def crossover(folder: Path, *arguments: str, fails: bool = False) -> str:
    """What a command says in a folder, by the library that lies there."""
    environment = os.environ | {"PYTHONPATH": str(folder)}
    command = [sys.executable, "-m", "crossover", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    said = done.stdout + done.stderr
    assert (done.returncode != 0) == fails, said[-4000:]
    return said


def flip(path: Path) -> None:
    """Change one byte in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_verify_finds_nothing_on_results_as_they_were_made(smoke_copy: Path):
    said = crossover(smoke_copy, "verify")
    assert said.count("nothing wrong") == 7
    counts = {what: int(rest.split()[0]) for what, rest in (line.split(": ") for line in said.splitlines())}
    assert counts.pop("tracked files against dvc.lock") == 0, "DVC has no part in this run"
    assert all(counts.values()) and sum(counts.values()) > 400


def test_verify_names_a_file_of_every_kind_with_a_flipped_byte(smoke_copy: Path):
    kinds = (
        TABLE, f"results/{STUDY}/figures/flow.png", f"results/{STUDY}/params.json",
        f"results/{STUDY}/stages/*/weights.safetensors", f"results/{STUDY}/stages/*/record.json",
        f"results/{STUDY}/stages/*.provenance.json", f"results/{STUDY}/predictions/*/*.nii.gz", "results/report.html",
        "data/raw/*/SYN*/*/*.dcm", "data/raw/*/SYN*/record.json", "data/cases/*/*/image_ct.nii.gz",
        "data/cases/*/manifest.provenance.json", f"data/slices/{STUDY}/*/*/images.npy",
        f"data/slices/{STUDY}/*/*/mask_*.npy",
    )  # fmt: skip
    flipped = [sorted(smoke_copy.glob(pattern))[0] for pattern in kinds]
    for path in flipped:
        flip(path)
    said = crossover(smoke_copy, "verify", fails=True)
    for path in flipped:
        flip(path)  # back
    for path in flipped:
        assert str(path.relative_to(smoke_copy)) in named_in(said) or path.name in named_in(said), path


def named_in(said: str) -> set[str]:
    return {word.rstrip(":,") for word in said.split()}


def test_a_stage_trained_again_is_the_same_to_the_bit(smoke_copy: Path):
    said = crossover(smoke_copy, "verify", "--recompute", f"{STUDY}/transfer-conv5-n3-brainstem")
    assert "verdict: identical" in said and "largest_difference: 0.0" in said


def test_the_way_back_from_a_table_ends_at_the_scanners_files(smoke_copy: Path):
    said = crossover(smoke_copy, "trace", TABLE)
    for part in (
        "by structures",
        "by paired",
        "by evaluate",
        "by predict",
        "by train",
        "by slices",
        "by receive",
    ):
        assert part in said, part
    assert ".dcm" in said and "6 patients received as source_center" in said
    steps = json.loads(crossover(smoke_copy, "trace", TABLE, "--json"))
    received = steps["data/raw/target_center/manifest.json"]["received"]
    for patient, files in received.items():
        for name, sha256 in files.items():
            assert sha256 == file_digest(smoke_copy / "data/raw/target_center" / patient / name)
    assert "does not exist" in crossover(smoke_copy, "trace", "README.md", fails=True)


def test_the_crate_holds_results_and_steps_and_no_image(smoke_copy: Path, tmp_path: Path):
    crossover(smoke_copy, "export", "rocrate", str(tmp_path / "crate"))
    crate = ROCrate(tmp_path / "crate")
    kinds = [entity.type for entity in crate.contextual_entities]
    records = [r for part in ("data", "results") for r in (smoke_copy / part).rglob("*.provenance.json")]
    jobs = {tuple(json.loads(r.read_text())["outputs"]) for r in records}
    assert len(jobs) > 20 and kinds.count("CreateAction") == len(jobs)
    table = crate.get(TABLE)
    assert table["sha256"] == file_digest(smoke_copy / table.id)
    (made,) = [e for e in crate.contextual_entities if e.type == "CreateAction" and table in e["result"]]
    assert made["instrument"]["name"] == "crossover/analyses/tables/structures.py" and made["object"]
    written = {path.suffix for path in (tmp_path / "crate").rglob("*") if path.is_file()}
    assert not written & {".dcm", ".gz", ".npz", ".safetensors"}
    assert (tmp_path / f"crate/results/{STUDY}/figures/overlays.png").exists(), "of phantoms"
    assert (tmp_path / "crate/results/report.html").exists()


def test_a_manuscripts_numbers_are_those_of_the_tables(smoke_copy: Path):
    named = json.loads((smoke_copy / f"results/{STUDY}/values.json").read_text())
    summary = pd.read_csv(smoke_copy / f"results/{STUDY}/statistics/summary.csv")
    row = summary[(summary.metric == "dsc") & summary["mean"].notna()].iloc[0]
    name = f"{STUDY}/summary/dsc/{row.test_set}/{row.structure}/{row.model}/mean"
    assert named[name] == row["mean"]
    macros = (smoke_copy / f"results/{STUDY}/values.tex").read_text()
    assert f"\\crossover@set{{{name}}}{{{rounded(row['mean'])}}}" in macros

"""`crossover package`, and `segment --package`: what a package holds, that it does the same, and what is refused."""

import json
import os
import re
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from dicom_exports import block, write
from huggingface_hub import ModelCard
from pydantic import TypeAdapter
from pydicom import dcmread
from safetensors.numpy import save_file
from typer.testing import CliRunner

from crossover.cli import clone
from crossover.cli.app import app
from crossover.core.files import file_digest, write_json
from crossover.core.paths import ROOT
from crossover.core.provenance import write_records
from crossover.exchange import packages
from crossover.exchange.packages import (
    CARD,
    DIGESTS,
    MODEL,
    MOST_BYTES,
    SCORES,
    STUDY,
    WEIGHTS,
    PackageError,
    open_package,
)
from crossover.execution import segment as segmenting
from crossover.sources.settings import Source, Structure, StructureName
from crossover.study import config
from crossover.study.config import load_study
from crossover.study.parameters import prepared
from crossover.study.plan import plan
from crossover.study.sections import Initial
from crossover.training import engines, stage_files

NAME = "b_a-f0"


class Threshold:
    """In an engine's place: what is brighter than the slices' mean, times its one weight, is inside."""

    at_once = 100

    def load(self, weights: dict) -> None:
        self.share = float(weights["w"][0])

    def predict(self, images: np.ndarray) -> np.ndarray:
        return (images > images.mean() * self.share).astype(np.float32)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Where `NAME` is, as if it were trained and its study at its end."""
    study = load_study("prostate", "smoke")
    model = plan(study).models[NAME]
    stage = tmp_path / "results/prostate/stages" / model.stage
    about = {
        "stage": {"structures": ["prostate"], "train": [["site_a", None]]},
        "network": {**study.network.model_dump(mode="json"), "architecture": "unet",
                    "settings": {"encoder": "mobilenet_v2"}},
        "standardised": {"mean": [110.0], "sd": [20.0]}, "patients": {"train": 7, "validation": 2}, "steps": 4,
        "processor": "of this machine", "key": "k", "prepared": prepared(study, study.network),
    }  # fmt: skip
    write_json(stage / "record.json", about)
    save_file({"w": np.array([0.7])}, stage / WEIGHTS)
    rows = [
        ("site_a", NAME, 0.71, 0.6, 0.8, 0.0),
        ("site_b", NAME, 0.31, None, None, 0.25),
        ("site_a", "c-f0", 0, 0, 0, 0),
    ]
    table = pd.DataFrame(rows, columns=["test_set", "model", "mean", "ci_low", "ci_high", "failures"])
    table = table.assign(
        structure="prostate", strategy="s", level="", n_train=0, metric="dsc", cases=9, replicates=2,
        family=table.model.str.removesuffix("-f0"),
    )  # fmt: skip
    (tmp_path / "results/prostate/statistics").mkdir()
    table.to_csv(tmp_path / "results/prostate/statistics/summary.csv", index=False)
    with_records(tmp_path / "results", stage)
    return tmp_path / "results"


def with_records(results: Path, stage: Path) -> None:
    """Write what a run leaves between the weights and the summary, with the provenance records."""
    home = results / "prostate"
    write_json(
        home / "stages/b.json", {"items": {stage.name: {"files": {WEIGHTS: {"sha256": file_digest(stage / WEIGHTS)}}}}}
    )
    way = [home / name for name in ("stages/b.json", "predictions/g.json", "metrics.csv", "statistics/summary.csv")]
    for path in way[1:3]:
        path.parent.mkdir(exist_ok=True)
        path.write_text("made")
    for path, read in zip(way, [None, *way]):
        inputs = {str(read.relative_to(results.parent)): file_digest(read)} if read else {}
        write_records([path], inputs, {}, [], redact=lambda settings: settings)


def call(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(a) for a in arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


def packed(results: Path, name: str = "model.zip", licence: str = "CC-BY-4.0") -> Path:
    out = results.parent / name
    status, said = call(
        "package", NAME, "--study", "prostate", "--scale", "smoke", "--results", results, "--out", out,
        "--licence", licence,
    )  # fmt: skip
    assert status == 0, said
    return out


def test_a_package_holds_plain_files_with_their_digests(results):
    folder = packed(results, "model")
    assert {path.name for path in folder.iterdir()} == {*MOST_BYTES}
    listed = json.loads((folder / DIGESTS).read_text())
    assert listed == {name: file_digest(folder / name) for name in MOST_BYTES if name != DIGESTS}
    assert "of this machine" not in (folder / MODEL).read_text()
    scores = pd.read_csv(folder / SCORES)
    assert set(scores.model) == {NAME} and len(scores) == 2
    assert WEIGHTS == stage_files.WEIGHTS


def test_what_its_structures_are_by_code_goes_with_it(results):
    with open_package(packed(results)) as taken:
        assert taken.study.structures == load_study("prostate", "smoke").structures
        assert taken.study.structures["prostate"].code.value == "41216001"


def test_the_same_model_gives_the_same_bytes(results):
    assert packed(results, "a.zip").read_bytes() == packed(results, "b.zip").read_bytes()


def test_pseudonyms_that_a_study_names_stay_behind(results, monkeypatch):
    known = load_study("prostate", "smoke")
    rule = known.series["t2"].model_copy(update={"by_patient": {"p123456": {"series_number": 3}}})
    known = known.model_copy(update={"series": {"t2": rule}})
    assert "p123456" not in yaml.safe_dump(packages._shareable(known).model_dump(mode="json"))


def test_readers_files_and_places_stay_behind():
    known = load_study("prostate", "smoke")
    names = ["gland", {"name": "gtv", "reader": "Smith^Jane", "file": "Smith/**"}, {"file": "Smith/**"}]
    structure = Structure.model_validate({"label": "Gland", "names": names})
    sources = [
        {"kind": "dicom", "folder": "Smith", "images": "Smith/*", "label_maps": {"prostate": {"file": "Smith/*"}}},
        {"kind": "volumes", "folder": "Smith", "table": "Smith.csv", "where": {"surgeon": "Smith"},
         "channels": {"t2": "Smith/{patient}.nii"}, "structures": {"prostate": {"file": "Smith/{x}.nii", "label": 3}}},
    ]  # fmt: skip
    cohorts = zip(known.cohorts.items(), sources)
    own = [(n, c.model_copy(update={"source": TypeAdapter(Source).validate_python(s)})) for (n, c), s in cohorts]
    initial = Initial(weights="model", file="/home/Smith/weights.safetensors")
    changes = {
        "structures": {"prostate": structure},
        "cohorts": known.cohorts | dict(own),
        "network": known.network.model_copy(update={"initial": initial}),
    }
    shared = packages._shareable(known.model_copy(update=changes))
    text = yaml.safe_dump(shared.model_dump(mode="json"))
    assert "Smith" not in text and shared.structures["prostate"].names == ["gland", StructureName(name="gtv")]
    assert type(known).model_validate(yaml.safe_load(text)).cohorts == shared.cohorts
    assert [*shared.cohorts.values()][1].source.structures["prostate"].label == 3


def test_no_place_of_initial_weights_or_of_a_challenges_cases_is_in_any_file(results, monkeypatch):
    (path,) = results.glob("prostate/stages/*/record.json")
    record = json.loads(path.read_text())
    place = "/home/Smith/weights.safetensors"
    record["network"]["initial"] |= {"weights": "model", "file": place}
    record["initial"] = {"weights": "model", "from": place, "because": f"not in {place}", "sha256": "abc"}
    write_json(path, record)
    source = {"kind": "openkbp", "folder": "Smith", "pixel_mm": 3, "slice_mm": 2, "structures": {"prostate": "Smith"},
              "identifiers": "secret", "variables": ["spacing_x"], "allow": ["Smith"]}  # fmt: skip
    known = load_study("prostate", "smoke")
    cohort = known.cohorts["site_a"].model_copy(update={"source": TypeAdapter(Source).validate_python(source)})
    changed = known.model_copy(update={"cohorts": {**known.cohorts, "site_a": cohort}})
    monkeypatch.setattr(config, "load_made", lambda *_: changed)
    folder = packed(results, "model")
    assert not [p.name for p in folder.iterdir() if b"Smith" in p.read_bytes()]
    about = json.loads((folder / MODEL).read_text())
    assert about["training"]["initial"] == {"weights": "model", "sha256": "abc"}
    text = (folder / CARD).read_text()
    assert "| initial | weights: model, sha256: abc |" in text and "| patients | train: 7, validation: 2 |" in text
    with open_package(folder) as taken:
        assert taken.study.cohorts["site_a"].source.pixel_mm == 3


@pytest.mark.parametrize(("licence", "head"), [("CC-BY-4.0", {"license": "cc-by-4.0"}), (
    "Our hospital's", {"license": "other", "license_name": "Our hospital's"})])  # fmt: skip
def test_the_card_is_one_that_the_hub_reads(results, licence, head):
    card = ModelCard((packed(results, "model", licence) / CARD).read_text())
    about = card.data.to_dict()
    assert {key: about[key] for key in head} == head and about["library_name"] == "crossover"
    values = {r.dataset_name: (r.metric_name, r.metric_value) for r in card.data.eval_results}
    assert values == {
        "Site A, test cases: prostate": ("DSC", 0.71), "Site B, test cases: prostate": ("DSC", 0.31),
    }  # fmt: skip


def test_the_card_says_what_the_model_is_for_how_it_scored_and_where_it_failed(results):
    text = (packed(results, "model") / CARD).read_text()
    for words in (
        "not a medical device", "0.71 (0.6 to 0.8)", "| Site B | Prostate | 9 | 2 | 0.31 |", "synthetic phantoms",
        "Site B, prostate: 25% of the cases", "by mean and SD over the training images", "## Licence\n\nCC-BY-4.0",
        "Site A (all training patients)",
    ):  # fmt: skip
        assert words in text, words
    assert "{{" not in text and "None" not in text.split("## Limits")[0].replace("None stated", "")


def test_a_package_segments_as_the_model_does_on_a_machine_without_results(results, tmp_path, monkeypatch):
    monkeypatch.setenv("CROSSOVER_SECRET", "a secret")
    monkeypatch.setattr(engines, "create", lambda *_: Threshold())
    monkeypatch.setattr(segmenting, "_picture", lambda *_: None)
    write(tmp_path / "export/t2", block(shape=(4, 12, 10), spacing=(3.0, 4.0, 4.0)), SeriesDescription="t2")
    ours = ["--study", "prostate", "--scale", "smoke", "--results", results, "--model", NAME]
    assert call("segment", tmp_path / "export", tmp_path / "a", *ours, "--workers", 1)[0] == 0
    archive, folder = packed(results), packed(results, "model")
    shutil.rmtree(results)
    monkeypatch.setattr(clone, "ROOT", tmp_path)  # as beside an installed package
    monkeypatch.chdir(tmp_path)
    for name, package in (("b", archive), ("c", folder)):
        status, said = call("segment", tmp_path / "export", tmp_path / name, "--package", package, "--workers", 1)
        assert status == 0 and "model b_a-f0 of study prostate" in said, said
        assert "trained at the scale smoke, which only checks that every step runs: its masks mean nothing" in said
        for mask in (tmp_path / "a/predictions").iterdir():
            assert mask.read_bytes() == (tmp_path / name / "predictions" / mask.name).read_bytes()


def test_objects_by_a_package_are_those_by_the_model(results, tmp_path, monkeypatch):
    monkeypatch.setenv("CROSSOVER_SECRET", "a secret")
    monkeypatch.setattr(engines, "create", lambda *_: Threshold())
    monkeypatch.setattr(segmenting, "_picture", lambda *_: None)
    write(tmp_path / "export/t2", block(shape=(4, 12, 10), spacing=(3.0, 4.0, 4.0)), SeriesDescription="t2")
    ours = ["--study", "prostate", "--scale", "smoke", "--results", results, "--model", NAME]
    for name, model in (("a", ours), ("b", ["--package", packed(results)])):
        places = [tmp_path / "export", tmp_path / name, "--dicom", tmp_path / f"{name}-objects"]
        assert call("segment", *places, *model, "--workers", 1)[0] == 0
    one, other = ([dcmread(p) for p in sorted((tmp_path / f"{name}-objects").iterdir())] for name in "ab")
    assert [d.SOPInstanceUID for d in one] == [d.SOPInstanceUID for d in other] and len(one) == 2
    assert other[1].SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Prostate"


@pytest.mark.parametrize(
    "more", [[], ["--study", "prostate"], ["--package", "p", "--study", "prostate", "--model", "m"]]
)
def test_segment_takes_a_study_with_a_model_or_a_package(tmp_path, more):
    status, said = call("segment", tmp_path, tmp_path / "out", *more)
    assert status == 2 and "either --study NAME and --model NAME, or --package" in said


def test_what_a_package_needs_is_told_where_it_is_not_there(results):
    ours = ["--study", "prostate", "--scale", "smoke", "--results", results, "--licence", "MIT"]
    (results / "other").mkdir()
    status, said = call("package", NAME, *ours, "--out", results / "other")
    assert status == 2 and "exists already" in said
    (results / "prostate/statistics/summary.csv").unlink()
    status, said = call("package", NAME, *ours, "--out", results / "p.zip")
    assert status == 2 and "run the study to its end" in said and not (results / "p.zip").exists()
    status, said = call("package", "c-f0", *ours, "--out", results / "p.zip")
    assert status == 2 and "not trained" in said


def packed_of(results: Path, scale: str = "smoke") -> tuple[int, str]:
    ours = ["--study", "prostate", "--scale", scale, "--results", results, "--licence", "MIT"]
    return call("package", NAME, *ours, "--out", results.parent / "p.zip")


def changed_record(results: Path, structures: list[str]) -> None:
    (record,) = results.glob("prostate/stages/*/record.json")
    about = json.loads(record.read_text())
    about["stage"]["structures"] = structures
    write_json(record, about)


def test_a_model_of_another_scale_or_other_settings_is_refused(results):
    status, said = packed_of(results, "paper")
    assert status == 2 and "than the study has at the scale paper (preparation" in said and "give the --scale" in said
    (record,) = results.glob("prostate/stages/*/record.json")
    about = json.loads(record.read_text())
    about["prepared"]["slices"]["size"] = [16, 16]
    write_json(record, about)
    assert "trained with other settings" in packed_of(results)[1] and "(preparation.slices)" in packed_of(results)[1]
    del about["prepared"]
    write_json(record, about)
    assert "does not say how images were prepared" in packed_of(results)[1]


def test_settings_of_an_earlier_run_do_not_stand_for_those_of_a_training(results):
    """As where a run at another scale was interrupted after some trainings: the study's scale is still the old one."""
    (record,) = results.glob("prostate/stages/*/record.json")
    write_json(results / "prostate/params.json", {"scale": "demo"})
    os.utime(results / "prostate/params.json", (0, 0))
    ours = ["--study", "prostate", "--results", results, "--model", NAME]
    status, said = call("segment", results, results / "out", *ours)
    assert status == 2 and "at the scale demo" in said and record.exists()


def test_scores_of_other_weights_than_the_present_ones_are_refused(results):
    (weights,) = results.glob(f"prostate/stages/*/{WEIGHTS}")
    save_file({"w": np.array([0.9])}, weights)  # in a job of trainings that is not done
    status, said = packed_of(results)
    assert status == 2 and "not known to be of the present weights" in said and "run the study to its end" in said
    manifest = results / "prostate/stages/b.json"
    write_json(manifest, {"items": {weights.parent.name: {"files": {WEIGHTS: {"sha256": file_digest(weights)}}}}})
    status, said = packed_of(results)
    assert status == 2 and "stages/b.json was made again after them" in said
    (results / "prostate/metrics.provenance.json").unlink()
    assert "metrics.csv has no provenance record" in packed_of(results)[1]


def test_a_model_with_a_structure_that_was_renamed_is_refused(results):
    changed_record(results, ["gland"])
    status, said = packed_of(results)
    assert status == 2 and "was trained to segment gland, and the study's file now has prostate" in said


# What is refused


def refused(path: Path) -> str:
    with pytest.raises(PackageError) as told, open_package(path):
        pass
    return str(told.value)


@pytest.mark.parametrize("name", [WEIGHTS, STUDY, MODEL, SCORES, CARD])
def test_a_changed_file_is_told(results, name):
    folder = packed(results, "model")
    with (folder / name).open("ab") as file:
        file.write(b" ")
    assert f"{name} does not match digests.json" in refused(folder)


def test_all_missing_files_are_told_at_once(results):
    folder = packed(results, "model")
    (folder / STUDY).unlink()
    (folder / CARD).unlink()
    told = refused(folder)
    assert "study.yaml is missing" in told and "README.md is missing" in told


def test_a_cut_or_damaged_archive_is_told(results):
    archive = packed(results)
    whole = archive.read_bytes()
    archive.write_bytes(whole[: len(whole) // 2])
    assert "not a complete zip archive" in refused(archive)
    at = whole.index(b"mobilenet_v2")
    archive.write_bytes(whole[:at] + b"X" + whole[at + 1 :])
    assert "not a complete zip archive" in refused(archive), "the archive's own sum of each file"
    assert "does not exist" in refused(archive.with_name("none.zip"))


def rewritten(archive: Path, **members: bytes) -> Path:
    """The archive with further or other members, by names with / as __."""
    out = archive.with_name("other.zip")
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(out, "w") as target:
        for member in source.infolist():
            if member.filename not in members:
                target.writestr(member, source.read(member))
        for name, content in members.items():
            target.writestr(name, content)
    return out


@pytest.mark.parametrize("name", ["../evil.py", "/etc/passwd", "model.pkl", "weights.safetensors/x", "a\\..\\b"])
def test_a_member_that_leads_out_or_does_not_belong_is_told_and_nothing_is_written(results, name, tmp_path):
    before = {*tmp_path.rglob("*")}
    archive = rewritten(packed(results), **{name: b"x"})
    assert "does not belong in a package" in refused(archive)
    assert {*tmp_path.rglob("*")} - before == {archive, archive.with_name("model.zip")}


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_that_stands_twice_is_told(results):
    archive = packed(results)
    with zipfile.ZipFile(archive, "a") as target:
        target.writestr(STUDY, b"other")
    assert "study.yaml occurs twice" in refused(archive)


def test_sizes_are_bounded_by_what_is_declared_and_by_what_is_read(results, monkeypatch):
    archive, folder = packed(results), packed(results, "model")
    monkeypatch.setitem(MOST_BYTES, SCORES, 10)
    assert "scores.csv is larger than 10 bytes" in refused(archive)
    assert "scores.csv is larger than 10 bytes" in refused(folder)
    monkeypatch.setattr(packages, "_wrong_members", lambda members: [])  # as if it declared less than it holds
    assert "scores.csv is larger than 10 bytes" in refused(archive)


def test_a_link_in_a_package_is_told(results):
    folder = packed(results, "model")
    (folder / CARD).unlink()
    (folder / CARD).symlink_to("/etc/hostname")
    assert "README.md is not a regular file" in refused(folder)


def signed(folder: Path) -> Path:
    """The package with the digests of what it holds now, as who changes it on purpose would write."""
    write_json(folder / DIGESTS, {name: file_digest(folder / name) for name in MOST_BYTES if name != DIGESTS})
    return folder


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        (STUDY, "title:", "titel:", "titel: unknown key"),
        (MODEL, '"unet"', '"os"', "this program has no network 'os'"),
        (MODEL, '"encoder"', '"encode"', "network.settings"),
        (MODEL, '"form": 1', '"form": 9', "its form is 9; this program reads form 1"),
        (MODEL, '[\n  "prostate"\n ]', '["liver"]', "the study has no structure liver"),
        (MODEL, '"standardised"', '"standard"', "standardised: Field required"),
    ],
)
def test_what_a_package_says_is_checked_as_a_study_is(results, name, old, new, words):
    folder = packed(results, "model")
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new))
    assert words in refused(signed(folder))


@pytest.mark.parametrize("content", [b"", b"\x80\x04\x95pickle", b"\xff" * 64])
def test_weights_that_are_no_safetensors_are_told(results, content):
    folder = packed(results, "model")
    (folder / WEIGHTS).write_bytes(content)
    assert WEIGHTS in refused(signed(folder))


def test_a_study_that_would_make_objects_is_told(results):
    folder = packed(results, "model")
    (folder / STUDY).write_text("study: !!python/object/apply:os.system ['true']\n")
    assert "not valid YAML" in refused(signed(folder))


def test_an_installed_package_finds_all_code_whose_digest_it_asks_for():
    """A wheel holds the library, and not the workflow's entries."""
    for path in ("crossover/sources/ingest.py", "crossover/execution/segment.py"):
        named = re.findall(r'code_digest\(\s*"([^"]+)"', (ROOT / path).read_text())
        assert named and all(name.startswith("crossover/") for name in named), path


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "config/studies").glob("*.yaml")))
def test_a_study_is_the_same_after_it_was_packed(name):
    study = load_study(name, "demo")
    text = yaml.safe_dump(packages._shareable(study).model_dump(mode="json"))
    again = type(study).model_validate(yaml.safe_load(text))
    without = {"cohorts"}
    assert again.model_dump(exclude=without) == study.model_dump(exclude=without)

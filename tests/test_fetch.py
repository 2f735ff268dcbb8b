"""Public cohorts from servers of this machine: whole, resumed, verified, refused; and never in a run."""

from __future__ import annotations

import ast
import hashlib
import io
import json
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import SimpleITK as sitk
import yaml
from pydicom import dcmread
from typer.testing import CliRunner, Result

from crossover.cli import public_cohorts
from crossover.cli.app import app
from crossover.core.configuration import ConfigError
from crossover.core.files import read_json
from crossover.core.paths import ROOT
from crossover.core.source_code import closure
from crossover.sources.fetching import cohort as whole
from crossover.sources.fetching import cohort_registry, transfers
from crossover.sources.ingest import ingest
from crossover.sources.openkbp import rows as openkbp_rows
from crossover.sources.settings import OpenKbpSource, RulesFile, VolumesSource
from crossover.sources.volumes import rows as volume_rows
from crossover.study.config import load_study
from tests.dicom_exports import block, write, write_contours
from tests.served import Served, serving

SERIES = ("0aa00000-0000-4000-8000-00000000000a", "0bb00000-0000-4000-8000-00000000000b")
BASE = {
    "title": "Made patients",
    "patients": 2,
    "licence": {"name": "CC BY 4.0", "url": "https://licence.example/by"},
    "citation": "Nobody, 2026",
    "page": "https://page.example/made",
    "known_from": "this test",
    "layout": "as made",
}


class Clone(NamedTuple):
    """A folder of the workflow with a registry of its own."""

    folder: Path
    served: Served

    def register(self, name: str = "made", **values: object) -> None:
        text = yaml.safe_dump(BASE | values)
        (self.folder / f"config/cohorts/{name}.yaml").write_text(text)

    def listed(self, *lines: str) -> None:
        text = "\n".join(["patient,study,modality,series,files,bytes", *lines])
        (self.folder / "config/cohorts/made.csv").write_text(text)

    def fetch(self, *words: str, accept: bool = True) -> Result:
        return CliRunner().invoke(app, ["fetch", "made", *words, *(["--accept-licence"] if accept else [])])

    @property
    def data(self) -> Path:
        return self.folder / "data/public/made"

    @property
    def gets(self) -> int:
        return len(self.served.asked)


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clone]:
    monkeypatch.setattr(transfers, "PAUSE_S", 0.0)
    for folder in ("config/cohorts", "config/studies", "profiles/default"):
        (tmp_path / folder).mkdir(parents=True)
    for file in ("Snakefile", "profiles/default/profile.yaml"):
        (tmp_path / file).touch()
    monkeypatch.chdir(tmp_path)
    with serving() as served:
        yield Clone(tmp_path, served)


def md5(content: bytes) -> str:
    return "md5:" + hashlib.md5(content).hexdigest()


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name, content in files.items():
            file.writestr(name, content)
    return out.getvalue()


def archive(clone: Clone, files: dict[str, bytes], **how: object) -> bytes:
    """A cohort that is one zip archive."""
    content = zipped(files)
    clone.served.files["/made.zip"] = content
    file = {"url": f"{clone.served.url}/made.zip", "name": "made.zip", "unpack": ".", "checksum": md5(content)}
    clone.register(files=[{k: v for k, v in {**file, **how}.items() if v is not None}])
    return content


def bucket(clone: Clone, objects: dict[str, bytes]) -> None:
    """A cohort of two series of one patient; objects by "0/name" and "1/name"."""
    lines = []
    for place, series in enumerate(SERIES):
        own = {name[2:]: content for name, content in objects.items() if name.startswith(f"{place}/")}
        clone.served.files |= {f"/bucket/{series}/{name}": content for name, content in own.items()}
        lines.append(f"P-1,{place + 1},MR,{series},{len(own)},{sum(map(len, own.values()))}")
    clone.listed(*lines)
    clone.register(bucket={"endpoint": clone.served.bucket, "index": "this test"})


# ---- a whole fetch, and a second


def test_an_archive_is_fetched_unpacked_and_noted_and_a_second_call_downloads_nothing(clone: Clone):
    archive(clone, {"a/one.txt": b"one", "a/two.txt": b"two", "__MACOSX/a/._one.txt": b"litter"})
    done = clone.fetch()
    assert done.exit_code == 0, done.output
    assert sorted(p.relative_to(clone.data).as_posix() for p in clone.data.rglob("*.*")) == ["a/one.txt", "a/two.txt"]
    assert not (clone.data.parent / "made.archives").exists()
    (part,) = json.loads((clone.data.parent / "made.lock.json").read_text())["parts"].values()
    assert part["files"]["a/one.txt"] == {"bytes": 3, "sha256": hashlib.sha256(b"one").hexdigest()}
    assert "next: crossover inspect data/public/made" in done.output
    before = clone.gets
    again = clone.fetch(accept=False)
    assert again.exit_code == 0 and "nothing to download" in again.output and clone.gets == before


def test_series_of_a_bucket_are_fetched_by_its_listing_page_by_page(clone: Clone):
    objects = {f"0/{k}.dcm": bytes([k]) * 50 for k in range(5)} | {"1/x.dcm": b"rtstruct"}
    bucket(clone, objects)
    clone.served.files[f"/bucket/{SERIES[1]}/"] = b""  # IDC has empty objects that stand for folders
    done = clone.fetch()
    assert done.exit_code == 0, done.output
    found = {p.relative_to(clone.data).as_posix(): p.read_bytes() for p in clone.data.rglob("*.dcm")}
    assert found == {f"P-1/{'12'[int(n[0])]}/MR-0{'ab'[int(n[0])] * 2}00000/{n[2:]}": c for n, c in objects.items()}
    before = clone.gets
    assert clone.fetch().exit_code == 0 and clone.gets == before


def test_a_commit_is_fetched_whole_and_git_verifies_it(clone: Clone):
    upstream = clone.folder / "upstream"
    (upstream / "provided-data/train-pats/pt_1").mkdir(parents=True)
    (upstream / "provided-data/train-pats/pt_1/ct.csv").write_text(",data\n7,1024\n")
    (upstream / "code.py").write_text("other")
    git(upstream, "init", "-q")
    git(upstream, "add", ".")
    git(upstream, "-c", "user.name=n", "-c", "user.email=e@example.org", "commit", "-qm", "made")
    git(upstream, "config", "uploadpack.allowAnySHA1InWant", "true")
    commit = git(upstream, "rev-parse", "HEAD")
    given = {"url": upstream.as_uri(), "commit": commit, "folders": ["provided-data"]}
    clone.register(git=given)
    done = clone.fetch()
    assert done.exit_code == 0, done.output
    assert [p.name for p in clone.data.iterdir()] == ["provided-data"]
    shutil.rmtree(upstream)
    assert "nothing to download" in clone.fetch().output
    clone.register(git=given | {"commit": "0" * 40})
    gone = clone.fetch()
    assert gone.exit_code == 1 and "git fetch" in gone.output
    assert (clone.data / "provided-data/train-pats/pt_1/ct.csv").exists()


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", "-C", folder, *words], check=True, capture_output=True, text=True).stdout.strip()


# ---- transfers that break


def kept(came: int) -> int:
    """Of the bytes that came before a transfer broke, those of whole chunks."""
    return came // transfers.CHUNK * transfers.CHUNK


def test_a_broken_transfer_goes_on_where_it_stopped(clone: Clone):
    content = archive(clone, {"one.bin": np.random.default_rng(1).bytes(300_000)})
    clone.served.cut["/made.zip"] = [100_000]
    assert clone.fetch().exit_code == 0
    assert clone.served.asked == [("/made.zip", None), ("/made.zip", f"bytes={kept(100_000)}-")]
    assert len((clone.data / "one.bin").read_bytes()) == 300_000 < len(content)


def test_a_transfer_that_breaks_again_and_again_leaves_no_file_and_the_next_call_goes_on(clone: Clone):
    archive(clone, {"one.bin": np.random.default_rng(1).bytes(300_000)})
    clone.served.cut["/made.zip"] = [10_000] * transfers.TRIES
    done = clone.fetch()
    assert done.exit_code == 1 and f"{5 * kept(10_000):,} bytes received so far" in done.output
    assert {p.name for p in (clone.data.parent / "made.archives").iterdir()} == {"made.zip.part", "made.zip.part.tag"}
    assert not clone.data.exists()
    assert clone.fetch().exit_code == 0
    assert clone.served.asked[-1] == ("/made.zip", f"bytes={5 * kept(10_000)}-")


def test_a_server_without_ranges_sends_the_file_again_whole(clone: Clone):
    archive(clone, {"one.bin": np.random.default_rng(1).bytes(300_000)})
    clone.served.ranges, clone.served.cut["/made.zip"] = False, [100_000]
    assert clone.fetch().exit_code == 0
    assert len((clone.data / "one.bin").read_bytes()) == 300_000


def test_a_file_that_changed_at_the_server_is_not_glued_to_the_beginning_of_the_old_one(clone: Clone):
    archive(clone, {"one.bin": b"1" * 300_000}, checksum=None)
    clone.served.cut["/made.zip"] = [100_000] * transfers.TRIES
    clone.served.ranges = False
    assert clone.fetch().exit_code == 1
    clone.served.ranges = True
    clone.served.files["/made.zip"] = zipped({"one.bin": b"2" * 300_000})
    assert clone.fetch().exit_code == 0
    assert {*(clone.data / "one.bin").read_bytes()} == {ord("2")}


def test_a_server_that_is_busy_is_asked_again(clone: Clone):
    archive(clone, {"one.txt": b"one"})
    clone.served.status["/made.zip"] = 503
    done = clone.fetch()
    assert (
        done.exit_code == 1 and clone.gets == transfers.TRIES and f"interrupted {transfers.TRIES} times" in done.output
    )


def test_a_broken_transfer_from_a_bucket_goes_on_too(clone: Clone):
    bucket(clone, {"0/a.dcm": b"a" * 9_000, "1/b.dcm": b"b" * 9_000})
    clone.served.cut[f"/bucket/{SERIES[0]}/a.dcm"] = [8_500]
    assert clone.fetch().exit_code == 0
    assert (f"/bucket/{SERIES[0]}/a.dcm", "bytes=8192-") in clone.served.asked


# ---- what is not as it should be


def test_a_wrong_checksum_moves_the_file_aside_and_makes_nothing_of_it(clone: Clone):
    archive(clone, {"one.txt": b"one"}, checksum=md5(b"other"))
    done = clone.fetch()
    aside = clone.data.parent / "made.archives/made.zip.wrong"
    assert done.exit_code == 1 and "its md5 is" in done.output and str(aside.name) in done.output
    assert aside.exists() and not clone.data.exists()
    assert [p.name for p in aside.parent.iterdir()] == ["made.zip.wrong"]


def test_an_object_that_is_not_what_the_bucket_lists_is_moved_aside(clone: Clone, monkeypatch: pytest.MonkeyPatch):
    bucket(clone, {"0/a.dcm": b"aaa", "1/b.dcm": b"bbb"})
    monkeypatch.setattr(clone.served, "tag", lambda path: "0" * 32)
    done = clone.fetch()
    assert done.exit_code == 1 and "its md5 is" in done.output
    assert sorted(p.suffix for p in clone.data.rglob("*.*")) == [".wrong", ".wrong"]


def test_a_moved_file_is_named_with_its_entry_and_what_to_do(clone: Clone):
    archive(clone, {"one.txt": b"one"})
    del clone.served.files["/made.zip"]
    done = clone.fetch()
    assert done.exit_code == 1
    for part in ("/made.zip", "404", "config/cohorts/made.yaml", "https://page.example/made", "known from: this test"):
        assert part in done.output, part


def test_a_bucket_that_is_gone_or_lacks_a_series_is_told(clone: Clone):
    bucket(clone, {"0/a.dcm": b"aaa", "1/b.dcm": b"bbb"})
    del clone.served.files[f"/bucket/{SERIES[1]}/b.dcm"]
    done = clone.fetch()
    assert done.exit_code == 1 and SERIES[1] in done.output and "patient P-1" in done.output
    assert "config/cohorts/made.yaml" in done.output
    clone.served.status["/bucket"] = 403
    assert "answers 403" in clone.fetch().output


def test_a_series_that_is_not_as_registered_is_told(clone: Clone):
    bucket(clone, {"0/a.dcm": b"aaa", "1/b.dcm": b"bbb"})
    clone.served.files[f"/bucket/{SERIES[0]}/more.dcm"] = b"more"
    done = clone.fetch()
    assert done.exit_code == 1 and "has 2 files with 7 bytes, but the registry lists 1 with 3" in done.output


def test_without_a_published_checksum_the_first_download_is_the_measure_of_later_ones(clone: Clone):
    archive(clone, {"one.txt": b"one"}, checksum=None)
    first = clone.fetch()
    assert first.exit_code == 0 and "nobody publishes a checksum" in first.output
    (clone.data / "one.txt").unlink()
    clone.served.files["/made.zip"] = zipped({"one.txt": b"1"})
    again = clone.fetch()
    assert again.exit_code == 1 and "its sha256 is" in again.output and "missing" in again.output


def test_objects_without_an_md5_are_verified_by_the_lock_file_from_the_second_time_on(clone: Clone):
    bucket(clone, {"0/a.dcm": b"aaa", "1/b.dcm": b"bbb"})
    path = f"/bucket/{SERIES[0]}/a.dcm"
    clone.served.multipart.add(path)
    assert clone.fetch().exit_code == 0
    next(clone.data.rglob("a.dcm")).unlink()
    clone.served.files[path] = b"zzz"
    done = clone.fetch()
    assert done.exit_code == 1 and "differ from those of the first fetch" in done.output
    assert not [*clone.data.rglob("a.dcm")] and [*(clone.data.parent / "made.aside").rglob("a.dcm")]


def test_a_file_that_somebody_changed_is_moved_aside_and_fetched_again(clone: Clone):
    bucket(clone, {"0/a.dcm": b"aaa", "1/b.dcm": b"bbb"})
    clone.fetch()
    changed = next(clone.data.rglob("a.dcm"))
    changed.write_bytes(b"mine")
    before = clone.gets
    clone.served.status["/bucket"] = 404
    assert clone.fetch().exit_code == 1 and not changed.exists()
    assert "complete" not in json.loads((clone.data.parent / "made.fetched.json").read_text())
    clone.served.status.clear()
    changed.write_bytes(b"mine")
    done = clone.fetch()
    assert done.exit_code == 0 and "is not what was fetched: moved aside" in done.output and clone.gets == before + 1
    assert changed.read_bytes() == b"aaa"
    assert next((clone.data.parent / "made.aside").rglob("a.dcm")).read_bytes() == b"mine"


def test_a_series_that_left_the_registry_is_moved_aside(clone: Clone):
    bucket(clone, {"0/a.dcm": b"aaa", "1/b.dcm": b"bbb"})
    clone.fetch()
    clone.listed(f"P-1,1,MR,{SERIES[0]},1,3")
    done = clone.fetch()
    assert done.exit_code == 0 and f"series {SERIES[1]} is no longer part of the cohort: 1 files moved" in done.output
    assert [p.name for p in clone.data.rglob("*.dcm")] == ["a.dcm"]
    assert [p.name for p in (clone.data.parent / "made.aside").rglob("*.dcm")] == ["b.dcm"]


# ---- archives that must not be unpacked


@pytest.mark.parametrize("name", ["../out.txt", "a/../../out.txt", "/tmp/out.txt", "..\\out.txt"])
def test_a_zip_that_leads_out_of_its_folder_is_refused(clone: Clone, name: str):
    archive(clone, {"fine.txt": b"fine", name: b"out"})
    refused(clone)


@pytest.mark.parametrize("kind", ["link", "hard link", "out", "device"])
def test_a_tar_with_links_devices_or_ways_out_is_refused(clone: Clone, kind: str):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as file:
        member = tarfile.TarInfo("../out.txt" if kind == "out" else "a.txt")
        member.type = {"link": tarfile.SYMTYPE, "hard link": tarfile.LNKTYPE, "device": tarfile.CHRTYPE}.get(kind, b"0")
        member.linkname = "/etc/passwd"
        file.addfile(member)
    clone.served.files["/made.tar"] = out.getvalue()
    clone.register(files=[{"url": f"{clone.served.url}/made.tar", "name": "made.tar", "unpack": "."}])
    refused(clone)


def test_a_zip_with_a_link_is_refused(clone: Clone):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        file.writestr(link, "/etc")
    clone.served.files["/made.zip"] = out.getvalue()
    clone.register(files=[{"url": f"{clone.served.url}/made.zip", "name": "made.zip", "unpack": "."}])
    refused(clone)


def refused(clone: Clone) -> None:
    done = clone.fetch()
    assert done.exit_code == 1 and "not unpacked, since members" in done.output, done.output
    assert not clone.data.exists() and not [*clone.folder.rglob("out.txt")] and not [*clone.folder.rglob("*.unpacking")]


def test_an_archive_that_is_none_is_told(clone: Clone):
    clone.served.files["/made.zip"] = b"<html>please log in</html>"
    clone.register(files=[{"url": f"{clone.served.url}/made.zip", "name": "made.zip", "unpack": "."}])
    assert "neither a zip nor a tar archive" in clone.fetch().output


# ---- room, licence, the registry


@pytest.mark.parametrize("known", [5_000_000_000, None])
def test_a_disk_that_is_too_small_is_told_before_anything_comes(clone: Clone, monkeypatch, known: int | None):
    archive(clone, {"one.bin": b"1" * 1_000}, bytes=known)
    usage = shutil.disk_usage(clone.folder)
    monkeypatch.setattr(whole.shutil, "disk_usage", lambda path: usage._replace(free=1_500))
    done = clone.fetch()
    assert done.exit_code == 1 and "nothing was downloaded" in done.output and not clone.gets


def test_without_the_licence_nothing_is_downloaded_and_it_is_asked_for_once(clone: Clone):
    archive(clone, {"one.txt": b"one"})
    done = clone.fetch(accept=False)
    assert done.exit_code == 2 and not clone.gets
    for part in ("CC BY 4.0, https://licence.example/by", "cite: Nobody, 2026", "--accept-licence"):
        assert part in done.output, part
    assert not (clone.data.parent / "made.fetched.json").exists()
    assert clone.fetch().exit_code == 0
    record = json.loads((clone.data.parent / "made.fetched.json").read_text())
    assert (
        record["licence"]["name"] == "CC BY 4.0" and len(record["accepted"]) == 10 and record["complete"]["files"] == 1
    )
    assert "licence:" not in clone.fetch(accept=False).output


@pytest.mark.parametrize(("typed", "status"), [("yes\n", 0), ("no\n", 2), ("\n", 2)])
def test_at_a_terminal_the_licence_is_accepted_by_typing_yes(clone: Clone, monkeypatch, typed: str, status: int):
    archive(clone, {"one.txt": b"one"})
    monkeypatch.setattr(public_cohorts, "at_a_terminal", lambda: True)
    assert CliRunner().invoke(app, ["fetch", "made"], input=typed).exit_code == status
    assert bool(clone.gets) == (status == 0)


def test_another_licence_is_asked_for_again(clone: Clone):
    archive(clone, {"one.txt": b"one"})
    clone.fetch()
    values = yaml.safe_load((clone.folder / "config/cohorts/made.yaml").read_text())
    clone.register(**values | {"licence": {"name": "CC BY-NC 4.0", "url": "https://licence.example/nc"}})
    assert clone.fetch(accept=False).exit_code == 2


def test_the_folder_is_put_on_record_for_its_study_and_its_other_cohorts_are_named(clone: Clone):
    archive(clone, {"one.txt": b"one"})
    values = yaml.safe_load((clone.folder / "config/cohorts/made.yaml").read_text())
    clone.register(**values, study="both")
    clone.register("other", **values, study="both")
    first = clone.fetch("elsewhere")
    assert first.exit_code == 0 and "next: crossover fetch other" in first.output
    assert yaml.safe_load(Path("config/folders.yaml").read_text()) == {"both": str(clone.folder / "elsewhere")}
    CliRunner().invoke(app, ["fetch", "other", "elsewhere", "--accept-licence"])
    assert "crossover run both --scale smoke --data" in clone.fetch("elsewhere").output


def test_an_unknown_cohort_and_wrong_entries_are_told_with_all_that_is_wrong(clone: Clone):
    archive(clone, {"one.txt": b"one"}, checksum="md5:12", name="../made.zip")
    done = clone.fetch()
    assert done.exit_code == 2 and "not a checksum" in done.output and "not a path below" in done.output
    assert "there are made" in CliRunner().invoke(app, ["fetch", "nobody"]).output
    bucket(clone, {"0/a.dcm": b"a", "1/b.dcm": b"b"})
    clone.listed(f"../P,1,MR,{SERIES[0]},1,1", "P,1,MR,no-uuid,1,1")
    done = clone.fetch()
    assert done.exit_code == 2 and "line 2" in done.output and "line 3" in done.output and not clone.gets


def test_the_registry_is_whole_and_claims_no_try_that_was_not_made():
    for name in cohort_registry.names(ROOT / cohort_registry.FOLDER):
        entry = cohort_registry.load(name, ROOT / cohort_registry.FOLDER)
        assert not entry.confirmed, f"{name}: say in docs/public-cohorts.md when and how it was tried"
        if entry.bucket:
            found = cohort_registry.series_of(name, ROOT / cohort_registry.FOLDER)
            assert len({each.patient for each in found}) == entry.patients
            assert len({each.series for each in found}) == len({each.folder for each in found}) == len(found)
        if entry.study:
            load_study(entry.study, "smoke", ROOT / "config")
    with pytest.raises(ConfigError, match="there are cc_tumor_heterogeneity"):
        cohort_registry.load("nobody", ROOT / cohort_registry.FOLDER)


def test_no_module_that_the_workflows_jobs_import_can_download():
    entries = [str(p.relative_to(ROOT)) for p in (ROOT / "workflow_scripts").glob("*.py")]
    imported = closure(*entries)
    assert len(imported) > 100
    for path in imported:
        assert not path.startswith("crossover/sources/fetching/"), path
        names = {
            name.split(".")[0]
            for node in ast.walk(ast.parse((ROOT / path).read_text()))
            for name in (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
        }
        assert not names & {"pooch", "requests", "urllib3", "huggingface_hub", "idc_index"}, path


# ---- what was fetched is read


def test_a_fetched_clone_of_openkbp_is_read_by_its_source(clone: Clone):
    files = {
        f"provided-data/{part}/pt_{n}/{file}": text
        for part, n, mm in (("train-pats", 1, b"3.906\n3.906\n2.5\n"), ("test-pats", 241, b"4.68\n4.68\n3.0\n"))
        for file, text in {
            "voxel_dimensions.csv": mm,
            "ct.csv": b",data\n7,1024.0\n",
            "Brainstem.csv": b",data\n7,\n",
        }.items()
    }
    archive(clone, files)
    assert clone.fetch().exit_code == 0
    study = yaml.safe_load((ROOT / "config/studies/openkbp.yaml").read_text())
    for cohort, patient in (("openkbp_a", "pt_1"), ("openkbp_b", "pt_241")):
        source = OpenKbpSource(**study["cohorts"][cohort]["source"] | {"folder": "made/provided-data"})
        assert [*openkbp_rows(source, clone.data.parent).cases] == [patient]


def test_a_fetched_umd_is_read_as_the_study_says(clone: Clone):
    image = sitk.Image(8, 8, 4, sitk.sitkInt16)
    sitk.WriteImage(image, "image.nii.gz")
    content, files = Path("image.nii.gz").read_bytes(), {}
    for n, mask in ((1, "seg"), (2, "seq")):
        name = f"UMD/UMD_221129_00{n}/UMD_221129_00{n}"
        files |= {f"{name}_t2.nii.gz": content, f"{name}_{mask}.nii.gz": content, f"{name}_01.dcm": b"slice"}
    archive(clone, files)
    assert clone.fetch().exit_code == 0
    study = load_study("uterus_public", "smoke", ROOT / "config")
    source = study.cohorts["umd"].source
    assert isinstance(source, VolumesSource)
    found = volume_rows(source.model_copy(update={"folder": "made/UMD"}), clone.data.parent)
    assert [*found.cases] == ["UMD_221129_001"]


def test_a_fetched_ccth_is_ingested_and_its_structures_told_by_colour(clone: Clone):
    """Two ROIs of one name, magenta and cyan, on a sagittal T2, as the collection has them."""
    grid, made = block(plane="sagittal"), clone.folder / "made-dicom"
    write(made / "0", grid, SeriesDescription="SAG T2", SeriesNumber=1)
    write_contours(made / "1/rois.dcm", "Ut-MRT2-Sag-1", grid)
    rois = dcmread(made / "1/rois.dcm")
    first, outline = rois.StructureSetROISequence[0], rois.ROIContourSequence[0]
    second, smaller = deepcopy(first), deepcopy(outline)
    second.ROINumber = smaller.ReferencedROINumber = 2
    outline.ROIDisplayColor, smaller.ROIDisplayColor = [255, 0, 255], [0, 235, 235]
    smaller.ContourSequence = smaller.ContourSequence[:1]
    rois.StructureSetROISequence, rois.ROIContourSequence = [first, second], [outline, smaller]
    rois.save_as(made / "1/rois.dcm")
    bucket(clone, {f"{p.parent.name}/{p.name}": p.read_bytes() for p in made.rglob("*") if p.is_file()})
    assert clone.fetch().exit_code == 0
    study = load_study("uterus_public", "smoke", ROOT / "config")
    rules = RulesFile(series=study.series, structures=study.structures)
    ingest(clone.data, clone.folder / "cases", rules, 1)
    (case,) = read_json(clone.folder / "cases/ingest.json")["cases"].values()
    assert case["status"] == "made", case
    masks = {name: next((clone.folder / "cases").rglob(f"*{name}*.nii.gz")) for name in ("uterus", "tumour")}
    voxels = {name: int((sitk.GetArrayFromImage(sitk.ReadImage(str(p))) > 0).sum()) for name, p in masks.items()}
    assert voxels["uterus"] == 3 * voxels["tumour"] > 0

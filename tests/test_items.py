"""Items behind a manifest, and what results are made from: digests and the closure of the code."""

import ast
import functools
import json
import os
import re
from hashlib import sha256
from pathlib import Path

import pytest

from crossover.analyses import registry
from crossover.core import incremental, source_code
from crossover.core.files import digest, read_json, write_json
from crossover.core.incremental import ItemsError, update
from crossover.core.source_code import closure, code_digest
from crossover.study import backends
from crossover.study.sections import Network

ROOT = Path(__file__).parent.parent
SCRIPTS = sorted(p.name for p in (ROOT / "workflow_scripts").glob("[!_]*.py"))


class Maker:
    """Makes two files for each item, and remembers which; names in `broken` fail half-way."""

    def __init__(self, *broken: str) -> None:
        self.made: list[str] = []
        self.broken = broken

    def __call__(self, name: str, folder: Path) -> dict:
        assert folder.is_dir() and not list(folder.iterdir()), "an empty folder"
        self.made.append(name)
        (folder / "deep").mkdir()
        (folder / "deep/one.txt").write_text(f"one of {name}")
        if name in self.broken:
            raise ValueError(f"{name} is unreadable")
        (folder / "two.txt").write_text("two")
        return {"length": len(name)}


def again(manifest: Path, keys: dict[str, str], **options: object) -> list[str]:
    maker = Maker()
    update(manifest, keys, maker, **options)
    return maker.made


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """The manifest of items a and b."""
    manifest = tmp_path / "out/manifest.json"
    update(manifest, {"a": "1", "b": "1"}, Maker())
    return manifest


def test_the_manifest_lists_every_item_with_its_files_digests_and_facts(made: Path):
    content = read_json(made)["items"]
    assert set(content) == {"a", "b"}
    assert content["a"]["key"] == "1" and content["a"]["length"] == 1
    assert set(content["a"]["files"]) == {"deep/one.txt", "two.txt"}
    one = content["a"]["files"]["deep/one.txt"]
    assert sha256(b"one of a").hexdigest().startswith(one["sha256"]) and one["bytes"] == 8
    assert len(one["sha256"]) >= 24
    assert content["a"] == read_json(made.parent / "a" / incremental.RECORD)


def test_what_is_current_is_kept_and_only_a_new_item_is_made(made: Path):
    before = (made.parent / "a/two.txt").stat().st_mtime_ns
    assert again(made, {"a": "1", "b": "1", "c": "1"}) == ["c"]
    assert (made.parent / "a/two.txt").stat().st_mtime_ns == before
    assert set(read_json(made)["items"]) == {"a", "b", "c"}


def test_an_item_is_remade_when_its_key_changes(made: Path):
    assert again(made, {"a": "2", "b": "1"}) == ["a"]
    assert read_json(made)["items"]["a"]["key"] == "2"


def test_an_item_is_remade_when_a_file_is_gone_or_has_another_size(made: Path):
    (made.parent / "a/two.txt").unlink()
    (made.parent / "b/deep/one.txt").write_text("cut")
    assert again(made, {"a": "1", "b": "1"}) == ["a", "b"]
    assert (made.parent / "b/deep/one.txt").read_text() == "one of b"
    assert again(made, {"a": "1", "b": "1"}) == []


def test_items_no_longer_wanted_are_removed_unless_told_to_keep_them(made: Path):
    assert again(made, {"a": "1"}, prune=False) == []
    assert (made.parent / "b").exists() and set(read_json(made)["items"]) == {"a"}
    again(made, {"a": "1"})
    assert not (made.parent / "b").exists() and (made.parent / "a/two.txt").exists()


def test_a_failing_item_is_named_and_the_others_are_done_and_kept(tmp_path: Path):
    manifest, keys = tmp_path / "manifest.json", {n: "1" for n in "abcd"}
    with pytest.raises(ItemsError) as caught:
        update(manifest, keys, Maker("b", "d"))
    message = str(caught.value)
    assert "2 of 4 items failed" in message
    assert "b: ValueError: b is unreadable" in message and "d: ValueError" in message
    assert not manifest.exists()
    assert again(manifest, keys) == ["b", "d"]
    assert set(read_json(manifest)["items"]) == set(keys)


def test_a_folder_left_by_a_kill_is_made_anew(made: Path):
    (made.parent / "a" / incremental.RECORD).unlink()
    (made.parent / "a/half-written.part").write_text("x")
    assert again(made, {"a": "1", "b": "1"}) == ["a"]
    assert not (made.parent / "a/half-written.part").exists()


class Killed(BaseException):
    """As the system kills: no handler of the library's catches it."""


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("by", [ValueError, Killed])
def test_a_remake_that_is_stopped_or_fails_loses_nothing_that_was_there(made: Path, by: type, shared: bool):
    def stops(name: str, folder: Path) -> dict:
        (folder / "two.txt").write_text("a half")
        raise by

    with pytest.raises((Killed, ItemsError)):
        update(made, {"a": "2", "b": "1"}, stops, prune=not shared)
    assert incremental.is_current(made.parent / "a", "1")
    assert again(made, {"a": "1", "b": "1"}, prune=not shared) == [], "the change was taken back"
    assert again(made, {"a": "2", "b": "1"}, prune=not shared) == ["a"]
    assert {path.name for path in made.parent.iterdir() if path.is_dir()} == {"a", "b"}


@pytest.mark.parametrize("shared", [False, True])
def test_a_new_item_that_a_kill_kept_from_its_place_is_put_there(made: Path, monkeypatch, shared: bool):
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", lambda *_: (_ for _ in ()).throw(Killed))  # the old one is gone already
        with pytest.raises(Killed):
            update(made, {"a": "2", "b": "1"}, Maker(), prune=not shared)
    assert not (made.parent / "a").exists()
    assert again(made, {"a": "2", "b": "1"}, prune=not shared) == []
    assert {path.name for path in made.parent.iterdir() if path.is_dir()} == {"a", "b"}


def test_a_kill_between_items_loses_none_that_is_done(tmp_path: Path):
    class Interrupted(Maker):
        def __call__(self, name: str, folder: Path) -> dict:
            if name == "b":
                (folder / "half").write_text("x")
                raise Killed
            return super().__call__(name, folder)

    manifest, keys = tmp_path / "manifest.json", {n: "1" for n in "abc"}
    with pytest.raises(Killed):
        update(manifest, keys, Interrupted())
    assert not manifest.exists()
    assert again(manifest, keys) == ["b", "c"]


def make_aside(name: str, folder: Path) -> dict:
    if name == "bad":
        raise ValueError("it is bad")
    (folder / "file").write_text(name)
    return {}


def test_several_workers_make_the_same_manifest_as_one(tmp_path: Path):
    keys = {n: "1" for n in ("a", "b", "c")}
    for workers in (1, 2):
        update(tmp_path / f"{workers}/manifest.json", keys, make_aside, workers=workers)
    assert (tmp_path / "1/manifest.json").read_bytes() == (tmp_path / "2/manifest.json").read_bytes()
    with pytest.raises(ItemsError, match="1 of 4 items failed:\n  bad: ValueError: it is bad"):
        update(tmp_path / "2/manifest.json", {**keys, "bad": "1", "c": "2"}, make_aside, workers=2)
    assert read_json(tmp_path / "2/c" / incremental.RECORD)["key"] == "2"


def test_json_is_written_whole_or_not_at_all(tmp_path: Path):
    path = tmp_path / "deep/value.json"
    write_json(path, {"b": [1, 2], "a": "ä"})
    assert read_json(path) == {"a": "ä", "b": [1, 2]}
    before = path.read_bytes()
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["value.json"]


def test_json_does_not_show_before_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "value.json"
    write_json(path, 1)

    def killed(self: Path, text: str) -> None:
        with self.open("w") as file:
            file.write(text[:3])
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_text", killed)
    with pytest.raises(KeyboardInterrupt):
        write_json(path, {"a": "long text"})
    assert json.loads(path.read_bytes()) == 1


def test_a_digest_is_that_of_the_meaning():
    assert digest({"a": 1, "b": (2,)}) == digest({"b": [2], "a": 1})
    assert len({digest(v) for v in (1, 1.5, "1", None, [1], {"1": 1})}) == 6


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small project in place of this one."""
    files = {
        "scripts/entry.py": "import lib.deep.one\nfrom lib import two\nimport os.path, yaml\n",
        "lib/__init__.py": "from lib import at_import\n",
        "lib/at_import.py": "",
        "lib/deep/__init__.py": "from .sibling import x\n",
        "lib/deep/sibling.py": "def f():\n    from ..late import y\n",
        "lib/deep/one.py": "from . import nephew\nfrom .. import uncle\nimport lib.two\n",
        "lib/deep/nephew.py": "if True:\n    import lib.deep.one\n",
        "lib/uncle.py": "",
        "lib/late.py": "",
        "lib/two.py": "# from lib import never\ntext = 'import lib.never'\n",
        "lib/never.py": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(source_code, "ROOT", tmp_path)
    return tmp_path


def test_the_closure_finds_packages_relative_and_late_imports(project: Path):
    there = {str(p.relative_to(project)) for p in project.rglob("*.py")}
    found = closure("scripts/entry.py")
    assert list(found) == sorted(there - {"lib/never.py"})


def test_a_change_of_imported_code_changes_the_digest_and_no_other_change_does(project: Path):
    before = code_digest("scripts/entry.py")
    (project / "lib/never.py").write_text("changed = True")
    assert code_digest("scripts/entry.py") == before
    (project / "lib/late.py").write_text("changed = True")
    assert code_digest("scripts/entry.py") != before


def test_comments_docstrings_and_layout_are_no_change_and_code_is(project: Path):
    text = 'import os\n\n\ndef f(a):\n    """Of old."""\n    return (a, 1)\n'
    same = 'import os\ndef f(a):\n  "Of new." # so\n  return (a,\n    1,)\n'
    digests = []
    for version in (text, same, text.replace("1", "2"), text.replace('"""Of old."""', "'a' + 'b'")):
        (project / "lib/late.py").write_text(version)
        digests.append(code_digest("scripts/entry.py"))
    assert digests[0] == digests[1] and len(set(digests)) == 3


def test_other_files_may_be_named_as_entries(project: Path):
    (project / "lib/page.html").write_text("<html>")
    assert {"lib/page.html", "lib/two.py"} <= set(closure("lib/two.py", "lib/page.html"))


def test_the_package_of_an_entry_runs_before_it_and_belongs_to_it(project: Path):
    assert "lib/__init__.py" in closure("lib/two.py")


@functools.cache
def imported(path: str) -> set[str]:
    """Top-level names that a file of this repository imports."""
    names = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def texts(path: str) -> list[str]:
    """All strings of a file but its docstrings."""
    tree = ast.parse((ROOT / path).read_text())
    bare = [node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)]
    constants = [n for n in ast.walk(tree) if isinstance(n, ast.Constant) and n not in bare]
    return [n.value for n in constants if isinstance(n.value, str)]


LIBRARY = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "crossover").rglob("*.py"))


@pytest.mark.slow
def test_one_module_of_the_library_knows_snakemake():
    """Messages may name its command; its interface, its files and its options stand in one place."""
    knowing = {
        file for file in LIBRARY
        if "snakemake" in imported(file)
        or any(".snakemake" in text or "snakemake -" in text for text in texts(file))
    }  # fmt: skip
    assert knowing == {"crossover/execution/workflow.py"}


def test_a_learning_framework_is_imported_by_its_engine_and_its_networks_only():
    frameworks = {
        "torch", "keras", "tensorflow", "timm", "torchvision", "segmentation_models_pytorch", "monai",
    }  # fmt: skip
    homes = ("crossover/networks/keras/", "crossover/networks/torch/", "crossover/training/engines/",
             "crossover/training/backends/nnunet/", "crossover/training/backends/patches/windows.py")  # fmt: skip
    using = {file for file in LIBRARY if imported(file) & frameworks}
    assert using and all(file.startswith(homes) for file in using)


@pytest.mark.parametrize("script", ["analysis", "report", "gather", "metrics", "radiomics", "evaluate"])
def test_nothing_that_counts_or_draws_reaches_training_or_its_engines(script: str):
    files = closure(f"workflow_scripts/{script}.py", *(a.source for a in registry.analyses()))
    assert f"workflow_scripts/{script}.py" in files and "workflow_scripts/_job.py" in files
    engines = ("crossover/training/", "crossover/networks/keras/", "crossover/networks/torch/")
    assert not [f for f in files if f.startswith(engines)]
    for file in files:
        assert not imported(file) & {"torch", "tensorflow", "keras"}, file


@pytest.mark.parametrize("engine", ["keras", "torch"])
def test_training_reaches_its_own_engine_and_no_other(engine: str):
    network = Network(architecture="deeplabv3plus_xception", engine=engine)
    files = closure(
        "workflow_scripts/train.py", *backends.backend_of(network).files("training", network.architecture, network)
    )
    assert {"crossover/training/batches.py", "crossover/networks/deeplabv3plus_xception.py"} <= set(files)
    frameworks = {"torch", "tensorflow", "keras"} & set().union(*map(imported, files))
    assert frameworks == ({"torch"} if engine == "torch" else {"tensorflow", "keras"})
    other = {"torch": "keras", "keras": "torch"}[engine]
    assert not [f for f in files if f"/{other}" in f]


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_get_their_configuration_from_their_rule_alone(script: str):
    """A script that read the whole configuration would not rerun for what it reads."""
    for file in closure(f"workflow_scripts/{script}"):
        text = (ROOT / file).read_text()
        assert not re.search(r"\bsnakemake\.\w", text), file
        assert "config.yaml" not in text and "load_study(" not in text, file


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_library_holds_no_snakemake_and_every_file_of_a_closure_exists(script: str):
    files = closure(f"workflow_scripts/{script}")
    assert all((ROOT / file).is_file() for file in files)
    assert not set(files) & source_code.SCHEMA
    assert all("snakemake" not in imported(file) for file in files)


@pytest.mark.parametrize("left", ["", '{"key": "1", '])
def test_an_item_whose_record_a_power_cut_left_empty_is_made_again(made: Path, left: str):
    (made.parent / "a/record.json").write_text(left)
    assert again(made, {"a": "1", "b": "1"}) == ["a"]


def test_an_item_with_a_file_of_the_same_size_and_other_content_is_made_again(made: Path):
    (made.parent / "b/two.txt").write_text("owt")
    assert again(made, {"a": "1", "b": "1"}) == ["b"]


def test_what_was_made_before_is_read_only_where_it_changed(made: Path, monkeypatch: pytest.MonkeyPatch):
    """Also where its size and time are as before."""
    for name in "ab":  # later than the files by the file system's clock, as it is where these take time to read
        while (made.parent / name / "two.txt").stat().st_ctime_ns >= (
            record := made.parent / name / incremental.RECORD
        ).stat().st_ctime_ns:
            record.touch()
    read: list[str] = []
    digest_of = incremental.file_digest
    monkeypatch.setattr(incremental, "file_digest", lambda path: (read.append(str(path)), digest_of(path))[1])
    assert again(made, {"a": "1", "b": "1"}) == [] == read
    changed = made.parent / "b/two.txt"
    before = changed.stat()
    changed.write_text("owt")
    os.utime(changed, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert again(made, {"a": "1", "b": "1"}) == ["b"] and read[0] == str(changed)


def test_files_that_a_library_keeps_to_their_owner_can_be_read_like_the_others(tmp_path: Path):
    """As safetensors does it, whose weights colleagues want to verify and to predict with."""

    def make(name: str, folder: Path) -> dict:
        (folder / "weights").touch(mode=0o600)
        return {}

    update(tmp_path / "items.json", {"a": "1"}, make)
    assert (tmp_path / "a/weights").stat().st_mode == (tmp_path / "a/record.json").stat().st_mode

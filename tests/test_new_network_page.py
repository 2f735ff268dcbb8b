"""What docs/new-network.md shows works as it stands there: its network, its study, and its renaming of weights."""

import os
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

from crossover import networks
from crossover.core.files import read_json
from tests.dry_runs import ROOT, copy_workflow

PAGE = (ROOT / "docs/new-network.md").read_text()


def block(language: str, word: str) -> str:
    """The first block of a language that has a word."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)
    return next(text for text in blocks if word in text)


def test_the_page_lists_the_networks_of_slices_with_their_engines_settings_and_levels():
    listed = PAGE.partition("| architecture | engine |")[2].partition("\n\n")[0].splitlines()[2:]
    found = {}
    for names, engines, settings, levels, multiple in (row.strip("| ").split(" | ") for row in listed[:3]):
        own = {word for word in re.findall(r"`(\w+)`", settings) if not word.startswith(("resnet", "mobilenet"))}
        about = ({*engines.split(", ")}, own, {*re.findall(r"`(\w+)`", levels)}, int(multiple))
        found |= dict.fromkeys(re.findall(r"`(\w+)`", names), about)
    there = {name: networks.declared(name) for name in networks.architectures(2)}
    assert found == {
        name: ({*own.engines}, {*own.settings.model_fields}, {*own.levels}, own.multiple) for name, own in there.items()
    }
    assert {*re.findall(r"`(\w+)`", listed[3].split("|")[1])} == {*networks.architectures(3)}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the workflow with the page's network and study."""
    folder = copy_workflow(tmp_path_factory.mktemp("page") / "clone")
    (folder / "crossover/networks/mynetwork.py").write_text(block("python", "PARTS ="))
    (folder / "crossover/networks/torch/mynetwork.py").write_text(block("python", "class Stage"))
    (folder / "config/studies/mynetwork.yaml").write_text(block("yaml", "study: mynetwork"))
    return folder


def said(clone: Path, *call: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(clone)}
    command = [sys.executable, "-m", *call]
    done = subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_its_study_fits_its_network(clone: Path):
    assert (clone / "config/studies/mynetwork.yaml").read_text().startswith("# yaml-language-server: $schema=")
    told = said(clone, "crossover", "check", "mynetwork", "--scale", "smoke", "--no-measure")
    assert "No errors were found" in told and "with 9 trainings" in told


@pytest.mark.slow
@pytest.mark.thorough
def test_its_study_runs_and_freezes_what_comes_before_a_level(clone: Path):
    said(clone, "snakemake", "--cores", "2", "--config", "studies=mynetwork", "scale=smoke")
    stages = clone / "results/mynetwork/stages"
    trained = {
        name: read_json(stages / f"{name}-n6/record.json")["parameters"]["trained"]
        for name in ("transfer", "frozen-stage3", "frozen-decoder")
    }
    assert trained["transfer"] > trained["frozen-stage3"] > trained["frozen-decoder"] > 0


def test_its_renaming_turns_the_weights_of_another_cut_into_those_of_the_network(tmp_path: Path, monkeypatch, capsys):
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file

    for name, word in (("mynetwork", "PARTS ="), ("torch.mynetwork", "class Stage")):
        module = types.ModuleType(f"crossover.networks.{name}")
        monkeypatch.setitem(sys.modules, module.__name__, module)
        exec(block("python", word), module.__dict__)
    own = module.build(64, 64, 2, 1).state_dict()
    changes = {r"^encoder1\.": "encoder.stages.0.", r"^encoder(\d)\.block\.": r"encoder.stages.\1."}
    old = {"module.encoder.stages.0.1.num_batches_tracked": torch.tensor(3)}
    for name, value in own.items():
        for new, before in changes.items():
            name = re.sub(new, before, name)
        name = re.sub(r"stages\.([23])\.", lambda found: f"stages.{int(found[1]) - 1}.", name)
        old[f"module.{name}"] = value
    assert "module.encoder.stages.2.0.weight" in old
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": old}, "model.pth")
    exec(block("python", "RENAMED"), {"__name__": "converted"})
    assert not capsys.readouterr().out, "all names and shapes fit"
    made = load_file("model.safetensors")
    assert made.keys() == own.keys() and all(torch.equal(made[name], own[name]) for name in own)
    proof = block("python", "kept =")
    given = {"torch": torch, "build": module.build, "weights": own, "old": (old := module.build(64, 64, 2, 1))}
    old.load_state_dict(own)
    exec(proof, given)
    lacking = {name: value for name, value in own.items() if name != "head.bias"}
    with pytest.raises(AssertionError, match=r"head\.bias"):
        exec(proof, given | {"weights": lacking})

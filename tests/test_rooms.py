"""The packages of the library, and which of them may import which."""

import ast
import functools
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import crossover
from crossover.core.paths import ROOT

LIBRARY = ROOT / "crossover"
MOST = 14
MAY_IMPORT = {
    "core": "",
    "imaging": "core",
    "phantoms": "core",
    "sources": "core imaging phantoms",
    "networks": "core",
    "study": "core imaging sources networks",
    "evaluation": "core imaging study",
    "exchange": "core imaging sources networks study evaluation",
    "training": "core imaging networks study evaluation exchange",
    "statistics": "core study",
    "analyses": "core imaging networks study statistics",
    "report": "core sources study statistics analyses",
    "execution": ("core imaging sources networks study evaluation training statistics analyses report exchange"),
    "cli": "*",
}
"""Package -> those that it may import, from the ground up: each stands after all that it imports."""


def test_the_library_holds_packages_only_and_each_has_its_place():
    loose = {p.stem for p in LIBRARY.glob("*.py")}
    assert loose == {"__init__", "__main__"}
    packages = {p.parent.name for p in LIBRARY.glob("*/__init__.py")}
    assert packages == {*MAY_IMPORT}
    assert len(packages) <= MOST
    order = [*MAY_IMPORT]
    for package, others in MAY_IMPORT.items():
        assert {*others.split()} - {"*"} <= {*order[: order.index(package)]}, package


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_says_what_belongs_in_it_and_what_it_may_import(package: str):
    said = ast.get_docstring(ast.parse((LIBRARY / package / "__init__.py").read_text()))
    assert said and len(said.split()) >= 15 and "Begin with" in said
    allowed = MAY_IMPORT[package]
    assert imports_told(package) in " ".join(said.split())
    wrong = [
        f"{path}:{line} imports {name}"
        for path in sorted((LIBRARY / package).rglob("*.py"))
        for line, name in imported(path)
        if allowed != "*" and name.split(".")[1] not in {package, *allowed.split()}
    ]
    assert not wrong, "\n".join(wrong)


def imports_told(package: str) -> str:
    """What a package's docstring says of imports, from and to it."""
    own = MAY_IMPORT[package].split()
    others = [name for name, allowed in MAY_IMPORT.items() if package in allowed.split() or allowed == "*"]
    if package == "cli":
        return "It may import every package; none may import it."
    imports = f"It may import {listed(own)}" if own else "It may import no other package"
    who = "every other package" if len(others) == len(MAY_IMPORT) - 1 else listed(others)
    return f"{imports}; {who} may import it."


def listed(names: list[str]) -> str:
    quoted = [f"`{name}`" for name in names]
    return " and ".join([", ".join(quoted[:-1]), quoted[-1]]) if len(quoted) > 1 else quoted[0]


def test_phantoms_of_an_anatomy_import_the_kit_and_no_other_anatomy():
    folders = [p.parent for p in (LIBRARY / "phantoms").glob("*/__init__.py")]
    for folder in folders:
        others = {f.name for f in folders} - {folder.name, "kit"}
        for path in folder.glob("*.py"):
            named = {name for _, name in imported(path) if "phantoms" in name}
            assert not {name.split(".")[2] for name in named} & others, path


def test_groups_of_statistics_import_only_those_before_them():
    order = ["scores", "estimates", "differences", "learning_curves", "study_planning", "papers"]
    assert {p.parent.name for p in (LIBRARY / "statistics").glob("*/__init__.py")} == {*order}
    assert not [*(LIBRARY / "statistics").glob("[!_]*.py")]
    for place, group in enumerate(order):
        for path in (LIBRARY / "statistics" / group).rglob("*.py"):
            groups = {name.split(".")[2] for _, name in imported(path) if name.startswith("crossover.statistics.")}
            assert groups <= {*order[: place + 1]}, path


def test_modules_import_each_other_in_no_circle():
    """Imports inside functions count: one that hides a circle is found too."""
    waiting = {module_of(p): {*needed(p)} - {module_of(p)} for p in LIBRARY.rglob("*.py")}
    while free := [m for m, needs in waiting.items() if not needs & waiting.keys()]:
        for module in free:
            del waiting[module]
    assert not waiting, waiting


@functools.cache
def imported(path: Path) -> list[tuple[int, str]]:
    """Line and dotted name of everything of the library that a file imports, wherever the statement stands."""
    tree = ast.parse(path.read_text())
    tree.body = [node for node in tree.body if not _for_types_only(node)]
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node.lineno, a.name) for a in node.names if _is_ours(a.name)]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}:{node.lineno}: imports are absolute"
            if _is_ours(node.module or ""):
                found += [(node.lineno, f"{node.module}.{a.name}") for a in node.names]
    return found


def needed(path: Path) -> Iterator[str]:
    """The modules that a file imports; a package stands for its `__init__`."""
    for _, name in imported(path):
        while not (module := _file(name)):
            name = name.rpartition(".")[0]
        yield module_of(module)


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(LIBRARY.parent).with_suffix("").parts)


def _file(name: str) -> Path | None:
    path = LIBRARY.parent.joinpath(*name.split("."))
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.exists()), None)


def _for_types_only(node: ast.stmt) -> bool:
    """Whether this is `if TYPE_CHECKING:`, which no program runs."""
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def _is_ours(name: str) -> bool:
    return name.split(".")[0] == crossover.__name__ and name != crossover.__name__


TELLS_BACKENDS_APART = re.compile(
    r"\bNNUNET\b|\bbackend [!=]= |get\(\"backend\"\) [!=]= |(?:from|import) crossover\.training\.backends\.\w"
)


def test_no_code_outside_the_backends_asks_which_backend_a_network_has():
    known = {"study/backends.py", "study/sections.py"}
    found = [
        f"{path.relative_to(LIBRARY)}:{number}: {line.strip()}"
        for path in sorted(LIBRARY.rglob("*.py"))
        if path.relative_to(LIBRARY).as_posix() not in known and "training/backends" not in path.as_posix()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if TELLS_BACKENDS_APART.search(line)
    ]
    assert not found, "\n".join(found)


COUNTERPARTS = {"analyses", "statistics", "networks", "phantoms", "training"}
"""Packages in which a module may have its counterpart's name: a statistic and its analysis, a network's declaration and
its layers by a framework, an anatomy's part and another's, a part of a backend and another's."""
TWINS = {
    "answers", "cases", "chains", "dicom", "examination", "formats", "label_maps", "names", "overlap", "page", "places",
    "planning", "scan", "scores", "settings", "source_code", "structures", "volumes",
}  # fmt: skip
"""Names that still stand twice beside these: none may join them."""


def test_no_further_name_of_a_module_stands_twice():
    folders: dict[str, set[str]] = {}
    for path in LIBRARY.rglob("*.py"):
        if path.stem not in ("__init__", "__main__"):
            folders.setdefault(path.stem, set()).add(path.relative_to(LIBRARY).parts[0])
    count = Counter(path.stem for path in LIBRARY.rglob("*.py"))
    twice = {name for name, own in folders.items() if count[name] > 1 and not own <= COUNTERPARTS}
    assert twice <= TWINS, twice - TWINS

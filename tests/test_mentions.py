"""What documents, comments and docstrings say of files, modules, names in them and commands is there."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from crossover.cli.app import COMMANDS, GROUPS
from crossover.core.paths import ROOT
from crossover.study.schema import Study
from tests.test_rooms import LIBRARY, MAY_IMPORT

FOLDERS = [
    "crossover", "workflow_scripts", "tests", "benchmarks", "docs", "config", "rules", "envs", "profiles",
]  # fmt: skip
FILES = [f.relative_to(ROOT).as_posix() for folder in FOLDERS for f in (ROOT / folder).rglob("*.*")]
FILES += [f.name for f in ROOT.iterdir() if f.is_file()]
PROSE = (".md", ".yaml", ".smk", ".toml", "Snakefile", "Makefile")
OF_OTHERS = ("nnunet/", "nnunetv2/")

FILE = re.compile(r"(?<![\w/.<>{}*-])[\w/-]+\.(?:py|smk)\b")
MODULE = re.compile(r"(?<![\w/.-])(?:crossover|workflow_scripts|tests|benchmarks)(?:\.[A-Za-z_]\w*)+")
WITHIN = re.compile(rf"`((?:{'|'.join(MAY_IMPORT)})(?:\.[A-Za-z_]\w*)+)")
"""A name in one of the library's packages, as docstrings write it, without `crossover.` before it."""
COMMAND = re.compile(r"(?:`\n?|\.venv/bin/)crossover ([a-z][a-z-]*)")


def prose(path: str) -> str:
    """A document as it is; of a module its comments, docstrings, and strings that explain constants."""
    file = ROOT / path
    text = file.read_text()
    if not path.endswith(".py"):
        return text
    after_signs = "\n".join(re.findall("#.*", text))  # comments among them, which take long to tell from strings
    comments = []
    if any(pattern.search(after_signs) for pattern in (FILE, MODULE, WITHIN)):
        tokens = tokenize.generate_tokens(io.StringIO(text).readline)
        comments = [token.string for token in tokens if token.type == tokenize.COMMENT]
    alone = (n.value for n in statements(ast.parse(text)) if isinstance(n, ast.Expr))
    constants = (value.value for value in alone if isinstance(value, ast.Constant))
    return "\n".join([*comments, *map(str, constants)])


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """A module and all statements in it, without the expressions in them, which are many more."""
    yield node
    for part in ("body", "orelse", "finalbody", "handlers", "cases"):
        for inner in getattr(node, part, ()):
            yield from statements(inner)


def is_file(name: str) -> bool:
    """A path, or the end of one, since a page leaves out the folder that it has just named."""
    return any(f"/{file}".endswith(f"/{name}") for file in FILES)


def is_name(dotted: str, place: Path) -> bool:
    """A module below a folder, or what begins a line of it: a function, a class, a field, a constant."""
    names = dotted.split(".")
    while names and (place / names[0]).is_dir():
        place /= names.pop(0)
    source = place / "__init__.py"
    if names and (place / f"{names[0]}.py").exists():
        source = place / f"{names.pop(0)}.py"
    text = source.read_text() if source.exists() else ""
    return all(re.search(rf"^\s*(?:def |class )?{name}\b", text, re.M) for name in names)


def is_key(dotted: str) -> bool:
    """A key of a study's file or of config/config.yaml, some sections of which are called like packages."""
    section, key = dotted.split(".")[:2]
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    field = Study.model_fields.get(section)
    return key in config.get(section, {}) or bool(field and key in field.annotation.model_fields)


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    return {path: prose(path) for path in FILES if path.endswith((".py", *PROSE))}


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return {path: prose(path) for path in FILES if path.endswith(".md")}


def said(texts: dict[str, str], pattern: re.Pattern) -> list[tuple[str, str]]:
    """(where, what), enough of them that the pattern finds what it is for."""
    found = sorted({(path, name) for path, text in texts.items() for name in pattern.findall(text)})
    assert len(found) > 30
    return found


@pytest.mark.slow
def test_files_that_are_mentioned_exist(texts):
    assert not is_file("crossover/figures.py") and is_file("training/loop.py")
    ours = [(path, name) for path, name in said(texts, FILE) if not name.startswith(OF_OTHERS)]
    assert [(path, name) for path, name in ours if not is_file(name)] == []


@pytest.mark.slow
def test_modules_that_are_mentioned_exist(texts):
    assert not is_name("crossover.figures", ROOT) and is_name("crossover.core.paths.ROOT", ROOT)
    ours = [(path, name) for path, name in said(texts, MODULE) if not name.endswith((".csv", ".md"))]
    own = {"crossover.networks.mynetwork", "crossover.networks.torch.mynetwork"}  # of whoever adds one
    assert [(path, name) for path, name in ours if name not in own and not is_name(name, ROOT)] == []


@pytest.mark.slow
def test_names_within_packages_that_are_mentioned_exist(texts):
    assert not is_key("statistics.comparison") and is_key("statistics.metric")
    ours = [(path, name) for path, name in said(texts, WITHIN) if not name.endswith((".csv", ".yaml"))]
    assert [(p, name) for p, name in ours if not (is_name(name, LIBRARY) or is_key(name))] == []


def test_commands_that_pages_name_exist(pages):
    known = {command.__name__.replace("_", "-") for command in COMMANDS} | {*GROUPS}
    assert [(page, name) for page, name in said(pages, COMMAND) if name not in known] == []


def test_the_readme_has_600_words_at_most():
    assert len((ROOT / "README.md").read_text().split()) <= 600


def test_every_page_is_in_the_navigation_and_every_entry_is_a_page():
    """mkdocs says so too, where it is installed; pages from outside docs/ are those of docs/outside.py."""
    navigation = re.search(r"^nav:\n((?: .*\n)+)", (ROOT / "mkdocs.yml").read_text(), re.M)[1]
    entries = re.findall(r": ([\w-]+\.md)", navigation)
    added = re.search(r"^PAGES = .*", (ROOT / "docs/outside.py").read_text(), re.M)[0]
    outside = re.findall(r'"\S+\.md": "(\S+\.md)"', added)
    assert sorted(entries) == sorted([*(path.name for path in (ROOT / "docs").glob("*.md")), *outside])


def test_every_figure_of_a_page_is_one_that_a_command_beside_it_makes_and_a_test_checks():
    """tests/test_redraw.py checks the demo's figure, tests/test_pictures.py the pictures of the code."""
    made = {"docs/demo/uterus/subgroups.png": "crossover figures uterus", "docs/workflow.svg": "make pictures"}
    made["docs/demo/headneck/learning_curves.png"] = "crossover figures headneck"
    made["docs/packages.svg"] = made["docs/workflow.svg"]
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
    shown = [(page, name) for page in pages for name in re.findall(r"!\[[^]]*\]\(([^)]*)\)", page.read_text())]
    assert len(shown) >= 5
    for page, name in shown:
        figure = (page.parent / name).resolve().relative_to(ROOT).as_posix()
        assert made[figure] in page.read_text(), (page.name, figure)

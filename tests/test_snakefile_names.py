"""The names of Snakefile and rules, which Snakemake executes among its own."""

import ast
import re

import snakemake.api
import snakemake.workflow

from tests.dry_runs import ROOT

OURS = re.compile(r"^(?:from|import) .*?(?:\((?:[^)]*)\)|$)|^def \w+\(|^[A-Za-z_]\w* = ", re.M | re.S)


def names_in(text: str) -> set[str]:
    """Return the names that imports, functions and assignments of a rules file give."""
    found = set()
    for match in OURS.finditer(text):
        line = match[0]
        if line.startswith(("from", "import")):
            (statement,) = ast.parse(line).body
            assert isinstance(statement, ast.Import | ast.ImportFrom)
            found |= {alias.asname or alias.name.partition(".")[0] for alias in statement.names}
        else:
            found.add(re.match(r"(?:def )?(\w+)", line)[1])  # type: ignore[index]
    return found


def test_no_class_or_function_of_snakemakes_workflow_is_replaced():
    """A second workflow that is read in one process, as `crossover verify` does, would be made of what replaced it."""
    texts = [path.read_text() for path in (ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk"))]
    ours = set().union(*map(names_in, texts))
    assert {"Wildcards", "canonical", "refuse_to_throw_away"} <= ours
    own = vars(snakemake.workflow)
    the_same = {"Callable", "Iterable", "Mapping", "Path", "WorkflowError"}  # imported from where Snakemake has them
    assert not {name for name in ours & own.keys() if callable(own[name])} - the_same

"""The names of Snakefile and rules, which Snakemake executes among its own."""

import ast
import json
import re
import subprocess
import sys

from tests.dry_runs import ROOT

# Asked of a process of its own: one that has read a workflow, as other tests do, has our names among Snakemake's.
OWN = """
import json, snakemake.api
from snakemake import workflow
print(json.dumps([name for name, what in vars(workflow).items() if callable(what)]))
"""
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
    asked = subprocess.run([sys.executable, "-c", OWN], capture_output=True, text=True, check=True)
    own = set(json.loads(asked.stdout))
    assert {"Workflow", "Rules"} <= own
    the_same = {"Callable", "Iterable", "Mapping", "Path", "WorkflowError"}  # imported from where Snakemake has them
    assert not (ours & own) - the_same

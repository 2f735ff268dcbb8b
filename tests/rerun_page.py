"""docs/reruns.md as data, and studies as after a run that never was."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path

from crossover.analyses import registry
from crossover.core.configuration import ConfigError
from crossover.core.source_code import closure
from tests.dry_runs import ROOT, Server

SCALE = "smoke"
TEXT = (ROOT / "docs/reruns.md").read_text()
STUDIES = sorted(p.stem for p in (ROOT / "config/studies").glob("*.yaml"))


# ---- the page


def section(title: str) -> str:
    return TEXT.split(f"## {title}\n")[1].split("\n## ")[0]


def rows(title: str) -> Iterator[list[str]]:
    """The cells of a table's rows."""
    for line in section(title).splitlines()[1:]:
        if line.startswith("| `"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def named(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def analyses_of(read: str) -> set[str]:
    """The rules of the analyses that declare a table, a source or a setting."""
    return {
        analysis.rule
        for analysis in registry.analyses()
        for declared in [analysis.declared]
        if read in {*declared.reads, *declared.sources, *declared.settings}
    }


def importing(path: str) -> set[str]:
    """The rules of the analyses whose module imports a file, directly or not."""
    return {
        analysis.rule
        for analysis in registry.analyses()
        if path in closure(analysis.source, "workflow_scripts/analysis.py")
    }


def expanded(cell: str) -> list[tuple[str, str]]:
    """(rule, arrow) of all that a cell names."""
    return [
        (rule, arrow)
        for name, arrow in re.findall(r"`([^`]+)`( →)?", cell)
        for rule in sorted(
            analyses_of(name.removeprefix("analyses of "))
            if name.startswith("analyses of ")
            else importing(name.removeprefix("analyses that import "))
            if name.startswith("analyses that import ")
            else {name}
        )
    ]


READ_BY = {
    rule: {reader for reader, _ in expanded(readers)}
    for rules, readers in rows("What reads what")
    for rule in named(rules)
}
READ_BY |= {analysis.rule: {"report"}.union(*map(analyses_of, analysis.outputs)) for analysis in registry.analyses()}
LEAVES = [
    (pattern, cell) for cells in rows("A value in a study's file") for pattern in named(cells[0]) for cell in [cells[1]]
]
REFUSED = named(section("What cannot be changed alone"))


def fits(leaf: str, pattern: str) -> bool:
    """Whether a pattern is the leaf's beginning, key by key."""
    keys, wanted = leaf.split("."), pattern.split(".")
    return len(keys) >= len(wanted) and all(map(fnmatchcase, keys, wanted))


def closed(cell: str, rules: set[str]) -> set[str]:
    """The rules that a cell names, of those given, and with an arrow all that follow; the report with them.

    A study's last job, `values`, follows all but what is only printed.
    """
    found: set[str] = set()
    for rule, arrow in expanded(cell):
        found |= following(rule, rules) if arrow else {rule} & rules
    found |= {"values"} & rules if found - {"report"} else set()
    return found | {"report"} if found - {"values"} else found


def following(rule: str, rules: set[str]) -> set[str]:
    found, waiting = set(), [rule]
    while waiting:
        name = waiting.pop()
        if name in rules - found:
            found.add(name)
            waiting += READ_BY.get(name, ())
    return found


# ---- the workflow


class Pretended:
    """Studies, as after a run in the server's folder."""

    def __init__(self, server: Server, studies: str) -> None:
        self.server, self.folder = server, server.folder
        for earlier in ("data", "results"):  # of a study whose cohorts have the same names
            shutil.rmtree(self.folder / earlier, ignore_errors=True)
        self.config = {"studies": studies, "scale": SCALE}
        if studies.startswith("headneck"):  # they have no phantoms
            (self.folder / "patients").mkdir(exist_ok=True)
            (self.folder / "patients/scan.bin").write_bytes(b"1")
            self.config["data"] = str(self.folder / "patients")
        self.rules = {*self.dry_run()}
        self.first, self.studies = self.last, studies.split(",")
        self.server.pretend(self.config)

    def dry_run(self, why: bool = False) -> list[str]:
        """The rules that would run.

        Raises:
            ConfigError: the run would be refused.
        """
        answer = self.server.ask(config=self.config, why=why)
        if "refused" in answer:
            raise ConfigError(answer["refused"])
        self.last = answer["jobs"]
        return sorted({job["rule"] for job in answer["jobs"]})

    def after(self, path: str, text: str, why: bool = False) -> set[str]:
        """The rules that would run if a file had another text."""
        with self._as_it_is(path) as file:
            file.write_text(text)
            return set(self.dry_run(why))

    def changed(self, path: str, texts: list[str]) -> list[list[str] | str | None]:
        """As `Server.changed`."""
        with self._as_it_is(path):
            return self.server.changed(self.config, path, texts)

    @contextmanager
    def _as_it_is(self, path: str) -> Iterator[Path]:
        """Leaves a file with its text and time, whatever is written to it meanwhile."""
        file = self.folder / path
        kept, state = file.read_text(), file.stat()
        try:
            yield file
        finally:
            file.write_text(kept)
            os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))

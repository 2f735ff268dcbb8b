"""The forecast of a run as tables for people: why anything runs, and what runs."""

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from crossover.core.terminal import Table
from crossover.core.wording import counted, duration
from crossover.execution.forecast import Planned, Reason, wall_seconds
from crossover.execution.live import kind

KINDS = {
    "setting": "setting",
    "code": "source",
    "input": "input",
    "missing": "not there",
    "record": "record",
}

FEW_FILES = 3
"""How many files of one folder that are read, or no longer, have a row each."""


def show(rows: list[Planned], cores: int, console: Console) -> None:
    """Print a forecast, see `crossover.execution.forecast.forecast`."""
    if not rows:
        console.print("Nothing to be done: all outputs exist and are up to date.")
        return
    causes = _causes(rows)
    if causes.rows:
        console.print(causes)
    console.print(_jobs(rows))
    stages = sum(len(row.stages) for row in rows)
    unknown = sum(row.expected_s is None for row in rows)
    may_stay = any(map(_may_stay, rows))
    line = f"{counted(len(rows), 'job')} (Snakemake counts `all` as one more), "
    line += "at most " * may_stay + counted(stages, "training")
    wall = wall_seconds(rows, cores)
    if wall is not None:
        line += f"; about {duration(wall)} on {counted(cores, 'core')}"
    if unknown:
        line += f"; not counted: {counted(unknown, 'job')} of unknown time, since nothing like them has run here"
    console.print(line)
    if may_stay:
        console.print("Of these trainings, those whose own cases turn out to be as before are kept, not made again.")


def _may_stay(row: Planned) -> bool:
    """Return whether trainings that are there may be kept: all that changed is what they read, or which there are."""
    only_read = all(why.kind in ("follows", "input", "missing") or why.what.startswith("stages") for why in row.why)
    return bool(row.stages) and row.last_s is not None and only_read


def _causes(rows: list[Planned]) -> Table:
    """Return each difference once, with the rules that it concerns; what was never made stands with the jobs."""
    of: dict[tuple[str, ...], dict[str, int]] = {}
    key: tuple[str, ...]
    for row in rows:
        for why in row.why:
            if why.kind in ("setting", "code", "input", "record"):
                key = (KINDS[why.kind], *_place(row, why), why.before, why.now)
                rules = of.setdefault(key, {})
                rules[row.rule] = rules.get(row.rule, 0) + 1
    table = Table("", "study", "what changed", "before", "now", "reruns", title="Why",
                  title_justify="left")  # fmt: skip
    texts = {k: ", ".join(rule if n == 1 else f"{rule} ({n})" for rule, n in rules.items()) for k, rules in of.items()}
    for cells in _joined(texts):
        table.add_row(*cells)
    return table


def _joined(texts: Mapping[tuple[str, ...], str]) -> list[tuple[str, ...]]:
    """Return the rows of a table, in which many files of one folder that are read, or no longer, are one row.

    Args:
        texts: the cells of each row but the last -> the last.
    """
    groups: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for key, text in texts.items():
        what, study, place, *values = key
        alike = what == KINDS["input"] and all(values)  # without a value before, the file's content changed
        where = "/".join(Path(place).parts[:2]) if alike else place
        groups.setdefault((what, study, where, *values, text), []).append((*key, text))
    rows = []
    for (what, study, where, *rest), own in groups.items():
        many = (what, study, f"{counted(len(own), 'file')} of {where}", *rest)
        rows += own if len(own) <= FEW_FILES else [many]
    return rows


def _place(row: Planned, why: Reason) -> tuple[str, str]:
    """Return the study and the place of a difference; the report reads the settings of all studies."""
    if why.kind != "setting":
        return "", why.what
    if why.what.startswith("studies.") and why.what.count(".") > 1:
        _, study, place = why.what.split(".", 2)
        return study, place
    return row.study or row.cohort or "", why.what


def _jobs(rows: list[Planned]) -> Table:
    """Return the jobs, those of one step and study and with one kind of reason together."""
    groups: dict[tuple[str, str, str], list[Planned]] = {}
    for row in rows:
        groups.setdefault((row.study or "", _step(row.rule), _reason(row)), []).append(row)
    ran = any(row.last_s is not None for row in rows)
    titles = ("study", "step", "jobs", "makes", "why", *(["last time"] if ran else []), "will take")
    table = Table(*titles, title="What runs", title_justify="left")
    steps = {row.job: _step(row.rule) for row in rows}
    for (study, step, reason), group in groups.items():
        before = {steps[job] for row in group for job in row.after} - {step}
        why = reason or f"after {', '.join(sorted(before))}"
        times = [_total([row.last_s for row in group])] if ran else []
        times.append(_total([row.expected_s for row in group]))
        table.add_row(study, step, str(len(group)), _made(group), why, *times)
    return table


def _step(rule: str) -> str:
    """Return the rule, or of tables, figures and statistics which of these it makes: a study has dozens of them."""
    return kind(rule) if kind(rule) in ("tables", "figures", "statistics") else rule


def _reason(row: Planned) -> str:
    """Return the kinds of what differs for a job itself; "" where it only runs after others."""
    return ", ".join(dict.fromkeys(KINDS[why.kind] for why in row.why if why.kind != "follows"))


def _total(seconds: list[float | None]) -> str:
    """Return the sum of the times that are known as text; a dash where none is."""
    known = [each for each in seconds if each is not None]
    return duration(sum(known)) if known else "-"


def _made(group: list[Planned], most: int = 2) -> str:
    """Return the first stages or files that jobs make, and how many more."""
    stages = [name for row in group for name in row.stages]
    kept = sum(len(row.kept) for row in group)
    files = [path for row in group for path in row.outputs]
    names, unit = (stages, "stage") if stages else ([_short(path) for path in files], "file")
    more = f" and {counted(len(names) - most, f'more {unit}')}" if len(names) > most else ""
    return ", ".join(names[:most]) + more + (f"; {counted(kept, 'stage')} kept" if kept else "")


def _short(path: str) -> str:
    """Leave out the folders that the other columns tell."""
    parts = Path(path).parts
    return "/".join(parts[2:] if parts[0] == "results" and len(parts) > 2 else parts)

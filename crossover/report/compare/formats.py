"""Scores of one file as rows by role: a table by its columns, other tools' files as `score_files` reads them."""

import shlex
from collections.abc import Mapping
from glob import glob
from pathlib import Path

import pandas as pd

from crossover.core.cells import TableError, named_rows, numbers
from crossover.core.tables import RawTable, read_table
from crossover.report.compare.roles import ROLES, Said, assign, hint, may_be_models, wide
from crossover.sources import score_files
from crossover.sources.score_files import ScoreFile
from crossover.statistics.scores.metrics_table import METRICS
from crossover.statistics.scores.scales import DIAGONAL, MANUAL, plain

_SUMMARIES = ("summary.json", "fold_*/validation/summary.json")
"""Where nnU-Net writes the scores of a folder of masks, and those of a model's folds."""
_WHOLE = ("n_train", "replicate", "draw", "fold")


def read_scores(source: str, said: Said) -> ScoreFile:
    """Read one file, `PATH` or `NAME=PATH`; NAME is the model where the file names none.

    Returns:
        Its scores; findings name the file.

    Raises:
        TableError: the file is of no known kind or can't be read; the message names it and says why.
    """
    name, path = _named(source)
    try:
        scores = _read(path, name, said)
    except (TableError, OSError) as error:
        raise TableError("\n".join(f"{path}: {line}" for line in str(error).splitlines())) from None
    scores.findings = [f"{path}: {finding}" for finding in scores.findings]
    return scores


def expanded(source: str) -> list[str]:
    """Return the files that a pattern after a name stands for, which a shell leaves as it is: "base=fold_*/x.json".

    The source itself where it is no pattern, or none of a file.
    """
    name, path = _named(source)
    found = [] if path.exists() or not set("*?[") & set(str(path)) else sorted(glob(str(path)))
    return [f"{name}={file}" if name else file for file in found] or [source]


def _named(source: str) -> tuple[str, Path]:
    """Return the name that is given with a path ("" for none), and the path."""
    name, equals, path = source.partition("=")
    return (name.strip(), Path(path)) if equals and not Path(source).exists() else ("", Path(source))


def _read(path: Path, name: str, said: Said) -> ScoreFile:
    if not path.is_file():
        inside = next((f": give {path / name}" for name in _SUMMARIES if any(path.glob(name))), "")
        raise TableError(f"a folder, not a file{inside}" if path.is_dir() else "there is no such file")
    if path.suffix.lower() == ".json":
        return score_files.nnunet(path, name, said.metric)
    table = read_table(path, repeated=("mean",))
    return _monai(table, path, name, said) if score_files.is_monai(table) else _tidy(table, path, name, said)


def _monai(table: RawTable, path: Path, name: str, said: Said) -> ScoreFile:
    called = score_files.monai_metric(path)
    scores = score_files.monai(table, path, name, said.metric(called))
    if not said.metric(called):
        scores.findings.append(
            f"the file's name tells no metric that is known ({', '.join(METRICS)}): "
            + (hint(called) or f"say --metric {called} to have it compared as what it is")
        )
    return scores


def _tidy(table: RawTable, path: Path, name: str, said: Said) -> ScoreFile:
    named = name or "model" in said.columns or any(plain(c) in map(plain, ROLES["model"]) for c in table.rows)
    models = [] if named else may_be_models(table.rows, said)
    long, of_columns = _by_structure(table.rows, said) if named or models else (table.rows, [])
    rows, taken, notes, findings = assign(long, said, bool(name))
    notes = [*of_columns, *notes]
    if not any(column in METRICS or column in said.metrics for column in rows):
        kept = [*taken.values(), *models]
        findings += _melted(table.rows, path, kept, "structure" if named or models else "model")
    for column in rows:
        if column in ROLES and column not in (*_WHOLE, DIAGONAL, MANUAL):
            continue
        rows[column], wrong = numbers(rows[column], table.decimal)
        findings += wrong
        if column in _WHOLE and (rows[column].dropna() % 1 == 0).all():
            rows[column] = rows[column].astype("Int64")
    for column in ("model", "case", "structure", "cohort"):
        if column in rows and (blank := rows.index[rows[column] == ""].tolist()):
            findings.append(f"{column}: empty in {named_rows(blank)}")
    if "draw" not in rows and "seed" in plain(taken.get("replicate", "")):
        rows = rows.assign(draw=0)
        notes.append(
            "seeds are taken for trainings on the same training cases: "
            f"--column draw={taken['replicate']} if each has cases of its own"
        )
    if name and "model" not in rows:
        rows, notes = rows.assign(model=name), [*notes, f"the model is {name!r}"]
    if "model" not in rows:
        findings.append(_no_model(table.rows, taken, models))
    return ScoreFile(rows, set(table.rows), table.notes + notes, findings)


def _no_model(rows: pd.DataFrame, taken: Mapping[str, str], models: list[str]) -> str:
    """Say that no column names the models, and which may: those with several values for a case."""
    called = ", ".join(name for name in ROLES["model"] if name != "model")
    if not models:
        return f"no column model (nor {called}); say which is it, as --column model=NAME"
    counts = rows.groupby(taken["case"])[models].nunique().median()
    several = ", ".join(f"{column} has {counts[column]:.0f} values for each case" for column in models)
    choice = " or ".join(f"--column model={shlex.quote(column)}" for column in models)
    return f"no column model (nor {called}); {several}: if these are the models, say {choice}"


def _by_structure(rows: pd.DataFrame, said: Said) -> tuple[pd.DataFrame, list[str]]:
    """Return a table with a column for each metric and structure as one with a row for each structure, and a note.

    Its models must be known to stand elsewhere: else the columns may be those of models.
    """
    found = wide(map(str, rows), said)
    if not found:
        return rows, []
    others = rows.drop(columns=list(found))
    parts = []
    for structure in dict.fromkeys(of for _, of in found.values()):
        own = {metric: rows[column] for column, (metric, of) in found.items() if of == structure}
        parts.append(others.assign(structure=structure, **own))
    told = ", ".join(f"{column} is {metric} of {structure}" for column, (metric, structure) in found.items())
    return pd.concat(parts), [f"columns of one metric and structure each: {told}"]


def _melted(rows: pd.DataFrame, path: Path, kept: list[str], what: str) -> list[str]:
    """Return the line of Python that turns a table with a column for each structure, or model, into rows of them."""
    scores = [column for column in rows if column not in kept and not numbers(rows[column], ".")[1]]
    if len(scores) < 2:
        return []
    read = "read_excel" if path.suffix.lower().startswith(".xls") else "read_csv"
    return [
        f"as rows, if {', '.join(map(str, scores))} are the scores of {what}s: import pandas; "
        f'pandas.{read}("{path}").melt('
        f'id_vars={kept}, value_vars={scores}, var_name="{what}", value_name="dsc").to_csv("long.csv", index=False)'
    ]

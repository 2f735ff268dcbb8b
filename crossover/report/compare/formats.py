"""Scores of one file as rows by role: a table by its columns, other tools' files as `score_files` reads them."""

from pathlib import Path

from crossover.core.cells import TableError, named_rows, numbers
from crossover.core.tables import RawTable, read_table
from crossover.report.compare.roles import ROLES, Said, assign, hint
from crossover.sources import score_files
from crossover.sources.score_files import ScoreFile
from crossover.statistics.scores.metrics_table import METRICS
from crossover.statistics.scores.scales import DIAGONAL, MANUAL, plain

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


def _named(source: str) -> tuple[str, Path]:
    """Return the name that is given with a path ("" for none), and the path."""
    name, equals, path = source.partition("=")
    return (name.strip(), Path(path)) if equals and not Path(source).exists() else ("", Path(source))


def _read(path: Path, name: str, said: Said) -> ScoreFile:
    if not path.is_file():
        summary = path / "summary.json"
        inside = f": give its {summary.name}" if summary.exists() else ""
        raise TableError(f"a folder, not a file{inside}" if path.is_dir() else "there is no such file")
    if path.suffix.lower() == ".json":
        return score_files.nnunet(path, name, said.metric)
    table = read_table(path, repeated=("mean",))
    return _monai(table, path, name, said) if score_files.is_monai(table) else _tidy(table, name, said)


def _monai(table: RawTable, path: Path, name: str, said: Said) -> ScoreFile:
    called = score_files.monai_metric(path)
    scores = score_files.monai(table, path, name, said.metric(called))
    if not said.metric(called):
        scores.findings.append(
            f"the file's name tells no metric that is known ({', '.join(METRICS)}): "
            + (hint(called) or f"say --metric {called} to have it compared as what it is")
        )
    return scores


def _tidy(table: RawTable, name: str, said: Said) -> ScoreFile:
    rows, taken, notes, findings = assign(table.rows, said)
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
    return ScoreFile(rows, set(table.rows), table.notes + notes, findings)

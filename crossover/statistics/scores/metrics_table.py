"""The contract between learning and statistics: one tidy table, read, checked and completed.

One row for each model, test case and structure. Nothing here knows a study, a model or a cohort;
whoever made the table, it has at least the columns of `REQUIRED`.
"""

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from crossover.core.cells import MISSING, TableError, named_rows, numbers, uncomputed_cells
from crossover.core.tables import read_plain_table, read_table
from crossover.core.wording import first_few
from crossover.statistics.scores.scales import DIAGONAL, KNOWN, MANUAL, scale

log = logging.getLogger(__name__)

REQUIRED = (
    "model", "level", "n_train", "replicate", "fold", "cohort", "case", "structure",
    "dsc", "iou", "hd95_mm", "nsd",
)  # fmt: skip
METRICS = tuple(KNOWN)
SIZES = (MANUAL, "volume_predicted_ml", DIAGONAL)
"""What is known of the masks and the image."""
TEXT = ("model", "family", "strategy", "level", "cohort", "patient", "case", "structure")
POOLED = "all"
"""The test set of all cohorts together, and the structure that is the mean of all."""
MEAN_NAME, ALL_SETS_NAME = "mean over the structures", "all test sets"
"""What pages, figures and the terminal call these two."""
ONLY_STRUCTURE = "structure"
"""What the structure of a table without that column is called."""
WITHOUT_TRAINING = " (n = 0)"
"""What the name of a family of sizes ends with where it was trained on no labelled case."""

_ALWAYS = ("dsc", "iou", "nsd")  # the others may be missing: no HD95 where one mask is empty
_WHOLE = ("n_train", "replicate", "draw", "fold")
_KEY = ["model", "cohort", "case", "structure"]
_SUFFIXES = re.compile(r"(-[nrf]\d+)+$")  # size, replicate and fold at the end of a model's name
_NAMED = 5  # how many of a finding's places are named before "and ... more"


def read_metrics(path: Path) -> pd.DataFrame:
    """Read metrics.csv, also one that a person made, and check it.

    A distance (hd95_mm) that is infinite, as other tools write it where one mask is empty, is missing, as in
    our own tables: its DSC of 0 counts. This and what else was done to read the table is logged.

    Raises:
        TableError: the table is not what `check_metrics` asks for; the message names the file and all that is
            wrong.
    """
    try:
        plain = read_plain_table(path, REQUIRED, {*_WHOLE, *METRICS, *SIZES})
        if plain is not None:
            return check_metrics(plain).reset_index(drop=True)
        read = read_table(path, needed=REQUIRED)
        table, notes = _finite_distances(read.rows, read.notes)
        checked = check_metrics(table, decimal=read.decimal).reset_index(drop=True)
    except TableError as error:
        raise error.of(path) from None
    for note in notes:
        log.warning("%s: %s", path, note)
    return checked


def _finite_distances(table: pd.DataFrame, notes: list[str]) -> tuple[pd.DataFrame, list[str]]:
    infinite = table["hd95_mm"].str.lower().isin(["inf", "+inf", "infinity", "∞"])
    if not infinite.any():
        return table, notes
    rows = named_rows(list(table.index[infinite]))
    note = f"hd95_mm is infinite in {rows}: taken as missing, as it is if one mask is empty"
    return table.assign(hd95_mm=table["hd95_mm"].mask(infinite, "")), [*notes, note]


def check_metrics(
    table: pd.DataFrame,
    required: Sequence[str] = REQUIRED,
    decimal: str = ".",
    infinite: bool = False,
) -> pd.DataFrame:
    """Check a metrics table and complete it.

    Args:
        table: at least the columns `required`; it is not changed.
        required: columns that have to be there; a metric that isn't among them may be missing anywhere.
        decimal: the decimal sign of numbers that are text, as `core.tables.RawTable.decimal`.
        infinite: whether a distance may be infinite, which other tools write where one mask is empty.

    Returns:
        A copy with text columns as text ("" for no level), `n_train` and `replicate` int64, `draw` too where
            the table has it (where a row has none, its replicate's number), `fold` Int64 (missing for models
            outside k-fold), the metrics float, and `family` and `strategy`, derived from `model` and `level`
            where the table hasn't them: the strategy is the model's name without level, size, replicate and
            fold; the family is the strategy with its level. What a family of sizes scores with n = 0 is a family
            of its own.

    Raises:
        TableError: columns are missing (the message names all of them); else every wrong value, model
        described in two ways, and repeated (model, cohort, case, structure), together.
    """
    missing = [column for column in required if column not in table]
    if missing:
        raise TableError(f"missing columns: {', '.join(missing)}")
    table = table.copy()
    for column in set(TEXT) & set(table):
        if table[column].dtype != "str" or table[column].hasnans:
            table[column] = table[column].astype("string").fillna("").astype(str)
    findings = [*_numbers(table, required, decimal, infinite), *_texts(table)]
    table = _with_families(table)
    findings += [*_models(table), *_patients(table), *_duplicates(table)]
    if findings:
        raise TableError("\n".join(findings))
    table = table.astype({"n_train": "int64", "replicate": "int64", "fold": "Int64"})
    if "draw" in table:
        table["draw"] = table["draw"].fillna(table["replicate"]).astype("int64")
    table = _apart_without_training(table)
    if findings := list(_twice_the_same(table)):
        raise TableError("\n".join(findings))
    return table


def _apart_without_training(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table in which the rows with n = 0 of a family of sizes are a family of their own, "<family> (n = 0)".

    A family without sizes counts as the same at all n, which one with sizes can't be.
    """
    none = table["n_train"] == 0
    apart = none & table["family"].isin(table.loc[~none, "family"].unique())
    if not apart.any():
        return table
    return table.assign(family=table["family"].mask(apart, table["family"] + WITHOUT_TRAINING))


def test_sets(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return each cohort's rows by its name, in the table's order, then all rows as "all"."""
    cohorts = {str(name): rows for name, rows in table.groupby("cohort", sort=False)}
    return {**cohorts, POOLED: table}


vars(test_sets)["__test__"] = False  # pytest takes it for a test where a test module imports it


def by_test_set(table: pd.DataFrame, make: Callable[[pd.DataFrame], pd.DataFrame]) -> pd.DataFrame:
    """Return what `make` returns for each of the `test_sets`, its rows with the set's name in the column test_set.

    Where there is one cohort all rows are its rows, and nothing is computed twice.
    """
    sets = test_sets(table)
    if len(sets) == 2:
        found = make(table)
        return pd.concat([found.assign(test_set=name) for name in sets], ignore_index=True)
    found = {name: made for name, rows in sets.items() if len(made := make(rows))}  # empty ones have other types
    if not found:
        return make(table).assign(test_set="")
    return pd.concat([rows.assign(test_set=name) for name, rows in found.items()], ignore_index=True)


def of_cohorts(table: pd.DataFrame) -> pd.DataFrame:
    """Leave out the rows of all cohorts where there is one cohort."""
    one = table["test_set"].nunique() == 2
    return table[table["test_set"] != POOLED] if one else table


def pooled_in_words(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table in which `POOLED` reads as what it is: in `test_set` all test sets, in `structure` the mean."""
    words = {"test_set": ALL_SETS_NAME, "structure": MEAN_NAME}
    return table.assign(**{c: table[c].replace({POOLED: name}) for c, name in words.items() if c in table})


def tested(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of test cases.

    Of a family that has models outside k-fold its k-fold models are left out. Their rows are training cases,
    which must not stand beside test cases. A family of k-fold models only has its test cases in them: each in
    all folds, where every fold's model is tested on the same, or in one.
    """
    unfolded = table["fold"].isna()
    return table[unfolded | ~table["family"].isin(table.loc[unfolded, "family"])]


def with_runs(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of `tested` with the column `run`, which names what counts as a training: "replicate/fold".

    Where a model has several draws of the training cases (`several_draws`) it is "draw/fold" for all, so that a case
    has a row for each training of a draw: trainings on the same cases don't say what other cases would have given, and
    are averaged. So are those of a model that has one draw: their small spread beside that of other models' draws would
    be taken for that of draws. The fold is empty outside k-fold.
    """
    run = table["draw" if several_draws(table) else "replicate"].astype(str)
    return table.assign(run=run + "/" + table["fold"].astype("string").fillna(""))


def several_draws(table: pd.DataFrame) -> bool:
    """Return whether a model of a table has several draws of the training cases, of those with sizes where any has."""
    if "draw" not in table:
        return False
    rows = table[table["n_train"] > 0] if table["n_train"].any() else table
    return bool(rows.groupby(["family", "n_train"])["draw"].nunique().gt(1).any())


def folds_of(runs: Iterable[str]) -> int:
    """Return how many folds the trainings of these names (`with_runs`) are of; 0 where one is of none."""
    folds = {run.partition("/")[2] for run in runs}
    return 0 if "" in folds else len(folds)


def with_all_structures(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a table by which a training's mean over the structures of a case can be computed.

    A training that lacks a structure of a case, which another training of the same model has, has no mean over the
    case's structures: what is left would be the mean of something else.

    Args:
        table: of `tested`, with one row for each training, case and structure that has a score.
    """
    case = ["family", "n_train", "cohort", "case"]
    training = [*case, *(c for c in ("replicate", "draw", "fold") if c in table)]
    own = table.groupby(training, dropna=False, sort=False)["structure"].transform("nunique")
    return table[own == table.groupby(case, sort=False)["structure"].transform("nunique")]


def with_their_mean(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return rows of several structures after those of their mean, "all", as a comparison has it (`paired`).

    It is of the structures that a case has, and of the models that have all structures.

    Args:
        rows: of `tested`, with one row for each training, case and structure that has a score.
    """
    structures = rows["structure"].nunique()
    if structures < 2:
        return rows
    has = rows.groupby(["family", "n_train"])["structure"].transform("nunique")
    training = [c for c in ("family", "n_train", "replicate", "draw", "fold", "cohort", "patient", "case") if c in rows]
    cases = (
        rows[has == structures]
        .groupby(training, dropna=False, sort=False)
        .agg({metric: "mean", "structure": "size", "model": "first"})
    )
    most = cases.groupby(["cohort", "case"])["structure"].transform("max")
    whole = cases[cases["structure"] == most].reset_index().assign(structure=POOLED)
    return pd.concat([whole, rows], ignore_index=True)


def mean_by_place(values: np.ndarray, place: tuple[np.ndarray, ...], shape: tuple[int, ...]) -> np.ndarray:
    """Return an array with the mean of the values of each place in it; NaN where there is none.

    Args:
        values: NaN ones are left out.
        place: for each axis the indices of the values.
        shape: of the array.
    """
    known = ~np.isnan(values)
    cell = np.ravel_multi_index(place, shape)[known]
    size = int(np.prod(shape))
    sums = np.bincount(cell, values[known], size)
    with np.errstate(invalid="ignore"):
        return (sums / np.bincount(cell, minlength=size)).reshape(shape)


def compared(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows by which models are compared: one for each family, size, case and structure.

    A case's value is the mean over replicates and folds (missing values left out), since neither are further
    cases; `model` is then the name of the first. `tested` says which rows count.
    """
    table = tested(table)
    by = ["family", "strategy", "level", "n_train", "cohort", "case", "structure"]
    known = (*METRICS, *SIZES)
    others = [c for c in table.select_dtypes("float") if c not in (*known, "n_train", "fold")]
    numbers = [*(m for m in known if m in table), *others]
    how = {"model": "first", **dict.fromkeys(numbers, "mean")}
    table = table.sort_values(["replicate", "fold"], kind="stable")
    averaged = table.groupby(by, sort=False, as_index=False).agg(how)
    return averaged[["model", *by, *numbers]]


def metrics_of(table: pd.DataFrame) -> list[str]:
    """Return the known metrics that a table has, in a fixed order."""
    return [metric for metric in METRICS if metric in table]


def _numbers(table: pd.DataFrame, required: Sequence[str], decimal: str, infinite: bool) -> Iterator[str]:
    """Turn number columns into numbers, in place, and yield a message for what is none, missing or out of range."""
    for column in (*_WHOLE, *METRICS, *SIZES):
        if column not in table:
            continue
        given = table[column]
        if pd.api.types.is_numeric_dtype(given):
            values = given.astype(float)
        else:
            plain = given.dtype == "str" and not given.isna().any()
            given = given if plain else given.astype("string").fillna("").astype(str)
            values, wrong = numbers(given, decimal)
            yield from wrong
        table[column] = values
        needed = column in ("n_train", "replicate", *_ALWAYS) and column in required
        gone = np.flatnonzero(values.isna()).tolist() if needed else []
        blank = [k for k in gone if str(given.iloc[k]).strip().lower() in MISSING]
        if blank:
            yield f"{column}: missing in {len(blank)} rows ({_rows(table.iloc[blank])})"
        whole = column in _WHOLE
        low, top = scale(column) if column in KNOWN else (0.0, np.inf)
        outside = (values < low) | (values > top)
        outside |= whole & values.notna() & (values % 1 != 0)
        distance = infinite and column in KNOWN and KNOWN[column].is_distance
        endless = np.isneginf(values) if distance else np.isinf(values)
        if endless.any():
            yield (
                f"{column}: infinite in {int(endless.sum())} rows ({_rows(table[endless])}); leave such cells "
                "empty, so that they count as missing, or write the worst value that there can be"
            )
        outside &= ~endless
        if outside.any():
            to = f" to {top:g}" if top < float("inf") else ""
            kind = "a whole number from 0" if whole else f"a finite number from {low:g}{to}"
            percent = top == 1 and 1 < values[outside].max() <= 100
            advice = "; are they per cent? Divide them by 100" if percent else ""
            yield f"{column}: not {kind} in {int(outside.sum())} rows ({_rows(table[outside])}){advice}"


def _texts(table: pd.DataFrame) -> Iterator[str]:
    for column in ("model", "cohort", "case", "structure"):
        yield from uncomputed_cells(table[column])
        blank = table[column] == ""
        if blank.any():
            yield f"{column}: empty in {int(blank.sum())} rows"
    if (table["cohort"] == POOLED).any():
        yield f"cohort: {POOLED!r} is the name of all cohorts together; name the cohort otherwise"


def _with_families(table: pd.DataFrame) -> pd.DataFrame:
    pairs = zip(table.get("family", table["model"]), table["level"], strict=True)
    if "strategy" not in table:
        table["strategy"] = [_SUFFIXES.sub("", n).removesuffix(f"-{lv}") for n, lv in pairs]
    if "family" not in table:
        levels = table["level"].where(table["level"] == "", "-" + table["level"])
        table["family"] = table["strategy"] + levels
    return table


def _models(table: pd.DataFrame) -> Iterator[str]:
    columns = ["family", "strategy", "level", *(c for c in _WHOLE if c in table)]
    described = table[["model", *columns]].drop_duplicates()
    for column in columns:
        several = described.groupby("model", sort=False)[column].nunique(dropna=False)
        for model in several.index[several > 1]:
            yield f"{column}: model {model!r} has {several[model]} values; it can have one"


def _patients(table: pd.DataFrame) -> Iterator[str]:
    if "patient" not in table:
        return
    named = table[["cohort", "case", "patient"]].drop_duplicates()
    named = named[named["patient"] != ""].groupby(["cohort", "case"], sort=False)["patient"].unique()
    for (_, case), patients in named[named.str.len() > 1].items():
        said = first_few(list(patients), _NAMED)
        yield f"patient: case {case!r} has {len(patients)} values, {said}; it is of one patient"


def _duplicates(table: pd.DataFrame) -> Iterator[str]:
    again = table[table.duplicated(_KEY)].drop_duplicates(_KEY)
    if len(again):
        yield f"more than one row for the same model, case and structure: {_rows(again)}"


def _twice_the_same(table: pd.DataFrame) -> Iterator[str]:
    """Yield a message for each family of which several models are one and the same training."""
    training = ["family", *(c for c in _WHOLE if c in table)]
    models = table.drop_duplicates("model")  # what describes a model is one thing, see `_models`
    shared = models.loc[models.duplicated(training, keep=False), "model"]
    rows = table[table["model"].isin(shared)]  # of networks for single structures, each has its own
    again = rows[rows.duplicated([*training, "cohort", "case", "structure"], keep=False)]
    for family, own in again.groupby("family", sort=False):
        named = first_few([*own["model"].unique()], 3)
        yield (
            f"family: {family!r}: several models are recorded as the same training ({named}). If they are different "
            "trainings of one method, number them in the column replicate; otherwise give each its own family"
        )


def _rows(rows: pd.DataFrame) -> str:
    return first_few([f"{r.model}/{r.case}/{r.structure}" for r in rows.itertuples()], _NAMED)

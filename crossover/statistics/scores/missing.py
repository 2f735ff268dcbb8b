"""Predictions that a model lacks: found, counted, and what a comparison does about them (docs/compare.md).

A prediction is missing where a model that is tested on a structure has no row for a case which a model tested on the
same cases has a score for; and where its overlap is empty though the case has the structure, as the reference's volume
(`volume_manual_ml`) or another model's overlap shows.
A distance that is infinite, or empty beside a DSC of 0, another model's finite one or a reference that is known to have
the structure, is of a prediction that is there: one mask is empty. It counts as the image's diagonal (`diagonal_mm`)
where the table has it and else as infinite.

A case whose reference mask is empty (`volume_manual_ml` is 0; nnU-Net's n_ref) has nothing to overlap: whatever was
predicted there is no failed segmentation. The case is left out of overlaps and distances for all trainings, and false
positives are counted. Where no volume tells, it is one where one training's overlap is empty and no other's above 0:
zeros there are false positives as nnU-Net scores them. A mean over trainings of which some have a 0 and some no value
would else count as a score of 0 under both models.
"""

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from crossover.core.wording import counted, first_few
from crossover.statistics.scores.metrics_table import TableError, read_metrics, tested
from crossover.statistics.scores.patients import by_patient
from crossover.statistics.scores.scales import DIAGONAL, KNOWN, MANUAL

log = logging.getLogger(__name__)

Policy = Literal["worst", "exclude", "error"]
"""What is done with missing predictions: they count as the metric's worst value; their cases are left out for all
models, so that only cases are compared that every model has; or the table is refused."""
COUNTS = ["test_set", "structure", "family", "n_train", "cases", "common", "missing", "named"]
OVERLAPS = ("dsc", "iou", "nsd")
_TRAINING = ["family", "n_train", "replicate"]
_PLACE = ["cohort", "structure"]
_CASE = [*_PLACE, "case"]
AS_WORST = "counted as the worst value"
_DONE = {"worst": AS_WORST, "exclude": "left out for all models", "error": ""}
_NAMED = 5


def read_completed(path: Path, policy: Policy) -> pd.DataFrame:
    """Read metrics.csv, also one that a person made, as statistics take it (`completed`).

    What is missing is logged. A distance that is infinite is missing, as in `metrics_table.read_metrics`.

    Raises:
        TableError: the table is not what `metrics_table.check_metrics` asks for, or predictions are missing
        and the policy is "error".
    """
    read = read_metrics(path)
    try:
        table, found = completed(read, policy)
    except TableError as error:
        raise error.of(path) from None
    for note in notes(found, policy) if len(found) else ():
        log.warning("%s: %s", path, note)
    return without_endless(table)


def without_endless(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table in which infinite distances are missing, as statistics take them; itself where there are none."""
    endless = {m: np.inf for m in KNOWN if m in table and table[m].eq(np.inf).any()}  # no numbers where it has no rows
    return table.replace(endless, np.nan) if endless else table


def for_figures(table: pd.DataFrame, policy: Policy) -> pd.DataFrame:
    """Return a table that was read as figures take it: as `read_completed` gives it to statistics.

    Raises:
        TableError: as of `filled`.
    """
    return without_endless(completed(table, policy)[0])


def endless(table: pd.DataFrame, metric: str) -> int:
    """Count the distances that `without_endless` leaves out.

    Args:
        table: as of `metrics_table.check_metrics`.
    """
    if metric not in KNOWN or not KNOWN[metric].is_distance:
        return 0
    return int(np.isinf(_with_distances(without_absent(table))[metric]).sum())


def completed(table: pd.DataFrame, policy: Policy) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Complete a table (`filled`) and average a patient's cases (`patients.by_patient`).

    Args, Returns, Raises: as of `filled`.
    """
    whole, found = filled(table, policy)
    return by_patient(whole), found


def filled(table: pd.DataFrame, policy: Policy) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Complete a table by the policy for missing predictions, and give distances to empty masks their worst value.

    Structures that are in no reference are left out first (`without_absent`).

    Args:
        table: as of `metrics_table.check_metrics`.
        policy: what a comparison does about missing predictions.

    Returns:
        The table (itself where nothing is missing), and what was missing (`missing_predictions`).

    Raises:
        TableError: predictions are missing and the policy is "error", or no case is left by "exclude".
    """
    table = without_absent(table)
    found = missing_predictions(table)
    if table.empty:
        return table, found
    if len(found) and policy == "error":
        raise TableError("\n".join(notes(found, policy)))
    if len(found) and policy == "exclude":
        gone = pd.MultiIndex.from_frame(found[_CASE])
        table = table[~pd.MultiIndex.from_frame(table[_CASE]).isin(gone)]
        if table.empty:
            raise TableError("no case is left that every model has a prediction for")
    elif len(found):
        table = _with_worst(table, found)
    return _with_distances(table), found


def without_absent(table: pd.DataFrame) -> pd.DataFrame:
    """Leave the cases without a reference mask out of overlaps and distances, also where something was predicted.

    Where only the scores tell that there is no reference, an overlap is left out and a distance stays (`_no_overlap`).

    Args:
        table: as of `metrics_table.check_metrics`.

    Returns:
        A table of the same rows; itself where there is no such case.
    """
    known = _empty_reference(table)
    found = {m: known | false_positives(table, m) for m in OVERLAPS if m in table}
    found |= {m: known for m in KNOWN if m in table and KNOWN[m].is_distance}
    gone = {m: rows for m, rows in found.items() if (rows & table[m].notna()).any()}
    return table.assign(**{m: table[m].mask(rows) for m, rows in gone.items()}) if gone else table


def false_positives(table: pd.DataFrame, metric: str) -> pd.Series:
    """Return whether each row's overlap is 0 in a case that has no reference mask.

    That is where the mask's volume is 0 or, where no row of the case has a volume, where another training has no value
    and none is above 0. Shape (rows,), with the table's index.
    """
    return table[metric].eq(0) & (_empty_reference(table) | _no_overlap(table, metric))


def _empty_reference(table: pd.DataFrame) -> pd.Series:
    """Return whether each row's case has a reference mask that is known to be empty."""
    return _reference_ml(table).eq(0)


def _reference_ml(table: pd.DataFrame) -> pd.Series:
    """Return the volume of the reference of each row's case; NaN where no row of the case has it."""
    if MANUAL not in table:
        return pd.Series(np.nan, table.index)
    return table[MANUAL].groupby([table[c] for c in _CASE]).transform("max")


def _no_overlap(table: pd.DataFrame, metric: str) -> pd.Series:
    """Return whether each row's case, of unknown volume, has no overlap in one training, and one above 0 in none."""
    scores = table[metric]
    if not scores.isna().any():
        return pd.Series(False, table.index)
    by_case = [table[c] for c in _CASE]
    empty = scores.isna().groupby(by_case).transform("any")
    return empty & ~scores.gt(0).groupby(by_case).transform("any") & _reference_ml(table).isna()


def absent(table: pd.DataFrame, metrics: Iterable[str]) -> pd.DataFrame:
    """Return the rows of cases without a reference mask, with `predicted`: whether the structure was predicted there.

    Nothing of a structure of which that isn't known, and nothing was predicted as far as the scores show: some tools
    score such a prediction in the same way as none.

    Args:
        table: the table before `without_absent`.
        metrics: by which models are compared; those of them that are overlaps tell.
    """
    rows = tested(table)
    there = [m for m in metrics if m in OVERLAPS and m in table]
    known = _empty_reference(rows)
    missed = pd.DataFrame({m: known | _no_overlap(rows, m) for m in there}, rows.index).any(axis=1).astype(bool)
    zero = pd.DataFrame({m: rows[m].eq(0) for m in there}, rows.index).any(axis=1).astype(bool)
    found = rows.assign(predicted=zero, known=known)[missed]
    told = (found["predicted"] | found["known"]).groupby(found["structure"]).transform("any")
    return found[told.astype(bool)].drop(columns="known")


def absent_notes(table: pd.DataFrame, metrics: Sequence[str]) -> list[str]:
    """Return a sentence for each structure that counts the cases without it and each model's false positives there.

    Args:
        table: the table before `without_absent`.
        metrics: by which models are compared.
    """
    left = [m for m in metrics if m in table and (m in OVERLAPS or (m in KNOWN and KNOWN[m].is_distance))]
    left = left if MANUAL in table else [m for m in left if m in OVERLAPS]
    out = []
    for structure, own in absent(table, metrics).groupby("structure", sort=False):
        predicted = []
        for family, rows in own.groupby("family", sort=False):
            cases = rows.loc[rows["predicted"], "case"].unique()
            predicted.append(f"{family} {len(cases)}" + (f" ({first_few([*cases], _NAMED)})" if len(cases) else ""))
        cases = counted(len(own.drop_duplicates(["cohort", "case"])), "case")
        out.append(
            f"{structure}: {cases} without it in the reference, left out of {', '.join(left)} for all models; false "
            "positives there: " + first_few(predicted, _NAMED)
        )
    return out


def missing_predictions(table: pd.DataFrame) -> pd.DataFrame:
    """Find the predictions that trainings lack.

    Returns:
        One row for each training, structure and case without one: model, what describes it, cohort, structure, case,
        and `row`, the table's row where there is one without an overlap, else -1.
    """
    rows = tested(table).assign(row=-1)
    if rows.empty:
        return rows
    rows["training"] = _trainings(rows)
    there = [m for m in KNOWN if m in rows]
    rows["scored"] = rows[there].notna().any(axis=1) if there else True
    found = [_absent(part) for _, part in rows.groupby(_PLACE, sort=False)]
    empty = rows[_without_overlap(rows)]
    return pd.concat([*found, empty.assign(row=empty.index)])[[*_about(table), *_CASE, "row"]]


def counts(table: pd.DataFrame, missing: pd.DataFrame) -> pd.DataFrame:
    """Count what is missing.

    Args:
        table: the table before `completed`.
        missing: of `missing_predictions`.

    Returns:
        One row for each test set, structure, family and size, with the columns `COUNTS`: the cases that the model has
        or lacks (`cases`; without those that have a score in no model, as where a reference has no such structure),
        those of them that no model lacks (`common`), those that one of its trainings lacks (`missing`), and their
        names.
    """
    there = tested(without_absent(table))
    scored = there[[m for m in KNOWN if m in there]].notna().any(axis=1)
    there = there[scored.groupby([there[c] for c in _CASE]).transform("any")] if scored.any() else there
    rows = pd.concat([there[[*_TRAINING, *_CASE]], missing[[*_TRAINING, *_CASE]]])
    lacking = missing.groupby([*_PLACE, *_TRAINING[:2]], sort=False)["case"].unique()
    out = []
    for (cohort, structure), part in rows.groupby(_PLACE, sort=False):
        gone = set(missing.loc[(missing["cohort"] == cohort) & (missing["structure"] == structure), "case"])
        for (family, n), own in part.groupby(_TRAINING[:2], sort=False)["case"]:
            names = list(lacking.get((cohort, structure, family, n), []))
            cases = set(own)
            numbers = len(cases), len(cases - gone), len(names), " ".join(names)
            out.append((cohort, structure, family, n, *numbers))
    return pd.DataFrame(out, columns=COUNTS)


def notes(missing: pd.DataFrame, policy: Policy) -> list[str]:
    """Return a sentence for each model and structure that says what is missing, with the cases' names."""
    if missing.empty:
        return ["no prediction is missing"]
    out = []
    for _, own in missing.groupby("family", sort=False):
        places = []
        for structure, part in own.groupby("structure", sort=False):
            names = list(dict.fromkeys(part["case"]))
            places.append(f"{len(names)} of {structure} ({first_few(names, _NAMED)})")
        done = f": {_DONE[policy]}" if _DONE[policy] else ""
        models = first_few(list(own["model"].unique()), 3)
        out.append(f"missing predictions of {models}: {'; '.join(places)}{done}")
    return out


def _about(table: pd.DataFrame) -> list[str]:
    """Return the columns that describe a training."""
    known = ("model", "family", "strategy", "level", "n_train", "replicate", "draw", "fold")
    return [column for column in known if column in table]


def _trainings(rows: pd.DataFrame) -> pd.Series:
    """Return a number for each row's training.

    Folds that divide the cases among them are one training, as each case has one prediction.
    """
    keys = [*_TRAINING, "cohort", "structure"]
    repeated = rows.duplicated([*keys, "case"]).groupby([rows[k] for k in keys]).transform("any")
    fold = rows["fold"].astype("string").fillna("").where(repeated, "")
    return rows[_TRAINING].assign(fold=fold).groupby([*_TRAINING, "fold"], sort=False).ngroup()


def _absent(part: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that trainings lack, of one cohort and structure."""
    case, cases = pd.factorize(part["case"])
    training, trainings = pd.factorize(part["training"])
    unit = part.groupby(_TRAINING[:2], sort=False).ngroup().to_numpy()
    scored = np.zeros((len(cases), unit.max() + 1), bool)
    scored[case[part["scored"]], unit[part["scored"]]] = True
    has = np.zeros((len(cases), len(trainings)), bool)
    has[case, training] = True
    if has.all():
        return part.iloc[:0]
    count = scored.astype(int)
    expected = count @ (count.T @ count > 0) > 0  # cases of all that are tested on some of the same
    first = pd.Series(range(len(part))).groupby(training).first().to_numpy()
    where, whose = np.nonzero(expected[:, unit[first]] & ~has)
    return part.iloc[first[whose]].assign(case=np.asarray(cases)[where])


def _without_overlap(rows: pd.DataFrame) -> pd.Series:
    """Return whether each row has an empty overlap though the volume or another model's shows the structure."""
    blank = pd.Series(False, rows.index)
    wrong = _wrong_by_volume(rows)
    for metric in OVERLAPS:
        if metric in rows and rows[metric].isna().any():
            between = rows[metric].between(0, 1, inclusive="neither")
            shown = between.groupby([rows[c] for c in _CASE]).transform("any")
            blank |= rows[metric].isna() & (shown | wrong) & _measured(rows, metric)
    return blank


def _wrong_by_volume(rows: pd.DataFrame) -> pd.Series:
    """Return whether each row's reference is known to have the structure, and no overlap of the row is above 0.

    Beside an overlap above 0 an empty cell is of a metric that was not computed.
    """
    overlaps = rows[[m for m in OVERLAPS if m in rows]]
    return _reference_ml(rows).gt(0) & ~overlaps.gt(0).any(axis=1)


def _measured(rows: pd.DataFrame, metric: str) -> pd.Series:
    """Return whether the model of each row has the metric at all."""
    keys = [rows[c] for c in (*_PLACE, *_TRAINING[:2])]
    return rows[metric].notna().groupby(keys).transform("any")


def _with_worst(table: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """Add a row for each missing prediction, with every metric that its model has at its worst."""
    absent = found[found["row"] < 0]
    rows = absent.drop(columns="row").reset_index(drop=True)
    of_case = {c: table.groupby(_CASE)[c].max() for c in (MANUAL, DIAGONAL) if c in table}
    for column, values in of_case.items():
        rows[column] = values.reindex(pd.MultiIndex.from_frame(rows[_CASE])).to_numpy()
    added = pd.Series([False] * len(table) + [True] * len(rows))
    whole = pd.concat([table, rows], ignore_index=True) if len(rows) else table.reset_index(drop=True)
    empty = table.index.get_indexer(found.loc[found["row"] >= 0, "row"])
    added.iloc[empty] = True
    for metric in [m for m in KNOWN if m in whole]:
        fill = added & whole[metric].isna() & _measured(whole, metric)
        whole.loc[fill, metric] = KNOWN[metric].worst
    return whole.astype(table.dtypes.to_dict())


def _with_distances(table: pd.DataFrame) -> pd.DataFrame:
    """Give every distance to an empty mask its worst value."""
    by_case = [table[c] for c in _CASE]
    for metric in [m for m in KNOWN if m in table and KNOWN[m].is_distance]:
        distance = table[metric]
        failed = np.isinf(distance)
        if distance.isna().any():
            other = np.isfinite(distance).groupby(by_case).transform("any")
            zero = table["dsc"] == 0 if "dsc" in table else False
            failed |= distance.isna() & (other | zero | _wrong_by_volume(table)) & _measured(table, metric)
        if failed.any():
            worst = table[DIAGONAL].fillna(np.inf) if DIAGONAL in table else np.inf
            table = table.assign(**{metric: distance.mask(failed, worst)})
    return table

"""Patients with several cases: a patient counts once, whatever is computed (docs/metrics.md).

Two examinations of a patient are no two patients: their scores resemble each other, and an interval "for other
patients" that counts them apart is too narrow. So the scores of a patient's cases are averaged before anything is
tested, and the patient takes the place of a case.
"""

import pandas as pd

from crossover.core.wording import counted

PATIENT = "patient"
"""The column that says whose case it is; without it each case is of a patient of its own."""
_CASE = ["cohort", "case"]
_PLACE = [*_CASE, "structure"]
_TRAINING = ["family", "n_train", "replicate"]
_UNIT = ["model", *_PLACE]
_DESCRIBES = ("level", "n_train", "replicate", "draw", "fold")


def by_patient(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with a row for each patient in place of its cases, named by the patient.

    Where every patient has one case it is the table itself.

    A metric is the mean over the patient's cases. A case that no model has a value for takes no part in it; where a
    training lacks one that another has, its mean would be of other cases, and is missing as a case's value would be.

    Args:
        table: as of `metrics_table.check_metrics`.
    """
    whose = averaged_over(table)
    if whose is None:
        return table
    numbers = [c for c in table.select_dtypes("number") if c not in _DESCRIBES]
    rows = table.assign(case=whose)
    groups = rows.groupby(_UNIT, sort=False)
    out = groups.first()
    of_patient = [rows[c] for c in _PLACE]
    of_training = [rows[c] for c in (*_TRAINING, *_PLACE)]
    for column in numbers:
        scored = table["case"].where(table[column].notna())
        lacks = scored.groupby(of_training).transform("nunique") < scored.groupby(of_patient).transform("nunique")
        out[column] = rows[column].mask(lacks).groupby([rows[c] for c in _UNIT], sort=False).mean()
    described = {c: kind for c, kind in table.dtypes.items() if c not in numbers}
    return out.reset_index()[[*table.columns]].astype(described)


def notes(table: pd.DataFrame) -> list[str]:
    """Return a sentence that says how many cases of how many patients a table has; none where all have one."""
    out, whose = [], averaged_over(table)
    if whose is not None:
        cases, patients = (len(rows.drop_duplicates(_CASE)) for rows in (table, table.assign(case=whose)))
        out.append(
            f"{cases} cases of {patients} patients: a patient's score is the mean over its cases, and counts as one "
            "case in all that follows"
        )
    if PATIENT in table:
        sets = table.assign(patient=patients_of(table)).groupby("patient")["cohort"].nunique()
        if several := int((sets > 1).sum()):
            out.append(
                f"{counted(several, 'name')} of patients in several test sets: what is said of all test sets together "
                "takes them for different patients"
            )
    return out


def patients_of(table: pd.DataFrame) -> pd.Series:
    """Return each row's patient, by what any row of its case says; a case of nobody stands for its own patient."""
    if PATIENT not in table:
        return table["case"]
    said = table[PATIENT].where(table[PATIENT].ne("") & table[PATIENT].notna())
    return said.groupby([table[c] for c in _CASE]).transform("first").fillna(table["case"])


def averaged_over(table: pd.DataFrame) -> pd.Series | None:
    """Return each row's patient, of whose cases `by_patient` takes the mean; None where no patient has two cases."""
    whose = patients_of(table)
    pairs = table[_CASE].assign(patient=whose).drop_duplicates()
    return whose if pairs.duplicated(["cohort", "patient"]).any() else None

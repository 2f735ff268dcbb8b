"""Failed cases: a score of 0 where the reference has the structure, or no prediction. One may decide a comparison."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from crossover.core.wording import first_few
from crossover.statistics.scores.metrics_table import tested
from crossover.statistics.scores.missing import OVERLAPS
from crossover.statistics.scores.patients import averaged_over
from crossover.statistics.scores.scales import DIAGONAL, KNOWN

_MODEL = ["family", "n_train"]
PLACE = ["cohort", "structure", "case"]
FAILED = [*_MODEL, *PLACE, "named", "why"]
NO_PREDICTION, NOTHING_RIGHT = "no prediction", "score 0"
OF_PATIENT = " of patient "
_NAMED = 3


def failed_cases(table: pd.DataFrame, missing: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the cases in which a model failed, in any of its trainings.

    Args:
        table: of `missing.filled`, which counts missing predictions as the worst or has none of them. In a mean over
            a patient's cases one that failed is no longer seen.
        missing: of the same.
        metric: an overlap of 0, or a distance that counts as infinite or as the image's diagonal, is a failure; of
            other metrics a missing prediction alone.

    Returns:
        One row for each family, n_train, cohort, structure and case, with the columns `FAILED`: `case` is what a
        table of `missing.completed` has in its place, the patient where patients have several; `named` says which.
    """
    whose = averaged_over(table)
    counts_as = table["case"] if whose is None else whose
    named = table["case"] if whose is None else table["case"] + OF_PATIENT + whose
    rows = tested(table.assign(counts_as=counts_as, named=named)).dropna(subset=metric)
    key = [*_MODEL, *PLACE]
    lacking = pd.MultiIndex.from_frame(rows[key]).isin(pd.MultiIndex.from_frame(missing[key]))
    wrong = np.zeros(len(rows), bool)
    if metric in OVERLAPS:
        wrong = (rows[metric] == 0).to_numpy()
    elif metric in KNOWN and KNOWN[metric].is_distance:
        most = rows[DIAGONAL].fillna(np.inf) if DIAGONAL in rows else np.inf
        wrong = (rows[metric] >= most).to_numpy()
    why = np.where(lacking, NO_PREDICTION, NOTHING_RIGHT)
    found = rows.assign(why=why)[lacking | wrong].drop_duplicates(key)
    return found.assign(case=found["counts_as"])[FAILED]


def of_pair(failed: pd.DataFrame, pair: Sequence[str], n_train: int) -> pd.DataFrame:
    """Return those of two families at a size; of one without sizes, at n_train 0."""
    return failed[failed["family"].isin(pair) & failed["n_train"].isin([0, n_train])]


def without(table: pd.DataFrame, failed: pd.DataFrame, place: Sequence[str] = PLACE) -> pd.DataFrame:
    """Leave the failed cases out of a table for all models: of the same structure, or by ["cohort", "case"] of all."""
    place = list(place)
    return table[~pd.MultiIndex.from_frame(table[place]).isin(pd.MultiIndex.from_frame(failed[place]))]


def in_words(failed: pd.DataFrame, structures: bool = False) -> str:
    """Name the failed cases by model: "scratch in p7 (score 0); tuned in p1, p2 and 3 more (no prediction)".

    Args:
        structures: name these too, as of a mean over them: "scratch in p7 (score 0 in tumour)".
    """
    by = ["family", "why", "structure"]
    case = failed.groupby([*by[:2], "named"], sort=False)["structure"]
    joined = case.transform(lambda own: first_few(list(own.unique()), _NAMED)) if structures else ""
    named = []
    for (family, why, structure), own in failed.assign(structure=joined).groupby(by, sort=False):
        what = f"{why} in {structure}" if structure else why
        named.append(f"{family} in {first_few(list(own['named'].unique()), _NAMED)} ({what})")
    return "; ".join(named)


def number_of(failed: pd.DataFrame) -> int:
    """Return how many cases failed, under any model and in any structure."""
    return len(failed.drop_duplicates(["cohort", "named"]))


def in_place_of(failed: pd.DataFrame) -> str:
    """Return what is left out with failed cases (`without`): they, or their patients where patients have several."""
    cases = "the failed case" if number_of(failed) == 1 else "the failed cases"
    if not failed["named"].str.contains(OF_PATIENT, regex=False).any():
        return cases
    return f"the {'patient' if len(failed.drop_duplicates(['cohort', 'case'])) == 1 else 'patients'} of {cases}"

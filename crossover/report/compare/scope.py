"""What the interval and the p of a difference leave out, in words: beside the answers, in pairs.csv and on the page."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from crossover.statistics.estimates.chance import MODELS
from crossover.statistics.scores.metrics_table import folds_of, tested, with_runs

TRAINED, ONE_DRAW = "these trained models only", "these training cases only"
FOLDS = "folds of one pool of training cases"
EXPLAINED = {
    FOLDS: (
        "Any two folds share most of their training cases. What these bring moves all folds together; the intervals "
        "count it as Nadeau and Bengio (2003) do, which covers a part of it: where the cases matter more than the run, "
        "equal methods still differ too often."
    ),
    ONE_DRAW: (
        "All trainings used the same training cases (column draw): nothing shows how much trainings on other cases "
        "would differ, so that the intervals apply to these training cases."
    ),
}
"""What the page says of those that are no matter of `about`."""


def scopes(table: pd.DataFrame, pairs: pd.DataFrame) -> list[str]:
    """Say of each difference what it is limited to; "" where to nothing.

    Args:
        table: as of `metrics_table.check_metrics`, of which `pairs` was made.
        pairs: of `differences.paired.paired`.
    """
    sized = table[table["n_train"] > 0] if table["n_train"].any() else table
    one_draw = "draw" in table and sized["draw"].nunique() == 1
    folded = _in_folds(with_runs(tested(table)))
    return ["; ".join(_limits(row, one_draw, folded)) for row in pairs.itertuples()]


def _in_folds(rows: pd.DataFrame) -> set[tuple[str, int]]:
    """Return the models (family, n_train) of which several folds are tested on the same cases."""
    rows = rows[rows["fold"].notna()]
    model = ["family", "n_train"]
    runs = rows.groupby([*model, "cohort", "case", "structure"])["run"].nunique()
    several = runs.groupby(model).max() > 1
    names = rows.groupby(model)["run"].unique()
    return {key for key in several.index[several] if folds_of(names[key]) > 1}


def _limits(row: Any, one_draw: bool, folded: set[tuple[str, int]]) -> Iterator[str]:
    if row.about == MODELS:
        yield TRAINED
    elif folded & {(family, n) for family in (row.family_a, row.family_b) for n in (0, row.n_train)}:
        yield FOLDS
    elif one_draw:
        yield ONE_DRAW


def explained(pairs: pd.DataFrame) -> list[str]:
    """Return a sentence for each of the limits that some pairs have, of `EXPLAINED`."""
    return [text for limit, text in EXPLAINED.items() if pairs["scope"].str.contains(limit, regex=False).any()]

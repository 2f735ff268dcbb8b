"""What the interval and the p of a difference leave out, in words: beside the answers, in pairs.csv and on the page."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from crossover.statistics.estimates.chance import MODELS
from crossover.statistics.scores.metrics_table import folds_of, several_draws, tested, with_runs

TRAINED, ONE_DRAW = "these trained models only", "these training cases only"
FOLDS, ONCE = "folds of one pool of training cases", "counts as trained once"
EXPLAINED = {
    FOLDS: (
        "Any two folds share most of their training cases. What these bring moves all folds together; the intervals "
        "count it as Nadeau and Bengio (2003) do, which covers a part of it: where the cases matter more than the run, "
        "equal methods still differ too often."
    ),
    ONCE: (
        "Where one of two models has one training, or one draw of the training cases beside several, how much its "
        "trainings vary is taken from the other's. If they vary more, equal methods differ far too often: in 40% of "
        "simulated tables with an SD of 0.005 between five trainings of the one and 0.03 between those of the other."
    ),
    ONE_DRAW: (
        "All trainings of a model used the same training cases (column draw): nothing shows how much trainings on "
        "other cases would differ, so that the intervals apply to these training cases."
    ),
}
"""What the page says of those that are no matter of `about`."""


def scopes(table: pd.DataFrame, pairs: pd.DataFrame) -> list[str]:
    """Say of each difference what it is limited to; "" where to nothing.

    Args:
        table: as of `metrics_table.check_metrics`, of which `pairs` was made.
        pairs: of `differences.paired.paired`.
    """
    one_draw = "draw" in table and not several_draws(table)
    trained = _trainings(table)
    return ["; ".join(_limits(row, one_draw, trained)) for row in pairs.itertuples()]


def _trainings(table: pd.DataFrame) -> dict[tuple[str, int], tuple[int, bool]]:
    """Return by model (family, n_train) how many trainings score a case, and whether they are folds."""
    model = ["family", "n_train"]
    rows = with_runs(tested(table))[[*model, "cohort", "case", "structure", "run"]].drop_duplicates()
    most = rows.groupby([*model, "cohort", "case", "structure"]).size().groupby(model).max()
    names = rows.groupby(model)["run"].unique()
    return {key: (int(n), n > 1 and folds_of(names[key]) > 1) for key, n in most.items()}


def _limits(row: Any, one_draw: bool, trained: Mapping[tuple[str, int], tuple[int, bool]]) -> Iterator[str]:
    if row.about == MODELS:
        yield TRAINED
        return
    names = row.family_a, row.family_b
    (first, a_in_folds), (second, b_in_folds) = (
        trained[(name, row.n_train if (name, row.n_train) in trained else 0)] for name in names
    )
    if a_in_folds or b_in_folds:
        yield FOLDS
    elif one_draw:
        yield ONE_DRAW
    if min(first, second) == 1 < max(first, second):
        once, several = names if first == 1 else names[::-1]
        yield f"{once} {ONCE}: how much its trainings vary is taken from {several}'s"


def explained(pairs: pd.DataFrame) -> list[str]:
    """Return a sentence for each of the limits that some pairs have, of `EXPLAINED`."""
    return [text for limit, text in EXPLAINED.items() if pairs["scope"].str.contains(limit, regex=False).any()]

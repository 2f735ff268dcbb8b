"""What the interval and the p of a difference leave out, in words: beside the answers, in pairs.csv and on the page."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from crossover.statistics.estimates.chance import MODELS

TRAINED, ONE_DRAW = "these trained models only", "these training cases only"
EXPLAINED = {
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
    return ["; ".join(_limits(row, one_draw)) for row in pairs.itertuples()]


def _limits(row: Any, one_draw: bool) -> Iterator[str]:
    if row.about == MODELS:
        yield TRAINED
    elif one_draw:
        yield ONE_DRAW


def explained(pairs: pd.DataFrame) -> list[str]:
    """Return a sentence for each of the limits that some pairs have, of `EXPLAINED`."""
    return [text for limit, text in EXPLAINED.items() if pairs["scope"].str.contains(limit, regex=False).any()]

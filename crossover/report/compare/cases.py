"""Who gains: both models' scores of each case, and the cases with the largest differences."""

import pandas as pd

from crossover.statistics.scores.metrics_table import compared
from crossover.statistics.scores.scales import direction

CASES = [
    "metric", "test_set", "structure", "n_train", "case", "family_a", "family_b", "score_a", "score_b", "difference",
]  # fmt: skip
MOST_SHOWN, PAIRS_SHOWN = 5, 3


def case_differences(table: pd.DataFrame, pairs: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return both scores and their difference, a minus b, of each case and structure that two models have.

    Args:
        table: of `missing.completed`. pairs: of `differences.paired.paired`, which says who is a and who b.

    Returns:
        One row for each pair, test set, structure and case, with the columns `CASES`.
    """
    rows = compared(table).dropna(subset=metric)
    place = ["cohort", "structure", "case"]
    out = [pd.DataFrame(columns=CASES)]
    for a, b, n in pairs[["family_a", "family_b", "n_train"]].drop_duplicates().itertuples(index=False):
        first, second = (
            rows.loc[(rows["family"] == family) & rows["n_train"].isin([0, n]), [*place, metric]] for family in (a, b)
        )
        both = first.merge(second, on=place, suffixes=("_a", "_b"))
        scores = {"score_a": both[f"{metric}_a"], "score_b": both[f"{metric}_b"]}
        both = both.assign(metric=metric, test_set=both["cohort"], n_train=n, family_a=a, family_b=b, **scores)
        out.append(both.assign(difference=both["score_a"] - both["score_b"])[CASES])
    return pd.concat([part for part in out if len(part)] or out, ignore_index=True)


def extremes(cases: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the largest gains and losses of a few pairs at their largest n, the largest gains first.

    Args:
        cases: of `case_differences`.
    """
    sign = direction(metric) or 1
    shown = []
    for _, own in cases.groupby(["family_a", "family_b"], sort=False):
        own = own[own["n_train"] == own["n_train"].max()].dropna(subset="difference")
        gain = (sign * own["difference"]).sort_values(ascending=False, kind="stable")
        most = [*gain[gain > 0].index[:MOST_SHOWN], *gain[gain < 0].index[-MOST_SHOWN:]]
        shown.append(own.loc[most])
    return pd.concat(shown[:PAIRS_SHOWN]) if shown else cases

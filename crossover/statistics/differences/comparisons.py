"""Do models differ? One-way analysis of variance with Tukey's test, as the studies report it.

The groups are the cases under each model, taken as independent: the same patients under every model
are not, which makes these tests conservative where cases differ more than models do.
"""

import functools
from collections.abc import Iterator
from itertools import combinations

import numpy as np
import pandas as pd

from crossover.statistics.scores.intervals import clip_to_scale, of_differences
from crossover.statistics.scores.metrics_table import compared, test_sets
from crossover.statistics.scores.scales import scale

ANOVA = [
    "test_set", "structure", "question", "n_train", "groups",
    "F", "df_between", "df_within", "p", "eta_squared",
]  # fmt: skip
TUKEY = [
    "test_set", "structure", "question", "n_train", "a", "b",
    "difference", "ci_low", "ci_high", "p", "significant",
]  # fmt: skip

Groups = dict[str, np.ndarray]
"""Model -> its cases' values, in the table's order."""


def compare(table: pd.DataFrame, metric: str, alpha: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return ANOVA and Tukey's honestly significant difference for each test set, structure and question.

    The questions at each size n of the table: "models at n=<n>" compares all families of that size
    and those that train on no target case (n_train 0); "levels at n=<n>" compares the families of
    the strategies that have several levels at that size. A question with fewer than two families
    isn't asked. A table without any size has one question, "models at n=0".

    Returns:
        (anova, tukey) with the columns `ANOVA` and `TUKEY`: `groups` is the number of families; `a`
        and `b` are the families' models at that size, by the names that the summary gives them;
        `difference` is mean(a) - mean(b) with its simultaneous 1 - alpha interval, up to the ends of the
        metric's scale. eta² is the sum
        of squares between the groups over the total one.

        Degenerate questions keep their rows and what can be counted, with p NaN and significant
        False: a group with fewer than two cases, or no variance inside any group (as when all
        scores are 0). Missing values of the metric are left out.

    Raises:
        ValueError: the table has no such metric.
    """
    if metric not in table:
        raise ValueError(f"the table has no metric {metric!r}")
    anova, tukey = [], []
    for test_set, rows in test_sets(compared(table)).items():
        for structure, part in rows.groupby("structure", sort=False):
            for question, n, families in questions(part):
                groups = _groups(part, families, n, metric)
                place = {"test_set": test_set, "structure": structure, "question": question}
                place["n_train"] = n
                anova.append(place | {"groups": len(groups)} | one_way(groups))
                tukey += [place | pair for pair in honest_differences(groups, alpha)]
    pairs = pd.DataFrame(tukey, columns=TUKEY)
    pairs["ci_low"], pairs["ci_high"] = clip_to_scale(
        pairs["ci_low"].astype(float), pairs["ci_high"].astype(float), of_differences(scale(metric))
    )
    return pd.DataFrame(anova, columns=ANOVA), pairs


def one_way(groups: Groups) -> dict[str, float]:
    """Do a one-way analysis of variance with statsmodels.

    Args:
        groups: the scores of each group.

    Returns:
        F, df_between, df_within, p and eta_squared; see `compare` for what gives NaN.
    """
    from statsmodels.stats.oneway import anova_oneway

    values = list(groups.values())
    cases = sum(map(len, values))
    out = {"F": np.nan, "df_between": len(values) - 1, "df_within": cases - len(values)}
    out |= {"p": np.nan, "eta_squared": np.nan}
    if not degenerate(groups):
        found = anova_oneway(values, use_var="equal")
        out["F"], out["p"] = float(found.statistic), float(found.pvalue)
        # F is (SSb / df_b) / (SSw / df_w), so SSb / (SSb + SSw) follows from it
        ratio = out["F"] * out["df_between"]
        out["eta_squared"] = ratio / (ratio + out["df_within"])
    return out


def honest_differences(groups: Groups, alpha: float) -> Iterator[dict]:
    """Yield Tukey and Kramer's test of every pair of groups.

    Args:
        groups: the scores of each group.
        alpha: of the simultaneous 1 - alpha intervals.

    Returns:
        For each pair a, b, difference, ci_low, ci_high, p and significant.
    """
    from scipy.stats import studentized_range

    pairs = list(combinations(groups, 2))
    differences = np.array([_mean(groups[a]) - _mean(groups[b]) for a, b in pairs])
    half = p = np.full(len(pairs), np.nan)
    if not degenerate(groups):
        df = sum(map(len, groups.values())) - len(groups)
        within = sum(((v - v.mean()) ** 2).sum() for v in groups.values()) / df
        se = np.array([np.sqrt(within / 2 * sum(1 / len(groups[g]) for g in pair)) for pair in pairs])
        p = studentized_range.sf(np.abs(differences) / se, len(groups), df)
        half = _studentized_range(1 - alpha, len(groups), df) * se
    for (a, b), difference, width, value in zip(pairs, differences, half, p, strict=True):
        yield {
            "a": a,
            "b": b,
            "difference": float(difference),
            "ci_low": float(difference - width),
            "ci_high": float(difference + width),
            "p": float(value),
            "significant": bool(value < alpha),
        }


@functools.cache
def _studentized_range(share: float, groups: int, df: int) -> float:
    """Return a quantile of the studentized range.

    It takes as long as a dozen values of p, and a table asks for few different ones, so that it is kept.
    """
    from scipy.stats import studentized_range

    return float(studentized_range.ppf(share, groups, df))


def degenerate(groups: Groups) -> bool:
    """Return whether there is nothing to test.

    There isn't with fewer than two groups, with fewer than two cases in a group, or where no group has any
    variance.
    """
    few = len(groups) < 2 or min(map(len, groups.values())) < 2
    return few or all(np.ptp(values) == 0 for values in groups.values())


def models_at(n: int) -> str:
    """Return the question that compares all families of a size and those without one (`compare`)."""
    return f"models at n={n}"


def of_models(tests: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a table of tests, with `question` and `n_train`, whose question is `models_at` their size."""
    return tests[tests["question"] == tests["n_train"].map(models_at)]


def questions(part: pd.DataFrame) -> Iterator[tuple[str, int, list[str]]]:
    """Yield (question, size, families) of one test set and structure; see `compare`."""
    models = part[["family", "strategy", "level", "n_train"]].drop_duplicates()
    for n in map(int, sorted(set(models["n_train"]) - {0}) or [0]):
        here = models[models["n_train"].isin([0, n])]
        levels = here[(here["n_train"] == n) & (here["level"] != "")]
        several = levels.groupby("strategy")["level"].transform("nunique") > 1
        for question, asked in ((models_at(n), here), (f"levels at n={n}", levels[several])):
            families = list(dict.fromkeys(asked["family"]))
            if len(families) > 1:
                yield question, n, families


def _groups(part: pd.DataFrame, families: list[str], n: int, metric: str) -> Groups:
    part = part[part["n_train"].isin([0, n])]
    own = {family: part[part["family"] == family] for family in families}
    return {r["model"].iloc[0]: r[metric].dropna().to_numpy(float) for r in own.values()}


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else np.nan

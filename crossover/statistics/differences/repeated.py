"""The same cases under every model: tests that take it into account, beside those that a paper made.

Ours, for pairs of families: the mean difference on the same cases with interval and p by the model of chance
(`estimates.chance`: other patients and, where their spread is known, other trainings), and Holm's correction over
every comparison of the study, all test sets, structures, sizes and pairs. For all families at once: analysis of
variance over cases and trainings (`differences.omnibus`). About the trained models alone: analysis of variance for
repeated measures with Greenhouse and Geisser's correction, Friedman's test, and a linear mixed model with a random
intercept for each case; all three take another training for no source of chance.

Theirs: of independent groups one-way analysis of variance and Tukey's test, of paired studies the asymptotic
signed-rank test without correction. Where the two decide otherwise, `because` says which of our steps from their test
to ours decided (`STEPS`): the last one that turned the decision.
"""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from crossover.statistics.differences import comparisons, mixed
from crossover.statistics.differences.omnibus import models_differ
from crossover.statistics.differences.paired import holm, paired
from crossover.statistics.estimates.chance import DECIMALS, MODELS, Spread
from crossover.statistics.estimates.effects import Spreads, TrainedScores, spread_between
from crossover.statistics.estimates.resampling import mean_of
from crossover.statistics.scores.metrics_table import POOLED, compared, test_sets, tested, with_runs
from crossover.study.families import Comparison

PAIRWISE = [
    "test_set", "structure", "question", "n_train", "a", "b", "family_a", "family_b", "cases",
    "trainings", "mean_a", "mean_b", "difference", "ci_low", "ci_high", "p", "about", "cohen_dz", "rank_biserial",
    "p_wilcoxon", "p_t", "p_holm", "tests", "significant",
    "theirs", "p_theirs", "significant_theirs", "agrees", "because",
]  # fmt: skip
REPEATED = [
    "test_set", "structure", "question", "n_train", "method", "effect", "groups", "cases",
    "statistic", "df1", "df2", "p", "about", "epsilon", "sd_cases", "sd_rest", "converged", "significant",
    "theirs", "p_theirs", "significant_theirs", "agrees",
]  # fmt: skip
ANOVA, FRIEDMAN, MIXED = "repeated-measures ANOVA", "Friedman", "mixed model"
THEIRS = {"independent": "Tukey", "paired": "signed-rank, asymptotic"}
PAIRING, CORRECTION = "the same cases are compared", "the number of tests"
EXACT, MEANS = "the test is exact", "means are compared, not ranks"
CHANCE = "other trainings are counted"
STEPS = {
    "independent": [("p_t", PAIRING), ("p", CHANCE), ("p_holm", CORRECTION)],
    "paired": [("p_wilcoxon", EXACT), ("p_t", MEANS), ("p", CHANCE), ("p_holm", CORRECTION)],
}
"""The steps from the paper's test to ours: p values in between, each with what it takes into account beside those
before."""
_PLACE = ["test_set", "structure", "question"]


def pairwise(
    table: pd.DataFrame,
    metric: str,
    alpha: float,
    comparison: Comparison | None,
    tukey: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Compare every pair of families at every size, on the same cases, with the columns `PAIRWISE`.

    Args:
        table: of `metrics_table.check_metrics`.
        comparison: how the paper tests its models (`study.families.Comparison`); None where it doesn't.
        tukey: of `comparisons.compare` for a study of independent groups; made here if it isn't given.

    Returns:
        The pairs, `difference` with its 1 - alpha interval, `p` and `about` are those of `paired.paired`;
        `p_wilcoxon` is the exact signed-rank p of the trained models; `p_holm` is p corrected over all
        `tests` of this table, missing ones among them, and where there is one cohort without its
        repetition as test set "all"; `significant` p_holm < alpha. `theirs` names the
        paper's way, "" where it has none; then `p_theirs`, `significant_theirs`, `agrees` and `because`
        are missing. `because` is one of `STEPS`, where they don't agree.

    Raises:
        ValueError: the table has no such metric.
    """
    out = paired(table, metric, alpha)
    out = out[out["structure"].isin(table["structure"])].reset_index(drop=True)  # no means of them
    out["p_wilcoxon"] = out["p_wilcoxon_exact"]
    _correct(out)
    out["significant"] = out["p_holm"] < alpha
    out["theirs"] = THEIRS[comparison] if comparison else ""
    out["p_theirs"] = _pairs_of_paper(out, comparison, lambda: _tukey(table, metric, alpha, tukey))
    out = _agreement(out, alpha)
    because = pd.Series(pd.NA, out.index, dtype="object")
    before = out["significant_theirs"]
    for p, step in STEPS[comparison] if comparison else ():
        after = (out[p] < alpha).astype("boolean")
        because = because.mask((before != after).fillna(False), step)
        before = after
    out["because"] = because.where(out["agrees"].eq(False).fillna(False))
    return out[PAIRWISE]


def repeated(table: pd.DataFrame, metric: str, alpha: float, comparison: Comparison | None) -> pd.DataFrame:
    """Test all families at once, on the same cases, with the columns `REPEATED`.

    Returns:
        For each test set, structure and question "models at n=<n>" (`comparisons.compare`), of the cases
        with a score under every family: `method` "repeated-measures ANOVA" (of cases and, where their spread is
        known, trainings, as `about` says: `omnibus.models_differ`), and of the trained models alone "Friedman"
        (chi-square; three families or more) and "mixed model" (Wald chi-square of value ~ family + (1 | case), REML;
        `sd_cases`, `sd_rest`, and whether it `converged`). Where families have several sizes, question "all sizes":
        the mixed model value ~ family * log2 n + (1 | case), `effect` "family x log2 n": do the families gain alike?
        `theirs` is the one-way analysis of variance of a study of independent groups.

    Raises:
        ValueError: the table has no such metric.
    """
    if metric not in table:
        raise ValueError(f"the table has no metric {metric!r}")
    rows = [
        {"test_set": test_set, "structure": structure} | row
        for test_set, part in test_sets(with_runs(tested(table))).items()
        for structure, row in _of_test_set(part, metric, comparison == "independent")
    ]
    out = pd.DataFrame(rows, columns=REPEATED)
    out["theirs"] = out["theirs"].astype("string").fillna("").astype(str)
    out["significant"] = out["p"] < alpha
    return _agreement(out, alpha)[REPEATED]


def friedman(scores: pd.DataFrame) -> dict[str, float]:
    """Do Friedman's test on scores of cases (rows) x families (columns).

    Returns:
        statistic (chi-square, corrected for ties), df1 and p; NaN for fewer than two cases or three families,
        and where every case's scores are the same.
    """
    from scipy.stats import friedmanchisquare

    values = scores.to_numpy(float)
    cases, families = values.shape
    out = {"statistic": np.nan, "df1": families - 1, "p": np.nan}
    if cases < 2 or families < 3 or not (np.ptp(values, axis=1) > 0).any():
        return out
    found = friedmanchisquare(*values.T)
    return out | {"statistic": float(found.statistic), "p": float(found.pvalue)}


def _of_test_set(rows: pd.DataFrame, metric: str, independent: bool) -> Iterator[tuple[str, dict]]:
    scores, spreads = TrainedScores(rows, metric), Spreads(rows, metric)
    for structure, part in compared(rows).groupby("structure", sort=False):
        part = part.assign(unit=part["cohort"] + "/" + part["case"]).dropna(subset=metric)
        for question, n, families in comparisons.questions(part):
            if question == comparisons.models_at(n):
                sizes = part[part["n_train"].isin([0, n])].groupby("family")["n_train"].first()
                own = [scores.of((family, sizes[family], structure)) for family in families]
                groups = [part[(part["family"] == f) & (part["n_train"] == sizes[f])][metric] for f in families]
                place = {
                    "question": question,
                    "n_train": n,
                    "groups": len(families),
                    "effect": "family",
                }
                if independent:
                    p = comparisons.one_way(dict(zip(families, map(np.asarray, groups))))["p"]
                    place |= {"theirs": "one-way ANOVA", "p_theirs": p}
                for row in _at_once(own, families, spreads.of(structure)):
                    yield structure, place | row
        sized = part[part.groupby("family")["n_train"].transform("nunique") > 1]
        if sized["family"].nunique() > 1:
            long = sized.rename(columns={metric: "value"})
            place = {
                "question": "all sizes",
                "n_train": 0,
                "effect": "family x log2 n",
                "about": MODELS,
            }
            place |= {"groups": sized["family"].nunique(), "cases": sized["unit"].nunique()}
            yield structure, place | {"method": MIXED} | mixed.families_gain_alike(long)


def _at_once(
    models: list[tuple[np.ndarray, list[str]]], families: list[str], spread: Callable[[], Spread | None]
) -> Iterator[dict]:
    """Yield the tests of several models, of `TrainedScores.of`, on the cases that all have a score for."""
    scores, runs = zip(*models, strict=True)
    means = np.column_stack([mean_of(s, 1) for s in scores])
    shared = ~np.isnan(means).any(1)
    whole = [s[shared] if not np.isnan(s[shared]).any() else means[shared, i, None] for i, s in enumerate(scores)]
    means = means[shared].round(DECIMALS)
    found = models_differ(whole, spread_between(whole, runs, spread))
    place: dict[str, object] = {"cases": len(means)}
    yield place | {
        "method": ANOVA, "statistic": found["F"], "df1": found["df_between"], "df2": found["df_within"],
        "p": found["p"], "epsilon": found["epsilon"], "about": found["about"],
    }  # fmt: skip
    place |= {"about": MODELS}
    if len(families) > 2:
        yield place | {"method": FRIEDMAN} | friedman(pd.DataFrame(means))
    long = pd.DataFrame(means, columns=families).rename_axis(index="unit", columns="family")
    yield (place | {"method": MIXED} | mixed.families_differ(long.stack().rename("value").reset_index()))


def _correct(pairs: pd.DataFrame) -> None:
    """Fill in p_holm and tests, in place."""
    cohorts = set(pairs["test_set"]) - {POOLED}
    again = (pairs["test_set"] == POOLED) & (len(cohorts) == 1)
    corrected = holm(pairs.loc[~again, "p"].to_numpy(float))
    pairs["tests"] = len(corrected)
    # the same comparisons in the same order
    pairs["p_holm"] = np.tile(corrected, 2) if again.any() else corrected


def _pairs_of_paper(pairs: pd.DataFrame, comparison: Comparison | None, tukey: Callable[[], pd.DataFrame]) -> pd.Series:
    if comparison == "paired":
        return pairs["p_wilcoxon_asymptotic"]
    if comparison is None:
        return pd.Series(np.nan, index=pairs.index)
    columns = [*_PLACE, "a", "b"]
    found = {_key(row): row[-1] for row in tukey()[[*columns, "p"]].values}
    return pd.Series([found.get(_key(row), np.nan) for row in pairs[columns].values], pairs.index)


def _tukey(table: pd.DataFrame, metric: str, alpha: float, pairs: pd.DataFrame | None) -> pd.DataFrame:
    return comparisons.compare(table, metric, alpha)[1] if pairs is None else pairs


def _key(row: np.ndarray) -> tuple:
    """Return what names a comparison, whichever of the two models comes first."""
    return (*row[:3], frozenset(row[3:5]))


def _agreement(out: pd.DataFrame, alpha: float) -> pd.DataFrame:
    """Add whether their test is significant, and whether ours agrees; missing where either has no p."""
    known = out["p_theirs"].notna()
    theirs = (out["p_theirs"] < alpha).astype("boolean").where(known)
    agrees = (theirs == out["significant"]).where(out["p"].notna())
    return out.assign(significant_theirs=theirs, agrees=agrees)

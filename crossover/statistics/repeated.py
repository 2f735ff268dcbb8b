"""The same cases under every model: tests that take it into account, beside those that a paper made.

Ours, for pairs of families: the mean difference on the same cases with its BCa bootstrap interval (Efron
1987), the exact signed-rank test, and Holm's correction over every comparison of the study, all test sets,
structures, sizes and pairs. For all families at once: analysis of variance for repeated measures with
Greenhouse and Geisser's correction, Friedman's test, and a linear mixed model with a random intercept for
each case.

Theirs: of independent groups one-way analysis of variance and Tukey's test, of paired studies the asymptotic
signed-rank test without correction. Where the two decide otherwise, `because` says which of our two steps
did it: that cases are paired (or, where theirs are too, that the test is exact), or the correction for the
number of tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from crossover.statistics import comparisons, mixed
from crossover.statistics.metrics_table import POOLED, compared, test_sets
from crossover.statistics.paired import DECIMALS, holm, paired
from crossover.statistics.stability import repeated_measures
from crossover.study.families import Comparison

PAIRWISE = [
    "test_set", "structure", "question", "n_train", "a", "b", "family_a", "family_b", "cases",
    "mean_a", "mean_b", "difference", "ci_low", "ci_high", "cohen_dz", "rank_biserial",
    "p_wilcoxon", "p_t", "p_holm", "tests", "significant",
    "theirs", "p_theirs", "significant_theirs", "agrees", "because",
]  # fmt: skip
REPEATED = [
    "test_set", "structure", "question", "n_train", "method", "effect", "groups", "cases",
    "statistic", "df1", "df2", "p", "epsilon", "sd_cases", "sd_rest", "converged", "significant",
    "theirs", "p_theirs", "significant_theirs", "agrees",
]  # fmt: skip
ANOVA, FRIEDMAN, MIXED = "repeated-measures ANOVA", "Friedman", "mixed model"
THEIRS = {"independent": "Tukey", "paired": "signed-rank, asymptotic", "chains": ""}
PAIRING, CORRECTION = "the same cases are compared", "the number of tests"
EXACT = "the test is exact"
BOOTSTRAPS = 4999
_PLACE = ["test_set", "structure", "question"]


def pairwise(
    table: pd.DataFrame,
    metric: str,
    alpha: float,
    comparison: Comparison,
    tukey: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Every pair of families at every size, on the same cases, with the columns `PAIRWISE`.

    Args:
        table: of `metrics_table.check_metrics`.
        comparison: what the study's paper compared (`study.families.comparison`).
        tukey: of `comparisons.compare` for a study of independent groups; made here if it isn't given.

    Returns:
        The pairs are those of `paired.paired`. `difference` is mean(a - b), with its BCa 1 - alpha
        bootstrap interval; `p_wilcoxon` the exact signed-rank p, `p_holm` the same corrected over all
        `tests` of this table, missing ones among them, and where there is one cohort without its
        repetition as test set "all"; `significant` p_holm < alpha. `theirs` names the
        paper's way, "" where it has none; then `p_theirs`, `significant_theirs`, `agrees` and `because`
        are missing. `because`, where they don't agree: "the number of tests" where p_wilcoxon alone decides
        as theirs, else "the same cases are compared" or, where theirs compares them too, "the test is exact".

    Raises:
        ValueError: the table has no such metric.
    """
    out = paired(table, metric, alpha)
    out = out[out["structure"].isin(table["structure"])].reset_index(drop=True)  # no means of them
    scores = compared(table).set_index(["structure", "family", "n_train", "cohort", "case"])[metric]
    bounds = [_bootstrapped(d, alpha) for d in _differences(out, scores)]
    out["ci_low"], out["ci_high"] = np.array(bounds).reshape(-1, 2).T
    out["p_wilcoxon"] = out["p_wilcoxon_exact"]
    _correct(out)
    out["significant"] = out["p_holm"] < alpha
    out["theirs"] = THEIRS[comparison]
    out["p_theirs"] = _pairs_of_paper(out, comparison, lambda: _tukey(table, metric, alpha, tukey))
    out = _agreement(out, alpha)
    uncorrected = (out["p_wilcoxon"] < alpha) == out["significant_theirs"]
    other = EXACT if comparison == "paired" else PAIRING
    because = uncorrected.map({True: CORRECTION, False: other})
    out["because"] = because.where(out["agrees"].eq(False).fillna(False))
    return out[PAIRWISE]


def repeated(
    table: pd.DataFrame, metric: str, alpha: float, comparison: Comparison
) -> pd.DataFrame:
    """All families at once, on the same cases, with the columns `REPEATED`.

    Returns:
        For each test set, structure and question "models at n=<n>" (`comparisons.compare`), of the cases
        with a score under every family: `method` "repeated-measures ANOVA" (F, p with Greenhouse and
        Geisser's `epsilon`), "Friedman" (chi-square; three families or more), "mixed model" (Wald
        chi-square of value ~ family + (1 | case), REML; `sd_cases`, `sd_rest`, and whether it
        `converged`). Where families have several sizes, question "all sizes": the mixed model value ~
        family * log2 n + (1 | case), `effect` "family x log2 n": do the families gain alike? `theirs` is
        the one-way analysis of variance of a study of independent groups.

    Raises:
        ValueError: the table has no such metric.
    """
    if metric not in table:
        raise ValueError(f"the table has no metric {metric!r}")
    rows = [
        {"test_set": test_set, "structure": structure} | row
        for test_set, part in test_sets(compared(table)).items()
        for structure, own in part.groupby("structure", sort=False)
        for row in _of_structure(own, metric, comparison == "independent")
    ]
    out = pd.DataFrame(rows, columns=REPEATED)
    out["theirs"] = out["theirs"].astype("string").fillna("").astype(str)
    out["significant"] = out["p"] < alpha
    return _agreement(out, alpha)[REPEATED]


def friedman(scores: pd.DataFrame) -> dict[str, float]:
    """Friedman's test of cases x families: statistic (chi-square, corrected for ties), df1, p.

    NaN for fewer than two cases or three families, and where every case's scores are the same.
    """
    from scipy.stats import friedmanchisquare

    values = scores.to_numpy(float)
    cases, families = values.shape
    out = {"statistic": np.nan, "df1": families - 1, "p": np.nan}
    if cases < 2 or families < 3 or not (np.ptp(values, axis=1) > 0).any():
        return out
    found = friedmanchisquare(*values.T)
    return out | {"statistic": float(found.statistic), "p": float(found.pvalue)}


def _of_structure(part: pd.DataFrame, metric: str, independent: bool) -> Iterator[dict]:
    case = part["cohort"] + "/" + part["case"]
    part = part.assign(unit=case).dropna(subset=metric)
    for question, n, families in comparisons.questions(part):
        if not question.startswith("models"):
            continue
        here = part[part["n_train"].isin([0, n]) & part["family"].isin(families)]
        scores = here.pivot(index="unit", columns="family", values=metric)[families]
        scores = scores.dropna().round(DECIMALS)
        place = {"question": question, "n_train": n, "effect": "family"}
        place |= {"groups": len(families), "cases": len(scores)}
        if independent:
            groups = {f: own[metric].to_numpy(float) for f, own in here.groupby("family")}
            place |= {"theirs": "one-way ANOVA", "p_theirs": comparisons.one_way(groups)["p"]}
        found = repeated_measures(scores)
        yield place | {
            "method": ANOVA, "statistic": found["F"], "df1": found["df_between"],
            "df2": found["df_within"], "p": found["p"], "epsilon": found["epsilon"],
        }  # fmt: skip
        if len(families) > 2:
            yield place | {"method": FRIEDMAN} | friedman(scores)
        long = scores.stack().rename("value").reset_index()
        yield place | {"method": MIXED} | mixed.families_differ(long)
    sized = part[part.groupby("family")["n_train"].transform("nunique") > 1]
    if sized["family"].nunique() > 1:
        long = sized.rename(columns={metric: "value"})
        place = {"question": "all sizes", "n_train": 0, "effect": "family x log2 n"}
        place |= {"groups": sized["family"].nunique(), "cases": sized["unit"].nunique()}
        yield place | {"method": MIXED} | mixed.families_gain_alike(long)


def _differences(pairs: pd.DataFrame, scores: pd.Series) -> Iterator[np.ndarray]:
    """Each row's a - b; a family without sizes has its scores at n 0."""
    groups = {key: own.droplevel([0, 1, 2]) for key, own in scores.groupby(level=[0, 1, 2])}
    for row in pairs.itertuples():
        own = []
        for family in (row.family_a, row.family_b):
            at_n = groups.get((row.structure, family, row.n_train))
            own.append(groups[row.structure, family, 0] if at_n is None else at_n)
        apart = (own[0] - own[1]).dropna().round(DECIMALS)
        if row.test_set != POOLED:
            apart = apart[apart.index.get_level_values(0) == row.test_set]
        yield apart.to_numpy()


def _bootstrapped(d: np.ndarray, alpha: float) -> tuple[float, float]:
    """BCa interval of the mean; NaN for fewer than two, the mean itself where all are equal."""
    from scipy.stats import bootstrap

    if len(d) < 2:
        return np.nan, np.nan
    if np.ptp(d) == 0:
        return d[0], d[0]
    rng = np.random.default_rng(0)
    found = bootstrap((d,), np.mean, confidence_level=1 - alpha, n_resamples=BOOTSTRAPS, rng=rng)
    return found.confidence_interval.low, found.confidence_interval.high


def _correct(pairs: pd.DataFrame) -> None:
    """Fill in p_holm and tests, in place."""
    cohorts = set(pairs["test_set"]) - {POOLED}
    again = (pairs["test_set"] == POOLED) & (len(cohorts) == 1)
    corrected = holm(pairs.loc[~again, "p_wilcoxon"].to_numpy(float))
    pairs["tests"] = len(corrected)
    # the same comparisons in the same order
    pairs["p_holm"] = np.tile(corrected, 2) if again.any() else corrected


def _pairs_of_paper(
    pairs: pd.DataFrame, comparison: Comparison, tukey: Callable[[], pd.DataFrame]
) -> pd.Series:
    if comparison == "paired":
        return pairs["p_wilcoxon_asymptotic"]
    if comparison == "chains":
        return pd.Series(np.nan, index=pairs.index)
    columns = [*_PLACE, "a", "b"]
    found = {_key(row): row[-1] for row in tukey()[[*columns, "p"]].values}
    return pd.Series([found.get(_key(row), np.nan) for row in pairs[columns].values], pairs.index)


def _tukey(table: pd.DataFrame, metric: str, alpha: float, made: pd.DataFrame | None):
    return comparisons.compare(table, metric, alpha)[1] if made is None else made


def _key(row: np.ndarray) -> tuple:
    """A comparison, whichever of the two models comes first."""
    return (*row[:3], frozenset(row[3:5]))


def _agreement(out: pd.DataFrame, alpha: float) -> pd.DataFrame:
    """Whether theirs is significant, and whether ours is alike; missing where either has no p."""
    known = out["p_theirs"].notna()
    theirs = (out["p_theirs"] < alpha).astype("boolean").where(known)
    agrees = (theirs == out["significant"]).where(out["p" if "p" in out else "p_wilcoxon"].notna())
    return out.assign(significant_theirs=theirs, agrees=agrees)

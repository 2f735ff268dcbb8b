"""Do two models differ on the same cases? By the model of chance, and by paired tests of the trained models.

The difference of two means has its interval and p from `estimates.chance`, for other patients and, where their
spread is known, for other trainings; `about` says which. All else counts patients alone and so is about the models
that were trained, whose scores are averaged over their trainings.

With d the differences of the pairs, zeros dropped (Wilcoxon 1945, and SPSS), and r the ranks of |d|,
equal ones sharing their mean rank:

* W+ and W-: sums of r where d > 0 and d < 0; the signed-rank statistic is the smaller one.
* Asymptotic p, the form of Chen 2023: normal, variance corrected for ties, no continuity correction
  (ten pairs that all improve: 0.00506).
* Exact p: the share of all 2^n sign patterns of these r that are at least as far from the middle
  (the same ten pairs: 0.00195). Ties need no other test: the distribution is that of the ranks found
  (Streitberg & Röhmel 1986).
* Matched-pairs rank-biserial correlation (W+ - W-) / (W+ + W-) (Kerby 2014); Cohen's
  dz = mean(d) / SD(d); Hodges and Lehmann's estimate, the median of all (d_i + d_j) / 2, i <= j.

Differences are rounded to 12 decimals first, so that equal ones are ties.

scipy gives W, its asymptotic p and the t test. Holm's correction is here, since statsmodels' has the garbage collector
look through all of memory at every call and importing pingouin takes a second; the tests compare it with statsmodels'.
What scipy has not is here too, and the tests compare it with all sign patterns: the exact p under ties (scipy's `exact`
takes the ranks for untied, and its `PermutationMethod` goes through all patterns: 2.4 s of CPU time for 14 cases,
against 0.2 ms here for 21), Hodges and Lehmann's estimate, and Westfall and Young's correction.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from crossover.core.wording import counted
from crossover.statistics.differences.comparisons import models_at
from crossover.statistics.differences.sign_patterns import exact_p
from crossover.statistics.estimates.chance import DECIMALS, Effect, Spread
from crossover.statistics.estimates.effects import Spreads, TrainedScores, effect_of
from crossover.statistics.estimates.resampling import mean_of
from crossover.statistics.scores.intervals import clip_to_scale, half_width, of_differences
from crossover.statistics.scores.metrics_table import POOLED, by_test_set, pooled_in_words, tested, with_runs
from crossover.statistics.scores.scales import scale

PAIRED = [
    "test_set", "structure", "question", "n_train", "a", "b", "family_a", "family_b",
    "cases", "unmatched", "trainings", "mean_a", "mean_b", "difference", "ci_low", "ci_high", "p", "about",
    "median_difference",
    "hodges_lehmann", "higher", "lower", "tied_ranks", "statistic",
    "p_wilcoxon_asymptotic", "p_wilcoxon_exact", "p_t", "rank_biserial", "cohen_dz",
    "p_holm", "p_holm_asymptotic", "p_westfall_young", "tests", "corrected_over",
]  # fmt: skip
ENUMERATED = 14
"""The number of cases up to which Westfall and Young's correction takes all sign patterns; above, it takes draws."""
DRAWS = 9999


Known = Callable[[], Spread | None]
"""A function that returns the spread between trainings, where it is known."""


@dataclass(frozen=True)
class _Pair:
    """Two families' scores of the same cases, shape (cases, trainings), NaN where there is none.

    `a` is the later one in the question's order.
    """

    place: dict
    scores: tuple[np.ndarray, np.ndarray]
    runs: tuple[list[str], list[str]]
    strata: np.ndarray
    spread: Known

    @functools.cached_property
    def means(self) -> tuple[np.ndarray, np.ndarray]:
        """Each case's means over the trainings, of a and of b."""
        a, b = (mean_of(scores, 1) for scores in self.scores)
        return a, b

    @functools.cached_property
    def differences(self) -> np.ndarray:
        """a - b of each case; 0 where both are infinite, NaN where one has no value."""
        a, b = self.means
        with np.errstate(invalid="ignore"):
            return np.where(np.isinf(a) & np.isinf(b), 0.0, a - b).round(DECIMALS)

    @functools.cached_property
    def both(self) -> np.ndarray:
        """The cases that both have a value for, shape (cases,), as a mask."""
        return ~np.isnan(self.differences)

    def effect(self) -> Effect | None:
        """Return mean(a - b) by the model of chance; None without pairs, and where a score is infinite."""
        a, b = (scores[self.both] for scores in self.scores)
        if not len(a) or np.isinf(a).any() or np.isinf(b).any():
            return None
        return effect_of([a, b], self.runs, [1, -1], self.strata[self.both], self.spread)


def paired(table: pd.DataFrame, metric: str, alpha: float, main: Sequence[str] | None = None) -> pd.DataFrame:
    """Compare families pair by pair on each test set and structure, cases matched by (cohort, case).

    The questions are those of `comparisons.compare`: "models at n=<n>" are all pairs of families of
    that size and of those that train on no target case (n_train 0) of which one has the size; two
    families without sizes are compared once, at n=0.

    Args:
        main: the families of the study's main question, in order; they come first. All by default.

    Returns:
        One row for each pair, with the columns `PAIRED`. `a` and `b` are models and `a` is the later
        one in the order, so that `difference`, mean(a - b) with its 1 - alpha interval (up to the ends of the metric's
        scale) and `p` by one inversion of the model of chance, is positive where a is higher. `about` is "methods"
        where other trainings are counted, else "trained models"; `trainings` the fewest of either, a draw of several
        counting as one. `cases` have both values; `unmatched` have one. `higher` and `lower` count d > 0 and
        d < 0, `tied_ranks` the cases that share their |d| with another.

        The main families' comparisons on one test set (all structures, sizes and pairs) are
        corrected together, `tests` of them, named in `corrected_over`: `p_holm` from p,
        `p_holm_asymptotic` from the asymptotic signed-rank p, and `p_westfall_young` (`westfall_young`), which
        uses that the same cases are behind all of them. Other rows have none of the three.

        Where a test set has several structures, rows of structure "all" compare the main families by
        each case's mean over the structures; they are corrected among themselves. A pair that lacks a
        structure which other main families have gets no such row: its mean would be of something else. For the same
        reason a case's mean is of the trainings that have all of its structures, and `trainings` counts these.

        An infinite score (a distance to an empty mask) is the largest of all in ranks and medians; then there
        is no mean difference, interval, p, t test or dz.

        A comparison without pairs, or with zero differences only, keeps its row with NaN; so do p, the
        t test, dz and interval of one pair, and the t test and dz of equal differences.

    Raises:
        ValueError: the table has no such metric, or no such family.
    """
    if metric not in table:
        raise ValueError(f"the table has no metric {metric!r}")
    table = with_runs(tested(table))
    known = list(table["family"].unique())
    if unknown := sorted(set(main or ()) - set(known)):
        raise ValueError(f"the table has no family {', '.join(unknown)}")
    main = known if main is None else list(main)
    order = list(dict.fromkeys([*main, *known]))
    out = by_test_set(table, lambda rows: _of_test_set(rows, metric, alpha, main, order))[PAIRED]
    on = pooled_in_words(out)["test_set"]
    named = [
        f"{counted(n, 'test')} on {set_}: {text}" for n, set_, text in zip(out["tests"], on, out["corrected_over"])
    ]
    out["corrected_over"] = np.where(out["tests"] > 0, named, "")
    out["ci_low"], out["ci_high"] = clip_to_scale(out["ci_low"], out["ci_high"], of_differences(scale(metric)))
    return out


def describe(differences: np.ndarray, alpha: float) -> dict[str, float]:
    """Return all that follows from the differences of one comparison, by the names of columns of `PAIRED`.

    Args:
        differences: of each case, shape (cases,); infinite where one mask is empty (a distance).
        alpha: of Student's 1 - alpha interval of the mean difference.
    """
    d = np.asarray(differences, float)
    finite = d if np.isfinite(d).all() else np.full(len(d), np.nan)  # no mean of infinite differences
    n, mean = len(d), float(finite.mean()) if len(d) else np.nan
    sd = finite.std(ddof=1) if n > 1 else np.nan
    half = float(half_width(np.array(sd), np.array(n), 1 - alpha))
    _, counts = np.unique(np.abs(d[d != 0]), return_counts=True)
    varied = n > 1 and np.ptp(finite) > 0
    return {
        "difference": mean,
        "ci_low": mean - half,
        "ci_high": mean + half,
        "median_difference": float(np.median(d)) if n else np.nan,
        "hodges_lehmann": hodges_lehmann(d),
        "higher": int((d > 0).sum()),
        "lower": int((d < 0).sum()),
        "tied_ranks": int(counts[counts > 1].sum()),
        **signed_rank(d),
        "p_wilcoxon_exact": exact_p(d),
        "p_t": float(stats.ttest_1samp(d, 0).pvalue) if varied else np.nan,
        "cohen_dz": float(mean / sd) if varied else np.nan,
    }


def signed_rank(d: np.ndarray) -> dict[str, float]:
    """Test differences by the asymptotic signed-rank test in the form of SPSS and Chen 2023, with its effect size.

    Args:
        d: differences of the cases, shape (cases,).

    Returns:
        statistic (the smaller of W+ and W-), p_wilcoxon_asymptotic (two-sided), rank_biserial (Kerby's
            matched-pairs correlation, from -1 to 1); NaN without a difference.
    """
    if not (d != 0).any():
        return dict.fromkeys(("statistic", "p_wilcoxon_asymptotic", "rank_biserial"), np.nan)
    found = stats.wilcoxon(d, zero_method="wilcox", correction=False, method="asymptotic")
    ranks = _signed_ranks(d)
    return {
        "statistic": float(found.statistic),
        "p_wilcoxon_asymptotic": float(found.pvalue),
        "rank_biserial": float(ranks.sum() / np.abs(ranks).sum()),
    }


def hodges_lehmann(d: np.ndarray) -> float:
    """Return Hodges and Lehmann's estimate of differences d, shape (cases,); NaN without a case.

    It is the median of the Walsh averages (d_i + d_j) / 2, i <= j.
    """
    first, second = np.triu_indices(len(d))
    with np.errstate(invalid="ignore"):  # of infinite differences of both signs
        return float(np.median((d[first] + d[second]) / 2)) if len(d) else np.nan


def holm(p: np.ndarray) -> np.ndarray:
    """Correct p values for their number by Holm's (1979) step-down procedure.

    A missing p stays missing and counts as one of the tests, so that a degenerate one makes no other look
    better.

    Args:
        p: shape (tests,), NaN where a p is missing.
    """
    order = np.argsort(np.where(np.isnan(p), 1.0, p), kind="stable")
    corrected = np.empty(len(p))
    times = np.arange(len(p), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(times * np.nan_to_num(p[order], nan=1.0)), 1)
    return np.where(np.isnan(p), np.nan, corrected)


def westfall_young(differences: np.ndarray) -> np.ndarray:
    """Correct signed-rank tests on the same cases by the step-down max-T procedure (Westfall & Young 1993).

    The signs of all of a case's differences are flipped together, which keeps how the tests depend on each
    other; a test's statistic is |W+ - W-| / sqrt(sum of r²). A test's corrected p is the share of sign
    patterns in which the largest statistic of it and the less extreme tests reaches its own. Up to 14 cases
    all patterns are taken; above, 9,999 seeded draws and the data themselves.

    Args:
        differences: shape (cases, tests); NaN where a case has no pair.

    Returns:
        The corrected p of each test, NaN for one without a difference.
    """
    signed = np.column_stack([_signed_ranks(d) for d in differences.T])
    size = np.sqrt((signed**2).sum(axis=0))
    tested = np.flatnonzero(size > 0)
    scaled = signed[:, tested] / size[tested]
    observed = np.abs(scaled.sum(axis=0))
    flipped = np.abs(_signs(len(differences)) @ scaled)
    out = np.full(differences.shape[1], np.nan)
    least_first = np.argsort(observed, kind="stable")
    largest = np.maximum.accumulate(flipped[:, least_first], axis=1)
    share = (largest >= observed[least_first] - 1e-9).mean(axis=0)
    out[tested[least_first[::-1]]] = np.maximum.accumulate(share[::-1])
    return out


def _signed_ranks(d: np.ndarray) -> np.ndarray:
    d = np.nan_to_num(d)
    out = np.zeros(len(d))
    out[d != 0] = np.sign(d[d != 0]) * stats.rankdata(np.abs(d[d != 0]))
    return out


def _signs(cases: int) -> np.ndarray:
    """Return sign patterns, shape (patterns, cases), the one without a flip among them."""
    if cases <= ENUMERATED:
        bits = np.arange(2**cases)[:, None] >> np.arange(cases) & 1
        return 1.0 - 2 * bits
    drawn = np.random.default_rng(0).choice([-1.0, 1.0], (DRAWS, cases))
    return np.vstack([np.ones(cases), drawn])


def _of_test_set(rows: pd.DataFrame, metric: str, alpha: float, main: list[str], order: list[str]) -> pd.DataFrame:
    """Return the rows of one test set, without its name."""
    scores, spreads = TrainedScores(rows, metric), Spreads(rows, metric)
    pairs = [
        pair
        for structure, part in rows.groupby("structure", sort=False)
        for pair in _pairs(part, scores, order, structure, spreads.of(structure))
    ]
    single = len(pairs)
    if rows["structure"].nunique() > 1:
        pairs += _over_structures(pairs, main, spreads.of(None))
    table = pd.DataFrame([_row(pair, alpha) for pair in pairs]).reindex(columns=PAIRED)
    asked = table["family_a"].isin(main) & table["family_b"].isin(main)
    table["tests"], table["corrected_over"] = 0, ""
    _correct(table, pairs, np.flatnonzero(asked[:single]))
    _correct(table, pairs, np.arange(single, len(pairs)))
    return table


def _pairs(
    part: pd.DataFrame, scores: TrainedScores, order: list[str], structure: str, spread: Known
) -> Iterator[_Pair]:
    """Yield the comparisons of one structure, size by size. A model is called by its first training's name."""
    part = part.sort_values(["replicate", "fold"], kind="stable")
    models = part.groupby(["family", "n_train"], sort=False)["model"].first().to_dict()
    for n in sorted({size for _, size in models}):
        here = sorted((k for k in models if k[1] in (0, n)), key=lambda k: order.index(k[0]))
        for b, a in combinations(here, 2):
            if n in (a[1], b[1]):
                place = {"structure": structure, "question": models_at(n), "n_train": n}
                place |= {"a": models[a], "b": models[b], "family_a": a[0], "family_b": b[0]}
                (first, of_a), (second, of_b) = (scores.of((*k, structure)) for k in (a, b))
                yield _Pair(place, (first, second), (of_a, of_b), scores.strata, spread)


def _over_structures(pairs: list[_Pair], main: list[str], spread: Known) -> list[_Pair]:
    """Return the main comparisons by each case's mean over the structures, where both families have all."""
    structures = {
        pair.place["structure"] for pair in pairs if {pair.place["family_a"], pair.place["family_b"]} & set(main)
    }
    groups: dict[tuple, list[_Pair]] = {}
    for pair in pairs:
        names = pair.place["family_a"], pair.place["family_b"]
        if set(names) <= set(main):
            groups.setdefault((pair.place["n_train"], *names), []).append(pair)
    out = []
    for own in groups.values():
        if len(own) < len(structures):
            continue
        (a, of_a), (b, of_b) = (_mean_over(own, side) for side in (0, 1))
        if not (of_a and of_b):  # no training has all structures of a case
            continue
        first = own[0].place
        # a model of one structure can't name the comparison over all: the families do
        place = first | {"structure": POOLED, "a": first["family_a"], "b": first["family_b"]}
        out.append(_Pair(place, (a, b), (of_a, of_b), own[0].strata, spread))
    return out


def _mean_over(pairs: list[_Pair], side: int) -> tuple[np.ndarray, list[str]]:
    """Return one side's scores by each case's mean over the structures that both have, and the names of its trainings.

    A training that lacks one of these structures of a case has no mean of it; one without any mean is left out.
    """
    runs = sorted({run for pair in pairs for run in pair.runs[side]})
    tables = [pd.DataFrame(pair.scores[side], columns=pair.runs[side]).reindex(columns=runs) for pair in pairs]
    scores, counted = np.stack(tables), np.stack([pair.both for pair in pairs])[..., None]
    lacking = (counted & np.isnan(scores)).any(0)
    means = np.where(lacking, np.nan, mean_of(np.where(counted, scores, np.nan), 0))
    trained = np.flatnonzero((~np.isnan(means)).any(0))
    return means[:, trained], [runs[i] for i in trained]


def _row(pair: _Pair, alpha: float) -> dict:
    (a, b), both, found = pair.means, pair.both, pair.effect()
    low, high = found.interval(1 - alpha) if found else (np.nan, np.nan)
    return {
        **pair.place,
        "cases": int(both.sum()),
        "unmatched": int((~np.isnan(a)).sum() + (~np.isnan(b)).sum() - 2 * both.sum()),
        "trainings": min(map(len, pair.runs)),
        "mean_a": a[both].mean() if both.any() else np.nan,
        "mean_b": b[both].mean() if both.any() else np.nan,
        **describe(pair.differences[both], alpha),
        "ci_low": low,
        "ci_high": high,
        "p": found.p() if found else np.nan,
        "about": found.about if found else "",
    }


def _correct(table: pd.DataFrame, pairs: list[_Pair], asked: np.ndarray) -> None:
    """Fill in the corrected p values of the rows `asked`, and what was corrected together, in place."""
    if not len(asked):
        return
    own = table.iloc[asked]
    matrix = np.column_stack([pairs[i].differences for i in asked])
    families = len({*own["family_a"], *own["family_b"]})
    sizes = ", ".join(str(n) for n in sorted(own["n_train"].unique()))
    whole = own["structure"].iloc[0] == POOLED
    on = "their means over the structures" if whole else counted(own["structure"].nunique(), "structure")
    text = f"the pairs of {families} models on {on}"
    text += f" at n = {sizes}" if own["n_train"].any() else ""  # 0 where models have no sizes
    corrected = {
        "p_holm": holm(own["p"].to_numpy(float)),
        "p_holm_asymptotic": holm(own["p_wilcoxon_asymptotic"].to_numpy(float)),
        "p_westfall_young": westfall_young(matrix),
        "tests": len(own),
        "corrected_over": text,
    }
    for column, values in corrected.items():
        table.loc[own.index, column] = values

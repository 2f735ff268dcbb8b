"""What does training on other cohorts first add? Each chain against its target's baseline.

Both are tested on the same patients.

A family of a chain has a model for each fold, all tested on the same cases of the target. A case's score
under a family is its mean over the models, so that the patients remain the units. Beside it stands the
score of the one model whose *validation* DSC is best, which is what Touijer 2024 reports; which model that
is never depends on a test case. Where cases have several structures, a case's score is their mean, under each training
that has all of them (`metrics_table.with_all_structures`).

A mean difference has two intervals. `ci_low, ci_high` is Student's over the cases' differences, as if
these were the only models that such a training could give. `ci_wide_low, ci_wide_high` is for other patients
and other trainings (`mean_difference`). A chain's fold is paired with the same fold of what it is compared with: both
left out the same patients.
"""

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations, product

import numpy as np
import pandas as pd

from crossover.statistics.differences.paired import describe, holm
from crossover.statistics.estimates.chance import DECIMALS, METHODS, Effect, combined
from crossover.statistics.estimates.effects import effect_of
from crossover.statistics.scores.intervals import clip_to_scale, mean_interval, of_differences
from crossover.statistics.scores.metrics_table import POOLED, with_all_structures, with_runs
from crossover.statistics.scores.scales import Scale, scale
from crossover.study.chains import BASELINE, ONE_SOURCE, Chain, baseline, comparable, kinds

METRICS = ("dsc_structure_slices", "iou_structure_slices", "dsc", "iou", "dsc_mean_of_slices")
"""The metrics that are compared beside the study's."""
CHAINS = [
    "target", "family", "strategy", "kind", "sources", "metric", "folds", "cases",
    "best_fold", "best_fold_mean", "mean", "sd_folds", "ci_low", "ci_high",
]  # fmt: skip
_TESTED = [
    "ci_low", "ci_high", "ci_wide_low", "ci_wide_high", "p", "about", "higher", "lower", "p_wilcoxon_exact",
]  # fmt: skip
GAINS = [
    "target", "family", "kind", "sources", "baseline", "metric", "cases", "folds", "gain",
    *_TESTED, "p_holm", "rank_biserial", "cohen_dz", "best_fold_gain",
]  # fmt: skip
CONTRASTS = [
    "target", "a", "b", "metric", "families_a", "families_b", "cases", "folds", "mean_a", "mean_b",
    "difference", *_TESTED,
]  # fmt: skip
ATTRIBUTES = [
    "attribute", "target", "a_source", "a_family", "a_value", "b_source", "b_family", "b_value",
    "metric", "cases", "folds", "difference", *_TESTED,
]  # fmt: skip

NONE = pd.DataFrame()
"""The scores of what wasn't tested."""


class ChainScores:
    """Every family's scores of every cohort's test cases.

    Args:
        metrics: of `metrics_table.read_metrics`.
        validation: of `cross_validation.validation`.
        primary: the study's metric.
    """

    def __init__(self, metrics: pd.DataFrame, validation: pd.DataFrame, primary: str = METRICS[0]) -> None:
        self.metrics = [m for m in dict.fromkeys((*METRICS, primary)) if m in metrics]
        metrics = with_runs(metrics)
        self._tables = {}
        for metric in self.metrics:
            whole = with_all_structures(metrics.dropna(subset=metric))
            means = whole.groupby(["family", "cohort", "case", "run"])[metric].mean().unstack("run")
            for (family, cohort), own in means.groupby(level=[0, 1]):
                self._tables[family, cohort, metric] = own.droplevel([0, 1]).dropna(axis=1, how="all")
        models = metrics.drop_duplicates("model")[["model", "family", "run", "fold"]]
        self._validation = models.merge(validation[["model", "validation_dsc"]], "left", "model")
        self._best = functools.cache(self._best_of)

    def of(self, chain: Chain, target: str, metric: str) -> pd.DataFrame:
        """Return a chain's scores of a target's test cases: cases (rows) x trainings (columns).

        Trainings are named alike in every family. A missing score is NaN; the table is empty where the chain
        wasn't tested on the target.
        """
        return self._tables.get((chain.family, target, metric), NONE)

    def best(self, chain: Chain, target: str, metric: str) -> tuple[int | None, float]:
        """Return (fold, test mean) of the run with the best validation DSC, the first of equals.

        A run is one model, or one for each structure; then their mean counts.

        Raises:
            ValueError: a model has no validation score; the message names it.
        """
        scores = self.of(chain, target, metric)
        place, fold = self._best(chain.family, tuple(scores.columns))
        return fold, float(scores.iloc[:, place].mean())

    def _best_of(self, family: str, runs: tuple[str, ...]) -> tuple[int, int | None]:
        """Return (place among these, fold) of a family's run with the best validation DSC."""
        own = self._validation
        own = own[(own["family"] == family) & own["run"].isin(runs)]
        if missing := own.loc[own["validation_dsc"].isna(), "model"].tolist():
            raise ValueError(f"no validation score of {', '.join(missing)}")
        of_runs = own.groupby("run").agg({"validation_dsc": "mean", "fold": "first"}).loc[[*runs]]
        place = int(np.argmax(of_runs["validation_dsc"]))
        fold = of_runs["fold"].iloc[place]
        return place, None if pd.isna(fold) else int(fold)


@np.errstate(invalid="ignore")  # of infinite distances there is no SD
def chain_scores(scores: ChainScores, chains: Sequence[Chain], confidence: float) -> pd.DataFrame:
    """Return every chain's scores on its target's test cases, with the columns `CHAINS`.

    Returns:
        One row for each target, family and metric. `mean` is over cases of each case's mean over the
        family's models, with its interval over the cases (`intervals.mean_interval`); `sd_folds` is the SD of the
        models' own means (NaN of one); `best_fold_mean` is the test mean of the model whose validation DSC is
        best, `best_fold` its fold.
    """
    rows = []
    for chain, target, metric in _tested(scores, chains):
        own = scores.of(chain, target, metric)
        cases = own.mean(axis=1)
        best, best_mean = scores.best(chain, target, metric)
        low, high = mean_interval(cases.mean(), cases.std(), len(cases), confidence, scale(metric))
        rows.append({
            "target": target, "family": chain.family, "strategy": chain.strategy,
            "kind": chain.kind, "sources": chain.sources, "metric": metric,
            "folds": own.shape[1], "cases": len(cases), "best_fold": best,
            "best_fold_mean": best_mean, "mean": cases.mean(), "sd_folds": own.mean().std(),
            "ci_low": float(low), "ci_high": float(high),
        })  # fmt: skip
    return pd.DataFrame(rows, columns=CHAINS).astype({"best_fold": "Int64"})


def gains(scores: ChainScores, chains: Sequence[Chain], alpha: float) -> pd.DataFrame:
    """Compare every chain with the baseline of its target, on the same cases, with the columns `GAINS`.

    Returns:
        One row for each target with a baseline, family that is no baseline, and metric. `gain` is the mean over the
        cases of the difference of their means over the models, with its two 1 - alpha intervals, all in the metric's
        unit: of a distance, a gain below 0 is for the better. p is of the same
        inversion as the wider one, or as the other where every chain was trained once (`about`); the other
        tests are those of `paired.describe`. `p_holm` corrects p of all rows of a metric together.
        `best_fold_gain` is between the two models whose validation DSC is best.
    """
    rows = []
    for chain, target, metric in _tested(scores, chains):
        base = baseline(chains, target)
        if base is None or chain.kind == BASELINE or scores.of(base, target, metric).empty:
            continue
        apart = _apart(scores.of(chain, target, metric), scores.of(base, target, metric))
        found = _compared([apart], alpha, scale(metric))
        best = [scores.best(c, target, metric)[1] for c in (chain, base)]
        rows.append({
            "target": target, "family": chain.family, "kind": chain.kind, "sources": chain.sources,
            "baseline": base.family, "metric": metric, **found,
            "gain": found["difference"], "best_fold_gain": best[0] - best[1],
        })  # fmt: skip
    table = pd.DataFrame(rows, columns=GAINS)
    if len(table):
        p = table.groupby("metric")["p"]
        table["p_holm"] = p.transform(lambda own: holm(own.to_numpy(float)))
    return table


def contrasts(scores: ChainScores, chains: Sequence[Chain], alpha: float) -> pd.DataFrame:
    """Compare kinds of chains with each other, on the same cases, with the columns `CONTRASTS`.

    A case's score under a kind is its mean over the kind's families that end on its cohort. Which kinds are
    compared says `crossover.study.chains.comparable`.

    Returns:
        One row for each pair of kinds (`a` the later one in the order of `crossover.study.chains.kinds`),
        metric and target, and where there are several such targets one of target "all", over the cases
        of all of them. `difference` is a - b; not corrected. A target for which a family of the kinds has no
        score, as where its trainings failed, has no row, and there is none of all targets then: what is left
        would be a mean of something else.
    """
    rows = []
    first = {chain.kind: chain for chain in reversed(chains)}
    for (b, a), metric in product(combinations(kinds(chains), 2), scores.metrics):
        if not comparable(first[a], first[b]):
            continue
        sides, whole = {}, True
        for target in _targets(chains):
            own = [_of_kind(scores, chains, kind, target, metric) for kind in (a, b)]
            if not all(own):  # the study has no such chain
                continue
            if any(table.empty for tables in own for table in tables):
                whole = False
            else:
                sides[target] = [own]
        if whole and len(sides) > 1:
            sides[POOLED] = [side for own in sides.values() for side in own]
        place = {"a": a, "b": b, "metric": metric}
        rows += [{"target": t} | place | _contrast(own, alpha, scale(metric)) for t, own in sides.items()]
    return pd.DataFrame(rows, columns=CONTRASTS)


def attribute_contrasts(
    scores: ChainScores,
    chains: Sequence[Chain],
    attributes: Mapping[str, Mapping[str, float | str]],
    alpha: float,
) -> pd.DataFrame:
    """Compare sources that differ in an attribute with each other, with the columns `ATTRIBUTES`.

    Args:
        attributes: attribute -> cohort -> its value; the values of an attribute are all numbers or all texts.

    Returns:
        One row for each attribute, metric, target and pair of its chains with one source each whose values
        differ; `difference` is a - b on the same cases, where a has the higher number or the text that a later
        cohort has first. Where there are several such targets one row of target "all", each case once (its
        mean over its target's pairs); of texts, one for each pair of texts. Not corrected. A pair of which one
        has no score is left out, and so is the row of all targets then.
    """
    rows = []
    for (name, values), metric in product(attributes.items(), scores.metrics):
        for pairs in _pairs(chains, values):
            about = {"attribute": name, "metric": metric}
            rows += [about | row for row in _differing(scores, pairs, values, metric, alpha)]
    return pd.DataFrame(rows, columns=ATTRIBUTES)


def _differing(
    scores: ChainScores,
    pairs: Sequence[tuple[str, Chain, Chain]],
    values: Mapping[str, float | str],
    metric: str,
    alpha: float,
) -> Iterator[dict[str, object]]:
    """Yield a row for each pair (target, b, a), and one of all targets."""
    by_target: dict[str, list[pd.DataFrame]] = {}
    whole = True
    for target, b, a in pairs:
        if any(scores.of(chain, target, metric).empty for chain in (b, a)):
            whole = False
            continue
        apart = _apart(scores.of(a, target, metric), scores.of(b, target, metric))
        by_target.setdefault(target, []).append(apart)
        sides = _source("a", a, values) | _source("b", b, values)
        yield {"target": target, **sides, **_compared([apart], alpha, scale(metric))}
    if whole and len(by_target) > 1:
        _, b, a = pairs[0]
        ends = {"a_value": values[a.source or ""], "b_value": values[b.source or ""]}
        texts = {side: value for side, value in ends.items() if isinstance(value, str)}
        every = [_mean(own) for own in by_target.values()]
        yield {"target": POOLED, **texts, **_compared(every, alpha, scale(metric))}


def _compared(differences: Sequence[pd.DataFrame], alpha: float, of: Scale) -> dict[str, float]:
    """Return all that follows from differences of cases x trainings, a table for each cohort, of values on a scale."""
    known = [d.dropna(axis=1, how="all").dropna() for d in differences]
    means = pd.concat([d.mean(axis=1) for d in known]).round(DECIMALS)
    # of infinite distances there is no mean difference, as in `paired`
    found = mean_difference([d for d in known if d.size]) if not np.isinf(means).any() else None
    counts = {"cases": len(means), "folds": max((d.shape[1] for d in known), default=0)}
    out = describe(means.to_numpy(), alpha) | counts | dict.fromkeys(("p", "about"), np.nan)
    wide = np.nan, np.nan
    if found:
        out |= {"p": found.p(), "about": found.about}
        exact = found.estimate, found.estimate  # where nothing varies
        within = found.interval(1 - alpha) if found.se > 0 else exact
        wide = within if found.about == METHODS else wide
    for name, ends in (("ci", (out["ci_low"], out["ci_high"])), ("ci_wide", wide)):
        low, high = clip_to_scale(ends[0], ends[1], of_differences(of))
        out |= {f"{name}_low": float(low), f"{name}_high": float(high)}
    return out


def _apart(a: pd.DataFrame, b: pd.DataFrame) -> pd.DataFrame:
    """Return a - b, cases x trainings; 0 where both are infinite, as distances to an empty mask may be."""
    a, b = a.align(b)
    return (a - b).mask(np.isinf(a) & np.isinf(b), 0.0)


def mean_difference(differences: Sequence[pd.DataFrame]) -> Effect | None:
    """Return a mean difference for other cases and, of several trainings, other trainings (`estimates.chance`).

    One training may be tested on several cohorts, which counts it as several: the interval over them is too narrow.

    Args:
        differences: shape (cases, trainings), a table for each cohort; trainings are paired by their fold, and named
            as by `metrics_table.with_runs`.

    Returns:
        None where a table has fewer than two cases.
    """
    if not differences or any(len(d) < 2 for d in differences):
        return None
    return combined(
        [effect_of([d.to_numpy(float)], [[*map(str, d)]], [1.0], np.zeros(len(d)), lambda: None) for d in differences]
    )


def _tested(scores: ChainScores, chains: Iterable[Chain]) -> Iterator[tuple[Chain, str, str]]:
    for metric in scores.metrics:
        for target in _targets(chains):
            for chain in chains:
                if target in chain.targets and len(scores.of(chain, target, metric)):
                    yield chain, target, metric


def _targets(chains: Iterable[Chain]) -> list[str]:
    return list(dict.fromkeys(target for chain in chains for target in chain.targets))


def _of_kind(scores: ChainScores, chains: Iterable[Chain], kind: str, target: str, metric: str) -> list[pd.DataFrame]:
    """Return the scores of each family of a kind that ends on the target; empty where it has none."""
    named = [c for c in chains if c.kind == kind and target in c.targets]
    return [scores.of(c, target, metric) for c in named]


def _mean(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the mean of tables with the same cases; trainings that one of them lacks are missing."""
    return sum(tables[1:], start=tables[0]) / len(tables)


def _contrast(sides: Sequence[Sequence[Sequence[pd.DataFrame]]], alpha: float, of: Scale) -> dict[str, float]:
    """Compare the means of the families (a, b) of each target over all targets' cases, of values on a scale."""
    means = [_of_both(_mean(a), _mean(b)) for a, b in sides]
    counts = [sum(len(side[i]) for side in sides) for i in (0, 1)]
    cases = [pd.concat([pair[i].mean(axis=1) for pair in means]) for i in (0, 1)]
    return {
        "families_a": counts[0],
        "families_b": counts[1],
        "mean_a": cases[0].mean(),
        "mean_b": cases[1].mean(),
        **_compared([_apart(a, b) for a, b in means], alpha, of),
    }


def _of_both(a: pd.DataFrame, b: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the trainings that both sides have."""
    a, b = (side.dropna(axis=1, how="all") for side in (a, b))
    both = [run for run in a if run in b]
    return a[both], b[both]


def _pairs(chains: Sequence[Chain], values: Mapping[str, float | str]) -> list[list[tuple[str, Chain, Chain]]]:
    """Return (target, b, a) of chains with one source each whose values differ: together for numbers, else by texts."""
    seen = list(dict.fromkeys(values.values()))
    groups: dict[tuple, list[tuple[str, Chain, Chain]]] = {}
    for target in _targets(chains):
        own = [c for c in chains if c.kind == ONE_SOURCE and target in c.targets and c.source in values]
        for pair in combinations(own, 2):
            ranked = sorted(((_rank(c, values, seen), c) for c in pair), key=lambda of_chain: of_chain[0])
            (low, b), (high, a) = ranked
            if low < high:
                texts = isinstance(values[a.source or ""], str)
                groups.setdefault((low, high) if texts else (), []).append((target, b, a))
    return list(groups.values())


def _rank(chain: Chain, values: Mapping[str, float | str], seen: Sequence[float | str]) -> float:
    """Return the source's number, or the place of its text among those of the cohorts."""
    value = values[chain.source or ""]
    return seen.index(value) if isinstance(value, str) else value


def _source(side: str, chain: Chain, values: Mapping[str, float | str]) -> dict[str, object]:
    return {
        f"{side}_source": chain.sources,
        f"{side}_family": chain.family,
        f"{side}_value": values[chain.source or ""],
    }

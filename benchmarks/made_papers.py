"""Papers whose numbers truly follow from made scores, for `benchmarks.audit_alarms`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from itertools import combinations
from typing import Any

import numpy as np
from scipy import special, stats

from crossover.statistics.papers.printed_number import Printed
from crossover.statistics.scores.scales import DISTANCE, SHARE, scale

Rng = np.random.Generator
Parts = dict[str, Any]
MODELS = ("a", "b", "c")
RULES = {"even": ROUND_HALF_EVEN, "up": ROUND_HALF_UP, "cut": ROUND_DOWN}
THRESHOLDS = ("0.001", "0.01", "0.05")


@dataclass(frozen=True)
class Style:
    """How a paper prints its scores."""

    metrics: tuple[str, ...] = ("dsc", "iou")
    unit: int = 1
    """100 for per cent."""
    spread: str = "sd"
    interval: str = "t"
    structures: int = 1
    cohorts: tuple[int, ...] = (30,)
    """Test cases of each; several are pooled, too."""
    absent: bool = False
    """Whether some structures are missing in some cases."""
    test: str = "t"
    rule: str = "even"
    decimals: int = 3
    averages: str = ""
    """What the file says that SDs are over: "cases", "averages" of slices (with `slices`) or nothing."""
    slices: int = 1
    thresholds: bool = False
    gain: str = "points"
    beside: bool = False
    """Whether standard errors and intervals stand beside SDs."""
    freedom: int = 1
    """What the SDs take off the number of cases: 1, or 0 as numpy's do by themselves."""
    comparisons: int = 1
    """The number that p values are multiplied by (Bonferroni); those of another test stand beside them."""


def styles() -> dict[str, Callable[[Rng], Style]]:
    """Variant -> draws a style."""
    plain, pick = Style(), lambda rng, *of: of[rng.integers(len(of))]

    def cases(rng: Rng) -> int:
        return int(rng.integers(8, 80))

    return {
        "as most papers: DSC, IoU, mean ± SD": lambda rng: replace(plain, cohorts=(cases(rng),)),
        "other metrics": lambda rng: replace(
            plain, metrics=("nsd", "assd_mm", "relative_volume_error"), cohorts=(cases(rng),)
        ),
        "HD95": lambda rng: replace(
            plain, metrics=("hd95_mm",), decimals=pick(rng, 1, 2), cohorts=(cases(rng),)
        ),
        "per cent": lambda rng: replace(
            plain, unit=100, decimals=pick(rng, 1, 2), gain=pick(rng, "points", "relative")
        ),
        "standard errors": lambda rng: replace(plain, spread="se", cohorts=(cases(rng), cases(rng))),
        "confidence intervals": lambda rng: replace(
            plain, spread="ci", interval=pick(rng, "t", "normal", "bootstrap", "logit"),
            cohorts=(cases(rng), cases(rng)),
        ),
        "median and quartiles": lambda rng: replace(
            plain, spread="iqr", test="wilcoxon", structures=pick(rng, 1, 4),
            cohorts=(cases(rng), cases(rng)),
        ),
        "rounding half up, half even, cut off": lambda rng: replace(
            plain, rule=pick(rng, *RULES), structures=4, cohorts=(cases(rng), cases(rng)),
            decimals=pick(rng, 2, 3),
        ),
        "unequal numbers of cases": lambda rng: replace(
            plain, absent=True, structures=4, cohorts=(cases(rng), 3 * cases(rng))
        ),
        "rank tests": lambda rng: replace(
            plain, test=pick(rng, "wilcoxon", "mann-whitney", "friedman"), cohorts=(int(rng.integers(6, 40)),)
        ),
        "SDs of patients' averages": lambda rng: replace(
            plain, slices=12, structures=pick(rng, 2, 6), averages=pick(rng, "averages", ""), cohorts=(cases(rng),)
        ),
        "several structures": lambda rng: replace(plain, structures=int(rng.integers(2, 13)), decimals=2),
        "pooled test sets": lambda rng: replace(
            plain, cohorts=(cases(rng), cases(rng)), spread=pick(rng, "sd", "ci"), decimals=pick(rng, 2, 3)
        ),
        "gains": lambda rng: replace(
            plain, gain=pick(rng, "points", "relative", "points %", "relative %"),
            metrics=pick(rng, ("dsc", "iou"), ("hd95_mm",)), decimals=pick(rng, 2, 3),
        ),
        "p as thresholds": lambda rng: replace(
            plain, thresholds=True, test=pick(rng, "t", "wilcoxon"), cohorts=(pick(rng, 8, 10, 12, 40),)
        ),
        "one to four decimals": lambda rng: replace(
            plain, decimals=int(rng.integers(1, 5)), structures=3, cohorts=(cases(rng), cases(rng))
        ),
        "SD, standard error and interval, of few cases": lambda rng: replace(
            plain, beside=True, interval=pick(rng, "t", "normal", "bootstrap"), freedom=pick(rng, 0, 1),
            cohorts=(int(rng.integers(5, 30)),)
        ),
        "corrected p of the t test, p of ranks beside": lambda rng: replace(
            plain, comparisons=pick(rng, 3, 12), decimals=pick(rng, 2, 3), cohorts=(cases(rng),)
        ),
    }  # fmt: skip


class Maker:
    """One made paper: scores by metric, of models, structures, cases (NaN where absent); and its parts."""

    def __init__(self, style: Style, rng: Rng) -> None:
        self.style, self.rng = style, rng
        total = sum(style.cohorts)
        ends = np.cumsum((0, *style.cohorts))
        self.sets = {f"site{k}": slice(ends[k], ends[k + 1]) for k in range(len(style.cohorts))}
        if len(style.cohorts) > 1:
            self.sets["both"] = slice(0, total)
        self.names = [f"s{k}" for k in range(style.structures)] if style.structures > 1 else [None]
        self.scores = _scores(style, total, rng)

    def parts(self) -> Parts:
        """All that the paper prints."""
        of_sets = {t: {"cases": len(range(*s.indices(10**6))), "where": "Table 2"} for t, s in self.sets.items()}
        if "both" in of_sets:
            of_sets["both"]["pools"] = [t for t in of_sets if t != "both"]
        values = list(self._values())
        training, testing = int(self.rng.integers(20, 200)), sum(self.style.cohorts)
        facts = [
            ("training", training),
            ("testing", testing),
            ("patients", training + testing),
            ("testing", testing),
        ]
        return {
            "study": "made", "citation": "Made 2026", "sizes": [5], "confidence": 0.95, "values": values,
            "test_sets": of_sets, "orderings": list(self._orderings()), "paired": list(self._paired()),
            "differences": list(self._differences()),
            "alpha": Printed("0.05"), "gains": self._gains(), "grid": self._grid(),
            "table_one": self._table_one(training, testing),
            "facts": [
                {"about": k, "key": k, "value": n, "where": f"Methods {i}"} for i, (k, n) in enumerate(facts)
            ],
            "statements": [{"about": "All patients", "left": "patients", "relation": "equals",
                            "right": {"sum": "training + testing"}, "where": "Methods"}],
        }  # fmt: skip

    def show(self, value: float, decimals: int | None = None) -> Printed:
        """Return a number as the paper prints it."""
        places = Decimal(1).scaleb(-(self.style.decimals if decimals is None else decimals))
        return Printed(f"{Decimal(repr(float(value))).quantize(places, RULES[self.style.rule]):f}")

    def unit(self, metric: str) -> int:
        return self.style.unit if scale(metric) == SHARE else 1

    def cells(self, metric: str, model: int, structure: int, test_set: str) -> np.ndarray:
        x = self.scores[metric][model, structure, self.sets[test_set]] * self.unit(metric)
        return x[~np.isnan(x)]

    def _values(self) -> Iterator[dict]:
        for metric in self.style.metrics:
            for model, family in enumerate(MODELS):
                for test_set in self.sets:
                    key = {
                        "model": {"family": family, "n_train": 0},
                        "test_set": test_set,
                        "metric": metric,
                    }
                    for k, name in enumerate(self.names):
                        x = self.cells(metric, model, k, test_set)
                        row = key | {"structure": name, "where": "Table 2"} | self._printed(x, metric)
                        yield row | ({"cases": len(x)} if self.style.absent else {})
                    if len(self.names) > 1:
                        yield (key | {"structure": "all", "where": "Results"} | self._average(metric, model, test_set))
        for metric in self.style.metrics[:1]:
            x = self.cells(metric, 0, 0, "site0")
            again = self._printed(x, metric, max(1, self.style.decimals - 1))
            yield {"model": {"family": "a", "n_train": 0}, "test_set": "site0", "metric": metric,
                   "structure": self.names[0], "where": "Abstract"} | again  # fmt: skip

    def _printed(self, x: np.ndarray, metric: str, decimals: int | None = None) -> dict:
        show, style = lambda v: self.show(v, decimals), self.style
        if style.spread == "iqr":
            quartiles = np.quantile(x, (0.25, 0.75))
            return {
                "mean": show(np.median(x)),
                "statistic": "median",
                "iqr": tuple(map(show, quartiles)),
            }
        row: dict = {"mean": show(x.mean())}
        if style.spread == "ci":
            return row | {"ci": tuple(map(show, self._interval(x, metric)))}
        sd = x.std(ddof=style.freedom) / (np.sqrt(len(x)) if style.spread == "se" else 1)
        if style.beside:
            row |= {"se": show(stats.sem(x)), "ci": tuple(map(show, self._interval(x, metric)))}
        return row | {style.spread: show(sd)} | ({"sd_of": style.averages} if style.averages else {})

    def _interval(self, x: np.ndarray, metric: str) -> tuple[float, float]:
        mean, se, kind = x.mean(), stats.sem(x), self.style.interval
        if kind == "bootstrap":
            draws = x[np.random.default_rng(0).integers(len(x), size=(2000, len(x)))].mean(1)
            return tuple(np.quantile(draws, (0.025, 0.975)))
        half = stats.t.ppf(0.975, len(x) - 1) if kind != "normal" else stats.norm.ppf(0.975)
        if kind == "logit" and metric != "differences":
            slope = half * se / (mean * (1 - mean))
            return tuple(special.expit(special.logit(mean) + np.array((-1, 1)) * slope))
        return mean - half * se, mean + half * se

    def _average(self, metric: str, model: int, test_set: str) -> dict:
        """Over structures: its SD over rows, over rows and cases, or of each case's average."""
        x = self.scores[metric][model, :, self.sets[test_set]] * self.unit(metric)
        if self.style.spread == "iqr":
            return self._printed(x[~np.isnan(x)], metric)
        rows = np.nanmean(x, axis=1)
        if self.style.slices > 1:
            own = self._printed(x.mean(axis=0), metric)
            return own | {"sd_of": self.style.averages or None}
        if self.style.spread != "sd":
            return {"mean": self.show(rows.mean())}
        way = self.rng.integers(2 if self.style.absent else 3)
        if way == 0:
            return {"mean": self.show(rows.mean()), "sd": self.show(rows.std(ddof=self.style.freedom))}
        if way == 1:
            return {"mean": self.show(np.nanmean(x)), "sd": self.show(np.nanstd(x, ddof=self.style.freedom))}
        return {"mean": self.show(x.mean()), "sd": self.show(x.mean(axis=0).std(ddof=self.style.freedom))}

    def _pairs(self) -> Iterator[tuple[str, str | None, str, str, np.ndarray, np.ndarray]]:
        metric = self.style.metrics[0]
        for k, name in enumerate(self.names):
            for i, j in combinations(range(3), 2):
                x, y = (self.cells(metric, m, k, "site0") for m in (i, j))
                yield metric, name, MODELS[i], MODELS[j], x, y

    def _p(self, x: np.ndarray, y: np.ndarray) -> float:
        if self.style.test == "wilcoxon":
            return float(stats.wilcoxon(x, y).pvalue)
        test = {
            "t": stats.ttest_rel,
            "mann-whitney": stats.mannwhitneyu,
            "friedman": stats.wilcoxon,
        }
        return float(test[self.style.test](x, y).pvalue)

    def p_printed(self, p: float) -> dict:
        bound = next((t for t in THRESHOLDS if p < float(t)), None)
        if bound and (self.style.thresholds or bound == "0.001"):
            return {"p": Printed(bound), "p_below": True}
        return {"p": self.show(p, 3)}

    def _orderings(self) -> Iterator[dict]:
        middle = np.median if self.style.spread == "iqr" else np.mean
        for metric, name, a, b, x, y in self._pairs():
            high, low = (a, b) if middle(x) >= middle(y) else (b, a)
            said = {"metric": metric, "test_set": "site0", "n_train": [0], "structures": [name],
                    "higher": [high], "lower": [low], "where": "Results"}  # fmt: skip
            p = self.style.comparisons * self._p(x, y)
            bound = next((t for t in THRESHOLDS if p < float(t)), None)
            yield said | ({"p_below": Printed(bound), "test": self.style.test} if bound else {})

    def _paired(self) -> Iterator[dict]:
        for metric, name, a, b, x, y in self._pairs():
            models = {side: {"family": f, "n_train": 0} for side, f in (("a", a), ("b", b))}
            of = models | {"structure": name, "test_set": "site0", "metric": metric, "where": "Table 3"}
            p, corrected = min(1.0, self.style.comparisons * self._p(x, y)), self.style.comparisons > 1
            yield of | {"test": self.style.test, "corrected": corrected} | self.p_printed(p)
            if corrected:
                yield of | {"test": "wilcoxon"} | self.p_printed(float(stats.wilcoxon(x, y).pvalue))
                if p < 0.05:
                    yield of | {"corrected": True, "where": "Abstract", "p": Printed("0.05"), "p_below": True}

    def _differences(self) -> Iterator[dict]:
        """Mean differences with what stands beside means; those of medians are not printed."""
        if self.style.spread == "iqr":
            return
        for metric, name, a, b, x, y in self._pairs():
            models = {side: {"family": f, "n_train": 0} for side, f in (("a", a), ("b", b))}
            of = models | {"structure": name, "test_set": "site0", "metric": metric, "where": "Table 3"}
            row = self._printed(x - y, "differences")
            spread = {key: row[key] for key in ("sd", "se", "ci") if key in row}
            test = {"test": "t"} if self.style.test == "t" else {}
            p = self.p_printed(float(stats.ttest_rel(x, y).pvalue))
            yield of | test | p | spread | {"difference": row["mean"], "cases": len(x)}

    def _gains(self) -> list[dict]:
        metric, middle = self.style.metrics[0], np.median if self.style.spread == "iqr" else np.mean
        lower = scale(metric) == DISTANCE
        scores = [middle(self.cells(metric, m, 0, "site0")) for m in range(3)]
        (base, worst), *_, (best, top) = sorted(enumerate(scores), key=lambda s: -s[1] if lower else s[1])
        kind, per_cent = self.style.gain.split()[0], self.style.gain.endswith("%")
        gain = abs(top - worst) / (worst if kind == "relative" else 1)
        factor = 100 if kind == "relative" and (per_cent or self.unit(metric) == 100) else 1
        if kind == "points" and per_cent and not lower:
            factor = 100
        said = {"unit": "%"} if per_cent and (kind == "relative" or not lower) else {}
        return [said | {"metric": metric, "test_set": "site0", "structure": self.names[0], "where": "Abstract",
                        "families": [MODELS[best]], "over": MODELS[base],
                        "gain": self.show(gain * factor)}]  # fmt: skip

    def _grid(self) -> dict:
        metric = self.style.metrics[0]
        folds = np.array([self.rng.permutation(self.cells(metric, m, 0, "site0"))[:5] for m in range(3)])
        means = folds.mean(axis=1)
        chosen = int(means.argmin() if scale(metric) == DISTANCE else means.argmax())
        cells = [{"architecture": f"n{k}", "encoder": "e", "mean": self.show(m), "sd": self.show(s)}
                 for k, (m, s) in enumerate(zip(means, folds.std(axis=1, ddof=self.style.freedom)))]  # fmt: skip
        return {"where": "Table 4", "cohort": "c", "metric": metric, "folds": 5, "cells": cells,
                "selected": [f"n{chosen}", "e"]}  # fmt: skip

    def _table_one(self, training: int, testing: int) -> dict:
        sizes, rng = {"training": training, "testing": testing}, self.rng
        ages = {part: rng.normal(55, 12, n) for part, n in sizes.items()}
        women = {part: int(rng.binomial(n, 0.5)) for part, n in sizes.items()}
        ranks = self.style.test != "t"
        test = stats.mannwhitneyu if ranks else stats.ttest_ind
        counts = [[women[p], sizes[p] - women[p]] for p in sizes]
        p_age = test(*ages.values()).pvalue
        p_sex = stats.chi2_contingency(counts, correction=bool(rng.integers(2))).pvalue
        age = {p: (self.show(x.mean(), 1), self.show(x.std(ddof=self.style.freedom), 1)) for p, x in ages.items()}
        rows = {name: {p: (c[k], self.show(100 * c[k] / sizes[p], 1)) for p, c in zip(sizes, counts)}
                for k, name in enumerate(("women", "men"))}  # fmt: skip
        return {
            "where": "Table 1", "cohort": "c", "patients": sizes,
            "continuous": [{"variable": "Age", "test": "mann-whitney" if ranks else "t"} | age | self.p_printed(p_age)],
            "categorical": [{"variable": "Sex", "categories": rows} | self.p_printed(p_sex)],
        }  # fmt: skip


def _scores(style: Style, cases: int, rng: Rng) -> dict[str, np.ndarray]:
    """Metric -> models x structures x cases; each case's is the average over its slices where there are several."""
    shape = (3, style.structures, cases, style.slices)
    logit = (
        rng.normal(1.5, 0.5) + rng.normal(0, 0.6, (1, style.structures, 1, 1))
        + rng.normal(0, 0.7, (1, 1, cases, 1)) + rng.normal(0, 0.3, (3, 1, 1, 1)) + rng.normal(0, 0.4, shape)
    )  # fmt: skip
    dice = special.expit(logit)
    every = {
        "dsc": dice, "iou": dice / (2 - dice), "nsd": special.expit(logit + rng.normal(0.2, 0.3, shape)),
        "hd95_mm": np.exp(2.2 - 0.6 * logit + rng.normal(0, 0.5, shape)),
        "assd_mm": np.exp(0.7 - 0.6 * logit + rng.normal(0, 0.3, shape)),
        "relative_volume_error": rng.normal(-0.05, 0.25, shape),
    }  # fmt: skip
    absent = rng.random((1, style.structures, cases)) < (0.2 if style.absent else 0)
    absent[:, 0] = False
    return {m: np.where(absent, np.nan, every[m].mean(axis=3)) for m in style.metrics}

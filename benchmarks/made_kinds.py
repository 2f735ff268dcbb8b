"""Small papers of usual kinds whose numbers truly follow, as programs print them, for `benchmarks.audit_alarms`.

Each leaves something open that papers usually leave open: the test of a table, SDs over n, ties, rounded degrees of
freedom, structures that some cases lack, ...
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special, stats

from crossover.statistics.papers.printed_number import Printed

Rng = np.random.Generator
Parts = dict[str, Any]


def kinds() -> dict[str, Callable[[Rng], Parts]]:
    """Kind of manuscript -> draws one."""
    return {
        "Table 1: skewed volume and ordered stages, tests not named": _table_one,
        "Table 1: a test that can't be recomputed (`other`)": lambda rng: _table_one(rng, other=True),
        "SDs over n, as numpy's: pooled test sets, averages, t of two test sets": _over_n,
        "F with the p of Greenhouse and Geisser beside uncorrected degrees of freedom": _sphericity,
        "degrees of freedom of Welch's test or a mixed model, printed whole or not at all": _welch,
        "W and U of ratings, and of scores with two decimals": _ratings,
        "averages over structures that some cases lack": _absent,
        "differences on the cases that both models have": _shared,
        "p < 0.001 of a test of ranks that the sentence doesn't name": _ordering,
        "per cent in the table, fractions in the abstract, or the other way round": _units,
        "whole minutes, and a saving in whole per cent": _times,
        "gains as the mean of the structures' relative gains": _relative,
        "one-sided tests of few cases": _one_sided,
        "Spearman's rho by R": _rho,
        "IoU with the background, or of all pixels; signed volumetric similarity": _overlap,
        "SDs over folds beside tests over cases": _folds,
        "two or three of these at once": _mixed,
    }  # fmt: skip


def _paper(**parts: Any) -> Parts:
    return {"study": "made", "citation": "Made 2026", "sizes": [], "confidence": 0.95, "values": []} | parts


def _text(x: float, decimals: int = 3) -> Printed:
    return Printed(f"{x:.{decimals}f}")


def _whole(x: float) -> Printed:
    """Return a statistic of ranks, which is a whole number or a half."""
    return Printed(f"{x:.1f}" if x % 1 else f"{x:.0f}")


def _p(p: float, decimals: int = 3) -> dict:
    least = 10.0**-decimals
    return {"p": _text(least, decimals), "p_below": True} if p < least else {"p": _text(p, decimals)}


def _model(family: str) -> dict:
    return {"family": family, "n_train": 0}


def _value(family: str, x: np.ndarray, test_set: str = "t", decimals: int = 3, freedom: int = 1, **more: Any) -> dict:
    row = {"model": _model(family), "test_set": test_set, "metric": "dsc", "where": "Table 2"}
    return row | {"mean": _text(np.mean(x), decimals), "sd": _text(np.std(x, ddof=freedom), decimals)} | more


def _sets(**cases: int) -> dict:
    return {name: {"cases": n, "where": "Methods"} for name, n in cases.items()}


def _pair(**more: Any) -> dict:
    return {"a": _model("B"), "b": _model("A"), "test_set": "t", "metric": "dsc", "where": "Results"} | more


def _test(**more: Any) -> dict:
    return {"about": "a test", "where": "Results"} | more


def _dice(rng: Rng, n: int, models: int = 2, mean: float = 1.8, apart: float = 0.2, within: float = 0.35) -> np.ndarray:
    """Scores of models x cases."""
    cases = rng.normal(mean, 0.5, n)
    return special.expit(cases + apart * np.arange(models)[:, None] + rng.normal(0, within, (models, n)))


def _table_one(rng: Rng, other: bool = False) -> Parts:
    sizes = {"training": int(rng.integers(30, 150)), "testing": int(rng.integers(20, 60))}
    volumes = [np.exp(rng.normal(3.4, 0.6, n)) for n in sizes.values()]
    if other:
        p = stats.permutation_test(volumes, lambda x, y: np.median(x) - np.median(y), n_resamples=199, rng=rng).pvalue
    else:
        p = stats.mannwhitneyu(*volumes).pvalue
    freedom = int(rng.integers(2))
    volume = {part: (_text(x.mean(), 1), _text(x.std(ddof=freedom), 1)) for part, x in zip(sizes, volumes)}
    shares = rng.dirichlet([4, 4, 3])
    counts = np.stack([rng.multinomial(n, shares) for n in sizes.values()], 1)
    categories = {f"stage {k}": {part: (int(counts[k, i]), _text(100 * counts[k, i] / sizes[part], 1))
                                 for i, part in enumerate(sizes)} for k in range(3)}  # fmt: skip
    codes = [np.repeat(np.arange(3), column) for column in counts.T]
    trend = np.corrcoef(np.concatenate(codes), np.repeat((0, 1), list(sizes.values())))[0, 1] ** 2
    of_stage = (
        lambda: stats.chi2_contingency(counts[counts.sum(1) > 0], correction=False).pvalue,
        lambda: stats.mannwhitneyu(*codes).pvalue,
        lambda: stats.chi2.sf((sum(sizes.values()) - 1) * trend, 1),
        lambda: stats.ttest_ind(*codes).pvalue,
    )[rng.integers(4)]()
    named = {"test": "other"} if other else {}
    table = {"where": "Table 1", "cohort": "c", "patients": sizes,
             "continuous": [{"variable": "Volume"} | volume | named | _p(p)],
             "categorical": [{"variable": "Stage", "categories": categories} | _p(of_stage)]}  # fmt: skip
    if (counts.sum(1) == 0).any():
        table["categorical"] = []
    return _paper(table_one=table)


def _over_n(rng: Rng) -> Parts:
    n, m = int(rng.integers(8, 40)), int(rng.integers(8, 40))
    a, b = _dice(rng, n, 1)[0], _dice(rng, m, 1, mean=1.2)[0]
    values = [_value("A", x, s, freedom=0) for x, s in ((a, "one"), (b, "two"), (np.concatenate([a, b]), "both"))]
    rows = np.stack([_dice(rng, n, 1, mean=mean)[0] for mean in rng.normal(1.8, 1.0, 6)])
    values += [_value("B", x, "one", freedom=0, structure=f"s{k}") for k, x in enumerate(rows)]
    values.append(_value("B", rows.mean(1) if rng.random() < 0.5 else rows.ravel(), "one", freedom=0, structure="all"))
    t = stats.ttest_ind(a, b, equal_var=bool(rng.integers(2)))
    of = [{"model": _model("A"), "test_set": s, "metric": "dsc"} for s in ("one", "two")]
    said = _test(statistic="t", value=_text(t.statistic, 2), of=of) | _p(t.pvalue)
    sets = _sets(one=n, two=m, both=n + m)
    sets["both"]["pools"] = ["one", "two"]
    return _paper(test_sets=sets, values=values, tests=[said | ({"df": _text(t.df, 1)} if rng.random() < 0.7 else {})])


def _sphericity(rng: Rng) -> Parts:
    n, k = int(rng.integers(8, 40)), int(rng.integers(3, 6))
    x = rng.normal(size=(n, 1)) + np.cumsum(rng.normal(0, 0.6, (n, k)), 1) + 0.15 * np.arange(k)
    left = x - x.mean(1, keepdims=True) - x.mean(0) + x.mean()
    f = n * x.mean(0).var() * k / (k - 1) / ((left**2).sum() / ((n - 1) * (k - 1)))
    centred = np.eye(k) - 1 / k
    roots = np.linalg.eigvalsh(centred @ np.cov(x.T) @ centred)
    share = roots.sum() ** 2 / ((k - 1) * (roots**2).sum())
    p = stats.f.sf(f, share * (k - 1), share * (k - 1) * (n - 1))
    return _paper(tests=[_test(statistic="F", value=_text(f, 2), df=[k - 1, (k - 1) * (n - 1)], cases=n) | _p(p)])


def _welch(rng: Rng) -> Parts:
    n, m = int(rng.integers(6, 40)), int(rng.integers(6, 70))
    x, y = rng.normal(0, rng.uniform(0.5, 3), n), rng.normal(1, 1, m)
    t = stats.ttest_ind(x, y, equal_var=False)
    df = {} if rng.random() < 0.3 else {"df": Printed(f"{t.df:.0f}")}
    welch = _test(statistic="t", value=_text(t.statistic, 2), cases=[n, m], **df) | _p(t.pvalue)
    left, f = rng.uniform(1.2 * n, 3 * n), rng.uniform(0.5, 6)
    mixed = _test(about="a mixed model", statistic="F", value=_text(f, 2), df=[2, round(left)], cases=n)
    return _paper(tests=[welch, mixed | _p(stats.f.sf(f, 2, left))])


def _ratings(rng: Rng) -> Parts:
    n, m = int(rng.integers(12, 45)), int(rng.integers(12, 45))
    none, zeros = rng.uniform(0.1, 0.6), ["wilcox", "pratt", "zsplit"][rng.integers(2)]
    likert = rng.choice([-2, -1, 0, 1, 2], n, p=np.array([0.1, 0.3, 0, 0.4, 0.2]) * (1 - none) + [0, 0, none, 0, 0])
    likert[:3] = 1, -1, 1
    scores = np.round(100 * _dice(rng, n)).astype(int)
    scores[1, :2] += 1 + (scores[1, :2] == scores[0, :2])
    tests = []
    for name, d in (("ratings", likert), ("scores", scores[1] - scores[0])):
        if (d != 0).sum() > 3:
            w = stats.wilcoxon(d, zero_method=zeros, correction=bool(rng.integers(2)), method="asymptotic")
            tests.append(_test(about=name, statistic="W", value=_whole(w.statistic), cases=n) | _p(w.pvalue))
    of = [
        rng.choice(5, size, p=share)
        for size, share in ((n, [0, 0.02, 0.05, 0.13, 0.8]), (m, [0, 0.02, 0.08, 0.4, 0.5]))
    ]
    u = stats.mannwhitneyu(*of, method="asymptotic", use_continuity=bool(rng.integers(2)))
    if np.isfinite(u.pvalue):
        tests.append(_test(about="readers", statistic="U", value=_whole(u.statistic), cases=[n, m]) | _p(u.pvalue))
    return _paper(tests=tests)


def _absent(rng: Rng) -> Parts:
    n, told, spread = int(rng.integers(10, 40)), rng.random() < 0.5, rng.random() < 0.5
    lacking = rng.random((3, n)) < np.array([[0], [0.1], [0.5]])
    values = []
    for family, shift in zip("ABC", (0, 0.2, 0.3)):
        x = np.stack([_dice(rng, n, 1, mean=mean + shift)[0] for mean in (2.5, 1.5, 0.3)])
        x[lacking] = np.nan
        of = [row[~np.isnan(row)] for row in x]
        values += [_value(family, row, structure=f"s{k}", **({"cases": len(row)} if told else {}))
                   for k, row in enumerate(of) if len(row) > 1]  # fmt: skip
        whole = _value(family, np.nanmean(x, axis=0), structure="all")
        values.append(whole if spread else {k: v for k, v in whole.items() if k != "sd"})
    return _paper(test_sets=_sets(t=n), values=values)


def _shared(rng: Rng) -> Parts:
    n = int(rng.integers(12, 40))
    x = np.abs(np.exp(rng.normal(2, 0.5, (2, n))) + rng.normal(0, 0.3, n))
    both = np.sort(rng.permutation(n)[: n - 3])
    t = stats.ttest_rel(x[1, both], x[0, both])
    d = x[1, both] - x[0, both]
    hd = {"metric": "hd95_mm"}
    values = [_value("A", x[0], decimals=2, **hd), _value("B", x[1, both], decimals=2, cases=n - 3, **hd)]
    said = _pair(difference=_text(d.mean(), 2), sd=_text(d.std(ddof=1), 2), cases=n - 3, test="t", **hd) | _p(t.pvalue)
    return _paper(test_sets=_sets(t=n), values=values, differences=[said])


def _ordering(rng: Rng) -> Parts:
    n = int(rng.integers(15, 40))
    x = _dice(rng, n, mean=2.0, within=0.12, apart=0.6)
    x[0, :2] -= 0.45
    p = stats.wilcoxon(x[1], x[0]).pvalue
    bound = next((t for t in (0.001, 0.01, 0.05) if p < t), None)
    said = {"metric": "dsc", "test_set": "t", "n_train": [0], "better": ["B"], "worse": ["A"], "where": "Abstract"}
    said |= {"p_below": Printed(str(bound))} if bound else {}
    return _paper(test_sets=_sets(t=n), values=[_value("A", x[0]), _value("B", x[1])], orderings=[said])


def _units(rng: Rng) -> Parts:
    x, fractions = _dice(rng, 30), rng.random() < 0.5
    unit, decimals = (1, 3) if fractions else (100, 1)
    values = [_value(f, unit * x[k], decimals=decimals) for k, f in enumerate("AB")]
    other = _value("A", (100 if fractions else 1) * x[0], decimals=1 if fractions else 2, where="Abstract")
    gain = {"metric": "dsc", "test_set": "t", "families": ["B"], "over": "A", "where": "Abstract", "unit": "%",
            "gain": _text(100 * (x[1] - x[0]).mean(), 1)}  # fmt: skip
    values = [other, *values] if rng.random() < 0.5 else [*values, other]
    return _paper(test_sets=_sets(t=30), values=values, gains=[gain])


def _times(rng: Rng) -> Parts:
    slow, fast = sorted(rng.uniform(30, 90, 2))[::-1]
    facts = [
        {"about": "scratch", "key": "scratch", "value": round(slow), "unit": "min", "where": "Results"},
        {"about": "tuned", "key": "tuned", "value": round(fast), "unit": "min", "where": "Results"},
        {"about": "tuned", "key": "tuned", "value": _text(fast, 1), "unit": "min", "where": "Table 3"},
        {"about": "saving", "key": "saving", "value": round(100 * (1 - fast / slow)), "unit": "%", "where": "Abstract"},
    ]  # fmt: skip
    said = {"about": "saving", "left": "saving", "relation": "equals", "where": "Abstract",
            "right": {"of the times": "100 * (scratch - tuned) / scratch"}}  # fmt: skip
    return _paper(facts=facts, statements=[said])


def _relative(rng: Rng) -> Parts:
    n = int(rng.integers(10, 40))
    x = np.stack([_dice(rng, n, mean=rng.uniform(0.5, 2.5), apart=rng.uniform(0.1, 0.8)) for _ in range(6)])
    means = x.mean(2)
    values = [_value(f, x[k, i], structure=f"s{k}") for k in range(6) for i, f in enumerate("AB")]
    values += [_value(f, x[:, i].mean(0), structure="all") for i, f in enumerate("AB")]
    gain = {"metric": "dsc", "test_set": "t", "structure": "all", "families": ["B"], "over": "A", "where": "Abstract",
            "unit": "%", "gain": _text(100 * (means[:, 1] / means[:, 0] - 1).mean(), 1)}  # fmt: skip
    return _paper(test_sets=_sets(t=n), values=values, gains=[gain])


def _one_sided(rng: Rng) -> Parts:
    n, ranks = int(rng.integers(5, 12)), rng.random() < 0.6
    x = _dice(rng, n, apart=0.4)
    test = stats.wilcoxon if ranks else stats.ttest_rel
    p = test(x[1], x[0], alternative="greater" if x[1].mean() > x[0].mean() else "less").pvalue
    said = _pair(test="wilcoxon" if ranks else "t") | _p(p)
    return _paper(test_sets=_sets(t=n), values=[_value("A", x[0]), _value("B", x[1])], paired=[said])


def _rho(rng: Rng) -> Parts:
    n = int(rng.integers(10, 40))
    a = rng.normal(size=n)
    r = float(stats.spearmanr(a, 0.5 * a + rng.normal(size=n))[0])
    return _paper(tests=[_test(statistic="rho", value=_text(r, 2), cases=n) | _p(_edgeworth(r, n))])


def _edgeworth(r: float, n: int) -> float:
    """Return p as R's cor.test has it for ten cases or more (algorithm AS 89, Best and Roberts 1975)."""
    c = (0.2274, 0.2531, 0.1745, 0.0758, 0.1033, 0.3932, 0.0879, 0.0151, 0.0072, 0.0831, 0.0131, 4.6e-4)

    def above(total: float) -> float:
        b = 1 / n
        x = (6 * (total - 1) * b / (n * n - 1) - 1) * np.sqrt(n - 1)
        y = x * x
        highest = y * (c[8] - c[9] * b + y * b * (c[10] - c[11] * y))
        middle = y * (-c[3] + b * (c[4] + c[5] * b) - y * b * (c[6] + c[7] * b - highest))
        u = x * b * (c[0] + b * (c[1] + c[2] * b) + middle)
        return float(u / np.exp(y / 2) + stats.norm.sf(x))

    q = round((n**3 - n) * (1 - r) / 6)
    return min(2 * (above(q) if q > (n**3 - n) / 6 else 1 - above(q + 2)), 1.0)


def _overlap(rng: Rng) -> Parts:
    n, background, values = int(rng.integers(10, 40)), rng.random() < 0.5, []
    size = np.exp(rng.normal(8, 1.2, n))
    level, fall = rng.uniform(1.0, 3.0), rng.uniform(-0.02, 0.03)
    for family, dice in zip("ABC", _dice(rng, n, 3, mean=level)):
        dice = np.clip(dice - fall * (np.log(size) - 8), 0.02, 0.995)
        iou = dice / (2 - dice)
        printed = (iou.mean() + 0.997) / 2 if background else (size * iou).sum() / size.sum()
        values += [_value(family, dice), {**_value(family, iou, metric="iou"), "mean": _text(printed)}]
    values.append(_value("A", rng.normal(-0.05, 0.1, n), metric="volumetric_similarity"))
    return _paper(test_sets=_sets(t=n), values=values)


def _folds(rng: Rng) -> Parts:
    """Print SDs of five trainings' means over the cases, and tests of the cases' average scores."""
    n, m, values, mean = int(rng.integers(12, 40)), int(rng.integers(12, 40)), [], {}
    level = _dice(rng, n + m, 3, apart=0.3)
    for family, x in zip("ABC", level):
        runs = x + rng.normal(0, 0.01, (5, 1)) + rng.normal(0, 0.02, (5, n + m))
        for test_set, part in (("t", slice(0, n)), ("u", slice(n, n + m)), ("both", slice(0, n + m))):
            of = runs[:, part].mean(1)
            values.append(_value(family, of, test_set))
        mean[family] = runs.mean(0)[:n]
    pairs, differences = [], []
    for a, b in ("BA", "CA", "CB"):
        t, d = stats.ttest_rel(mean[a], mean[b]), mean[a] - mean[b]
        of = {"a": _model(a), "b": _model(b), "test": "t"} | _p(t.pvalue)
        pairs.append(_pair(**of))
        differences.append(_pair(**of, difference=_text(d.mean()), sd=_text(d.std(ddof=1))))
    sets = _sets(t=n, u=m, both=n + m)
    sets["both"]["pools"] = ["t", "u"]
    return _paper(test_sets=sets, values=values, paired=pairs, differences=differences)


def _mixed(rng: Rng) -> Parts:
    """Join tests, tables and facts of several kinds that don't share test sets or models."""
    found: Parts = _paper()
    for draw in rng.permutation([_sphericity, _welch, _ratings, _times, _rho, _table_one])[:3]:
        for key, part in draw(rng).items():
            if isinstance(part, list):
                found[key] = [*found.get(key, []), *part]
            elif key == "table_one":
                found[key] = part
    return found

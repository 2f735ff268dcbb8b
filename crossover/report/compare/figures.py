"""The figures of a study, for a table without one: a small study is made from the table's names."""

from collections.abc import Iterator, Mapping
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crossover.analyses.figures import learning_curves, organs, performance, style
from crossover.report.compare.run import DIFFER, verdicts
from crossover.statistics.learning_curves.curves import learning_curves as fitted_curves
from crossover.statistics.scores.metrics_table import MEAN_NAME, POOLED, compared, tested, with_their_mean
from crossover.statistics.scores.scales import SHARE, direction, method, scale
from crossover.study.schema import Study
from crossover.study.sections import Statistics

Labels = Mapping[str, Mapping[str, str]]
"""Column -> what the figures' study calls a thing -> what the table calls it; or the other way round."""


def figures(
    table: pd.DataFrame, tests: pd.DataFrame, crossover: pd.DataFrame, metric: str, confidence: float
) -> Iterator[tuple[str, str, Figure]]:
    """Yield (name, caption, figure): learning curves, scores and differences of each test set, and scores by size.

    Args:
        table: of `complete.read_all`.
        tests: of `differences.paired.paired`.
        crossover: of `learning_curves.crossing.crossovers`; the learning curves of its metric are drawn beside it.
    """
    keys = {
        column: {name: f"{column}{i}" for i, name in enumerate(table[column].unique())}
        for column in ("family", "cohort", "structure")
    }  # of all models, so that each has its colour by every metric
    table = table.dropna(subset=metric)
    tests = tests.assign(told=[bool(better) or why.startswith(DIFFER) for better, why in verdicts(tests, metric)])
    labels = {column: {own[name]: name for name in table[column].unique()} for column, own in keys.items()}
    whole, tests, crossover = (_renamed(rows, keys) for rows in (table, tests, crossover))
    rows = compared(whole).assign(replicate=0)  # they are means over the replicates
    infinite = int(np.isinf(rows[metric]).sum())
    label = style.metric_label(metric)
    left = (
        f" {infinite} infinite values, of empty masks, are not shown, nor is a mean of them."
        if infinite else ""
    )  # fmt: skip
    if set(crossover["metric"]) == {metric}:
        yield from _curves(whole, crossover, labels, metric, confidence)
    for cohort, called in labels["cohort"].items():
        study = _study(rows, labels, metric, confidence, cohort)
        cases = rows.loc[rows["cohort"] == cohort, "case"].nunique()
        text = (
            f"{label} of {cases} cases of {called}, each a light point, mean with {confidence:.0%} confidence "
            f"interval for other cases, not other trainings ({method(metric)}); where there are several trainings, the "
            f"table's interval counts them too. Right: {organs.minus(study)} on the same cases, each in the colour of "
            f"the model that is subtracted: mean difference with {confidence:.0%} confidence interval and p before "
            "the correction for several tests; grey where after it which is better can't be told."
        )
        text += f" Models with training sizes: at n = {study.sizes[-1]}." if study.sizes[-1] else ""
        drawn = organs.draw(rows, tests, study)
        _name_sides(drawn, tests[tests["test_set"] == cohort], study, metric)
        yield f"scores-{metric}-{called}", text + left, drawn
    if rows["n_train"].gt(0).sum() == 0 or rows.loc[rows["n_train"] > 0, "n_train"].nunique() < 2:
        return
    if infinite or not direction(metric):  # an infinite value has no place on that figure's axis
        return
    study = _study(rows, labels, metric, confidence, next(iter(labels["cohort"])))
    for structure, called in labels["structure"].items():
        text = f"{label} of {called} by number of training cases, all test cases: each a light point, mean ± SD."
        text += " Dotted: models without training sizes." if (rows["n_train"] == 0).any() else ""
        drawn = performance.draw(rows, study, structure)
        drawn.axes[0].set_xlabel("Training cases")  # of which cohort a table doesn't tell
        _retitle(drawn.axes[0], f"{called}: {drawn.axes[0].get_title(loc='left')}")
        _around(drawn.axes[0], rows.loc[rows["structure"] == structure, metric], metric)
        drawn.axes[0].set_ylabel(f"{drawn.axes[0].get_ylabel()}{_better(metric)}")
        yield f"sizes-{metric}-{called}", text, drawn


def _better(metric: str) -> str:
    """Return the end of an axis' label that says which way values are better; "" where that isn't known."""
    return {1: ", better →", -1: ", ← better"}.get(direction(metric), "")


def _retitle(axes: Axes, title: str) -> None:
    """Change the title at the left, which keeps its look."""
    axes.set_title(title, loc="left", fontsize=style.RC["axes.titlesize"], fontweight=style.RC["axes.titleweight"])


def _around(axes: Axes, scores: pd.Series, metric: str) -> None:
    """Let a vertical axis of a scale from 0 to 1 hold the tenths around the scores."""
    if scale(metric) == SHARE:
        axes.set_ylim(np.floor(10 * scores.min()) / 10 - 0.02, np.ceil(10 * scores.max()) / 10 + 0.02)


def _name_sides(drawn: Figure, tests: pd.DataFrame, study: Study, metric: str) -> None:
    """Write beside the scores' and the differences' axes which way is better, and each structure's number of cases."""
    scores, differences = drawn.axes[:2]
    scores.set_xlabel(f"{scores.get_xlabel() or style.metric_label(metric)}{_better(metric)}")
    differences.set_xlabel(f"{differences.get_xlabel()}{_better(metric)}")
    if study.sizes[-1]:
        _retitle(scores, f"{scores.get_title(loc='left')}, n = {study.sizes[-1]}")
    here = tests[tests["n_train"] == study.sizes[-1]]
    most = here.groupby("structure")["cases"].max()
    lines = [*study.structures, *([POOLED] if len(study.structures) > 1 else [])]
    names = [text.get_text() for text in scores.get_yticklabels()]
    named = [f"{name}\n{most[line]} cases" if line in most else name for name, line in zip(names, lines, strict=True)]
    scores.set_yticks(range(len(lines)), named)


def _curves(
    table: pd.DataFrame, crossover: pd.DataFrame, labels: Labels, metric: str, confidence: float
) -> Iterator[tuple[str, str, Figure]]:
    """Yield the learning curves of each test set and where they cross, those of the mean over the structures last."""
    if len(labels["structure"]) > 1:
        labels = {**labels, "structure": {**labels["structure"], POOLED: MEAN_NAME.capitalize()}}
    table = with_their_mean(tested(table), metric)
    curves = fitted_curves(table, metric, confidence)
    for cohort, called in labels["cohort"].items():
        study = _study(table, labels, metric, confidence, cohort)
        own = curves[curves["test_set"] == cohort]
        if own.empty:
            continue
        drawn = style.each_structure(study, partial(learning_curves.draw, table, curves, crossover, study))
        for axes in drawn.axes:
            if axes.get_xlabel().startswith(learning_curves.TRAINING_PATIENTS):
                axes.set_xlabel("Training cases")  # of which cohort a table doesn't tell
        share = f"{confidence:.0%}"
        text = (
            f"Left: mean {style.metric_label(metric)} of {own['patients'].max()} cases of {called} by number of "
            f"training cases; each point is a training. Lines: monotone fits; bands: their {share} bootstrap intervals "
            f"for {learning_curves.RESAMPLED[own['resampled'].iloc[0]]}. Dotted: models without training sizes. "
            f"Right: {learning_curves.RIGHT.format(what='model', confidence=share)}; each pair by itself, not "
            "corrected for the number of pairs."
        )
        there = crossover[crossover["test_set"] == cohort]
        text += learning_curves.not_shown(there[there["structure"].eq(own["structure"].iloc[0])], study)
        yield f"curves-{metric}-{called}", text, drawn


def _renamed(rows: pd.DataFrame, keys: Labels) -> pd.DataFrame:
    """Return a table whose names are as a study can have them: a plan's models, short keys for what people say.

    Args:
        keys: column -> what the table calls a thing -> what the figures' study calls it.
    """
    of = dict.fromkeys(("family", "family_a", "family_b", "ahead", "overtakes"), "family")
    of |= {"cohort": "cohort", "test_set": "cohort", "structure": "structure"}
    rows = rows.assign(**{c: rows[c].map(lambda name, own=keys[of[c]]: own.get(name, name)) for c in of.keys() & rows})
    if "n_train" in rows and "family" in rows:
        size = "-n" + rows["n_train"].astype(str)
        rows = rows.assign(
            model=rows["family"] + size.where(rows["n_train"] > 0, ""), strategy=rows["family"], level=""
        )
    return rows


def _colour(family: str) -> str:
    """Return the colour of a family by its number among all, so that it has the same one by every metric."""
    return style.OKABE_ITO[int(family.removeprefix("family")) % len(style.OKABE_ITO)]


def _study(rows: pd.DataFrame, labels: Labels, metric: str, confidence: float, target: str) -> Study:
    """Return as much of a study as the figures read; that it is trained on the target is said nowhere."""
    sized = set(rows.loc[rows["n_train"] > 0, "family"])
    strategies = {
        name: {"label": label, "chain": [{"train": {target: "n" if name in sized else "all"}}]}
        for name, label in labels["family"].items()
    }
    cohorts = {
        name: {"label": label, "role": "target" if name == target else "source"}
        for name, label in labels["cohort"].items()
    }
    study = Study.of({
        "study": "comparison",
        "structures": {name: {"label": label} for name, label in labels["structure"].items()},
        "sizes": sorted(map(int, set(rows["n_train"]) - {0})) or [0],
        "strategies": strategies,
        "cohorts": cohorts,
        "network": {"per_structure": False, "initial": {"weights": "random"}},
        "splits": {"seed": 0, "validation": 0.1},
        "figures": {
            "order": list(strategies),
            "structures": list(labels["structure"]),
            "colours": {name: _colour(name) for name in strategies},
        },
        "selection": None,
    })  # fmt: skip
    # any metric, not only those that a study can choose
    how = Statistics.model_construct(metric=metric, confidence=confidence, alpha=1 - confidence)
    return study.model_copy(update={"statistics": how})

"""The figures of a study, for a table without one: a small study is made from the table's names."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from crossover.analyses.figures import organs, performance, style
from crossover.statistics.scores.metrics_table import compared
from crossover.statistics.scores.scales import SHARE, method, scale
from crossover.study.schema import Study
from crossover.study.sections import Statistics

Labels = Mapping[str, Mapping[str, str]]
"""Column -> what the figures' study calls a thing -> what the table calls it."""


def figures(
    table: pd.DataFrame, tests: pd.DataFrame, metric: str, confidence: float
) -> Iterator[tuple[str, str, Figure]]:
    """Yield (name, caption, figure): scores and differences of each test set, and scores by training size.

    Args:
        table: of `complete.read_all`.
        tests: of `differences.paired.paired`.
    """
    rows = compared(table).dropna(subset=metric)
    infinite = int(np.isinf(rows[metric]).sum())
    rows, tests, labels = _renamed(rows, tests)
    rows = rows.assign(replicate=0)  # they are means over the replicates
    label = style.metric_label(metric)
    left = (
        f" {infinite} infinite values, of empty masks, are not shown, nor is a mean of them."
        if infinite else ""
    )  # fmt: skip
    for cohort, called in labels["cohort"].items():
        study = _study(rows, labels, metric, confidence, cohort)
        cases = rows.loc[rows["cohort"] == cohort, "case"].nunique()
        shown = style.family_label(study, organs.fine_tuned(study))
        text = (
            f"{label} of {cases} cases of {called}, each a light point, mean with {confidence:.0%} confidence "
            f"interval for other cases, not other trainings ({method(metric)}). Right: {shown} minus each other model "
            "on the same cases, mean difference with "
            f"{confidence:.0%} confidence interval and p, which is not corrected for several tests."
        )
        text += f" Models with training sizes: at n = {study.sizes[-1]}." if study.sizes[-1] else ""
        yield f"scores-{metric}-{called}", text + left, organs.draw(rows, tests, study)
    if rows["n_train"].gt(0).sum() == 0 or rows.loc[rows["n_train"] > 0, "n_train"].nunique() < 2:
        return
    if scale(metric) != SHARE:  # that figure's axis is from 0 to 1
        return
    study = _study(rows, labels, metric, confidence, next(iter(labels["cohort"])))
    for structure, called in labels["structure"].items():
        text = f"{label} of {called} by number of training cases, all test cases: each a light point, mean ± SD."
        text += " Dotted: models without training sizes." if (rows["n_train"] == 0).any() else ""
        drawn = performance.draw(rows, study, structure)
        drawn.axes[0].set_xlabel("Training cases")  # of which cohort a table doesn't tell
        yield f"sizes-{metric}-{called}", text, drawn


def _renamed(rows: pd.DataFrame, tests: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, Labels]:
    """Rename everything as a study can have it: a plan's models, short keys for what people call things."""
    sized = rows.loc[rows["n_train"] > 0, "family"]
    apart = (rows["n_train"] == 0) & rows["family"].isin(sized)
    rows = rows.assign(family=rows["family"].where(~apart, rows["family"] + ", n = 0"))
    keys = {
        column: {name: f"{column}{i}" for i, name in enumerate(rows[column].unique())}
        for column in ("family", "cohort", "structure")
    }
    for column, names in keys.items():
        rows[column] = rows[column].map(names)
    size = "-n" + rows["n_train"].astype(str)
    rows["model"] = rows["family"] + size.where(rows["n_train"] > 0, "")
    rows = rows.assign(strategy=rows["family"], level="")
    places = {
        "family_a": "family",
        "family_b": "family",
        "test_set": "cohort",
        "structure": "structure",
    }
    tests = tests.replace({column: keys[of] for column, of in places.items()})
    return rows, tests, {c: {key: name for name, key in own.items()} for c, own in keys.items()}


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
        "figures": {"order": list(strategies), "structures": list(labels["structure"]), "colours": {}},
        "selection": None,
    })  # fmt: skip
    # any metric, not only those that a study can choose
    how = Statistics.model_construct(metric=metric, confidence=confidence, alpha=1 - confidence)
    return study.model_copy(update={"statistics": how})

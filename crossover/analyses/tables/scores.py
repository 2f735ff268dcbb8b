"""Every model's scores on each test set, beside the paper's."""

import pandas as pd

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.analyses.predicates import one_structure, sized
from crossover.statistics.papers.published import Published, beside, paper_of
from crossover.statistics.scores.metrics_table import POOLED
from crossover.study.schema import Study
from crossover.study.sections import Step, Strategy

ANALYSIS = Analysis(
    reads=("statistics/summary.csv",),
    sources=("published",),
    settings=("design", "labels", "statistics.metric", "published"),
    applies=(sized, one_structure),
    writes={"tables/scores.csv": ()},
    order=2,
)

OURS = ["cases", "mean", "ci_low", "ci_high"]
REPLICATES = ["replicates", "sd_replicates"]
THEIRS = ["published_n_train", "published_mean", "published_ci_low", "published_ci_high"]


def make(given: Inputs, study: Study) -> Frames:
    """Return the table of `scores_table`."""
    published = paper_of(study)
    return {"scores": scores_table(given.table("statistics/summary.csv"), published, study)}


def scores_table(summary: pd.DataFrame, published: Published | None, study: Study) -> pd.DataFrame:
    """Return the scores of the models that the paper's table of scores has, ours and the paper's, as a tidy table.

    The models are those with a published value at a size that corresponds to one of `Published.tabulated`;
    all models where there is no such value. The metric is the study's (`statistics.metric`).

    Returns:
        One row for each structure, model and test set: structure, model_label ("TL (L1)"), training ("Uterus
            (n = 13)"), test_set, test_set_label, family, n_train, cases, mean, ci_low, ci_high, replicates,
            sd_replicates, published_n_train, published_mean, published_ci_low, published_ci_high. Families
            stand in the study's order, those without target cases last, as the paper has them.
    """
    summary = summary[summary["metric"] == study.statistics.metric]
    if published is None:
        rows = summary.assign(**dict.fromkeys(THEIRS, float("nan")))
    else:
        table = beside(summary, published, study.sizes)
        sizes = [0, *(published.tabulated or published.sizes)]
        listed = table.assign(listed=table["published_n_train"].isin(sizes).fillna(False))
        printed = listed.groupby(["family", "n_train"])["listed"].transform("any")
        rows = table[printed] if printed.any() else table
    rows = rows.assign(
        model_label=[_label(study, r.strategy, r.level) for r in rows.itertuples()],
        training=[_training(study, r.strategy, r.n_train) for r in rows.itertuples()],
        test_set_label=[_test_set(study, name) for name in rows["test_set"]],
        order=[_order(study, r.strategy, r.n_train) for r in rows.itertuples()],
    )
    rows = rows.sort_values(["order", "level", "n_train"], kind="stable")
    first = ["structure", "model_label", "training", "test_set", "test_set_label"]
    return rows[[*first, "family", "n_train", *OURS, *REPLICATES, *THEIRS]].reset_index(drop=True)


def _label(study: Study, strategy: str, level: str | float) -> str:
    """Return a model's label; a table read back from its file has a missing level where there is none."""
    known = study.strategies.get(strategy)
    label = known.label if known else strategy
    return f"{label} ({level})" if pd.notna(level) and level else label


def _training(study: Study, strategy: str, n: int) -> str:
    """Return what the last training of the chain sees; what came before is in the model's label."""
    known: Strategy | None = study.strategies.get(strategy)
    if known is None:
        return f"n = {n}" if n else "not known"
    step: Step = known.chain[-1]
    parts = [
        f"{study.cohorts[cohort].label} ({f'n = {n}' if size == 'n' else 'all'})" for cohort, size in step.train.items()
    ]
    return " + ".join(parts)


def _test_set(study: Study, name: str) -> str:
    if name in study.cohorts:
        return study.cohorts[name].label
    return "All" if name == POOLED else name


def _order(study: Study, strategy: str, n: int) -> int:
    names = list(study.strategies)
    place = names.index(strategy) if strategy in names else len(names)
    return place if n else place + 1000

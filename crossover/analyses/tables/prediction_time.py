"""How long the prediction of a slice takes, by each family of models."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.core.incremental import records_of
from crossover.study.plan import Model, plan
from crossover.study.schema import Study

ANALYSIS = Analysis(
    sources=("images",),
    settings=("design",),
    writes={"tables/prediction_time.csv": ()},
    order=3,
)

COLUMNS = ["family", "models", "slices", "seconds_per_slice", "fastest", "slowest"]


def make(given: Inputs, study: Study) -> Frames:
    """Return the table of `prediction_times`."""
    return {"prediction_time": prediction_times(records_of(given.predictions), plan(study).models)}


def prediction_times(records: Iterable[Mapping[str, Any]], models: Mapping[str, Model]) -> pd.DataFrame:
    """Return the seconds that a slice takes, from the stored slice to the written masks, by family.

    Args:
        records: of `training.prediction.predict_models`. models: of the study's plan, by name.

    Returns:
        The columns `COLUMNS`: how many models and slices were predicted, and the median over the models of each one's
        mean seconds a slice, with the fastest and the slowest. The first model of a job also waits for its network to
        be compiled, which a median over several leaves out.
    """
    rows = [
        (models[r["model"]].family, r["slices"], r["seconds"] / r["slices"])
        for r in records
        if r.get("slices") and r["model"] in models
    ]
    table = pd.DataFrame(rows, columns=["family", "slices", "each"])
    groups = table.groupby("family", sort=False)
    out = groups.agg(
        models=("each", "size"), slices=("slices", "sum"), seconds_per_slice=("each", "median"),
        fastest=("each", "min"), slowest=("each", "max"),
    )  # fmt: skip
    return out.reset_index()[COLUMNS]

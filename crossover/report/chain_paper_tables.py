"""The papers' tables of a study of chains from ours, tidy: scores from 0 to 1, and the published values beside them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from crossover.findings.published import Published, at_sizes
from crossover.statistics.cross_validation import by_cell, select
from crossover.study.schema import Study

TABLE_THREE = "Table III"
"""Where a published score has to stand to be in `sources_table`."""
GRID = [
    "architecture", "encoder", "initial", "folds", "mean", "sd", "selected",
    "published_mean", "published_sd", "published_selected",
]  # fmt: skip
SOURCES = [
    "target", "family", "kind", "sources", "metric", "folds", "cases", "best_fold",
    "best_fold_mean", "mean", "ci_low", "ci_high", "published",
]  # fmt: skip


def cohorts_table(
    study: Study, splits: pd.DataFrame, slices: Mapping[str, int], published: Published | None
) -> pd.DataFrame:
    """Table I: a row for each cohort.

    Columns: cohort, label, cases, test_cases, `attribute_<name>` for each of the study's attributes, slices, and
    what the paper has of these as `published_<column>`.

    Args:
        splits: the study's split.
        slices: cohort -> its slices with the structure, of all its cases.
    """
    printed = {row.cohort: row for row in published.cohorts} if published else {}
    rows = []
    for name, cohort in study.cohorts.items():
        own = splits[splits["cohort"] == name]
        row = {
            "cohort": name, "label": cohort.label, "cases": own["case"].nunique(),
            "test_cases": own.loc[own["part"] == "test", "case"].nunique(),
        }  # fmt: skip
        row |= {f"attribute_{a.name}": cohort.attributes.get(a.name) for a in study.attributes}
        theirs = printed.get(name)
        row |= {"slices": slices.get(name), "published_cases": theirs and theirs.cases}
        for attribute in study.attributes:
            value = theirs and theirs.attributes.get(attribute.name)
            row[f"published_attribute_{attribute.name}"] = value
        rows.append(row | {"published_slices": theirs and theirs.slices})
    return pd.DataFrame(rows)


def grid_table(cross_validation: pd.DataFrame, published: Published | None) -> pd.DataFrame:
    """Table II: a row for each architecture with an encoder, ours first, with the columns `GRID`.

    A network that only the paper has stands here too, without scores of ours.
    """
    key = ["architecture", "encoder"]
    ours = by_cell(cross_validation)
    chosen = select(cross_validation) if len(ours) else dict.fromkeys(key, "")
    ours["selected"] = _is(ours, *(chosen[name] for name in key))
    grid = published.grid if published else None
    theirs = pd.DataFrame(
        [(c.architecture, c.encoder, c.mean, c.sd) for c in grid.cells] if grid else [],
        columns=[*key, "published_mean", "published_sd"],
    )
    theirs["published_selected"] = _is(theirs, *(grid.selected if grid else ("", "")))
    both = pd.concat([ours[key], theirs[key]]).drop_duplicates()
    out = both.merge(ours, "left", key).merge(theirs, "left", key)
    marks = ["selected", "published_selected"]
    out[marks] = out[marks].astype("boolean").fillna(False).astype(bool)
    return out[GRID]


def sources_table(scores: pd.DataFrame, published: Published | None, study: Study) -> pd.DataFrame:
    """Table III: a row for each target, family and metric, with the columns `SOURCES`.

    Args:
        scores: of `statistics.chains.chain_scores`.

    The paper's score of a name ("dsc") stands beside ours of whole volumes and of the structure's slices.
    """
    keys = ["target", "family", "printed"]
    printed = pd.DataFrame(columns=[*keys, "published"])
    if published:
        values = at_sizes(published, study.sizes)
        values = values[values["where"] == TABLE_THREE]
        names = {"test_set": "target", "metric": "printed", "mean": "published"}
        printed = values.rename(columns=names)[[*keys, "published"]]
    ours = scores.assign(printed=scores["metric"].str.removesuffix("_structure_slices"))
    return ours.merge(printed, "left", keys)[SOURCES]


def _is(table: pd.DataFrame, architecture: str, encoder: str) -> np.ndarray:
    same = (table["architecture"] == architecture) & (table["encoder"] == encoder)
    return same.to_numpy(bool)

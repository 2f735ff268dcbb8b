"""The validation of every network of the selection, beside the paper's."""

import numpy as np
import pandas as pd

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.analyses.predicates import chained
from crossover.statistics.papers.published import Published, paper_of
from crossover.statistics.scores.cross_validation import CELLS, by_cell, select
from crossover.study.schema import Study

ANALYSIS = Analysis(
    reads=("statistics/cross_validation.csv",),
    sources=("published",),
    settings=("design", "labels", "published"),
    applies=(chained,),
    writes={"tables/networks.csv": ()},
    order=2,
)

GRID = [
    "architecture", "encoder", "initial", "folds", "mean", "sd", "selected",
    "published_mean", "published_sd", "published_selected",
]  # fmt: skip


def make(given: Inputs, study: Study) -> Frames:
    """Return the table of `grid_table`."""
    published = paper_of(study)
    cells = given.optional("statistics/cross_validation.csv")
    cells = pd.DataFrame(columns=CELLS) if cells is None else cells
    return {"networks": grid_table(cells, published)}


def grid_table(cross_validation: pd.DataFrame, published: Published | None) -> pd.DataFrame:
    """Return Table II of Touijer: a row for each architecture with an encoder, with the columns `GRID`.

    Our networks come first. A network that only the paper has stands here too, without scores of ours.
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


def _is(table: pd.DataFrame, architecture: str, encoder: str) -> np.ndarray:
    same = (table["architecture"] == architecture) & (table["encoder"] == encoder)
    return same.to_numpy(bool)

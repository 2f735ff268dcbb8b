"""The cohorts of a study of chains, beside the paper's."""

from collections.abc import Mapping

import pandas as pd

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.analyses.predicates import chained
from crossover.core.files import read_json
from crossover.statistics.papers.published import Published, paper_of
from crossover.study.schema import Study
from crossover.study.splits import read_splits

ANALYSIS = Analysis(
    reads=("splits.csv",),
    sources=("slices", "published"),
    settings=("design", "labels", "published"),
    applies=(chained,),
    writes={"tables/cohorts.csv": ()},
    order=1,
)


def make(given: Inputs, study: Study) -> Frames:
    """Return the table of `cohorts_table`."""
    published = paper_of(study)
    slices = {
        path.parent.name: sum(item["with_structure"] for item in read_json(path)["items"].values())
        for path in given.slices
    }
    splits = read_splits(given.path("splits.csv"))
    return {"cohorts": cohorts_table(study, splits, slices, published)}


def cohorts_table(
    study: Study, splits: pd.DataFrame, slices: Mapping[str, int], published: Published | None
) -> pd.DataFrame:
    """Return Table I of Touijer: a row for each cohort.

    Args:
        splits: the study's split.
        slices: cohort -> its slices with the structure, of all its cases.
        published: the paper's numbers, if the study has a paper.

    Returns:
        The columns cohort, label, cases, test_cases, `attribute_<name>` for each of the study's attributes,
            slices, and
        what the paper has of these as `published_<column>`.
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

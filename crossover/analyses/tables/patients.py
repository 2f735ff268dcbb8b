"""Table 1 of the target's patients by part of the split."""

import pandas as pd

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.analyses.predicates import sized
from crossover.statistics.scores.table_one import table_one
from crossover.study.schema import Study
from crossover.study.splits import read_splits

ANALYSIS = Analysis(
    reads=("splits.csv",),
    sources=("patients",),
    settings=("design",),
    applies=(sized,),
    writes={"tables/patients.csv": ()},
    order=1,
)
PARTS = {"train": "training", "test": "testing"}


def make(given: Inputs, study: Study) -> Frames:
    """Return the table of `scores.table_one.table_one`."""
    splits = read_splits(given.path("splits.csv"))
    own = splits[splits.cohort == study.target].drop_duplicates("patient").set_index("patient")
    own = own.sort_values("part", ascending=False)  # training first, as in the papers
    # NA in a person's table is no value, but may be a patient's name
    patients = pd.read_csv(given.patients, converters={"patient": str}).drop(columns="case")
    patients = patients.groupby("patient", sort=False).first()  # what the first case says that says anything
    return {"patients": table_one(patients, own.part.map(PARTS))}

"""The papers' tables from ours: tidy first, text last."""

from __future__ import annotations

import math

import pandas as pd

from crossover.analyses.tables.scores import OURS, THEIRS
from crossover.findings.published import Published


def table_two_layout(table: pd.DataFrame) -> pd.DataFrame:
    """The text of `table_two`: a row for each structure, model and training data.

    Columns: Structure (only where there are several), Model, Training data, and for each test set
    "Uterus (n = 64)" with "0.62 (0.58, 0.66)", and beside it "Uterus, published"; where there are several
    replicates, "Uterus, SD of 3 replicates".
    """
    keys = ["structure", "model_label", "training"]
    out = table[keys].drop_duplicates()
    for label, part in table.groupby("test_set_label", sort=False):
        ours = f"{label} (n = {int(part['cases'].max())})"
        theirs = f"{label}, published"
        cells = part[keys].assign(**{
            ours: [interval(*r) for r in part[OURS[1:]].itertuples(index=False)],
            theirs: [interval(*r) for r in part[THEIRS[1:]].itertuples(index=False)],
        })  # fmt: skip
        if (several := part["replicates"].max()) > 1:
            spread = [interval(sd, math.nan, math.nan) for sd in part["sd_replicates"]]
            cells[f"{label}, SD of {several:.0f} replicates"] = spread
        out = out.merge(cells, how="left", on=keys)
    if out["structure"].nunique() < 2:
        out = out.drop(columns="structure")
    names = {"structure": "Structure", "model_label": "Model", "training": "Training data"}
    return out.rename(columns=names).fillna("")


def table_one_layout(table: pd.DataFrame) -> pd.DataFrame:
    """The text of `statistics.table_one.table_one`: Variable, one column for each part, p value.

    A continuous variable is one row, "52.14 (11.15)"; a categorical one is a row with its p value
    and one for each category, "207 (80.9)".
    """
    rows = []
    for variable, part in table.groupby("variable", sort=False):
        p = part["p"].iloc[0]
        p_text = "" if pd.isna(p) else p_value(p)
        continuous = part[part["category"] == ""]
        cells = {r.part: f"{r.mean:.2f} ({r.sd:.2f})" for r in continuous.itertuples()}
        name = str(variable).replace("_", " ").capitalize()
        rows.append({"Variable": name, **cells, "p value": p_text})
        for category, own in part[part["category"] != ""].groupby("category", sort=False):
            cells = {r.part: f"{int(r.counted)} ({r.percent:.1f})" for r in _named(own)}
            rows.append({"Variable": f"  {category}", **cells})
    columns = ["Variable", *table["part"].unique(), "p value"]
    return pd.DataFrame(rows, columns=columns).fillna("")


def table_one_published(published: Published) -> pd.DataFrame:
    """The paper's Table 1 in the layout of `table_one_layout`; empty where it has none."""
    table = published.table_one
    rows: list[dict[str, str]] = []
    for row in table.continuous if table else []:
        cells = {p: "{:.2f} ({:.2f})".format(*getattr(row, p)) for p in ("training", "testing")}
        rows.append({"Variable": row.variable, **cells, "p value": p_value(row.p)})
    for row in table.categorical if table else []:
        rows.append({"Variable": row.variable, "p value": p_value(row.p)})
        for name, counts in row.categories.items():
            cells = {
                p: "{:.0f} ({:.1f})".format(*getattr(counts, p)) for p in ("training", "testing")
            }
            rows.append({"Variable": f"  {name}", **cells})
    return pd.DataFrame(rows, columns=["Variable", "training", "testing", "p value"]).fillna("")


def interval(mean: float, low: float, high: float) -> str:
    """ "0.62 (0.58, 0.66)"; without an interval "0.62"; "" for no value."""
    if pd.isna(mean):
        return ""
    return f"{mean:.2f}" if pd.isna(low) else f"{mean:.2f} ({low:.2f}, {high:.2f})"


def p_value(p: float) -> str:
    """ "0.041", and "< 0.001" below that; "" for NaN."""
    if pd.isna(p):
        return ""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _named(rows: pd.DataFrame):
    # `count` is a method of the tuples that itertuples makes
    return rows.rename(columns={"count": "counted"}).itertuples()

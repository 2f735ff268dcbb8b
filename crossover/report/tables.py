"""The papers' tables from ours: tidy first, text last."""

from __future__ import annotations

import math

import pandas as pd

from crossover.findings.published import Published, beside
from crossover.statistics.metrics_table import POOLED
from crossover.study.schema import Study
from crossover.study.sections import Step, Strategy

PLACE = "Table 2"
"""Where a published value has to stand to be in table_two."""

_OURS = ["cases", "mean", "ci_low", "ci_high"]
_REPLICATES = ["replicates", "sd_replicates"]
_THEIRS = ["published_n_train", "published_mean", "published_ci_low", "published_ci_high"]


def table_two(summary: pd.DataFrame, published: Published | None, study: Study) -> pd.DataFrame:
    """Scores of the models that the paper's Table 2 has, ours and the paper's, tidy.

    The models are those with a published value whose place is Table 2, at the corresponding size;
    all models where there is no such value. The metric is the study's (`statistics.metric`).

    Returns:
        One row for each structure, model and test set: structure, model_label ("TL (L1)"),
        training ("Uterus (n = 13)"), test_set, test_set_label, family, n_train, cases, mean,
        ci_low, ci_high, replicates, sd_replicates, published_n_train, published_mean, published_ci_low,
        published_ci_high;
        families in the study's order, those without target cases last, as the paper has them.
    """
    summary = summary[summary["metric"] == study.statistics.metric]
    if published is None:
        rows = summary.assign(**dict.fromkeys(_THEIRS, float("nan")))
    else:
        table = beside(summary, _only(published, PLACE), study.sizes)
        printed = table.groupby(["family", "n_train"])["published_mean"].transform("count") > 0
        rows = table[printed] if printed.any() else table
    rows = rows.assign(
        model_label=[_label(study, r.strategy, r.level) for r in rows.itertuples()],
        training=[_training(study, r.strategy, r.n_train) for r in rows.itertuples()],
        test_set_label=[_test_set(study, name) for name in rows["test_set"]],
        order=[_order(study, r.strategy, r.n_train) for r in rows.itertuples()],
    )
    rows = rows.sort_values(["order", "level", "n_train"], kind="stable")
    first = ["structure", "model_label", "training", "test_set", "test_set_label"]
    return rows[[*first, "family", "n_train", *_OURS, *_REPLICATES, *_THEIRS]].reset_index(
        drop=True
    )


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
            ours: [interval(*r) for r in part[_OURS[1:]].itertuples(index=False)],
            theirs: [interval(*r) for r in part[_THEIRS[1:]].itertuples(index=False)],
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
    for own in table.categorical if table else []:
        rows.append({"Variable": own.variable, "p value": p_value(own.p)})
        for name, counts in own.categories.items():
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


def _only(published: Published, where: str) -> Published:
    values = [value for value in published.values if value.where == where]
    return published.model_copy(update={"values": values})


def _label(study: Study, strategy: str, level: str | float) -> str:
    """A table read back from its file has a missing level where there is none."""
    known = study.strategies.get(strategy)
    label = known.label if known else strategy
    return f"{label} ({level})" if pd.notna(level) and level else label


def _training(study: Study, strategy: str, n: int) -> str:
    """What the last training of the chain sees; what came before is in the model's label."""
    known: Strategy | None = study.strategies.get(strategy)
    if known is None:
        return f"n = {n}"
    step: Step = known.chain[-1]
    parts = [
        f"{study.cohorts[cohort].label} ({f'n = {n}' if size == 'n' else 'all'})"
        for cohort, size in step.train.items()
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

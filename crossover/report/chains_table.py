"""The three tables of a study of chains, ours and the paper's: cohorts, networks, sources by targets.

Tidy first, scores from 0 to 1; as text in per cent, as the paper has them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from crossover.analyses.figures import style
from crossover.findings.published import Published, at_sizes
from crossover.statistics.cross_validation import by_cell, select
from crossover.study.chains import Chain, chains, kinds
from crossover.study.schema import Study

PLACE = "Table III"
"""Where a published score has to stand to be in `chains_table`."""
GRID = [
    "architecture", "encoder", "initial", "folds", "mean", "sd", "selected",
    "published_mean", "published_sd", "published_selected",
]  # fmt: skip
SOURCES = [
    "target", "family", "kind", "sources", "metric", "folds", "cases", "best_fold",
    "best_fold_mean", "mean", "ci_low", "ci_high", "published",
]  # fmt: skip
NONE = "–"


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
        values = values[values["where"] == PLACE]
        names = {"test_set": "target", "metric": "printed", "mean": "published"}
        printed = values.rename(columns=names)[[*keys, "published"]]
    ours = scores.assign(printed=scores["metric"].str.removesuffix("_structure_slices"))
    return ours.merge(printed, "left", keys)[SOURCES]


def cohorts_layout(table: pd.DataFrame, study: Study) -> pd.DataFrame:
    """The text of `cohorts_table`; what the paper has is left out where it has nothing."""
    out = pd.DataFrame({"Cohort": table["label"]})
    for prefix, suffix in (("", ""), ("published_", ", published")):
        own = table[f"{prefix}cases"]
        if not own.notna().any():
            continue
        out[f"Patients{suffix}"] = [_whole(v) for v in own]
        if not prefix:
            out["of them for testing"] = [_whole(v) for v in table["test_cases"]]
        for attribute in study.attributes:
            values = table[f"{prefix}attribute_{attribute.name}"]
            out[f"{attribute.label}{suffix}"] = [attribute.text(v) for v in values]
        out[f"Slices{suffix}"] = [_whole(v) for v in table[f"{prefix}slices"]]
    return out


def grid_layout(table: pd.DataFrame) -> pd.DataFrame:
    """The text of `grid_table`: encoders down, architectures across, "89.3 ± 1.6" in per cent.

    The selected network carries a *, an encoder that began with other weights than its fellows says so, and so
    does a network that has fewer folds, which was not chosen from.
    """
    mixed = table["initial"].nunique() > 1
    asked = table["folds"].max()
    rows = []
    for encoder, part in table.groupby("encoder", sort=False):
        begun = next(iter(part["initial"].dropna()), "")
        row = {"Encoder": style.encoder_label(encoder)}
        row["Encoder"] += f", {style.weights_label(begun)}" if mixed and begun else ""
        for cell in part.itertuples():
            head = style.architecture_label(cell.architecture)
            row[head] = _spread(cell.mean, cell.sd, cell.selected, 1)
            row[head] += f" ({cell.folds:.0f} folds)" if cell.folds < asked else ""
            theirs = _spread(cell.published_mean, cell.published_sd, cell.published_selected, 2)
            row[f"{head}, published"] = theirs
        rows.append(row)
    out = pd.DataFrame(rows).fillna("")
    return out.loc[:, [(out[column] != "").any() for column in out]]


def sources_layout(table: pd.DataFrame, metric: str, study: Study) -> pd.DataFrame:
    """The text of `sources_table` for a metric: sources down, targets across, in per cent.

    Columns: Trained before, and for each target "Site A, best fold" ("91.4"), "Site A, mean (CI)" and
    "Site A, published". Targets that a chain doesn't end on have a dash.
    """
    own = table[table["metric"] == metric].set_index(["family", "target"])
    targets = [cohort for cohort in study.cohorts if cohort in set(table["target"])]
    rows: dict[str, dict[str, str]] = {}
    for chain in _ordered(study):
        row = rows.setdefault(chain.label, {"Trained before": chain.label})
        for target in targets:
            if (chain.family, target) in own.index:
                row |= _scores(own.loc[(chain.family, target)], study.cohorts[target].label)
    columns = [
        f"{study.cohorts[target].label}, {what}"
        for target in targets
        for what in ("best fold", "mean (CI)", "published")
    ]
    out = pd.DataFrame(rows.values(), columns=["Trained before", *columns]).fillna(NONE)
    shown = [c for c in out if not c.endswith(", published") or (out[c] != NONE).any()]
    return out[shown]


def percent(value: float, digits: int = 1) -> str:
    """ "89.3" of 0.893; "" for no value."""
    return "" if pd.isna(value) else f"{100 * value:.{digits}f}"


def of_attribute(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """The rows of an attribute in `statistics.chains.attribute_contrasts`, its numbers as such."""
    own = table[table["attribute"] == name]
    for column in ("a_value", "b_value"):
        numbers = pd.to_numeric(own[column], errors="coerce")
        if numbers.notna().sum() == own[column].notna().sum():
            own = own.assign(**{column: numbers})
    return own


def _ordered(study: Study) -> list[Chain]:
    """By number of sources, those in the study's order of cohorts; what pools cohorts and controls last."""
    of, cohorts = chains(study), list(study.cohorts)
    order = kinds(of)

    def place(chain: Chain) -> tuple:
        before = [tuple(map(cohorts.index, step)) for step in chain.steps[:-1]]
        return order.index(chain.kind), before

    return sorted(of, key=place)


def _scores(row: pd.Series, label: str) -> dict[str, str]:
    between = f" ({percent(row['ci_low'])}, {percent(row['ci_high'])})"
    return {
        f"{label}, best fold": percent(row["best_fold_mean"]),
        f"{label}, mean (CI)": percent(row["mean"]) + ("" if pd.isna(row["ci_low"]) else between),
        f"{label}, published": percent(row["published"], 2) or NONE,
    }


def _is(table: pd.DataFrame, architecture: str, encoder: str) -> np.ndarray:
    same = (table["architecture"] == architecture) & (table["encoder"] == encoder)
    return same.to_numpy(bool)


def _spread(mean: float, sd: float, chosen: bool, digits: int) -> str:
    if pd.isna(mean):
        return ""
    text = percent(mean, digits) + ("" if pd.isna(sd) else f" ± {percent(sd, digits)}")
    return f"{text} *" if chosen else text


def _whole(value: float | None) -> str:
    return "" if value is None or pd.isna(value) else f"{int(value)}"

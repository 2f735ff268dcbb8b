"""Tables about chains of trainings, as text: scores and differences in the units of `scales.shown`."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from crossover.analyses.figures import style
from crossover.core.wording import counted
from crossover.report.formats import (
    interval,
    percent,
    points,
    score,
    spread,
)
from crossover.report.results import StudyResults
from crossover.report.score_tables import folds_layout
from crossover.report.table_layout import across
from crossover.statistics.papers.published import printed_metric
from crossover.statistics.scores.scales import direction
from crossover.study.chains import BASELINE, Chain, chains, kinds
from crossover.study.families import at_largest
from crossover.study.plan import plan
from crossover.study.schema import Study
from crossover.study.sections import Attribute

SUPPORTED, NOT_SUPPORTED, OPEN = "supported", "not supported", "can't tell"
NONE = "–"


def of_metric(rows: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return the rows of the study's metric."""
    return rows[rows["metric"] == study.statistics.metric]


def scored(study: Study) -> list[str]:
    """Return the study's metric, for a DSC also its IoU and the mean DSC over slices, which a paper may mean by DSC."""
    metric = study.statistics.metric
    return list(dict.fromkeys([metric, metric.replace("dsc", "iou"), "dsc_mean_of_slices"]))


def judged(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a table of differences with a column `verdict`: whether each is for the better.

    That is above 0, or below 0 for a metric whose lower values are better. It is "supported" or "not supported" where
    the interval says so; an interval with 0 in it, or none, can't tell. The interval (`low`, `high`) is that for other
    patients and trainings; where each model was trained once, that for other patients, since nothing says what another
    training would give.
    """
    low, high = (rows[f"ci_wide_{end}"].where(rows["folds"] > 1, rows[f"ci_{end}"]) for end in ("low", "high"))
    above, below, falling = low > 0, high < 0, rows["metric"].map(direction).eq(-1)
    verdict = np.select([above.mask(falling, below), below.mask(falling, above)], [SUPPORTED, NOT_SUPPORTED], OPEN)
    value = rows["difference" if "difference" in rows else "gain"]
    ends = zip(value, low, high, rows["metric"], strict=True)
    text = [interval(apart, least, most, partial(points, metric=metric)) for apart, least, most, metric in ends]
    return rows.assign(low=low, high=high, verdict=verdict, text=text)


def cohorts_layout(cohorts: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return the columns of `analyses.tables.cohorts` that the report shows."""
    out = cohorts[["label"]]
    for prefix, suffix in (("", ""), ("published_", ", published")):
        out = out.assign(**{f"{prefix}patients": cohorts[f"{prefix}cases"]})
        if not prefix:
            out = out.assign(test_cases=cohorts["test_cases"])
        for attribute in study.attributes:
            values = cohorts[f"{prefix}attribute_{attribute.name}"]
            out[f"{attribute.label}{suffix}"] = [attribute.text(value) for value in values]
        out = out.assign(**{f"{prefix}slices": cohorts[f"{prefix}slices"]})
    return out


def networks_layout(grid: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return the text of `analyses.tables.networks`: encoders down, architectures across, "89.3 ± 1.6" in per cent.

    The selected network carries a *, an encoder that began with other weights than its fellows says so, and so
    does a network that has fewer folds, which did not take part in the selection.
    """
    if grid["folds"].isna().all():
        return grid.iloc[:0]
    asked, began = grid["folds"].max(), grid.groupby("encoder")["initial"].first()
    mixed = began.nunique() > 1

    def cells(row: Any) -> dict[str, str]:
        head = style.architecture_label(row.architecture)
        ours = spread(row.mean, row.sd, percent) + (" *" if row.selected else "")
        theirs = spread(row.published_mean, row.published_sd, lambda v: percent(v, 2))
        fewer = f" ({row.folds:.0f} folds)" if row.folds < asked else ""
        return {
            head: ours + fewer,
            f"{head}, published": theirs + (" *" if row.published_selected else ""),
        }

    out = across(grid, ["encoder"], cells)
    known = (style.weights_label(began[e]) if mixed and pd.notna(began[e]) else "" for e in out["encoder"])
    both = zip(map(style.encoder_label, out["encoder"]), known, strict=True)
    return out.assign(encoder=[", ".join(filter(None, names)) for names in both])


def sources_layout(sources: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return the text of one metric's rows of `analyses.tables.sources`: sources down, targets across.

    Columns: Trained before, and for each target "Site A, best fold" ("91.4"), "Site A, mean (CI)" and
    "Site A, published". Targets that a chain doesn't end on have a dash.
    """
    targets = [cohort for cohort in study.cohorts if cohort in set(sources["target"])]
    places = [(chain.label, chain.family, target) for chain in _by_sources(study)
              for target in targets if target in chain.targets]  # fmt: skip
    rows = pd.DataFrame(places, columns=["trained_before", "family", "target"])
    metric = sources["metric"].iloc[0]

    def cells(row: Any) -> dict[str, str]:
        label = study.cohorts[row.target].label
        return {
            f"{label}, best fold": score(row.best_fold_mean, metric),
            f"{label}, mean (CI)": interval(row.mean, row.ci_low, row.ci_high, partial(score, metric=metric)),
            f"{label}, published": score(row.published, metric, 2),
        }

    out = across(rows.merge(sources, "left", ["family", "target"]), ["trained_before"], cells)
    return out.loc[:, (out != "").any()].replace("", NONE)


def kinds_layout(contrasts: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Compare kinds of chains: a column for each target and one for all of them together."""
    rows = judged(of_metric(contrasts, study))
    out = across(rows, ["a", "b"], lambda row: {
        f"{style.test_set_label(study, row.target)} ({counted(row.cases, 'case')})": row.text
    })  # fmt: skip
    compared = (out.pop("a") + " minus " + out.pop("b")).str.capitalize() if len(out) else []
    out.insert(0, "Compared", compared)
    return out


def stated_gains(results: StudyResults) -> pd.DataFrame:
    """Return the gains that the paper's text states, what its table gives, and ours; empty without any."""
    study = results.study
    return pd.DataFrame([
        {"Statement": f"{study.cohorts[stated.test_set].label} gains, {style.metric_label(stated.metric)}",
         "Published": points(stated.gain, stated.metric), "From its table": points(stated.recomputed, stated.metric),
         **_own_gain(results, stated)}
        for stated in results.frame("published_gains").itertuples()
    ])  # fmt: skip


def gains_layout(gains: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return the text of `differences.chains.gains` for one metric."""

    def between(side: str) -> list[str]:
        ends = zip(gains[f"{side}_low"], gains[f"{side}_high"], strict=True)
        return ["" if pd.isna(low) else f"({points(low, metric)}, {points(high, metric)})" for low, high in ends]

    metric = gains["metric"].iloc[0]
    better, worse = ("higher", "lower")[:: direction(metric)]
    rows = gains.assign(
        target=[style.test_set_label(study, target) for target in gains["target"]],
        trained_before=_labels(gains["family"], study), ci=between("ci"), ci_wide=between("ci_wide"),
        better=gains[better], worse=gains[worse],
        **{name: [points(gain, metric) for gain in gains[name]] for name in ("gain", "best_fold_gain")},
    )  # fmt: skip
    shown = rows[["target", "trained_before", "cases", "gain", "ci", "ci_wide", "better", "worse",
                 "p", "p_wilcoxon_exact", "p_holm", "rank_biserial", "cohen_dz", "best_fold_gain"]]  # fmt: skip
    return shown if direction(metric) > 0 else shown.rename(columns={"gain": "difference"})


def of_attribute(contrasts: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return the rows of an attribute in `differences.chains.attribute_contrasts`, its numbers as such."""
    own = contrasts[contrasts["attribute"] == name]
    for column in ("a_value", "b_value"):
        numbers = pd.to_numeric(own[column], errors="coerce")
        if numbers.notna().sum() == own[column].notna().sum():
            own = own.assign(**{column: numbers})
    return own


def attribute_layout(attribute: Attribute, contrasts: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return the text of `differences.chains.attribute_contrasts` for one attribute and metric."""
    rows = judged(of_attribute(contrasts, attribute.name))
    numbers = is_numeric_dtype(rows["a_value"])
    a, b = ("Higher", "Lower") if numbers else ("A", "B")

    def source(side: str) -> list[str]:
        labels = rows[f"{side}_source"].astype(object).fillna("")
        values = map(attribute.text, rows[f"{side}_value"])
        return [", ".join(filter(None, both)) for both in zip(labels, values, strict=True)]

    return pd.DataFrame({
        "Target": [style.test_set_label(study, target) for target in rows["target"]],
        a: source("a"), b: source("b"), "Cases": rows["cases"],
        f"{a} minus {b.lower() if numbers else b}": rows["text"], "p": rows["p"],
        f"{a} is better": rows["verdict"],
    })  # fmt: skip


def every_cohort_layout(summary: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return every family's mean score on every cohort's test cases.

    In brackets those of cohorts that it was not trained on last. With sizes, at the largest; with several structures,
    the mean of these.
    """
    means = of_metric(at_largest(summary), study).groupby(["family", "test_set"])["mean"].mean()
    rows = []
    for chain in chains(study):
        row = {"Trained before": chain.label, "Target": chain.together}
        for cohort, about in study.cohorts.items():
            text = score(means.get((chain.family, cohort)), study.statistics.metric)
            row[about.label] = f"[{text}]" if text and cohort not in chain.targets else text
        rows.append(row)
    return pd.DataFrame(rows)


def validation_layout(validation: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return the validation DSC of every chain's models, fold by fold, and what the chain began with.

    With sizes, at the largest; where each structure has a network, the mean of these.
    """
    known = {chain.family: chain for chain in chains(study)}
    order = list(known)
    models = pd.DataFrame(plan(study).models.values())
    rows = validation[validation["model"].isin(at_largest(models)["name"])]
    rows = rows[rows["family"].isin(order)]
    by_fold = rows.groupby(["family", "fold"], sort=False, dropna=False, as_index=False)
    rows = by_fold.agg({"validation_dsc": "mean", "initial": "first"})
    rows = rows.sort_values("family", key=lambda names: names.map(order.index), kind="stable")
    rows = rows.reset_index(drop=True)
    families = rows.groupby("family")
    best = families["validation_dsc"].idxmax()
    rows = rows.assign(
        trained_before=_labels(rows["family"], study), target=[known[f].together for f in rows["family"]],
        began_with=families["initial"].transform("first").astype(object).fillna("").map(style.weights_label),
    )  # fmt: skip

    def cells(row: Any) -> dict[str, str]:
        head = "Validation" if pd.isna(row.fold) else f"Fold {int(row.fold) + 1}"
        return {head: percent(row.validation_dsc) + (" *" if row.Index == best[row.family] else "")}

    return across(rows, ["trained_before", "target", "began_with"], cells)


def own_folds_layout(stability: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return the folds of each chain's own targets, in the study's order, by what was trained before."""
    stability = at_largest(stability)
    own = [(chain.family, target) for chain in chains(study) for target in chain.targets]
    places = list(zip(stability["family"], stability["cohort"], strict=True))
    rows = stability.assign(place=[own.index(p) if p in own else -1 for p in places])
    rows = rows[rows["place"] >= 0].sort_values(["place", "fold"])
    return folds_layout(rows.assign(family=_labels(rows["family"], study)), study)


def _own_gain(results: StudyResults, stated: Any) -> dict[str, str]:
    """Return our mean gain of the chains that a statement names, on the slices that the study scores.

    Its cells are empty where we have no gain in this metric, or not of all of these chains.
    """
    own = results.study.statistics.metric
    slices = own.removeprefix(printed_metric(pd.Series([own])).item())
    there = set(results.frames["gains"]["metric"])
    metric = stated.metric + slices if stated.metric + slices in there else stated.metric
    gains, contrasts = (
        frame[frame["metric"].eq(metric) & frame["target"].eq(stated.test_set)]
        for frame in (results.frames["gains"], results.frames["contrasts"])
    )
    own = gains[gains["family"].isin(stated.families)]
    same = contrasts[contrasts["b"].eq(BASELINE) & contrasts["a"].isin(own["kind"].unique())]
    heads = ("Here, best folds", "Here, mean (CI)", "Verdict")
    if len(own) != len(stated.families) or len(same) != 1 or same["families_a"].item() != len(own):
        return dict(zip(heads, ("", "", NONE), strict=True))
    row = judged(same).iloc[0]
    verdict = row["verdict"] if pd.notna(row["low"]) else NONE
    cells = (points(own["best_fold_gain"].mean(), metric), row["text"], verdict)
    return dict(zip(heads, cells, strict=True))


def _by_sources(study: Study) -> list[Chain]:
    """Sort by number of sources, then the study's order of cohorts; what pools cohorts and controls come last."""
    of, cohorts = chains(study), list(study.cohorts)
    order = kinds(of)

    def place(chain: Chain) -> tuple:
        before = [tuple(map(cohorts.index, step)) for step in chain.steps[:-1]]
        return order.index(chain.kind), before

    return sorted(of, key=place)


def _labels(families: pd.Series, study: Study) -> list[str]:
    """Return what each family was trained on before its target."""
    known = {chain.family: chain.label for chain in chains(study)}
    return [known[family] for family in families]

"""What the statistics of chains found, as text: differences in percentage points, scores in per cent."""

from __future__ import annotations

import pandas as pd
from pandas.api.types import is_numeric_dtype

from crossover.analyses.figures import style
from crossover.report.chains_findings import (
    bounds,
    cases_text,
    difference,
    of_metric,
    points,
    verdict,
)
from crossover.report.chains_table import NONE, of_attribute, percent
from crossover.report.tables import p_value
from crossover.statistics.metrics_table import POOLED
from crossover.study.chains import BASELINE, chains
from crossover.study.schema import Study
from crossover.study.sections import Attribute


def by_kind(contrasts: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Kinds of chains against each other: a column for each target and one for all of them together."""
    rows = []
    own = of_metric(contrasts, study)
    for (a, b), part in own.groupby(["a", "b"], sort=False):
        row = {"Compared": f"{a} minus {b}".capitalize()}
        for found in part.to_dict("records"):
            counted = cases_text(found["cases"]).replace(" test ", " ")
            head = f"{_where(found['target'], study)} ({counted})"
            row[head] = difference(found["difference"], pd.Series(found))
        rows.append(row)
    return pd.DataFrame(rows).fillna("")


def statements(frames: dict[str, pd.DataFrame], study: Study) -> pd.DataFrame:
    """The gains that the paper's text states, what its table gives, and ours; empty without any."""
    stated = frames.get("published_gains", pd.DataFrame())
    rows = []
    for gain in stated.itertuples():
        ours = _ours(frames, gain, study)
        label = study.cohorts[gain.test_set].label
        rows.append({
            "Statement": f"{label} gains, {style.metric_label(gain.metric)}",
            "Published": points(gain.gain),
            "From its table": points(gain.recomputed),
            **ours,
        })  # fmt: skip
    return pd.DataFrame(rows)


def gains_layout(gains: pd.DataFrame, study: Study) -> pd.DataFrame:
    """The text of `statistics.chains.gains` for one metric."""

    def between(row, side: str) -> str:
        low, high = getattr(row, f"{side}_low"), getattr(row, f"{side}_high")
        return "" if pd.isna(low) else f"({points(low)}, {points(high)})"

    rows = list(gains.itertuples())
    return pd.DataFrame({
        "Target": [_where(r.target, study) for r in rows],
        "Trained before": labelled(gains["family"], study),
        "Cases": [str(int(r.cases)) for r in rows],
        "Gain": [points(r.gain) for r in rows],
        "CI, patients": [between(r, "ci") for r in rows],
        "CI, and trainings": [between(r, "ci_wide") for r in rows],
        "Better": [str(int(r.improved)) for r in rows],
        "Worse": [str(int(r.worsened)) for r in rows],
        "p": [p_value(r.p_wilcoxon_exact) for r in rows],
        "p, Holm": [p_value(r.p_holm) for r in rows],
        "r": [_two(r.rank_biserial) for r in rows],
        "dz": [_two(r.cohen_dz) for r in rows],
        "Best folds": [points(r.best_fold_gain) for r in rows],
    })  # fmt: skip


def attribute_layout(table: pd.DataFrame, attribute: Attribute, study: Study) -> pd.DataFrame:
    """The text of `statistics.chains.attribute_contrasts` for one metric and attribute."""
    own = of_attribute(table, attribute.name)
    numbers = is_numeric_dtype(own["a_value"])
    a, b = ("Higher", "Lower") if numbers else ("A", "B")
    rows = []
    for row in own.to_dict("records"):
        sides = [
            ", ".join(
                str(p)
                for p in (row[f"{s}_source"], attribute.text(row[f"{s}_value"]))
                if p and p == p
            )
            for s in "ab"
        ]
        values = pd.Series(row)
        rows.append({
            "Target": _where(row["target"], study), a: sides[0], b: sides[1],
            "Cases": str(int(row["cases"])),
            f"{a} minus {b.lower() if numbers else b}": difference(row["difference"], values),
            "p": p_value(row["p_wilcoxon_exact"]), f"{a} is better": verdict(values),
        })  # fmt: skip
    return pd.DataFrame(rows)


def everywhere(summary: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Every family's mean score on every cohort's test cases, in per cent."""
    own = of_metric(summary, study).set_index(["family", "test_set"])["mean"]
    rows = []
    for chain in chains(study):
        row = {"Trained before": chain.label, "Target": chain.together}
        for cohort, about in study.cohorts.items():
            text = percent(own.get((chain.family, cohort), float("nan")))
            away = cohort not in chain.targets and text
            row[about.label] = f"[{text}]" if away else text
        rows.append(row)
    return pd.DataFrame(rows)


def folds_layout(validation: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Validation DSC of every chain's models, fold by fold, and what the chain began with."""
    rows = []
    for chain in chains(study):
        part = validation[validation["family"] == chain.family]
        if part.empty:
            continue
        best = part["validation_dsc"].idxmax()
        row = {"Trained before": chain.label, "Target": chain.together}
        row["Began with"] = style.weights_label(next(iter(part["initial"].dropna()), ""))
        for index, model in part.iterrows():
            head = "Validation" if pd.isna(model["fold"]) else f"Fold {int(model['fold']) + 1}"
            row[head] = percent(model["validation_dsc"]) + (" *" if index == best else "")
        rows.append(row)
    return pd.DataFrame(rows).fillna("")


def _ours(frames: dict[str, pd.DataFrame], gain, study: Study) -> dict[str, str]:
    """Our mean gain of the chains that a statement names, on the slices that the study scores."""
    metric = next(m for m in scored(study) if m.startswith(gain.metric))
    gains = frames["gains"]
    own = gains[(gains["metric"] == metric) & (gains["target"] == gain.test_set)]
    own = own[own["family"].isin(gain.families)]
    contrasts = frames["contrasts"]
    same = contrasts[(contrasts["metric"] == metric) & (contrasts["target"] == gain.test_set)]
    same = same[(same["b"] == BASELINE) & same["a"].isin(own["kind"].unique())]
    if len(own) != len(gain.families) or len(same) != 1 or same.iloc[0]["families_a"] != len(own):
        return {"Here, best folds": "", "Here, mean (CI)": "", "Verdict": NONE}
    row = same.iloc[0]
    return {
        "Here, best folds": points(own["best_fold_gain"].mean()),
        "Here, mean (CI)": difference(row["difference"], row),
        "Verdict": verdict(row) if pd.notna(bounds(row)[0]) else NONE,
    }


def scored(study: Study) -> list[str]:
    """The study's metric and its IoU."""
    return [study.statistics.metric, study.statistics.metric.replace("dsc", "iou")]


def labelled(families: pd.Series, study: Study) -> list[str]:
    """What each family was trained on before its target."""
    known = {chain.family: chain for chain in chains(study)}
    return [known[family].label for family in families]


def _where(target: str, study: Study) -> str:
    return "All" if target == POOLED else study.cohorts[target].label


def _two(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.2f}".replace("-", "−")

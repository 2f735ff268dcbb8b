"""The three tables of a study of chains, ours and the paper's: cohorts, networks, sources by targets.

Tidy first, scores from 0 to 1; as text in per cent, as the paper has them.
"""

from __future__ import annotations

import pandas as pd

from crossover.analyses.figures import style
from crossover.study.chains import Chain, chains, kinds
from crossover.study.schema import Study

NONE = "–"


def cohorts_layout(table: pd.DataFrame) -> pd.DataFrame:
    """The text of `cohorts_table`; what the paper has is left out where it has nothing."""
    out = pd.DataFrame({"Cohort": table["label"]})
    for prefix, suffix in (("", ""), ("published_", ", published")):
        own = table[f"{prefix}cases"]
        if not own.notna().any():
            continue
        out[f"Patients{suffix}"] = [_whole(v) for v in own]
        if not prefix:
            out["of them for testing"] = [_whole(v) for v in table["test_cases"]]
        out[f"Field strength{suffix}"] = [tesla(v) for v in table[f"{prefix}field_strength_t"]]
        out[f"Coil{suffix}"] = [_text(v) for v in table[f"{prefix}coil"]]
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


def tesla(value: float | None) -> str:
    """ "1.5 T"; "" for no value."""
    return "" if value is None or pd.isna(value) else f"{value:g} T"


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


def _spread(mean: float, sd: float, chosen: bool, digits: int) -> str:
    if pd.isna(mean):
        return ""
    text = percent(mean, digits) + ("" if pd.isna(sd) else f" ± {percent(sd, digits)}")
    return f"{text} *" if chosen else text


def _whole(value: float | None) -> str:
    return "" if value is None or pd.isna(value) else f"{int(value)}"


def _text(value: object) -> str:
    return "" if value is None or pd.isna(value) else str(value)

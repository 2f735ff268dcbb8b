"""What the tables of a study of chains say, as sentences: computed, as all of the report's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from crossover.analyses.figures import style
from crossover.report.chains_table import of_attribute, percent
from crossover.statistics.metrics_table import POOLED
from crossover.study.chains import ALL_DATA, BASELINE, CONTROL, COUNTED, ONE_SOURCE, TWO_SOURCES
from crossover.study.schema import Study
from crossover.study.sections import Attribute

Frames = Mapping[str, pd.DataFrame]
SUPPORTED, NOT_SUPPORTED, OPEN = "supported", "not supported", "can't tell"


def headline(frames: Frames, study: Study) -> list[str]:
    """The answer in a few sentences; empty without the tables of chains and gains."""
    if "chains" not in frames or "gains" not in frames:
        return []
    own = {name: of_metric(frames[name], study) for name in ("chains", "gains")}
    empty = pd.DataFrame(columns=["metric"])
    more = {n: of_metric(frames.get(n, empty), study) for n in ("contrasts", "attributes")}
    return [
        *_baselines(own["chains"], study),
        *_chains(own["gains"], study),
        *_kinds(more["contrasts"]),
        *_control(own["gains"], more["contrasts"], frames.get("validation"), study),
        *_best_fold(own["chains"], own["gains"]),
        *_attainable(own["gains"], study),
        *_attributes(more["attributes"], study),
    ]


def of_metric(table: pd.DataFrame, study: Study) -> pd.DataFrame:
    """The rows of the study's metric."""
    return table[table["metric"] == study.statistics.metric]


def verdict(row: pd.Series) -> str:
    """Whether a difference is above 0: "supported" or "not supported" where its interval says so.

    An interval with 0 in it, or none, can't tell.
    """
    low, high = bounds(row)
    return SUPPORTED if low > 0 else NOT_SUPPORTED if high < 0 else OPEN


def bounds(row: pd.Series) -> tuple[float, float]:
    """The interval for other patients and trainings; where each model was trained once, that for other
    patients, since nothing says what another training would give."""
    side = "ci_wide" if row["folds"] > 1 else "ci"
    return row[f"{side}_low"], row[f"{side}_high"]


def points(value: float) -> str:
    """ "+3.1", "−0.4", "0.0" percentage points of a difference of scores from 0 to 1; "" for no value."""
    if pd.isna(value):
        return ""
    text = f"{100 * value:+.1f}"
    return "0.0" if float(text) == 0 else text.replace("-", "−")


def difference(value: float, row: pd.Series) -> str:
    """ "+3.1 (+1.2, +5.0)"; without an interval "+3.1"."""
    low, high = bounds(row)
    return points(value) if pd.isna(low) else f"{points(value)} ({points(low)}, {points(high)})"


def _baselines(chains: pd.DataFrame, study: Study) -> Iterator[str]:
    rows = chains[chains["kind"] == BASELINE]
    if rows.empty:
        return
    parts = []
    for row in rows.to_dict("records"):
        between = (
            ""
            if pd.isna(row["ci_low"])
            else f", {percent(row['ci_low'])} to {percent(row['ci_high'])}"
        )
        where = study.cohorts[row["target"]].label
        parts.append(f"{percent(row['mean'])} on {where} ({cases_text(row['cases'])}{between})")
    yield (
        f"Trained on a target's own patients alone, the network reached a mean {_metric(study)} of "
        f"{_listed(parts)} per cent, over {int(rows['folds'].max())} folds. Differences below are in "
        "percentage points."
    )


def _chains(gains: pd.DataFrame, study: Study) -> Iterator[str]:
    rows = gains[gains["kind"].isin(COUNTED[1:])]
    if rows.empty:
        return
    verdicts = rows.apply(verdict, axis=1)
    alone = int((rows["ci_low"] > 0).sum()), int((rows["ci_high"] < 0).sum())
    text = (
        f"Trained on other cohorts first, {int((rows['gain'] > 0).sum())} of {len(rows)} chains had a "
        f"higher mean than their target's baseline (gain {points(rows['gain'].min())} to "
        f"{points(rows['gain'].max())}). "
    )
    if rows["ci_low"].isna().all():
        text += "Too few test cases for an interval."
    elif rows["ci_wide_low"].notna().any():
        text += (
            f"The {study.statistics.confidence:.0%} interval for other patients and trainings is above 0 "
            f"for {(verdicts == SUPPORTED).sum()} and below it for {(verdicts == NOT_SUPPORTED).sum()}; "
            f"that for other patients alone, as if no other training could come out otherwise, for "
            f"{alone[0]} and {alone[1]}."
        )
    else:
        text += (
            f"The interval for other patients is above 0 for {alone[0]} and below for {alone[1]}."
        )
    alpha = study.statistics.alpha
    found = int((rows["p_holm"] < alpha).sum())
    yield f"{text} After Holm's correction over {len(gains)} comparisons p < {alpha:g} for {found}."


def _kinds(contrasts: pd.DataFrame) -> Iterator[str]:
    """What two sources add to one, and how training on all data together does."""
    about = [
        ((TWO_SOURCES, ONE_SOURCE), "Two sources instead of one"),
        ((ALL_DATA, BASELINE), "All data together instead of the target's alone"),
        ((ALL_DATA, ONE_SOURCE), "All data together instead of one source before the target"),
    ]
    for (a, b), text in about:
        row = _overall(contrasts, a, b)
        if row is not None:
            yield (
                f"{text}: {difference(row['difference'], row)} over {cases_text(row['cases'])}, "
                f"{_direction(row)}."
            )


def _control(
    gains: pd.DataFrame, contrasts: pd.DataFrame, validation: pd.DataFrame | None, study: Study
) -> Iterator[str]:
    """Random instead of ImageNet weights, where the baselines began with the latter."""
    rows, row = gains[gains["kind"] == CONTROL], _overall(contrasts, CONTROL, BASELINE)
    if rows.empty or row is None:
        return
    asked = study.network.initial.weights
    if validation is not None:
        baselines = validation[validation["family"].isin(rows["baseline"])]
        if (baselines["initial"].notna() & (baselines["initial"] != asked)).any():
            yield (
                "The control says nothing here: the baselines that should begin with "
                f"{style.weights_label(asked)} weights began with other ones too."
            )
            return
    yield (
        f"Random instead of {style.weights_label(asked)} weights, without other cohorts: "
        f"{difference(row['difference'], row)} over {cases_text(row['cases'])}, {_direction(row)}."
    )


def _best_fold(chains: pd.DataFrame, gains: pd.DataFrame) -> Iterator[str]:
    """How optimistic it is to report the model of the best validation fold."""
    if gains.empty or chains["folds"].max() < 2:
        return
    own = chains["best_fold_mean"] - chains["mean"]
    apart = gains["best_fold_gain"] - gains["gain"]
    turned = int((np.sign(gains["best_fold_gain"]) * np.sign(gains["gain"]) < 0).sum())
    yield (
        "The model of the best validation fold, which the paper reports, scored "
        f"{points(own.mean())} against the mean over its family's folds on average (higher in "
        f"{int((own > 0).sum())} of {len(own)}). Gains between such models differ from the mean gains by "
        f"{points(apart.min())} to {points(apart.max())} ({points(apart.mean())} on average) and have the "
        f"other sign in {turned} of {len(gains)} comparisons."
    )


def _attainable(gains: pd.DataFrame, study: Study) -> Iterator[str]:
    """Whether Holm's correction could find anything at all with so few cases."""
    if gains.empty:
        return
    tests, cases = len(gains), int(gains["cases"].max())
    smallest, alpha = min(1.0, 2 / 2**cases), study.statistics.alpha
    if tests * smallest >= alpha:
        yield (
            f"With at most {cases_text(cases)} of a target no exact signed-rank p is below {smallest:.3g}, and "
            f"Holm's correction over {tests} comparisons asks for {alpha / tests:.2g} first: no single "
            "chain could pass it, whatever the models."
        )


def _attributes(table: pd.DataFrame, study: Study) -> Iterator[str]:
    """Whether sources of a higher value are better, of each attribute with numbers."""
    for attribute in study.attributes if len(table) else ():
        own = of_attribute(table, attribute.name)
        if len(own) and is_numeric_dtype(own["a_value"]):
            yield _of_numbers(own, attribute, study)


def _of_numbers(table: pd.DataFrame, attribute: Attribute, study: Study) -> str:
    """A statement that the interval supports, speaks against, or leaves open."""
    pooled = table["target"] == POOLED
    row = table[pooled].iloc[0] if pooled.any() else table.iloc[0]
    pairs = table[~pooled]
    name = attribute.label[:1].lower() + attribute.label[1:]
    each = [
        f"{study.cohorts[p.target].label}: {p.a_source} ({attribute.text(p.a_value)}) minus {p.b_source} "
        f"({attribute.text(p.b_value)}) {points(p.difference)}"
        for p in pairs.itertuples()
    ]
    text = (
        f"“A source of higher {name} is the better one”: {verdict(row)}. Higher minus lower: "
        f"{difference(row['difference'], row)} over {cases_text(row['cases'])} ({'; '.join(each)})."
    )
    lower = pairs["b_source"].unique()
    if len(lower) == 1:
        text += (
            f" {lower[0]} is the only source of lower {name}, so that whatever else sets it apart "
            "would look the same."
        )
    return text


def _overall(contrasts: pd.DataFrame, a: str, b: str) -> pd.Series | None:
    """The row over all targets; the only target's where there is one."""
    if contrasts.empty:
        return None
    rows = contrasts[(contrasts["a"] == a) & (contrasts["b"] == b)]
    pooled = rows[rows["target"] == POOLED]
    found = pooled if len(pooled) else rows
    return found.iloc[0] if len(found) else None


def _direction(row: pd.Series) -> str:
    return {SUPPORTED: "higher", NOT_SUPPORTED: "lower", OPEN: "not shown to differ"}[verdict(row)]


def _metric(study: Study) -> str:
    name = study.statistics.metric
    short = name.removesuffix("_structure_slices").upper()
    return short if name.lower() == short.lower() else f"{short} on slices with the structure"


def cases_text(count: float) -> str:
    """ "1 test case", "6 test cases"."""
    return f"{int(count)} test case{'s' if count != 1 else ''}"


def _listed(parts: list[str]) -> str:
    return f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else "".join(parts)

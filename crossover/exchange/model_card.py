"""The model card of a package: what a model is for, what it was trained on, how it scored, and where it may fail.

In the form of the Hugging Face hub: a head of YAML that machines read, then Markdown.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from crossover.sources.settings import PHANTOM_KINDS
from crossover.study.schema import Study

TEMPLATE = "model_card.j2"
HUB_LICENCES = {
    "afl-3.0", "agpl-3.0", "apache-2.0", "bsd-3-clause", "cc-by-4.0", "cc-by-nc-4.0", "cc-by-nc-nd-4.0",
    "cc-by-nc-sa-4.0", "cc-by-sa-4.0", "cc0-1.0", "gpl-3.0", "lgpl-3.0", "mit", "mpl-2.0", "openrail",
}  # fmt: skip
"""Those that people use for models, by the hub's names; any other is "other" with its name beside it."""
SHOWN = {"dsc": "DSC", "hd95_mm": "HD95 (mm)", "nsd": "NSD"}
"""The metrics in the card's table; scores.csv has all."""


def card(study: Study, about: Mapping[str, Any], scores: pd.DataFrame, licence: str) -> str:
    """Return the model card as Markdown with a head of YAML.

    Args:
        study: the study that trained the model.
        about: what `packages.About` holds.
        scores: the model's rows of the study's statistics/summary.csv.
        licence: under which the model is passed on.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, autoescape=False,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    head = yaml.safe_dump(_head(study, about, scores, licence), sort_keys=False, allow_unicode=True)
    return environment.get_template(TEMPLATE).render(
        head=head, study=study, about=about, licence=licence, scores=_table(study, scores),
        trained_on=_trained_on(study, about), phantoms=_phantoms(study),
        confidence=f"{study.statistics.confidence:.0%}", failures=_failures(study, scores),
        normalisation=_normalisation(study, about),
    )  # fmt: skip


def _head(study: Study, about: Mapping[str, Any], scores: pd.DataFrame, licence: str) -> dict:
    known = licence.lower() in HUB_LICENCES
    modalities = {rule.modality.lower() for rule in study.series.values()}
    named = {"license": licence.lower()} if known else {"license": "other", "license_name": licence}
    name = f"{study.study}-{about['model']}"
    return {
        **named,
        "library_name": "crossover",
        "pipeline_tag": "image-segmentation",
        "tags": ["medical", "segmentation", *sorted(modalities)],
        "model-index": [{"name": name, "results": _results(study, scores)}],
    }


def _results(study: Study, scores: pd.DataFrame) -> list[dict]:
    """Return a result for each test set and structure, as the hub lists them."""
    found = []
    for (test_set, structure), rows in scores.groupby(["test_set", "structure"], sort=False):
        mean = rows.set_index("metric")["mean"]
        metrics = [
            {"type": metric, "name": name, "value": round(float(mean[metric]), 4)}
            for metric, name in SHOWN.items()
            if metric in mean and pd.notna(mean[metric])
        ]
        data = {"type": f"{study.study}-{test_set}", "name": f"{_label(study, test_set)}, test cases: {structure}"}
        if metrics:
            found.append({"task": {"type": "image-segmentation"}, "dataset": data, "metrics": metrics})
    return found


def _table(study: Study, scores: pd.DataFrame) -> list[dict[str, str]]:
    """Return the rows of the card's table of scores, as text."""
    rows = []
    for (test_set, structure), own in scores.groupby(["test_set", "structure"], sort=False):
        by_metric = own.set_index("metric")
        shown = {m: _interval(by_metric.loc[m]) for m in SHOWN if m in by_metric.index}
        label = study.structures[structure].label if structure in study.structures else structure
        first = own.iloc[0]
        counts = {"cases": f"{first['cases']:.0f}", "trainings": f"{first['replicates']:.0f}"}
        rows.append({"test_set": _label(study, test_set), "structure": label, **counts, **shown})
    return rows


def _interval(row: pd.Series) -> str:
    if pd.isna(row["mean"]):
        return ""
    bounds = "" if pd.isna(row["ci_low"]) else f" ({row['ci_low']:.3g} to {row['ci_high']:.3g})"
    return f"{row['mean']:.3g}{bounds}"


def _label(study: Study, test_set: str) -> str:
    return study.cohorts[test_set].label if test_set in study.cohorts else "All test sets"


def _trained_on(study: Study, about: Mapping[str, Any]) -> str:
    parts = [
        f"{study.cohorts[cohort].label} ({'all training patients' if n is None else f'{n} patients'})"
        for cohort, n in about["training"]["patients_of"].items()
    ]
    return " and ".join(parts)


def _phantoms(study: Study) -> bool:
    return any(cohort.source.kind in PHANTOM_KINDS for cohort in study.cohorts.values())


def _failures(study: Study, scores: pd.DataFrame) -> list[str]:
    """Return where predictions failed (DSC below 0.1), and in what share of the cases."""
    rows = scores[(scores.metric == "dsc") & (scores.failures > 0)] if "failures" in scores else scores.iloc[:0]
    return [f"{_label(study, r.test_set)}, {r.structure}: {r.failures:.0%} of the cases" for r in rows.itertuples()]


def _normalisation(study: Study, about: Mapping[str, Any]) -> str:
    how = study.preparation.slices.normalisation
    if how.method == "window":
        return f"values from {how.window[0]:g} to {how.window[1]:g} to 0 to 1, clipped"
    if about["standardised"]:
        return "by mean and SD over the training images, which are in model.json"
    return f"to mean 0 and SD 1 over each {how.per}"

"""Captions of the figures, with the numbers of this run."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from crossover.figures import style
from crossover.figures.families import compared, families, references
from crossover.figures.overlays import BAR_MM
from crossover.figures.subgroups import STRONG
from crossover.study import Study

Frames = dict[str, pd.DataFrame]


def caption(figure: str, frames: Frames, study: Study) -> tuple[str, str]:
    """(title, text) of a figure by its name; a figure unknown here gets its name as title."""
    known: dict[str, tuple[str, Callable[[Frames, Study], str]]] = {
        "flow": ("Flow of patients", _flow),
        "performance": ("Performance by number of labelled target patients", _performance),
        "overlays": ("Contours on one case", _overlays),
        "subgroups": ("Performance on each test set", _subgroups),
        "reliability": ("Reliability of radiomics features", _reliability),
    }
    title, text = known.get(figure, (figure.replace("_", " ").capitalize(), lambda *_: ""))
    return title, text(frames, study)


def _flow(frames: Frames, study: Study) -> str:
    rows = frames["splits"]
    rows = rows[rows["replicate"] == rows["replicate"].min()]
    total = rows.drop_duplicates(["cohort", "patient"])
    train, test = ((total["part"] == part).sum() for part in ("train", "test"))
    return (
        f"{len(total)} patients of {len(study.cohorts)} cohorts: {train} for training, {test} for "
        f"testing. Each subset of {_target(study)} contains the smaller ones. Validating patients "
        "choose the epoch and are not trained on; no test patient does either."
    )


def _performance(frames: Frames, study: Study) -> str:
    cases = _cases(frames, study)
    text = (
        f"Mean and standard deviation of {_metric(study)} over {_counted(cases, study)}, by number "
        f"of {_target(study)} training patients. Each light point is a case."
    )
    lines = " and ".join(style.family_label(study, f) for f in references(study))
    return f"{text} Dotted: the mean of {lines}, trained on none of them." if lines else text


def _overlays(frames: Frames, study: Study) -> str:
    chosen = study.figures.overlays
    family = [f for f in chosen.strategies if families(study)[f].sized][-1]
    label = style.family_label(study, family)
    return (
        f"The slice with the largest manual area of one {_target(study)} test case "
        f"({chosen.channel}), not picked by eye: the case of median DSC under {label} at "
        f"n = {max(chosen.sizes)}. Solid red: manual; dashed blue: predicted; number: the DSC of "
        f"the case's whole volume; bar: {BAR_MM:.0f} mm."
    )


def _subgroups(frames: Frames, study: Study) -> str:
    names = [style.family_label(study, f) for f in compared(study)]
    text = (
        f"Mean {_metric(study)} with its {study.statistics.confidence:.0%} confidence interval on "
        "each test set. Below: Tukey's honestly significant difference"
    )
    if references(study):
        against = " and ".join(style.family_label(study, f) for f in references(study))
        text += f"; * against {against} (band: its confidence interval)"
    if len(names) > 1:
        text += f"; # between {', '.join(names[:-1])} and {names[-1]}"
    text += f"; one mark p < {study.statistics.alpha:g}, two p < {STRONG:g}."
    if "published" in frames and len(frames["published"]) and study.paper:
        text += (
            f" Hollow: the means of {study.paper.authors.split(' ')[0]} et al. "
            f"{study.paper.year}, of that paper's patients and at its corresponding training size."
        )
    return text


def _reliability(frames: Frames, study: Study) -> str:
    if study.radiomics is None:
        return ""
    icc, radiomics = frames["icc"], study.radiomics
    cases = int(icc.loc[icc["test_set"] == study.target, "cases"].max())
    return (
        f"{radiomics.icc} with {study.statistics.confidence:.0%} confidence intervals of "
        f"{icc['feature'].nunique()} first-order features ({radiomics.channel}) between manual and "
        f"automatic contours of up to {cases} {_target(study)} test cases. Dashed: 0.5, 0.75 and "
        "0.9, the bounds of moderate, good and excellent reliability of Koo and Li (2016)."
    )


def _target(study: Study) -> str:
    return style.test_set_label(study, study.target)


def _metric(study: Study) -> str:
    return style.metric_label(study.statistics.metric)


def _cases(frames: Frames, study: Study) -> dict[str, int]:
    rows = frames["metrics"]
    rows = rows[rows["fold"].isna()]
    counts = rows.drop_duplicates(["cohort", "case"]).groupby("cohort").size()
    return {cohort: int(counts.get(cohort, 0)) for cohort in study.cohorts}


def _counted(cases: dict[str, int], study: Study) -> str:
    parts = ", ".join(f"{style.test_set_label(study, c)} {n}" for c, n in cases.items())
    return f"{sum(cases.values())} test cases ({parts})"

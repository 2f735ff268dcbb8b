"""What each rule reads of a study: the one place where a change in the configuration meets the rules.

Each function returns plain values; as one canonical JSON text they are the rule's parameter, and the
rule's script gets nothing else of the configuration.
"""

from __future__ import annotations

from dataclasses import asdict

from crossover.plan import Batch, Model, plan
from crossover.study import Prediction, Study, Training


def receive(study: Study, cohort: str) -> dict:
    return {"source": study.cohorts[cohort].source.model_dump(mode="json")}


def cases(study: Study, cohort: str) -> dict:
    return {
        "source": study.cohorts[cohort].source.model_dump(mode="json"),
        "series": {n: r.model_dump(mode="json") for n, r in study.series.items()},
        "structures": {n: s.model_dump(mode="json") for n, s in study.structures.items()},
    }


def bias_field(study: Study) -> dict:
    return study.preparation.bias_field.model_dump(mode="json")


def slices(study: Study) -> dict:
    return {
        "slices": study.preparation.slices.model_dump(mode="json"),
        "channels": study.channels,
        "structures": sorted(study.structures),
    }


def splits(study: Study) -> dict:
    folded = plan(study).models.values()
    needed = {name: study.sizes[-1] if name == study.target else 2 for name in study.cohorts}
    for cohort in {model.fold_cohort for model in folded if model.fold is not None}:
        needed[cohort] = max(needed[cohort], study.splits.k_fold.k + 1, 4)
    return {
        "settings": study.splits.model_dump(mode="json", exclude={"k_fold": {"of"}}),
        "tests": {name: cohort.test for name, cohort in study.cohorts.items()},
        "needed": needed,
    }


def train(study: Study, batch: Batch) -> dict:
    settings = Training(
        network=study.network,
        recipe=study.recipe,
        validation=study.splits.validation,
        size=study.preparation.slices.size,
        channels=study.channels,
        structures=sorted(study.structures),
    )
    return {
        "settings": settings.model_dump(mode="json"),
        "stages": [asdict(stage) for stage in batch.stages],
    }


def predict(study: Study, models: list[Model]) -> dict:
    settings = Prediction(
        network=study.network,
        slices=study.preparation.slices,
        channels=study.channels,
        structures=sorted(study.structures),
        threshold=study.evaluation.threshold,
    )
    return {
        "settings": settings.model_dump(mode="json"),
        "models": [asdict(model) for model in models],
    }


def evaluate(study: Study, models: list[Model]) -> dict:
    return {
        "nsd_tolerance_mm": study.evaluation.nsd_tolerance_mm,
        "models": [asdict(model) for model in models],
    }


def radiomics(study: Study, models: list[Model]) -> dict:
    """With no models: of the manual masks."""
    assert study.radiomics
    return {
        "settings": study.radiomics.model_dump(mode="json", exclude={"icc"}),
        "structures": sorted(study.structures),
        "models": [asdict(model) for model in models if model.fold is None],
    }


def statistics(study: Study) -> dict:
    return study.statistics.model_dump(mode="json")


def agreement(study: Study) -> dict:
    assert study.radiomics
    return {"icc": study.radiomics.icc, "confidence": study.statistics.confidence}


DESIGN = ("study", "cohorts", "structures", "sizes", "strategies", "network")
"""What every figure and table says of its study."""

OVERLAID = ("overlays", "reliability")
"""Figures that show some of the models, those of `figures.overlays`."""


BESIDE_PUBLISHED = ("subgroups", "organs")
"""Figures that show the paper's numbers too."""


def design(study: Study, *more: str) -> dict:
    """The sections that say what was compared with what; `Study.of` reads them."""
    values = study.model_dump(mode="json", include={*DESIGN, *more})
    splits = study.splits.model_dump(mode="json")
    return {"figures": {"order": study.figures.order}, **values, "splits": splits}


def figure(study: Study, name: str) -> dict:
    published = ["published"] if name in BESIDE_PUBLISHED else []
    values = design(study, "statistics", *published)
    keep = {"colours", "order", *(["overlays"] if name in OVERLAID else [])}
    return {**values, "figures": study.figures.model_dump(mode="json", include=keep)}


def report(study: Study) -> dict:
    """All that is printed: everything but how the work is laid out on a machine."""
    return study.model_dump(mode="json", exclude={"execution"})

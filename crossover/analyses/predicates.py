"""Predicates on a study's design, which say what analyses fit it, and settings that many analyses are told.

The rules' inputs and outputs follow from them, so no job's code depends on this module.
"""

from pathlib import Path

from crossover.study.families import baseline, compared, families, fine_tuned, references
from crossover.study.schema import Study

SCORES = ("statistics.metric", "statistics.missing")
"""Settings of all that compares models by their scores: by which metric, and what missing predictions count as."""


def sized(study: Study) -> bool:
    """Return whether models are trained on given numbers of the target's patients."""
    return bool(study.sizes)


def chained(study: Study) -> bool:
    """Return whether chains of trainings are compared."""
    return study.chained


def several_sizes(study: Study) -> bool:
    """Return whether models are trained on more than one number of the target's patients."""
    return len(study.sizes) > 1


def several_structures(study: Study) -> bool:
    """Return whether more than one structure is segmented."""
    return len(study.structures) > 1


def one_structure(study: Study) -> bool:
    """Return whether a single structure is segmented."""
    return len(study.structures) == 1


def several_families(study: Study) -> bool:
    """Return whether several families can be compared: at some size, or with families that have no size."""
    return len(compared(study)) + len(references(study)) > 1


def several_levels(study: Study) -> bool:
    """Return whether families of the study differ by their fine-tune level."""
    return len({family.level for family in families(study).values()} - {None}) > 1


def fine_tuned_and_scratch(study: Study) -> bool:
    """Return whether one family is trained from scratch on the target, and another one from other weights."""
    asked = families(study)[fine_tuned(study)]
    return asked.sized and asked.transferred and baseline(study) is not None


def has_selection(study: Study) -> bool:
    """Return whether the network is chosen by trainings of its own."""
    return study.selection is not None


def has_radiomics(study: Study) -> bool:
    """Return whether radiomic features of predicted and manual masks are compared."""
    return study.radiomics is not None


def has_overlays(study: Study) -> bool:
    """Return whether predicted masks are drawn over images."""
    return study.figures.overlays is not None


def has_claims(study: Study) -> bool:
    """Return whether the findings of the study's paper are written down in config/claims/<study>.yaml."""
    return Path(f"config/claims/{study.study}.yaml").exists()

"""Predicates on a study's design, which say what analyses fit it, and settings that many analyses are told.

The rules' inputs and outputs follow from them, so no job's code depends on this module.
"""

from pathlib import Path

from crossover.study.families import baseline, compared, families, references
from crossover.study.schema import Study

SCORES = ("statistics.metric", "statistics.missing")
"""Settings of all that compares models by their scores: by which metric, and what missing predictions count as."""


def sized(study: Study) -> bool:
    """Models are trained on numbers of the target's patients."""
    return bool(study.sizes)


def chained(study: Study) -> bool:
    """Chains of trainings are compared: every strategy takes all patients, or is trained once for each fold."""
    return not study.sizes or study.folded


def several_sizes(study: Study) -> bool:
    """Models are trained on more than one number of the target's patients."""
    return len(study.sizes) > 1


def several_structures(study: Study) -> bool:
    """More than one structure is segmented."""
    return len(study.structures) > 1


def one_structure(study: Study) -> bool:
    """A single structure is segmented."""
    return len(study.structures) == 1


def several_families(study: Study) -> bool:
    """At some size more than one family is compared, or with families that have no size."""
    return len(compared(study)) + len(references(study)) > 1


def several_levels(study: Study) -> bool:
    """Families of the study differ by their level."""
    return len({family.level for family in families(study).values()} - {None}) > 1


def fine_tuned_and_scratch(study: Study) -> bool:
    """A family is trained from scratch on the target, and one from other weights."""
    tuned = any(family.sized and family.transferred for family in families(study).values())
    return tuned and baseline(study) is not None


def has_selection(study: Study) -> bool:
    """The network is chosen by trainings of its own."""
    return study.selection is not None


def has_radiomics(study: Study) -> bool:
    """Radiomic features of predicted and manual masks are compared."""
    return study.radiomics is not None


def has_overlays(study: Study) -> bool:
    """Predicted masks are drawn over images."""
    return study.figures.overlays is not None


def has_claims(study: Study) -> bool:
    """The findings of the study's paper are written down."""
    return Path(f"config/claims/{study.study}.yaml").exists()

"""What must be right before anything runs."""

from __future__ import annotations

from crossover.config import ConfigError
from crossover.study import Study


def check(studies: dict[str, Study]) -> None:
    """Check studies against each other.

    Raises:
        ConfigError: where two studies define one cohort differently.
    """
    seen: dict[str, tuple[str, object]] = {}
    for name, study in studies.items():
        for cohort, settings in study.cohorts.items():
            other, before = seen.setdefault(cohort, (name, settings.source))
            if before != settings.source:
                raise ConfigError(
                    f"cohort {cohort} has one source in study {other} and another in {name}: "
                    "give one of them another name"
                )

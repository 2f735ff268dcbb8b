"""What must be right before anything runs."""

from __future__ import annotations

from crossover import sections
from crossover.config import ConfigError
from crossover.study import Study


def check(studies: dict[str, Study]) -> None:
    """Check studies against each other.

    Raises:
        ConfigError: where two studies define one cohort differently.
    """
    seen: dict[str, tuple[str, dict]] = {}
    for name, study in studies.items():
        for cohort in study.cohorts:
            cases = sections.cases(study, cohort)
            other, before = seen.setdefault(cohort, (name, cases))
            differing = [part for part in cases if cases[part] != before[part]]
            if differing:
                raise ConfigError(
                    f"cohort {cohort} of study {name} differs from that of study {other} in "
                    f"{', '.join(differing)}: give one of them another name"
                )

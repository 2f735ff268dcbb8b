"""What must be right before anything runs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from crossover import sections
from crossover.config import ConfigError
from crossover.initial import missing
from crossover.study import Study
from crossover.trust import Checker, settled, told


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


def check_weights(studies: dict[str, Study]) -> dict[str, dict[str, str]]:
    """Check that the ImageNet weights that studies begin with are at hand.

    Returns:
        study -> encoder -> why not, where the study says that random weights will do.

    Raises:
        ConfigError: where it says that nothing else will.
    """
    without = {name: missing(study) for name, study in studies.items()}
    findings = [
        f"study {name}: no ImageNet weights of {encoder}: {because}"
        for name, encoders in without.items()
        for encoder, because in encoders.items()
        if studies[name].network.initial.otherwise == "stop"
    ]
    if findings:
        raise ConfigError("\n".join(findings))
    return without


def check_results(outputs: Iterable[str], root: Path = Path(".")) -> None:
    """Check that results which are there are those of the jobs that are on record.

    Args:
        outputs: of all jobs of the plan.

    Raises:
        ConfigError: naming files without a record, changed since, or made from others than are there,
            and what to do.
    """
    checker = Checker(root)
    findings = []
    for path in settled(outputs, root):
        try:
            found = list(checker.findings(path))
        except FileNotFoundError:  # another Snakemake has begun to make it
            continue
        findings += found if settled([path], root) else []
    if findings:
        raise ConfigError(told(findings))

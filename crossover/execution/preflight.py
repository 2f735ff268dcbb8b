"""What is checked before anything runs: the studies, their initial weights, and the results that are there."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from crossover.core.configuration import ConfigError
from crossover.core.locks import is_unfinished
from crossover.core.provenance import read_record
from crossover.execution.integrity import Checker, describe
from crossover.study import parameters
from crossover.study.initial_weights import missing, of_file
from crossover.study.schema import Study


def check(studies: dict[str, Study]) -> None:
    """Check studies against each other.

    Raises:
        ConfigError: two studies define one cohort differently.
    """
    seen: dict[str, tuple[str, dict]] = {}
    for name, study in studies.items():
        for cohort in study.cohorts:
            cases = parameters.cases(study, cohort)
            other, before = seen.setdefault(cohort, (name, cases))
            differing = [part for part in cases if cases[part] != before[part]]
            if differing:
                raise ConfigError(
                    f"cohort {cohort} of study {name} differs from cohort {cohort} of study {other} in "
                    f"{', '.join(differing)}: give one of them another name"
                )


def check_weights(studies: dict[str, Study], dry: bool = False) -> list[str]:
    """Check that the ImageNet weights that studies begin with are at hand.

    Args:
        studies: the run's.
        dry: whether nothing will be trained: what would stop a run is reported, and stops nothing.

    Returns:
        Messages to show before anything else, a line each: encoders that begin at random instead, since their
            study says that this will do, and in a dry run those that a run would stop for.

    Raises:
        ConfigError: weights are missing and a study says that nothing else will do; the message says what to
            do.
    """
    notes, stopping = [], []
    for name, study in studies.items():
        for called in [None, *study.other_networks]:
            network = study.network_of(called)
            if "model" in study.initials_of(called) and not of_file(network.initial)["sha256"]:
                place = f"other_networks.{called}" if called else "network"
                stopping.append(f"study {name}: {place}.initial.file: {network.initial.file} does not exist")
        without = missing(study)
        if without and study.network.initial.otherwise == "stop":
            stopping += [
                f"study {name}: no ImageNet weights of {encoder}: {because}" for encoder, because in without.items()
            ] + [_weights_remedy(name, list(without))]
        else:
            notes += [
                f"study {name}: {encoder} begins with RANDOM weights instead of ImageNet's: {because}"
                for encoder, because in without.items()
            ]
    if stopping and not dry:
        raise ConfigError("\n".join(stopping))
    return notes + [f"A run would stop: {line}" for line in stopping]


def _weights_remedy(study: str, encoders: list[str]) -> str:
    return (
        f"study {study}: download them once by `crossover weights {' '.join(encoders)}`; or name a folder with "
        "<encoder>.safetensors (imagenet in config/config.yaml, or --config imagenet=<folder>); or set "
        f"`network.initial.otherwise: random` in config/studies/{study}.yaml, which changes the study"
    )


def check_results(outputs: Iterable[str]) -> None:
    """Check that nobody changed results since their jobs wrote them.

    Args:
        outputs: of all jobs of the plan, relative to the workflow's folder.

    Raises:
        ConfigError: results were changed; the message names them and what to do.
    """
    checker, findings = Checker(), []
    for output in sorted(path for path in map(Path, outputs) if path.exists()):
        record = read_record(output)
        with suppress(FileNotFoundError):  # another Snakemake has begun to make it
            changes = list(checker.find_changes(output, record)) if record else []
            findings += [] if is_unfinished(output) else changes
    if findings:
        raise ConfigError(describe(findings))

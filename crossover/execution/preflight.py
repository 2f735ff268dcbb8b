"""What is checked before anything runs: studies, their initial weights, GPUs, results, and a folder for activations."""

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from crossover.core.configuration import ConfigError
from crossover.core.locks import is_unfinished
from crossover.core.paths import folder_of
from crossover.core.provenance import read_record
from crossover.execution.integrity import Checker, describe
from crossover.execution.workflow import GraphJob
from crossover.sources.folder_state import files_of
from crossover.sources.settings import Phantom
from crossover.study import parameters
from crossover.study.initial_weights import missing, of_file, trained_channels
from crossover.study.schema import Study
from crossover.study.sections import Initial
from crossover.training.cache import FOLDER
from crossover.training.devices import VISIBLE

FRAMEWORKS = {"torch": "PyTorch", "keras": "TensorFlow"}
CONVOLUTIONS = {
    "torch": "import torch; ones = lambda *shape: torch.ones(shape, device='cuda'); "
    "torch.nn.functional.conv3d(ones(1, 4, 32, 32, 32), ones(8, 4, 3, 3, 3)).sum().item()",
    "keras": "import tensorflow as tf; "
    "assert tf.config.list_physical_devices('GPU'), 'no GPU found, or no build of TensorFlow for GPUs'; "
    "tf.nn.conv2d(tf.ones((1, 32, 32, 4)), tf.ones((3, 3, 4, 8)), 1, 'VALID').numpy()",
}
"""Engine -> Python that ends with an error where its framework does not compute a convolution on a GPU."""


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
        ConfigError: weights are missing and a study says that nothing else will do, or freezes what would begin with
            them; the message says what to do.
    """
    notes, stopping = [], []
    for name, study in studies.items():
        for called in [None, *study.other_networks]:
            network = study.network_of(called)
            if "model" in study.initials_of(called):
                place = f"study {name}: {f'other_networks.{called}' if called else 'network'}.initial.file"
                stopping += [f"{place}: {network.initial.file} {wrong}" for wrong in _unusable(network.initial, study)]
        without, frozen = missing(study), _frozen_encoders(study)
        if without and (study.network.initial.otherwise == "stop" or frozen):
            stopping += [
                f"study {name}: no ImageNet weights of {encoder}: {because}" for encoder, because in without.items()
            ] + [_weights_remedy(name, list(without), frozen)]
        else:
            notes += [
                f"study {name}: {encoder} begins with RANDOM weights instead of ImageNet's: {because}"
                for encoder, because in without.items()
            ]
    if stopping and not dry:
        raise ConfigError("\n".join(stopping))
    return notes + [f"A run would stop: {line}" for line in stopping]


def _unusable(initial: Initial, study: Study) -> list[str]:
    """Return why a study can't begin with a model's file: it is not there, or saw the channels in another order."""
    if not of_file(initial)["sha256"]:
        return ["does not exist"]
    theirs, ours = trained_channels(initial), list(study.channels)
    if theirs != ours and sorted(theirs) == sorted(ours):
        order = ", ".join(theirs)
        return [f"was trained on the channels in another order: give `channels` of the study this order: {order}"]
    return []


def _frozen_encoders(study: Study) -> list[str]:
    """Return the strategies whose first step begins with ImageNet's weights and trains only a level of the network."""
    first = {name: strategy.chain[0] for name, strategy in study.strategies.items() if strategy.network is None}
    kind = study.network.initial.weights
    return [name for name, step in first.items() if step.levels and (step.initial or kind) == "imagenet"]


def _weights_remedy(study: str, encoders: list[str], frozen: list[str]) -> str:
    else_ = (
        f"remove `levels` from the first step of {', '.join(frozen)}, which would freeze an encoder at random,"
        if frozen
        else "set `network.initial.otherwise: random`"
    )
    return (
        f"study {study}: download them once by `crossover weights {' '.join(encoders)}`; or name a folder with "
        "<encoder>.safetensors (imagenet in config/config.yaml, or --config imagenet=<folder>); or "
        f"{else_} in config/studies/{study}.yaml, which changes the study"
    )


def check_results(outputs: Iterable[str], command: str) -> None:
    """Check that nobody changed results since their jobs wrote them.

    Args:
        outputs: of all jobs of the plan, relative to the workflow's folder.
        command: that makes them.

    Raises:
        ConfigError: results were changed; the message names them and what to do.
    """
    there = sorted(path for path in map(Path, outputs) if path.exists())
    checker, findings = Checker(dict.fromkeys(there, command)), []
    for output in there:
        record = read_record(output)
        with suppress(FileNotFoundError):  # another Snakemake has begun to make it
            changes = list(checker.find_changes(output, record)) if record else []
            findings += [] if is_unfinished(output) else changes
    if findings:
        raise ConfigError(describe(findings))


def check_folders(jobs: Iterable[GraphJob], studies: Mapping[str, Study]) -> None:
    """Check that the patients whom a run would read are there: Snakemake removes a job's outputs before it begins.

    Args:
        jobs: of the run's graph.
        studies: of the run.

    Raises:
        ConfigError: a job would read a folder that isn't there, has no file or isn't named.
    """
    sources = {name: cohort.source for study in studies.values() for name, cohort in study.cohorts.items()}
    read = [job.wildcards["cohort"] for job in jobs if job.needed and job.rule in ("receive", "cases")]
    findings = []
    for cohort in dict.fromkeys(read):
        source, data = sources[cohort], folder_of(cohort)
        if isinstance(source, Phantom) or (data and next(files_of(source, data), None)):
            continue
        place = f"{data / source.folder}, where there is no file: is its drive mounted?" if data else "a folder of data"
        findings.append(f"patients of cohort {cohort} must be read again, from {place}")
    if findings:
        remedy = "Give the folder with DATA=<folder> (make), --data (crossover) or --config data=<folder> (snakemake)"
        raise ConfigError("\n".join([*findings, f"{remedy}. Nothing was changed."]))


GPU_SECONDS = 300
"""How long a framework may take for a first computation, its import and the choice of kernels included."""


def check_gpus(engines: Iterable[str], devices: tuple[str, ...]) -> list[str]:
    """Compute something on a GPU by the frameworks that a run trains with, each in a process of its own.

    Without this, a training whose framework finds no GPU goes on for days on processors, and only its record says so.

    Args:
        engines: of the run's networks.
        devices: that the run may use; none are asked for where there are none.

    Returns:
        Messages to show before anything else, one for each framework that can't.
    """
    if not devices:
        return []
    environment = os.environ | {VISIBLE: devices[0], "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
    environment |= {"TF_CPP_MIN_LOG_LEVEL": "3"}
    begun = {
        engine: subprocess.Popen(
            [sys.executable, "-c", CONVOLUTIONS[engine]],
            env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )
        for engine in sorted(set(engines))
    }  # fmt: skip
    said = {engine: _last_words(process) for engine, process in begun.items()}
    return [
        f"{FRAMEWORKS[engine]} can't compute on GPU {devices[0]}: {said[engine]}. "
        "Trainings by it run on processors, which takes many times as long, or fail. See docs/performance.md; with "
        "CUDA_VISIBLE_DEVICES set to nothing, a run trains on processors and looks for no GPU"
        for engine, process in begun.items()
        if process.returncode
    ]


def _last_words(process: subprocess.Popen[str]) -> str:
    """Return the last line that a process writes to its stderr; one that hangs, as with a faulty driver, is ended."""
    try:
        text = process.communicate(timeout=GPU_SECONDS)[1].strip()
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return f"no answer within {GPU_SECONDS} seconds"
    return text.splitlines()[-1] if text else "it was ended"


def keep_activations_in(folder: str, own: bool, link: Path = FOLDER) -> None:
    """Make the folder of kept activations a link to a folder on each machine's own disk, and make that on this one.

    Args:
        folder: on every node; `~` and variables of the environment are replaced.
        own: whether this process begins the run, and makes the link; the processes on nodes find it.
        link: where trainings keep activations, on the disk that all nodes see.

    Raises:
        ConfigError: activations are kept there already, or the folder can't be made.
    """
    target = Path(os.path.expandvars(folder)).expanduser().absolute()
    try:
        target.mkdir(parents=True, exist_ok=True)
        if not own or (link.is_symlink() and link.readlink() == target):
            return
        link.parent.mkdir(parents=True, exist_ok=True)
        if link.is_symlink():
            link.unlink()
        elif link.exists():
            link.rmdir()
        link.symlink_to(target)
    except OSError as error:
        there = error.filename == str(link)
        what = "run crossover clear-cache and remove the folder first" if there else "name another folder"
        raise ConfigError(f"activations: {folder} cannot be used for kept activations ({error}): {what}") from None

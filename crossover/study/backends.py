"""What each backend reads of a study, which of its settings fit it, and by which source files it makes a training.

Beside `crossover.training.backends`, which holds the backends themselves, this is the only place that tells them apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple

from crossover import networks
from crossover.core.configuration import ConfigSection
from crossover.networks.source_code import network_files
from crossover.study.sections import (
    NNUNET,
    CasePrediction,
    CaseTraining,
    Initial,
    Network,
    Patches,
    PatchPrediction,
    PatchTraining,
    Prediction,
    Recipe,
    Training,
)

if TYPE_CHECKING:
    from crossover.study.schema import Study

FOLDER = "crossover/training/backends"
NNUNETS_OWN = ("ct", "nonorm", "zscore", "rescale_to_0_1", "rgb_to_0_1")
"""Names of channels that mean a scheme of normalisation to nnU-Net."""


class Backend(NamedTuple):
    """What the workflow knows of a backend.

    Attributes:
        reads: the slices that are cut for a network, or the cases themselves, on their own grids.
        environment: of its jobs: the name of a file in envs/.
        training: the settings that a training follows from. prediction: those that masks follow from.
        findings: what is wrong with a network of it, without its place in the study.
        mirrored: given a network, its place in the study and a pair of structures such as "left and right parotid": the
            finding, with its place, that mirror images would be trained on though nobody asked for it; or None.
        files: the entries of its code, beside those of the scripts, for its part "training" or "prediction" and an
            architecture of the network.
        steps: of a training, where the network says it; else they follow from the study's recipe.
        step: the size of what a step sees, without channels, and its recipe; None where a plan of cases tells.
        architecture: of all its networks; None where the study names it.
        brings: what assumptions of a study are about that the backend decides itself.
    """

    reads: Literal["slices", "cases"]
    environment: Callable[[Network], str]
    training: Callable[[Study, Network], ConfigSection]
    prediction: Callable[[Study, Network], ConfigSection]
    findings: Callable[[Study, Network], Iterator[str]]
    mirrored: Callable[[Study, str, Network, str], str | None]
    files: Callable[[str, str, Network], tuple[str, ...]]
    steps: Callable[[Network], int | None]
    step: Callable[[Study, Network], tuple[tuple[int, ...], Recipe] | None]
    architecture: str | None = None
    brings: frozenset[str] = frozenset()


def backend_of(network: Network) -> Backend:
    """Return what is known of a network's backend."""
    return BACKENDS[network.backend]


# ---- slices


def _slice_training(study: Study, network: Network) -> Training:
    return Training(
        network=network,
        recipe=study.recipe,
        validation=study.splits.validation,
        threshold=study.evaluation.threshold,
        size=study.preparation.slices.size,
        standardise=study.preparation.slices.normalisation.method == "training",
        channels=study.channels,
    )


def _slice_prediction(study: Study, network: Network) -> Prediction:
    return Prediction(
        network=network.model_copy(update={"initial": Initial()}),
        slices=study.preparation.slices,
        channels=study.channels,
        structures=sorted(study.structures),
        threshold=study.evaluation.threshold,
    )


def _slice_findings(study: Study, network: Network) -> Iterator[str]:
    name = network.architecture
    yield from _own_findings(network, 2)
    if name not in networks.architectures(2):
        return
    size = study.preparation.slices.size
    for wrong in networks.wrong_size(name, size):
        yield f"preparation.slices.size: {wrong}"
    for wrong in networks.wrong_batch(name, study.recipe.batch, size):
        yield f"recipe.batch: {wrong}"


def _own_findings(network: Network, dimensions: int) -> Iterator[str]:
    """Yield what is wrong with a network of the own loop, whatever it sees."""
    name, there = network.architecture, networks.architectures(dimensions)
    if name not in there:
        other = {2: "network.backend: patches trains", 3: "network.backend: slices trains"}[dimensions]
        known = f"; {other} it" if name in networks.architectures() else networks.what_it_lacks(name)
        yield f"network.architecture: no {name!r}; there are {', '.join(there)}{known}"
        return
    for wrong in networks.wrong_settings(name, network.settings):
        yield f"network.settings.{wrong}"
    engines = networks.declared(name).engines
    if network.engine not in engines:
        yield f"network.engine: {name} exists for {', '.join(engines)}, not for {network.engine}"
    if network.engine != "torch" and network.device.channels_last:
        yield f"network.device.channels_last: remove it: only the engine torch has this setting, not {network.engine}"


def _flipped(study: Study, place: str, network: Network, pair: str) -> str | None:
    if not study.recipe.augmentation.flip:
        return None
    return (
        f"recipe.augmentation.flip: one of {pair} is the mirror image of the other, so a network would learn wrong "
        "sides: set flip: false (for sagittal slices, state plane: sagittal in their rule under `series`)"
    )


def _slice_files(part: str, architecture: str, network: Network) -> tuple[str, ...]:
    return (f"{FOLDER}/slices/{part}.py", *network_files(architecture, network.engine))


# ---- patches


def patches_of(network: Network) -> Patches:
    """Return what a network of the backend patches sees: its study was checked."""
    assert network.patches, "the backend patches has network.patches"
    return network.patches


def _patch_recipe(study: Study, network: Network) -> Recipe:
    """Return the study's recipe with the batch of patches, and without what is of slices alone."""
    recipe = study.recipe
    drawn = recipe.augmentation.drawn and recipe.augmentation.drawn.model_copy(update={"versions": None})
    augmentation = recipe.augmentation.model_copy(update={"drawn": drawn})
    batch = patches_of(network).batch
    return recipe.model_copy(update={"batch": batch, "augmentation": augmentation, "validate_on": "volumes"})


def _patch_training(study: Study, network: Network) -> PatchTraining:
    return PatchTraining(
        network=network,
        recipe=_patch_recipe(study, network),
        validation=study.splits.validation,
        threshold=study.evaluation.threshold,
        normalisation=study.preparation.slices.normalisation,
        channels=study.channels,
    )


def _patch_prediction(study: Study, network: Network) -> PatchPrediction:
    return PatchPrediction(
        network=network.model_copy(update={"initial": Initial()}),
        normalisation=study.preparation.slices.normalisation,
        channels=study.channels,
        threshold=study.evaluation.threshold,
    )


def _patch_findings(study: Study, network: Network) -> Iterator[str]:
    name = network.architecture
    yield from _own_findings(network, 3)
    if network.patches is None:
        yield "network.patches: the backend patches needs size and spacing_mm (docs/patches.md)"
        return
    if name not in networks.architectures(3):
        return
    size = network.patches.size
    yield from (f"network.patches.size: {wrong}" for wrong in networks.wrong_size(name, size))
    smallest = networks.declared(name).smallest_map
    if smallest and smallest(size) == 1:
        yield f"network.patches.size: {list(size)}: {name} would normalise maps of a single voxel; give a larger size"


def _patch_files(part: str, architecture: str, network: Network) -> tuple[str, ...]:
    return (f"{FOLDER}/patches/{part}.py", *network_files(architecture, network.engine))


# ---- nnunet


def _case_training(study: Study, network: Network) -> CaseTraining:
    return CaseTraining(
        network=network,
        seed=study.recipe.seed,
        retries=study.recipe.retries,
        validation=study.splits.validation,
        channels=study.channels,
        channel_names=[channel_name(study, channel) for channel in study.channels],
    )


def _case_prediction(study: Study, network: Network) -> CasePrediction:
    return CasePrediction(network=network.model_copy(update={"initial": Initial()}), channels=study.channels)


def _case_findings(study: Study, network: Network) -> Iterator[str]:
    if network.initial.weights == "imagenet":
        yield "network.initial: nnU-Net's networks have no encoder with ImageNet weights"


def _mirrored(study: Study, place: str, network: Network, pair: str) -> str | None:
    if "mirroring" in network.trainer.model_fields_set:
        return None
    return (
        f"{place}.trainer.mirroring: nnU-Net's default is true, and the mirror image of one of {pair} is the "
        "other one: state false (as nnUNetTrainerNoMirroring), or true to train as its default does"
    )


def channel_name(study: Study, channel: str) -> str:
    """Return what nnU-Net calls a channel, which decides how it normalises it.

    "CT" clips and scales by values of the whole data set, as suits units that mean the same in every image: of CT, and
    of channels that the study itself shows its networks in a fixed window. Any other name scales each image by its own
    mean and SD; one that would mean another scheme to nnU-Net gets "MR " before it.
    """
    rule = study.series.get(channel)
    if (rule and rule.modality == "CT") or study.preparation.slices.normalisation.method == "window":
        return "CT"
    return f"MR {channel}" if channel.casefold() in NNUNETS_OWN else channel


BACKENDS = {
    "slices": Backend(
        reads="slices",
        environment=lambda network: network.engine,
        training=_slice_training,
        prediction=_slice_prediction,
        findings=_slice_findings,
        mirrored=_flipped,
        files=_slice_files,
        steps=lambda network: None,
        step=lambda study, network: (study.preparation.slices.size, study.recipe),
    ),
    "patches": Backend(
        reads="cases",
        environment=lambda network: "patches",
        training=_patch_training,
        prediction=_patch_prediction,
        findings=_patch_findings,
        mirrored=_flipped,
        files=_patch_files,
        steps=lambda network: None,
        step=lambda study, network: (patches_of(network).size, _patch_recipe(study, network)),
    ),
    "nnunet": Backend(
        reads="cases",
        environment=lambda network: "nnunet",
        training=_case_training,
        prediction=_case_prediction,
        findings=_case_findings,
        mirrored=_mirrored,
        files=lambda part, architecture, network: (f"{FOLDER}/nnunet/{part}.py",),
        steps=lambda network: network.trainer.num_epochs * network.trainer.num_iterations_per_epoch,
        step=lambda study, network: None,
        architecture=NNUNET,
        brings=frozenset({"Network", "Recipe", "Augmentation", "The scales demo and smoke"}),
    ),
}

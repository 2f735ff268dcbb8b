"""The sections of a study file, typed; `schema` puts them together."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    PositiveFloat,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from crossover.core.configuration import NAME, ConfigSection
from crossover.imaging.settings import Normalisation, Slices
from crossover.sources.settings import Source

Name = Annotated[str, Field(pattern=NAME, max_length=60)]
"""A name that files are called after, with other names and a size, for which 60 characters leave room."""
Tolerance = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
MOST_OVERLAID = 4  # structures that the overlays show where none are named
MOST_ROWS = 8  # of the overlays on a page


class Paper(ConfigSection):
    """The publication that a study reruns."""

    authors: str
    """The authors, as they are cited."""
    title: str
    """The paper's title."""
    journal: str
    """The journal's name."""
    year: int
    """The year of publication."""
    doi: str | None = None
    """The DOI, without an address before it."""


class Attribute(ConfigSection):
    """Something that cohorts differ in, as the field strength of their scanners.

    It is printed with them, and sources that differ in it are compared.
    """

    name: Name
    """The key under which cohorts give its value."""
    label: str
    """What it is called in the report."""
    unit: str = ""
    """The unit of its numbers, such as "T"."""

    def text(self, value: float | str | None) -> str:
        """Return a value as it is printed: "1.5 T", "surface"; "" for None or NaN."""
        if value is None or value != value:
            return ""
        return value if isinstance(value, str) else f"{value:g} {self.unit}".strip()


class Cohort(ConfigSection):
    """The cases of one domain."""

    label: str
    """What the cohort is called in figures, tables and the report."""
    role: Literal["source", "target"]
    """Whether it is the domain that the question is about (target), or one to learn from (source)."""
    source: Source
    """Where the cohort's cases come from; `kind` says in which form."""
    test: Annotated[float, Field(ge=0)]
    """The patients held out for testing: a fraction below 1, else a count; 0 for a source that is not tested on."""
    attributes: dict[Name, Annotated[float, Field(allow_inf_nan=False)] | str] = {}
    """What is known of the cohort, by the name of an attribute of the study: a number or a text."""
    slices_per_patient: Annotated[float, Field(gt=0)] | None = None
    """The slices of a patient with the structure, on average, by which the time of training is estimated."""


class KFold(ConfigSection):
    """The folds of the training patients."""

    k: Annotated[int, Field(ge=2)]
    """The number of folds."""
    of: list[str] = []
    """Families whose models are tested on the fold that they leave out, to see how much depends on the
    patients: a strategy ("scratch"), or a strategy at a level ("transfer-L1")."""


class Replicates(ConfigSection):
    """Repetitions: draws of the subsets, and trainings of each draw from different initial weights."""

    draws: Annotated[int, Field(ge=1)] = 1
    """How often the nested subsets are drawn."""
    trainings: Annotated[int, Field(ge=1)] = 1
    """How often a network is trained on each draw."""

    @property
    def count(self) -> int:
        """The number of replicates: trainings of each draw."""
        return self.draws * self.trainings

    def draw(self, replicate: int) -> int:
        """Return the draw of the subsets that a replicate is trained on; replicates count from 0."""
        return replicate // self.trainings


class Splits(ConfigSection):
    """How patients are divided, and how often."""

    seed: int
    """The seed by which patients are divided."""
    validation: float | Literal["fold"]
    """The share of the training patients of every subset that choose the epoch and are not trained on. "fold" is
    cross-validation: every stage is trained once for each fold and validated on that fold."""
    replicates: Replicates = Replicates()
    """How often the subsets are drawn, and how often each is trained on."""
    k_fold: KFold = KFold(k=5)
    """The folds, for a study that validates by folds or tests its models on them."""

    @field_validator("replicates", mode="before")
    @classmethod
    def _is_no_number(cls, value: Any) -> Any:
        if isinstance(value, int):
            raise ValueError(
                f"{value} doesn't say of what: replicates: {{draws: {value}, trainings: 1}} draws the subsets "
                "anew for each, trainings: trains the same subsets again"
            )
        return value

    @field_validator("validation")
    @classmethod
    def _is_a_share(cls, value: float | Literal["fold"]) -> float | Literal["fold"]:
        if value != "fold" and not 0 < value <= 0.5:
            raise ValueError(f"{value} is neither a share above 0 and up to 0.5 nor 'fold'")
        return value


class Device(ConfigSection):
    """How a network computes.

    A GPU is used where there is one; what is written here holds on either, so that it is never the machine that
    decides.
    """

    precision: Literal["float32", "tf32", "bfloat16"] = "float32"
    """The number format: float32 throughout; tf32: float32 whose products are rounded, on GPUs that can; bfloat16:
    activations in bfloat16, weights in float32."""
    channels_last: bool = False
    """Whether PyTorch stores the channels of a pixel side by side; TensorFlow has no other layout. Of images of one
    channel both are the same, and PyTorch goes on with the channels side by side on a processor."""
    compile: bool = False
    """Whether training steps are compiled, by torch.compile, which needs a C++ compiler, or by TensorFlow's XLA."""
    deterministic: bool = True
    """Whether a GPU may use only kernels that repeat to the last bit; where there is none, it is an error."""


class Initial(ConfigSection):
    """Where a chain's first training starts."""

    weights: Literal["random", "imagenet", "model"] = "random"
    """imagenet: the encoder has ImageNet weights, all else begins at random; model: the weights of `file`."""
    file: str | None = None
    """A safetensors file with the weights of a network like this one, as
    results/<study>/stages/<model>/weights.safetensors; parts that don't fit, as a head for other structures, begin at
    random. With the backend nnunet also a checkpoint of nnU-Net's, as fold_0/checkpoint_final.pth, whose plans are
    taken."""
    otherwise: Literal["random", "stop"] = "stop"
    """What is done where the weights are not at hand."""


SELECTED = "selected"
"""The architecture that the study's `selection` chooses."""


class NnunetTrainer(ConfigSection):
    """The settings of nnU-Net's trainer, by its own names and with its own defaults (`nnUNetTrainer.__init__`, 2.7)."""

    num_epochs: Annotated[int, Field(ge=1)] = 1000
    """The number of epochs."""
    num_iterations_per_epoch: Annotated[int, Field(ge=1)] = 250
    """The number of training batches in an epoch."""
    num_val_iterations_per_epoch: Annotated[int, Field(ge=1)] = 50
    """The number of validation batches after each epoch, from which the pseudo Dice is computed."""
    initial_lr: Annotated[float, Field(gt=0)] = 1e-2
    """The initial learning rate of SGD with Nesterov momentum 0.99; it falls as (1 - epoch / num_epochs) ** 0.9."""
    weight_decay: Annotated[float, Field(ge=0)] = 3e-5
    """The weight decay of the optimiser."""
    mirroring: bool = True
    """Whether mirror images are trained on, and predicted where `network.disable_tta` is false. `false` is
    `nnUNetTrainerNoMirroring`: of structures with a left and a right one, each is the other's mirror image."""


class Patches(ConfigSection):
    """What a 3D network of the own loop sees: patches of volumes on voxels of one size.

    Each axis is the case's own: slices as they were acquired, then rows, then columns.
    """

    size: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]
    """Slices, rows and columns of a patch, in voxels."""
    spacing_mm: tuple[Tolerance, Tolerance, Tolerance]
    """Size of a voxel across slices, rows and columns; images are interpolated linearly."""
    batch: Annotated[int, Field(ge=1)] = 2
    """Patches in a batch, in place of the recipe's `batch`, which counts slices."""
    overlap: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Share of a window, along each axis, that the next one covers too, where volumes are predicted. Of so many windows
    the middles weigh more than the edges."""


NNUNET = "nnunet"
"""The backend, and what stands for the architecture of its networks, which nnU-Net plans by itself."""
OF_NNUNET = ("configuration", "plans", "gpu_memory_target_in_gb", "disable_tta", "tile_step_size", "trainer")
UNREAD = {
    "slices": ("backend", *OF_NNUNET, "patches"),
    "patches": OF_NNUNET,
    NNUNET: ("settings", "device", "patches"),
}
"""Backend -> the keys of a network that it doesn't read. The own loop reads no key that names another backend."""


class Network(ConfigSection):
    """The architecture, its engine and its settings; or that nnU-Net plans and trains it.

    Keys that the backend doesn't read may stand there and mean nothing, so that one key changes the backend.
    """

    backend: Literal["slices", "patches", "nnunet"] = "slices"
    """What makes the trainings: this library's own loop over slices, or over patches of volumes (docs/patches.md), or
    nnU-Net (docs/nnunet.md)."""
    patches: Patches | None = None
    """Of the backend patches."""
    configuration: Literal["2d", "3d_fullres", "3d_lowres"] = "2d"
    """The configuration of nnU-Net's plans that is trained."""
    plans: Literal["default", "ResEncM", "ResEncL", "ResEncXL"] = "default"
    """The experiment planner of nnU-Net: the default, or one of its residual encoder presets."""
    gpu_memory_target_in_gb: Annotated[float, Field(gt=0)] | None = None
    """The GPU memory (GB) for which nnU-Net plans: less gives smaller batches and patches, for a machine without a GPU;
    None for its own value (8; for ResEncL 24, for ResEncXL 40)."""
    disable_tta: bool = False
    """Whether nnU-Net predicts without mirroring, which takes a quarter of the time in 2D, an eighth in 3D."""
    tile_step_size: Annotated[float, Field(gt=0, le=1)] = 0.5
    """How far apart the windows are in which nnU-Net predicts, as a share of a window. Above 0.5
    structures at their borders may be lost (docs/nnunet.md)."""
    trainer: NnunetTrainer = NnunetTrainer()
    """The settings of nnU-Net's trainer; the study's `recipe` gives it the seed and the retries alone."""
    architecture: str
    """The architecture's name, or "selected" for the one that the study's `selection` chooses."""
    engine: Literal["keras", "torch"]
    """The framework that trains it."""
    settings: dict[str, float | int | str | bool | list[int]] = {}
    """The settings that the architecture declares, by name."""
    device: Device = Device()
    """How the network computes."""
    initial: Initial = Initial()
    """The weights that a chain's first training begins with."""
    per_structure: bool = False
    """Whether each structure has a network of its own, instead of one for all."""

    @model_validator(mode="before")
    @classmethod
    def _planned_by_nnunet(cls, values: Any) -> Any:
        """Set architecture and engine of nnU-Net's networks, and leave out what nnU-Net doesn't read."""
        if not isinstance(values, dict) or values.get("backend") != NNUNET:
            return values
        kept = {key: value for key, value in values.items() if key not in UNREAD[NNUNET]}
        return kept | {"architecture": NNUNET, "engine": "torch"}

    @model_serializer(mode="wrap")
    def _what_is_read(self, values: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out keys that the backend doesn't read: they are no part of what a rule, a record or a digest holds."""
        return {key: value for key, value in values(self).items() if key not in UNREAD[self.backend]}

    def cell(self, architecture: str, encoder: str) -> Network:
        """Return this network with an architecture and encoder of the selection."""
        settings = {**self.settings, "encoder": encoder}
        return self.model_copy(update={"architecture": architecture, "settings": settings})


class Drawn(ConfigSection):
    """A scale, a rotation and a place, drawn for each slice of each batch.

    A slice of the same size is then cut out of the scaled, rotated one at that place.
    """

    scales: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=1)] = [1.0]
    """The factors of which one is drawn; a place is drawn if one of them is not 1."""
    rotation_deg: Annotated[float, Field(ge=0)] = 0.0
    """The largest angle in degrees, to either side."""
    versions: Annotated[int, Field(ge=1)] | None = None
    """This many versions of each slice are drawn once, and an epoch holds them all: a finite set, whose frozen
    activations can be kept. None draws anew for each batch."""


class Augmentation(ConfigSection):
    """A fixed set of versions of each slice (the original, its rotations, its mirror image), or `drawn`."""

    rotations_deg: list[float] = []
    """The angles by which each slice is rotated, in degrees; each gives a version of its own."""
    flip: bool = False
    """Whether each slice with its columns reversed is a version, too."""
    drawn: Drawn | None = None
    """Changes that are drawn at random instead."""

    @model_validator(mode="after")
    def _one_kind(self) -> Augmentation:
        if self.drawn and (self.rotations_deg or self.flip):
            raise ValueError("drawn: stands instead of rotations_deg and flip, not beside them")
        return self


class Recipe(ConfigSection):
    """How a network is trained."""

    loss: Literal["dice_bce", "bce", "dice"]
    """The loss: soft Dice of a batch, averaged over the structures that it shows; binary cross-entropy of pixels; or
    the sum of both."""
    optimiser: Literal["adam", "sgd"]
    """The optimiser."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """The momentum of sgd, in Caffe's and Keras' form: the velocity holds the learning rate."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """The L2 penalty: this times each trained weight is added to its gradient."""
    learning_rate: Annotated[float, Field(gt=0)]
    """The learning rate, the highest of the schedule."""
    schedule: Literal["constant", "cosine", "poly"] = "constant"
    """How the learning rate changes; cosine: from its value to 0 over the stage (Loshchilov & Hutter 2017);
    poly: its value times (1 - step / steps) ** power (Caffe)."""
    power: Annotated[float, Field(gt=0)] = 0.9
    """The exponent of the schedule poly."""
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """The share of the steps over which the learning rate rises linearly to the schedule's."""
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    """The learning rate of each part of the network, as a share of that of the part behind it; the last part has the
    whole learning rate (Howard & Ruder 2018, discriminative fine-tuning)."""
    batch: Annotated[int, Field(ge=1)]
    """The number of slices in a batch."""
    epochs: Annotated[float, Field(gt=0)]
    """How often each training slice is seen; a fraction is allowed."""
    steps: tuple[int, int] | None = None
    """The fewest and the most steps, whatever `epochs` gives; None for no bounds."""
    validations: Annotated[int, Field(ge=1)]
    """How many times, evenly spaced, the validation DSC is taken. The best weights are kept; those that a stage
    begins with count too, if its parent trained them."""
    validate_on: Literal["volumes", "structure_slices"] = "volumes"
    """Whether the validation DSC is of whole volumes, or only of their slices with the structure."""
    augmentation: Augmentation
    """How training slices are varied."""
    background_slices: Annotated[float, Field(ge=0)]
    """The number of slices without any structure in each epoch, per slice with one. Of the latter each structure has an
    equal share."""
    initial_probability: Annotated[float, Field(gt=0, lt=1)] | None = None
    """The probability of each structure in each pixel before training, set by the bias of the last layer of a network
    that begins at random. Near the structures' share of pixels the first steps are not spent on the background, after
    which small structures may never be found (Lin et al. 2017, Focal Loss for Dense Object Detection, section 4.1).
    None: the layer's own bias."""
    activations: Literal["float32", "float16"] = "float32"
    """What a frozen part's output is rounded to, whether or not it is kept (see
    `crossover.training.activations`): float16 takes half the room."""
    retries: Literal[0, 1] = 0
    """How often a training that collapsed (a loss that is no number, a DSC of 0 of a structure at every validation) is
    repeated with another seed; both trainings are on record. Of two that collapsed the one with the higher validation
    DSC is kept."""
    seed: int
    """The seed of initial weights, batches and augmentation."""

    @model_validator(mode="after")
    def _fitting(self) -> Recipe:
        if self.steps and not 1 <= self.steps[0] <= self.steps[1]:
            raise ValueError(f"steps: {list(self.steps)} must be a minimum of 1 or more and a maximum")
        if self.momentum and self.optimiser != "sgd":
            raise ValueError(f"momentum: {self.optimiser} has its own; it is a setting of sgd")
        return self

    @property
    def initial_bias(self) -> float | None:
        """The bias of the last layer that gives the initial probability: its log odds; None for no such bias."""
        p = self.initial_probability
        return None if p is None else math.log(p / (1 - p))

    def changed(self, changes: Changes) -> Recipe:
        """Return the recipe of a stage whose step of a chain has these settings of its own."""
        return self.model_copy(update=dict(changes))


Changes = tuple[tuple[str, float | str], ...]
"""Settings and their values, sorted by name."""


class StepRecipe(ConfigSection):
    """The settings in which a step of a chain differs from the study's recipe; all others are the recipe's."""

    learning_rate: Annotated[float, Field(gt=0)] | None = None
    """As in the recipe."""
    schedule: Literal["constant", "cosine", "poly"] | None = None
    """As in the recipe."""
    power: Annotated[float, Field(gt=0)] | None = None
    """As in the recipe."""
    warmup: Annotated[float, Field(ge=0, lt=1)] | None = None
    """As in the recipe."""
    layer_decay: Annotated[float, Field(gt=0, le=1)] | None = None
    """As in the recipe."""

    @property
    def changes(self) -> Changes:
        """The settings that the step names, with their values."""
        return tuple(sorted(self.model_dump(exclude_none=True).items()))


class Training(ConfigSection):
    """All that a stage follows from, beside its data, its parent and its code."""

    network: Network
    recipe: Recipe
    validation: Fraction | Literal["fold"]
    size: tuple[int, int]
    standardise: bool
    """Whether slices are normalised by the training slices' mean and SD (see `Normalisation`)."""
    channels: list[str]


class PatchTraining(ConfigSection):
    """As `Training`, of the backend patches."""

    network: Network
    recipe: Recipe
    validation: Fraction | Literal["fold"]
    normalisation: Normalisation
    channels: list[str]


class PatchPrediction(ConfigSection):
    """As `Prediction`, of the backend patches."""

    network: Network
    normalisation: Normalisation
    channels: list[str]
    threshold: Fraction


class CaseTraining(ConfigSection):
    """What `Training` is, for a backend that reads cases, and plans and augments by itself."""

    network: Network
    seed: int
    retries: int
    validation: Fraction | Literal["fold"]
    channels: list[str]
    channel_names: list[str]
    """What nnU-Net calls each channel, by which it normalises it."""


class CasePrediction(ConfigSection):
    """What `Prediction` is, for a backend that reads cases."""

    network: Network
    channels: list[str]


class Prediction(ConfigSection):
    """All that masks follow from, beside the weights, the cases and the code."""

    network: Network
    slices: Slices
    channels: list[str]
    structures: list[str]
    threshold: Fraction


class Step(ConfigSection):
    """One training of a chain: patients by cohort ("all", or "n" of the study's sizes)."""

    train: dict[Name, Literal["all", "n"]]
    """Cohort -> "all" of its training patients, or "n" of them, as the size says."""
    levels: list[str] = []
    """The fine-tune levels that are tried; none trains the whole network."""
    initial: Literal["random", "imagenet", "model"] | None = None
    """Initial weights other than the network's, for a chain's first step."""
    recipe: StepRecipe = StepRecipe()
    """What this training alone has instead of the study's recipe. Gradual unfreezing is a chain of steps on the same
    patients, in which each step trains more of the network (`levels`)."""


class Strategy(ConfigSection):
    """A way to get a model: a chain of trainings, each started from the one before."""

    label: str
    """What it is called in figures, tables and the report."""
    chain: Annotated[list[Step], Field(min_length=1)]
    """The trainings, in their order."""
    structures: list[str] = []
    """The structures that are trained, where each has a network of its own; all by default."""
    network: Name | None = None
    """One of the study's `other_networks`; by default its `network`."""

    @property
    def levels(self) -> list[str]:
        """The levels of all steps."""
        return [level for step in self.chain for level in step.levels]

    @property
    def sized(self) -> bool:
        """Whether a step trains on as many cases as a size says."""
        return any(n == "n" for step in self.chain for n in step.train.values())


class Selection(ConfigSection):
    """The choice of the network by cross-validation.

    Every architecture is trained with every encoder on every fold; the one of the highest mean validation DSC is the
    network of all strategies.
    """

    train: dict[Name, Literal["all"]]
    """The cohorts on whose training patients the networks are compared."""
    architectures: Annotated[list[str], Field(min_length=1)]
    """The architectures that are tried."""
    encoders: Annotated[list[str], Field(min_length=1)]
    """The encoders that each architecture is tried with."""

    @property
    def cells(self) -> list[tuple[str, str]]:
        """Architecture and encoder of each network among which one is selected."""
        return [(a, e) for e in self.encoders for a in self.architectures]


class Evaluation(ConfigSection):
    """How predictions become masks, and how these are scored."""

    threshold: Fraction
    """The probability from which on a voxel belongs to the structure."""
    nsd_tolerance_mm: Tolerance | dict[Name, Tolerance]
    """The tolerance of the NSD in mm: one for all structures, or that of each."""

    def tolerance(self, structure: str) -> float:
        """Return the tolerance of the NSD of a structure, in mm."""
        of = self.nsd_tolerance_mm
        return of[structure] if isinstance(of, dict) else of


class Radiomics(ConfigSection):
    """First-order features of one channel inside the structure, by pyradiomics."""

    channel: str
    """The channel whose values are taken."""
    bin_width: PositiveFloat
    """The width of the bins of grey values, in the channel's unit."""
    features: list[str]
    """The names of pyradiomics' first-order features."""
    icc: Literal["ICC(1,1)", "ICC(A,1)", "ICC(C,1)"]
    """The form of the intraclass correlation (McGraw and Wong 1996) between manual and predicted masks."""


class Statistics(ConfigSection):
    """How models are compared."""

    metric: Literal[
        "dsc", "iou", "nsd", "dsc_structure_slices", "iou_structure_slices", "dsc_mean_of_slices",
        "lesion_f1", "lesion_sensitivity",
    ]  # fmt: skip
    """The metric by which models are compared: any metric of metrics.csv of which higher values are better."""
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    """The confidence level of intervals."""
    alpha: Annotated[float, Field(gt=0, lt=0.5)]
    """The significance level of tests."""
    missing: Literal["worst", "exclude", "error"] = "worst"
    """What is done with predictions that a model lacks (`crossover.statistics.scores.missing.Policy`)."""

    @model_validator(mode="before")
    @classmethod
    def _without_comparison(cls, values: Any) -> Any:
        if isinstance(values, dict) and "comparison" in values:
            raise ValueError(
                "comparison is gone: a study gets every analysis that fits its design (sizes, structures, chains); "
                "remove the key"
            )
        return values


class Overlays(ConfigSection):
    """Contours drawn on one case."""

    channels: Annotated[list[str], Field(min_length=1)]
    """The channels that are shown side by side, each with the contours."""
    window: tuple[float, float] | None = None
    """The values that are black and white where one channel is shown; None for percentiles 1 and 99.5 of each."""
    strategies: list[str]
    """The strategies whose contours are drawn."""
    sizes: list[int]
    """The numbers of target patients whose models are drawn."""
    structures: list[str] = []
    """The structures, in the order of the rows; none for all, or the first four by name where there are more."""


class Figures(ConfigSection):
    """What the figures show, and how."""

    colours: dict[str, str] = {}
    """Strategy, or strategy-level -> its colour, the same in every figure."""
    order: list[str] = []
    """The order in which figures and tables show strategies; those that are not named come last."""
    structures: list[str] = []
    """The order in which figures, tables and the report show structures; others come last, by name."""
    overlays: Overlays | None = None
    """The figure of contours on images, if there is to be one."""


class Execution(ConfigSection):
    """How the work is laid out on a machine, which changes no result."""

    stages_per_job: Annotated[int, Field(ge=1)] = 1
    """The number of trainings of one network that one job makes, one after the other."""
    bias_field_jobs: Annotated[int, Field(ge=1)] = 1
    """The number of jobs that share the bias field correction of a cohort's cases, for a cluster's nodes."""
    threads: Annotated[int, Field(ge=1)] = 1
    """The number of processor threads of a training."""
    per_gpu: Literal[1, 2, 3, 4, 6, 12] = 1
    """The number of jobs that share a GPU, where there is one."""


class Assumption(ConfigSection):
    """A choice that the paper leaves open, or a deviation from it, with its reason."""

    about: str
    """What the paper leaves open."""
    choice: str
    """What this study does."""
    reason: str
    """Why it does so."""

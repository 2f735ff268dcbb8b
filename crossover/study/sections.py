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
    """The title of the paper."""
    journal: str
    """The name of the journal."""
    year: int
    """The year of publication."""
    doi: str | None = None
    """The DOI, without `https://doi.org/` before it."""


class Attribute(ConfigSection):
    """A property in which cohorts differ, such as the field strength of their scanners.

    Its values are printed with the cohorts, and sources with different values are compared.
    """

    name: Name
    """The key under which the cohorts give its value."""
    label: str
    """The name of the attribute in the report."""
    unit: str = ""
    """The unit of its numeric values, such as "T"."""

    def text(self, value: float | str | None) -> str:
        """Return a value as it is printed: "1.5 T", "surface"; "" for None or NaN."""
        if value is None or value != value:
            return ""
        return value if isinstance(value, str) else f"{value:g} {self.unit}".strip()


class Cohort(ConfigSection):
    """The cases of one domain."""

    label: str
    """The name of the cohort in figures, tables and the report."""
    role: Literal["source", "target"]
    """The role of the cohort: target, the domain that the question is about, or source, a domain to learn from first.
    """
    source: Source
    """The origin of the cohort's cases; `kind` states their form."""
    test: Annotated[float, Field(ge=0)]
    """The patients held out for testing: a value below 1 is a fraction, any other value a count. Use 0 for a source
    that is not tested on."""
    attributes: dict[Name, Annotated[float, Field(allow_inf_nan=False)] | str] = {}
    """The values of the study's attributes for this cohort, by the name of the attribute; each is a number or a text.
    """
    slices_per_patient: Annotated[float, Field(gt=0)] | None = None
    """The average number of slices with the structure per patient, from which the training time is estimated."""


class KFold(ConfigSection):
    """The folds of the training patients."""

    k: Annotated[int, Field(ge=2)]
    """The number of folds."""
    of: list[str] = []
    """The families whose models are also tested on the fold that they leave out, which shows how much the results
    depend on the patients. A family is a strategy ("scratch") or a strategy at a level ("transfer-L1")."""


class Replicates(ConfigSection):
    """The repetitions: draws of the subsets, and trainings on each draw, which differ by their seed."""

    draws: Annotated[int, Field(ge=1)] = 1
    """The number of draws of the nested subsets."""
    trainings: Annotated[int, Field(ge=1)] = 1
    """The number of trainings on each draw."""

    @property
    def count(self) -> int:
        """The number of replicates: trainings of each draw."""
        return self.draws * self.trainings

    def draw(self, replicate: int) -> int:
        """Return the draw of the subsets that a replicate is trained on; replicates count from 0."""
        return replicate // self.trainings


class Splits(ConfigSection):
    """The division of the patients, and its repetitions."""

    seed: int
    """The seed of the random division of the patients."""
    validation: float | Literal["fold"]
    """The share of the training patients of every subset that is not trained on but used for validation, which selects
    the best weights. "fold" means cross-validation: every stage is trained once for each fold and validated on that
    fold."""
    replicates: Replicates = Replicates()
    """The number of draws of the subsets, and of trainings on each."""
    k_fold: KFold = KFold(k=5)
    """The folds, for a study that uses them for validation or for testing."""

    @field_validator("replicates", mode="before")
    @classmethod
    def _is_no_number(cls, value: Any) -> Any:
        if isinstance(value, int):
            raise ValueError(
                f"{value} doesn't say what is repeated: write replicates: {{draws: {value}, trainings: 1}} to draw "
                f"new subsets for each replicate, or {{draws: 1, trainings: {value}}} to train on the same subsets"
            )
        return value

    @field_validator("validation")
    @classmethod
    def _is_a_share(cls, value: float | Literal["fold"]) -> float | Literal["fold"]:
        if value != "fold" and not 0 < value <= 0.5:
            raise ValueError(f"{value} must be a share above 0 and at most 0.5, or 'fold'")
        return value


class Device(ConfigSection):
    """The numerical settings of a network's computation.

    A GPU is used if there is one. The settings apply to GPUs and processors alike, so that they never depend on the
    machine.
    """

    precision: Literal["float32", "tf32", "bfloat16"] = "float32"
    """The number format. float32: float32 throughout; tf32: float32 with rounded products, on GPUs that support it;
    bfloat16: activations in bfloat16, weights in float32."""
    channels_last: bool = False
    """Whether PyTorch stores the channels of a pixel next to each other (channels-last memory format); TensorFlow
    always does. For images with one channel the two layouts are identical, and PyTorch continues in the channels-last
    format on a processor."""
    compile: bool = False
    """Whether training steps are compiled: in PyTorch by torch.compile, which needs a C++ compiler, in TensorFlow by
    XLA."""
    deterministic: bool = True
    """Whether a GPU may only use kernels whose results are bitwise reproducible; an operation without such a kernel is
    an error."""


class Initial(ConfigSection):
    """The initial weights of a chain's first training."""

    weights: Literal["random", "imagenet", "model"] = "random"
    """The origin of the weights. random: all weights are random; imagenet: the encoder has ImageNet weights, all other
    parts are random; model: the weights of `file`."""
    file: str | None = None
    """A safetensors file with the weights of a network with the same architecture, such as
    results/<study>/stages/<model>/weights.safetensors. Parts that don't fit, such as a head for other structures, are
    random. With the backend nnunet it may also be an nnU-Net checkpoint, such as fold_0/checkpoint_final.pth, whose
    plans are then used."""
    otherwise: Literal["random", "stop"] = "stop"
    """What to do if the weights are not available: stop with an error, or begin with random weights."""


SELECTED = "selected"
"""The architecture that the study's `selection` chooses."""


class NnunetTrainer(ConfigSection):
    """The settings of nnU-Net's trainer, with the names and defaults of nnU-Net 2.7 (`nnUNetTrainer.__init__`)."""

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
    """Whether mirroring is used in training, and in prediction if `network.disable_tta` is false. `false` corresponds
    to `nnUNetTrainerNoMirroring`, for paired structures, whose left one is the mirror image of the right one: a study
    of such structures must state one or the other."""


class Patches(ConfigSection):
    """The input of a 3D network of the backend patches: patches of volumes that are resampled to one voxel size.

    The axes are those of the case: slices as they were acquired, then rows, then columns.
    """

    size: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]
    """The slices, rows and columns of a patch, in voxels."""
    spacing_mm: tuple[Tolerance, Tolerance, Tolerance]
    """The size of a voxel across slices, rows and columns; images are interpolated linearly."""
    batch: Annotated[int, Field(ge=1)] = 2
    """The number of patches in a batch. It replaces the recipe's `batch`, which counts slices."""
    overlap: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """The share by which neighbouring windows overlap along each axis when a volume is predicted. Where windows
    overlap, their centres weigh more than their edges."""


NNUNET = "nnunet"
"""The backend, and what stands for the architecture of its networks, which nnU-Net plans by itself."""
OF_NNUNET = (
    "configuration", "plans", "gpu_memory_target_in_gb", "overwrite_target_spacing", "disable_tta", "tile_step_size",
    "trainer",
)  # fmt: skip
UNREAD = {
    "slices": ("backend", *OF_NNUNET, "patches"),
    "patches": OF_NNUNET,
    NNUNET: ("settings", "device", "patches"),
}
"""Backend -> the keys of a network that it doesn't read. The own loop reads no key that names another backend."""


class Network(ConfigSection):
    """The architecture, its engine and its settings, or the settings with which nnU-Net plans and trains a network.

    Keys that the backend doesn't read are ignored, so that the backend can be changed with one key.
    """

    backend: Literal["slices", "patches", "nnunet"] = "slices"
    """The software that trains: Crossover's own training loop over slices, its own loop over patches of volumes
    (docs/patches.md), or nnU-Net (docs/nnunet.md)."""
    patches: Patches | None = None
    """The patches of the backend patches."""
    configuration: Literal["2d", "3d_fullres", "3d_lowres"] = "2d"
    """The nnU-Net configuration that is trained."""
    plans: Literal["default", "ResEncM", "ResEncL", "ResEncXL"] = "default"
    """The experiment planner of nnU-Net: the default one, or one of the residual encoder presets."""
    gpu_memory_target_in_gb: Annotated[float, Field(gt=0)] | None = None
    """The GPU memory in GB for which nnU-Net plans. A smaller value gives smaller batches and patches, for a machine
    without a GPU. By default nnU-Net's own value: 8, for ResEncL 24, for ResEncXL 40."""
    overwrite_target_spacing: tuple[Tolerance, Tolerance, Tolerance] | None = None
    """The voxel size, in mm across slices, rows and columns, to which nnU-Net resamples; in 2D, slices stay as they
    are. By default nnU-Net's own choice: the median of the training cases."""
    disable_tta: bool = False
    """Whether nnU-Net predicts without mirroring, which reduces the time to a quarter in 2D and to an eighth in 3D."""
    tile_step_size: Annotated[float, Field(gt=0, le=1)] = 0.5
    """The step between nnU-Net's sliding windows, as a share of the window size. Above 0.5, structures at the borders
    of windows may be lost (docs/nnunet.md)."""
    trainer: NnunetTrainer = NnunetTrainer()
    """The settings of nnU-Net's trainer. Of the study's `recipe`, nnU-Net uses only `seed` and `retries`."""
    architecture: str
    """The name of the architecture, or "selected" for the one that the study's `selection` chooses."""
    engine: Literal["keras", "torch"]
    """The framework that trains the network."""
    settings: dict[str, float | int | str | bool | list[int]] = {}
    """The settings of the architecture, by name; each architecture declares its own."""
    device: Device = Device()
    """The numerical settings of the computation."""
    initial: Initial = Initial()
    """The initial weights of a chain's first training."""
    per_structure: bool = False
    """Whether each structure has a network of its own, instead of one network for all structures."""

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
    """Random scaling, rotation and cropping, drawn for each slice of each batch.

    A crop of the slice's original size is cut out of the scaled and rotated slice at the drawn position.
    """

    scales: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=1)] = [1.0]
    """The scale factors of which one is drawn; a position is drawn if one of them is not 1."""
    rotation_deg: Annotated[float, Field(ge=0)] = 0.0
    """The largest rotation angle, in either direction."""
    versions: Annotated[int, Field(ge=1)] | None = None
    """The number of versions of each slice that are drawn once, before training; each epoch contains all of them. Since
    the set is finite, the activations of frozen parts can be cached. By default new versions are drawn for each batch.
    """


class Augmentation(ConfigSection):
    """A fixed set of versions of each slice (original, rotations, mirror image), or random changes (`drawn`)."""

    rotations_deg: list[float] = []
    """The angles by which each slice is rotated; each angle gives one version."""
    flip: bool = False
    """Whether each slice with its columns reversed is another version. It is refused in studies of paired structures,
    whose left one is the mirror image of the right one, unless a rule states that slices are sagittal."""
    drawn: Drawn | None = None
    """Random changes, instead of the fixed set."""

    @model_validator(mode="after")
    def _one_kind(self) -> Augmentation:
        if self.drawn and (self.rotations_deg or self.flip):
            raise ValueError("drawn can't be combined with rotations_deg and flip: remove one or the other")
        return self


class Recipe(ConfigSection):
    """The settings with which a network is trained."""

    loss: Literal["dice_bce", "bce", "dice"]
    """The loss. dice: the soft Dice loss of a batch, averaged over the structures that are present in it; bce: the
    binary cross-entropy of the pixels; dice_bce: the sum of both."""
    optimiser: Literal["adam", "sgd"]
    """The optimiser."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """The momentum of sgd, as Caffe and Keras define it: the velocity includes the learning rate."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """The factor of the L2 penalty: the product of this factor and each trained weight is added to the weight's
    gradient."""
    learning_rate: Annotated[float, Field(gt=0)]
    """The learning rate, which is the highest value of the schedule."""
    schedule: Literal["constant", "cosine", "poly"] = "constant"
    """The schedule of the learning rate. constant: no change; cosine: a cosine decay to 0 over the stage (Loshchilov &
    Hutter 2017); poly: the learning rate times (1 - step / steps) ** power, as in Caffe."""
    power: Annotated[float, Field(gt=0)] = 0.9
    """The exponent of the poly schedule."""
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """The share of the steps over which the learning rate rises linearly to that of the schedule."""
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    """The ratio between the learning rate of each part of the network and that of the next part, towards the output;
    the last part has the full learning rate (discriminative fine-tuning, Howard & Ruder 2018)."""
    batch: Annotated[int, Field(ge=1)]
    """The number of slices in a batch."""
    epochs: Annotated[float, Field(gt=0)]
    """The number of passes over the training slices; a fraction is allowed."""
    steps: tuple[int, int] | None = None
    """The minimum and the maximum number of steps, whatever `epochs` gives; no bounds by default."""
    validations: Annotated[int, Field(ge=1)]
    """The number of times, evenly spaced, that the validation DSC is computed. The weights with the best value are
    kept; the initial weights of a stage are also candidates if its parent trained them."""
    validate_on: Literal["volumes", "structure_slices"] = "volumes"
    """Whether the validation DSC is computed on whole volumes, or only on their slices with the structure."""
    augmentation: Augmentation
    """The augmentation of the training slices."""
    background_slices: Annotated[float, Field(ge=0)]
    """The number of slices without any structure in each epoch, for each slice with one. Among the slices with a
    structure, each structure has an equal share."""
    initial_probability: Annotated[float, Field(gt=0, lt=1)] | None = None
    """The probability that an untrained network predicts for each structure in each pixel. It is set through the bias
    of the last layer, if the network begins with random weights. With a value near the structures' share of the pixels,
    the first steps are not spent on learning the background, after which small structures may never be found (Lin et
    al. 2017, Focal Loss for Dense Object Detection, section 4.1). By default the layer's bias is not changed."""
    activations: Literal["float32", "float16"] = "float32"
    """The number format to which the output of a frozen part is rounded in training and its validation, whether it is
    cached or not (see `crossover.training.activations`). float16 takes half the disk space. Predictions are not
    rounded, so that their probabilities differ in the fifth decimal, and float16 has no values above 65,504."""
    retries: Literal[0, 1] = 0
    """How often a training that collapsed is repeated with another seed. A training has collapsed if its loss is not a
    number, or if a structure has a DSC of 0 at every validation in the cases that have it. Both trainings are recorded.
    If both collapsed, the one with the higher validation DSC is kept."""
    seed: int
    """The seed of the initial weights, the batches and the augmentation."""

    @model_validator(mode="after")
    def _fitting(self) -> Recipe:
        if self.steps and not 1 <= self.steps[0] <= self.steps[1]:
            raise ValueError(
                f"steps: {list(self.steps)} must be a minimum of at least 1 and a maximum that is not below it"
            )
        if self.momentum and self.optimiser != "sgd":
            raise ValueError(f"momentum: only sgd has this setting; remove it, or use sgd instead of {self.optimiser}")
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
    """The settings in which a step of a chain differs from the study's recipe; all others are taken from the recipe."""

    learning_rate: Annotated[float, Field(gt=0)] | None = None
    """The value for this step; see the recipe."""
    schedule: Literal["constant", "cosine", "poly"] | None = None
    """The value for this step; see the recipe."""
    power: Annotated[float, Field(gt=0)] | None = None
    """The value for this step; see the recipe."""
    warmup: Annotated[float, Field(ge=0, lt=1)] | None = None
    """The value for this step; see the recipe."""
    layer_decay: Annotated[float, Field(gt=0, le=1)] | None = None
    """The value for this step; see the recipe."""

    @property
    def changes(self) -> Changes:
        """The settings that the step names, with their values."""
        return tuple(sorted(self.model_dump(exclude_none=True).items()))


class Training(ConfigSection):
    """All that a stage follows from, beside its data, its parent and its code."""

    network: Network
    recipe: Recipe
    validation: Fraction | Literal["fold"]
    threshold: Fraction
    """At which the validation DSC is computed: that of the masks."""
    size: tuple[int, int]
    standardise: bool
    """Whether slices are normalised by the training slices' mean and SD (see `Normalisation`)."""
    channels: list[str]


class PatchTraining(ConfigSection):
    """As `Training`, of the backend patches."""

    network: Network
    recipe: Recipe
    validation: Fraction | Literal["fold"]
    threshold: Fraction
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
    """One training of a chain, and the patients of each cohort that it uses."""

    train: dict[Name, Literal["all", "n"]]
    """The cohorts that are trained on: "all" takes all training patients of a cohort, "n" takes as many as the size
    says."""
    levels: list[str] = []
    """The levels from which the network is fine-tuned, each in a training of its own; without levels, the whole network
    is trained. A chain's first step has levels only if all that they freeze begins with trained weights."""
    initial: Literal["random", "imagenet", "model"] | None = None
    """The initial weights of a chain's first step, if they differ from those of the network."""
    recipe: StepRecipe = StepRecipe()
    """The settings of this training that differ from the study's recipe. Gradual unfreezing is a chain of steps on the
    same patients, in which each step trains more of the network (`levels`)."""


class Strategy(ConfigSection):
    """A way to get a model: a chain of trainings, each of which begins with the weights of the one before."""

    label: str
    """The name of the strategy in figures, tables and the report."""
    chain: Annotated[list[Step], Field(min_length=1)]
    """The trainings, in order."""
    structures: list[str] = []
    """The structures that are trained, if each structure has a network of its own; all by default."""
    network: Name | None = None
    """The name of one of the study's `other_networks`; by default the strategy uses `network`."""

    @property
    def levels(self) -> list[str]:
        """The levels of all steps."""
        return [level for step in self.chain for level in step.levels]

    @property
    def sized(self) -> bool:
        """Whether a step trains on as many cases as a size says."""
        return any(n == "n" for step in self.chain for n in step.train.values())

    def label_at(self, level: str) -> str:
        """Return the label of the family at a level, "" for none: with the level, where it lacks that, as "TL (L1)"."""
        said = len(self.levels) == 1 and level.casefold() in self.label.casefold().split()
        return f"{self.label} ({level})" if level and not said else self.label


class Selection(ConfigSection):
    """The choice of the network by cross-validation.

    Every architecture is trained with every encoder on every fold. The combination with the highest mean validation DSC
    becomes the network of all strategies.
    """

    train: dict[Name, Literal["all"]]
    """The cohorts on whose training patients the networks are compared."""
    architectures: Annotated[list[str], Field(min_length=1)]
    """The architectures that are tried."""
    encoders: Annotated[list[str], Field(min_length=1)]
    """The encoders with which each architecture is tried."""

    @property
    def cells(self) -> list[tuple[str, str]]:
        """Architecture and encoder of each network among which one is selected."""
        return [(a, e) for e in self.encoders for a in self.architectures]


class Evaluation(ConfigSection):
    """The conversion of predictions to masks, and the scoring of the masks."""

    threshold: Fraction
    """The smallest probability at which a voxel belongs to the structure, in masks and in the validation DSC."""
    nsd_tolerance_mm: Tolerance | dict[Name, Tolerance]
    """The tolerance of the NSD: one value for all structures, or one for each."""

    def tolerance(self, structure: str) -> float:
        """Return the tolerance of the NSD of a structure, in mm."""
        of = self.nsd_tolerance_mm
        return of[structure] if isinstance(of, dict) else of


class Radiomics(ConfigSection):
    """First-order features of one channel inside the structure, computed by pyradiomics."""

    channel: str
    """The channel whose values are used."""
    bin_width: PositiveFloat
    """The bin width of the grey values, in the unit of the channel."""
    features: list[str]
    """The names of pyradiomics' first-order features."""
    icc: Literal["ICC(1,1)", "ICC(A,1)", "ICC(C,1)"]
    """The form of the intraclass correlation (McGraw and Wong 1996) between manual and predicted masks."""


ShareMetric = Literal[
    "dsc", "iou", "nsd", "dsc_structure_slices", "iou_structure_slices", "dsc_mean_of_slices",
    "lesion_f1", "lesion_sensitivity",
]  # fmt: skip
DistanceMetric = Literal["hd95_mm", "assd_mm"]


class Statistics(ConfigSection):
    """The settings with which models are compared."""

    metric: Literal[ShareMetric, DistanceMetric]
    """The metric by which models are compared: one of the metrics in metrics.csv from 0 to 1, of which higher values
    are better, or a distance in mm, of which lower ones are."""
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    """The confidence level of the intervals of single models, learning curves and crossovers."""
    alpha: Annotated[float, Field(gt=0, lt=0.5)]
    """The significance level of the tests. Intervals of differences belong to them and have the level 1 - alpha."""
    missing: Literal["worst", "exclude", "error"] = "worst"
    """How missing predictions are treated: worst scores them with the worst value of each metric, exclude leaves their
    cases out for all models, and error stops the run."""

    @property
    def test_interval(self) -> str:
        """The level of the intervals that belong to tests, 1 - alpha, as "95%"."""
        return f"{100 - 100 * self.alpha:g}%"

    @model_validator(mode="before")
    @classmethod
    def _without_comparison(cls, values: Any) -> Any:
        if isinstance(values, dict) and "comparison" in values:
            raise ValueError(
                "comparison is no longer a key: a study gets every analysis that fits its design (sizes, structures, "
                "chains); remove the key"
            )
        return values


class Overlays(ConfigSection):
    """A figure with contours drawn on the images of one case."""

    channels: Annotated[list[str], Field(min_length=1)]
    """The channels that are shown next to each other, each with the contours."""
    window: tuple[float, float] | None = None
    """The values that are shown as black and white, if one channel is shown; by default percentiles 1 and 99.5 of each
    channel."""
    strategies: list[str]
    """The strategies whose contours are drawn."""
    sizes: list[int]
    """The sizes whose models are drawn."""
    structures: list[str] = []
    """The structures, in the order of the rows; by default all, or the first four by name if there are more."""


class Figures(ConfigSection):
    """The settings of the figures."""

    colours: dict[str, str] = {}
    """The colour of each strategy, or strategy at a level, in every figure."""
    order: list[str] = []
    """The order of the strategies in figures and tables; strategies that are not named come last."""
    structures: list[str] = []
    """The order of the structures in figures, tables and the report; structures that are not named come last, by name.
    """
    overlays: Overlays | None = None
    """The figure with contours on images; it is not drawn if the key is missing."""


class Execution(ConfigSection):
    """The distribution of the work on a machine; it does not change results."""

    stages_per_job: Annotated[int, Field(ge=1)] = 1
    """The number of trainings of one network that a job runs, one after the other."""
    bias_field_jobs: Annotated[int, Field(ge=1)] = 1
    """The number of jobs among which the bias field correction of a cohort's cases is divided, for the nodes of a
    cluster."""
    threads: Annotated[int, Field(ge=1)] = 1
    """The number of processor threads of a training."""
    per_gpu: Literal[1, 2, 3, 4, 6, 12] = 1
    """The number of jobs that share a GPU, if there is one."""


class Assumption(ConfigSection):
    """A choice that the paper leaves open, or a deviation from it, with its reason."""

    about: str
    """The point that the paper leaves open, or from which the study deviates."""
    choice: str
    """The choice that this study makes."""
    reason: str
    """The reason for the choice."""

"""The vocabulary, typed: a study file (`config/studies/<study>.yaml`) at one scale.

A study is data. Everything that the workflow does for it follows from this file, through
`crossover.plan`; a further study is a further file. `scales:` holds, for each scale, what differs
from the published design written above it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, field_validator, model_validator

from crossover.sources.settings import SeriesRule, Source, Structure

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=60)]
"""Files are called after it, with the names of others and a size: 60 characters leave room for these."""
Fraction = Annotated[float, Field(ge=0, le=1)]
MOST_OVERLAID = 4  # structures that the overlays show where none are named
MOST_ROWS = 8  # of the overlays on a page


class Section(BaseModel):
    """A part of the configuration: unknown keys are errors, values don't change once read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Paper(Section):
    authors: str
    title: str
    journal: str
    year: int
    doi: str | None = None


class Cohort(Section):
    """The cases of one domain."""

    label: str
    role: Literal["source", "target"]
    source: Source
    test: Annotated[float, Field(ge=0)]
    """Patients held out for testing: a fraction below 1, else a count; 0 for a source that none test."""
    field_strength_t: Annotated[float, Field(gt=0)] | None = None
    """Of the scanners, in tesla."""
    coil: str = ""
    slices_per_patient: Annotated[float, Field(gt=0)] | None = None
    """With the structure, on average; only to tell how long training will take before there are slices."""


class BiasField(Section):
    """N4 (Tustison et al. 2010), estimated on one channel and divided out of the named channels."""

    method: Literal["n4", "none"]
    estimate_on: str = ""
    apply_to: list[str] = []
    shrink: Annotated[int, Field(ge=1)] = 4
    fit: Literal["bright", "tissue"] = "bright"
    """The voxels that the field is fitted to: above Otsu's threshold of the values, or of their logarithms,
    where a coil's near field outshines all else."""
    iterations: list[int] = [50, 50, 50, 50]


class Normalisation(Section):
    """zscore: mean 0 and SD 1 over the case or slice; window: [low, high] to [0, 1], clipped; training: by
    mean and SD over the slices that the stage is trained on, whoever the case."""

    method: Literal["zscore", "window", "training"]
    per: Literal["case", "slice"] = "case"
    window: tuple[float, float] = (0.0, 1.0)

    @model_validator(mode="after")
    def _rising(self) -> Normalisation:
        if self.window[0] >= self.window[1]:
            raise ValueError(f"window: {self.window} must rise")
        return self


class Slices(Section):
    """The slices that a network sees: the acquired planes on a centred grid of its own."""

    size: tuple[int, int]
    spacing_mm: float | None = None
    """In-plane pixel size; None keeps the acquired one and only crops or pads."""
    smallest_mask_px: Annotated[int, Field(ge=0)] = 0
    """A slice counts as one with the structure where more pixels than these of the acquired matrix are in it."""
    normalisation: Normalisation


class Preparation(Section):
    bias_field: BiasField
    slices: Slices


class KFold(Section):
    """The folds of the training patients."""

    k: Annotated[int, Field(ge=2)]
    of: list[str] = []
    """Families whose models are tested on the fold that they leave out, to see how much depends on the
    patients: a strategy ("scratch"), or a strategy at a level ("transfer-L1")."""


class Replicates(Section):
    """Repetitions: so many draws of the subsets, each trained so many times from another initialisation."""

    draws: Annotated[int, Field(ge=1)] = 1
    trainings: Annotated[int, Field(ge=1)] = 1

    @property
    def count(self) -> int:
        return self.draws * self.trainings

    def draw(self, replicate: int) -> int:
        """The draw of the subsets that a replicate is trained on; replicates count from 0."""
        return replicate // self.trainings


class Splits(Section):
    seed: int
    validation: float | Literal["fold"]
    """Share of the training patients of every subset that choose the epoch and are not trained on; "fold":
    cross-validation, every stage is trained once for each fold and validated on that fold."""
    replicates: Replicates = Replicates()
    k_fold: KFold = KFold(k=5)

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
    def _is_a_share(cls, value: float | str) -> float | str:
        if value != "fold" and not 0 < value <= 0.5:
            raise ValueError(f"{value} is no share above 0 and up to 0.5, nor 'fold'")
        return value


class Device(Section):
    """How a network computes. A GPU is used where there is one; what is written here holds on either, so
    that it is never the machine that decides."""

    precision: Literal["float32", "tf32", "bfloat16"] = "float32"
    """tf32: float32 whose products are rounded, on GPUs that can; bfloat16: of activations, with weights in
    float32."""
    channels_last: bool = False
    """How PyTorch lays out images; TensorFlow has no other layout."""
    compile: bool = False
    """Training steps by torch.compile, which needs a C++ compiler, or by TensorFlow's XLA."""
    deterministic: bool = True
    """On a GPU, only kernels that repeat to the last bit; one without such a kernel is an error."""


class Initial(Section):
    """Where a chain's first training starts."""

    weights: Literal["random", "imagenet"] = "random"
    """imagenet: of the encoder; all else begins at random."""
    otherwise: Literal["random", "stop"] = "stop"
    """What is done where they are not at hand."""


SELECTED = "selected"
"""The architecture that the study's `selection` chooses."""


class Network(Section):
    architecture: str
    """Its name, or "selected"."""
    engine: Literal["keras", "torch"]
    settings: dict[str, float | int | str | bool | list[int]] = {}
    """Those that the architecture declares."""
    device: Device = Device()
    initial: Initial = Initial()
    per_structure: bool = False
    """A network for each structure, instead of one for all."""

    def cell(self, architecture: str, encoder: str) -> Network:
        """This network with an architecture and encoder of the selection."""
        settings = {**self.settings, "encoder": encoder}
        return self.model_copy(update={"architecture": architecture, "settings": settings})


class Drawn(Section):
    """A scale, a rotation and a place, drawn for each slice of each batch; then one is cut out of the
    scaled, rotated slice at that place, as large as before."""

    scales: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=1)] = [1.0]
    """Factors of which one is drawn; the place is drawn where one is not 1."""
    rotation_deg: Annotated[float, Field(ge=0)] = 0.0
    """Largest angle, to either side."""
    versions: Annotated[int, Field(ge=1)] | None = None
    """So many of each slice are drawn once, and an epoch holds them all: a finite set, whose frozen
    activations can be kept. None draws anew for each batch."""


class Augmentation(Section):
    """A fixed set of versions of each slice (the original, its rotations, its mirror image), or `drawn`."""

    rotations_deg: list[float] = []
    flip: bool = False
    drawn: Drawn | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Augmentation:
        if self.drawn and (self.rotations_deg or self.flip):
            raise ValueError("drawn: stands instead of rotations_deg and flip, not beside them")
        return self


class Recipe(Section):
    loss: Literal["dice_bce", "bce", "dice"]
    optimiser: Literal["adam", "sgd"]
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Of sgd, in Caffe's and Keras' form: the velocity holds the learning rate."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """L2 penalty: this times each trained weight is added to its gradient."""
    learning_rate: Annotated[float, Field(gt=0)]
    schedule: Literal["constant", "cosine", "poly"] = "constant"
    """Of the learning rate; cosine: from its value to 0 over the stage (Loshchilov & Hutter 2017);
    poly: its value times (1 - step / steps) ** power (Caffe)."""
    power: Annotated[float, Field(gt=0)] = 0.9
    """Of the schedule poly."""
    batch: Annotated[int, Field(ge=1)]
    epochs: Annotated[float, Field(gt=0)]
    steps: tuple[int, int] | None = None
    """Fewest and most steps, whatever `epochs` gives; None for no bounds."""
    validations: Annotated[int, Field(ge=1)]
    """How many times, evenly spaced, the validation DSC is taken; the best weights are kept."""
    validate_on: Literal["volumes", "structure_slices"] = "volumes"
    """Whether it is of whole volumes, or only of their slices with the structure."""
    augmentation: Augmentation
    background_slices: Annotated[float, Field(ge=0)]
    """Slices without the structure in each epoch, per slice with it."""
    activations: Literal["float32", "float16"] = "float32"
    """What a frozen part's output is rounded to, whether or not it is kept (see
    `crossover.training.activations`): float16 takes half the room."""
    seed: int

    @model_validator(mode="after")
    def _fitting(self) -> Recipe:
        if self.steps and not 1 <= self.steps[0] <= self.steps[1]:
            raise ValueError(f"steps: {list(self.steps)} must be a fewest of 1 or more and a most")
        if self.momentum and self.optimiser != "sgd":
            raise ValueError(f"momentum: {self.optimiser} has its own; it is a setting of sgd")
        return self


class Training(Section):
    """All that a stage follows from, beside its data, its parent and its code."""

    network: Network
    recipe: Recipe
    validation: Fraction | Literal["fold"]
    size: tuple[int, int]
    standardise: bool
    """By the training slices' mean and SD (see `Normalisation`)."""
    channels: list[str]


class Prediction(Section):
    """All that masks follow from, beside the weights, the cases and the code."""

    network: Network
    slices: Slices
    channels: list[str]
    structures: list[str]
    threshold: Fraction


class Step(Section):
    """One training of a chain: patients by cohort ("all", or "n" of the study's sizes)."""

    train: dict[Name, Literal["all", "n"]]
    levels: list[str] = []
    """Fine-tune levels; empty trains the whole network."""
    initial: Literal["random", "imagenet"] | None = None
    """Of a chain's first step: other initial weights than the network's."""


class Strategy(Section):
    """A way to get a model: a chain of trainings, each started from the one before."""

    label: str
    chain: Annotated[list[Step], Field(min_length=1)]
    structures: list[str] = []
    """Only these, where each structure has a network of its own; all by default."""

    @property
    def levels(self) -> list[str]:
        return [level for step in self.chain for level in step.levels]

    @property
    def sized(self) -> bool:
        return any(n == "n" for step in self.chain for n in step.train.values())


class Selection(Section):
    """The choice of the network by cross-validation: every architecture with every encoder, each trained on
    every fold; the highest mean validation DSC is the network of all strategies."""

    train: dict[Name, Literal["all"]]
    architectures: Annotated[list[str], Field(min_length=1)]
    encoders: Annotated[list[str], Field(min_length=1)]

    @property
    def cells(self) -> list[tuple[str, str]]:
        return [(a, e) for e in self.encoders for a in self.architectures]


class Evaluation(Section):
    threshold: Fraction
    nsd_tolerance_mm: Annotated[float, Field(gt=0)]


class Radiomics(Section):
    """First-order features of one channel inside the structure, by pyradiomics."""

    channel: str
    bin_width: float
    features: list[str]
    icc: Literal["ICC(1,1)", "ICC(A,1)", "ICC(C,1)"]


class Statistics(Section):
    metric: Literal["dsc", "dsc_structure_slices"]
    comparison: Literal["independent", "paired", "chains"] = "independent"
    """independent: analysis of variance and Tukey's test; paired: signed-rank tests on the same cases;
    chains: each chain against its target's baseline, on the target's cases."""
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    alpha: Annotated[float, Field(gt=0, lt=0.5)]


class Overlays(Section):
    """Contours drawn on one channel of one case."""

    channel: str
    window: tuple[float, float] | None = None
    """Values of the channel shown as black and white; None for its percentiles 1 and 99.5."""
    strategies: list[str]
    sizes: list[int]
    structures: list[str] = []
    """In the order of the rows; empty for all, or the first four by name where there are more."""


class Figures(Section):
    colours: dict[str, str] = {}
    """Strategy, or strategy-level, to colour: the same in every figure."""
    order: list[str] = []
    """Strategies as figures and tables show them, others after them. A list, since the order of keys
    means nothing."""
    overlays: Overlays | None = None


class Execution(Section):
    """How the work is laid out on a machine; changes no result."""

    stages_per_job: Annotated[int, Field(ge=1)] = 1
    threads: Annotated[int, Field(ge=1)] = 1
    per_gpu: Literal[1, 2, 3, 4, 6, 12] = 1
    """Jobs that share a GPU, where there is one."""


class Assumption(Section):
    """A choice that the paper leaves open, or a deviation from it, with its reason."""

    about: str
    choice: str
    reason: str


class Study(Section):
    """One paper's question at one scale."""

    study: Name
    scale: str
    title: str
    question: str
    paper: Paper | None = None
    data: str
    """What the cohorts are, in one sentence that the report prints."""
    cohorts: dict[Name, Cohort]
    channels: list[Name]
    series: dict[Name, SeriesRule] = {}
    """Which DICOM series is which channel, for cohorts that come as DICOM."""
    structures: dict[Name, Structure]
    preparation: Preparation
    splits: Splits
    network: Network
    recipe: Recipe
    selection: Selection | None = None
    sizes: list[int] = []
    """Numbers of the target's patients; none where every strategy takes all."""
    strategies: dict[Name, Strategy]
    evaluation: Evaluation
    radiomics: Radiomics | None = None
    statistics: Statistics
    figures: Figures
    execution: Execution = Execution()
    published: str | None = None
    assumptions: list[Assumption]

    @property
    def target(self) -> str:
        """The cohort that the sizes count; the first of several."""
        return next(c for c, cohort in self.cohorts.items() if cohort.role == "target")

    @property
    def folded(self) -> bool:
        """Whether every stage is trained once for each fold."""
        return self.splits.validation == "fold"

    @property
    def overlaid(self) -> list[str]:
        """The structures that the overlays show."""
        named = self.figures.overlays.structures if self.figures.overlays else []
        return named or sorted(self.structures)[:MOST_OVERLAID]

    @property
    def architectures(self) -> list[str]:
        """Those that some network of the study has."""
        return self.selection.architectures if self.selection else [self.network.architecture]

    @property
    def initials(self) -> set[str]:
        """The kinds of weights that some chain begins with."""
        first = {
            s.chain[0].initial or self.network.initial.weights for s in self.strategies.values()
        }
        return first | ({self.network.initial.weights} if self.selection else set())

    @classmethod
    def of(cls, values: dict) -> Study:
        """A study of which only some sections, or parts of sections, are known.

        Reading what isn't known is an AttributeError, unless it has a default, which then stands for it.

        What draws and reports gets such a study, so that a rule depends on what it reads.
        """
        typed = {
            name: _known(cls.model_fields[name].annotation, value) for name, value in values.items()
        }
        if "cohorts" in typed:
            rank = {"source": 0, "target": 1}
            typed["cohorts"] = dict(sorted(typed["cohorts"].items(), key=lambda c: rank[c[1].role]))
        if "figures" in typed:
            named = dict.fromkeys([*typed["figures"].order, *sorted(typed["strategies"])])
            typed["strategies"] = {name: typed["strategies"][name] for name in named}
        return cls.model_construct(**typed)

    @model_validator(mode="after")
    def _consistent(self) -> Study:
        from crossover.design import findings

        found = list(dict.fromkeys(findings(self)))  # cells may share one
        if found:
            raise ValueError("; ".join(found))
        return self


def _known(annotation: Any, value: Any) -> Any:
    """A value of a type, or as much as is given of a section."""
    of = get_args(annotation)[1:] if get_origin(annotation) is dict else ()
    if of and _is_section(of[0]):
        return {name: _known(of[0], each) for name, each in value.items()}
    fields = annotation.model_fields if _is_section(annotation) else {}
    if all(name in value for name, field in fields.items() if field.is_required()):
        return TypeAdapter(annotation).validate_python(value)
    typed = {name: _known(fields[name].annotation, each) for name, each in value.items()}
    section = annotation.model_construct(**typed)
    for name in set(fields) - set(typed):  # no default may stand for what isn't known
        section.__dict__.pop(name, None)
    return section


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Section)

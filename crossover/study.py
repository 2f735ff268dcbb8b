"""The vocabulary, typed: a study file (`config/studies/<study>.yaml`) at one scale.

A study is data. Everything that the workflow does for it follows from this file, through
`crossover.plan`; a further study is a further file. `scales:` holds, for each scale, what differs
from the published design written above it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from crossover import networks
from crossover.sources.settings import SeriesRule, Source, Structure

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
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


class BiasField(Section):
    """N4 (Tustison et al. 2010), estimated on one channel and divided out of the named channels."""

    method: Literal["n4", "none"]
    estimate_on: str = ""
    apply_to: list[str] = []
    shrink: Annotated[int, Field(ge=1)] = 4
    iterations: list[int] = [50, 50, 50, 50]


class Normalisation(Section):
    """zscore: mean 0 and SD 1 over the case or slice; window: [low, high] to [0, 1], clipped."""

    method: Literal["zscore", "window"]
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
    normalisation: Normalisation


class Preparation(Section):
    bias_field: BiasField
    slices: Slices


class KFold(Section):
    """k-fold cross-validation of a strategy's models on all training patients of its cohort."""

    k: Annotated[int, Field(ge=2)]
    of: list[str] = []
    """Families: a strategy ("scratch"), or a strategy at a level ("transfer-L1")."""


class Splits(Section):
    seed: int
    validation: Annotated[float, Field(gt=0, le=0.5)]
    """Share of the training patients of every subset that choose the epoch and are not trained on."""
    replicates: Annotated[int, Field(ge=1)] = 1
    """Repetitions with another draw of the subsets and another initialisation."""
    k_fold: KFold = KFold(k=5)


class Device(Section):
    """How a network computes (PyTorch only). A GPU is used where there is one; what is written here holds
    on either, so that it is never the machine that decides."""

    precision: Literal["float32", "tf32", "bfloat16"] = "float32"
    """tf32: float32 whose products are rounded, on GPUs that can; bfloat16: autocast, weights in float32."""
    channels_last: bool = False
    compile: bool = False
    """Training steps by torch.compile; needs a C++ compiler."""
    deterministic: bool = True
    """On a GPU, only kernels that repeat to the last bit; one without such a kernel is an error."""


class Network(Section):
    architecture: str
    engine: Literal["keras", "torch"]
    settings: dict[str, float | int | str | bool | list[int]] = {}
    """Those that the architecture declares."""
    device: Device = Device()
    per_structure: bool = False
    """A network for each structure, instead of one for all."""


class Drawn(Section):
    """A scale, a rotation and a place, drawn anew for each slice of each batch; then one is cut out of the
    scaled, rotated slice at that place, as large as before."""

    scales: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=1)] = [1.0]
    """Factors of which one is drawn; the place is drawn where one is not 1."""
    rotation_deg: Annotated[float, Field(ge=0)] = 0.0
    """Largest angle, to either side."""


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
    augmentation: Augmentation
    background_slices: Annotated[float, Field(ge=0)]
    """Slices without the structure in each epoch, per slice with it."""
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
    validation: Fraction
    size: tuple[int, int]
    channels: list[str]
    structures: list[str]


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
    comparison: Literal["independent", "paired"] = "independent"
    """independent: analysis of variance and Tukey's test; paired: signed-rank tests on the same cases."""
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
    sizes: list[int]
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
        """The cohort that the sizes count."""
        return next(c for c, cohort in self.cohorts.items() if cohort.role == "target")

    @property
    def overlaid(self) -> list[str]:
        """The structures that the overlays show."""
        named = self.figures.overlays.structures if self.figures.overlays else []
        return named or sorted(self.structures)[:MOST_OVERLAID]

    @classmethod
    def of(cls, values: dict) -> Study:
        """A study of which only some sections are known; reading another one is an AttributeError.

        What draws and reports gets such a study, so that a rule depends on what it reads.
        """
        typed = {
            name: TypeAdapter(cls.model_fields[name].annotation).validate_python(value)
            for name, value in values.items()
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
        findings = list(self._findings())
        if findings:
            raise ValueError("; ".join(findings))
        return self

    def _findings(self) -> Iterator[str]:
        yield from self._about_design()
        yield from self._about_channels()
        yield from self._about_network()
        yield from self._about_figures()

    def _about_design(self) -> Iterator[str]:
        roles = [cohort.role for cohort in self.cohorts.values()]
        if roles.count("target") != 1:
            yield "cohorts: exactly one must have role: target"
        for name, cohort in self.cohorts.items():
            if cohort.role == "target" and not cohort.test:
                yield f"cohorts.{name}.test: the target needs patients to test on"
        if not self.sizes or sorted(set(self.sizes)) != self.sizes or self.sizes[0] < 2:
            yield f"sizes: {self.sizes} must increase from 2 or more (one to train on, one to validate)"
        for name, strategy in self.strategies.items():
            for step in strategy.chain:
                for cohort in set(step.train) - set(self.cohorts):
                    yield f"strategies.{name}: no cohort {cohort!r}; there are {', '.join(self.cohorts)}"
            targets = {c for c, cohort in self.cohorts.items() if cohort.role == "target"}
            if not strategy.sized and any(targets & set(step.train) for step in strategy.chain):
                yield f"strategies.{name}: a model that trains on the target has sizes: ask for n"
            for structure in set(strategy.structures) - set(self.structures):
                there = ", ".join(self.structures)
                yield f"strategies.{name}: no structure {structure!r}; there are {there}"
            if strategy.structures and not self.network.per_structure:
                yield f"strategies.{name}: structures need network.per_structure: true"
        yield from self._unknown_families("splits.k_fold.of", self.splits.k_fold.of)

    def _about_channels(self) -> Iterator[str]:
        bias = self.preparation.bias_field
        used = {*bias.apply_to, *self.series}
        used |= {bias.estimate_on} if bias.method == "n4" else set()
        used |= {self.radiomics.channel} if self.radiomics else set()
        used |= {self.figures.overlays.channel} if self.figures.overlays else set()
        for channel in sorted(used - set(self.channels)):
            yield f"no channel {channel!r}; there are {', '.join(self.channels)}"

    def _about_network(self) -> Iterator[str]:
        name = self.network.architecture
        if name not in networks.architectures():
            yield f"network.architecture: no {name!r}; there are {', '.join(networks.architectures())}"
            return
        for wrong in networks.wrong_settings(name, self.network.settings):
            yield f"network.settings.{wrong}"
        for wrong in networks.wrong_size(name, self.preparation.slices.size):
            yield f"preparation.slices.size: {wrong}"
        engines = networks.declared(name).engines
        if self.network.engine not in engines:
            yield f"network.engine: {name} is built for {', '.join(engines)}, not {self.network.engine}"
        if self.network.engine != "torch" and self.network.device != Device():
            yield f"network.device: settings of the engine torch, not of {self.network.engine}"
        known = networks.declared(name).levels
        for strategy, level in ((n, v) for n, s in self.strategies.items() for v in s.levels):
            if level not in known:
                yield f"strategies.{strategy}: no level {level!r}; {name} has {', '.join(known)}"

    def _about_figures(self) -> Iterator[str]:
        yield from self._unknown_families("figures.colours", self.figures.colours)
        for name in sorted(set(self.figures.order) - set(self.strategies)):
            yield f"figures.order: no strategy {name!r}; there are {', '.join(self.strategies)}"
        if overlays := self.figures.overlays:
            yield from self._unknown_families("figures.overlays.strategies", overlays.strategies)
            for size in set(overlays.sizes) - set(self.sizes):
                yield f"figures.overlays.sizes: no size {size}; there are {self.sizes}"
            yield from self._about_overlaid(overlays)

    def _about_overlaid(self, overlays: Overlays) -> Iterator[str]:
        place = "figures.overlays.structures"
        if len(set(overlays.structures)) < len(overlays.structures):
            yield f"{place}: {overlays.structures} names one twice"
        if len(self.overlaid) * len(overlays.sizes) > MOST_ROWS:
            rows = f"{len(self.overlaid)} structures at {len(overlays.sizes)} sizes"
            yield f"figures.overlays: {rows} are more than the {MOST_ROWS} rows of a page; name fewer"
        there = ", ".join(self.structures)
        for structure in sorted(set(overlays.structures) - set(self.structures)):
            yield f"{place}: no structure {structure!r}; there are {there}"
        for name, strategy in self.strategies.items():
            drawn = {name, *(f"{name}-{level}" for level in strategy.levels)}
            missing = set(self.overlaid) & set(self.structures) - set(
                strategy.structures or self.structures
            )
            if drawn & set(overlays.strategies) and missing:
                yield f"{place}: {name} has no network for {', '.join(sorted(missing))}"

    def _unknown_families(self, place: str, families: Iterable[str]) -> Iterator[str]:
        known = set(self.strategies)
        known |= {f"{n}-{level}" for n, s in self.strategies.items() for level in s.levels}
        for family in sorted(set(families) - known):
            yield f"{place}: no {family!r}; there are {', '.join(sorted(known))}"

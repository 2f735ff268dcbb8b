"""The vocabulary, typed: a study file (`config/studies/<study>.yaml`) at one scale.

A study is data. Everything that the workflow does for it follows from this file, through
`crossover.study.plan`; a further study is a further file. `scales:` holds, for each scale, what differs
from the published design written above it.
"""

from __future__ import annotations

from typing import Any, get_args, get_origin

from pydantic import TypeAdapter, model_validator

from crossover.core.configuration import ConfigSection
from crossover.imaging.settings import Preparation
from crossover.sources.settings import BlankEnds, OtherGrids, SeriesRule, Structure
from crossover.study.consistency import findings
from crossover.study.sections import (
    MOST_OVERLAID,
    Assumption,
    Attribute,
    Cohort,
    Evaluation,
    Execution,
    Figures,
    Name,
    Network,
    Overlays,
    Paper,
    Radiomics,
    Recipe,
    Selection,
    Splits,
    Statistics,
    Strategy,
)


class Study(ConfigSection):
    """One paper's question at one scale."""

    study: Name
    """The name of the study, which is also the name of its file and of its results folder."""
    scale: str
    """The scale at which it is read: smoke, demo or paper. The run names it; it is no key of the file."""
    title: str
    """The title of the study in the report."""
    question: str
    """The question that the study asks, in one sentence; the report prints it."""
    paper: Paper | None = None
    """The publication that the study reruns, if any."""
    data: str
    """A description of the cohorts, in one sentence; the report prints it."""
    attributes: list[Attribute] = []
    """The properties in which cohorts differ and by which they may be compared, in the order in which they are printed.
    """
    cohorts: dict[Name, Cohort]
    """The cohorts, by name: the origin of their cases, and which cohort is the target."""
    channels: list[Name]
    """The channels that are the input of the network, in order."""
    series: dict[Name, SeriesRule] = {}
    """The rules by which DICOM series become channels, for cohorts that come as DICOM."""
    other_grids: OtherGrids = "refuse"
    """How a channel that is not on the grid of the first channel is treated: refuse excludes the case, the other values
    resample the channel with this interpolation."""
    blank_ends: BlankEnds = "keep"
    """How slices at the ends of a volume are treated that show less than a tenth of its largest section, the rest being
    blank: keep leaves them, cut cuts them off."""
    structures: dict[Name, Structure]
    """The structures that are segmented, by name."""
    preparation: Preparation
    """The conversion of cases to the slices that are the input of the network."""
    splits: Splits
    """The division of the patients into those who are trained on, validated on and tested on."""
    network: Network
    """The network, its engine or backend, and its settings."""
    other_networks: dict[Name, Network] = {}
    """Further networks, for the strategies that name them: another architecture, or another backend."""
    recipe: Recipe
    """The settings with which the network is trained."""
    selection: Selection | None = None
    """The networks from which one is chosen by cross-validation, if the study does so."""
    sizes: list[int] = []
    """The numbers of the target's patients that are trained on; empty if every strategy takes all patients."""
    strategies: dict[Name, Strategy]
    """The strategies that are compared, by name."""
    evaluation: Evaluation
    """The conversion of predictions to masks, and the scoring of the masks."""
    radiomics: Radiomics | None = None
    """The radiomics features that are computed inside the structure, if any."""
    statistics: Statistics
    """The settings with which models are compared."""
    figures: Figures
    """The settings of the figures."""
    execution: Execution = Execution()
    """The distribution of the work on a machine; it does not change results."""
    published: str | None = None
    """The name of the file in config/published/ with the paper's printed numbers, without its suffix."""
    assumptions: list[Assumption] = []
    """The choices that the paper leaves open and the deviations from it; the report prints them."""

    @property
    def target(self) -> str:
        """The cohort that the sizes count; the first of several."""
        return next(c for c, cohort in self.cohorts.items() if cohort.role == "target")

    def of_cohorts(self, attribute: str) -> dict[str, float | str]:
        """Return cohort -> its value of an attribute, for the cohorts that have one."""
        return {
            name: cohort.attributes[attribute]
            for name, cohort in self.cohorts.items()
            if attribute in cohort.attributes
        }

    @property
    def folded(self) -> bool:
        """Whether every stage is trained once for each fold."""
        return self.splits.validation == "fold"

    @property
    def chained(self) -> bool:
        """Whether chains of trainings are compared.

        They are where every strategy takes all patients (the study has no sizes), or is trained once for each fold.
        """
        return not self.sizes or self.folded

    @property
    def overlays(self) -> Overlays:
        """What the figure of overlays shows.

        Raises:
            ValueError: the study has no such figure.
        """
        if self.figures.overlays is None:
            raise ValueError(f"{self.study}: figures.overlays is not given")
        return self.figures.overlays

    @property
    def selected_on(self) -> list[str]:
        """The cohorts on which the network is selected; none without a selection."""
        return list(self.selection.train) if self.selection else []

    @property
    def overlaid(self) -> list[str]:
        """The structures that the overlays show."""
        named = self.figures.overlays.structures if self.figures.overlays else []
        order = dict.fromkeys([*self.figures.structures, *sorted(self.structures)])
        return named or list(order)[:MOST_OVERLAID]

    @property
    def cells(self) -> list[tuple[str, str]]:
        """Architecture and encoder of each network among which one is selected; none without a selection."""
        return self.selection.cells if self.selection else []

    @property
    def networks(self) -> list[tuple[str, str]]:
        """Architecture and encoder, "" for none, of each network that is trained."""
        named = dict.fromkeys([None, *(strategy.network for strategy in self.strategies.values())])
        return list(dict.fromkeys(cell for name in named for cell in self.cells_of(None, name)))

    def cells_of(self, cell: tuple[str, str] | None, network: str | None) -> list[tuple[str, str]]:
        """Return architecture and encoder, "" for none, of a stage: its cell, or those that its network may have."""
        if cell:
            return [cell]
        own = self.network_of(network)
        known = (own.architecture, str(own.settings.get("encoder", "")))
        return self.cells if network is None and self.cells else [known]

    def network_of(self, name: str | None) -> Network:
        """Return one of the other networks by its name; the study's own for None."""
        return self.network if name is None else self.other_networks[name]

    @property
    def encoders(self) -> list[str]:
        """The encoders of all its networks, which have one each."""
        if self.selection:
            return self.selection.encoders
        return [str(self.network.settings["encoder"])]

    @property
    def architectures(self) -> list[str]:
        """The architectures of the study's networks, each once."""
        return self.selection.architectures if self.selection else [self.network.architecture]

    @property
    def initials(self) -> set[str]:
        """The kinds of weights that some chain begins with."""
        named = {None, *(strategy.network for strategy in self.strategies.values())}
        return {kind for name in named for kind in self.initials_of(name)}

    def initials_of(self, network: str | None) -> set[str]:
        """Return the kinds of weights that some chain of a network begins with; see `network_of`."""
        kind = self.network_of(network).initial.weights
        first = {s.chain[0].initial or kind for s in self.strategies.values() if s.network == network}
        return first | ({kind} if self.selection and network is None else set())

    @classmethod
    def of(cls, values: dict) -> Study:
        """Return a study of which only some sections, or parts of sections, are known.

        What draws and reports gets such a study, so that a rule depends on what it reads. A part that isn't
        known has its default, if there is one.

        Raises:
            AttributeError: when a part is read that isn't known and has no default.
        """
        typed = {name: _known(cls.model_fields[name].annotation, value) for name, value in values.items()}
        if "cohorts" in typed:
            rank = {"source": 0, "target": 1}
            typed["cohorts"] = dict(sorted(typed["cohorts"].items(), key=lambda c: rank[c[1].role]))
        if "figures" in typed:
            for part, first in (("strategies", "order"), ("structures", "structures")):
                known, order = typed[part], getattr(typed["figures"], first)
                typed[part] = {name: known[name] for name in dict.fromkeys([*order, *sorted(known)])}
        return cls.model_construct(**typed)

    @model_validator(mode="after")
    def _consistent(self) -> Study:
        found = list(dict.fromkeys(findings(self)))  # cells may share one
        if found:
            raise ValueError("; ".join(found))
        return self


def _known(annotation: Any, value: Any) -> Any:
    """Return a value of a type, or as much as is given of a section."""
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
    return isinstance(annotation, type) and issubclass(annotation, ConfigSection)

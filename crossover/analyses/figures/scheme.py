"""Every chain of trainings, from the initial weights to the last target (Touijer, Fig. 2).

Drawn from the study's own plan: a box for each training, in the colours of the cohorts that it is on; a
beginning that several chains share is one box. Numbers of trainings, and of patients (from the split).
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, PathPatch, Rectangle
from matplotlib.path import Path

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.analyses.figures import style
from crossover.analyses.predicates import chained
from crossover.core.wording import counted
from crossover.study.chains import chains
from crossover.study.plan import Plan, plan
from crossover.study.schema import Study

ANALYSIS = Analysis(
    title="Chains of trainings",
    reads=("splits.csv", "statistics/validation.csv"),
    settings=("design", "labels"),
    applies=(chained,),
    order=2,
)

ROW_MM, GAP_MM, LINE_MM, AROUND_MM = 2.2, 7.0, 3.3, 2.2
"""The room between rows and between columns, the height of a line of text, and the room above and below the lines
of a box."""
EDGE_MM, FIRST_MM, BOLD_MM, LETTER_MM = 2.0, 21.0, 1.58, 1.36
"""The edge of the page, the width of the initial weights, and the width of a bold and of a plain letter, about."""
TINT = 0.62  # share of white in a box's colour
NAMED_LEVELS = 3  # more are counted


@dataclass
class Node:
    """A training as the figure shows it: all folds, sizes, replicates and structures of it are one.

    Attributes:
        key: the cohorts, each with "n" where it is a subset of some size.
        trainings: how many stages.
        levels: fine-tune levels, "" for the whole network.
        ends: some model ends here.
        row: middle, in rows of leaves.
    """

    key: tuple[tuple[str, str], ...]
    trainings: int = 0
    levels: dict[str, None] = field(default_factory=dict)
    ends: bool = False
    children: dict[tuple, Node] = field(default_factory=dict)
    row: float = 0.0

    def leaves(self) -> int:
        """Return the number of ends below this training, at least 1."""
        return sum(child.leaves() for child in self.children.values()) or 1

    def depth(self) -> int:
        """Return the number of trainings on the longest way from this one to an end, itself included."""
        return 1 + max((child.depth() for child in self.children.values()), default=0)


def make(given: Inputs, study: Study) -> Figure:
    """Return the figure that `draw` makes of the tables and images given."""
    return draw(given.table("splits.csv"), study, given.table("statistics/validation.csv"))


def caption(frames: Frames, study: Study) -> str:
    """Return the text below the figure, with the numbers of a run."""
    shown = plan(study)
    stages = sum(not stage.cell for stage in shown.stages.values())
    several = f" {study.splits.k_fold.k} folds" if study.folded else "all of its kind"
    text = (
        f"A box is a training on a cohort's training patients, in the cohort's colour; it begins with the weights at "
        f"its left. A beginning that chains share is trained once. ×: the number of trainings that the box represents "
        f"({several.strip()}); {stages} in all"
    )
    if shown.selection:
        text += ", in addition to those that choose the network"
    return f"{text}. Every model is tested on the test patients of every cohort."


@style.styled
def draw(splits: pd.DataFrame, study: Study, validation: pd.DataFrame | None = None) -> Figure:
    """Draw the cohorts on top, then the selection where there is one, then the tree of trainings.

    Args:
        splits: one row for each replicate, patient and case.
        validation: of `scores.cross_validation.validation`, for the weights that the chains really began
            with; without it those that were asked for.
    """
    roots = tree(plan(study), list(study.cohorts))
    nodes = [found for root in roots.values() for found in nodes_by_depth(root)]
    columns = _columns(max(depth for _, depth in nodes))
    lines = max(len(_lines(node, study, columns[d][1])) for node, d in nodes if d)
    step = _height(lines) + ROW_MM
    cohorts = [_about(name, splits, study) for name in study.cohorts]
    selection = _selection(study)
    tops = [EDGE_MM]
    for count in (max(map(len, cohorts)), len(selection)):
        tops.append(tops[-1] + (_height(count) + 3.5 if count else 0))
    top = tops[-1] + 6.0
    height = top + sum(root.leaves() for root in roots.values()) * step
    figure = style.new_figure(height)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, style.PAGE_MM), ylim=(height, 0))
    axes.axis("off")
    _cohorts(axes, cohorts, study, tops[0])
    if selection:
        _selected(axes, selection, study, tops[1])
    _heads(axes, columns, top - 2.4)
    for initial, root in roots.items():
        _tree(axes, root, initial_weights_label(initial, study, validation), study, columns, top, step)
    return figure


def tree(study_plan: Plan, cohorts: list[str]) -> dict[str, Node]:
    """Return initial weights -> the trainings that start from them; the selection's trainings are left out.

    Args:
        cohorts: in the order in which those of one training are named.
    """
    roots: dict[str, Node] = {}
    places: dict[str, Node] = {}
    ended = {model.stage for model in study_plan.models.values()}
    for stage in study_plan.stages.values():
        if stage.cell:
            continue
        if stage.parent:
            parent = places[stage.parent]
        else:
            parent = roots.setdefault(stage.initial or "random", Node(()))
        key = tuple(
            (c, "" if n is None else "n") for c, n in sorted(stage.train, key=lambda part: cohorts.index(part[0]))
        )
        node = parent.children.setdefault(key, Node(key))
        node.trainings += 1
        node.levels[stage.level or ""] = None
        node.ends |= stage.name in ended
        places[stage.name] = node
    roots = dict(sorted(roots.items(), key=lambda root: -root[1].leaves()))  # most chains first
    placed = 0
    for root in roots.values():
        _place(root, placed)
        placed += root.leaves()
    return roots


def initial_weights_label(asked: str, study: Study, validation: pd.DataFrame | None) -> str:
    r"""Return what the chains that ask for a kind of weights began with: "ImageNet", "Random\nfor ImageNet".

    Args:
        asked: the kind of weights that the study's file asks for.
        validation: see `draw`.
    """
    families = [chain.family for chain in chains(study) if chain.initial == asked]
    found = (
        set() if validation is None else set(validation.loc[validation["family"].isin(families), "initial"].dropna())
    )
    others = ", ".join(style.weights_label(kind) for kind in sorted(found - {asked}))
    name = style.weights_label(asked)
    text = f"{others}\nfor {name}" if others else name
    return text[:1].upper() + text[1:]


def nodes_by_depth(root: Node, depth: int = 0) -> Iterator[tuple[Node, int]]:
    """Yield every node with its distance from the root, each before the nodes below it."""
    yield root, depth
    for child in root.children.values():
        yield from nodes_by_depth(child, depth + 1)


def levels_text(node: Node) -> str:
    """Return words for a training's levels: "from L1, L2", "from 8 levels"; "" where the whole network is trained."""
    named = [level for level in node.levels if level]
    if not named:
        return ""
    return f"from {', '.join(named) if len(named) <= NAMED_LEVELS else f'{len(named)} levels'}"


def _place(node: Node, first: int) -> None:
    """Set the rows of a node and of all below it: a leaf has its own, a node the middle of its children's."""
    node.row = first
    for child in node.children.values():
        _place(child, first)
        first += child.leaves()
    if node.children:
        rows = [child.row for child in node.children.values()]
        node.row = (rows[0] + rows[-1]) / 2


def _about(name: str, splits: pd.DataFrame, study: Study) -> list[str]:
    """Return the lines about a cohort: its label, patients and attributes."""
    cohort = study.cohorts[name]
    own = splits[splits["cohort"] == name].drop_duplicates("patient")
    parts = own["part"].value_counts()
    acquired = [
        text if attribute.unit else f"{attribute.label[:1].lower()}{attribute.label[1:]}: {text}"
        for attribute in study.attributes
        if (text := attribute.text(cohort.attributes.get(attribute.name)))
    ]
    patients = f"{len(own)} patients: {parts.get('train', 0)} train, {parts.get('test', 0)} test"
    label = _fitted(cohort.label, _cohort_width(study) - 4, BOLD_MM)
    letters = int((_cohort_width(study) - 4) / LETTER_MM)
    return [label, *textwrap.wrap(patients, letters), *textwrap.wrap(", ".join(acquired), letters)]


def _cohort_width(study: Study) -> float:
    return (style.PAGE_MM - 2 * EDGE_MM + 3) / len(study.cohorts) - 3


def _cohorts(axes: Axes, about: list[list[str]], study: Study, y: float) -> None:
    width, height = _cohort_width(study), _height(max(map(len, about)))
    for i, (name, lines) in enumerate(zip(study.cohorts, about, strict=True)):
        x = EDGE_MM + i * (width + 3)
        _box(axes, x, y, width, height, [style.cohort_colour(study, name)])
        _text(axes, x, y + height / 2, lines)


def _selection(study: Study) -> list[str]:
    """Return the lines about the choice of the network; none where it is not chosen."""
    if not study.selection:
        return []
    chosen, k = study.selection, study.splits.k_fold.k
    where = " + ".join(study.cohorts[c].label for c in chosen.train)
    text = (
        f"{counted(len(chosen.architectures), 'architecture')} "
        f"× {counted(len(chosen.encoders), 'encoder')} × {k} folds on "
        f"{where}: {len(chosen.cells) * k} trainings. The best mean validation DSC is every chain's "
        "network."
    )
    letters = int((style.PAGE_MM - 2 * EDGE_MM - 4) / LETTER_MM)
    return ["Choice of the network", *textwrap.wrap(text, letters)]


def _selected(axes: Axes, lines: list[str], study: Study, y: float) -> None:
    colours = [style.cohort_colour(study, cohort) for cohort in study.selected_on]
    _box(axes, EDGE_MM, y, style.PAGE_MM - 2 * EDGE_MM, _height(len(lines)), colours)
    _text(axes, EDGE_MM, y + _height(len(lines)) / 2, lines)


def _columns(depth: int) -> list[tuple[float, float]]:
    """Return (left, width) of the initial weights' column and of each training's, in mm."""
    room = style.PAGE_MM - 2 * EDGE_MM - FIRST_MM - depth * GAP_MM
    width = min(room / depth, 52.0)
    step = width + GAP_MM
    start = EDGE_MM + FIRST_MM + GAP_MM
    return [(EDGE_MM, FIRST_MM), *((start + i * step, width) for i in range(depth))]


def _heads(axes: Axes, columns: list[tuple[float, float]], y: float) -> None:
    ordinals = ["First", "Second", "Third", "Fourth", "Fifth", "Sixth"]
    named = [f"{ordinals[i]} training" if i < len(ordinals) else f"Training {i + 1}" for i in range(len(columns) - 1)]
    for (x, _), text in zip(columns, ["Start", *named], strict=True):
        axes.text(x, y, text, va="center", weight="bold")


def _tree(
    axes: Axes, root: Node, began: str, study: Study, columns: list[tuple[float, float]],
    top: float, step: float,
) -> None:  # fmt: skip
    box = step - ROW_MM
    for node, depth in nodes_by_depth(root):
        x, width = columns[depth]
        y = top + box / 2 + node.row * step
        for child in node.children.values():
            _line(axes, (x + width, y), (columns[depth + 1][0], y + (child.row - node.row) * step))
        colours = [style.cohort_colour(study, cohort) for cohort, _ in node.key]
        _box(axes, x, y - box / 2, width, box, colours or ["#ffffff"], node.ends or not depth)
        if depth:
            lines = _lines(node, study, width)
            _text(axes, x, y, lines, bold=len(lines) - bool(levels_text(node)))
            first = y - LINE_MM * (len(lines) - 1) / 2
            axes.text(x + width - 1.4, first, _number(node), va="center", ha="right")
        else:
            axes.text(x + width / 2, y, began, ha="center", va="center", linespacing=1.1,
                      size=7.5 if "\n" not in began else 6.5)  # fmt: skip


def _lines(node: Node, study: Study, width: float) -> list[str]:
    """Return the cohorts, in two lines where one is too short for a label, and the levels below."""
    text = " + ".join(study.cohorts[c].label + (" (n)" if n else "") for c, n in node.key)
    letters = max(int((width - 5) / BOLD_MM) - len(_number(node)), 4)
    if len(text) > letters and len(node.key) > 1:
        text = f"{len(node.key)} cohorts together"
    lines = textwrap.wrap(text, letters, max_lines=2, placeholder="…")
    levels = levels_text(node)
    return [*lines, *([_fitted(levels, width - 3, LETTER_MM)] if levels else [])]


def _number(node: Node) -> str:
    return f"× {node.trainings}"


def _height(lines: int) -> float:
    """Return the height of a box with this number of lines, in mm."""
    return AROUND_MM + LINE_MM * lines


def _fitted(text: str, width: float, letter: float) -> str:
    letters = max(int(width / letter), 2)
    return text if len(text) <= letters else f"{text[: letters - 1].rstrip()}…"


def _text(axes: Axes, x: float, y: float, lines: list[str], bold: int = 1) -> None:
    """Write lines about a middle, the first ones in bold."""
    for i, line in enumerate(lines):
        middle = y + LINE_MM * (i - (len(lines) - 1) / 2)
        axes.text(x + 1.6, middle, line, va="center", weight="bold" if i < bold else "normal")


def _box(
    axes: Axes, x: float, y: float, width: float, height: float, colours: list[str],
    ends: bool = True,
) -> None:  # fmt: skip
    """Draw a box striped with the cohorts' colours, with a dashed edge where no model ends."""
    shape = FancyBboxPatch((x, y), width, height, boxstyle="round,pad=0,rounding_size=1",
                           facecolor="none", edgecolor=style.MUTED, linewidth=0.8,
                           linestyle="-" if ends else (0, (2, 1.5)), zorder=3)  # fmt: skip
    axes.add_patch(shape)
    part = width / len(colours)
    for i, colour in enumerate(colours):
        stripe = Rectangle((x + i * part, y), part, height, facecolor=_tinted(colour),
                           linewidth=0, zorder=2)  # fmt: skip
        axes.add_patch(stripe)
        stripe.set_clip_path(shape)


def _line(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    middle = (start[0] + end[0]) / 2
    curve = Path(
        [start, (middle, start[1]), (middle, end[1]), end],
        [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4],
    )
    axes.add_patch(PathPatch(curve, facecolor="none", edgecolor=style.MUTED, linewidth=0.8, zorder=1))


def _tinted(colour: str) -> tuple[float, ...]:
    return tuple(c + (1 - c) * TINT for c in to_rgb(colour))

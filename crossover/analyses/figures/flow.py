"""Flow of patients: cohorts, training and testing, nested subsets, strategies (Lin, Fig. 2).

Drawn: boxes with numbers of patients, counted from the split; per cent of the cohort's patients,
and of the target cohort's training patients for the subsets.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.text import Text

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.analyses.figures import captions, style
from crossover.analyses.predicates import sized
from crossover.core.wording import counted
from crossover.study.families import chain_text, families, tested, trained_part
from crossover.study.schema import Study

ANALYSIS = Analysis(
    title="Flow of patients",
    reads=("splits.csv",),
    settings=("design", "labels", "figures.colours"),
    applies=(sized,),
    order=1,
)

GAP = 4.0  # mm between boxes, also between rows of boxes without arrows
LINE = 3.7  # mm of a line of text
SMALLEST = 2.5  # points of letters that stay legible
SHRINK = 0.95  # of the size at each step


@dataclass(frozen=True)
class Box:
    """A rectangle in mm, y downwards, with its lines of text."""

    x: float
    y: float
    width: float
    height: float

    @property
    def top(self) -> tuple[float, float]:
        """The middle of the upper edge."""
        return self.x + self.width / 2, self.y

    @property
    def bottom(self) -> tuple[float, float]:
        """The middle of the lower edge."""
        return self.x + self.width / 2, self.y + self.height


def make(given: Inputs, study: Study) -> Figure:
    """Return the figure that `draw` makes of the tables and images given."""
    return draw(given.table("splits.csv"), study)


def caption(frames: Frames, study: Study) -> str:
    """Return the text below the figure, with the numbers of a run."""
    rows = frames["splits"]
    rows = rows[rows["replicate"] == rows["replicate"].min()]
    total = rows.drop_duplicates(["cohort", "patient"])
    train, test = ((total["part"] == part).sum() for part in ("train", "test"))
    left = "".join(f" {sentence}" for sentence in captions.left_out(frames, study))
    nested = f" Each subset of {captions.target(study)} contains the smaller ones." if len(study.sizes) > 1 else ""
    others = "are trained on in the other folds" if study.folded else "are not trained on"
    return (
        f"{len(total)} patients of {len(study.cohorts)} cohorts: {train} for training, {test} for "
        f"testing.{nested} Validation patients select the epoch and {others}; test patients are used for "
        f"neither.{left}"
    )


@style.styled
def draw(splits: pd.DataFrame, study: Study) -> Figure:
    """Draw the way from every patient of every cohort to the models that they train and test.

    Args:
        splits: one row for each replicate, patient and case; the first replicate is drawn.
    """
    rows = splits[splits["replicate"] == splits["replicate"].min()]
    strategies = len(study.strategies)
    height = 78 + strategies * 6.2
    figure = style.new_figure(height)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, style.PAGE_MM), ylim=(height, 0))
    axes.axis("off")
    target_train = _cohorts(axes, rows, study)
    _subsets(axes, rows[rows["cohort"] == study.target], study, target_train)
    _strategies(axes, rows[rows["part"] == "train"], study, 75.0)
    return figure


def _patients(rows: pd.DataFrame) -> int:
    return int(rows["patient"].nunique())


def _cohorts(axes: Axes, rows: pd.DataFrame, study: Study) -> Box:
    """Draw a column for each cohort and one for the pooled test set; return the target's training box."""
    columns = len(study.cohorts) + (len(study.cohorts) > 1)
    width = (style.PAGE_MM - 2 * 2 - (columns - 1) * GAP) / columns
    target_train, tests = None, []
    for i, (name, cohort) in enumerate(study.cohorts.items()):
        own = rows[rows["cohort"] == name]
        x, total = 2 + i * (width + GAP), _patients(own)
        whole = Box(x, 2, width, 12)
        _box(axes, whole, [cohort.label, f"{cohort.role}, {total} patients"], bold=True)
        half = (width - 3) / 2
        parts = {}
        for j, (part, label) in enumerate([("train", "Training"), ("test", "Testing")]):
            n = _patients(own[own["part"] == part])
            parts[part] = Box(x + j * (half + 3), 21, half, 12)
            shade = "#eef3f8" if part == "train" else "#f7f1ea"
            _box(axes, parts[part], [label, f"{n} ({_share(n, total)})"], shade)
            _arrow(axes, whole.bottom, parts[part].top)
        tests.append(_patients(own[own["part"] == "test"]))
        target_train = parts["train"] if name == study.target else target_train
    if len(study.cohorts) > 1:
        pooled = Box(2 + (columns - 1) * (width + GAP), 21, width, 12)
        summed = " + ".join(map(str, tests))
        _box(axes, pooled, ["Testing, all cohorts", f"{summed} = {sum(tests)}"], "#f7f1ea")
    assert target_train is not None, "every study has a target"
    return target_train


def _subsets(axes: Axes, rows: pd.DataFrame, study: Study, above: Box) -> None:
    """Draw each size, the smaller inside the larger, with the number of its patients that validate."""
    train = rows[rows["part"] == "train"]
    total, count = _patients(train), len(study.sizes)
    label = study.cohorts[study.target].label
    axes.text(2, 43.5, f"Nested training subsets of {label}", weight="bold", va="center")
    width = (style.PAGE_MM - 4 - (count - 1) * GAP) / count
    for i, n in enumerate(study.sizes):
        subset = train[train["rank"] < n]
        used, validate = _patients(subset), _patients(subset[subset["validation"].astype(bool)])
        box = Box(2 + i * (width + GAP), 48, width, 15)
        turns = [f"{study.splits.k_fold.k} folds", "validate in turn"]
        parts = [f"{used - validate} train", f"{validate} validate"]
        lines = [f"n = {used} ({_share(used, total)})", *(turns if study.folded else parts)]
        _box(axes, box, lines, "#eef3f8", bold=True)
        if i:
            axes.text(box.x - GAP / 2, 55.5, "⊂", ha="center", va="center", size=9)
    axes.plot([2, style.PAGE_MM - 2], [46.5, 46.5], color=style.MUTED, linewidth=0.8)
    _arrow(axes, above.bottom, (above.bottom[0], 46.5))


def _strategies(axes: Axes, train: pd.DataFrame, study: Study, top: float) -> None:
    """Draw a line for each strategy: what its models are trained on, at which levels, and how many there are."""
    axes.text(2, top - 5, "Strategies", weight="bold", va="center")
    counts = {cohort: _patients(train[train["cohort"] == cohort]) for cohort in study.cohorts}
    models = [m for m in tested(study) if m.replicate == 0]
    for i, (name, strategy) in enumerate(study.strategies.items()):
        y = top + i * 6.2
        own = [f for f in families(study).values() if f.strategy == name]
        for j, family in enumerate(own):
            axes.plot(4.5 + j * 4, y + 1.5, markersize=5,
                      marker=style.family_marker(study, family.name),
                      color=style.family_colour(study, family.name))  # fmt: skip
        levels = [f.level for f in own if f.level]
        tuned = f", fine-tuning {trained_part(', '.join(levels))}" if levels else ""
        number = sum(m.strategy == name for m in models)
        label = axes.text(22, y + 1.5, strategy.label, weight="bold", va="center")
        _fit(label, 29)
        chain = axes.text(52, y + 1.5, chain_text(strategy, study, counts) + tuned, va="center")
        _fit(chain, style.PAGE_MM - 24 - 52)
        axes.text(style.PAGE_MM - 3, y + 1.5, counted(number, "model"), va="center", ha="right")
        axes.plot([2, style.PAGE_MM - 2], [y - 1.6] * 2, color=style.RULE, linewidth=0.6)


def _box(axes: Axes, box: Box, lines: list[str], face: str = "white", bold: bool = False) -> None:
    axes.add_patch(
        FancyBboxPatch((box.x, box.y), box.width, box.height, facecolor=face, linewidth=0.7,
                       edgecolor=style.MUTED, boxstyle="round,pad=0,rounding_size=1")
    )  # fmt: skip
    middle = box.y + box.height / 2 - LINE * (len(lines) - 1) / 2
    for i, line in enumerate(lines):
        weight = "bold" if bold and i == 0 else "normal"
        _fit(axes.text(box.top[0], middle + i * LINE, line, ha="center", va="center", weight=weight), box.width - 4)


def _fit(text: Text, width_mm: float) -> None:
    """Make a text smaller in steps until its place holds it, or it is `SMALLEST`.

    Letters don't shrink in proportion, so that what the first measure says is tried from one step before it.
    """
    assert text.axes is not None
    to_mm = text.axes.transData.inverted()
    full, step = float(text.get_fontsize()), 0
    while full * SHRINK**step > SMALLEST:
        text.set_fontsize(full * SHRINK**step)
        drawn_mm = np.ptp(to_mm.transform(text.get_window_extent().get_points())[:, 0])
        if drawn_mm <= width_mm:
            return
        step += max(1, int(np.log(max(width_mm, 1) / drawn_mm) / np.log(SHRINK)) - 1)
    text.set_fontsize(SMALLEST)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.add_patch(
        FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=7, linewidth=0.8,
                        color=style.MUTED, shrinkA=0, shrinkB=0)
    )  # fmt: skip


def _share(n: int, total: int) -> str:
    return f"{n / total:.0%}" if total else "0%"

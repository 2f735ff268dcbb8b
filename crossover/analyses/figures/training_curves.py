"""Loss and validation DSC of every training against its step.

Drawn: for each family, and for each network that a selection tried, validation DSC (no unit) above and the mean
loss since the last check (the recipe's, no unit) below; a line for each training, a point at the step whose
weights were kept. The axes of all families have one scale in height, each its own in steps.
"""

import re
import textwrap
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.analyses.figures import style
from crossover.core.files import read_json
from crossover.core.incremental import failed_of
from crossover.study.families import families
from crossover.study.plan import Model, Stage, plan
from crossover.study.schema import Study

ANALYSIS = Analysis(
    title="Course of every training",
    sources=("stages",),
    settings=("design", "labels"),
    order=14,
)

CURVES = ["stage", "step", "loss", "validation_dsc", "best_step"]
COLUMNS, LETTERS, ROW_MM, AROUND_MM = 6, 17, 33.0, 14.0
"""The most families in a row, the letters of a title's line, the height of a row, and that of legend and labels."""
DISTINCT = 7  # more colours than these are shown as a scale from light to dark
DASHED, DOTTED = (0, (4, 1.5)), (0, (1, 1.2))
_SUFFIXES = re.compile(r"(-[rf]\d+)+$")


def read_histories(manifests: Iterable[Path]) -> tuple[pd.DataFrame, set[str]]:
    """Read the histories of the stages that manifests list, and the names of the stages that failed.

    Returns:
        The histories of all stages, with the columns `CURVES`, and the failed stages.
    """
    manifests, parts = list(manifests), [pd.DataFrame(columns=CURVES)]
    for manifest in manifests:
        for name, record in read_json(manifest)["items"].items():
            history = pd.read_csv(manifest.parent / name / "history.csv")
            parts.append(history.assign(stage=name, best_step=record["best_step"])[CURVES])
    rows = [part for part in parts if len(part)] or parts
    return pd.concat(rows, ignore_index=True), set(failed_of(manifests))


def make(given: Inputs, study: Study) -> Figure:
    """Return the figure that `draw` makes of the tables and images given."""
    return draw(*read_histories(given.stages), study)


def caption(frames: Frames, study: Study) -> str:
    """Return the text below the figure, with the numbers of a run."""
    text = (
        "Above: DSC on the validation patients at each check; below: the mean loss since the previous check. A line is "
        "a training, and its point the step whose weights were kept. Trainings that continue from a trained model "
        "begin with its DSC, and keep its weights if no later ones are as good"
    )
    failed, planned = len(frames.get("failed", ())), len(plan(study).stages)
    text += f"; {planned - failed} trainings"
    return f"{text}. {failed} failed and have no line." if failed else f"{text}."


@style.styled
def draw(curves: pd.DataFrame, failed: Collection[str], study: Study) -> Figure:
    """Draw a pair of axes for each family, in the study's order, and for the stages that belong to none.

    After the families come the trainings that chains begin with and no model ends on, then the selection's.

    Args:
        curves: of `read_histories`. failed: stages without a curve.
    """
    groups = grouped(study)
    lines = -(-len(groups) // COLUMNS)
    columns = -(-len(groups) // lines)
    figure = style.new_figure(AROUND_MM + ROW_MM * lines)
    style.spacing(figure, h_pad=0.02, w_pad=0.02, hspace=0.02, wspace=0.02)
    grid = figure.add_gridspec(2 * lines, columns, height_ratios=[1.5, 1] * lines)
    looks = _looks(study)
    own = {name: part for name, part in curves.groupby("stage", sort=False)}
    finite = curves["loss"][np.isfinite(curves["loss"].astype(float))]
    highest = float(finite.max()) if len(finite) else 1.0
    for i, (title, stages) in enumerate(groups.items()):
        line, column = divmod(i, columns)
        scores = figure.add_subplot(grid[2 * line, column])
        losses = figure.add_subplot(grid[2 * line + 1, column], sharex=scores)
        for stage in stages:
            if stage.name in own:
                _curve(scores, losses, own[stage.name], **looks(stage))
        _write_failures(scores, [s.name for s in stages], failed)
        wrapped = [textwrap.fill(text, LETTERS) for text in title.splitlines()]
        scores.set_title("\n".join(wrapped), size=6.5, pad=2)
        _frame(
            scores,
            losses,
            highest,
            first=column == 0,
            last=line == lines - 1 or i + columns >= len(groups),
        )
    most = 9 if len(looks.handles) < 12 else 5
    style.legend_below(figure, looks.handles, most, columnspacing=1.2, handletextpad=0.5, handlelength=1.6)
    return figure


def grouped(study: Study) -> dict[str, list[Stage]]:
    """Return title -> the trainings that share a pair of axes."""
    shown = plan(study)
    ends: dict[str, Model] = {}
    for model in shown.models.values():
        ends.setdefault(model.stage, model)
    places: dict[str, list[Stage]] = {style.family_label(study, f): [] for f in families(study)}
    for stage in sorted(shown.stages.values(), key=lambda s: bool(s.cell)):
        places.setdefault(_title(stage, ends, study), []).append(stage)
    return {title: stages for title, stages in places.items() if stages}


class _looks:
    """Colour and line of a training: by size where there are several, else by fold, else by structure."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self._models = {model.stage: model for model in plan(study).models.values()}
        names: dict[Any, str]
        if len(study.sizes) > 1:
            names = {n: f"n = {n}" for n in study.sizes}
        elif study.folded:
            names = {fold: f"fold {fold + 1}" for fold in range(study.splits.k_fold.k)}
        elif study.network.per_structure:
            names = {s: about.label for s, about in study.structures.items()}
        else:
            names = {}
        scale = len(study.sizes) > 1 or len(names) > DISTINCT
        self._colours = dict(zip(names, _colours(len(names), scale), strict=True))
        lines: list[tuple[str, Any, Any]] = [(names[key], colour, "-") for key, colour in self._colours.items()]
        stages = plan(study).stages.values()
        if any(self(stage)["color"] == style.INK for stage in stages) or not lines:
            lines.insert(0, ("all patients" if names else "a training", style.INK, "-"))
        if any(stage.fold is not None for stage in stages) and not study.folded:
            lines.append(("a fold", style.MUTED, DASHED))
        if any(stage.replicate for stage in stages):
            lines.append(("a further replicate", style.MUTED, DOTTED))
        self.handles = [
            Line2D([], [], color=colour, linestyle=line, linewidth=1.2, label=label) for label, colour, line in lines
        ]
        self.handles.append(Line2D([], [], color=style.MUTED, marker="o", markersize=3.2, linestyle="none",
                                   label="weights kept"))  # fmt: skip

    def __call__(self, stage: Stage) -> dict:
        model, study = self._models.get(stage.name), self._study
        if len(study.sizes) > 1:
            key: Any = model.n_train if model else 0
        else:
            key = stage.fold if study.folded else stage.structures[0]
        line: Any = DOTTED if stage.replicate else "-"
        line = DASHED if stage.fold is not None and not study.folded else line
        return {"color": self._colours.get(key, style.INK), "linestyle": line}


def _colours(count: int, scale: bool) -> list:
    """Return colours from light to dark, for values that have an order or are too many to tell apart otherwise."""
    if not scale:
        return style.OKABE_ITO[:count]
    return [matplotlib.colormaps["viridis"](x) for x in np.linspace(0.92, 0.05, count)]


def _title(stage: Stage, ends: dict[str, Model], study: Study) -> str:
    if stage.cell:
        architecture, encoder = stage.cell
        return f"{style.architecture_label(architecture)}\n{style.encoder_label(encoder)}"
    if stage.name in ends:
        return style.family_label(study, ends[stage.name].family)
    name = stage.name
    if study.network.per_structure:
        name = name.removesuffix(f"-{stage.structures[0]}")
    return _SUFFIXES.sub("", name)


def _curve(scores: Axes, losses: Axes, own: pd.DataFrame, **look: Any) -> None:
    scores.plot(own["step"], own["validation_dsc"], linewidth=0.8, **look)
    losses.plot(own["step"], own["loss"], linewidth=0.8, **look)
    for best in own[own["step"] == own["best_step"]].itertuples():
        scores.plot(best.step, best.validation_dsc, marker="o", markersize=2.6, linestyle="none",
                    color=look["color"], markeredgewidth=0, zorder=4, clip_on=False)  # fmt: skip


def _write_failures(axes: Axes, stages: list[str], failed: Collection[str]) -> None:
    """Write how many of the trainings failed."""
    lost = sum(name in failed for name in stages)
    if lost:
        text = "failed" if lost == len(stages) else f"{lost} of {len(stages)} failed"
        axes.text(0.97, 0.05, text, transform=axes.transAxes, ha="right", va="bottom", size=6.5,
                  color=style.OKABE_ITO[1], weight="bold", zorder=5)  # fmt: skip


def _frame(scores: Axes, losses: Axes, highest: float, first: bool, last: bool) -> None:
    scores.set_ylim(0, 1)
    scores.set_yticks([0, 0.5, 1])
    losses.set_ylim(0, 1.05 * highest if highest > 0 else 1)
    losses.locator_params(axis="y", nbins=2)
    losses.locator_params(axis="x", nbins=3, integer=True)
    scores.set_xlim(left=0)
    for axes in (scores, losses):
        axes.grid(axis="y")
        axes.tick_params(labelsize=6, labelleft=first)
    scores.tick_params(labelbottom=False)
    if first:
        scores.set_ylabel("Validation\nDSC", size=6.5)
        losses.set_ylabel("Loss", size=6.5)
    if last:
        losses.set_xlabel("Step", size=6.5)

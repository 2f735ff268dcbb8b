"""Training time of the study's main models, and where fine-tuning's saving comes from (Chen, 3.2).

Drawn: left, for each model the mean time of its trainings, by what it went into, and the seconds of one
step; right, for each structure what fine-tuning saves against training from scratch, in % of that
training's time, by its cause. Left of 0: it cost more. Stacked bars are matplotlib's: seaborn's `barplot`
doesn't stack.
"""

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.analyses.figures import captions, style
from crossover.analyses.predicates import fine_tuned_and_scratch
from crossover.statistics.scores.metrics_table import POOLED
from crossover.study.families import baseline, fine_tuned, main_question, main_rows, references
from crossover.study.schema import Study

ANALYSIS = Analysis(
    title="Training time",
    reads=("statistics/training_time.csv", "statistics/training_time_saved.csv"),
    settings=("design", "labels"),
    applies=(fine_tuned_and_scratch,),
    order=10,
)

STEPS, FEWER, BATCHES = "#4a5a78", "#a3b1cc", "#cc79a7"
VALIDATION, LOADING, ELSE = "#e69f00", "#009e73", "#c9cdd2"
PARTS = {
    "step_seconds": STEPS,
    "batch_seconds": BATCHES,
    "validation_seconds": VALIDATION,
    "load_seconds": LOADING,
    "other_seconds": ELSE,
}
CAUSES = {
    "cheaper_steps_s": STEPS,
    "fewer_steps_s": FEWER,
    "batches_s": BATCHES,
    "validation_s": VALIDATION,
    "loading_s": LOADING,
    "other_s": ELSE,
}
LEGEND = {
    "steps (right: cheaper ones)": STEPS,
    "fewer steps": FEWER,
    "batches": BATCHES,
    "validation": VALIDATION,
    "loading": LOADING,
    "anything else": ELSE,
}
ROW_MM = 5.2


def make(given: Inputs, study: Study) -> Figure:
    """Return the figure that `draw` makes of the tables and images given."""
    names = ("training_time", "training_time_saved")
    return draw(*(given.table(f"statistics/{name}.csv") for name in names), study)


def caption(frames: Frames, study: Study) -> str:
    """Return the text below the figure, with the numbers of a run."""
    text = (
        f"Left: the time of a training, as the mean over the networks of each model{_networks(frames, study)}, and the "
        f"seconds of one step{captions.machine(frames)}. Right: the time that fine-tuning saves compared with training "
        "from scratch, by its cause; left of 0, it takes longer. Cheaper steps: frozen layers need no gradient and no "
        "update."
    )
    if baseline(study) not in (None, fine_tuned(study)):
        text += " The training of the initial weights for fine-tuning is not counted."
    return text


@style.styled
def draw(times: pd.DataFrame, savings: pd.DataFrame, study: Study) -> Figure:
    """Draw the times of the first replicate at the study's largest size.

    Where the parts of a training's time were not recorded, totals alone are drawn.

    Args:
        times: of `scores.training_time.training_times`. savings: of its `savings`.
    """
    family = fine_tuned(study)
    rows = savings[(savings["family"] == family) & (savings["n_train"] == study.sizes[-1])]
    rows = rows[rows["replicate"] == 0].set_index("structure")
    lines = [s for s in [*study.structures, POOLED] if s in rows.index]
    figure = style.new_figure(36 + ROW_MM * max(len(lines), 2 * len(main_question(study))))
    grid = figure.add_gridspec(2, 2, width_ratios=[1, 1.15])
    means = _means(times, study)
    counted = bool(means["seconds_per_step"].notna().all())
    _total(figure.add_subplot(grid[0, 0] if counted else grid[:, 0]), means, study)
    if counted:
        _step(figure.add_subplot(grid[1, 0]), means, study)
    _saved(figure.add_subplot(grid[:, 1]), rows.loc[lines], study, family)
    if counted:
        handles = [Patch(color=colour, label=name) for name, colour in LEGEND.items()]
        style.legend_below(figure, handles, columnspacing=1.4, handlelength=1, handletextpad=0.5)
    return figure


def _means(times: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return the mean times (s) of each main family that was trained, over its trainings at the largest size.

    See `_drawn`.
    """
    names = [*PARTS, "seconds", "seconds_per_step"]
    means = _drawn(times, study).groupby("family")[names].mean()
    return means.reindex([f for f in main_question(study) if f in means.index])


def _drawn(times: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return the trainings whose mean is drawn: the first replicate's, of the structures that all families have."""
    rows = main_rows(times, study)
    size = rows["n_train"].where(~rows["family"].isin(references(study)), study.sizes[-1])
    rows = rows[(size == study.sizes[-1]) & rows["family"].isin(main_question(study))]
    trained = rows.groupby("structure")["family"].nunique()
    return rows[rows["structure"].isin(trained.index[trained == rows["family"].nunique()])]


def _total(axes: Axes, means: pd.DataFrame, study: Study) -> None:
    unit, name = (60.0, "min") if means["seconds"].max() > 180 else (1.0, "s")
    for y, own in enumerate(means.to_dict("records")):
        known = all(pd.notna(own[part]) for part in PARTS)
        left = 0.0
        for part in PARTS if known else ["seconds"]:
            axes.barh(y, own[part] / unit, left=left, height=0.6, color=PARTS.get(part, ELSE))
            left += own[part] / unit
        axes.text(left, y, f" {left:.3g}", va="center", size=7)
    _models(axes, means, study, means["seconds"].max() / unit)
    axes.set_xlabel(f"Mean of its trainings ({name})")
    axes.set_title("Training time")


def _step(axes: Axes, means: pd.DataFrame, study: Study) -> None:
    cost = means["seconds_per_step"]
    unit, name = (1e-3, "ms") if cost.max() < 0.5 else (1.0, "s")
    sns.barplot(x=cost / unit, y=cost.index, order=cost.index, width=0.6, color=STEPS, saturation=1,
                errorbar=None, ax=axes)  # fmt: skip
    for y, value in enumerate(cost / unit):
        axes.text(value, y, f" {value:.3g}", va="center", size=7)
    _models(axes, means, study, cost.max() / unit)
    axes.set_xlabel(f"One training step ({name})")


def _models(axes: Axes, means: pd.DataFrame, study: Study, largest: float) -> None:
    axes.set_yticks(range(len(means)), [style.family_label(study, f) for f in means.index])
    axes.set(ylim=(len(means) - 0.4, -0.6), ylabel="")
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, 1.2 * largest if largest > 0 else 1)


def _saved(axes: Axes, rows: pd.DataFrame, study: Study, family: str) -> None:
    for y, row in enumerate(rows.to_dict("records")):
        if pd.isna(row["saved_percent"]):
            continue
        known = all(pd.notna(row[cause]) for cause in CAUSES)
        ends = {True: 0.0, False: 0.0}
        for cause in CAUSES if known else ["saved_s"]:
            share = 100 * row[cause] / row["seconds_scratch"]
            colour = CAUSES.get(cause, ELSE)
            axes.barh(y, share, left=ends[share >= 0], height=0.62, color=colour)
            ends[share >= 0] += share
        axes.text(ends[True], y, f" {row['saved_percent']:.0f}%", size=7, va="center")
    axes.axvline(0, color=style.MUTED, linewidth=0.7)
    labels = ["All" if s == POOLED else study.structures[s].label for s in rows.index]
    axes.set_yticks(range(len(rows)), labels)
    axes.set_ylim(max(len(rows), 1) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.margins(x=0.14)
    scratch = baseline(study)
    against = style.family_label(study, scratch) if scratch else "training from scratch"
    axes.set_xlabel(f"Saved, % of the time of {against}")
    axes.set_title(f"What {style.family_label(study, family)} saves")


def _networks(frames: Frames, study: Study) -> str:
    """Return the number of trainings of a family at the largest size, as " (12 each)" or " (1 to 12)"."""
    times = frames.get("training_time", pd.DataFrame())
    if times.empty:
        return ""
    rows = _drawn(times, study)
    counts = rows.groupby("family")["stage"].nunique()
    if counts.empty:
        return ""
    each = f"{counts.max()} each" if counts.nunique() == 1 else f"{counts.min()} to {counts.max()}"
    return f" ({each})"

"""Paired differences from training from scratch against the number of the target's patients.

Drawn: a panel for each structure; for each family of the main question the mean difference from training from
scratch on the same test cases of the target, with its bootstrap interval, by number of training patients. In
percentage points of a metric from 0 to 1, and in the unit of another; each panel has a scale of its own. Above 0 the
family is better than training from scratch; of a distance, below 0.
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.analyses.figures import captions, style
from crossover.analyses.predicates import fine_tuned_and_scratch, several_sizes
from crossover.statistics.scores.scales import shown
from crossover.study.families import baseline, main_question
from crossover.study.schema import Study

ANALYSIS = Analysis(
    title="Difference from training from scratch by number of labelled target patients",
    reads=("statistics/pairwise.csv",),
    settings=("design", "labels", "statistics.metric", "statistics.alpha", "figures.colours"),
    applies=(several_sizes, fine_tuned_and_scratch),
    part="results",
    order=8,
)

COLUMNS, ROW_MM, AROUND_MM = 3, 52.0, 14.0
OFFSET, GROUP = 0.02, 0.2  # of log2 n: between two families, so that intervals stand side by side, and for all


def make(given: Inputs, study: Study) -> Figure:
    """Return the figure that `draw` makes of the tables and images given."""
    return draw(given.table("statistics/pairwise.csv"), study)


def caption(frames: Frames, study: Study) -> str:
    """Return the text below the figure, with the numbers of a run."""
    rows = differences(frames["pairwise"], study)
    cases = captions.number_of(rows.groupby("structure")["cases"].max(), frames, study)
    return (
        f"Points and bars: mean difference in {captions.metric(study)} from “{_scratch(study)}” on the same {cases} "
        f"of {captions.target(study)}, with its {study.statistics.test_interval} interval "
        f"{captions.interval_scope(rows)}; not corrected for the number of comparisons."
        f"{captions.better(study)}"
        f"{' Each structure has a scale of its own.' if rows['structure'].nunique() > 1 else ''}"
    )


def differences(pairwise: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return the differences of each family of the main question from training from scratch.

    Args:
        pairwise: of `differences.repeated.pairwise`.

    Returns:
        structure, family, n_train, cases, difference, ci_low, ci_high, about: on the target's test cases.
    """
    scratch = baseline(study)
    rows = style.in_both_directions(pairwise[pairwise["test_set"] == study.target])
    rows = rows.rename(columns={"family_a": "family"})
    rows = rows[(rows["family_b"] == scratch) & rows["family"].isin(main_question(study))]
    place, numbers = ["structure", "family", "n_train"], ["difference", "ci_low", "ci_high", "about"]
    return rows[[*place, "cases", *numbers]].sort_values(place, ignore_index=True)


@style.styled
def draw(pairwise: pd.DataFrame, study: Study) -> Figure:
    """Draw a panel for each structure, families in the study's order.

    Args:
        pairwise: of `differences.repeated.pairwise`.
    """
    rows = differences(pairwise, study)
    structures = [s for s in study.structures if s in set(rows["structure"])]
    if not structures:
        return style.figure_of_text("No model was trained from scratch, or there is none to compare with it.")
    columns = min(COLUMNS, len(structures))
    lines = -(-len(structures) // columns)
    width = style.COLUMN_MM if columns == 1 else style.PAGE_MM
    figure = style.new_figure(AROUND_MM + ROW_MM * lines, width)
    panels = figure.subplots(lines, columns, squeeze=False)  # a wide interval would flatten all others
    families = [f for f in main_question(study) if f in set(rows["family"])]
    for axes in panels.flat[len(structures) :]:
        axes.set_visible(False)
    for axes, structure in zip(panels.flat, structures, strict=False):
        _panel(axes, rows[rows["structure"] == structure], families, study)
        axes.set_title(study.structures[structure].label)
    for axes in panels[:, 0]:
        axes.set_ylabel(f"Difference in {captions.metric_of_differences(study)}")
    handles, labels = panels.flat[0].get_legend_handles_labels()
    style.legend_below(figure, handles, 4, labels=labels)
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, families: list[str], study: Study) -> None:
    axes.axhline(0, color=style.INK, linewidth=1.1, zorder=1.5)
    span = np.log2(study.sizes[-1] / study.sizes[0])
    for i, family in enumerate(families):
        own = rows[rows["family"] == family]
        factor = shown(study.statistics.metric).factor
        middle, low, high = (factor * own[name] for name in ("difference", "ci_low", "ci_high"))
        ends = middle - low, high - middle
        shift = 2 ** ((i - (len(families) - 1) / 2) * min(OFFSET, GROUP / len(families)) * span)
        axes.errorbar(
            own["n_train"] * shift, middle, [end.clip(lower=0) for end in ends], markersize=4,
            linewidth=1, color=style.family_colour(study, family), capsize=2,
            marker=style.family_marker(study, family), label=style.family_label(study, family),
            linestyle=style.family_line(study, family),
        )  # fmt: skip
    style.size_axis(axes, study.sizes)
    axes.set_xlabel(f"Training patients of {captions.target(study)}")
    axes.grid(axis="y")


def _scratch(study: Study) -> str:
    return style.family_label(study, baseline(study) or "")

"""What training on other cohorts first adds to each target's baseline (Touijer, Table III as a figure).

Drawn: for each target and chain the mean paired difference from training on the target alone, thick over its
interval for other patients, thin over that for other patients and trainings; hollow: between the two models
of the best validation fold, which is what the paper reports. In percentage points of
the metric (DSC or IoU), which has no unit; right, the sources' field strengths.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.analyses.design import chained
from crossover.analyses.figures import captions, style
from crossover.study.chains import ALL_DATA, ARROW, CONTROL, COUNTED, POOLED_DATA, Chain, chains
from crossover.study.schema import Study

ANALYSIS = Analysis(
    title="What other cohorts first add to the target's own patients",
    reads=("statistics/gains.csv", "statistics/chains.csv"),
    settings=("design", "labels", "statistics.metric"),
    applies=(chained,),
    order=4,
)

ROW_MM, AROUND_MM = 4.6, 26.0
LOOKS = {
    **dict(zip(COUNTED, [(style.INK, "|"), ("#0072b2", "o"), ("#d55e00", "s"), ("#cc79a7", "v"),
                         ("#56b4e9", "P")], strict=True)),
    POOLED_DATA: ("#e69f00", "<"),
    ALL_DATA: ("#009e73", "D"),
    CONTROL: ("#6e6e6e", "^"),
}  # fmt: skip
"""Kind of chain -> colour and marker."""


def make(given: Inputs, study: Study) -> Figure:
    """See `draw`."""
    return draw(given.table("statistics/gains.csv"), given.table("statistics/chains.csv"), study)


def caption(frames: Frames, study: Study) -> str:
    """Return the text below the figure, with the numbers of a run."""
    confidence = f"{study.statistics.confidence:.0%}"
    return (
        f"Mean difference in {captions.metric(study)} from the baseline of each target (grey bar: its mean), on the "
        f"same test cases ({_of_targets(frames, study)}), each case's score being its mean over the folds' models. Thick: the "
        f"{confidence} interval for other patients; thin: for other patients and other trainings. Hollow: "
        "between the two models of the best validation fold, as the paper reports. Right: the sources' field "
        "strengths."
    )


@style.styled
def draw(gains: pd.DataFrame, scores: pd.DataFrame, study: Study) -> Figure:
    """Targets one below the other, in each the chains by kind.

    Args:
        gains: of `statistics.chains.gains`. scores: of its `chain_scores`.
    """
    metric = study.statistics.metric
    gains, scores = (table[table["metric"] == metric] for table in (gains, scores))
    blocks = [(t, gains[gains["target"] == t]) for t in study.cohorts if t in set(gains["target"])]
    rows = sum(len(own) + 1 for _, own in blocks)
    figure = style.new_figure(AROUND_MM + ROW_MM * max(rows, 1), style.COLUMN_MM)
    axes = figure.add_subplot()
    known = {chain.family: chain for chain in chains(study)}
    labels: list[str] = []
    heads: list[int] = []
    for target, own in blocks:
        y = len(labels)
        axes.axhspan(y - 0.5, y + 0.5, color="#eceff2", linewidth=0, zorder=2)
        heads.append(y)
        labels.append(study.cohorts[target].label)
        base = scores[(scores["target"] == target) & (scores["kind"] == COUNTED[0])]
        _baseline(axes, y, base)
        for row in own.itertuples():
            y = len(labels)
            _gain(axes, y, row)
            labels.append(known[row.family].label)
            axes.text(1.02, y, _strengths(known[row.family], study), va="center", size=7,
                      transform=axes.get_yaxis_transform(), color=style.MUTED)  # fmt: skip
    _frame(axes, labels, heads, study)
    handles = _handles(gains)
    figure.legend(handles=handles, loc="outside lower center", ncols=2, columnspacing=1.2,
                  handletextpad=0.4, handlelength=1.4)  # fmt: skip
    return figure


def _baseline(axes: Axes, y: float, base: pd.DataFrame) -> None:
    if base.empty:
        return
    row = base.iloc[0]
    cases = int(row["cases"])
    text = f"baseline {100 * row['mean']:.1f}, {cases} test case{'s' if cases > 1 else ''}"
    axes.text(0.99, y, text, transform=axes.get_yaxis_transform(), ha="right", va="center", size=7,
              zorder=6)  # fmt: skip


def _gain(axes: Axes, y: float, row) -> None:
    colour, marker = LOOKS.get(row.kind, (style.INK, "o"))
    if pd.notna(row.ci_wide_low):
        wide = 100 * row.ci_wide_low, 100 * row.ci_wide_high
        axes.plot(wide, [y, y], color=colour, linewidth=0.9)
    if pd.notna(row.ci_low):
        axes.plot([100 * row.ci_low, 100 * row.ci_high], [y, y], color=colour, linewidth=2.6, alpha=0.55,
                  solid_capstyle="butt")  # fmt: skip
    axes.plot(100 * row.gain, y, marker=marker, color=colour, markersize=4.6, markeredgecolor=style.INK,
              markeredgewidth=0.4, linestyle="none", zorder=4)  # fmt: skip
    axes.plot(100 * row.best_fold_gain, y, marker=marker, color="none", markersize=4.6, zorder=5,
              markeredgecolor=colour, markeredgewidth=1, linestyle="none")  # fmt: skip


def _strengths(chain: Chain, study: Study) -> str:
    """ "1.5 → 3 T" of the sources; "" where one isn't known or they are trained together."""
    before = chain.steps[:-1]
    if not before or any(len(step) > 1 for step in before):
        return ""
    found = [study.cohorts[step[0]].field_strength_t for step in before]
    return "" if None in found else f"{ARROW.join(f'{t:g}' for t in found)} T"


def _frame(axes: Axes, labels: list[str], heads: list[int], study: Study) -> None:
    axes.axvline(0, color=style.INK, linewidth=0.8, zorder=1)
    axes.set_yticks(range(len(labels)), labels)
    for y in heads:
        axes.get_yticklabels()[y].set_weight("bold")
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    axes.margins(x=0.06)
    metric = style.metric_label(study.statistics.metric)
    axes.set_xlabel(f"Gain in {metric}\n(percentage points)")


def _handles(gains: pd.DataFrame) -> list[Line2D]:
    out = [
        Line2D([], [], color=colour, marker=marker, linestyle="none", markersize=4.6,
               markeredgecolor=style.INK, markeredgewidth=0.4, label=kind)
        for kind, (colour, marker) in LOOKS.items()
        if kind in set(gains["kind"])
    ]  # fmt: skip
    out.append(Line2D([], [], color="none", marker="o", markeredgecolor=style.MUTED, markersize=4.6,
                      markeredgewidth=1, label="best folds"))  # fmt: skip
    if gains["ci_low"].notna().any():
        out.append(
            Line2D([], [], color=style.MUTED, linewidth=2.6, alpha=0.55, label="CI, other patients")
        )
    if gains["ci_wide_low"].notna().any():
        label = "CI, other patients and trainings"
        out.append(Line2D([], [], color=style.MUTED, linewidth=0.9, label=label))
    return out


def _of_targets(frames: Frames, study: Study) -> str:
    """ "Site A 6, Site B 6"."""
    counts = frames["gains"].groupby("target", sort=False)["cases"].max()
    return ", ".join(f"{style.test_set_label(study, name)} {n}" for name, n in counts.items())

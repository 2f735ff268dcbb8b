"""What training on other cohorts first adds to each target's baseline (Touijer, Table III as a figure).

Drawn: for each target and chain the mean paired difference from training on the target alone, thick over its
interval for other patients, thin over that for other patients and trainings; hollow: between the two models
of the best validation fold, which is what the paper reports. In percentage points of a metric from 0 to 1, and in the
unit of another; of a distance, below 0 is better. Right, the sources' attributes that are numbers, as field strength.
"""

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.analyses.figures import captions, style
from crossover.analyses.predicates import chained
from crossover.statistics.scores.scales import direction, shown
from crossover.study.chains import (
    ALL_DATA,
    ARROW,
    CONTROL,
    COUNTED,
    POOLED_DATA,
    THRICE,
    TWICE,
    Chain,
    chains,
)
from crossover.study.schema import Study

ANALYSIS = Analysis(
    title="What other cohorts first add to the target's own patients",
    reads=("statistics/gains.csv", "statistics/chains.csv"),
    settings=("design", "labels", "statistics.metric"),
    applies=(chained,),
    part="results",
    order=4,
)

ROW_MM, AROUND_MM = 4.6, 26.0
LOOKS = {
    **dict(zip(COUNTED, [(style.INK, "|"), ("#0072b2", "o"), ("#d55e00", "s"), ("#cc79a7", "v"),
                         ("#56b4e9", "P")], strict=True)),
    TWICE: ("#6e6e6e", "o"),
    THRICE: ("#6e6e6e", "s"),
    POOLED_DATA: ("#e69f00", "<"),
    ALL_DATA: ("#009e73", "D"),
    CONTROL: ("#6e6e6e", "^"),
}  # fmt: skip
"""Kind of chain -> colour and marker."""


def make(given: Inputs, study: Study) -> Figure:
    """Return the figure that `draw` makes of the tables and images given."""
    return draw(given.table("statistics/gains.csv"), given.table("statistics/chains.csv"), study)


def caption(frames: Frames, study: Study) -> str:
    """Return the text below the figure, with the numbers of a run."""
    unit = "folds" if study.folded else "trainings"
    return (
        f"Mean difference in {captions.metric(study)} from the baseline of each target (grey bar: its mean), on the "
        f"same test cases ({_of_targets(frames, study)}), each case's score being its mean over its family's {unit}. "
        f"Thick: the {study.statistics.test_interval} interval for other patients; thin: the interval for other "
        "patients and other trainings. Hollow: the difference between the two models of the best "
        f"{captions.best_run(study)}.{captions.better(study)}{_attributes(study)}"
    )


def _attributes(study: Study) -> str:
    """Return a sentence that names the attributes at the right; "" where there are none."""
    labels = [
        a.label[:1].lower() + a.label[1:]
        for a in study.attributes
        if any(isinstance(v, float) for v in study.of_cohorts(a.name).values())
    ]
    return f" Right: of the sources, {', '.join(labels)}." if labels else ""


@style.styled
def draw(gains: pd.DataFrame, scores: pd.DataFrame, study: Study) -> Figure:
    """Draw the targets one below the other, in each the chains by kind.

    Args:
        gains: of `differences.chains.gains`. scores: of its `chain_scores`.
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
    places: dict[int, int] = {}
    for target, own in blocks:
        y = len(labels)
        axes.axhspan(y - 0.5, y + 0.5, color="#eceff2", linewidth=0, zorder=2)
        heads.append(y)
        labels.append(study.cohorts[target].label)
        base = scores[(scores["target"] == target) & (scores["kind"] == COUNTED[0])]
        _baseline(axes, y, base)
        for row in own.itertuples():
            y = places[row.Index] = len(labels)
            labels.append(known[row.family].label)
            axes.text(1.02, y, _values(known[row.family], study), va="center", size=7,
                      transform=axes.get_yaxis_transform(), color=style.MUTED)  # fmt: skip
    _gains(axes, gains.loc[list(places)].assign(y=places.values()))
    _frame(axes, labels, heads, study)
    style.legend_below(figure, _handles(gains), 2, columnspacing=1.2, handletextpad=0.4, handlelength=1.4)
    return figure


def _baseline(axes: Axes, y: float, base: pd.DataFrame) -> None:
    if base.empty:
        return
    row = base.iloc[0]
    cases = int(row["cases"])
    mean = shown(row["metric"]).text(row["mean"])
    text = f"baseline {mean}, {cases} test case{'s' if cases > 1 else ''}"
    axes.text(0.99, y, text, transform=axes.get_yaxis_transform(), ha="right", va="center", size=7,
              zorder=6)  # fmt: skip


def _gains(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw each row's gain at its `y`, with both intervals, and the gain of the best folds."""
    drawn = ["gain", "best_fold_gain", "ci_low", "ci_high", "ci_wide_low", "ci_wide_high"]
    rows = rows.assign(**{name: rows["metric"].map(lambda m: shown(m).factor) * rows[name] for name in drawn})
    kinds = {kind: LOOKS.get(kind, (style.INK, "o")) for kind in dict.fromkeys(rows["kind"])}
    look = {"y": "y", "orient": "y", "native_scale": True, "hue": "kind", "ax": axes,
            "hue_order": list(kinds), "palette": {kind: colour for kind, (colour, _) in kinds.items()}}  # fmt: skip
    markers = [marker for _, marker in kinds.values()]
    wide, narrow = (style.with_interval(rows, "gain", f"ci_{of}low", f"ci_{of}high") for of in ("wide_", ""))
    sns.pointplot(wide, x="gain", **style.GIVEN, markers="none", err_kws={"linewidth": 0.9}, **look,
                  **style.MARK)  # fmt: skip
    sns.pointplot(narrow, x="gain", **style.GIVEN, markers=markers, markersize=4.6, zorder=4, **look,
                  err_kws={"linewidth": 2.6, "alpha": 0.55, "zorder": 2}, **style.MARK)  # fmt: skip
    hollow = style.MARK | {"markerfacecolor": "none", "markeredgewidth": 1}
    del hollow["markeredgecolor"]  # each kind's own
    sns.pointplot(rows, x="best_fold_gain", errorbar=None, markers=markers, markersize=4.6, zorder=5, **look,
                  **hollow)  # fmt: skip


def _values(chain: Chain, study: Study) -> str:
    """Return the sources' numeric attributes, as "1.5 → 3 T".

    "" where a value isn't known, or where cohorts are trained on together.
    """
    before = chain.steps[:-1]
    if not before or any(len(step) > 1 for step in before):
        return ""
    out = []
    for attribute in study.attributes:
        found = [study.cohorts[step[0]].attributes.get(attribute.name) for step in before]
        if all(isinstance(value, float) for value in found):
            out.append(f"{ARROW.join(f'{v:g}' for v in found)} {attribute.unit}".strip())
    return ", ".join(out)


def _frame(axes: Axes, labels: list[str], heads: list[int], study: Study) -> None:
    axes.axvline(0, color=style.INK, linewidth=0.8, zorder=1)
    axes.set_yticks(range(len(labels)), labels)
    for y in heads:
        axes.get_yticklabels()[y].set_fontweight("bold")
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    axes.margins(x=0.06)
    axes.set_ylabel("")
    gain = "Gain" if direction(study.statistics.metric) > 0 else "Difference"
    axes.set_xlabel(f"{gain} in {captions.metric_of_differences(study)}")


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
        out.append(Line2D([], [], color=style.MUTED, linewidth=2.6, alpha=0.55, label="CI, other patients"))
    if gains["ci_wide_low"].notna().any():
        label = "CI, other patients and trainings"
        out.append(Line2D([], [], color=style.MUTED, linewidth=0.9, label=label))
    return out


def _of_targets(frames: Frames, study: Study) -> str:
    """Return the number of test cases of each target, as "Site A 6, Site B 6"."""
    counts = frames["gains"].groupby("target", sort=False)["cases"].max()
    return ", ".join(f"{style.test_set_label(study, name)} {n}" for name, n in counts.items())

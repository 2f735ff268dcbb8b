"""DSC and cost of a training step against how much of the network is re-trained (promised by Chen).

Drawn: left, for each structure the mean DSC at each level, from the last layers alone to the whole
network, and the mean over the structures with its confidence interval over cases, at its right the mean of each
replicate where there are several; right, seconds for
a training step. Dotted: the models that don't fine-tune. The DSC has no unit.
"""

import importlib
from collections.abc import Mapping
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from crossover import networks
from crossover.analyses.analysis import Analysis, Frames, Inputs
from crossover.analyses.figures import captions, style
from crossover.analyses.predicates import SCORES, fine_tuned_and_scratch, several_levels
from crossover.statistics.scores.metrics_table import POOLED
from crossover.statistics.scores.missing import for_figures, without_absent
from crossover.study.families import (
    baseline,
    families,
    fine_tuned,
    main_rows,
    main_scores,
    references,
    replicate_means,
    replicates_of,
)
from crossover.study.plan import plan
from crossover.study.schema import Study

ANALYSIS = Analysis(
    title="Performance and cost by number of re-trained layers",
    reads=("metrics.csv", "statistics/training_time.csv"),
    settings=("design", "labels", *SCORES, "statistics.confidence", "figures.colours", "network"),
    applies=(fine_tuned_and_scratch, several_levels),
    order=9,
)

WHOLE = ""
"""The level of a network that is re-trained from its first layer on."""
MEAN: dict[str, Any] = {"linewidth": 1.8, "marker": "o", "markersize": 4}


def make(given: Inputs, study: Study) -> Figure:
    """Return the figure that `draw` makes of the tables and images given."""
    times = given.table("statistics/training_time.csv")
    metrics = for_figures(given.table("metrics.csv"), study.statistics.missing)
    return draw(metrics, times, study, levels_of(study))


def caption(frames: Frames, study: Study) -> str:
    """Return the text below the figure, with the numbers of a run."""
    metrics = without_absent(frames["metrics"])
    target = metrics[metrics["cohort"] == study.target]
    rows = swept_rows(target, study, dict.fromkeys(levels_of(study)))
    structures = swept(rows, study)
    cases = captions.number_of(captions.counts_of(rows, study), frames, study)
    named = ", ".join(study.structures[s].label for s in structures)
    text = (
        f"Left: mean {captions.metric(study)} of {cases} of {captions.target(study)} for each structure "
        f"({named}) by the part of the network that is re-trained on {study.sizes[-1]} patients of "
        f"{captions.target(study)}, smallest at the left, and the mean of each case's structures with its "
        f"{study.statistics.confidence:.0%} confidence interval for other patients "
        f"({captions.interval_method(study)}).{captions.replicates(frames, study)} "
        "Right: seconds for one training step"
    )
    return f"{text}{captions.machine(frames)}. Dotted: models that don't fine-tune."


def levels_of(study: Study) -> dict[str, int | None]:
    """Return the architecture's levels, the least re-trained first, with their number of re-trained layers.

    The whole network is "", last. The number is None where the architecture doesn't count its layers.
    """
    architecture = networks.declared(study.network.architecture)
    module = importlib.import_module(f"crossover.networks.{architecture.name}")
    settings = architecture.settings(**study.network.settings)
    counted: dict[str, int] = getattr(module, "retrained_layers", lambda _: {})(settings)
    shallow = sorted(architecture.levels, key=lambda level: -len(architecture.frozen(level)))
    return {**{level: counted.get(level) for level in shallow}, "": counted.get("all")}


@style.styled
def draw(metrics: pd.DataFrame, times: pd.DataFrame, study: Study, levels: Mapping[str, int | None]) -> Figure:
    """Draw score and cost by level, on the target's test cases at the study's largest size.

    Args:
        metrics: one row for each model, case and structure.
        times: of `scores.training_time.training_times`.
        levels: level -> number of re-trained layers, where it is known, from few to many; "" is the whole
            network.
    """
    metrics = metrics[metrics["cohort"] == study.target]
    rows = swept_rows(main_scores(metrics, study), study, levels)
    structures = swept(rows, study)
    rows = rows[rows["structure"].isin(structures)]
    shown = [level for level in levels if level in set(rows["level"])]
    looks = _looks(structures, study)
    figure = style.new_figure(84)
    style.spacing(figure, wspace=0.06)
    scores, cost = figure.subplots(1, 2, width_ratios=[1.6, 1])
    _scores(scores, rows, shown, looks, study)
    _replicates(scores, replicates_of(metrics, study), rows, shown, study)
    _references(scores, metrics, structures, study)
    _cost(cost, times, shown, looks, study)
    for axes in (scores, cost):
        _frame(axes, shown, levels)
    scores.set_ylabel(f"Mean {style.metric_label(study.statistics.metric)}")
    cost.set_ylabel("Seconds per training step")
    scores.set_title("Score")
    cost.set_title("Cost")
    style.legend_below(figure, _handles(looks, study), 4, columnspacing=1.6, handletextpad=0.5)
    return figure


def swept_rows(table: pd.DataFrame, study: Study, levels: Mapping[str, int | None]) -> pd.DataFrame:
    """Return the fine-tuned models' rows at the largest size, with `level` "" for the whole network.

    Where two families have the same level, as a sweep's and the main question's, the first is kept.
    """
    tuned = {f.name: f.level or WHOLE for f in families(study).values() if f.transferred and f.sized}
    rows = main_rows(table, study)
    rows = rows[rows["family"].isin(tuned) & (rows["n_train"] == study.sizes[-1])]
    rows = rows.assign(level=rows["family"].map(tuned))
    rows = rows[rows["level"].isin(list(levels))]
    first = rows.drop_duplicates(["level", "structure"])[["level", "structure", "family"]]
    return rows.merge(first, on=["level", "structure", "family"])


def swept(rows: pd.DataFrame, study: Study) -> list[str]:
    """Return the structures that the study trains at the most levels, in its order, if they have any row."""
    tuned = {f.name for f in families(study).values() if f.transferred and f.sized}
    planned: dict[str, set[str | None]] = {}
    for model in plan(study).models.values():
        for structure in model.structures if model.family in tuned else ():
            planned.setdefault(structure, set()).add(model.level)
    most = max(map(len, planned.values()), default=0)
    there = set(rows["structure"])
    return [s for s in study.structures if s in there and len(planned.get(s, ())) == most]


def _scores(axes: Axes, rows: pd.DataFrame, shown: list[str], looks: dict[str, dict], study: Study) -> None:
    metric = study.statistics.metric
    sns.pointplot(rows, x="level", y=metric, order=shown, errorbar=None, linewidth=0.9, ax=axes,
                  linestyles=[look["linestyle"] for look in looks.values()], **_by_structure(looks))  # fmt: skip
    of_level = rows.groupby("level")["structure"].transform("nunique")
    whole = rows[of_level == len(looks)]  # a mean over fewer would be of something else
    cases = whole.groupby(["level", "cohort", "case"], as_index=False)[metric].mean()
    interval = style.mean_interval_of(study)
    sns.pointplot(cases, x="level", y=metric, order=shown, errorbar=interval, **MEAN, color=_tuned(study),
                  capsize=0.1, err_kws={"linewidth": 1.1}, zorder=5, ax=axes)  # fmt: skip


def _by_structure(looks: dict[str, dict]) -> dict:
    """Return arguments of `pointplot` that tell the structures apart."""
    return {
        "hue": "structure", "hue_order": list(looks), "legend": False, "markersize": 3.8, "markeredgewidth": 0,
        "palette": {structure: look["color"] for structure, look in looks.items()},
        "markers": [look["marker"] for look in looks.values()],
    }  # fmt: skip


def _replicates(axes: Axes, each: pd.DataFrame, rows: pd.DataFrame, shown: list[str], study: Study) -> None:
    """Draw the mean of each replicate beside each level's mean."""
    for position, level in enumerate(shown):
        own = rows[rows["level"] == level].drop_duplicates(["family", "structure"])
        same = each[each["n_train"] == study.sizes[-1]].merge(own[["family", "structure"]])
        means = replicate_means(same, study.statistics.metric)
        style.replicate_points(axes, position + 0.14, means, fine_tuned(study), study)


def _references(axes: Axes, metrics: pd.DataFrame, structures: list[str], study: Study) -> None:
    """Draw the mean, over the same structures and cases, of the models that don't fine-tune."""
    rows = main_scores(metrics, study)
    rows = rows[rows["structure"].isin(structures)]
    for family in _standing(study):
        own = rows[rows["family"] == family]
        own = own[own["n_train"].isin([0, study.sizes[-1]])]
        if len(own) and own["structure"].nunique() == len(structures):
            axes.axhline(own[study.statistics.metric].mean(), **_dotted(study, family), zorder=2)


def _standing(study: Study) -> list[str]:
    scratch = baseline(study)
    return [*references(study), *([scratch] if scratch else [])]


def _dotted(study: Study, family: str) -> dict:
    colour = style.family_colour(study, family)
    return {"color": colour, "linewidth": 1.2, "linestyle": style.REFERENCE_LINE}


def _cost(axes: Axes, times: pd.DataFrame, shown: list[str], looks: dict[str, dict], study: Study) -> None:
    times = times[times["structure"].isin([*looks, POOLED])]
    rows = swept_rows(times, study, dict.fromkeys(shown))
    cost = {"x": "level", "y": "seconds_per_step", "order": shown, "errorbar": None, "ax": axes}
    own = rows[rows["structure"].isin(list(looks))]
    sns.pointplot(own, linestyles="none", **cost, **_by_structure(looks))
    of_level = rows.groupby("level")["structure"].transform("nunique")
    whole = rows[of_level == rows["structure"].nunique()]
    sns.pointplot(whole, color=_tuned(study), **MEAN | {"marker": "none"}, zorder=1, **cost)
    scratch = baseline(study)
    own = main_rows(times, study)
    own = own[(own["family"] == scratch) & (own["n_train"] == study.sizes[-1])]
    if scratch and own["seconds_per_step"].notna().any():
        axes.axhline(own["seconds_per_step"].mean(), **_dotted(study, scratch))
    axes.set_ylim(bottom=0)
    if whole["seconds_per_step"].isna().all():
        axes.text(0.5, 0.5, "not recorded", transform=axes.transAxes, ha="center")


def _frame(axes: Axes, shown: list[str], levels: Mapping[str, int | None]) -> None:
    names = [level or "all" for level in shown]
    counted = all(levels[level] is not None for level in shown)
    if counted:
        names = [f"{name} ({levels[level]})" for name, level in zip(names, shown, strict=True)]
    axes.set_xticks(range(len(shown)), names, rotation=90 if len(shown) > 4 else 0)
    axes.set_xlim(-0.4, len(shown) - 0.6)
    axes.grid(axis="y")
    axes.set_xlabel("Re-trained from … on" + (" (layers)" if counted else ""))


def _tuned(study: Study) -> str:
    """Return the colour of the main question's fine-tuned family."""
    return style.family_colour(study, fine_tuned(study))


def _looks(structures: list[str], study: Study) -> dict[str, dict]:
    """Return colour, marker and line of each structure; no family of the figure has its colour."""
    taken = {_tuned(study), *(style.family_colour(study, f) for f in _standing(study))}
    free = [c for c in style.OKABE_ITO[:6] if c not in taken]
    return {
        structure: {
            "color": free[i % len(free)],
            "marker": style.MARKERS[2:][i % (len(style.MARKERS) - 2)],
            "markersize": 3.8,
            "markeredgewidth": 0,
            "linestyle": style.LINES[1:][i // len(free) % (len(style.LINES) - 1)],
        }
        for i, structure in enumerate(structures)
    }


def _handles(looks: dict[str, dict], study: Study) -> list[Line2D]:
    out = [Line2D([], [], **look, linewidth=0.9, label=study.structures[s].label) for s, look in looks.items()]
    label = f"mean of these, {study.statistics.confidence:.0%} CI"
    out.append(Line2D([], [], **MEAN, color=_tuned(study), label=label))
    return out + [
        Line2D([], [], **_dotted(study, f), label=f"{style.family_label(study, f)}, mean") for f in _standing(study)
    ]

"""Parts of claims about training times, networks and crossovers."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from crossover.core.wording import counted
from crossover.statistics.estimates.chance import Effect, Spread, effect, shared_by_folds
from crossover.statistics.estimates.effects import effect_of
from crossover.statistics.learning_curves.crossing import CHANGES, CROSSES, NONE, lacking
from crossover.statistics.papers.claims.parts import Interval, JudgedEffect, Missing
from crossover.statistics.papers.claims.run_scores import Sizes
from crossover.statistics.papers.claims.score_parts import part
from crossover.statistics.papers.claims.statements import BestNetwork, Crossover, Time
from crossover.statistics.scores.intervals import clip_to_scale
from crossover.statistics.scores.metrics_table import POOLED
from crossover.statistics.scores.scales import PERCENT_SAVED, SHARE


def time(statement: Time, saved: pd.DataFrame, sizes: Sizes) -> list[JudgedEffect]:
    """Return the mean saving in per cent over structures and replicates, with the interval of the model of chance.

    Structures take the place of patients, and replicates that of trainings: the networks of one structure resemble
    each other, and so may what was trained at one time. Where there is one structure, or one replicate, the interval is
    Student's over the other. A structure's saving is its mean over the sizes that are asked about.

    On processors the interval to judge by spans those of seconds of the clock and of processor seconds, so that
    there is a verdict only where both lead to it: what the machine did beside slows the one, hardly the other.

    Raises:
        Missing: no such trainings, or such as ran on different devices, with different threads, or while something
            else took their time (`scores.training_time`).
    """
    rows = saved[(saved["family"] == statement.family) & (saved["scratch"] == statement.over)]
    ours = [sizes[n] for n in statement.sizes if n in sizes]
    if len(ours) < len(statement.sizes):
        lacking = ", ".join(str(n) for n in statement.sizes if n not in sizes)
        raise Missing(f"the study has no training size for the paper's n = {lacking}")
    rows = rows[rows["n_train"].isin(ours)]
    single = rows[rows["structure"] != POOLED]
    rows = single if len(single) else rows
    if rows.empty:
        raise Missing(f"the table has no times of {statement.family} and {statement.over}")
    if not rows["alike"].astype(bool).all():
        raise Missing("the trainings ran on different devices, with different threads, or read kept activations")
    if disturbed := int((~rows["undisturbed"].astype(bool)).sum()):
        raise Missing(
            f"in {disturbed} of {counted(len(rows), 'pair')}, no record shows that each training had its cores or its "
            "GPU to itself, so that the times cannot be compared; train one at a time (--cores equal to "
            "execution.threads, execution.per_gpu: 1)"
        )
    measures = ["saved_percent"]
    if rows["cpu_saved_percent"].notna().all():
        measures.append("cpu_saved_percent")
    found = [_saving(rows, measure) for measure in measures]

    def interval(confidence: float) -> Interval:
        lows, highs = zip(*(each.interval(confidence) for each in found), strict=True)
        low, high = clip_to_scale(min(lows), max(highs), PERCENT_SAVED)
        return float(low), float(high)

    return [JudgedEffect("", found[0].estimate, interval, _p(found, statement.at_least))]


def _saving(rows: pd.DataFrame, measure: str) -> Effect:
    """Return the mean saving over structures and replicates as an effect."""
    savings = rows.pivot_table(measure, "structure", "replicate").to_numpy(float)
    if len(savings) == 1:
        savings = savings.T
    runs = [str(run) for run in range(savings.shape[1])]
    return effect_of([savings], [runs], [1.0], np.zeros(len(savings)), lambda: Spread(0.0, 1))


def best_network(statement: BestNetwork, cells: pd.DataFrame) -> list[JudgedEffect]:
    """Return the network's validation DSC minus every other's, on the same folds.

    Of k folds any two share most of their training patients, so that the spread between them understates the chance of
    other patients (`chance.shared_by_folds`).

    Raises:
        Missing: the network is not in the selection, or is alone in it.
    """
    scores = cells.pivot_table("validation_dsc", "fold", ["architecture", "encoder"])
    own = (statement.architecture, statement.encoder)
    if own not in scores:
        raise Missing(f"the selection has no network {' with '.join(own)}")
    parts = []
    for other in scores:
        if other != own:
            apart = (scores[own] - scores[other]).dropna()
            # each fold is another training on other patients: their spread holds both chances
            found = effect([apart.to_numpy(float)[:, None]], [1.0], spread=Spread(0.0, 1))
            folds = len(apart)
            wider = math.sqrt(1 + folds * shared_by_folds(folds)) if folds > 1 else math.nan
            found = found.scaled(found.estimate, wider)
            name = f"minus {' with '.join(other)}"
            parts.append(part(name, found, statement.region, math.nan, SHARE))
    if not parts:
        raise Missing(f"the selection has no network other than {' with '.join(own)}")
    return parts


def crossovers(statement: Crossover, table: pd.DataFrame, sizes: Sizes) -> tuple[list[JudgedEffect], Interval]:
    """Return the n at which one family overtakes the other, a part for each structure, and where n has to lie.

    An interval of the table is at the table's confidence, whatever is asked for: one crossover for each
    structure is not corrected for their number. It counts for the claim only where the table says that the two
    cross, and against it wherever it lies outside, unless the study lacks what a verdict needs; "no crossover within
    the range", leads that change more than once, and a crossing the other way, are against it too.

    Raises:
        Missing: no such comparison, or a size that stands for none.
    """
    if missing := [n for n in statement.between if n not in sizes]:
        raise Missing(f"the study has no training size for the paper's n = {missing[0]}")
    rows = table[table["test_set"] == statement.test_set]
    rows = rows[rows["metric"] == statement.metric]
    names = {statement.ahead, statement.overtakes}
    rows = rows[rows["ahead"].isin(names) & rows["overtakes"].isin(names)]
    structures = statement.structures or list(dict.fromkeys(rows["structure"]))
    if rows.empty:
        raise Missing(f"the table has no crossover of {statement.ahead} and {statement.overtakes}")
    region = float(sizes[statement.between[0]]), float(sizes[statement.between[1]])
    parts = []
    for structure in structures:
        if (own := rows[rows["structure"] == structure]).empty:
            raise Missing(f"the table has no crossover for structure {structure}")
        parts.append(_crossover(own.iloc[0], statement.ahead, region))
    return parts, region


def _crossover(row: pd.Series, ahead: str, region: Interval) -> JudgedEffect:
    printed = float(row["ci_low"]), float(row["ci_high"])
    wanted, found = row["ahead"] == ahead, row["verdict"]
    outside = wanted and not lacking(row) and (printed[1] < region[0] or printed[0] > region[1])
    if found in (NONE, CHANGES) or (found == CROSSES and not wanted) or outside:
        judged = (math.inf, math.inf)  # beyond any size, however large
    else:
        judged = printed if wanted and found == CROSSES else (0.0, math.inf)
    name = str(row.get("statement", "") or found)
    return JudgedEffect(name, float(row["n"]), lambda _: judged, shown_interval=printed)


def _p(found: Sequence[Effect], bound: float) -> float:
    """Return the larger p where all lie on one side of the bound; else one that says nothing."""
    one_side = len({np.sign(each.estimate - bound) for each in found}) == 1
    return max(each.p(bound) for each in found) if one_side else 1.0

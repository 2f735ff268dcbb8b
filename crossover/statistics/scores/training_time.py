"""How long did each training take, and what does fine-tuning save against training from scratch?

A saving is T - F seconds, T from scratch and F fine-tuned, with s steps of c seconds each:

    T - F = (c_T - c_F) (s_T + s_F) / 2      cheaper steps: no gradient and no update below the cut
          + (s_T - s_F) (c_T + c_F) / 2      fewer steps
          + what batches, validation, loading and the rest took in T, minus that in F

The first step of a process, which traces or compiles the network, is no step here but of the rest, as
is all that isn't timed by itself (starting, writing). The two terms of the steps are the symmetric split of a
difference of products: they add up exactly,
and with equal numbers of steps the first is (c_T - c_F) s and the second 0. The training of the weights
that fine-tuning starts from is shown apart and not counted, as in Chen 2023 ("up to 33%").

Seconds of the clock also say what else the machine did. Processor seconds beside them tell: a training that has its
core to itself takes about as many of these; of two to four at once on two cores each took 0.36 to 0.54, with clock
seconds a step 20% apart and processor seconds a step 7%. Which of two trainings that hits is chance, so that a pair is
`undisturbed` only where both took `OWN_CORES` or more. With several threads, or a thread beside that makes batches,
a training may be slowed above that; its processor seconds tell (`cpu_saved_percent`). On a GPU these mean little:
there a pair is undisturbed where each had the whole device.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from crossover.statistics.scores.metrics_table import POOLED
from crossover.study.plan import Model

TIMES = [
    "stage", "parent", "cohorts", "initial", "model", "family", "strategy", "level", "structure", "n_train",
    "replicate", "fold", "steps", "best_step", "parameters_total", "parameters_trained", "seconds",
    "step_seconds", "batch_seconds", "validation_seconds", "load_seconds", "other_seconds",
    "first_step_seconds", "seconds_per_step", "cpu_seconds", "threads", "device", "gpu_share", "batches_read",
]  # fmt: skip
SAVINGS = [
    "structure", "n_train", "replicate", "family", "scratch", "structures",
    "steps", "steps_scratch", "seconds_per_step", "seconds_per_step_scratch",
    "seconds", "seconds_scratch", "saved_s", "saved_percent",
    "cheaper_steps_s", "fewer_steps_s", "batches_s", "validation_s", "loading_s", "other_s",
    "cheaper_steps_percent", "anything_else_percent", "cpu_saved_percent", "source_s", "alike", "undisturbed",
]  # fmt: skip
OWN_CORES = 0.9
"""The processor seconds for each second of the clock: 0.1 is left for reading and writing."""
CPU = "CPU"

_TEXT = ["parent", "cohorts", "initial", "model", "family", "level"]
_PARTS = ["step_seconds", "batch_seconds", "validation_seconds", "load_seconds"]
_FLAGS = ["alike", "undisturbed"]
_CAUSES = [
    "cheaper_steps_s", "fewer_steps_s", "batches_s", "validation_s", "loading_s", "other_s",
]  # fmt: skip
_ADDED = ["steps", "seconds", "cpu_seconds", *_PARTS, "other_seconds"]


def training_times(records: Iterable[Mapping[str, Any]], models: Iterable[Model]) -> pd.DataFrame:
    """Return one row for each stage and model that it ends, from the stages' records.

    Args:
        records: the facts in results/<study>/stages/<stage>/record.json.
        models: of the study's plan.

    Returns:
        The columns `TIMES`. A stage that several models share has a row for each, one that ends no
        model has model "". `cohorts` are those that it trains on, with blanks between; `initial` is the kind of
        weights that a stage without parent begins with. `structure` is "all" for a network of several. `seconds` is
        the whole stage, `other_seconds` what is none of steps, batches, validation and loading; it includes
        `first_step_seconds`; `cpu_seconds` those of processors, of all threads; `gpu_share` is how much of a GPU it
        had to itself; `batches_read` the batches whose frozen activations had been kept (see
        `crossover.training.activations`). A record's times are those of its `seconds_in` (step, which the frozen part
        belongs to, first_step, batch, validation, load); without it the parts are missing.
    """
    ended: dict[str, list[Model]] = {}
    for model in models:
        ended.setdefault(model.stage, []).append(model)
    rows = []
    for record in records:
        facts = _facts(record)
        own = [_named(model) for model in ended.get(facts["stage"], [])]
        rows += [facts | named for named in own or [{"model": "", "family": "", "strategy": ""}]]
    table = pd.DataFrame(rows, columns=TIMES)
    table[_ADDED[:-1]] = table[_ADDED[:-1]].astype(float)
    table["other_seconds"] = table["seconds"] - table[_PARTS].sum(axis=1, skipna=False)
    table["seconds_per_step"] = table["step_seconds"] / _repeated(table["steps"])
    table["n_train"] = table["n_train"].fillna(0).astype(int)
    return table.astype({"fold": "Int64"}).fillna({"level": "", "parent": ""})


def savings(times: pd.DataFrame, scratch: str | None) -> pd.DataFrame:
    """Compare each fine-tuned family's time with that of training from scratch, by structure and overall.

    Args:
        times: of `training_times`; a table read back from its file will do.
        scratch: the family trained from scratch on the target; None gives an empty table.

    Returns:
        The columns `SAVINGS`, one row for each structure, size, replicate and family whose stage has a parent or begins
        with given weights that the one from scratch doesn't begin with, and where there are several structures one of
        structure "all" with their sums, if the replicate has all of them.
        `*_s` of a part are the seconds that it saved (negative: it cost more), `cheaper_steps_percent`
        and `anything_else_percent` their shares of `saved_s`, NaN where nothing was saved or lost.
        Stages before the last one that train on the target, as those of gradual unfreezing, are added to it;
        `source_s` is the time of those before them, from which fine-tuning starts, and is not counted.
        `alike` says whether all ran on the same device with the same number of threads, and none read
        activations that another had computed; `undisturbed` whether nothing else took their time (see above).
        `cpu_saved_percent` is the share of processor seconds saved; NaN on a GPU. Models of k-fold are left out,
        but of families that have no others each fold counts as a replicate.
    """
    text = {name: times[name].astype("string").fillna("").astype(str) for name in _TEXT}
    unfolded = times["fold"].isna()
    others = ~times["family"].isin(times.loc[unfolded, "family"])
    times = times.assign(**text, undisturbed=_undisturbed(times))[unfolded | others]
    fold = times["fold"].fillna(0).astype("int64")
    times = times.assign(replicate=times["replicate"] * (fold.max() + 1) + fold if len(times) else 0)
    base = times[times["family"] == scratch]
    given = ~times["initial"].isin(["", "random", *base["initial"]])
    tuned = times[((times["parent"] != "") | given) & (times["model"] != "") & times["n_train"].gt(0)].copy()
    tuned = _with_earlier_steps(tuned, times, {name for text in base["cohorts"] for name in text.split()})
    tuned["source_s"] = [_before(row.parent, times) for row in tuned.itertuples()]
    keys = ["structure", "n_train", "replicate"]
    base = base[[*keys, *_ADDED, "threads", "device", "undisturbed"]]
    pairs = tuned.merge(base, on=keys, suffixes=("", "_scratch"))
    pairs["alike"] &= (pairs["threads"] == pairs["threads_scratch"]) & (pairs["device"] == pairs["device_scratch"])
    pairs["alike"] &= pairs["batches_read"] == 0
    pairs["undisturbed"] &= pairs["undisturbed_scratch"]
    pairs = _decomposed(pairs.assign(structures=1, scratch=scratch))
    whole = _overall(pairs).assign(scratch=scratch)
    return _shares(pd.concat([pairs, whole], ignore_index=True))[SAVINGS]


def _undisturbed(times: pd.DataFrame) -> pd.Series:
    """Return whether each training had its cores, or its GPU, to itself; False where no record says so."""
    own = times["cpu_seconds"] >= OWN_CORES * times["seconds"]
    return own.where(times["device"] == CPU, times["gpu_share"] == 1)


def _facts(record: Mapping[str, Any]) -> dict[str, Any]:
    stage = record["stage"]
    structures = stage.get("structures") or [POOLED]
    parameters, spent = record.get("parameters", {}), record.get("seconds_in")
    if spent is not None:
        spent = spent | {"step": spent.get("step", 0.0) + spent.get("frozen", 0.0)}
    same = ["steps", "best_step", "seconds", "cpu_seconds", "threads", "device", "gpu_share"]
    return {
        "stage": stage["name"],
        "parent": stage["parent"],
        "initial": stage.get("initial") or "",
        "cohorts": " ".join(cohort for cohort, _ in stage.get("train", ())),
        "level": stage["level"],
        "structure": structures[0] if len(structures) == 1 else POOLED,
        "replicate": stage["replicate"],
        "fold": stage["fold"],
        "parameters_total": parameters.get("total", np.nan),
        "parameters_trained": parameters.get("trained", np.nan),
        **{name: record.get(name, np.nan) for name in same},
        "batches_read": (record.get("activations") or {}).get("read", 0),
        **{
            f"{what}_seconds": np.nan if spent is None else spent.get(what, 0.0)
            for what in ("step", "first_step", "batch", "validation", "load")
        },
    }


def _repeated(steps: pd.Series, stages: pd.Series | int = 1) -> pd.Series:
    """Return the steps after each stage's first, which is timed apart; missing where there are none."""
    return (steps - stages).where(steps > stages)


def _named(model: Model) -> dict[str, Any]:
    names = ("family", "strategy", "level", "n_train")
    return {"model": model.name} | {name: getattr(model, name) for name in names}


def _with_earlier_steps(tuned: pd.DataFrame, times: pd.DataFrame, target: set[str]) -> pd.DataFrame:
    """Return the last stages of chains with the stages just before them that train on the target added.

    `stages` counts them, `parent` is what the first of them starts from, and `alike` says whether all ran on one kind
    of device with one number of threads.
    """
    by_stage, out = times.drop_duplicates("stage").set_index("stage"), tuned.assign(stages=1, alike=True)
    for i, parent in tuned["parent"].items():
        while parent in by_stage.index and target and target <= {*by_stage.at[parent, "cohorts"].split()}:
            own = by_stage.loc[parent]
            out.loc[i, [*_ADDED, "batches_read"]] += own[[*_ADDED, "batches_read"]]
            out.loc[i, "stages"] += 1
            out.loc[i, "undisturbed"] &= own["undisturbed"]
            out.loc[i, "alike"] &= all(own[name] == tuned.at[i, name] for name in ("device", "threads"))
            parent = own["parent"]
        out.loc[i, "parent"] = parent
    return out


def _before(stage: str, times: pd.DataFrame) -> float:
    """Return the seconds of a stage and of all that it starts from."""
    by_stage = times.drop_duplicates("stage").set_index("stage")[["parent", "seconds"]]
    total = 0.0
    while stage:
        if stage not in by_stage.index:
            return np.nan
        stage, seconds = by_stage.loc[stage]
        total += seconds
    return total


def _decomposed(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return the seconds that each cause saved."""

    def less(name: str) -> pd.Series:
        return pairs[f"{name}_scratch"] - pairs[name]

    steps, steps_scratch = _repeated(pairs["steps"], pairs["stages"]), _repeated(pairs["steps_scratch"])
    own, scratch = pairs["step_seconds"] / steps, pairs["step_seconds_scratch"] / steps_scratch
    return pairs.assign(
        saved_s=less("seconds"),
        cheaper_steps_s=(scratch - own) * (steps + steps_scratch) / 2,
        fewer_steps_s=(steps_scratch - steps) * (own + scratch) / 2,
        batches_s=less("batch_seconds"),
        validation_s=less("validation_seconds"),
        loading_s=less("load_seconds"),
        other_s=less("other_seconds"),
    )


def _overall(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return sums over the structures, where a family has several, of the replicates that have all of them."""
    if pairs.empty:
        return pairs
    numbers = [*_ADDED, *(f"{name}_scratch" for name in _ADDED), *_CAUSES, "saved_s", "source_s"]
    how = {name: lambda v: v.sum(skipna=False) for name in [*numbers, "structures", "stages"]}
    groups = pairs.groupby(["family", "n_train", "replicate"], sort=False)
    sums = groups.agg({**how, **dict.fromkeys(_FLAGS, "all"), "device": "first"}).reset_index()
    trained = pairs.groupby(["family", "n_train"])["structure"].nunique()
    needed = trained.loc[pd.MultiIndex.from_frame(sums[["family", "n_train"]])].to_numpy()
    return sums[(needed > 1) & (sums["structures"] == needed)].assign(structure=POOLED)


def _shares(table: pd.DataFrame) -> pd.DataFrame:
    saved = table["saved_s"]
    share = 100 * table["cheaper_steps_s"] / saved.where(saved != 0)
    return table.assign(
        seconds_per_step=table["step_seconds"] / (table["steps"] - table["stages"]),
        seconds_per_step_scratch=table["step_seconds_scratch"] / (table["steps_scratch"] - table["structures"]),
        saved_percent=100 * saved / table["seconds_scratch"],
        cpu_saved_percent=(100 * (1 - table["cpu_seconds"] / table["cpu_seconds_scratch"])).where(
            table["device"] == CPU
        ),
        cheaper_steps_percent=share,
        anything_else_percent=100 - share,
    )

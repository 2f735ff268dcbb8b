"""Train one stage again beside the results, and compare: to the bit, else within tolerances."""

import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from safetensors.numpy import load_file

from crossover.core.configuration import canonical
from crossover.core.files import read_json
from crossover.core.incremental import RECORD
from crossover.core.provenance import imported_versions, read_record
from crossover.study.config import load_study, scale_of
from crossover.study.initial_weights import of_file
from crossover.training.stage_files import HISTORY, WEIGHTS

DSC_TOLERANCE = 0.02
"""By how much the best validation DSC may differ where machines do: rounding in another order moves it."""
Verdict = Literal["identical", "within tolerance", "different"]


@dataclass(frozen=True)
class Recomputed:
    """A stage that was trained again, beside the one kept.

    Attributes:
        verdict: `identical` is of weights that are equal to the bit.
        largest_difference: of any weight.
        validation_dsc: kept, again.
        machine: platform, device, processor or package -> as recorded, and now, where they differ.
    """

    stage: str
    verdict: Verdict
    largest_difference: float
    validation_dsc: tuple[float, float]
    machine: dict[str, tuple[str, str]]


def recompute(study: str, stage: str) -> Recomputed:
    """Train a stage again from its slices, split and parent's weights, and compare it with the one kept.

    Raises:
        ValueError: there is no such stage, or its training failed.
    """
    stages = Path(f"results/{study}/stages")
    kept = stages / stage
    if not stage or not (kept / RECORD).exists():
        raise ValueError(f"{study}/{stage}: {kept / RECORD} does not exist; name a trained stage as <study>/<stage>")
    record = _record_of(stages, stage)
    again = Path(f".cache/verify/verify-{study}/stages")
    shutil.rmtree(again.parent, ignore_errors=True)
    again.mkdir(parents=True)
    settings = {
        **record["settings"],
        "stages": [s for s in record["settings"]["stages"] if s["name"] == stage],
    }
    parent = settings["stages"][0]["parent"]
    if parent:
        (again / parent).symlink_to((stages / parent).resolve())
    checks = _checks(study, settings["stages"][0]) if "model" in settings["initial"] else {}
    _train(record["command"], settings, checks, again / "again.json")
    return _compared(kept, again / stage, record)


def _record_of(stages: Path, stage: str) -> dict[str, Any]:
    """Read the record of the job that trained a stage, the latest where several list it."""
    listing = [m for m in stages.glob("*.json") if stage in read_json(m).get("items", ())]
    records = [record for record in map(read_record, listing) if record]
    if not records:
        raise ValueError(f"{stages}: no provenance record of a job lists stage {stage}")
    return max(records, key=lambda record: record["begun"])


def _checks(study: str, stage: Mapping[str, Any]) -> dict[str, Any]:
    """Return where a model's weights are, by the study's file as it is now: no record tells it."""
    own = load_study(study, scale_of(Path("results", study)))
    return {"places": {"model": of_file(own.network_of(stage["network"]).initial)}}


def _train(command: str, settings: dict[str, Any], checks: dict[str, Any], out: Path) -> None:
    words = shlex.split(command)
    words[words.index("--out") + 1] = str(out)
    words[words.index("--log") + 1] = str(out.with_suffix(".log"))
    words = [sys.executable, *words[1:], "--cfg", canonical(settings), "--checks", canonical(checks)]
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise ValueError(f"the training failed; its last output was:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def _compared(kept: Path, again: Path, record: dict[str, Any]) -> Recomputed:
    old, new = load_file(kept / WEIGHTS), load_file(again / WEIGHTS)
    same = old.keys() == new.keys() and all(np.array_equal(old[k], new[k]) for k in old)
    largest = max((float(np.abs(old[k] - new[k]).max(initial=0.0)) for k in old if k in new), default=0.0)
    before, after = (read_json(folder / RECORD) for folder in (kept, again))
    old_dsc, new_dsc = before["best_validation_dsc"], after["best_validation_dsc"]
    steps = [len(pd.read_csv(folder / HISTORY)) for folder in (kept, again)]
    close = abs(old_dsc - new_dsc) <= DSC_TOLERANCE and steps[0] == steps[1]
    now = {"platform": platform.platform(), **_computers(after), **imported_versions()}
    then = {"platform": record["platform"], **_computers(before), **record["versions"]}
    differing = {k: (then[k], now[k]) for k in then if k in now and then[k] != now[k]}
    verdict: Verdict = "identical" if same else "within tolerance" if close else "different"
    return Recomputed(kept.name, verdict, largest, (old_dsc, new_dsc), differing)


def _computers(facts: dict[str, Any]) -> dict[str, str]:
    """Return what a stage was computed on, as far as its record says: with other kernels last bits differ."""
    return {what: facts[what] for what in ("device", "processor") if what in facts}


def sample() -> tuple[str, str]:
    """Return one of the stages that are there, (study, stage), the same at each call.

    Raises:
        ValueError: there is none.
    """
    manifests = sorted(Path("results").glob("*/stages/*.json"))
    found = {m.parent / name: record for m in manifests for name, record in read_json(m).get("items", {}).items()}
    own = sorted(folder for folder, record in found.items() if "same_as" not in record)
    if not own:
        raise ValueError("there is no trained stage in results/: run a study first")
    chosen = own[int(np.random.default_rng(0).integers(len(own)))]
    return chosen.parts[-3], chosen.name

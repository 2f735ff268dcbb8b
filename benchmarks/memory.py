"""Peak memory of one training: the largest of each study.

With all of its patients and slices at their full size, two steps, each with a validation, and a checkpoint between
them, in a process of its own.

    .venv/bin/python -m benchmarks.memory [--scale paper] [--steps 2] [--out config/memory.csv] [uterus ...]
    .venv/bin/python -m benchmarks.memory --cells unet/resnet18 unet/resnet34 -- prostate

The second step has all that any later one has: the optimiser's moments and the best weights so far. The first,
which makes them, is given two slices of its batch.

SliceFiles are drawn for one case and linked under the names of all, so the disk holds few of them while a training
finds as many and as large files as it would. Of the validation slices the network predicts one batch, and the
others get their scores from it: to predict thousands on a CPU takes hours and no more memory.

`peak` is the process's largest resident memory (`ru_maxrss`), what it holds of its libraries' files included.
SliceFiles are read, not mapped, so none of it is theirs; what the system keeps of read files in memory is free for
whoever needs it, and not counted. `crossover plan` reads `config/memory.csv`, in which other networks' rows stay.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
from dataclasses import replace
from datetime import date
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd

from crossover.core.files import write_json
from crossover.core.paths import ROOT
from crossover.execution.cohort_size import amount
from crossover.execution.requirements import MEMORY
from crossover.imaging import stored
from crossover.study.config import load_study
from crossover.study.plan import Stage, plan
from crossover.study.schema import Study
from crossover.study.sections import SELECTED, Network, Training
from crossover.study.splits import split
from crossover.training import engines
from crossover.training import stage as course
from crossover.training.loop import Trainer
from crossover.training.stage_files import SliceFiles

STUDIES = ("uterus", "nasopharynx", "prostate")
COLUMNS = ["study", "scale", "architecture", "encoder", "parameters", "peak_gb", "machine"]
PREDICTED = 1
"""Batches of validation slices that the network predicts."""
FEW = 2
"""SliceFiles of the first step."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("studies", nargs="*", default=STUDIES)
    parser.add_argument("--scale", default="paper")
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--cells", nargs="*", help="of a study that selects; else all")
    parser.add_argument("--out", type=Path, default=MEMORY)
    parser.add_argument("--one", action="store_true", help="in this process")
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(args)))
        return
    rows = []
    for name in args.studies:
        study = load_study(name, args.scale, ROOT / "config")
        cells = ["/".join(cell) for cell in study.selection.cells] if study.selection else [""]
        for cell in args.cells or cells:
            words = ["--one", name, "--scale", args.scale, "--steps", str(args.steps)]
            words += ["--threads", str(args.threads), *(["--cells", cell] if cell else [])]
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.memory", *words],
                stdout=subprocess.PIPE,
                text=True,
            )
            if done.returncode:
                print(f"{name} {cell}: failed or was killed ({done.returncode})")
                continue
            rows.append(json.loads(done.stdout.splitlines()[-1]))
            print(json.dumps(rows[-1]), flush=True)
    table = pd.DataFrame(rows)
    print(f"{date.today()}, {platform.machine()}, {os.cpu_count()} cores")
    if rows:
        print(table.to_markdown(index=False))
        write(args.out, table)


def write(path: Path, rows: pd.DataFrame) -> None:
    """Put rows in the place of those of the same networks of the same studies and scales."""
    new, key = rows[COLUMNS], COLUMNS[:4]
    if path.exists():
        before = pd.read_csv(path, keep_default_na=False)
        same = before.set_index(key).index.isin(new.set_index(key).index)
        new = pd.concat([before[~same], new])
    new.to_csv(path, index=False)


def measure(args: argparse.Namespace) -> dict:
    study = load_study(args.studies[0], args.scale, ROOT / "config")
    stage = max(plan(study).stages.values(), key=lambda s: patients(study, s))
    network = study.network
    if network.architecture == SELECTED:
        network = network.cell(*args.cells[0].split("/"))
    stage = replace(stage, parent=None, level=None, initial=None, cell=None)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        return trained(study, network, stage, args)


def patients(study: Study, stage: Stage) -> int:
    held = {name: amount(study, name) for name in study.cohorts}
    return sum(n or held[cohort].patients for cohort, n in stage.train)


def trained(study: Study, network: Network, stage: Stage, args: argparse.Namespace) -> dict:
    manifests, cases = {}, []
    for name, _ in sorted(stage.train):
        manifests[name] = link(study, name, stage)
        own = json.loads(manifests[name].read_text())["items"]
        cases += [{"cohort": name, "patient": case, "case": case} for case in own]
    tests = {name: study.cohorts[name].test for name in manifests}
    needed = dict.fromkeys(manifests, 2)
    images = pd.DataFrame(columns=["cohort", "case", "channel", "image"])  # copies, on purpose
    splits = split(pd.DataFrame(cases), tests, study.splits, needed, images)
    recipe = study.recipe.model_copy(update={"steps": (args.steps, args.steps), "validations": args.steps, "epochs": 1})
    settings = Training(
        network=network, recipe=recipe, validation=study.splits.validation,
        threshold=study.evaluation.threshold, size=study.preparation.slices.size, channels=study.channels,
        standardise=study.preparation.slices.normalisation.method == "training",
    )  # fmt: skip
    trainer = Trainer(settings, SliceFiles(manifests), splits, Path("out"), Path("cache"), args.threads)
    sparing(trainer)
    course.CHECKPOINT_SECONDS = 0
    Path("out/it").mkdir(parents=True)
    start = perf_counter()
    facts = trainer.make(stage, "key", Path("out/it"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    settings_ = network.settings
    return {
        "study": study.study, "scale": study.scale, "architecture": network.architecture,
        "encoder": settings_.get("encoder", ""), "parameters": facts["parameters"]["total"],
        "peak_gb": round(peak, 2), "slices": facts["slices"]["train"],
        "machine": platform.machine(), "cases": len(cases), "batch": recipe.batch,
        "stored_gb": round(sum(map(stored_bytes, manifests.values())) / 1e9, 1),
        "seconds": round(perf_counter() - start),
    }  # fmt: skip


def link(study: Study, cohort: str, stage: Stage) -> Path:
    """Return the manifest of a cohort's slices, all of them one case's."""
    own, structures = amount(study, cohort), stage.structures
    rows, columns = study.preparation.slices.size
    count = round(own.slices)
    rng = np.random.default_rng(0)
    images = rng.normal(size=(count, rows, columns, len(study.channels))).astype(np.float32)
    masks = np.zeros((count, rows, columns), np.uint8)
    masks[::2, rows // 4 : rows // 2, columns // 4 : columns // 2] = 1
    first = Path("first", cohort)
    first.mkdir(parents=True)
    stored.write(first, images, dict.fromkeys(structures, masks))
    bits = "".join("10"[i % 2] for i in range(count))
    record = {
        "files": {p.name: {"sha256": "0" * 64, "bytes": p.stat().st_size} for p in first.iterdir()},
        "slices": count,
        "large": dict.fromkeys(structures, bits),
        "shown": dict.fromkeys(structures, bits),
    }
    folder = Path("slices", cohort)
    for i in range(own.patients):
        case = folder / f"{cohort}{i:04}"
        case.mkdir(parents=True)
        for file in first.iterdir():
            os.link(file, case / file.name)
    names = [case.name for case in sorted(folder.iterdir())]
    write_json(folder / "manifest.json", {"items": dict.fromkeys(names, record)})
    return folder / "manifest.json"


def stored_bytes(manifest: Path) -> int:
    records = json.loads(manifest.read_text())["items"].values()
    return sum(file["bytes"] for record in records for file in record["files"].values())


def sparing(trainer: Trainer) -> None:
    """Let the trainer's engine begin with a small step, and give a few batches' probabilities for all further ones."""
    own = trainer.engine

    def engine(structures: int) -> engines.Engine:
        made = own(structures)
        features, step, predict = made.features, made.step, made.predict
        begun, seen = [], []

        def first_of_few(given: engines.Features, masks: np.ndarray, rate: float) -> engines.Loss:
            own = masks if begun else masks[:FEW]
            begun.append(True)
            return step(given, own, rate)

        def few(images: np.ndarray) -> np.ndarray:
            if len(seen) < PREDICTED:
                seen.append(predict(images))
            return seen[0][: len(images)].copy()

        made.features = lambda images: features(images if begun else images[:FEW])
        made.step, made.predict = first_of_few, few
        return made

    trainer.engine = engine


if __name__ == "__main__":
    main()

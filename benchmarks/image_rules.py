"""The image rules' speed-up with two threads, on one cohort.

Each rule's job as Snakemake would start it, its start and imports included, with one thread and with more in turn.

    .venv/bin/python -m benchmarks.image_rules [--study uterus] [--cohort uterus] [--scale demo] [--threads 2]
        [--rounds 3] [--patients 40] [--models 1] [--rules receive cases bias_field slices evaluate radiomics]

`evaluate` and `radiomics` score models' masks of all patients; the masks stand for a model's by being the
manual ones, moved by a pixel. `bias_field` is of studies that correct one (`--study prostate --cohort site_a`). Medians
over the rounds; the outputs of all rounds must be the same to the bit.

Where other work runs beside it, wall times mean little: `by processor` is what the processor seconds allow, those
of one thread divided by those of the job's own process and a share of those of its others.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import numpy as np
import pandas as pd
import SimpleITK as sitk

from crossover.core.configuration import canonical
from crossover.core.files import file_digest, write_json
from crossover.core.paths import ROOT
from crossover.core.provenance import SUFFIX
from crossover.imaging.volumes import prediction_path, structure_path, write
from crossover.study import parameters
from crossover.study.config import load_study
from crossover.study.plan import plan
from crossover.study.schema import Study
from crossover.study.splits import COLUMNS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", default="uterus")
    parser.add_argument("--cohort", default="uterus")
    parser.add_argument("--scale", default="demo")
    parser.add_argument("--patients", type=int, help="of a phantom; else as many as the study has")
    parser.add_argument("--models", type=int, default=1, help="that are scored")
    parser.add_argument("--rules", nargs="*", help="that are timed; else all")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    study = load_study(args.study, args.scale, ROOT / "config")
    if args.patients:
        study.cohorts[args.cohort].source.patients = args.patients
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for rule, config, words in rules(study, args.cohort, args.models):
            if args.rules and rule not in args.rules:  # what is timed may read its outputs
                timed(rule, config, words, args.threads)
                continue
            took: dict[int, list[Seconds]] = {1: [], args.threads: []}
            made = set()
            for _ in range(args.rounds):
                for threads, seconds in took.items():
                    clear(words["out"][0].parent)
                    seconds.append(timed(rule, config, words, threads))
                    made.add(outputs(words["out"][0].parent))
            one, more = (Seconds(*np.median(seconds, axis=0)) for seconds in took.values())
            alone = one.own + one.others
            possible = alone / (more.own + more.others / args.threads)
            about = [one.wall, more.wall, one.wall / more.wall, alone, more.own, more.others]
            rows.append([rule, *about, possible, len(made) == 1])
            print(*rows[-1], flush=True)
            if args.rules and {row[0] for row in rows} == set(args.rules):
                break
    heads = ["rule", "1 thread s", f"{args.threads} threads s", "x"]
    heads += ["processor s with 1", "own process s", "others s", "x by processor", "same bits"]
    print(pd.DataFrame(rows, columns=heads).round(2).to_markdown(index=False))


def rules(study: Study, cohort: str, count: int) -> Iterator[tuple[str, dict, dict[str, list[Path]]]]:
    """Rule, settings and paths of each job; what one makes the next reads."""
    name = study.study
    manifest = "manifest.json"
    raw, cases = Path("data/raw", cohort, manifest), Path("data/cases", cohort, manifest)
    corrected, slices = (Path("data", kind, name, cohort, manifest) for kind in ("corrected", "slices"))
    yield "receive", {**parameters.receive(study, cohort), "listing": None}, {"out": [raw]}
    of_cases = {"raw": [raw], "out": [cases, cases.with_name("patients.csv")]}
    yield "cases", parameters.cases(study, cohort), of_cases
    if study.preparation.bias_field.method != "none":
        of_field = {"cases": [cases], "out": [corrected]}
        yield "bias_field", parameters.bias_field(study), of_field
    more = {"corrected": [corrected]} if corrected.exists() else {}
    yield "slices", parameters.slices(study), {"cases": [cases], **more, "out": [slices]}
    models = list(plan(study).models.values())[:count]
    splits, predictions = all_tested(cases, cohort), Path("results", name, "predictions")
    for model in models:
        predict(cases, cohort, predictions, model.name, model.structures)
    read = {"cases": [cases], "splits": [splits], "predictions": [predictions / "all.json"]}
    scored = parameters.evaluate(study, []) | {"models": [asdict(m) for m in models]}
    yield "evaluate", scored, read | {"out": [Path("results", name, "metrics/all.csv")]}
    if study.radiomics:
        features = parameters.radiomics(study, []) | {"models": [asdict(m) for m in models]}
        yield "radiomics", features, read | {"out": [Path("results", name, "radiomics/all.csv")]}


def all_tested(cases: Path, cohort: str) -> Path:
    patients = pd.read_csv(cases.with_name("patients.csv"), dtype=str)
    table = patients.reindex(columns=COLUMNS).assign(cohort=cohort, part="test", replicate=0)
    table.to_csv("splits.csv", index=False)
    return Path("splits.csv")


def predict(cases: Path, cohort: str, out: Path, model: str, structures: tuple[str, ...]) -> None:
    (out / model).mkdir(parents=True)
    for case in json.loads(cases.read_text())["items"]:
        for structure in structures:
            mask = sitk.ReadImage(str(structure_path(cases.parent / case, structure)))
            moved = sitk.GetImageFromArray(np.roll(sitk.GetArrayFromImage(mask), 1, axis=2))
            moved.CopyInformation(mask)
            write(moved, prediction_path(out, model, cohort, case, structure))
    write_json(out / "all.json", {"items": {}})


class Seconds(NamedTuple):
    """How long a job took: by the clock, and of the processor its own process and those that it started."""

    wall: float
    own: float
    others: float


def timed(rule: str, config: dict, paths: dict[str, list[Path]], threads: int) -> Seconds:
    words = [sys.executable, "-m", f"workflow_scripts.{rule}", "--cfg", canonical(config)]
    for option, own in paths.items():
        words += [f"--{option}", *map(str, own)]
    own = {f"{pool}_NUM_THREADS": str(threads) for pool in ("OMP", "OPENBLAS", "MKL")}
    paths["out"][0].parent.mkdir(parents=True, exist_ok=True)
    start = perf_counter()
    with Path("log").open("w") as log:
        job = subprocess.Popen(
            [*words, "--threads", str(threads)],
            env=os.environ | own | {"PYTHONPATH": str(ROOT)},
            stderr=log,
        )
        os.waitid(os.P_PID, job.pid, os.WEXITED | os.WNOWAIT)  # its figures go when it is waited for
    wall = perf_counter() - start
    told = Path(f"/proc/{job.pid}/stat").read_text().rpartition(")")[2].split()
    if job.wait():
        raise RuntimeError(Path("log").read_text())
    own, own_system, others, others_system = (int(t) / os.sysconf("SC_CLK_TCK") for t in told[11:15])
    return Seconds(wall, own + own_system, others + others_system)


def clear(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def outputs(folder: Path) -> str:
    """Of all files' names and bytes, but for the provenance records."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and SUFFIX not in p.name)
    return json.dumps([[str(p), file_digest(p)] for p in files])


if __name__ == "__main__":
    main()

"""The same real patients through this library's nnU-Net backend and through nnU-Net's own commands.

    .venv/bin/python -m benchmarks.nnunet_peer FOLDER [--n 20] [--epochs 5] [--memory 0.2] [--out OUT]

FOLDER is what `config/studies/headneck_nnunet.yaml` takes as DATA. One training of center B's n patients from random
weights, with nnU-Net's 2D configuration, for a few epochs of its 250 iterations and 50 of validation, twice:

- by the workflow, as a study of that one strategy, up to `metrics.csv`;
- as its users do it: `crossover export nnunet`, nnUNetv2_plan_and_preprocess, nnUNetv2_train with
  nnUNetTrainer_5epochs, nnUNetv2_predict, `crossover score`.

Both have all threads and no GPU. nnU-Net's commands augment in processes beside the training, the backend within it, so
that a training repeats; so wall-clock and processor seconds are printed both. nnU-Net fixes no seed: the difference in
DSC is that of two trainings. Prints two tables of Markdown; nnU-Net's commands must be in this environment.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import pandas as pd
import yaml

from crossover.core.paths import ROOT
from crossover.training.backends.nnunet.environment import FOLDERS
from tests.dry_runs import copy_workflow

BIN = Path(sys.executable).parent
STUDY, MODEL, DATASET = "nnunet_peer", "nnunet_scratch", "Dataset601_Peer"
PEER = "peer.csv"
"""The scores of what nnU-Net's commands predicted."""
ENTRIES = {
    "nnUNetv2_plan_and_preprocess": (
        "nnunetv2.experiment_planning.plan_and_preprocess_entrypoints",
        "plan_and_preprocess_entry",
    ),
    "nnUNetv2_train": ("nnunetv2.run.run_training", "run_training_entry"),
    "nnUNetv2_predict": ("nnunetv2.inference.predict_from_raw_data", "predict_entry_point"),
}
"""nnU-Net's commands, called by their entry points: beside a torch without CUDA its own torchvision can't be imported,
as nnU-Net does it, before `smp` has mended that."""


def study(given: argparse.Namespace, threads: int) -> dict:
    """Return the headneck_nnunet study with one strategy, one size and one draw."""
    values = yaml.safe_load((ROOT / "config/studies/headneck_nnunet.yaml").read_text())
    values |= {"study": STUDY, "sizes": [given.n], "execution": {"threads": threads}}
    del values["cohorts"]["center_a"]  # nnU-Net would plan with its patients too
    values["strategies"] = {MODEL: values["strategies"][MODEL]}
    values["figures"] = {"order": [MODEL], "structures": [*values["structures"]]}
    network = {"gpu_memory_target_in_gb": given.memory, "disable_tta": True, "trainer": {"num_epochs": given.epochs}}
    values["other_networks"] = {"nnunet": values["other_networks"]["nnunet"] | network}
    values["recipe"] = {"retries": 0}  # as nnU-Net has none
    values["splits"] |= {"replicates": {"draws": 1}}
    values["scales"] = {"paper": {}}
    return values


def run(words: list, folder: Path, **variables: str) -> tuple[float, float]:
    """Run a command; return its wall-clock and processor seconds, children included."""
    start, before = perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "PYTHONPATH": str(folder), **variables}
    subprocess.run([str(word) for word in words], cwd=folder, env=environment, check=True, stdout=sys.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return perf_counter() - start, cpu


def command(name: str, *arguments: object) -> list:
    """Return the call of one of nnU-Net's commands."""
    module, entry = ENTRIES[name]
    code = f"from crossover.networks.torch import smp; from {module} import {entry} as run; run()"
    return [sys.executable, "-c", code, *arguments]


def by_workflow(folder: Path, given: argparse.Namespace) -> pd.DataFrame:
    """Run the study; return what its stage's record tells of the training."""
    copy_workflow(folder)
    threads = os.cpu_count() or 1
    (folder / f"config/studies/{STUDY}.yaml").write_text(yaml.safe_dump(study(given, threads)))
    settings = ["--config", f"studies={STUDY}", "scale=paper", f"data={given.folder.resolve()}"]
    target = f"results/{STUDY}/metrics.csv"
    whole = run([BIN / "snakemake", "--cores", threads, *settings, "--", target], folder)
    (path,) = (folder / f"results/{STUDY}/stages").glob("*/record.json")
    record = json.loads(path.read_text())
    log = (folder / f"logs/{STUDY}/train").glob("*.log")
    rows = [["the study up to its scores", *whole], ["its stage", record["seconds"], record["cpu_seconds"]]]
    rows += [[f"of it: {part}", seconds, None] for part, seconds in record["seconds_in"].items()]
    return pd.DataFrame([["this library", *row] for row in [*rows, ["an epoch", seconds_of_epochs(*log), None]]])


def seconds_of_epochs(log: Path) -> float:
    """Return the mean of the epochs' seconds that nnU-Net's trainer tells."""
    return float(pd.Series(re.findall(r"Epoch time: ([0-9.]+) s", log.read_text())).astype(float).mean())


def by_commands(folder: Path, given: argparse.Namespace) -> pd.DataFrame:
    """Train and predict by nnU-Net's commands; return the seconds of each, and leave a table of scores."""
    places = {variable: folder / variable for variable in FOLDERS}
    for place in places.values():
        place.mkdir()
    variables = {variable: str(place) for variable, place in places.items()}
    raw, crossover = places["nnUNet_raw"] / DATASET, BIN / "crossover"
    run([crossover, "export", "nnunet", STUDY, raw, "--scale", "paper"], folder)
    folds = pd.read_csv(raw / "folds.csv")
    fold = int(folds.loc[folds["models"].str.contains(MODEL), "fold"].iloc[0])
    trained = f"nnUNetTrainer_{given.epochs}epoch{'s' if given.epochs > 1 else ''}"
    done = []

    def step(name: str, *words) -> None:
        done.append(["nnU-Net's commands", name, *run(command(*words), folder, **variables)])

    planning = ["-d", "601", "-c", "2d", "-gpu_memory_target", given.memory, "-overwrite_plans_name", "nnUNetPlans"]
    step("plan and preprocess", "nnUNetv2_plan_and_preprocess", *planning)
    shutil.copy(raw / "splits_final.json", places["nnUNet_preprocessed"] / DATASET)
    step("train", "nnUNetv2_train", "601", "2d", fold, "-tr", trained, "-device", "cpu")
    (log,) = places["nnUNet_results"].rglob("training_log*.txt")
    done.append(["nnU-Net's commands", "an epoch", seconds_of_epochs(log), None])
    words = ["-i", raw / "imagesTs", "-o", folder / "peer", "-d", "601", "-c", "2d", "-f", fold]
    step("predict", "nnUNetv2_predict", *words, "-tr", trained, "--disable_tta", "-device", "cpu")
    words = ["--study", STUDY, "--scale", "paper", "--trained-on", raw / "splits_final.json", "--fold", fold]
    run([crossover, "score", folder / "peer", *words, "--out", folder / PEER], folder)
    return pd.DataFrame(done)


def scores(folder: Path) -> pd.DataFrame:
    """Return the mean DSC of each structure by both, and the mean difference between them with its SD over cases."""
    keys = ["case", "structure"]
    ours, theirs = (pd.read_csv(folder / name) for name in (f"results/{STUDY}/metrics.csv", PEER))
    both = ours.merge(theirs, on=keys, suffixes=("", "_peer"))
    both["difference"] = both["dsc"] - both["dsc_peer"]
    of: Callable = both.groupby("structure")[["dsc", "dsc_peer", "difference"]].agg
    table = of("mean").assign(sd=of("std")["difference"], cases=of("size"))
    return table.round(3).reset_index()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--n", type=int, default=20)
    parser.add_argument(
        "--epochs", type=int, default=5, help="1, 5, 10, 20, 50 and others of which nnU-Net has a trainer"
    )
    parser.add_argument("--memory", type=float, default=0.2, help="GB for which nnU-Net plans")
    parser.add_argument("--out", type=Path, help="an empty folder, kept")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (given.out or Path(temporary)).resolve()
        folder.mkdir(exist_ok=True)
        times = pd.concat([by_workflow(folder, given), by_commands(folder, given)])
        times.columns = ["by", "step", "seconds", "processor seconds"]
        print(times.round(0).to_markdown(index=False), scores(folder).to_markdown(index=False), sep="\n\n")


if __name__ == "__main__":
    main()

"""The same real patients through this library's nnU-Net backend and through nnU-Net's own commands.

    .venv/bin/python -m benchmarks.nnunet_peer FOLDER [--configuration 2d] [--n 20] [--epochs 5] [--memory 0.2]
        [--spacing 5.5] [--trainings 1] [--threads 2] [--out OUT]

FOLDER is what `config/studies/headneck_nnunet.yaml` takes as DATA. Trainings of center B's n patients from random
weights, with one of nnU-Net's configurations, for a few epochs of its 250 iterations and 50 of validation, in two ways:

- by the workflow, as a study of that one strategy, up to `metrics.csv`;
- as its users do it: `crossover export nnunet`, nnUNetv2_plan_and_preprocess, nnUNetv2_train with
  nnUNetTrainer_5epochs, nnUNetv2_predict, `crossover score`.

Both have all cores and no GPU; the study's trainings run side by side where each has fewer threads. nnU-Net's commands
augment in processes beside the training, the backend within it, so that a training repeats; so wall-clock and processor
seconds are printed both. nnU-Net fixes no seed: with one training of each, the difference in DSC is that of two
trainings; with several, `crossover compare`'s interval of the difference counts them. Prints two tables of Markdown,
seconds as means over the trainings; nnU-Net's commands must be in this environment.
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
from pathlib import Path
from time import perf_counter

import pandas as pd
import yaml

from crossover.core.paths import ROOT
from crossover.report.compare.run import comparison
from crossover.statistics.scores.metrics_table import of_cohorts
from crossover.training.backends.nnunet.environment import FOLDERS
from tests.dry_runs import copy_workflow

BIN = Path(sys.executable).parent
STUDY, MODEL, DATASET = "nnunet_peer", "nnunet_scratch", "Dataset601_Peer"
BOTH = "both.csv"
"""The scores of both, as `crossover compare` reads them."""
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
UNREAD = (
    "from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer as t; "
    "t.perform_actual_validation = lambda *_: None"
)
"""Leaves out nnUNetv2_train's validation of whole volumes."""


def study(given: argparse.Namespace) -> dict:
    """Return the headneck_nnunet study with one strategy, one size and one draw."""
    values = yaml.safe_load((ROOT / "config/studies/headneck_nnunet.yaml").read_text())
    values |= {"study": STUDY, "sizes": [given.n]}
    values["execution"] = {"threads": given.threads, "stages_per_job": 1}
    del values["cohorts"]["center_a"]  # nnU-Net would plan with its patients too
    values["strategies"] = {MODEL: values["strategies"][MODEL]}
    values["figures"] = {"order": [MODEL], "structures": [*values["structures"]]}
    network = {
        "configuration": given.configuration,
        "gpu_memory_target_in_gb": given.memory,
        "disable_tta": True,
        "trainer": {"num_epochs": given.epochs, "mirroring": True},
    }
    if given.spacing:
        network["overwrite_target_spacing"] = [given.spacing] * 3
    values["other_networks"] = {"nnunet": values["other_networks"]["nnunet"] | network}
    values["recipe"] = {"retries": 0}  # as nnU-Net has none
    values["splits"] |= {"replicates": {"draws": 1, "trainings": given.trainings}}
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
    code = f"from crossover.networks.torch import smp; {UNREAD}; from {module} import {entry} as run; run()"
    return [sys.executable, "-c", code, *arguments]


def by_workflow(folder: Path, given: argparse.Namespace) -> pd.DataFrame:
    """Run the study; return what its stage's record tells of the training."""
    copy_workflow(folder)
    (folder / f"config/studies/{STUDY}.yaml").write_text(yaml.safe_dump(study(given)))
    settings = ["--config", f"studies={STUDY}", "scale=paper", f"data={given.folder.resolve()}"]
    target = f"results/{STUDY}/metrics.csv"
    whole = run([BIN / "snakemake", "--cores", os.cpu_count() or 1, *settings, "--", target], folder)
    rows = [["the study up to its scores", *whole]]
    for path in (folder / f"results/{STUDY}/stages").glob("*/record.json"):
        record = json.loads(path.read_text())
        rows.append(["its stage", record["seconds"], record["cpu_seconds"]])
        rows += [[f"of it: {part}", seconds, None] for part, seconds in record["seconds_in"].items()]
    logs = (folder / f"logs/{STUDY}/train").glob("*.log")
    return pd.DataFrame([["this library", *row] for row in [*rows, ["an epoch", seconds_of_epochs(*logs), None]]])


def seconds_of_epochs(*logs: Path) -> float:
    """Return the mean of the epochs' seconds that nnU-Net's trainer tells."""
    found = [seconds for log in logs for seconds in re.findall(r"Epoch time: ([0-9.]+) s", log.read_text())]
    return float(pd.Series(found).astype(float).mean())


def by_commands(folder: Path, given: argparse.Namespace) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train and predict by nnU-Net's commands; return the seconds of each, and the scores."""
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

    planning = ["-d", "601", "-c", given.configuration, "-gpu_memory_target", given.memory]
    planning += ["-overwrite_target_spacing", *[given.spacing] * 3] if given.spacing else []
    planning += ["-overwrite_plans_name", "nnUNetPlans"]
    step("plan and preprocess", "nnUNetv2_plan_and_preprocess", *planning)
    shutil.copy(raw / "splits_final.json", places["nnUNet_preprocessed"] / DATASET)
    scores = []
    for replicate in range(given.trainings):
        variables["nnUNet_results"] = str(places["nnUNet_results"] / str(replicate))
        step("train", "nnUNetv2_train", "601", given.configuration, fold, "-tr", trained, "-device", "cpu")
        (log,) = Path(variables["nnUNet_results"]).rglob("training_log*.txt")
        done.append(["nnU-Net's commands", "an epoch", seconds_of_epochs(log), None])
        masks, table = folder / f"peer_{replicate}", folder / f"peer_{replicate}.csv"
        words = ["-i", raw / "imagesTs", "-o", masks, "-d", "601", "-c", given.configuration, "-f", fold]
        step("predict", "nnUNetv2_predict", *words, "-tr", trained, "--disable_tta", "-device", "cpu")
        words = ["--study", STUDY, "--scale", "paper", "--trained-on", raw / "splits_final.json", "--fold", fold]
        run([crossover, "score", masks, *words, "--out", table], folder)
        scores.append(pd.read_csv(table).assign(replicate=replicate))
    return pd.DataFrame(done), pd.concat(scores)


def differences(folder: Path, theirs: pd.DataFrame) -> pd.DataFrame:
    """Return each structure's mean DSC by both, and the difference with what `crossover compare` says of it.

    The table that it compares is kept as `BOTH`.
    """
    ours = pd.read_csv(folder / f"results/{STUDY}/metrics.csv")
    columns = ["model", "case", "structure", "replicate", "dsc"]
    named = {"study": ours, "commands": theirs}
    pd.concat([rows.assign(model=name)[columns] for name, rows in named.items()]).to_csv(folder / BOTH, index=False)
    found = of_cohorts(comparison([str(folder / BOTH)], ["dsc"]).pairs["dsc"])
    assert set(found["family_a"]) == {"commands"}, "else the difference has the other sign"
    shown = ["structure", "mean_b", "mean_a", "difference", "ci_low", "ci_high", "p", "p_holm", "trainings", "about"]
    table = found[shown].rename(columns={"mean_b": "study", "mean_a": "commands", "difference": "commands - study"})
    return table.round(3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--configuration", choices=["2d", "3d_fullres", "3d_lowres"], default="2d")
    parser.add_argument("--n", type=int, default=20)
    parser.add_argument(
        "--epochs", type=int, default=5, help="1, 5, 10, 20, 50 and others of which nnU-Net has a trainer"
    )
    parser.add_argument("--memory", type=float, default=0.2, help="GB for which nnU-Net plans")
    parser.add_argument("--spacing", type=float, help="mm, along all axes, to which nnU-Net resamples")
    parser.add_argument("--trainings", type=int, default=1, help="by each way, on the same patients")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of each training of the study")
    parser.add_argument("--out", type=Path, help="an empty folder, kept")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (given.out or Path(temporary)).resolve()
        folder.mkdir(exist_ok=True)
        ours, (theirs, scores) = by_workflow(folder, given), by_commands(folder, given)
        times = pd.concat([ours, theirs])
        times.columns = ["by", "step", "seconds", "processor seconds"]
        mean = times.groupby(["by", "step"], sort=False).mean().reset_index()
        print(mean.round(0).to_markdown(index=False), differences(folder, scores).to_markdown(index=False), sep="\n\n")


if __name__ == "__main__":
    main()

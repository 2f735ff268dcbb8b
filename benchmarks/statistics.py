"""How long each statistic, table and figure of a large study takes, the report, and how much memory.

    python -m benchmarks.statistics [--cases 500] [--structures 12] [--sizes 10] [--draws 5] [--only summary paired]
    python -m benchmarks.statistics --study prostate [--cases 500]       a study of config/studies instead

Scores are drawn, from known means of each family and size, as the workflow writes them: two centers, six strategies,
one network for all structures. Nothing is trained, and what reads images is left out. Every job is run in a process of
its own with one thread, in the workflow's order, and the report is written from all of their outputs. Prints a row for
each: seconds, processor seconds, peak memory, and what it wrote.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from crossover.analyses import registry
from crossover.analyses.analysis import Inputs
from crossover.core.files import write_json
from crossover.evaluation.metrics import COLUMNS
from crossover.study import parameters
from crossover.study.config import SCALES, load_study
from crossover.study.plan import plan
from crossover.study.schema import Study
from tests.chen_tables import ORGANS
from tests.holes import records, run

STRATEGIES = {
    "source": {"label": "Model of A", "chain": [{"train": {"center_a": "all"}}]},
    "scratch": {"label": "From scratch", "chain": [{"train": {"center_b": "n"}}]},
    "transfer": {"label": "Fine-tuned", "chain": [{"train": {"center_a": "all"}}, {"train": {"center_b": "n"}}]},
    "last": {
        "label": "Last layers fine-tuned",
        "chain": [{"train": {"center_a": "all"}}, {"train": {"center_b": "n"}, "levels": ["conv5", "conv4"]}],
    },
    "aggregated": {"label": "A and B together", "chain": [{"train": {"center_a": "all", "center_b": "n"}}]},
}
"""Six families of one study: the last but one has two levels."""
CURVES = {
    "source": (0.70, 0.0), "scratch": (0.86, 0.9), "transfer": (0.87, 0.35), "last-conv5": (0.85, 0.25),
    "last-conv4": (0.86, 0.30), "aggregated": (0.865, 0.40),
}  # fmt: skip
"""Family -> a and b of its mean DSC, a - b / sqrt(n)."""
SIZES = (4, 6, 8, 12, 16, 24, 32, 48, 64, 96)
REPORT = "report"


def two_centers(structures: int, sizes: int, draws: int) -> Study:
    """Return a study of six families, from one center to another."""
    source = {"kind": "phantom", "anatomy": "uterus", "patients": 400, "seed": 1}
    names = list(ORGANS)[:structures]
    return Study.of({
        "study": "large", "scale": "paper", "title": "A large study", "question": "Which is best?",
        "data": "Drawn scores.", "assumptions": [],
        "cohorts": {
            "center_a": {"label": "Center A", "role": "source", "source": source, "test": 250},
            "center_b": {"label": "Center B", "role": "target", "source": source, "test": 250},
        },
        "structures": {name: {"label": ORGANS[name][0]} for name in names},
        "sizes": SIZES[:sizes], "strategies": STRATEGIES,
        "splits": {"seed": 1, "validation": 0.1, "replicates": {"draws": draws}},
        "network": {"architecture": "resnet101_cascaded", "engine": "torch"},
        "evaluation": {"threshold": 0.5, "nsd_tolerance_mm": 2.0},
        "preparation": {
            "bias_field": {"method": "none"},
            "slices": {"size": [417, 417], "normalisation": {"method": "window"}},
        },
        "statistics": {"metric": "dsc", "confidence": 0.95, "alpha": 0.05},
        "figures": {"order": list(STRATEGIES), "structures": names},
        "paper": None, "published": None,
    })  # fmt: skip


def draw_metrics(study: Study, cases: int, seed: int = 0) -> pd.DataFrame:
    """Draw metrics.csv: a mean by family and size, a case's ease, a model's luck, and what is left.

    Args:
        study: its models are scored.
        cases: of all cohorts' test cases together.
        seed: of the draw.
    """
    rng = np.random.default_rng(seed)
    tested = [(c, f"{c}_{i:03d}") for c in study.cohorts for i in range(cases // len(study.cohorts))]
    structures = list(study.structures)
    ease = rng.normal(0, 0.04, (len(tested), 1)) + rng.normal(0, 0.03, (len(tested), len(structures)))
    harder = np.linspace(0, -0.2, len(structures))
    parts = []
    for k, model in enumerate(m for m in plan(study).models.values() if m.fold_cohort is None):
        kept = [structures.index(name) for name in model.structures or structures]
        a, b = CURVES.get(model.family, (0.80 + 0.002 * (k // 5), 0.0))
        mean = a - b / max(model.n_train, 1) ** 0.5 + rng.normal(0, 0.01)
        dsc = np.clip(mean + (ease + harder)[:, kept] + rng.normal(0, 0.03, (len(tested), len(kept))), 0, 1).ravel()
        about = {c: getattr(model, c) for c in ("family", "strategy", "level", "n_train", "replicate", "fold")}
        about["level"] = about["level"] or ""
        about["draw"] = study.splits.replicates.draw(model.replicate)
        parts.append(
            pd.DataFrame(
                {
                    "model": model.name,
                    **about,
                    "cohort": np.repeat([c for c, _ in tested], len(kept)),
                    "case": np.repeat([name for _, name in tested], len(kept)),
                    "structure": np.tile([structures[j] for j in kept], len(tested)),
                    "dsc": dsc,
                    **_other_scores(dsc, rng),
                }
            )
        )
    table = pd.concat(parts, ignore_index=True).assign(patient=lambda rows: rows["case"])
    return table.astype({"fold": "Int64"})[COLUMNS]


def _other_scores(dsc: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray | float]:
    def near(values: np.ndarray) -> np.ndarray:
        return np.clip(values + rng.normal(0, 0.01, len(dsc)), 0, None)

    slices = np.minimum(near(dsc), 1)
    predicted = near(20 * dsc)
    return {
        "iou": dsc / (2 - dsc), "hd95_mm": near(20 * (1 - dsc)), "nsd": np.minimum(near(dsc), 1),
        "dsc_structure_slices": slices, "iou_structure_slices": slices / (2 - slices),
        "dsc_mean_of_slices": np.minimum(near(dsc), 1), "assd_mm": near(4 * (1 - dsc)),
        "volume_error_percent": 100 * (predicted / 20 - 1), "lesion_f1": (dsc > 0).astype(float),
        "lesion_sensitivity": (dsc > 0).astype(float), "lesions_false": rng.poisson(0.3, len(dsc)).astype(float),
        "volume_manual_ml": 20.0, "volume_predicted_ml": predicted, "diagonal_mm": 380.5,
    }  # fmt: skip


def draw_splits(study: Study, cases: int) -> pd.DataFrame:
    """Return splits.csv: the test cases, and for each draw the order of the cases to train on."""
    rows = []
    most = max(study.sizes, default=100)
    for cohort in study.cohorts:
        for replicate in range(study.splits.replicates.count):
            order = np.random.default_rng(replicate).permutation(most)
            for rank, i in enumerate(order):
                rows.append((cohort, f"{cohort}_t{i}", "train", replicate, rank, rank % 10 == 1, i % 5))
        for i in range(cases // len(study.cohorts)):
            rows.append((cohort, f"{cohort}_{i:03d}", "test", 0, None, None, None))
    table = pd.DataFrame(rows, columns=["cohort", "case", "part", "replicate", "rank", "validation", "fold"])
    table.insert(1, "patient", table["case"])
    return table.astype({"rank": "Int64", "fold": "Int64", "validation": "boolean"})


def prepare(study: Study, cases: int, results: Path) -> None:
    """Write all that analyses read and what each is told."""
    (results / "stages").mkdir(parents=True)
    draw_metrics(study, cases).to_csv(results / "metrics.csv", index=False)
    draw_splits(study, cases).to_csv(results / "splits.csv", index=False)
    kept = {record["stage"]["name"]: record | {"gpu_share": 0.0} for record in records(study)}
    steps = np.arange(1, 41)
    history = {"step": 5000 * steps, "loss": 1 / steps, "validation_dsc": 0.8 - 0.5 / steps}
    for name in kept:
        (results / "stages" / name).mkdir()
        pd.DataFrame(history).to_csv(results / "stages" / name / "history.csv", index=False)
    write_json(results / "stages/all.json", {"items": kept, "failed": {}})
    for cohort in study.cohorts:
        path = results / f"slices/{cohort}/manifest.json"
        path.parent.mkdir(parents=True)
        write_json(path, {"items": {"a": {"with_structure": 7}}})
    patients = pd.read_csv(results / "splits.csv")[["cohort", "patient", "case"]].drop_duplicates()
    first = next(name for name, cohort in study.cohorts.items() if cohort.role == "target")
    patients = patients[patients["cohort"] == first].drop(columns="cohort")
    patients.assign(age=range(len(patients))).to_csv(results / "patients.csv", index=False)


def given_to(analysis: registry.Registered, results: Path) -> Inputs:
    """Return what the workflow would give to an analysis."""
    tables = [path for name in analysis.declared.reads if (path := results / name).exists()]
    slices = sorted(results.glob("slices/*/manifest.json"))
    return Inputs(results, tables, [results / "stages/all.json"], slices, results / "patients.csv")


def jobs(study: Study) -> list[str]:
    """Return the jobs of a study in the workflow's order; those that read images are left out."""
    made = [a for a in registry.of_study(study) if "images" not in a.declared.sources]
    return [*(f"{a.kind}/{a.name}" for a in made), "values", REPORT]


def do(job: str, study: Study, results: Path) -> None:
    """Run one job as the workflow's scripts do."""
    statistics = sorted(results.glob("statistics/*.csv"))
    if job == "values":
        out = [results / name for name in ("values.json", "values.tex", "scores.json", "params.json")]
        run("values", parameters.result_settings(study), statistics=statistics, after=[], out=out)
    elif job == REPORT:
        inputs = [*statistics, *results.glob("tables/*.csv"), *results.glob("figures/*.png")]
        inputs += [results / name for name in ("metrics.csv", "splits.csv", "stages/all.json")]
        run(REPORT, {"studies": [parameters.report(study)]}, inputs=inputs, out=results.parent / "report.html")
    else:
        analysis = registry.find(*job.split("/"))
        analysis.write(given_to(analysis, results), Study.of(json.loads(json.dumps(analysis.settings(study)))), results)


def measure(work: Callable[[], object]) -> tuple[float, float, float]:
    """Run something in a child process.

    Returns:
        Its seconds, processor seconds and peak memory in GB.

    Raises:
        RuntimeError: it failed.
    """
    begun, child = time.perf_counter(), os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status, used = os.wait4(child, 0)
    if status:
        raise RuntimeError(f"the job ended with {os.waitstatus_to_exitcode(status)}")
    return time.perf_counter() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss / 1e6


def main() -> None:
    """Draw a study's scores, then run and measure its jobs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", help="of config/studies, at its largest scale; the large study by default")
    for name, default in (("cases", 500), ("structures", 12), ("sizes", 10), ("draws", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--only", nargs="+", help="jobs, or the ends of their names", default=[])
    parser.add_argument("--folder", type=Path, help="where the study is made and kept; used again where it is there")
    given = parser.parse_args()
    if given.study:
        study = load_study(given.study, SCALES[-1])
    else:
        study = two_centers(given.structures, given.sizes, given.draws)
    with tempfile.TemporaryDirectory() as temporary:
        results = (given.folder or Path(temporary)) / "results" / study.study
        if not results.exists():
            measure(lambda: prepare(study, given.cases, results))
        written = (results / "metrics.csv").stat().st_size / 1e6
        print(f"{len(plan(study).models)} models; metrics.csv has {written:.0f} MB", flush=True)
        for job in jobs(study):
            if not given.only or job.endswith(tuple(given.only)):
                seconds, processor, peak = measure(lambda job=job: do(job, study, results))
                print(f"{job:32} {seconds:7.1f} s {processor:7.1f} processor s {peak:6.2f} GB", flush=True)


if __name__ == "__main__":
    main()

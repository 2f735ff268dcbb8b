"""Train the stages of one job."""

import os
from functools import partial
from pathlib import Path

from pydantic import TypeAdapter

from crossover.core.source_code import code_digest
from crossover.execution import progress
from crossover.study.plan import Stage
from crossover.study.splits import read_splits
from crossover.training import backends
from crossover.training.attempts import CACHE
from crossover.training.cache import Cache
from crossover.training.devices import claim, gpus, share
from crossover.training.job import Initials, train_stages
from crossover.training.stage_files import by_cohort
from crossover.training.tensorboard import Curves
from workflow_scripts._job import Job, run


def main(job: Job) -> None:
    """Train the stages, and write their weights, histories and records."""
    stages = TypeAdapter(list[Stage]).validate_python(job.cfg["stages"])
    study = job.out.parts[-3]
    gigabytes = float(os.environ.get("CROSSOVER_ACTIVATIONS_GB") or 0)
    watched = progress.Watched(study)
    curves = Curves(Path("logs/tensorboard") / study) if job.logger == "tensorboard" else None

    @progress.harmless
    def begin(stage: str, key: str) -> None:
        watched.begin(stage)
        if curves:
            curves.begin(stage, key)

    @progress.harmless
    def watch(stage: str, step: int, steps: int, loss: float | None, dsc: float | None) -> None:
        watched(stage, step, steps, loss, dsc)
        if curves and loss is not None and dsc is not None:
            curves.add(stage, step, steps, loss, dsc)

    given = backends.Job(
        settings=job.cfg["settings"],
        slices=by_cohort(job.slices),
        cases=by_cohort(job.cases),
        corrected=by_cohort(job.corrected),
        splits=read_splits(job.splits),
        threads=job.threads,
        selection=job.selection,
        out=job.out.parent,
        cache=CACHE / study,
        initial=Initials(job.cfg["initial"], job.imagenet, job.checks.get("places", {})),
        watch=watch,
        activations=Cache(int(gigabytes * 1e9)),
        gpu_share=share(job.tickets, gpus()),
    )
    made = backends.part(given, "training").stages(given)
    code = code_digest("workflow_scripts/train.py", *backends.files(made.settings.network, "training"))
    with claim(gpus(), job.tickets):
        train_stages(
            made, stages, job.out, code, partial(progress.tell, study),
            partial(progress.fail_one, study, job.out), begin, job.parents, job.cfg["prepared"],
        )  # fmt: skip


if __name__ == "__main__":
    run(main, "slices*", "cases*", "corrected*", "splits", "parents*", "selection?", "out")

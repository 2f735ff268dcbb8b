"""Train the stages of one job."""

import os
from functools import partial
from pathlib import Path

from pydantic import TypeAdapter

from crossover.core.source_code import code_digest
from crossover.execution import progress
from crossover.networks.source_code import network_files
from crossover.study.plan import Stage
from crossover.study.sections import Training
from crossover.study.splits import read_splits
from crossover.training.cache import Cache
from crossover.training.devices import TICKETS, claim, gpus
from crossover.training.files import Slices, with_selected
from crossover.training.run import Initials, Trainer, train_stages
from crossover.training.tensorboard import Curves
from workflow_scripts._job import Job, run


def main(job: Job) -> None:
    """Train the stages, and write their weights, histories and records."""
    settings = with_selected(Training.model_validate(job.cfg["settings"]), job.selection)
    stages = TypeAdapter(list[Stage]).validate_python(job.cfg["stages"])
    network = settings.network
    files = network_files(network.architecture, network.engine)
    code = code_digest("workflow_scripts/train.py", *files)
    study = job.out.parts[-3]
    slices = Slices({path.parent.name: path for path in job.slices})
    cache = Path(".cache/training") / study
    initial = Initials(job.cfg["initial"], job.imagenet)
    gigabytes = float(os.environ.get("CROSSOVER_ACTIVATIONS_GB") or 0)
    watched = progress.Watched(study)
    curves = Curves(Path("logs/tensorboard") / study) if job.logger == "tensorboard" else None

    def watch(*told) -> None:
        watched(*told)
        if curves:
            curves.add(*told)

    trainer = Trainer(
        settings,
        slices,
        read_splits(job.splits),
        job.out.parent,
        cache,
        job.threads,
        initial,
        watch,
        activations=Cache(int(gigabytes * 1e9)),
        gpu_share=job.tickets / TICKETS,
    )
    with claim(gpus(), job.tickets):
        train_stages(
            trainer, stages, job.out, code, partial(progress.tell, study),
            partial(progress.fail_one, study, job.out),
            curves.begin if curves else lambda *told: None, job.parents,
        )  # fmt: skip


if __name__ == "__main__":
    run(main, "slices*", "splits", "parents*", "selection?", "out")

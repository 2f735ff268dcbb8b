"""Stages by the own loop."""

from __future__ import annotations

from crossover.study.sections import Training
from crossover.training.backends import Job
from crossover.training.loop import Trainer
from crossover.training.stage_files import SliceFiles, with_selected


def stages(job: Job) -> Trainer:
    """Return what trains the stages of a job."""
    settings = with_selected(Training.model_validate(job.settings), job.selection)
    return Trainer(
        settings,
        SliceFiles(dict(job.slices)),
        job.splits,
        job.out,
        job.cache,
        job.threads,
        job.initial,
        job.watch,
        activations=job.activations,
        gpu_share=job.gpu_share,
    )

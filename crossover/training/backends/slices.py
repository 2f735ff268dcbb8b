"""This library's own loop over slices, by either engine: see `crossover.training.run`."""

from __future__ import annotations

from crossover.study.sections import Prediction, Training
from crossover.training.backends import Job
from crossover.training.files import Cases, Slices, with_selected
from crossover.training.prediction import SlicePredictor
from crossover.training.run import Trainer


def stages(job: Job) -> Trainer:
    """Return what trains the stages of a job."""
    settings = with_selected(Training.model_validate(job.settings), job.selection)
    return Trainer(
        settings,
        Slices(dict(job.slices)),
        job.splits,
        job.out,
        job.cache,
        job.threads,
        job.initial,
        job.watch,
        activations=job.activations,
        gpu_share=job.gpu_share,
    )


def predictor(job: Job) -> SlicePredictor:
    """Return what predicts with stages."""
    settings = with_selected(Prediction.model_validate(job.settings), job.selection)
    return SlicePredictor(settings, Slices(dict(job.slices)), Cases(job.cases), job.threads)

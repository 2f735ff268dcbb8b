"""Masks by the networks of the own loop."""

from __future__ import annotations

from crossover.study.sections import Prediction
from crossover.training.backends import Job
from crossover.training.prediction import SlicePredictor
from crossover.training.stage_files import Cases, SliceFiles, with_selected


def predictor(job: Job) -> SlicePredictor:
    """Return what predicts with stages."""
    settings = with_selected(Prediction.model_validate(job.settings), job.selection)
    return SlicePredictor(settings, SliceFiles(dict(job.slices)), Cases(job.cases), job.threads)

"""nnU-Net makes the stages: its planning, preprocessing, augmentation, loop and inference, through its own classes.

Begin with `training`: a stage is a data set of nnU-Net's in a folder of the job (`dataset`, `planning`), trained by
`trainer`, which derives from `nnUNetTrainer`. `levels` names the parts of a network, `checkpoints` reads nnU-Net's
files without unpickling, `prediction` is its predictor. nnU-Net is imported inside functions and inside `trainer`,
after `environment` has set the variables that it reads as it is imported.
"""

from __future__ import annotations

from crossover.study.sections import CasePrediction, CaseTraining
from crossover.training.backends import Job
from crossover.training.backends.nnunet.prediction import NnunetPredictor
from crossover.training.backends.nnunet.training import NnunetStages
from crossover.training.files import Cases


def stages(job: Job) -> NnunetStages:
    """Return what trains the stages of a job."""
    settings = CaseTraining.model_validate(job.settings)
    return NnunetStages(settings, Cases(job.cases, job.corrected), job)


def predictor(job: Job) -> NnunetPredictor:
    """Return what predicts with stages."""
    settings = CasePrediction.model_validate(job.settings)
    return NnunetPredictor(settings, Cases(job.cases, job.corrected), job.threads)

"""Predict with the models of one family."""

from pydantic import TypeAdapter

from crossover.core.source_code import code_digest
from crossover.networks.source_code import network_files
from crossover.study.plan import Model
from crossover.study.sections import Prediction
from crossover.study.splits import read_splits
from crossover.training.devices import claim, gpus
from crossover.training.files import Slices, with_selected
from crossover.training.prediction import predict_models
from workflow_scripts._job import Job, run


def main(job: Job) -> None:
    """Write the masks of the models of the family on their test cases."""
    settings = with_selected(Prediction.model_validate(job.cfg["settings"]), job.selection)
    models = TypeAdapter(list[Model]).validate_python(job.cfg["models"])
    network = settings.network
    files = network_files(network.architecture, network.engine)
    code = code_digest("workflow_scripts/predict.py", *files)
    slices = Slices({path.parent.name: path for path in job.slices})
    cases = job.cases[0].parent.parent
    with claim(gpus(), job.tickets):
        predict_models(
            settings,
            models,
            slices,
            read_splits(job.splits),
            cases,
            job.stages,
            job.out,
            code,
            job.threads,
        )


if __name__ == "__main__":
    run(main, "slices*", "splits", "cases*", "stages*", "selection?", "out")

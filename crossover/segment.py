"""Segment examinations that no study has seen with a model that a study trained: `crossover segment`.

The same code as the workflow's, step by step: ingest, bias field, slices, prediction, scores.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import SimpleITK as sitk

from crossover import items
from crossover.config import ConfigError
from crossover.evaluation.metrics import score
from crossover.imaging.prepare import correct, slice_cases
from crossover.imaging.stored import IMAGES
from crossover.imaging.volumes import image_path, structure_path, write
from crossover.plan import plan
from crossover.provenance import code_digest, read_json
from crossover.sources.ingest import ingest
from crossover.sources.settings import RulesFile
from crossover.study import Network, Prediction, Study


def stage_of(study: Study, model: str, results: Path) -> Path:
    """The folder of a model's weights.

    Raises:
        ConfigError: no such model in the study, or not trained yet, naming what there is.
    """
    stages = results / study.study / "stages"
    models = {name: stages / m.stage for name, m in plan(study).models.items()}
    trained = [name for name, folder in models.items() if (folder / items.RECORD).exists()]
    if model not in models:
        there = ", ".join(trained) or "none trained yet"
        raise ConfigError(f"no model {model!r} in study {study.study}; there are: {there}")
    if model not in trained:
        raise ConfigError(
            f"model {model!r} is not trained in {stages}: run the study first (make reproduce "
            f"STUDIES={study.study} SCALE={study.scale})"
        )
    return models[model]


def segment(
    source: Path, out: Path, study: Study, stage: Path, rules: RulesFile, workers: int
) -> pd.DataFrame:
    """Masks of every examination below `source`: `<out>/predictions/<case>_<structure>.nii.gz`.

    Args:
        stage: folder of the stage whose weights predict.
        rules: which series are channels; structures that it names are read, to score the masks by.

    Returns:
        One row for each case and structure: case, structure, volume_predicted_ml and, where the
        structure was drawn, the metrics of `crossover.evaluation.metrics.score`.

    Raises:
        crossover.sources.cases.IngestError: where an examination has errors.
        ConfigError: the rules lack a channel that the study's networks see.
    """
    if missing := set(study.channels) - set(rules.series):
        raise ConfigError(f"no series for channel {', '.join(sorted(missing))} in the rules")
    cases, slices = out / "cases", out / "slices/manifest.json"
    made = ingest(source, cases, rules, workers)["made"]
    corrected, bias = None, study.preparation.bias_field
    if bias.method != "none":
        corrected = out / "corrected/manifest.json"
        code = code_digest("crossover/imaging/prepare.py")
        correct(cases / "manifest.json", corrected, bias, code, workers)
    slice_cases(
        cases / "manifest.json", corrected, slices, study.preparation.slices, study.channels, [],
        code_digest("crossover/imaging/prepare.py"), workers,
    )  # fmt: skip
    rows = list(_predicted(study, stage, out, made, workers))
    return pd.DataFrame(rows)


def _predicted(
    study: Study, stage: Path, out: Path, cases: list[str], threads: int
) -> Iterator[dict]:
    from safetensors.numpy import load_file

    from crossover.training import engines, prediction
    from crossover.training.files import WEIGHTS

    record = read_json(stage / items.RECORD)
    structures = record["stage"]["structures"]
    settings = Prediction(
        network=Network.model_validate(record["network"]),
        slices=study.preparation.slices,
        channels=study.channels,
        structures=structures,
        threshold=study.evaluation.threshold,
    )
    shape = (*settings.slices.size, len(settings.channels))
    engine = engines.create(settings.network, shape, len(structures), threads)
    engine.load(load_file(stage / WEIGHTS))
    files = [out / "slices" / case / IMAGES for case in cases]
    folders = [out / "cases" / case for case in cases]
    (out / "predictions").mkdir(exist_ok=True)
    predicted = prediction.predict_cases(engine, files, folders, settings, record["standardised"])
    for case, folder, masks in zip(cases, folders, predicted):
        for structure, mask in zip(structures, masks, strict=True):
            write(mask, out / "predictions" / f"{case}_{structure}.nii.gz")
            drawn = structure_path(folder, structure)
            manual = sitk.ReadImage(str(drawn)) if drawn.exists() else None
            _picture(study, out, case, structure, mask, manual)
            yield {"case": case, "structure": structure, **_scores(study, mask, manual)}


def _picture(
    study: Study, out: Path, case: str, structure: str, mask: sitk.Image, manual: sitk.Image | None
) -> None:
    """Of the corrected image where it was corrected."""
    from crossover.figures import montage, style

    channel = study.channels[0]
    found = [image_path(out / folder / case, channel) for folder in ("corrected", "cases")]
    image = sitk.ReadImage(str(next(path for path in found if path.exists())))
    drawn = None if manual is None else sitk.GetArrayFromImage(manual) > 0
    figure = montage.draw(image, sitk.GetArrayFromImage(mask) > 0, drawn)
    style.save(figure, out / "pictures" / f"{case}_{structure}")


def _scores(study: Study, mask: sitk.Image, manual: sitk.Image | None) -> dict[str, float]:
    tolerance, smallest = (
        study.evaluation.nsd_tolerance_mm,
        study.preparation.slices.smallest_mask_px,
    )
    if manual is not None:
        return score(manual, mask, tolerance, smallest)
    return {"volume_predicted_ml": score(mask, mask, tolerance)["volume_predicted_ml"]}

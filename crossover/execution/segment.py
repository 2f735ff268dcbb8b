"""Segment examinations that no study has seen with a model that a study trained: `crossover segment`.

The same code as the workflow's, step by step: ingest, bias field, slices, prediction, scores.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import SimpleITK as sitk

from crossover.core import disk, incremental
from crossover.core.configuration import ConfigError
from crossover.core.files import file_digest, read_json, write_json
from crossover.core.source_code import code_digest
from crossover.evaluation.metrics import score
from crossover.exchange.dicom_results import DicomResults, OtherObjects
from crossover.exchange.object_attributes import Producer, targets
from crossover.exchange.original_series import NoOriginal, Originals
from crossover.execution.made import call_of
from crossover.execution.written_files import NotOurs, WrittenFiles
from crossover.imaging.prepare import correct, slice_cases
from crossover.imaging.volumes import image_path, structure_path, write
from crossover.sources.findings import FindingRow, describe_unforeseen
from crossover.sources.ingest import ingest
from crossover.sources.ingest_report import Report
from crossover.sources.settings import RulesFile
from crossover.study import backends as backends_of_studies
from crossover.study.parameters import prepared
from crossover.study.plan import plan
from crossover.study.schema import Study
from crossover.study.sections import Network
from crossover.training.stage_files import WEIGHTS


def stage_of(study: Study, model: str, results: Path) -> Path:
    """Return the folder of a model's weights.

    Raises:
        ConfigError: no such model in the study, or not trained yet, naming what there is; or trained with other
            settings than the study has now.
    """
    stages = results / study.study / "stages"
    models = {name: stages / m.stage for name, m in plan(study).models.items()}
    trained = [name for name, folder in models.items() if (folder / incremental.RECORD).exists()]
    if model not in models:
        there, scale = ", ".join(trained) or "none", call_of(study.study, results).get("scale", study.scale)
        other = f"; the study's last run is of scale {scale}: add --scale {scale}" if scale != study.scale else ""
        at = f"study {study.study} has no model {model!r} at scale {study.scale}"
        raise ConfigError(f"{at}; models that are trained: {there}{other}")
    if model not in trained:
        raise ConfigError(
            f"model {model!r} is not trained in {stages}: run the study first "
            f"(crossover run {study.study} --scale {study.scale})"
        )
    _check_trained(study, model, models[model])
    return models[model]


def _check_trained(study: Study, model: str, stage: Path) -> None:
    """Refuse a model whose structures, channels or preparation are not those that the study has now.

    The record of its training tells them, whatever was run since.
    """
    record = read_json(stage / incremental.RECORD)
    trained = record["stage"]["structures"]
    if {*trained} != {*plan(study).models[model].structures}:
        raise ConfigError(
            f"model {model!r} was trained to segment {', '.join(trained)}, and the study's file now has "
            f"{', '.join(plan(study).models[model].structures)}: restore the names of its structures, or train it again"
        )
    made, now = record.get("prepared"), prepared(study, Network.model_validate(record["network"]))
    if not made:
        raise ConfigError(
            f"model {model!r}: the record of its training in {stage} does not say how images were prepared for it: "
            f"train it again (crossover run {study.study} --scale {study.scale})"
        )
    if differing := [_SECTIONS.get(key, key) for key in now if made.get(key) != now[key]]:
        raise ConfigError(
            f"model {model!r} was trained with other settings than the study has at the scale {study.scale} "
            f"({', '.join(differing)}): give the --scale at which it was trained, restore its settings, or run the "
            "study again"
        )


_SECTIONS = {
    "bias_field": "preparation.bias_field", "slices": "preparation.slices",
    "normalisation": "preparation.slices.normalisation", "threshold": "evaluation.threshold",
}  # fmt: skip
"""Where a study's file has what the record of a training tells as `prepared`, if it is not called the same."""


def rules_of(study: Study) -> RulesFile:
    """Return the rules by which a study's images are taken; manual masks are none of them.

    Raises:
        ConfigError: the study has no rules for DICOM series.
    """
    if not study.series:
        raise ConfigError(f"study {study.study} has no rules for DICOM series (`series:`): give a file with --rules")
    return RulesFile(series=study.series, other_grids=study.other_grids)


def dicom_results(
    folder: Path, out: Path, source: Path, study: Study, model: str, stage: Path, rules: RulesFile
) -> DicomResults:
    """Return what writes the masks as DICOM objects, for `segment`.

    Args:
        folder: where they are written; it is made.
        out: the folder of the other outputs.
        source, rules: what is segmented, and which series are channels.
        study, model, stage: what segments.

    Raises:
        ConfigError: `folder` lies in `out`, whose files identify no patient.
    """
    if folder.resolve().is_relative_to(out.resolve()):
        raise ConfigError(
            f"--dicom {folder}: DICOM objects identify the patients, and the files in {out} do not: name a folder "
            "outside it"
        )
    code = code_digest("crossover/execution/segment.py")
    made_by = Producer(study.study, model, file_digest(stage / WEIGHTS), f"{version('crossover')} {code[:12]}")
    return DicomResults(folder, Originals(source, rules), targets(study.structures), made_by)


def segment(
    source: Path,
    out: Path,
    study: Study,
    stage: Path,
    rules: RulesFile,
    workers: int,
    written: WrittenFiles,
    objects: DicomResults | None = None,
) -> pd.DataFrame:
    """Write masks of every examination below `source` that fits: `<out>/predictions/<case>_<structure>.nii.gz`.

    Of what is there, only files that earlier calls wrote and that nobody changed since are replaced, or removed. An
    examination that fails, at whatever step, stops no other. Where only a manual mask has an error, the examination is
    segmented and that mask isn't compared with.

    Args:
        stage: folder of the stage whose weights predict.
        rules: which series are channels; structures that it names are read, to score the masks by.
        written: what earlier calls wrote to `out`.
        objects: writes each examination's masks as DICOM objects too.

    Returns:
        One row for each case and structure: case, structure, volume_predicted_ml and, where the
        structure was drawn, the metrics of `crossover.evaluation.metrics.score`; with `objects`, `dicom`: what holds
        the mask, or why nothing does; and `not_done`: what was not done and why, "" where all was. A case without a
        mask has one row, without a structure, and so have files with errors that belong to no case.

    Raises:
        crossover.sources.cases.IngestError: no examination is there.
        ConfigError: the rules lack a channel that the study's networks see.
        crossover.core.disk.DiskFull: there is no room for what is written.
    """
    if missing := set(study.channels) - set(rules.series):
        raise ConfigError(f"the rules have no entry under `series:` for channel {', '.join(sorted(missing))}")
    cases = out / "cases/manifest.json"
    report = ingest(source, cases.parent, rules, workers, lenient=True)
    failed = _refused(report)
    _prepare(cases, out, study, workers, failed)
    complete = [case for case in report["made"] if case not in failed]
    rows = list(_predicted(study, stage, out, complete, workers, failed, written, objects))
    earlier = {name.partition("_")[0] for name in written.remove_others()}
    for case in {*failed, *earlier} - {row["case"] for row in rows}:
        if objects:
            objects.drop(case)
    unscored = {c: _errors_text(about["findings"]) for c, about in report["cases"].items()}
    table = [row | {"not_done": "; ".join(filter(None, (unscored[row["case"]], _no_object(row))))} for row in rows]
    table += [{"case": case, "not_done": why} for case, why in failed.items()]
    if report["barred"]:
        table.append({"case": NO_CASE, "not_done": _errors_text(report["folder"])})
    columns = ["case", "structure", "volume_predicted_ml", "not_done"]
    return pd.DataFrame(table, columns=list(dict.fromkeys([*columns[:2], *_keys(rows), *columns])))


NO_CASE = "files of no case"
NOT_WRITTEN = "no DICOM object"


def _no_object(row: dict) -> str:
    """Return why a mask that should be in DICOM objects is in none; "" where nothing went wrong."""
    problem = row.get("dicom", "")
    return problem if problem.startswith(NOT_WRITTEN) else ""


def _keys(rows: list[dict]) -> list[str]:
    """Return the names of all values, in the order in which they come."""
    return list(dict.fromkeys(name for row in rows for name in row))


def _refused(report: Report) -> dict[str, str]:
    """Return case -> why it couldn't be made from its examination."""
    cases = report["cases"].items()
    return {c: _errors_text(about["findings"]) for c, about in cases if about["status"] != "made"}


def _errors_text(findings: list[FindingRow]) -> str:
    """Return the errors among findings, in a line."""
    errors = [f for f in findings if f["severity"] == "error"]
    texts = (": ".join(filter(None, (f["code"], f["about"], f["what"]))) for f in errors)
    return "; ".join(dict.fromkeys(texts))


def _prepare(cases: Path, out: Path, study: Study, workers: int, failed: dict[str, str]) -> None:
    """Correct and slice the cases of a manifest; those that fail leave it, and `failed` says why."""
    code, bias = code_digest("crossover/imaging/prepare.py"), study.preparation.bias_field
    corrected = None
    if bias.method != "none":
        corrected = out / "corrected/manifest.json"
        with _gone_on(cases, corrected, failed):
            correct(cases, corrected, bias, code, workers)
    slices = out / "slices/manifest.json"
    with _gone_on(cases, slices, failed):
        slice_cases(cases, corrected, slices, study.preparation.slices, study.channels, [], code, workers)


@contextmanager
def _gone_on(cases: Path, manifest: Path, failed: dict[str, str]) -> Iterator[None]:
    """Take what failed in a step out of the manifest of cases, and write the step's of all others."""
    try:
        yield
    except incremental.ItemsError as error:
        failed |= error.failed
        write_json(manifest, {"items": error.records})
        items = read_json(cases)["items"].items()
        write_json(cases, {"items": {c: r for c, r in items if c not in error.failed}})


def _predicted(
    study: Study,
    stage: Path,
    out: Path,
    cases: list[str],
    threads: int,
    failed: dict[str, str],
    written: WrittenFiles,
    objects: DicomResults | None,
) -> Iterator[dict]:
    """Yield rows of the cases that could be predicted; `failed` says why others couldn't."""
    if not cases:
        return
    from crossover.training import backends
    from crossover.training.devices import claim, gpus
    from crossover.training.stage_files import Place

    record = read_json(stage / incremental.RECORD)
    structures, network = record["stage"]["structures"], Network.model_validate(record["network"])
    settings = backends_of_studies.backend_of(network).prediction(study, network)
    slices, received, corrected = ({"": out / what / "manifest.json"} for what in ("slices", "cases", "corrected"))
    if study.preparation.bias_field.method == "none":
        corrected = {}
    job = backends.Job(settings.model_dump(mode="json"), slices, received, corrected, pd.DataFrame(), threads)
    predictor = backends.part(job, "prediction").predictor(job)
    (out / "predictions").mkdir(exist_ok=True)
    with claim(gpus(), tickets=0):
        for case in cases:
            try:
                (masks,) = predictor.masks(stage, structures, [Place("", case)])
                files = [path for structure in structures for path in _files(out, case, structure)]
                written.begin(files)
                rows = [_written(study, out, case, s, m) for s, m in zip(structures, masks)]
                written.end(files)
                as_dicom = _as_dicom(objects, out, case, dict(zip(structures, masks))) if objects else {}
                yield from [row | {k: as_dicom[row["structure"]] for k in ("dicom",) if as_dicom} for row in rows]
            except NotOurs as error:
                failed[case] = str(error)
            except Exception as error:
                if no_room := disk.as_disk_full(error, out):
                    raise no_room from error
                failed[case] = f"{type(error).__name__}: {error}"


def _files(out: Path, case: str, structure: str) -> list[Path]:
    """Return the files of a case's structure: its mask, and its picture in each form."""
    pictures = [out / "pictures" / f"{case}_{structure}.{form}" for form in ("svg", "png", "pdf")]
    return [out / "predictions" / f"{case}_{structure}.nii.gz", *pictures]


def _written(study: Study, out: Path, case: str, structure: str, mask: sitk.Image) -> dict:
    """Write a mask and its picture; return its row of the table."""
    write(mask, out / "predictions" / f"{case}_{structure}.nii.gz")
    drawn = structure_path(out / "cases" / case, structure)
    manual = sitk.ReadImage(str(drawn)) if drawn.exists() else None
    _picture(study, out, case, structure, mask, manual)
    return {"case": case, "structure": structure, **_scores(study, structure, mask, manual)}


def _as_dicom(objects: DicomResults, out: Path, case: str, masks: dict[str, sitk.Image]) -> dict[str, str]:
    """Return structure -> what DICOM object holds its mask, or why none does; what goes wrong stops no other case."""
    tokens = read_json(out / "cases" / case / incremental.RECORD)["received"]
    try:
        return objects.write(case, tokens, masks)
    except (NoOriginal, OtherObjects) as error:
        why = str(error)
    except Exception as error:
        if no_room := disk.as_disk_full(error, objects.folder):
            raise no_room from error
        why = describe_unforeseen(error)  # a message may quote a header
    objects.drop(case)
    return dict.fromkeys(masks, f"{NOT_WRITTEN}: {why}")


def _picture(study: Study, out: Path, case: str, structure: str, mask: sitk.Image, manual: sitk.Image | None) -> None:
    """Draw the picture, of the corrected image where it was corrected."""
    from crossover.analyses.figures import montage, style

    channel = study.channels[0]
    found = [image_path(out / folder / case, channel) for folder in ("corrected", "cases")]
    image = sitk.ReadImage(str(next(path for path in found if path.exists())))
    drawn = None if manual is None else sitk.GetArrayFromImage(manual) > 0
    figure = montage.draw(image, sitk.GetArrayFromImage(mask) > 0, drawn)
    style.save(figure, out / "pictures" / f"{case}_{structure}")


def _scores(study: Study, structure: str, mask: sitk.Image, manual: sitk.Image | None) -> dict[str, float]:
    tolerance = study.evaluation.tolerance(structure)
    smallest = study.preparation.slices.smallest_mask_px
    if manual is not None:
        return score(manual, mask, tolerance, smallest)
    return {"volume_predicted_ml": score(mask, mask, tolerance)["volume_predicted_ml"]}

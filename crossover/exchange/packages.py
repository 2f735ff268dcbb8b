"""A trained model as a package of plain files, and such a package read by whoever does not trust where it came from.

The files are weights as safetensors, the study, what is known of the training, the scores, a model card, and the
digests of all these; in a zip or a folder. Nothing in them is code, and nothing is unpickled.
"""

from __future__ import annotations

import hashlib
import json
import stat
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pandas as pd
import yaml
from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError, safe_open

from crossover.core.configuration import ConfigError, ConfigSection, read_yaml, validate
from crossover.core.files import file_digest, read_json, write_json
from crossover.core.incremental import RECORD
from crossover.core.provenance import read_record
from crossover.core.written_tables import read_written
from crossover.exchange.model_card import card
from crossover.networks import architectures, wrong_settings
from crossover.sources.settings import PHANTOM_KINDS, OpenKbpSource, Source, Structure, StructureName
from crossover.study.plan import Model
from crossover.study.schema import Study
from crossover.study.sections import Network

HISTORY = "history.csv"
"""The file of a stage's history, which no package has."""
WEIGHTS, STUDY, MODEL, SCORES = "weights.safetensors", "study.yaml", "model.json", "scores.csv"
CARD, DIGESTS = "README.md", "digests.json"
SUMMARY = "statistics/summary.csv"
"""Of a study's results, what `SCORES` is taken from."""
MOST_BYTES = {WEIGHTS: 4 << 30, STUDY: 1 << 20, MODEL: 1 << 20, SCORES: 16 << 20, CARD: 1 << 20, DIGESTS: 1 << 16}
"""The files of a package, each with the size above which it is refused."""
FORM = 1
"""The version of the form of packages; it is raised where one of another form can't be read any more."""
_CHUNK = 1 << 20
_KEPT = (
    "initial", "parameters", "patients", "slices", "volumes", "steps", "best_step", "best_validation_dsc", "seed",
    "versions",
)  # fmt: skip
"""What a package has of a stage's record."""
_KEPT_OF_INITIAL = ("weights", "sha256", "instead_of")
_KEPT_OF_SOURCES = ("kind", "patients", "identifiers", "pixel_mm", "slice_mm")
"""Of the source of a cohort that is no phantom, beside its channels and structures with patterns of any cohort."""


class PackageError(ValueError):
    """A package is damaged, or none; the message lists all findings."""


class About(ConfigSection):
    """model.json: what the weights belong to."""

    form: int
    study: str
    scale: str
    model: str
    family: str
    n_train: int
    structures: list[str]
    network: Network
    standardised: dict[str, list[float]] | None
    """The mean and SD of each channel over the training images; None where each case is normalised by itself."""
    training: dict[str, Any]


@dataclass(frozen=True)
class Package:
    """An opened package.

    Attributes:
        stage: a folder with weights and record, as a study's run leaves them of a stage.
        digest: SHA-256 of the list of digests, and so of all.
    """

    study: Study
    about: About
    stage: Path
    digest: str


def pack(
    study: Study, model: Model, weights: Path, record: Mapping[str, Any], results: Path, out: Path, licence: str
) -> str:
    """Write a trained model as a package, a zip where `out` ends with .zip, else a folder.

    Args:
        weights, record: of the model's stage.
        results: the folder of all studies' results, for the model's scores.
        licence: under which the user passes it on.

    Returns:
        The package's digest.

    Raises:
        ConfigError: there is something at `out`, or the study has no statistics, or those of other weights.
    """
    if out.exists():
        raise ConfigError(f"{out} exists already: name a file or folder that does not exist")
    if missing := [name for name in record.get("files", ()) if name not in (WEIGHTS, HISTORY)]:
        raise ConfigError(
            f"{model.name}: a package contains weights alone, and this model also needs {', '.join(missing)}: pass on "
            f"the whole folder {weights.parent}"
        )
    structures = [*record["stage"]["structures"]]  # as its outputs come, whatever order the study has now
    scores = _scores(study, model, structures, results)
    _check_scores(study, model.stage, weights, results)
    about = About(
        form=FORM, study=study.study, scale=study.scale, model=model.name, family=model.family, n_train=model.n_train,
        structures=structures, network=_without_file(Network.model_validate(record["network"])),
        standardised=record["standardised"], training=_training(record),
    )  # fmt: skip
    shared = _shareable(study)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as scratch:
        part = Path(scratch) / "package"
        part.mkdir()
        (part / WEIGHTS).write_bytes(weights.read_bytes())
        (part / STUDY).write_text(yaml.safe_dump(_with_codes(shared), sort_keys=False, allow_unicode=True))
        write_json(part / MODEL, about.model_dump(mode="json"))
        scores.to_csv(part / SCORES, index=False)
        (part / CARD).write_text(card(shared, about.model_dump(), scores, licence))
        write_json(part / DIGESTS, {name: file_digest(part / name) for name in MOST_BYTES if name != DIGESTS})
        digest = file_digest(part / DIGESTS)
        if out.suffix == ".zip":
            _zip(part, Path(scratch) / "package.zip")
            part = Path(scratch) / "package.zip"
        part.replace(out)
    return digest


def _training(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a package tells of a training; of the initial weights not where they lay."""
    kept = {key: record[key] for key in _KEPT if key in record}
    if initial := kept.get("initial"):
        kept["initial"] = {key: initial[key] for key in _KEPT_OF_INITIAL if key in initial}
    return kept | {"patients_of": dict(record["stage"]["train"])}


def _with_codes(study: Study) -> dict[str, Any]:
    """Return a study's settings with its structures' codes, which no other dump has, since they change no result."""
    values = study.model_dump(mode="json")
    for name, structure in study.structures.items():
        if structure.code:
            values["structures"][name]["code"] = structure.code.model_dump(mode="json", exclude_none=True)
    return values


def _scores(study: Study, model: Model, structures: list[str], results: Path) -> pd.DataFrame:
    """Return the rows of the study's summary that are of this model, its other replicates and folds in them."""
    path = results / study.study / SUMMARY
    if not path.exists():
        raise ConfigError(f"{path} does not exist: run the study to its end, so that the model has scores")
    table = read_written(path)
    own = (table.family == model.family) & (table.n_train == model.n_train)
    return table[own & table.structure.isin(structures)].drop(columns=["strategy"])


def _check_scores(study: Study, stage: str, weights: Path, results: Path) -> None:
    """Refuse statistics that were not made, by way of masks and scores, with a stage's weights as they are now.

    Raises:
        ConfigError: a file on the way has changed since it was read, or has no provenance record.
    """
    what = f"{results / study.study / SUMMARY}: these scores are not known to be of the present weights"
    again = f"run the study to its end (crossover run {study.study} --scale {study.scale})"
    waiting, seen, found = [results / study.study / SUMMARY], set[Path](), False
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        if (record := read_record(path)) is None:
            raise ConfigError(f"{what}, since {path} has no provenance record: {again}")
        read = {results.joinpath(*Path(name).parts[1:]): sha256 for name, sha256 in record["inputs"].items()
                if Path(name).parts[:2] == ("results", study.study)}  # fmt: skip
        if changed := [str(p) for p, sha256 in read.items() if not p.exists() or file_digest(p) != sha256]:
            raise ConfigError(f"{what}, since {changed[0]} was made again after them: {again}")
        if path.parent == weights.parent.parent:  # a job of trainings, which tells the digests of its stages' weights
            known = read_json(path)["items"].get(stage, {"files": {}})["files"].get(WEIGHTS)
            found |= known is not None and known["sha256"] == file_digest(weights)
        waiting += [p for p in read if p.parent.name != "external"]
    if not found:
        raise ConfigError(f"{what}, which {weights.parent.name} has since: {again}")


def _shareable(study: Study) -> Study:
    """Return a study without what names patients, readers and places: patterns of files, rows and cases of a cohort."""
    networks = {name: _without_file(network) for name, network in study.other_networks.items()}
    return study.model_copy(
        update={
            "series": {name: rule.model_copy(update={"by_patient": {}}) for name, rule in study.series.items()},
            "structures": {name: _without_readers(structure) for name, structure in study.structures.items()},
            "cohorts": {
                name: cohort.model_copy(update={"source": _without_places(cohort.source)})
                for name, cohort in study.cohorts.items()
            },
            "network": _without_file(study.network),
            "other_networks": networks,
        }
    )


def _without_file(network: Network) -> Network:
    if network.initial.file is None:
        return network
    return network.model_copy(update={"initial": network.initial.model_copy(update={"file": WEIGHTS})})


def _without_readers(structure: Structure) -> Structure:
    own = [n.model_copy(update={"reader": None, "file": None}) if isinstance(n, StructureName) else n
           for n in structure.names]  # fmt: skip
    return structure.model_copy(update={"names": [name for name in own if name != StructureName()]})


def _without_places(source: Source) -> Source:
    """Return a hospital's source with its form alone: no folder, row or column, and patterns that name nobody."""
    if source.kind in PHANTOM_KINDS:
        return source
    kept = source.model_dump(include={*_KEPT_OF_SOURCES})
    for key in {"channels", "structures", "label_maps"} & type(source).model_fields.keys():
        of_one_file = isinstance(source, OpenKbpSource)  # whose patients have a folder each
        kept[key] = {n: n if of_one_file else _generic(n, value) for n, value in getattr(source, key).items()}
    return type(source).model_validate(kept)


def _generic(name: str, value: str | BaseModel) -> str | dict[str, Any]:
    """Return a pattern of files, or what has one, with a pattern that any cohort could have."""
    file = f"{{patient}}/{name}.nii.gz"
    return file if isinstance(value, str) else value.model_dump() | {"file": file}


def _zip(folder: Path, out: Path) -> None:
    """Write the files in one order and with one date, so that the same package has the same bytes."""
    with zipfile.ZipFile(out, "w") as archive:
        for name in MOST_BYTES:
            about = zipfile.ZipInfo(name)  # of 1980; stored, since weights hardly compress
            about.external_attr = (stat.S_IFREG | 0o644) << 16
            with archive.open(about, "w", force_zip64=True) as target, (folder / name).open("rb") as source:
                while chunk := source.read(_CHUNK):
                    target.write(chunk)


@contextmanager
def open_package(path: Path) -> Iterator[Package]:
    """Check a package and yield it, with its weights in a folder that is there until the end of the block.

    Raises:
        PackageError: it is damaged, not whole, or no package; the message has all that is wrong.
    """
    with tempfile.TemporaryDirectory(prefix="crossover-") as scratch:
        stage = Path(scratch)
        digests = _taken(path, stage)
        _check_digests(path, stage, digests)
        study, about = _described(path, stage)
        _check_weights(path, stage / WEIGHTS)
        record = {"network": about.network.model_dump(mode="json"), "standardised": about.standardised}
        write_json(stage / RECORD, record | {"stage": {"structures": about.structures}})
        yield Package(study, about, stage, digests[DIGESTS])


def _taken(path: Path, to: Path) -> dict[str, str]:
    """Copy a package's files to a folder; return name -> SHA-256 of what was read."""
    if path.is_dir():
        return _from_folder(path, to)
    if not path.is_file():
        raise PackageError(f"{path} does not exist")
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _raise(path, [*_wrong_members(members), *_absent({m.filename for m in members})])
            return {m.filename: _copy(path, archive.open(m), to / m.filename) for m in members}
    except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError) as error:
        raise PackageError(f"{path}: not a complete zip archive: {error}") from None


def _from_folder(path: Path, to: Path) -> dict[str, str]:
    there = {name: path / name for name in MOST_BYTES if (path / name).is_symlink() or (path / name).exists()}
    wrong = [f"{n} is not a regular file" for n, p in there.items() if p.is_symlink() or not p.is_file()]
    large = [_too_large(n) for n, p in there.items() if p.is_file() and p.stat().st_size > MOST_BYTES[n]]
    _raise(path, [*wrong, *large, *_absent(there)])
    return {name: _copy(path, file.open("rb"), to / name) for name, file in there.items()}


def _wrong_members(members: list[zipfile.ZipInfo]) -> Iterator[str]:
    """Yield what is wrong with an archive's list of members, before any of them is read."""
    seen = set()
    for member in members:
        name = member.filename
        mode = member.external_attr >> 16
        if name not in MOST_BYTES:
            yield f"{name[:80]!r} does not belong in a package"
        elif name in seen:
            yield f"{name} occurs twice"
        elif stat.S_ISLNK(mode) or member.flag_bits & 1:
            yield f"{name} is a link or encrypted"
        elif member.file_size > MOST_BYTES[name]:
            yield _too_large(name)
        seen.add(name)


def _absent(there: Mapping | set) -> list[str]:
    return [f"{name} is missing" for name in MOST_BYTES if name not in there]


def _too_large(name: str) -> str:
    return f"{name} is larger than {MOST_BYTES[name]:,} bytes"


def _copy(path: Path, source: IO[bytes], target: Path) -> str:
    """Copy no more than a file of this name may have, whatever the archive says of its size."""
    found, left = hashlib.sha256(), MOST_BYTES[target.name]
    with source, target.open("wb") as out:
        while chunk := source.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                raise PackageError(f"{path}: {_too_large(target.name)}")
            found.update(chunk)
            out.write(chunk)
    return found.hexdigest()


def _check_digests(path: Path, stage: Path, found: Mapping[str, str]) -> None:
    try:
        listed = json.loads((stage / DIGESTS).read_bytes())
        wrong = [n for n in MOST_BYTES if n != DIGESTS and listed.get(n) != found[n]]
    except (ValueError, AttributeError):
        raise PackageError(f"{path}: {DIGESTS} is not a list of digests") from None
    _raise(path, [f"{name} does not match {DIGESTS}: it was damaged or changed" for name in wrong])


def _described(path: Path, stage: Path) -> tuple[Study, About]:
    """Return the study and what is known of the model, as checked as a study's own file."""
    try:
        study = validate(Study, read_yaml(stage / STUDY), Path(STUDY))
        about = About.model_validate_json((stage / MODEL).read_bytes())
    except ConfigError as error:
        raise PackageError(f"{path}: {error}") from None
    except ValidationError as error:
        problems = [f"{MODEL}: {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise PackageError("\n".join(f"{path}: {line}" for line in problems)) from None
    wrong = [] if about.form == FORM else [f"{MODEL}: its form is {about.form}; this program reads form {FORM}"]
    wrong += [f"{MODEL}: the study has no structure {s}" for s in about.structures if s not in study.structures]
    if about.network.architecture in architectures():
        found = wrong_settings(about.network.architecture, about.network.settings)
        wrong += [f"{MODEL}: network.settings: {finding}" for finding in found]
    else:
        wrong.append(f"{MODEL}: network.architecture: this program has no network {about.network.architecture!r}")
    _raise(path, wrong)
    return study, about


def _check_weights(path: Path, weights: Path) -> None:
    try:
        with safe_open(weights, framework="numpy") as tensors:
            empty = not tensors.keys()
    except SafetensorError as error:
        raise PackageError(f"{path}: {WEIGHTS}: {error}") from None
    _raise(path, [f"{WEIGHTS} contains no weights"] if empty else [])


def _raise(path: Path, findings: list[str]) -> None:
    if findings:
        raise PackageError("\n".join(f"{path}: {finding}" for finding in findings))

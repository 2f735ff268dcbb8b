"""Results with how each was made, as an RO-Crate 1.1 with the Process Run Crate profile (Leo et al. 2024)."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rocrate.model.contextentity import ContextEntity
from rocrate.rocrate import ROCrate

from crossover.analyses.registry import analyses
from crossover.core.configuration import read_yaml
from crossover.core.files import file_digest, read_json, read_json_or_none
from crossover.core.incremental import MAKING
from crossover.core.provenance import SUFFIX, is_intact, read_record
from crossover.sources.redaction import without_places
from crossover.sources.settings import PHANTOM_KINDS

PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
PICTURES = {".svg", ".png", ".pdf", ".html"}
SUFFIXES = {".csv", ".json", ".tex", *PICTURES}
"""Results that are put into the crate; weights, masks and images are named with their digests."""


def write_crate(out: Path, studies: list[str]) -> str:
    """Write a crate of studies' results, from the workflow's folder.

    Args:
        out: a folder, or a file that ends with .zip.
        studies: all that have results where none is named.

    Returns:
        How many files and steps it holds, in words.

    Raises:
        ValueError: a study has no results.
    """
    there = sorted(p.parent.name for p in Path("results").glob("*/metrics.csv"))
    missing = [name for name in studies if name not in there]
    if missing or not there:
        which, others = ", ".join(missing) or "any study", ", ".join(there) or "none"
        raise ValueError(
            f"there are no results (results/<study>/metrics.csv) of {which}; studies with results: {others}"
        )
    crate = ROCrate()
    crate.name = "Crossover: " + ", ".join(studies or there)
    crate.description = "Results, and how each was made: inputs, settings, source files, versions."
    crate.license = "Results of this run; the software is under its own licence."
    profile = crate.add(ContextEntity(crate, PROFILE, {"@type": "CreativeWork", "name": "Process Run Crate"}))
    crate.root_dataset["conformsTo"] = profile
    files: dict[str, Any] = {}
    records = list(_records(studies or there))
    shown = list(_shown(studies or there))
    for path in shown:
        files[str(path)] = crate.add_file(path, str(path))
    for _, record in records:
        for name, sha256 in [*record["inputs"].items(), *record["outputs"].items()]:
            if name not in files:
                files[name] = _named(crate, name)
            files[name]["sha256"] = sha256
    for place, record in records:
        _action(crate, place, record, files)
    (crate.write_zip if out.suffix == ".zip" else crate.write)(out)
    return f"{len(shown)} files, {len(records)} steps"


def _records(studies: list[str]) -> Iterable[tuple[Path, dict[str, Any]]]:
    """Find the provenance record of each of the studies' jobs, and of the jobs that made what these read."""
    found: dict[Path, dict[str, Any]] = {}
    of_cohorts = {cohort for study in studies for cohort in _cohorts(study)}
    for path in sorted(Path("data").rglob(f"*{SUFFIX}")):
        if of_cohorts & set(path.parts):
            found[path] = read_json(path)
    for study in studies:
        found |= {p: read_json(p) for p in sorted(Path("results", study).rglob(f"*{SUFFIX}"))}
    for path in sorted(Path("results").glob(f"*{SUFFIX}")):
        found[path] = read_json(path)
    return {tuple(record["outputs"]): (path, record) for path, record in reversed(found.items())}.values()


def _cohorts(study: str) -> Iterable[str]:
    """Return the names of a study's cohorts, as its settings beside the results have them, else its file."""
    config = Path(f"config/studies/{study}.yaml")
    settings = read_json_or_none(Path("results", study, "params.json"))
    return (settings or (read_yaml(config) if config.exists() else {})).get("cohorts") or ()


def _shown(studies: list[str]) -> Iterable[Path]:
    """Find the results and the configuration that go into the crate.

    What patients can be seen in, or who they are, is left out: pictures made from images, and the study's file, which
    has the folders of real cohorts. Without a record that says that they are of phantoms, they count as of patients.
    A study's file that tells what no record does (`without_places`) is left out too: params.json has the settings.
    """
    read = {study: _read_of_phantoms(study) for study in studies}
    for study in studies:
        found = (p for p in Path("results", study).rglob("*") if p.is_file() and MAKING not in p.parts)
        for path in sorted(p for p in found if p.suffix in SUFFIXES):
            if not _may_show_images(path) or read[study].get(str(path)) == file_digest(path):
                yield path
        own = Path(f"config/studies/{study}.yaml")
        if read[study] and own.exists() and without_places(settings := read_yaml(own)) == settings:
            yield own
        about = (Path(f"config/{kind}/{study}.yaml") for kind in ("published", "claims"))
        yield from (path for path in about if path.exists())
    if _is_report_of_phantoms(Path("results/report.html")):
        yield Path("results/report.html")
    # not config/config.yaml: it names folders of this machine, and its scale is in each study's params.json
    yield from (path for path in map(Path, ("requirements.lock", "Snakefile", "dvc.lock")) if path.exists())


def _read_of_phantoms(study: str) -> dict[str, str]:
    """Return path -> SHA-256 of what a study's last job read; nothing unless all cohorts are known to be phantoms.

    It read all tables and figures. The settings are those of its record, which travels with the results.
    """
    record = read_record(Path("results", study, "params.json"))
    if not record or not is_intact(record):
        return {}
    cohorts = record["settings"].get("cohorts") or {"": {}}
    kinds = {cohort.get("source", {}).get("kind") for cohort in cohorts.values()}
    return record["inputs"] if kinds <= {*PHANTOM_KINDS} else {}


def _may_show_images(path: Path) -> bool:
    """Return whether images can be seen in a result: in every picture but those of analyses that read no images."""
    figures = (a for a in analyses() if a.kind == "figures" and "images" not in a.declared.sources)
    return path.suffix in PICTURES and path.stem not in {Path(output).stem for a in figures for output in a.outputs}


def _is_report_of_phantoms(report: Path) -> bool:
    """Return whether a report is there whose record says that all studies, and each picture in it, are of phantoms."""
    record = read_record(report) if report.exists() else None
    if not record or not is_intact(record) or record["outputs"].get(str(report)) != file_digest(report):
        return False
    studies = record["settings"].get("studies") or [{"study": ""}]
    read = {study["study"]: _read_of_phantoms(study["study"]) for study in studies}
    known = {path: sha256 for of in read.values() for path, sha256 in of.items()}
    pictures = {path: sha256 for path, sha256 in record["inputs"].items() if _may_show_images(Path(path))}
    return all(read.values()) and pictures.items() <= known.items()


def _named(crate: ROCrate, name: str) -> ContextEntity:
    """Add a file that is named and not contained, since it may show a patient."""
    about = {"@type": "File", "name": name, "description": "not in this crate"}
    return crate.add(ContextEntity(crate, f"#{name}", about))


def _action(crate: ROCrate, path: Path, record: dict[str, Any], files: dict[str, Any]) -> None:
    """Add one job: which program made what from what, and when."""
    script = record["code"]["entries"][0]
    program = crate.get(f"#{script}") or crate.add(
        ContextEntity(crate, f"#{script}", {"@type": "SoftwareApplication", "name": script})
    )
    action = ContextEntity(
        crate,
        f"#{path}",
        {
            "@type": "CreateAction",
            "name": f"{Path(script).stem}: {', '.join(record['outputs'])}",
            "description": record.get("command", ""),
            "startTime": record.get("begun", ""),
        },
    )
    crate.add(action)
    action["instrument"] = program
    action["object"] = [files[name] for name in record["inputs"]]
    action["result"] = [files[name] for name in record["outputs"]]
    crate.root_dataset.append_to("mentions", action)

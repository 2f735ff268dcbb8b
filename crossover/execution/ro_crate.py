"""Results with how each was made, as an RO-Crate 1.1 with the Process Run Crate profile (Leo et al. 2024)."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rocrate.model.contextentity import ContextEntity
from rocrate.rocrate import ROCrate

from crossover.analyses.registry import analyses
from crossover.core.configuration import read_yaml
from crossover.core.files import read_json
from crossover.core.provenance import SUFFIX

PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
SUFFIXES = {".csv", ".json", ".svg", ".png", ".pdf", ".html", ".tex"}
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
    of_cohorts = {c for s in studies for c in read_yaml(Path(f"config/studies/{s}.yaml"))["cohorts"]}
    for path in sorted(Path("data").rglob(f"*{SUFFIX}")):
        if of_cohorts & set(path.parts):
            found[path] = read_json(path)
    for study in studies:
        found |= {p: read_json(p) for p in sorted(Path("results", study).rglob(f"*{SUFFIX}"))}
    for path in sorted(Path("results").glob(f"*{SUFFIX}")):
        found[path] = read_json(path)
    return {tuple(record["outputs"]): (path, record) for path, record in reversed(found.items())}.values()


def _shown(studies: list[str]) -> Iterable[Path]:
    """Find the results and the configuration that go into the crate."""
    real = any("listing" in read_json(m) for m in Path("data/raw").glob("*/manifest.json"))
    # patients' images can be seen in these, which are named only where a cohort's cases are real
    showing = {"report", *(a.name for a in analyses() if a.kind == "figures" and "images" in a.declared.sources)}
    for study in studies:
        folder = Path("results", study)
        for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix in SUFFIXES):
            if not (real and path.stem in showing):
                yield path
        yield Path(f"config/studies/{study}.yaml")
        about = (Path(f"config/{kind}/{study}.yaml") for kind in ("published", "claims"))
        yield from (path for path in about if path.exists())
    report = [] if real else ["results/report.html"]
    named = map(Path, (*report, "config/config.yaml", "requirements.lock", "Snakefile", "dvc.lock"))
    yield from (path for path in named if path.exists())


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

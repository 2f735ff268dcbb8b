"""Trust without recomputing: every file against what is on record of it, and on request one training again."""

import json
import re
import subprocess
import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import packages_distributions
from importlib.metadata import version as metadata_version
from pathlib import Path

from crossover.core.files import file_digest, read_json_or_none
from crossover.core.incremental import RECORD
from crossover.core.provenance import is_intact, read_record, record_path
from crossover.execution.forecast import reasons
from crossover.execution.integrity import Checker, FileProblem, describe
from crossover.execution.workflow import GraphJob

LOCK = Path("requirements.lock")
DVC_LOCK = Path("dvc.lock")
DIFFERS = {
    "modified": ("it differs from the one that DVC has", "`dvc checkout` puts it back, `dvc repro` keeps it"),
    "deleted": ("DVC lists it, but the file does not exist", "`dvc checkout`"),
}
"""What is wrong with a file in a state that DVC tells, and what to do."""
WAIT = "wait until the active run has ended (`crossover status`), and call `crossover verify` again"


@dataclass(frozen=True)
class Check:
    """One kind of check: what was compared, how many, and what is wrong."""

    name: str
    count: int
    findings: list[FileProblem]


def verify(commands: Mapping[Path, str]) -> list[Check]:
    """Check the rules' outputs; nothing is computed anew but digests.

    Args:
        commands: output, relative to the workflow's folder -> the command that makes it.
    """
    there = [path for path in commands if path.exists()]
    read = {path: read_record(path) for path in there}
    records = {path: record for path, record in read.items() if record and is_intact(record)}
    checker = Checker(commands)
    absent = [path for path in commands if path not in read]
    gone = [FileProblem(str(path), "it does not exist", f"run `{commands[path]}`, or `dvc pull`") for path in absent]
    return [
        Check("outputs that are there", len(commands), gone),
        check_outputs(read, checker),
        check_items(there, checker),
        check_inputs(records, checker),
        check_versions(records, checker),
        check_tracked(),
    ]


def told(checks: Iterable[Check], runs: Mapping[str, str]) -> list[str]:
    """Return what was found as lines.

    Args:
        runs: study -> which process makes its files, "" where none does. While one does, the only thing to do about
            them, and about data and the report, is to wait: what is missing or differs may be what it makes.
    """
    active = {study: by for study, by in runs.items() if by}
    out = [f"a run of {study} is active ({by}) and makes files again: until then they are missing or differ"
           for study, by in active.items()]  # fmt: skip
    for check in checks:
        findings = [each._replace(remedy=WAIT) if _may_change(each.file, active) else each for each in check.findings]
        out.append(f"{check.name}: {check.count} checked, {len(findings) or 'nothing'} wrong")
        out += [describe(findings, most=None)] if findings else []
    return out


def _may_change(file: str, active: Collection[str]) -> bool:
    """Return whether the runs of some studies may make a file: it is one of theirs, or is of no study."""
    folder, *inside = Path(file).parts
    return inside[0] in active if folder == "results" and len(inside) > 1 else bool(active)


def check_outputs(records: dict[Path, dict | None], checker: Checker) -> Check:
    """Compare outputs, and the files that manifests list, with their provenance records."""
    findings: list[FileProblem] = []
    for path, record in records.items():
        if record:
            findings += checker.find_changes(path, record)
        else:
            what = f"its provenance record, {record_path(path).name}, is missing or damaged"
            findings.append(FileProblem(str(path), what, f"run `{checker.commands[path]}`: it is made again"))
    return Check("outputs against provenance records", len(records), findings)


def check_items(outputs: list[Path], checker: Checker) -> Check:
    """Check every file that a manifest lists (cases, slices, weights, masks) against its SHA-256 there."""
    count, findings = 0, []
    for manifest in (path for path in outputs if path.suffix == ".json"):
        content = read_json_or_none(manifest)
        if not content or "items" not in content or "listing" in content:  # see `Checker`
            continue
        for name, item in content["items"].items():
            folder = manifest.parent / name
            if read_json_or_none(folder / RECORD) != item:
                what, remedy = f"it differs from {manifest}", checker.restore(manifest)
                findings.append(FileProblem(f"{folder}/{RECORD}", what, remedy))
            for file, about in item["files"].items():
                count += 1
                path = folder / file
                if not path.exists() or file_digest(path) != about["sha256"]:
                    what = f"it is not the file that {manifest} lists"
                    again = f"`{checker.commands[manifest]} -- {manifest}`"
                    remedy = f"put it back (`dvc checkout`), or delete it and {manifest}, and call {again}"
                    findings.append(FileProblem(str(path), what, remedy))
    return Check("files against manifests", count, findings)


def check_inputs(records: dict[Path, dict], checker: Checker) -> Check:
    """Compare what each output was made from with what is there now."""
    findings, count = [], 0
    for output, record in records.items():
        for path, then in record["inputs"].items():
            count += 1
            if not Path(path).exists():
                what, remedy = f"{path}, from which it was made, no longer exists", checker.restore(output)
                findings.append(FileProblem(str(output), what, remedy))
            elif checker.digest(path) != then:
                what, remedy = f"it was made from another version of {path}", f"run `{checker.commands[output]}`"
                findings.append(FileProblem(str(output), what, remedy))
    return Check("inputs against provenance records", count, findings)


def check_versions(records: dict[Path, dict], checker: Checker) -> Check:
    """Compare the packages that each output was made with with the lock."""
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)", LOCK.read_text(), re.M))
    locked = {_normal(name): version for name, version in pins.items()}
    names = packages_distributions()
    versions = [(out, *item) for out, record in records.items() for item in record["versions"].items()]
    wrong: dict[tuple[str, str], str] = {}
    count = 0
    for module, version in {(module, version) for _, module, version in versions}:
        pinned = {n: locked[_normal(n)] for n in names.get(module, [module]) if _normal(n) in locked}
        count += bool(pinned)
        release = version.partition("+")[0]  # "+cpu" names a build
        if pinned and release not in pinned.values() and not _reports(module, version, pinned):
            wrong[module, version] = " and ".join(f"{n} {v}" for n, v in pinned.items())
    findings = [
        FileProblem(
            str(output),
            f"it was made with {module} {version}, and {LOCK} has {wrong[module, version]}",
            f"`make setup`, and {checker.remake(output)}",
        )
        for output, module, version in versions
        if (module, version) in wrong
    ]
    return Check("versions against the lock", count, findings)


def _reports(module: str, reported: str, pinned: dict[str, str]) -> bool:
    """Return whether a package as pinned reports this version: some report another than their release has."""
    if any(metadata_version(name) != version for name, version in pinned.items()):
        return False
    return getattr(import_module(module), "__version__", None) == reported


def _normal(name: str) -> str:
    return name.lower().replace("_", "-")


def check_tracked() -> Check:
    """Compare the files that DVC tracks with those that dvc.lock lists, as far as they were pulled, by DVC itself."""
    name = "tracked files against dvc.lock"
    if not DVC_LOCK.exists():
        return Check(name, 0, [])
    command = [sys.executable, "-m", "dvc", "data", "status", "--granular", "--unchanged", "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        why = f"DVC does not compare it: {done.stderr.strip()}"
        return Check(name, 0, [FileProblem(str(DVC_LOCK), why, "call `dvc data status`")])
    told = json.loads(done.stdout)
    changed, committed = told.get("uncommitted", {}), told.get("committed", {})
    differing = {path: kind for kind in DIFFERS for path in changed.get(kind, ())}
    differing |= {renamed["old"]: "deleted" for renamed in changed.get("renamed", ())}
    renamed_before = [renamed["new"] for renamed in committed.get("renamed", ())]
    new = [*committed.get("added", ()), *committed.get("modified", ()), *renamed_before]
    listed = [*told.get("unchanged", ()), *differing, *new]
    pulled = {path for path in listed if not path.endswith("/")} - {*told.get("not_in_cache", ())}
    findings = [FileProblem(path, *DIFFERS[kind]) for path, kind in differing.items() if path in pulled]
    return Check(name, len(pulled), findings)


def check_plan(jobs: Collection[GraphJob], commands: Mapping[Path, str]) -> Check:
    """Compare the settings and code that each output was made with with those at hand."""
    findings = []
    for job in jobs:
        record = read_record(job.outputs[0])
        if record and not is_intact(record):  # said by `check_outputs`, and it may lack anything
            continue
        for why in reasons(job, record):
            if why.kind in ("setting", "code"):
                change = f" {why.before} -> {why.now}" if why.kind == "setting" else ""
                what = f"{why.what} differs from when it was made{change}"
                findings.append(FileProblem(str(job.outputs[0]), what, f"run `{commands[job.outputs[0]]}`"))
    return Check("configuration and code", len(jobs), findings)

"""The way back from a result to the files that came from the scanner, by the provenance records beside the files."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.tree import Tree

from crossover.core.files import file_digest, read_json
from crossover.core.provenance import is_intact, read_record
from crossover.core.wording import counted

MOST = 2
"""The number of files of one kind that a picture of the way shows."""


def locate(output: Path) -> tuple[Path, Path]:
    """Return the workflow's folder in which a result lies, wherever that is, and the result's path from there.

    Raises:
        ValueError: it has no provenance record, or it lies elsewhere than its record says.
    """
    file = Path(os.path.abspath(output))
    record = (read_record(file) if file.is_file() else None) or {}
    for name in record.get("outputs", {}):
        parts = Path(name).parts
        if file.parts[-len(parts) :] == parts:
            return Path(*file.parts[: -len(parts)]), Path(name)
    if not record:
        raise ValueError(f"{output}: {_NO_RECORD}")
    names = ", ".join(record.get("outputs", {}))
    raise ValueError(f"{output}: the file was moved or renamed: the provenance record next to it is that of {names}")


_NO_RECORD = "the file does not exist, or has no provenance record next to it"


@dataclass(frozen=True)
class TraceStep:
    """One file on the way back.

    Attributes:
        sha256: now; None where it is gone.
        by: the script that made it; None for what no job made. command, begun: of its job.
        inputs: path -> SHA-256 when it was read.
        received: of a raw manifest, patient -> {file: SHA-256}; patients who came as a folder by their codes.
        altered: whether the file or its record is not what the job wrote.
    """

    sha256: str | None
    by: str | None
    command: str | None
    begun: str
    inputs: dict[str, str]
    received: dict[str, dict[str, str]] | None = None
    altered: bool = False


Steps = Mapping[str, TraceStep]
"""The files on the way by their paths, the output first."""


def trace(output: Path, root: Path = Path(".")) -> Steps:
    """Follow a result back to all that it was made from, directly or not.

    Raises:
        ValueError: the file is not there, or it has no provenance record.
    """
    if not (root / output).is_file() or read_record(root / output) is None:
        raise ValueError(f"{output}: {_NO_RECORD}")
    found: dict[str, TraceStep] = {}
    waiting = [str(output)]
    while waiting:
        path = waiting.pop(0)
        if path not in found:
            found[path] = _step(root, path)
            waiting += found[path].inputs
    return found


def _step(root: Path, path: str) -> TraceStep:
    file = root / path
    if not file.exists():
        return TraceStep(None, None, None, "", {})
    sha256, record = file_digest(file), read_record(file)
    if not record:
        return TraceStep(sha256, None, None, "", {})
    if not is_intact(record):  # it may lack anything
        return TraceStep(sha256, None, None, "", {}, altered=True)
    altered = record["outputs"].get(path) != sha256
    by = Path(record["code"]["entries"][0]).stem
    received = _received(read_json(file)) if by == "receive" and not altered else None
    return TraceStep(sha256, by, record["command"], record["begun"], record["inputs"], received, altered)


def _received(manifest: dict) -> dict[str, dict[str, str]]:
    """Return patient -> {file: SHA-256}; the files of a folder of DICOM, whose patients are found later, as "files"."""
    out: dict[str, dict[str, str]] = {}
    for name, item in manifest["items"].items():
        files = item.get("files")
        if files is None:
            out.setdefault("files", {})[name] = item["sha256"]
        else:
            named = files.items() if isinstance(files, dict) else enumerate(files)
            out[name] = {str(n): about["sha256"] for n, about in named}
    return out


def draw(output: Path, steps: Steps) -> Tree:
    """Draw the way as a tree; what several files were made from is opened once."""
    tree = Tree(_label(str(output), steps[str(output)], None))
    _grow(tree, str(output), steps, {str(output)})
    return tree


def summarise(steps: Steps) -> str:
    """Return a line about what stands at the beginning of the way."""
    parts = []
    for path, step in steps.items():
        if (patients := step.received) is not None:
            files = sum(map(len, patients.values()))
            of = "" if set(patients) == {"files"} else f" of {len(patients)} patients"
            parts.append(f"{files} files{of} received as {Path(path).parent.name}")
    if altered := sum(step.altered for step in steps.values()):
        parts.append(f"{counted(altered, 'file')} on the way {'is' if altered == 1 else 'are'} not what its job wrote")
    if gone := sum(step.sha256 is None for step in steps.values()):
        parts.append(f"{gone} files on the way are not there any more")
    return "; ".join(parts) or "nothing received: it comes from settings alone"


def _grow(node: Tree, path: str, steps: Steps, opened: set[str]) -> None:
    kinds: dict[str | None, list[str]] = {}
    for name in steps[path].inputs:
        kinds.setdefault(steps[name].by, []).append(name)
    for by, names in kinds.items():
        for name in names[:MOST]:
            branch = node.add(_label(name, steps[name], steps[path].inputs[name]))
            if name in opened:
                if steps[name].inputs:
                    branch.add("(see above)")
                continue
            opened.add(name)
            _grow(branch, name, steps, opened)
        if len(names) > MOST:
            node.add(f"and {len(names) - MOST} more of {by or 'the configuration'}")
    received = steps[path].received or {}
    for patient, files in list(received.items())[:1]:
        for name, sha256 in list(files.items())[:MOST]:
            node.add(f"{patient}/{name}  sha256 {sha256[:12]}")
        total = sum(map(len, received.values()))
        if total > MOST:
            node.add(f"and {total - MOST} more files, {len(received)} patients in all")


def _label(path: str, step: TraceStep, read: str | None) -> str:
    by = f"  by {step.by}, {step.begun[:10]}" if step.by else ""
    now = step.sha256
    changed = ""
    if read and now != read:
        changed = "  [red]changed since[/red]" if now else "  [red]not there any more[/red]"
    altered = "  [red]not what its job wrote[/red]" if step.altered else ""
    return f"{path}{by}  sha256 {(read or now or 'gone')[:12]}{altered}{changed}"

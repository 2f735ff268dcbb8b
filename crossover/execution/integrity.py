"""Whether a result is what its trail says: the findings of one output, by which a run is refused or verified."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from crossover.core.files import digest, digest_of_text, file_digest, read_json
from crossover.core.incremental import missing_files
from crossover.core.provenance import is_whole, read_trail, trail_path
from crossover.execution.workflow import RECORDS, is_unfinished, read_record

AGAIN = "delete it to have it made again"
RESTORE = (
    f"bring {RECORDS} and the *.trail.json files back with the results (`dvc pull`, or copy them "
    "along), or delete the files to have them made again"
)
PUT_BACK = f"put it back as it was (`dvc checkout`), or {AGAIN}"


class Finding(NamedTuple):
    """One thing that is wrong with a file, and what to do."""

    file: str
    what: str
    remedy: str


def settled(outputs: Iterable[str | Path], root: Path = Path(".")) -> list[Path]:
    """Those of some outputs (relative to `root`) that are there and that no job is making."""
    there = (path for path in map(Path, outputs) if (root / path).exists())
    return sorted(path for path in there if not is_unfinished(path, root))


class Checker:
    """Checks outputs; digests of files that several read are computed once."""

    def __init__(self, root: Path = Path(".")) -> None:
        self.root = root
        self._digests: dict[str, str] = {}

    def digest(self, path: str | Path) -> str:
        """Return the SHA-256 of a file, which is read once."""
        if str(path) not in self._digests:
            self._digests[str(path)] = file_digest(self.root / path)
        return self._digests[str(path)]

    def findings(self, output: Path) -> Iterable[Finding]:
        """What can't be right with an output, whatever Snakemake would say."""
        record, trail = read_record(output, self.root), read_trail(self.root / output)
        if record is None or trail is None:
            yield Finding(
                str(output), "there is no record of what made it, or none to be read", RESTORE
            )
            return
        if not is_whole(trail):
            yield Finding(str(trail_path(output)), "it is not as it was written", PUT_BACK)
            return
        made = trail["outputs"].get(str(output))
        if made != self.digest(output):
            yield Finding(str(output), "it is not what its job wrote", PUT_BACK)
        else:
            yield from self._items(output)
        if not asked(trail) <= set(map(digest_of_text, record.parameters)):
            what = (
                "Snakemake's record names other settings or code than it was made with (`--touch`?)"
            )
            yield Finding(str(output), what, AGAIN)
        for path, then in trail["inputs"].items():
            if not (self.root / path).exists() or self.digest(path) == then:
                continue
            if self._older_than(path, output) or record.inputs.get(path) == self.digest(path):
                what = f"it was made from another {path}, which Snakemake does not see"
                yield Finding(str(output), what, AGAIN)

    def _items(self, output: Path) -> Iterable[Finding]:
        """Files that a manifest lists and that are gone, or have another size."""
        content = read_json(self.root / output) if output.suffix == ".json" else {}
        if "listing" in content:  # real data as received lie elsewhere
            return
        folder = (self.root / output).parent
        gone = [
            f"{name}/{file}"
            for name, record in content.get("items", {}).items()
            for file in missing_files(folder / name, record)
        ]
        if gone:
            what = f"{len(gone)} of its files are gone or changed in size, first {gone[0]}"
            yield Finding(str(output), what, f"put them back, or {AGAIN}")

    def _older_than(self, path: str, output: Path) -> bool:
        times = [(self.root / file).stat().st_mtime_ns for file in (path, output)]
        return times[0] <= times[1]


def asked(trail: dict) -> set[str]:
    """Digests of the parameters that Snakemake records for a job with this trail: its settings and its code."""
    code = digest({"entries": trail["code"]["entries"], "digest": digest(trail["code"]["files"])})
    return {code, trail["settings_digest"]} - {digest({})}


def told(findings: Iterable[Finding], most: int | None = 3) -> str:
    """Findings as text, those of one kind together, with their number and the first of their files, or all."""
    groups: dict[tuple[str, str], list[str]] = {}
    for finding in findings:
        groups.setdefault((finding.what, finding.remedy), []).append(finding.file)
    return "\n".join(
        f"{_named(files, most)}: {what}. What to do: {remedy}."
        for (what, remedy), files in groups.items()
    )


def _named(files: list[str], most: int | None) -> str:
    more = f" and {len(files) - most} more files" if most and len(files) > most else ""
    return ", ".join(files[:most]) + more

"""Whether a result is what its provenance record says, and whether its record is that of a planned job."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from crossover.core.files import digest, file_digest, read_json
from crossover.core.incremental import changed_files
from crossover.core.locks import is_unfinished
from crossover.core.provenance import is_intact, read_last_record, read_record, record_path
from crossover.execution.workflow import GraphJob, Maker
from crossover.sources.folder_state import KnownDigests
from crossover.sources.pseudonyms import PUBLIC

CHECKED = Path(".cache/checked")
"""For each manifest the digests of those of its files that changed in some way after it, so that each is read once."""


class FileProblem(NamedTuple):
    """One thing that is wrong with a file, and what to do."""

    file: str
    what: str
    remedy: str


class Checker:
    """Checks outputs; digests of files that several read are computed once.

    Args:
        commands: output -> the command that makes it, which what is said to do about it names.
    """

    def __init__(self, commands: Mapping[Path, str] = MappingProxyType({})) -> None:
        self._digests: dict[str, str] = {}
        self._gone: dict[Path, str | None] = {}
        self.commands = commands

    def remake(self, output: Path) -> str:
        """Return how to make an output again; without its name, a run makes only what the report still reads."""
        command = self.commands.get(output, "snakemake")
        return f"delete it and call `{command} -- FILE` with its name as FILE, which makes it again"

    def restore(self, output: Path) -> str:
        """Return how an output that isn't as it was written is put right."""
        return f"put it back as it was (`dvc checkout`), or {self.remake(output)}"

    def digest(self, path: str | Path) -> str:
        """Return the SHA-256 of a file."""
        if str(path) not in self._digests:
            self._digests[str(path)] = file_digest(Path(path))
        return self._digests[str(path)]

    def find_changes(self, output: Path, record: dict) -> Iterable[FileProblem]:
        """Find what was changed, or is gone, of an output and its record since its job wrote them."""
        if not is_intact(record):
            remedy = f"put it back as it was (`dvc checkout`), or delete it: {output} is then made again"
            yield FileProblem(str(record_path(output)), "it is not as it was written", remedy)
        elif record["outputs"].get(str(output)) != self.digest(output):
            yield FileProblem(str(output), "it is not what its job wrote", self.restore(output))
        elif changed := self._changed_items(output):
            what = f"{len(changed)} of its files are gone or not as they were written, first {changed[0]}"
            yield FileProblem(str(output), what, f"put them back, or {self.remake(output)}")

    def _changed_items(self, output: Path) -> list[str]:
        """Return the files of a manifest that are gone or not as they were written.

        A file is read where its entry changed (ctime, which can't be set) after the manifest was written.
        """
        content = read_json(output) if output.suffix == ".json" else {}
        if "listing" in content:  # real data as received lie elsewhere
            return []
        folder, written = output.parent, output.stat().st_ctime_ns
        known = KnownDigests(CHECKED / f"{digest(str(output))}.json", folder, PUBLIC)

        def digest_of(path: Path, recorded: str) -> str:
            return known.digest(path)["sha256"] if path.stat().st_ctime_ns > written else recorded

        changed = [
            f"{name}/{file}"
            for name, item in content.get("items", {}).items()
            for file in changed_files(folder / name, item, digest_of)
        ]
        known.keep_what_is_new()
        return changed

    def is_outdated(self, job: GraphJob, maker: Maker) -> bool:
        """Return whether outputs of a planned job that are there must be made again, by their provenance records.

        So they must without a record, made with other settings, code or inputs than are planned, and made by
        a job that was killed (or runs now).

        Args:
            job: the planned job.
            maker: returns the planned job that makes a file; None for what no job makes.
        """
        for output in (path for path in job.outputs if path.exists()):
            record = read_record(output)
            if record is None or is_unfinished(output):
                return True
            if not is_intact(record):  # it may lack anything; `find_changes` stops the run for it
                continue
            try:
                if not self._is_of(job, record, maker):
                    return True
            except FileNotFoundError:  # another Snakemake has begun to make an input
                return True
        return False

    def _is_of(self, job: GraphJob, record: dict, maker: Maker) -> bool:
        """Return whether a record is that of a planned job."""
        code = {"entries": record["code"]["entries"], "digest": digest(record["code"]["files"])}
        return (
            code == job.code
            and record["settings_digest"] == digest(job.settings)
            and set(record["inputs"]) == set(map(str, job.inputs))
            and all(self._is_input(Path(path), sha256, maker) for path, sha256 in record["inputs"].items())
        )

    def _is_input(self, path: Path, sha256: str, maker: Maker) -> bool:
        """Return whether an input is, or where it was cleared away would be, what a result was made from.

        A result stays when its inputs are cleared away, as long as their last records are those of their planned jobs.
        What has no record, as of an earlier release, counts as unchanged.
        """
        if path.exists():
            return self.digest(path) == sha256
        if path not in self._gone:
            self._gone[path] = self._last_made(path, maker)
        return self._gone[path] in (None, sha256)

    def _last_made(self, path: Path, maker: Maker) -> str | None:
        """Return the SHA-256 of a file that was cleared away: "" if it was not as planned, None if nothing is known."""
        record, job = read_last_record(path), maker(path)
        if record is None or job is None or not is_intact(record):
            return None
        return record["outputs"].get(str(path), "") if self._is_of(job, record, maker) else ""


def describe(findings: Iterable[FileProblem], most: int | None = 3) -> str:
    """Describe findings as text: those of one kind together, with their number and the first of their files, or all."""
    groups: dict[tuple[str, str], list[str]] = {}
    for finding in findings:
        groups.setdefault((finding.what, finding.remedy), []).append(finding.file)
    lines = []
    for (what, remedy), files in groups.items():
        more = f" and {len(files) - most} more files" if most and len(files) > most else ""
        lines.append(f"{', '.join(files[:most])}{more}: {what}. What to do: {remedy}.")
    return "\n".join(lines)

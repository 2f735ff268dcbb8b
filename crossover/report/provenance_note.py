"""How a table or figure was made, from its provenance record, without the times, which differ between equal runs."""

from dataclasses import dataclass
from pathlib import Path

from crossover.core.files import file_digest
from crossover.core.provenance import read_record

MOST = 12
"""Inputs that are named; the rest are counted, and `crossover trace` names them."""
DIGITS = 12


@dataclass(frozen=True)
class ProvenanceNote:
    """A file's way from its inputs.

    Attributes:
        file: as its job named it. sha256, settings: shortened digests of its bytes and of what of the
            configuration its job was told.
        script: the module that made it, "" where no provenance record lies beside the file.
        inputs: (file, shortened SHA-256 as it was read), `MOST` at most. more: how many there are beside.
        changed: the file is no longer what its provenance record says.
    """

    file: str
    sha256: str
    script: str = ""
    settings: str = ""
    inputs: tuple[tuple[str, str], ...] = ()
    more: int = 0
    changed: bool = False


def provenance_note(file: Path) -> ProvenanceNote:
    """Return the note of a file that is there, from the record beside it; no job has the record as an input."""
    record = read_record(file)
    sha256 = file_digest(file)
    if record is None:
        return ProvenanceNote(file.name, sha256[:DIGITS])
    named = {name: output for name, output in record["outputs"].items() if Path(name).name == file.name}
    name, output = next(iter(named.items()), (file.name, ""))
    inputs = [(path, digest[:DIGITS]) for path, digest in sorted(record["inputs"].items())]
    return ProvenanceNote(
        file=name,
        sha256=sha256[:DIGITS],
        script=Path(record["code"]["entries"][0]).with_suffix("").as_posix().replace("/", "."),
        settings=record["settings_digest"][:DIGITS],
        inputs=tuple(inputs[:MOST]),
        more=max(0, len(inputs) - MOST),
        changed=output != sha256,
    )

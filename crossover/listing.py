"""What a folder of real data holds, told quickly: so that a new or removed patient is noticed."""

from __future__ import annotations

from pathlib import Path

from crossover.provenance import digest, read_json
from crossover.sources.settings import PHANTOM_KINDS


def listing(kind: str, data: str | None, manifest: Path) -> str | None:
    """Digest of the paths and sizes below a folder.

    Without the folder at hand (a clone with pulled results) it is the one kept in the raw manifest,
    so that nothing reruns; None for phantoms, which come from no folder.
    """
    if kind in PHANTOM_KINDS:
        return None
    if data is None:
        return read_json(manifest).get("listing") if manifest.exists() else None
    root = Path(data)
    files = sorted(p for p in root.rglob("*") if p.is_file())
    return digest([[str(p.relative_to(root)), p.stat().st_size] for p in files])

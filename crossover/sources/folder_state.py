"""What a folder of real data holds, told quickly: so that a new or removed patient is noticed."""

import os
from pathlib import Path

from crossover.core.files import digest, read_json
from crossover.sources.pseudonyms import key_of, token
from crossover.sources.settings import Phantom, Source


def listing_digest(source: Source, data: str | None, manifest: Path) -> str | None:
    """Return a digest of the coded paths and the sizes of all files of a source.

    Without the folder at hand (a clone with pulled results) it is the one kept in the raw manifest, so that
    nothing reruns; it is None for phantoms, which come from no folder.
    """
    if isinstance(source, Phantom):
        return None
    if data is None:
        return read_json(manifest).get("listing") if manifest.exists() else None
    root, key = Path(data) / source.folder, key_of(source)
    files = sorted(p for p in [root, *root.rglob("*")] if p.is_file())
    names = [token(os.fsencode(p.relative_to(root)), key) for p in files]
    return digest([[name, p.stat().st_size] for name, p in zip(names, files)])

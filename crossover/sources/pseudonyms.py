"""Pseudonyms: a keyed hash with a secret kept outside the repository (invariant 7)."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
import tempfile
from pathlib import Path

from crossover.sources.settings import Source


def secret() -> bytes:
    """The secret from CROSSOVER_SECRET, else from ~/.config/crossover/secret, made at first use.

    Whoever has it can link pseudonyms to patients; whoever loses it gets other pseudonyms.
    """
    if given := os.environ.get("CROSSOVER_SECRET"):
        return given.encode()
    path = Path(os.environ.get("XDG_CONFIG_HOME", Path.home() / ".config")) / "crossover" / "secret"
    if not path.exists():
        _create(path)
    key = path.read_bytes()
    if len(key) < 32:
        raise ValueError(
            f"{path} is no secret: it is too short. Restore it, or delete it for a new one"
        )
    return key


def _create(path: Path) -> None:
    """Write a new secret whole or not at all, and never over one that another job just wrote."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(dir=path.parent)  # readable by its owner only
    with os.fdopen(handle, "w") as file:
        file.write(secrets.token_hex(32))
    with contextlib.suppress(FileExistsError):
        os.link(part, path)
    os.unlink(part)


def pseudonym(patient: str, key: bytes) -> str:
    """Twelve hexadecimal digits of HMAC-SHA256(key, patient)."""
    return "p" + hmac.new(key, patient.encode(), hashlib.sha256).hexdigest()[:12]


def case_names(source: Source, patients: list[str]) -> dict[str, str]:
    """Patient -> case name: its own where it is public or synthetic, else a pseudonym."""
    if source.kind == "phantom" or getattr(source, "identifiers", "") == "public":
        return {p: p for p in patients}
    key = secret()
    return {p: pseudonym(p, key) for p in patients}

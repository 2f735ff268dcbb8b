"""Pseudonyms: a keyed hash with a secret kept outside the repository (invariant 7)."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path


def secret() -> bytes:
    """The secret from CROSSOVER_SECRET, else from ~/.config/crossover/secret, made at first use.

    Whoever has it can link pseudonyms to patients; whoever loses it gets other pseudonyms.
    """
    if given := os.environ.get("CROSSOVER_SECRET"):
        return given.encode()
    path = Path(os.environ.get("XDG_CONFIG_HOME", Path.home() / ".config")) / "crossover" / "secret"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(32))
    return path.read_bytes()


def pseudonym(patient: str, key: bytes) -> str:
    """Twelve hexadecimal digits of HMAC-SHA256(key, patient)."""
    return "p" + hmac.new(key, patient.strip().encode(), hashlib.sha256).hexdigest()[:12]

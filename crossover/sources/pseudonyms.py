"""Pseudonyms: a keyed hash with a secret kept outside the repository."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import hmac
import os
import secrets
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from crossover.core.configuration import canonical
from crossover.core.file_names import one_form, plainly_written
from crossover.sources.settings import PHANTOM_KINDS, Source

VARIABLE = "CROSSOVER_SECRET"


def secret_file() -> Path:
    """Return the file in which the secret is kept, unless CROSSOVER_SECRET gives it."""
    return Path(os.environ.get("XDG_CONFIG_HOME", Path.home() / ".config")) / "crossover" / "secret"


def secret() -> bytes:
    """Return the secret from CROSSOVER_SECRET, else from ~/.config/crossover/secret, made at first use.

    Whoever has it can link pseudonyms to patients; whoever loses it gets other pseudonyms.

    Raises:
        ValueError: the file holds fewer than 32 bytes, so that it is not what was written.
    """
    if given := os.environ.get(VARIABLE):
        return given.encode()
    path = secret_file()
    if not path.exists():
        _create(path)
    key = path.read_bytes()
    if len(key) < 32:
        raise ValueError(
            f"{path} is too short to be the secret: restore it, or delete it to get a new secret and new pseudonyms"
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


PUBLIC = b"public"
"""The key of data that are nobody's (phantoms) or public already, which hides nothing."""


def key_of(source: Source) -> bytes:
    """Return the key that a source's names are made with."""
    public = source.kind in PHANTOM_KINDS or getattr(source, "identifiers", "") == "public"
    return PUBLIC if public else secret()


def _keyed(key: bytes, use: str, text: bytes) -> str:
    return hmac.new(key, use.encode() + b"\0" + text, hashlib.sha256).hexdigest()


def pseudonym(patient: str, key: bytes) -> str:
    """Return a patient's name from here on: p and twelve hexadecimal digits of a keyed hash (HMAC-SHA256).

    It is the same for all forms in which Unicode can store the identifier (`one_form`).
    """
    return "p" + _keyed(key, "patient", one_form(patient).encode(errors="surrogateescape"))[:12]


def alike_name(identifier: str, key: bytes) -> str:
    """Return what identifiers have in common that may be one person's, such as "P007" and "p7".

    It is `a` and twelve hexadecimal digits of a keyed hash of their plain form, and hides whose it is as pseudonyms do.
    """
    return "a" + _keyed(key, "alike", plainly_written(identifier).encode(errors="surrogateescape"))[:12]


def person_name(name: str, birth_date: str, sex: str, key: bytes) -> str:
    """Return what the images of one person have in common: n and twelve hexadecimal digits of a keyed hash.

    Args:
        name: however it is written; see `plainly_written`.
        birth_date: the date of birth.
        sex: as DICOM has it, F, M or O.
        key: the secret.
    """
    plain = "\0".join(plainly_written(own) for own in (name, birth_date.replace(".", ""), sex))
    return "n" + _keyed(key, "person", plain.encode(errors="surrogateescape"))[:12]


def token(path: bytes, key: bytes) -> str:
    """Return a file's name in findings: f and ten hexadecimal digits of a keyed hash of its path."""
    return "f" + _keyed(key, "file", path)[:10]


def scan_name(values: Sequence[str], key: bytes) -> str:
    """Return what distinguishes the scans of one patient: six hexadecimal digits of a keyed hash.

    Args:
        values: the row's values in the columns that name its files, in the order of the columns' names.
        key: the secret.
    """
    return _keyed(key, "scan", "\0".join(values).encode(errors="surrogateescape"))[:6]


def segment_name(names: Sequence[str], key: bytes) -> str:
    """Return what distinguishes the names that segments have in a file: eight hexadecimal digits of a keyed hash."""
    return _keyed(key, "segment", "\0".join(names).encode(errors="surrogateescape"))[:8]


def scanner_name(serial: str, key: bytes) -> str:
    """Return what distinguishes scanners: s and six hexadecimal digits of a keyed hash of maker, model and serial."""
    return "s" + _keyed(key, "scanner", serial.encode(errors="surrogateescape"))[:6]


def days_back(patient: str, key: bytes) -> int:
    """Return by how many days this patient's dates are moved into the past: 1 to 3,650, always the same."""
    number = int(_keyed(key, "date", one_form(patient).encode(errors="surrogateescape"))[:12], 16)
    return 1 + number % 3650


def coded(value: object) -> str:
    """Return 24 hexadecimal digits of a keyed hash of a JSON-like value that may have people's names.

    Where the secret can't be read or kept, as without a home that can be written to, the key is one of this process:
    the value then counts as another one each time.
    """
    try:
        key = secret()
    except (OSError, RuntimeError, ValueError):
        key = _key_of_process()
    return _keyed(key, "setting", canonical(value).encode())[:24]


@functools.cache
def _key_of_process() -> bytes:
    return secrets.token_bytes(32)


def case_names(source: Source, patients: list[str]) -> dict[str, str]:
    """Return patient -> case name: its own where it is public or synthetic, else a pseudonym.

    Either is that of the source's prefix and the patient.
    """
    key, prefix = key_of(source), getattr(source, "prefix", "")
    return {p: one_form(prefix + p) if key == PUBLIC else pseudonym(prefix + p, key) for p in patients}


def alike_names(source: Source, patients: Iterable[str]) -> dict[str, str]:
    """Return patient -> what its identifier has in common with those that may be the same person's (`alike_name`)."""
    key, prefix = key_of(source), getattr(source, "prefix", "")
    return {p: alike_name(prefix + p, key) for p in patients}

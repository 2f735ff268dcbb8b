"""Which names can be those of files, on any file system; names without their accents."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

LONGEST = 100
"""The most bytes of a name in UTF-8: files add endings to it, and most file systems end at 255."""
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f/\\<>:"|?*]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)

WRITTEN_ALIKE = "differ only in case, blanks, leading zeros, a decimal, punctuation or the width of letters"
"""How identifiers differ that `alike` puts together, as they may be one person's."""


def unsafe(name: str) -> str:
    """Return why a name can't become a file's, in words that don't quote it; "" where it can."""
    if not name:
        return "is empty"
    if match := _FORBIDDEN.search(name):
        sign = match[0]
        return f"contains {sign}" if sign.isprintable() else "contains a control character"
    if name[0] in ".-~ " or name[-1] in ". ":
        return "begins with a dot, dash, tilde or blank" if name[0] in ".-~ " else "ends with a dot or blank"
    if not name.isprintable() or len(name.encode(errors="replace")) > LONGEST:
        return f"is longer than {LONGEST} bytes" if name.isprintable() else "contains invisible characters"
    return "is reserved by Windows" if _RESERVED.fullmatch(name) else ""


def unaccented(text: str) -> str:
    """Return a text whose Latin, Greek and Cyrillic letters have no accents: "Lésion" becomes "Lesion"."""
    return unicodedata.normalize("NFC", re.sub("[\u0300-\u036f]", "", unicodedata.normalize("NFKD", text)))


def equal_ignoring_case(names: Iterable[str]) -> list[list[str]]:
    """Return groups of different names that are one on file systems that ignore case."""
    groups: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        groups.setdefault(name.casefold(), []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def one_form(identifier: str) -> str:
    """Return an identifier in one of the forms in which Unicode can store it, all of which are the same person's.

    Letters with accents are one character (NFC), as macOS's file systems don't have them, and characters that only
    direct how others are shown (category Cf, such as the zero-width space) are left out. ASCII stays as it is.
    """
    if identifier.isascii():  # as nearly all are, and a large export asks for each of its paths again and again
        return identifier
    return unicodedata.normalize("NFC", "".join(c for c in identifier if unicodedata.category(c) != "Cf"))


def alike(identifiers: Iterable[str]) -> list[list[str]]:
    """Return groups of different identifiers that may be one person's, written in two ways.

    They are equal but for case, blanks, punctuation, the width of letters, leading zeros of numbers, or the decimals
    that spreadsheets add: "P7", "p007", "P-7"; "12", "12.0". Of those that have `one_form`, the first is taken.
    """
    groups: dict[str, dict[str, str]] = {}
    for identifier in identifiers:
        groups.setdefault(plainly_written(identifier), {}).setdefault(one_form(identifier), identifier)
    return [[*group.values()] for group in groups.values() if len(group) > 1]


def plainly_written(identifier: str) -> str:
    """Return an identifier in the form in which all that are `alike` are equal: "p7" of "P 007" and "p-7".

    Punctuation between two digits becomes one dash, so that 1-12 and 11-2 stay apart; it stays where there is nothing
    else.
    """
    plain = unicodedata.normalize("NFKC", one_form(identifier)).casefold()
    plain = "".join(str(unicodedata.decimal(c, c)) for c in plain if not c.isspace())
    plain = re.sub(r"(?<=\d)\.0+$", "", plain)
    signs = "".join("-" if unicodedata.category(c)[0] == "P" or c == "^" else c for c in plain)  # ^ parts DICOM's names
    plain = re.sub(r"(?<!\d)-+|-+(?!\d)", "", re.sub("-+", "-", signs)) or plain
    return re.sub(r"(?<!\d)0+(?=\d)", "", plain)


def file_name(name: str) -> str:
    """Return a name unchanged that can be a file's.

    Raises:
        ValueError: it can't; the message says why.
    """
    if why := unsafe(name):
        raise ValueError(f"{name!r} cannot be used as a file name: it {why}")
    return name

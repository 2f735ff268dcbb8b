"""The download of one file: resumed where it broke, verified, and under its name only when it is whole."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from pathlib import Path

import pooch
import requests

from crossover.sources.fetching.errors import FetchError, Moved, WrongChecksum

TRIES = 5
PAUSE_S = 2.0
"""The seconds before the second try; each further pause is twice as long."""
TIMEOUT_S = 60
CHUNK = 8192
"""The bytes of a chunk: what of one has come when a transfer breaks is lost."""
GONE = (401, 403, 404, 410)
"""HTTP statuses of files that are no longer at their address, or no longer for everybody."""
BROKEN = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)

pooch.get_logger().setLevel(logging.ERROR)


def download(
    url: str, path: Path, checksum: str | None, size: int | None = None, session: requests.Session | None = None
) -> bool:
    """Download the file at an address to a path with pooch; nothing is downloaded where it is there with the checksum.

    What has come of a broken transfer stays beside it as `<name>.part` and is gone on with, if the server can
    and still has the same file.

    Args:
        url: the address. path: the file that is written.
        checksum: "md5:…" or "sha256:…"; None where nobody publishes one: a file that is there is then taken
            as it is.
        size: bytes.
        session: for the requests; a new one by default.

    Returns:
        Whether it was downloaded now.

    Raises:
        Moved: nothing is at the address.
        WrongChecksum: what came was moved to `<name>.wrong`.
        FetchError: the transfer broke again and again.
    """
    if path.exists() and (checksum is None or matches(path, checksum)):
        return False
    getting = _Resumed(path, checksum, size, session or requests.Session())
    pooch.retrieve(url, checksum, path.name, path.parent, downloader=getting)
    getting.forget()
    return True


def matches(path: Path, checksum: str) -> bool:
    """Return whether a file has this checksum."""
    kind, _, digits = checksum.partition(":")
    return pooch.file_hash(str(path), kind) == digits


def size_of(url: str, session: requests.Session | None = None) -> int | None:
    """Return the bytes that a server announces for a file, None where it says nothing of it."""
    with suppress(requests.RequestException, ValueError):
        answer = (session or requests.Session()).head(url, allow_redirects=True, timeout=TIMEOUT_S)
        if answer.ok and "Content-Encoding" not in answer.headers:
            return int(answer.headers["Content-Length"]) if "Content-Length" in answer.headers else None
    return None


class _Resumed:
    """A downloader of pooch's."""

    def __init__(self, path: Path, checksum: str | None, size: int | None, session: requests.Session) -> None:
        self.path, self.checksum, self.size, self.session = path, checksum, size, session
        self.part = path.with_name(path.name + ".part")
        self.tag = path.with_name(path.name + ".part.tag")
        """What the server called the version of the file of which `part` is the beginning."""

    def __call__(self, url: str, output_file: str, pooch: object, check_only: bool = False) -> None:
        self.part.parent.mkdir(parents=True, exist_ok=True)
        for attempt in range(TRIES):
            if attempt:
                time.sleep(PAUSE_S * 2 ** (attempt - 1))
            try:
                if self._whole(url):
                    break
                cause = "the server ended it early"
            except BROKEN as error:
                cause = type(error).__name__
        else:
            raise FetchError(
                f"{url}: the transfer was interrupted {TRIES} times ({cause}); the {self._bytes():,} bytes received so "
                "far are kept: run the same command again to continue"
            )
        self._verify(url)
        self.part.replace(output_file)

    def forget(self) -> None:
        """Remove what only a broken transfer needs."""
        self.tag.unlink(missing_ok=True)

    def _bytes(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _whole(self, url: str) -> bool:
        """Transfer what is missing; return whether the file is then complete."""
        have = self._bytes()
        tag = self.tag.read_text() if self.tag.exists() else ""
        headers = {"Accept-Encoding": "identity"}
        if have and tag:
            headers |= {"Range": f"bytes={have}-", "If-Range": tag}
        with self.session.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as answer:
            if answer.status_code in GONE:
                raise Moved(f"{url}: the server answers {answer.status_code} {answer.reason}")
            if answer.status_code == 416:  # more has come than there is: another file
                self.part.unlink()
                return False
            if answer.status_code >= 500 or answer.status_code == 429:
                raise requests.ConnectionError(f"{answer.status_code} {answer.reason}")
            if answer.status_code not in (200, 206):
                raise FetchError(f"{url}: the server answers {answer.status_code} {answer.reason}")
            on = answer.status_code == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
            if answer.status_code == 206 and not on:
                self.part.unlink()
                return False
            self.tag.write_text(_tag(answer))
            announced = int(answer.headers.get("Content-Length", -1))
            with self.part.open("ab" if on else "wb") as file:
                for chunk in answer.iter_content(CHUNK):
                    file.write(chunk)
        return announced < 0 or self._bytes() == announced + (have if on else 0)

    def _verify(self, url: str) -> None:
        got = self._bytes()
        wrong = ""
        if self.size is not None and got != self.size:
            wrong = f"it has {got:,} bytes, not {self.size:,}"
        elif self.checksum and not matches(self.part, self.checksum):
            kind = self.checksum.partition(":")[0]
            wrong = f"its {kind} is {pooch.file_hash(str(self.part), kind)}, not {self.checksum.partition(':')[2]}"
        if wrong:
            aside = self.path.with_name(self.path.name + ".wrong")
            self.part.replace(aside)
            self.forget()
            raise WrongChecksum(f"{url}: {wrong}. The file was moved to {aside} and not used")


def _tag(answer: requests.Response) -> str:
    """Return what names a version of a file for `If-Range`: a strong ETag, else the time of the last change."""
    tag = answer.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified", "")

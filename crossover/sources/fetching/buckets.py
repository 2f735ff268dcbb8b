"""Series in a bucket of the Imaging Data Commons, by the listing that Amazon's S3 gives as XML, without an account.

Objects that were stored in one piece have their MD5 as ETag, in buckets that everybody may read: only a key that nobody
else has would make it another.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import requests

from crossover.core.file_names import unsafe
from crossover.sources.fetching.cohort_registry import BucketSeries
from crossover.sources.fetching.errors import FetchError, Moved
from crossover.sources.fetching.transfers import GONE, TIMEOUT_S, TRIES, download

_MD5 = re.compile(r"[0-9a-f]{32}")


class StoredObject(NamedTuple):
    """An object in a bucket."""

    key: str
    bytes: int
    md5: str | None


def list_objects(endpoint: str, prefix: str, session: requests.Session) -> list[StoredObject]:
    """Return a bucket's objects below a prefix, without empty ones, which stand for folders.

    Raises:
        Moved: there is no such bucket, or it is not for everybody.
        FetchError: the answer is none of S3's, or did not come.
    """
    found: list[StoredObject] = []
    further: dict[str, str] = {}
    while True:
        root = _answer(endpoint, {"list-type": "2", "prefix": prefix, **further}, session)
        space = root.tag.partition("}")[0] + "}" if root.tag.startswith("{") else ""
        for each in root.iter(f"{space}Contents"):
            key, size = each.findtext(f"{space}Key", ""), int(each.findtext(f"{space}Size", "0"))
            tag = each.findtext(f"{space}ETag", "").strip('"')
            if size and not key.endswith("/"):
                found.append(StoredObject(key, size, tag if _MD5.fullmatch(tag) else None))
        token = root.findtext(f"{space}NextContinuationToken")
        if root.findtext(f"{space}IsTruncated") != "true" or not token:
            return found
        further = {"continuation-token": token}


def _answer(endpoint: str, asked: dict[str, str], session: requests.Session) -> ElementTree.Element:
    for last in range(TRIES - 1, -1, -1):
        try:
            answer = session.get(endpoint, params=asked, timeout=TIMEOUT_S)
            if answer.status_code in GONE:
                raise Moved(f"{endpoint}: the bucket answers {answer.status_code} {answer.reason}")
            answer.raise_for_status()
            return ElementTree.fromstring(answer.content)
        except ElementTree.ParseError:
            raise FetchError(f"{endpoint}: the answer is not a listing of a bucket") from None
        except requests.RequestException as error:
            if not last:
                raise FetchError(f"{endpoint}: the bucket cannot be listed ({type(error).__name__})") from None
    raise AssertionError


def fetch_series(
    series: BucketSeries, endpoint: str, folder: Path, session: requests.Session
) -> tuple[list[Path], int]:
    """Download a series' files to a folder, where they are not there already.

    Returns:
        Its files, and how many were downloaded now.

    Raises:
        FetchError: as `list_objects` and `download` do; the bucket has not the files that the registry lists.
    """
    stored = list_objects(endpoint, f"{series.series}/", session)
    what = f"{endpoint}, {series.series}"
    if not stored:
        raise Moved(f"{what}: the bucket has no file of this series (patient {series.patient})")
    total = sum(each.bytes for each in stored)
    if (len(stored), total) != (series.files, series.bytes):
        raise FetchError(
            f"{what}: the bucket has {len(stored)} files with {total:,} bytes, but the registry lists {series.files} "
            f"with {series.bytes:,} (patient {series.patient})"
        )
    paths, new = [], 0
    for each in stored:
        name = each.key.rpartition("/")[2]
        if why := unsafe(name):
            raise FetchError(f"{what}: the name of an object cannot be used as a file name: it {why}")
        path = folder / series.folder / name
        checksum = f"md5:{each.md5}" if each.md5 else None
        if checksum is None and path.exists() and path.stat().st_size != each.bytes:
            path.unlink()
        new += download(f"{endpoint.rstrip('/')}/{each.key}", path, checksum, each.bytes, session)
        paths.append(path)
    return paths, new

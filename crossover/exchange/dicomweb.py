"""A PACS by DICOMweb (PS3.18): find series (QIDO-RS), retrieve them (WADO-RS), store objects (STOW-RS).

What goes to the server, comes from it and is printed identifies patients; all of it is asked for by the user.
Credentials come from the environment or netrc alone, so that they stand in no file of ours and in no command.
"""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from io import BytesIO
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unicodedata import combining, normalize
from urllib.parse import urlsplit

import pydicom
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset, FileDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.pixels.utils import get_expected_length

if TYPE_CHECKING:
    import requests

USER, PASSWORD, TOKEN = "CROSSOVER_PACS_USER", "CROSSOVER_PACS_PASSWORD", "CROSSOVER_PACS_TOKEN"
PAGE = 200
"""The number of results that are asked for at a time: servers limit what they give at once, each in its own way."""
TIMEOUT_S = (20, 300)
"""The seconds to wait for a connection, and for the next bytes: an archive may fetch old images from a tape."""
ATTEMPTS = 3
BUSY = (
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)
"""The statuses of answers after which a request is sent again, `ATTEMPTS` times in all."""
CHUNK = 10**6
"""The bytes of an answer that are read at a time."""
FIELDS = ("PatientID", "StudyDate", "StudyDescription", "SeriesNumber", "SeriesDescription", "Modality")
LOOPBACK = ("localhost", "127.0.0.1", "::1")
PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData", "PixelDataProviderURL")
MARK = 0xFFFCFFFC, "OB", b"end of the file."
"""DataSetTrailingPadding, which is the last element of any data set that has it: tag, VR and value."""


IDENTIFYING = ("PatientID", "PatientName", "PatientBirthDate", "AccessionNumber", "StudyInstanceUID")
"""Whom or what is asked for: an answer that lacks one of these is taken for somebody else's."""


class PacsError(RuntimeError):
    """The server can't be asked, or did not do what it was asked."""


class NoAccess(PacsError):
    """The server takes nothing from us: there is no connection to it, or it refuses the credentials."""


@dataclass(frozen=True)
class ServerSeries:
    """A series on the server, with what tells people which it is."""

    study: str
    uid: str
    patient: str
    date: str
    study_description: str
    number: str
    description: str
    modality: str
    instances: str
    """How many the server says it has; "" where it doesn't say."""


@dataclass(frozen=True)
class Found:
    """What a server answered to a search."""

    series: list[ServerSeries]
    left_out: dict[str, int]
    """How many other series were left out since the server doesn't say this of them: keyword -> count."""
    unconfirmed: tuple[str, ...]
    """What the server doesn't say of some of the series, so that it may have ignored it: keywords."""


class Pacs:
    """A server at the address of its DICOMweb services, as http://localhost:8042/dicom-web."""

    def __init__(self, url: str) -> None:
        """Make a client; nothing is sent yet.

        Raises:
            PacsError: the address is none, or has a user or password in it, or the library is not installed.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise PacsError(
                f"{parts.hostname or url!r}: give the address of DICOMweb services, such as https://host/dicom-web"
            )
        if parts.username or parts.password:
            raise PacsError(
                f"the address contains a user name or password, which others can see in a command: set {USER} and "
                f"{PASSWORD}, or write them to ~/.netrc"
            )
        if parts.query:
            raise PacsError("the address contains a query: give it as a separate argument, such as PatientID=123")
        try:
            from dicomweb_client.web import DICOMwebClient
        except ImportError:
            raise PacsError("dicomweb-client is not installed: pip install 'crossover[ingest]'") from None
        self.unprotected = parts.scheme == "http" and parts.hostname not in LOOPBACK
        """Whether all that is sent can be read on its way."""
        self._client: Any = DICOMwebClient(url.rstrip("/"), session=_session(), timeout=TIMEOUT_S)
        self._client.set_http_retry_params(
            max_attempts=ATTEMPTS, wait_exponential_multiplier=250, retriable_error_codes=BUSY
        )

    def find(self, wanted: Mapping[str, str]) -> Found:
        """Return the series that match all that is wanted, by patient, date, study and number.

        A server may ignore a keyword: a series that it answers with and that doesn't match is left out, and so is one
        of which it does not say what identifies the patient or the study that is wanted.

        Args:
            wanted: DICOM keyword -> value, as QIDO-RS matches it: `*` stands for any text, 20200101-20201231 for a
                range of dates.

        Raises:
            PacsError: for a keyword that DICOM doesn't have, or what the server answers.
        """
        if unknown := [k for k in wanted if tag_for_keyword(k) is None]:
            raise PacsError(
                f"{', '.join(unknown)}: not a DICOM keyword; examples are PatientID, StudyDate and Modality"
            )
        fields = [*dict.fromkeys((*FIELDS, *wanted))]
        results = self._all("search_for_series", search_filters=dict(wanted), fields=fields)
        found, left_out, unconfirmed = [], Counter[str](), set()
        with _errors_without_address():
            for d in results:
                silent = [key for key in wanted if key not in d or d[key].is_empty]
                if not all(_matches(d, key, value) for key, value in wanted.items() if key not in silent):
                    continue
                if unsaid := [key for key in silent if key in IDENTIFYING]:
                    left_out.update(unsaid)
                    continue
                unconfirmed.update(silent)
                found.append(_series(d))
        found.sort(key=lambda s: (s.patient, s.date, s.study, s.number.zfill(9), s.uid))
        return Found(found, dict(left_out), tuple(key for key in wanted if key in unconfirmed))

    def retrieve(self, series: ServerSeries, folder: Path) -> int:
        """Write all instances of a series as `<folder>/<series UID>/<instance UID>.dcm`, as the server has them.

        Files that are there already stay, and are not asked for again where none is missing.

        Returns:
            How many there are now.

        Raises:
            PacsError: what the server answers, fewer instances than it lists or counts, none listed or counted, a
                part of one, or one of another series.
            OSError: a file can't be written.
        """
        listed = self._all("search_for_instances", study_instance_uid=series.study, series_instance_uid=series.uid)
        own = folder / _safe(series.uid)
        files = {own / f"{_safe(str(d.get('SOPInstanceUID')))}.dcm" for d in listed}
        counted = int(series.instances) if series.instances.isdecimal() else 0
        if not files and not counted:
            raise PacsError("the server lists no instance of the series")
        there = set(own.glob("*.dcm"))
        if files <= there and counted <= len(there):
            return len(there)
        own.mkdir(parents=True, exist_ok=True)
        for dataset in self._received(series):
            _write(dataset, own)
        there = set(own.glob("*.dcm"))
        if missing := max(len(files - there), counted - len(there)):
            # Servers may answer with a part, which they tell by a status that the library doesn't pass on.
            whole = max(len(files), counted)
            raise PacsError(
                f"{missing} of {whole} instances of the series were not received: run the command again"
                + (f" (the server counts {counted} and lists {len(files)})" if counted > len(files) else "")
            )
        return len(there)

    def _received(self, series: ServerSeries) -> Iterator[FileDataset]:
        self._client.set_chunk_size(CHUNK)
        kept = (("application/dicom", "*"),)  # in the transfer syntax that they are stored in
        with _errors_without_address():
            for dataset in self._client.iter_series(series.study, series.uid, media_types=kept):
                if str(dataset.get("SeriesInstanceUID")) != series.uid:
                    raise PacsError("the server sent a file of another series")
                yield dataset

    def store(self, path: Path) -> None:
        """Store one file.

        Raises:
            PacsError: the file can't be read or is cut off, or the server refuses it; the message has the reason
                that it gives.
        """
        try:
            data = path.read_bytes()
            dataset = pydicom.dcmread(BytesIO(data))
            reason = lacking(dataset, data)
        except Exception as error:  # damaged files raise nearly anything
            raise PacsError(f"the file cannot be read as DICOM ({type(error).__name__})") from None
        if reason:
            raise PacsError(reason)
        with _errors_without_address():
            self._client.set_chunk_size(sys.maxsize)  # of a file that is sent in chunks, a second attempt sends nothing
            answer: Dataset = self._client.store_instances([dataset])
        stored = {str(i.ReferencedSOPInstanceUID) for i in answer.get("ReferencedSOPSequence") or []}
        if refused := _refusal(answer):
            raise PacsError(refused)
        if str(dataset.SOPInstanceUID) not in stored:
            raise PacsError("the server did not confirm that it stored the file")

    def _all(self, search: str, **how: Any) -> list[Dataset]:
        """Return all results of a search, page by page; none twice, whatever a server does with `offset`."""
        found: dict[tuple[str, ...], Dataset] = {}
        while True:
            with _errors_without_address():
                page = getattr(self._client, search)(limit=PAGE, offset=len(found), **how)
                new = {_names(d): d for d in map(Dataset.from_json, page)}
            new = {names: d for names, d in new.items() if names not in found}
            found |= new
            if not new:
                return list(found.values())


def _write(dataset: FileDataset, folder: Path) -> None:
    """Write a file that was received, whole and as it came, or not at all."""
    path = folder / f"{_safe(str(dataset.get('SOPInstanceUID')))}.dcm"
    assert isinstance(dataset.buffer, BytesIO)  # as the library reads them
    data = dataset.buffer.getvalue()  # a cut file, written anew, would look like a whole one
    if reason := lacking(dataset, data):
        raise PacsError(reason)
    part = path.with_suffix(".part")
    try:
        part.write_bytes(data)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _refusal(answer: Dataset) -> str:
    """Return why an answer to a store says that nothing is stored; "" where it doesn't."""
    reasons = {int(failed.get("FailureReason") or 0) for failed in answer.get("FailedSOPSequence") or []}
    reasons_text = ", ".join(f"{reason:#06x}" for reason in sorted(reasons))
    return f"the server refused the file: failure reason {reasons_text} (PS3.18, table I.2-2)" if reasons else ""


def _names(d: Dataset) -> tuple[str, ...]:
    return tuple(str(d.get(k)) for k in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"))


def _matches(d: Dataset, keyword: str, wanted: str) -> bool:
    """Return whether a value of a result may be what was asked for; times are matched in each server's own way."""
    element = d[keyword]
    if element.VR in ("TM", "DT"):
        return True
    values = [str(v).strip() for v in (element.value if element.VM > 1 else [element.value])]
    if element.VR == "DA" and "-" in wanted:
        first, _, last = wanted.partition("-")
        return any(first <= value <= (last or "9") for value in values)
    if element.VR == "UI":
        return not {*re.split(r"[\\,]", wanted)}.isdisjoint(values)
    if element.VR == "PN":
        return any(_is_name(value, wanted) for value in values)
    return any(_fits(value, wanted) for value in values)


def _fits(value: str, wanted: str) -> bool:
    pattern = re.escape(wanted.strip()).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(pattern, value, re.IGNORECASE | re.DOTALL) is not None


def _is_name(value: str, wanted: str) -> bool:
    """Return whether a name is wanted in one of its spellings (PS3.5, 6.2.1), as a whole or component by component.

    Components that `wanted` does not reach may be any; accents make no difference, as for some servers.
    """
    for spelling in _plain(value).split("="):
        for one in filter(None, _plain(wanted).split("=")):
            pairs = zip_longest(spelling.split("^"), one.rstrip("^").split("^"), fillvalue="")
            reached = one.rstrip("^").count("^") + 1
            if _fits(spelling, one) or all(_fits(a.strip(), b) for a, b in list(pairs)[:reached]):
                return True
    return False


def _plain(name: str) -> str:
    return "".join(c for c in normalize("NFKD", name.casefold()) if not combining(c))


def _series(d: Dataset) -> ServerSeries:
    def text(keyword: str) -> str:
        value = d.get(keyword)
        return "" if value is None else str(value)

    counted = "NumberOfSeriesRelatedInstances"
    keys = ("StudyInstanceUID", "SeriesInstanceUID", "PatientID", "StudyDate", "StudyDescription")
    return ServerSeries(*map(text, (*keys, "SeriesNumber", "SeriesDescription", "Modality", counted)))


def _safe(uid: str) -> str:
    """Return a UID as the name of a file.

    Raises:
        PacsError: it is no UID, and might lead out of the folder.
    """
    if not re.fullmatch(r"[0-9.]{1,64}", uid) or uid.strip(".") == "":
        raise PacsError("the server returned a UID that is not valid")
    return uid


def _session() -> requests.Session:
    """Return a session with the credentials of the environment; without any, requests looks into ~/.netrc."""
    import requests

    class Plain(requests.Session):
        def get(self, url: Any, **how: Any) -> requests.Response:  # type: ignore[override]
            # A query may hold these as they are (RFC 3986, 3.4), and some servers (Orthanc 1.10) don't decode them.
            return super().get(url.replace("%2A", "*").replace("%3F", "?"), **how)

    session = Plain()
    if token := os.environ.get(TOKEN):
        session.auth = _Bearer(token)
    elif user := os.environ.get(USER):
        session.auth = (user, os.environ.get(PASSWORD, ""))
    return session


class _Bearer:
    """Sends a token; as `auth` of a session, since ~/.netrc would have precedence over a header."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: Any) -> Any:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


@contextmanager
def _errors_without_address() -> Iterator[None]:
    """Raise what goes wrong between us and a server as PacsError, without the address, whose query may name people."""
    import requests
    from dicomweb_client import web

    try:
        yield
    except requests.HTTPError as error:
        raise _refused(error.response) from None
    except web.retrying.RetryError as error:  # it was busy each time
        raise _refused(error.last_attempt.value) from None
    except requests.exceptions.SSLError:
        what = "its certificate is not trusted: set REQUESTS_CA_BUNDLE to your hospital's certificate file"
        raise NoAccess(what) from None
    except requests.ConnectionError as error:
        if hasattr(error.args[0] if error.args else None, "reason"):  # urllib3 got no connection
            raise NoAccess("there is no server at this address") from None
        raise PacsError("the server ended the connection") from None
    except requests.Timeout:
        raise PacsError(f"no answer for {TIMEOUT_S[1]} s") from None
    except requests.RequestException as error:
        raise PacsError(f"the answer is not valid DICOMweb: {type(error).__name__}") from None
    except (ValueError, KeyError, TypeError, OSError, pydicom.errors.InvalidDicomError) as error:
        raise PacsError(f"the answer is not valid DICOMweb: {type(error).__name__}") from None


def _refused(answer: requests.Response | None) -> PacsError:
    if answer is None:
        return PacsError("an HTTP error")
    return (NoAccess if answer.status_code == 401 else PacsError)(_answer_text(answer))


def _answer_text(answer: requests.Response) -> str:
    """Return what an answer with an error's status says, and what to do."""
    what = f"the server answers {answer.status_code} {answer.reason}"
    if answer.status_code in (401, 403):
        return f"{what}: set {USER} and {PASSWORD}, or {TOKEN}, or write them to ~/.netrc"
    if answer.status_code in BUSY:
        return f"{what}, after {ATTEMPTS} attempts: run the command again later"
    if answer.status_code == 404:
        return f"{what}: is this the address of its DICOMweb services?"
    with suppress(Exception):  # whatever it sends instead of DICOM
        return _refusal(Dataset.from_json(answer.json())) or what
    return what


def lacking(dataset: FileDataset, data: bytes) -> str:
    """Return what is lacking of a file that was read, "" if nothing is.

    An element added to the end of a whole file is read as one of the data set's own; in a cut file it is taken for a
    part of the element that was cut. Of a file that ends between two elements, missing pixels alone are noticed.

    Args:
        dataset: as pydicom read it.
        data: the bytes of the file.
    """
    if not _ends_with_an_element(dataset, data):
        return "the file is cut off: its end lies within an element"
    if "Rows" in dataset and not any(keyword in dataset for keyword in PIXELS):
        return "the file is cut off: its image has no pixels"
    with suppress(AttributeError, TypeError, ValueError):  # what else is wrong with an image is not asked here
        if "PixelData" in dataset and not dataset.file_meta.TransferSyntaxUID.is_compressed:
            wanted, there = get_expected_length(dataset), len(dataset.PixelData)
            if there < wanted:
                return f"the file is cut off: it has {there} of {wanted} bytes of pixels"
    return ""


def _ends_with_an_element(dataset: FileDataset, data: bytes) -> bool:
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if syntax is not None and syntax.is_deflated:  # zlib reads no part of a stream
        return True
    tag, kind, value = MARK
    mark, end = Dataset(), DicomBytesIO()
    mark.add_new(tag, kind, value)
    end.is_implicit_VR, end.is_little_endian = map(bool, dataset.original_encoding)
    write_dataset(end, mark)
    try:
        found = pydicom.dcmread(BytesIO(data + end.getvalue()), specific_tags=[tag]).get(tag)
    except Exception:  # damaged files raise nearly anything
        return False
    return found is not None and found.value == value

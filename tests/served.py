"""Servers of this machine in place of the archives': files with ranges, a bucket that lists itself, faults."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

PAGE = 3
"""Objects in one answer of a listing."""


class Served:
    """What a server has, what it was asked for, and what goes wrong."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, str | None]] = []
        """Path and range of each request for a file."""
        self.cut: dict[str, list[int]] = {}
        """Path -> after how many bytes each next answer ends, the connection closed."""
        self.ranges = True
        self.status: dict[str, int] = {}
        self.multipart: set[str] = set()
        """Objects whose ETag is no MD5."""
        self.url = ""

    @property
    def bucket(self) -> str:
        return f"{self.url}/bucket"

    def tag(self, path: str) -> str:
        return hashlib.md5(self.files[path]).hexdigest() + ("-2" if path in self.multipart else "")


@contextmanager
def serving() -> Iterator[Served]:
    served = Served()
    handler = type("Handler", (_Handler,), {"served": served})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    served.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    served: Served
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self._headers(200 if path in self.served.files else 404, len(self.served.files.get(path, b"")), {})

    def do_GET(self) -> None:
        served, address = self.served, urlsplit(self.path)
        path = unquote(address.path)
        if path == "/bucket" and "list-type" in address.query:
            return self._listing({name: values[0] for name, values in parse_qs(address.query).items()})
        asked = self.headers.get("Range")
        served.asked.append((path, asked))
        if path in served.status or path not in served.files:
            return self._headers(served.status.get(path, 404), 0, {})
        whole, start, tag = served.files[path], 0, f'"{served.tag(path)}"'
        same = self.headers.get("If-Range") in (None, tag)
        if asked and served.ranges and same:
            start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1])
            if start >= len(whole):
                return self._headers(416, 0, {})
        more = {"ETag": tag} | ({"Content-Range": f"bytes {start}-{len(whole) - 1}/{len(whole)}"} if start else {})
        self._headers(206 if start else 200, len(whole) - start, more)
        end = served.cut[path].pop(0) if served.cut.get(path) else None
        self.wfile.write(whole[start:][:end])
        if end is not None:
            self.close_connection = True

    def _headers(self, status: int, length: int, more: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(length), **more}.items():
            self.send_header(name, value)
        self.end_headers()

    def _listing(self, asked: dict[str, str]) -> None:
        served, begin = self.served, int(asked.get("continuation-token", 0))
        if "/bucket" in served.status:
            return self._headers(served.status["/bucket"], 0, {})
        keys = sorted(p.removeprefix("/bucket/") for p in served.files if p.startswith("/bucket/" + asked["prefix"]))
        contents = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(served.files[f'/bucket/{key}'])}</Size>"
            f"<ETag>&quot;{served.tag(f'/bucket/{key}')}&quot;</ETag></Contents>"
            for key in keys[begin : begin + PAGE]
        )
        more = begin + PAGE < len(keys)
        token = f"<NextContinuationToken>{begin + PAGE}</NextContinuationToken>" if more else ""
        text = (
            '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>{token}{contents}</ListBucketResult>"
        ).encode()
        self._headers(200, len(text), {"Content-Type": "application/xml"})
        self.wfile.write(text)

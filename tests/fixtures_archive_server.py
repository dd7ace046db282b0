"""A web server on this machine that archives are fetched from, with all that goes wrong on the real ones."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote

import pytest

from kbnet.datasets import download


@dataclass
class Request:
    """One request: the file's name, the first byte asked for (0 = all), the status of the answer, the bytes sent."""

    name: str
    first: int
    status: int
    sent: int


@dataclass
class ArchiveServer:
    """Serves the files of ``folder`` at ``url`` and logs ``requests``; the other attributes spoil answers by file name.

    Attributes:
        folder: put archives here.
        url: where they appear; ``KBNET_MIRROR`` says so too.
        requests: in the order they came.
        ranges: whether requests for the rest of a file are understood.
        contents: other bytes to serve in place of the file's.
        statuses: status to answer with in place of 200.
        pages: files in whose place a web page comes.
        tags: ETag to send.
        headers: others to send in place of the right ones.
    """

    folder: Path
    url: str = ""
    requests: list[Request] = field(default_factory=list)
    ranges: bool = True
    contents: dict[str, bytes] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    pages: set[str] = field(default_factory=set)
    tags: dict[str, str] = field(default_factory=dict)
    drops: dict[str, int] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    def drop(self, name: str, times: int = 1) -> None:
        """Close the connection after half of what is asked for, this many times."""
        self.drops[name] = times

    def asked(self, name: str) -> list[tuple[int, int]]:
        """First byte asked for and bytes sent, of each request for a file."""
        return [(request.first, request.sent) for request in self.requests if request.name == name]

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one GET."""
        name = unquote(handler.path).lstrip("/")
        data = self._data(name)
        status = self.statuses.get(name, 404 if data is None else 200)
        rest = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        first = int(rest[1]) if rest else 0
        body = data if data is not None and status == 200 else b""
        headers = {"Content-Type": "text/html; charset=utf-8" if name in self.pages else "application/zip"}
        if name in self.tags:
            headers["ETag"] = self.tags[name]
        unchanged = handler.headers.get("If-Range") in (None, self.tags.get(name))
        if first and self.ranges and status == 200 and unchanged:
            status = 206 if first < len(body) else 416
            there = f"{first}-{len(body) - 1}" if status == 206 else "*"
            headers["Content-Range"] = f"bytes {there}/{len(body)}"
            body = body[first:]
        headers["Content-Length"] = str(len(body))
        if self.drops.get(name, 0):
            self.drops[name] -= 1
            body = body[: len(body) // 2]
        self.requests.append(Request(name, first, status, len(body)))
        handler.send_response(status)
        for key, value in (headers | self.headers).items():
            handler.send_header(key, value)
        handler.end_headers()
        # A client that is interrupted goes away in the middle.
        with suppress(ConnectionError):
            handler.wfile.write(body)

    def _data(self, name: str) -> bytes | None:
        if name in self.pages:
            return b"<html>Too many users have downloaded this file recently</html>"
        path = self.folder / name
        return self.contents.get(name, path.read_bytes() if path.is_file() else None)


@pytest.fixture
def archive_server(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ArchiveServer]:
    """A running server of an empty folder, which stands in for every place that archives are published at."""
    server = ArchiveServer(tmp_path_factory.mktemp("server"))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.answer(self)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        server.url = f"http://127.0.0.1:{http.server_port}"
        Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        monkeypatch.setenv(download.MIRROR, server.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setattr(download, "PAUSE_S", 0.0)
        yield server
        http.shutdown()

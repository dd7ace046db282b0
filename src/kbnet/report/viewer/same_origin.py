"""Access check of the web viewer: only its own page may talk to it."""

from __future__ import annotations

import http
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

LOOPBACK = ("127.0.0.1", "localhost", "::1")
LARGEST_MESSAGE = 2**20
"""Largest message that a client may send, bytes. The page sends control values and camera poses, all far smaller."""

_replacing = Lock()


def is_refused(host: str, origin: str | None, *, loopback: bool) -> bool:
    """Whether a request comes from the page of another server.

    Args:
        host: ``Host`` header of the request.
        origin: ``Origin`` header; None: the client is no web page.
        loopback: whether the viewer serves this machine only. Then the name must be one of this machine: a name that
            an attacker's name server points to 127.0.0.1 is refused (DNS rebinding).

    Example:
        >>> is_refused("localhost:8080", "http://localhost:8080", loopback=True)
        False
        >>> is_refused("localhost:8080", "https://example.org", loopback=True)
        True
    """
    other_name = loopback and urlsplit(f"//{host}").hostname not in LOOPBACK
    other_page = origin is not None and urlsplit(origin).netloc != host
    return other_name or other_page


@contextmanager
def same_origin_only(*, loopback: bool) -> Iterator[None]:
    """Context in which a viser server starts with the access check, with limited messages, and without a log.

    The log would print tracebacks, and escape sequences that a client sends, to the terminal.

    viser has no option for either, so the function of websockets that it starts the server with is replaced meanwhile.
    """
    from websockets.asyncio import server

    serve = server.serve

    def checked(check: Callable[..., Any] | None, connection: Any, request: Any) -> Any:
        if is_refused(request.headers.get("Host", ""), request.headers.get("Origin"), loopback=loopback):
            return connection.respond(http.HTTPStatus.FORBIDDEN, "The viewer answers its own page only.\n")
        return check(connection, request) if check is not None else None

    def checked_serve(*args: Any, process_request: Callable[..., Any] | None = None, **options: Any) -> Any:
        options |= {"max_size": LARGEST_MESSAGE, "logger": logging.Logger("kbnet view", logging.CRITICAL)}
        return serve(*args, process_request=partial(checked, process_request), **options)

    with _replacing:
        server.serve = checked_serve  # type: ignore[misc,assignment]
        try:
            yield
        finally:
            server.serve = serve  # type: ignore[misc]

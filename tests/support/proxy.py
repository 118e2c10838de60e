"""A proxy on loopback between a client and an HTTP server, which makes the faults that networks and servers make.

It relays whole requests and answers.  ``fault`` sees each request and says what goes wrong with it; every request is
remembered, so that a test can say what was asked.  Nothing here knows S3 or WebDAV.
"""

from __future__ import annotations

import http.client
import http.server
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable

_BROKEN = (500, b"broken")
_HOP = {"connection", "transfer-encoding", "keep-alive", "expect"}


class Fault(StrEnum):
    """What goes wrong with one request."""

    DROP = "the connection ends before the server sees the request"
    LOSE_ANSWER = "the server does what was asked, and the answer is lost"
    ERROR = "an error 500 instead of an answer"
    TRUNCATE = "the answer ends in its middle"
    LAG = "the answer is the one that was given the first time"
    STALL = "no answer at all, and the connection stays open"


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked: method, target with its query, size of the body in bytes."""

    method: str
    target: str
    size: int


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes


class Proxy:
    """Listens on a free port of loopback and relays to ``port``; used as a context manager."""

    def __init__(self, port: int) -> None:
        self.requests: list[Request] = []
        self.fault: Callable[[Request], Fault | None] = lambda _: None
        self.seconds = 0.0  # of delay for each request
        self.answer: tuple[int, bytes] | None = None  # status and body for every request, instead of the server's
        self._upstream = port
        self._first: dict[str, _Answer] = {}
        self._open: set[socket.socket] = set()
        self._ended = threading.Event()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        """End at once: nothing listens any more, and every connection is cut."""
        if self._ended.is_set():
            return
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()

    def _serve(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        self._open.add(handler.connection)
        body = _body(handler)
        request = Request(handler.command, handler.path, len(body))
        self.requests.append(request)
        time.sleep(self.seconds)
        fault = self.fault(request)
        if fault is Fault.STALL:
            self._ended.wait()
        if self._ended.is_set() or fault is Fault.DROP:
            return _cut(handler)
        said = _BROKEN if fault is Fault.ERROR else self.answer
        if said is not None:
            return _send(handler, _Answer(said[0], "Said By The Test", [], said[1]))
        answer = self._ask(handler, body)
        first = self._first.setdefault(f"{request.method} {request.target}", answer)
        if self._ended.is_set() or fault is Fault.LOSE_ANSWER:
            return _cut(handler)
        if fault is Fault.TRUNCATE:
            _send(handler, answer, sent=len(answer.body) // 2)
            return _cut(handler)
        return _send(handler, first if fault is Fault.LAG else answer)

    def _ask(self, handler: http.server.BaseHTTPRequestHandler, body: bytes) -> _Answer:
        upstream = http.client.HTTPConnection("127.0.0.1", self._upstream, timeout=60)
        try:
            upstream.putrequest(handler.command, handler.path, skip_host=True, skip_accept_encoding=True)
            for name, value in handler.headers.items():
                if name.lower() not in _HOP | {"content-length"}:
                    upstream.putheader(name, value)
            upstream.putheader("Content-Length", str(len(body)))
            upstream.endheaders(body)
            found = upstream.getresponse()
            return _Answer(found.status, found.reason, found.getheaders(), found.read())
        except OSError:
            return _Answer(502, "Bad Gateway", [], b"")
        finally:
            upstream.close()


def _handler(proxy: Proxy) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def __getattr__(self, name: str) -> object:
            if not name.startswith("do_"):
                raise AttributeError(name)
            return self._any

        def _any(self) -> None:
            with suppress(OSError, ValueError):  # the client went, or the proxy was killed meanwhile
                proxy._serve(self)

        def finish(self) -> None:
            proxy._open.discard(self.connection)
            with suppress(OSError, ValueError):
                super().finish()

        def handle(self) -> None:
            with suppress(OSError, ValueError):
                super().handle()

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def _body(handler: http.server.BaseHTTPRequestHandler) -> bytes:
    if handler.headers.get("Transfer-Encoding", "").lower() != "chunked":
        return handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
    parts = []
    while size := int(handler.rfile.readline().split(b";")[0], 16):
        parts.append(handler.rfile.read(size))
        handler.rfile.readline()
    handler.rfile.readline()
    return b"".join(parts)


def _send(handler: http.server.BaseHTTPRequestHandler, answer: _Answer, sent: int | None = None) -> None:
    handler.send_response_only(answer.status, answer.reason)
    for name, value in answer.headers:
        if name.lower() not in _HOP | {"content-length"}:
            handler.send_header(name, value)
    given = next((value for name, value in answer.headers if name.lower() == "content-length"), None)
    no_body = handler.command == "HEAD" or answer.status in {204, 304}
    handler.send_header("Content-Length", given if no_body and given else str(len(answer.body)))
    handler.end_headers()
    handler.wfile.write(answer.body[:sent])


def _cut(handler: http.server.BaseHTTPRequestHandler) -> None:
    handler.close_connection = True
    with suppress(OSError):
        handler.connection.shutdown(socket.SHUT_RDWR)

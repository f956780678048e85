"""A loopback double of the Hub: real clients talk to it over HTTP, it logs what they ask, and fails as a test says.

It takes large files by LFS alone, so a client that has `hf_xet` needs HF_HUB_DISABLE_XET=1.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

from tests.hubendpoints import Endpoints, Request
from tests.loopback import Reply

WRITES = {
    "/repos/create": "create",
    "/preupload/": "preupload",
    "/batch": "batch",
    "/store/": "put",
    "/commit/": "commit",
    "/tag/": "tag",
}
"""Endpoints that change something, or are asked only for that, by a part of their path."""


@dataclass
class Fault:
    """What goes wrong with requests whose method and path match, some times over."""

    method: str
    path: str
    how: Literal["cut", "hold"] | int
    """`cut` closes the connection in the middle of the body, `hold` reads half and waits; a number is a status."""
    times: int = 1


@dataclass
class Hub(Endpoints):
    """A hub that keeps a log and has faults."""

    faults: list[Fault] = field(default_factory=list)
    log: list[tuple[str, str, int]] = field(default_factory=list)
    """Method, path and status of every request; status 0 where the connection was cut."""
    held: threading.Event = field(default_factory=threading.Event)
    """A request is being held."""
    released: threading.Event = field(default_factory=threading.Event)

    def sent(self) -> list[str]:
        """Requests that change something, in their order."""
        return [name for _, path, _ in self.log for part, name in WRITES.items() if part in path]

    def fault_of(self, method: str, path: str) -> Fault | None:
        with self.lock:
            found = (fault for fault in self.faults if fault.times and fault.method == method and fault.path in path)
            fault = next(found, None)
            if fault is not None:
                fault.times -= 1
        return fault


@contextmanager
def serving() -> Iterator[Hub]:
    """Serves an empty hub until the block ends."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield hub
    finally:
        hub.released.set()
        server.shutdown()
        server.server_close()


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do(self) -> None:
            where = urlsplit(self.path)
            fault = hub.fault_of(self.command, where.path)
            if fault is not None and isinstance(fault.how, str):
                self._break(where.path, fault.how)
                return
            body = self._body()  # read even where it is refused: the connection goes on
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.command, where.path, parse_qs(where.query), headers, body, hub.url)
            reply = hub.reply(request) if fault is None else Reply(int(fault.how), {"error": "a fault"})
            hub.log.append((self.command, where.path, reply.status))
            self.send_response(reply.status)
            for name, value in {"Content_Type": "application/json", **reply.headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(reply.body)

        do_GET = do_HEAD = do_POST = do_PUT = do

        def _break(self, path: str, how: str) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 2)) // 2)
            hub.log.append((self.command, path, 0))
            if how == "hold":
                hub.held.set()
                hub.released.wait()
            self.close_connection = True

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            parts = []
            while n_bytes := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(n_bytes))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        def log_message(self, *_: Any) -> None:
            """Nothing: the tests look at `Hub.log`."""

    return Handler

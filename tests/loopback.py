"""A loopback server with OpenAI's interface that answers, or fails, as a test says."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Body = dict[str, Any]


class Reply:
    """What a handler sends: a status with a body and headers; `cut` sends half of the body and closes."""

    def __init__(self, status: int, body: Any, *, cut: bool = False, **headers: str) -> None:
        self.status, self.headers, self.cut = status, headers, cut
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()


def answer(text: str, finish_reason: str | None = "stop", *, chat: bool = False) -> Reply:
    """A whole response of three prompt tokens and two of its own."""
    choice: Body = {"index": 0, "finish_reason": finish_reason}
    choice |= {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
    return Reply(200, {"choices": [choice], "usage": {"prompt_tokens": 3, "completion_tokens": 2}})


def fault(status: int, message: str, **headers: str) -> Reply:
    return Reply(status, {"error": {"message": message, "type": "fault"}}, **headers)


class Loopback:
    """Calls `handle` with a request's body and how often an equal prompt came before; keeps all bodies and headers."""

    def __init__(self, handle: Callable[[Body, int], Reply], models: Reply | None = None) -> None:
        self.handle = handle
        self.models = models or Reply(200, {"data": [{"id": "base"}, {"id": "r1"}]})
        self.bodies: list[Body] = []
        self.headers: list[dict[str, str]] = []
        self.url = ""
        self.server: ThreadingHTTPServer
        self._lock, self._seen = threading.Lock(), Counter[str]()

    def reply_to(self, body: Body, headers: dict[str, str]) -> Reply:
        with self._lock:
            prompt = json.dumps([body.get("prompt"), body.get("messages"), body["seed"]])
            n_before = self._seen[prompt]
            self._seen[prompt] += 1
            self.bodies.append(body)
            self.headers.append(headers)
        return self.handle(body, n_before)


@contextmanager
def serving(handle: Callable[[Body, int], Reply], models: Reply | None = None) -> Iterator[Loopback]:
    """Serves until the block ends."""
    loopback = Loopback(handle, models)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._send(loopback.models if self.path == "/v1/models" else fault(404, "no such path"))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._send(loopback.reply_to({**body, "path": self.path}, dict(self.headers)))

        def _send(self, reply: Reply) -> None:
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body[: len(reply.body) // 2] if reply.cut else reply.body)
            self.close_connection = reply.cut

        def log_message(self, *_: Any) -> None:
            """Nothing: the tests look at what the engine says."""

    loopback.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    loopback.server.daemon_threads = True
    loopback.url = f"http://127.0.0.1:{loopback.server.server_port}/v1"
    thread = threading.Thread(target=loopback.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield loopback
    finally:
        loopback.server.shutdown()
        loopback.server.server_close()

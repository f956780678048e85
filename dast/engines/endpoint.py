"""An endpoint with OpenAI's interface: sends, waits and sends again, and tells a failed request from a dead server.

Guarantees: every request ends in an answer, a refusal that is the request's own, or an error that is the server's; the
key comes from the environment, goes to the url in params alone (no redirects), and stands in no message. Safe to use
from many threads. Grain: one request.
"""

from __future__ import annotations

import json
import logging
import os
import random
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import urllib3

from dast.errors import EngineError
from dast.params.engines import Server

log = logging.getLogger(__name__)

KEY_VARIABLE = "DAST_SERVER_KEY"
LONGEST_WAIT_S = 60.0
LONGEST_CONNECT_S = 20.0
FAILURES_OF_A_DEAD_SERVER = 8
"""Failed requests in a row, each sent `max_attempts` times: fewer are the requests' own fault."""
REFUSALS_OF_A_WRONG_REQUEST = 3
"""Refused requests before the first answer: then it is the params that the server refuses."""
SECONDS_BETWEEN_COMPLAINTS = 30.0

_WAIT_AND_REPEAT = {408, 409, 425, 429}
_TOO_LONG = ("context length", "context_length", "context window", "too long", "max_model_len", "maximum model length")


@dataclass(frozen=True)
class Refusal:
    """Why a request gets no response: the server's words."""

    reason: str


class Trouble(Exception):
    """What may pass: no connection, a time-out, too many requests, a fault of the server."""

    def __init__(self, what: str, wait_s: float = 0.0) -> None:
        super().__init__(what)
        self.wait_s = wait_s


class Endpoint:
    """See the module's guarantees."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._key = os.environ.get(KEY_VARIABLE, "")
        self._pool = urllib3.PoolManager(maxsize=server.concurrency, retries=False)
        self._headers = {"Content-Type": "application/json"}
        if self._key:
            self._headers["Authorization"] = f"Bearer {self._key}"
            place = urlsplit(server.url)
            if place.scheme == "http" and place.hostname not in ("127.0.0.1", "localhost"):
                log.warning("the key of %s goes over plain http to %s", KEY_VARIABLE, place.hostname)
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._n_answers = self._n_refusals = self._failures_in_a_row = 0
        self._last_complaint = -SECONDS_BETWEEN_COMPLAINTS

    def ask(self, path: str, body: Mapping[str, Any]) -> dict[str, Any] | Refusal:
        """The server's answer to one request, or why it has none.

        Raises:
            EngineError: the server is down, does not know the key or the model, or refuses what params ask for.
        """
        try:
            answer = self._repeat("POST", path, body)
        except Trouble as trouble:
            return self._failed(trouble)
        if isinstance(answer, Refusal):
            return self._refused(answer)
        with self._lock:
            self._n_answers += 1
            self._failures_in_a_row = 0
        return answer

    def models(self) -> list[str] | None:
        """Names of the models that are served; None where the server does not tell."""
        try:
            answer = self._repeat("GET", "/models", None)
        except Trouble as trouble:
            raise self._error(f"does not answer ({trouble})") from trouble
        if isinstance(answer, Refusal):
            return None
        listed = answer.get("data")
        return [str(model.get("id")) for model in listed] if isinstance(listed, list) else None

    def stop(self) -> None:
        """Ends all waiting: what is asked from now on fails."""
        self._over.set()

    def _repeat(self, method: str, path: str, body: Mapping[str, Any] | None) -> dict[str, Any] | Refusal:
        for attempt in range(1, self._server.max_attempts + 1):
            if self._over.is_set():
                raise Trouble("given up")
            try:
                return self._send(method, path, body)
            except Trouble as trouble:
                if attempt == self._server.max_attempts:
                    raise
                self._complain(trouble)
                wait = max(trouble.wait_s, self._server.backoff_s * 2 ** (attempt - 1) * random.uniform(0.75, 1.25))
                self._over.wait(min(wait, LONGEST_WAIT_S))
        raise AssertionError("max_attempts is at least one")

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None) -> dict[str, Any] | Refusal:
        text = None if body is None else json.dumps(body).encode()
        whole = self._server.timeout_s
        timeout = urllib3.Timeout(connect=min(whole, LONGEST_CONNECT_S), total=whole)
        try:
            reply = self._pool.request(
                *(method, self._server.url + path), body=text, headers=self._headers, timeout=timeout, redirect=False
            )
        except urllib3.exceptions.HTTPError as error:
            raise Trouble(self._clean(f"{type(error).__name__}: {error}")) from error
        if reply.status in _WAIT_AND_REPEAT or reply.status >= 500:
            raise Trouble(f"{reply.status} {self._words(reply.data)}", _seconds(reply.headers.get("Retry-After")))
        if reply.status == 200:
            answer = _parsed(reply.data)
            if method == "POST" and not answer.get("choices"):
                raise Trouble(f"an answer without choices: {self._words(reply.data)}")
            return answer
        return self._judge(method, reply.status, self._words(reply.data))

    def _judge(self, method: str, status: int, words: str) -> Refusal:
        if method == "GET" and status != 401:  # many servers list no models, or not for every key
            return Refusal(f"{status} {words}")
        if status in (401, 403):
            raise self._error(f"refuses the key of {KEY_VARIABLE} ({status} {words})")
        if status == 404 or 300 <= status < 400:
            raise self._error(f"has no such path or model ({status} {words}); see generation.server.url and .model")
        return Refusal(f"{status} {words}")

    def _refused(self, refusal: Refusal) -> Refusal:
        if any(mark in refusal.reason.lower() for mark in _TOO_LONG):
            return refusal
        with self._lock:
            self._n_refusals += 1
            wrong = not self._n_answers and self._n_refusals >= REFUSALS_OF_A_WRONG_REQUEST
        if wrong:
            raise self._error(f"refuses every request: {refusal.reason}")
        log.warning("a request was refused: %s", refusal.reason)
        return refusal

    def _failed(self, trouble: Trouble) -> Refusal:
        with self._lock:
            self._failures_in_a_row += 1
            n_failures = self._failures_in_a_row
        if self._over.is_set():
            return Refusal("given up")
        tries = self._server.max_attempts
        if n_failures >= FAILURES_OF_A_DEAD_SERVER or not self._answers():
            raise self._error(f"is down: {trouble} (failed in a row: {n_failures}, tried {tries} times each)")
        log.warning("a request failed %d times: %s", tries, trouble)
        return Refusal(str(trouble))

    def _answers(self) -> bool:
        try:
            self._send("GET", "/models", None)
        except Trouble:
            return False
        return True

    def _complain(self, trouble: Trouble) -> None:
        with self._lock:
            due = time.monotonic() - self._last_complaint >= SECONDS_BETWEEN_COMPLAINTS
            if due:
                self._last_complaint = time.monotonic()
        if due:
            log.warning("%s: %s; asking again", self._server.url, trouble)

    def _error(self, what: str) -> EngineError:
        return EngineError(self._clean(f"generation.server: {self._server.url} {what}; start it or mend it, and rerun"))

    def _words(self, data: bytes) -> str:
        """What a server says of a fault, in one short line."""
        text = data.decode("utf-8", "replace")
        try:
            content = json.loads(text)
        except ValueError:
            return self._clean(text)
        fault = content.get("error", content) if isinstance(content, dict) else content
        return self._clean(str(fault.get("message", fault) if isinstance(fault, dict) else fault))

    def _clean(self, text: str) -> str:
        line = " ".join(text.split())[:300]
        return line.replace(self._key, "***") if self._key else line


def _parsed(data: bytes) -> dict[str, Any]:
    try:
        content = json.loads(data)
    except ValueError as error:
        raise Trouble("an answer that is no JSON") from error
    if not isinstance(content, dict):
        raise Trouble("an answer that is no JSON object")
    return content


def _seconds(retry_after: str | None) -> float:
    """Seconds of a Retry-After header; 0 for none, or for a date."""
    try:
        return max(0.0, float(retry_after or 0.0))
    except ValueError:
        return 0.0

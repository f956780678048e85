"""A real headless Chromium, driven by its DevTools protocol: what a page logs, asks for, shows and answers."""

from __future__ import annotations

import asyncio
import base64
import itertools
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

T = TypeVar("T")

NAMES = ("chromium", "chromium-browser", "google-chrome")
INSTALL = "no Chromium on this machine: `apt-get install chromium` (Debian) gives one"
_START_S = 60.0
"""A browser that has not started by then never will."""


def found() -> str | None:
    """The browser's program."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Tab:
    """One page. `console` holds its warnings, errors and exceptions, `requests` the addresses that it asked for."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._numbers = itertools.count(1)
        self._loaded = asyncio.Event()
        self.console: list[str] = []
        self.requests: list[str] = []

    async def listen(self) -> None:
        """Takes what the browser says, until it closes."""
        async for message in self._socket:
            said = message.json()
            if "id" in said:
                self._answers.pop(said["id"]).set_result(said)
            else:
                self._event(said["method"], said["params"])

    async def send(self, method: str, **params: object) -> dict[str, Any]:
        """A command's result; an assertion fails where the browser refuses it."""
        number = next(self._numbers)
        self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": params})
        said = await self._answers[number]
        assert "error" not in said, f"{method}: {said['error']}"
        return dict(said["result"])

    async def open(self, page: Path) -> None:
        """Loads a file and waits for its load event."""
        self._loaded.clear()
        await self.send("Page.navigate", url=page.resolve().as_uri())
        await self._loaded.wait()

    async def evaluate(self, expression: str) -> Any:
        """What an expression gives, promises awaited."""
        said = await self.send("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in said, said["exceptionDetails"]
        return said["result"].get("value")

    async def until(self, expression: str, seconds: float = 60.0) -> None:
        """Waits for an expression to be true."""
        async with asyncio.timeout(seconds):
            while not await self.evaluate(expression):
                await asyncio.sleep(0.05)

    async def size(self, width: int, height: int, **media: str) -> None:
        """Sets the window's inner size, and media features such as `prefers_color_scheme`."""
        await self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        features = [{"name": name.replace("_", "-"), "value": value} for name, value in media.items()]
        await self.send("Emulation.setEmulatedMedia", features=features)

    async def shoot(self, path: Path) -> None:
        """Writes what the window shows as PNG."""
        said = await self.send("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(said["data"]))

    def _event(self, method: str, params: dict[str, Any]) -> None:
        if method == "Page.loadEventFired":
            self._loaded.set()
        elif method == "Runtime.exceptionThrown":
            self.console.append(f"exception: {params['exceptionDetails']}")
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.console.append(f"{params['type']}: {[value.get('value') for value in params['args']]}")
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.console.append(f"{params['entry']['source']}: {params['entry']['text']}")
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])


def visit(act: Callable[[Tab], Awaitable[T]]) -> T:
    """What `act` gives for a new tab of a new browser with an empty profile."""

    async def run() -> T:
        async with _tab() as tab:
            return await act(tab)

    return asyncio.run(run())


@asynccontextmanager
async def _tab() -> AsyncIterator[Tab]:
    program = found()
    assert program is not None, INSTALL
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]
        flags += ["--disable-background-networking", "--no-first-run", "--remote-debugging-port=0"]
        process = await asyncio.create_subprocess_exec(
            *(program, *flags, f"--user-data-dir={profile}", "about:blank"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "HOME": profile},
        )
        try:
            async with aiohttp.ClientSession() as session:
                async with asyncio.timeout(_START_S):
                    port = await _port(process)
                    targets = await (await session.get(f"http://127.0.0.1:{port}/json/list")).json()
                address = next(target["webSocketDebuggerUrl"] for target in targets if target["type"] == "page")
                async with session.ws_connect(address, max_msg_size=0) as socket:
                    tab = Tab(socket)
                    listening = asyncio.create_task(tab.listen())
                    for domain in ("Page", "Runtime", "Log", "Network"):
                        await tab.send(f"{domain}.enable")
                    yield tab
                    listening.cancel()
        finally:
            process.terminate()
            await process.wait()


async def _port(process: asyncio.subprocess.Process) -> int:
    assert process.stderr is not None
    async for line in process.stderr:
        if said := re.search(rb"DevTools listening on ws://[^:]+:(\d+)/", line):
            return int(said[1])
    raise AssertionError("Chromium ended before it listened")

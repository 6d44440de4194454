"""The real Chromium, driven over its DevTools protocol: go somewhere, click, type, look, take a picture."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import anyio
from browser import WHY_MISSING, find_browser
from websockets.asyncio.client import ClientConnection, connect

Theme = Literal["light", "dark"]
HEIGHTS = {1440: 900, 390: 844}
HEIGHT_MAX = 4_000
Screenshot = Callable[["Tab", str], Awaitable[None]]
"""`await screenshot(tab, name)`: the fixture of tests/browser/ui."""
_LISTENS = re.compile(rb"DevTools listening on (ws://\S+)")
_KEYS = {"Enter": ("Enter", 13, "\r"), "Escape": ("Escape", 27, ""), "Tab": ("Tab", 9, "")}


class Chromium:
    """One browser process. Made by `chromium()`."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._tabs: dict[str, Tab] = {}
        self._reader = asyncio.create_task(self._read())

    @asynccontextmanager
    async def tab(
        self, url: str, width: int = 1440, theme: Theme = "light", scripts: bool = True
    ) -> AsyncIterator[Tab]:
        """A tab of its own profile (cookies, storage), closed at the end.

        scripts: whether pages may run any.
        """
        context = (await self.command("Target.createBrowserContext"))["browserContextId"]
        target = await self.command("Target.createTarget", url="about:blank", browserContextId=context)
        attached = await self.command("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        tab = self._tabs[attached["sessionId"]] = Tab(self, attached["sessionId"])
        try:
            if not scripts:
                session = attached["sessionId"]
                await self.command("Emulation.setScriptExecutionDisabled", session, value=True)
            await tab.open(url, width, theme)
            yield tab
        finally:
            del self._tabs[attached["sessionId"]]
            await self.command("Target.disposeBrowserContext", browserContextId=context)

    async def command(self, method: str, session: str | None = None, **params: object) -> Any:
        """Raises AssertionError with what the browser says."""
        number = len(self._answers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        whose = {} if session is None else {"sessionId": session}
        await self._socket.send(json.dumps({"id": number, "method": method, "params": params, **whose}))
        return await asyncio.wait_for(answer, 30)

    async def close(self) -> None:
        self._reader.cancel()
        await self._socket.close()

    async def _read(self) -> None:
        async for text in self._socket:
            told = json.loads(text)
            if "id" in told:
                answer = self._answers[told["id"]]
                if answer.done():  # nobody waits any more
                    continue
                if "error" in told:
                    answer.set_exception(AssertionError(told["error"]["message"]))
                else:
                    answer.set_result(told["result"])
            elif (tab := self._tabs.get(told.get("sessionId", ""))) is not None:
                tab.happened(told["method"], told["params"])


class Tab:
    """requests: the URLs that the page asked for, in order. problems: what its console complains of."""

    def __init__(self, browser: Chromium, session: str) -> None:
        self._browser = browser
        self._session = session
        self.requests: list[str] = []
        self.problems: list[str] = []

    def happened(self, method: str, params: Any) -> None:
        """An event of the protocol."""
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.problems.append(details.get("exception", {}).get("description") or details["text"])
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.problems.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")

    async def open(self, url: str, width: int, theme: Theme) -> None:
        """Called by `Chromium.tab`."""
        for domain in ("Page", "Runtime", "Network", "Log"):
            await self._do(f"{domain}.enable")
        await self.look(width, theme)
        await self.goto(url)

    async def look(self, width: int, theme: Theme = "light", height: int = 0) -> None:
        """At a screen of this width in this colour scheme. height: at least that of such a device."""
        self._width, self._theme = width, theme
        await self._do(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=max(height, HEIGHTS.get(width, 900)),
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        features = [{"name": "prefers-color-scheme", "value": theme}]
        await self._do("Emulation.setEmulatedMedia", features=features)

    async def goto(self, url: str) -> None:
        """Returns when the page, its styles and its modules have run."""
        self._loaded_mark = await self._mark()
        told = await self._do("Page.navigate", url=url)
        assert "errorText" not in told, f"{url}: {told['errorText']}"
        await self.loaded()

    async def loaded(self) -> None:
        """Wait for the page that a click or a submit leads to."""
        await self.wait_for(
            f"globalThis.__mark !== {self._loaded_mark!r} && document.readyState === 'complete'"
        )

    async def js(self, script: str) -> Any:
        """The value of an expression, awaited if it is a promise. Raises AssertionError if it throws."""
        told = await self._do(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True
        )
        failed = told.get("exceptionDetails")
        assert failed is None, f"{script}: {failed['exception'].get('description', failed['text'])}"
        return told["result"].get("value")

    async def wait_for(self, condition: str, timeout_s: float = 10) -> Any:
        """Until the expression is truthy; its value. Raises AssertionError with the page's text."""
        value: Any = None
        try:
            async with asyncio.timeout(timeout_s):
                while not value:
                    try:
                        value = await self.js(condition)
                    except AssertionError as error:
                        if "context" not in str(error):  # a page that is being replaced has none
                            raise
                    if not value:
                        await asyncio.sleep(0.03)
        except TimeoutError:
            shown = await self.js("document.body.innerText")
            raise AssertionError(f"not within {timeout_s} s: {condition}\n{shown}\n{self.problems}") from None
        return value

    async def wait_for_text(self, text: str, selector: str = "body") -> None:
        """Until the element shows it."""
        await self.wait_for(
            f"document.querySelector({json.dumps(selector)})?.innerText.includes({json.dumps(text)})"
        )

    async def click(self, selector: str, *, leads_on: bool = False) -> None:
        """A click of the mouse at the middle of the first element. leads_on: and wait for the next page.

        Once it stays where it is, and nothing lies over it: live pages move under the mouse.
        """
        at = await self.wait_for(
            f"""(() => {{ const it = document.querySelector({json.dumps(selector)}); if (!it) return null;
            it.scrollIntoView({{block: "center", behavior: "instant"}});
            const box = it.getBoundingClientRect();
            const at = [box.x + box.width / 2, box.y + box.height / 2];
            const before = globalThis.__clickAt; globalThis.__clickAt = String(at);
            const hit = document.elementFromPoint(...at);
            const isOnTop = hit && (it.contains(hit) || hit.contains(it));
            return before === String(at) && isOnTop ? at : null; }})()"""
        )
        await self.js("delete globalThis.__clickAt")
        if leads_on:
            self._loaded_mark = await self._mark()
        for kind in ("mousePressed", "mouseReleased"):
            await self._do(
                "Input.dispatchMouseEvent", type=kind, x=at[0], y=at[1], button="left", clickCount=1
            )
        if leads_on:
            await self.loaded()

    async def type(self, text: str, into: str | None = None) -> None:
        """Type, into an element whose text it replaces or where the focus is."""
        if into is not None:
            await self.js(
                f"(it => {{ it.focus(); it.select?.() }})(document.querySelector({json.dumps(into)}))"
            )
        await self._do("Input.insertText", text=text)

    async def press(self, key: str) -> None:
        """One key: a letter, Enter, Escape or Tab."""
        name, code, text = _KEYS.get(key, (key, ord(key[0].upper()), key))
        sent = {"key": name, "windowsVirtualKeyCode": code, "text": text, "unmodifiedText": text}
        await self._do("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **sent)
        await self._do("Input.dispatchKeyEvent", type="keyUp", key=name, windowsVirtualKeyCode=code)

    async def picture(self, path: Path, *, whole_page: bool = True) -> None:
        """Write a PNG of the page."""
        if whole_page:  # on a screen as high as the page: what sticks to its edges is then where it belongs
            height = await self.js("document.documentElement.scrollHeight")
            await self.look(self._width, self._theme, min(height, HEIGHT_MAX))
        told = await self._do("Page.captureScreenshot", format="png")
        await self.look(self._width, self._theme)
        file = anyio.Path(path)
        await file.parent.mkdir(parents=True, exist_ok=True)
        await file.write_bytes(base64.b64decode(told["data"]))

    async def _mark(self) -> str:
        """Marks the page that is left, so that the next one is told from it."""
        mark = os.urandom(8).hex()
        await self.js(f"globalThis.__mark = {mark!r}")
        return mark

    async def _do(self, method: str, **params: object) -> Any:
        return await self._browser.command(method, self._session, **params)


@asynccontextmanager
async def chromium() -> AsyncIterator[Chromium]:
    """A headless browser of its own."""
    binary = find_browser()
    assert binary is not None, WHY_MISSING
    with tempfile.TemporaryDirectory(prefix="perdure-browser-", ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            binary,
            *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
            *("--disable-background-networking", "--hide-scrollbars", "--remote-debugging-port=0"),
            *(f"--user-data-dir={profile}", "about:blank"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            process_group=0,
        )
        try:
            async with asyncio.timeout(60):
                address = await _address(process)
            socket = await connect(address, max_size=None, proxy=None)
            browser = Chromium(socket)
            yield browser
            await browser.close()
        finally:
            os.killpg(process.pid, 9)
            await process.wait()


async def _address(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    async for line in process.stderr:
        if found := _LISTENS.search(line):
            return found[1].decode()
    raise AssertionError("Chromium ended before it listened")

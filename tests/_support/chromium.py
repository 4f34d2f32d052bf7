"""Real Chromium, driven over the DevTools protocol by its own two pipes: no port, no driver.

Waiting is done in the page: a promise that a MutationObserver keeps, with a bound.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from browser import ensure

FLAGS = (
    "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--no-first-run",
    "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--disable-extensions", "--disable-default-apps", "--metrics-recording-only",
    "--hide-scrollbars", "--force-color-profile=srgb", "--font-render-hinting=none", "--mute-audio",
    # Nothing but the ledger of the test is reachable.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)  # fmt: skip
WAIT_MS = 15_000
PIECE_BYTES = 1 << 20
UNTIL = """(async () => {
  const holds = () => { try { return %s; } catch { return false; } };
  if (holds()) return true;
  return await new Promise((done) => {
    const watch = new MutationObserver(() => { if (holds()) { watch.disconnect(); done(true); } });
    const all = { subtree: true, childList: true, attributes: true, characterData: true };
    watch.observe(document, all);
    setTimeout(() => { watch.disconnect(); done(holds()); }, %d);
  });
})()"""


class Browser:
    """One Chromium; pages of it do not know of each other."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to = os.fdopen(to_browser, "wb", buffering=0)
        self._from = os.fdopen(from_browser, "rb", buffering=0)
        self._rest = b""
        self._number = 0
        self.events: list[dict[str, Any]] = []

    def close(self) -> None:
        """Let go of the pipes."""
        self._to.close()
        self._from.close()

    def call(self, method: str, session: str = "", **parameters: Any) -> Any:
        """Ask, and wait for the answer; what happens meanwhile is kept in ``events``."""
        self._number += 1
        said = {"id": self._number, "method": method, "params": parameters}
        if session:
            said["sessionId"] = session
        self._to.write(json.dumps(said).encode() + b"\0")
        while True:
            heard = self._hear()
            if heard.get("id") == self._number:
                if "error" in heard:
                    raise AssertionError(f"{method}: {heard['error']['message']}")
                return heard["result"]
            self.events.append(heard)

    def _hear(self) -> dict[str, Any]:
        pieces = [self._rest]
        while b"\0" not in pieces[-1]:
            pieces.append(self._from.read(PIECE_BYTES))
            if not pieces[-1]:
                raise AssertionError("Chromium is gone")
        said, _, self._rest = b"".join(pieces).partition(b"\0")
        found: dict[str, Any] = json.loads(said)
        return found

    @contextmanager
    def page(
        self, *, width: int = 1280, height: int = 900, dark: bool = False, phone: bool = False
    ) -> Iterator[Page]:
        """Open a page with a profile of its own."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)
        attached = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        page = Page(self, attached["sessionId"])
        for domain in ("Page", "Runtime", "Log", "Network", "Accessibility"):
            page.call(f"{domain}.enable")
        page.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height,
            deviceScaleFactor=1, mobile=phone,
        )  # fmt: skip
        page.colours("dark" if dark else "light")
        try:
            yield page
        finally:
            self.call("Target.disposeBrowserContext", browserContextId=context)


class Page:
    """One page of a browser."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser, self._session = browser, session

    def call(self, method: str, **parameters: Any) -> Any:
        """Ask something of this page."""
        return self._browser.call(method, self._session, **parameters)

    def colours(self, scheme: str) -> None:
        """Let the system prefer light or dark."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", features=features)

    def go(self, url: str) -> None:
        """Open an address, anew even where only its fragment differs."""
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=url)

    def run(self, script: str) -> Any:
        """Evaluate; a promise is waited for."""
        done = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in done:
            raise AssertionError(done["exceptionDetails"])
        return done["result"].get("value")

    def until(self, condition: str) -> None:
        """Wait until a condition holds in the page."""
        if not self.run(UNTIL % (condition, WAIT_MS)):
            text = self.run("document.body.innerText")
            raise AssertionError(f"never came true: {condition}\n{text}")

    def until_text(self, text: str) -> None:
        """Wait until the page says something."""
        self.until(f"document.body.innerText.includes({json.dumps(text)})")

    def text(self, selector: str = "body") -> str:
        """Give what is written in an element."""
        return str(self.run(f"document.querySelector({json.dumps(selector)}).innerText"))

    def press(self, key: str) -> None:
        """Press a key: Tab, Enter, ArrowRight, or a letter."""
        codes = {"Tab": 9, "Enter": 13, "ArrowRight": 39, "ArrowLeft": 37, " ": 32}
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        given = {"key": key, "code": key, "windowsVirtualKeyCode": codes.get(key, 0)}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **given)
        self.call("Input.dispatchKeyEvent", type="keyUp", **given)

    def type(self, text: str) -> None:
        """Write into what has the focus."""
        self.call("Input.insertText", text=text)

    def tree(self) -> list[Mapping[str, Any]]:
        """Give what a screen reader is told."""
        nodes: list[Mapping[str, Any]] = self.call("Accessibility.getFullAXTree")["nodes"]
        return [node for node in nodes if not node["ignored"]]

    def problems(self) -> list[str]:
        """Give what went wrong: exceptions, the console's errors, what the policy forbade."""
        self.run("1")  # whatever happened before has been told now
        found = []
        for event in self._browser.events:
            if event.get("sessionId") != self._session:
                continue
            told = event["params"]
            if event["method"] == "Runtime.exceptionThrown":
                found.append(str(told["exceptionDetails"]))
            elif event["method"] == "Log.entryAdded" and told["entry"]["level"] == "error":
                found.append(f"{told['entry']['text']} {told['entry'].get('url', '')}")
        return found

    def asked_hosts(self) -> set[str]:
        """Give the hosts that were asked for anything."""
        return {
            event["params"]["request"]["url"].split("/")[2]
            for event in self._browser.events
            if event.get("sessionId") == self._session
            and event["method"] == "Network.requestWillBeSent"
            and event["params"]["request"]["url"].startswith("http")
        }

    def picture(self, file: Path) -> Path:
        """Write the whole page as it looks."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(base64.b64decode(shot["data"]))
        return file


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start a browser that ends with the block."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        # Chromium reads from its descriptor 3 and writes to 4; a shell puts them there.
        script = f'exec "$0" "$@" 3<&{theirs_in} 4>&{theirs_out}'
        command = ["bash", "-c", script, str(ensure()), *FLAGS, f"--user-data-dir={profile}"]
        process = subprocess.Popen(
            command, pass_fds=(theirs_in, theirs_out), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": profile, "TZ": "UTC", "LANG": "C.UTF-8"},
        )  # fmt: skip
        os.close(theirs_in)
        os.close(theirs_out)
        browser = Browser(ours_out, ours_in)
        try:
            yield browser
            browser.call("Browser.close")
        finally:
            process.terminate()
            process.wait()
            browser.close()

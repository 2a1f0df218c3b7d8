"""A real browser without a window, for tests of pages: Chromium, spoken to as the WebDriver standard (W3C) says."""

from __future__ import annotations

import base64
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest
import requests

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
needs_browser = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None,
    reason="There is no browser on this machine to try pages in: Debian has it as chromium and chromium-driver.",
)
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # what the standard calls a reference to an element
PATIENCE = 20  # seconds


class Browser:
    """One window. `run` runs JavaScript in the page; `act` moves the pointer and types as a person does."""

    def __init__(self, *arguments: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.driver = subprocess.Popen([DRIVER, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.address = f"http://127.0.0.1:{port}"
        self.http = requests.Session()
        self.http.trust_env = False  # no proxy between the tests and their own machine
        flags = [
            *("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars"),
            "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",  # the network is cut
            *arguments,
        ]
        wanted = {
            "goog:chromeOptions": {"binary": CHROMIUM, "args": flags},
            "goog:loggingPrefs": {"browser": "ALL"},
            "unhandledPromptBehavior": "ignore",
        }
        try:
            self._wait_for_driver()
            answer = self._send("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        except BaseException:
            self.driver.kill()
            raise
        self.session = f"/session/{answer['sessionId']}"

    def _wait_for_driver(self) -> None:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                self._send("GET", "/status")
                return
            except requests.ConnectionError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)

    def _send(self, method: str, path: str, body: dict | None = None):
        reply = self.http.request(method, self.address + path, json=body, timeout=120)
        value = reply.json()["value"]
        if reply.status_code != 200:
            raise RuntimeError(f"{path}: {value['error']}: {value['message']}")
        return value

    def _ask(self, path: str, body: dict | None = None):
        return self._send("POST" if body is not None else "GET", self.session + path, body)

    def close(self) -> None:
        try:
            self._send("DELETE", self.session)
        finally:
            self.driver.terminate()
            self.driver.wait(PATIENCE)

    # ---------------------------------------------------------------------------------------------------- looking
    def open(self, address: str) -> None:
        self._ask("/url", {"url": address})

    def run(self, script: str, *arguments):
        """What the JavaScript returns; a promise is waited for. Its arguments are `arguments[0]`, ..."""
        return self._ask("/execute/sync", {"script": script, "args": list(arguments)})

    def wait_until(self, script: str, *arguments):
        """Runs the JavaScript until it returns something true, and returns that."""
        end = time.monotonic() + PATIENCE
        while True:
            found = self.run(script, *arguments)
            if found:
                return found
            assert time.monotonic() < end, f"waited in vain for {script}"
            time.sleep(0.02)

    def text(self, selector: str) -> str:
        return self.run("return document.querySelector(arguments[0]).textContent", selector)

    def complaints(self) -> list[str]:
        """What the browser's console has got since it was last asked: errors, and what a policy forbade. Advice on how
        to draw faster is left out: the tests themselves read back what is drawn."""
        entries = self._ask("/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["source"] != "rendering"]

    def resize(self, width: int, height: int, dark: bool = False, calm: bool = False) -> None:
        """As on a screen of this size, narrower than a browser's window can be made, of somebody who likes it dark, or
        no movement."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._chrome("Emulation.setDeviceMetricsOverride", **metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        motion = {"name": "prefers-reduced-motion", "value": "reduce" if calm else "no-preference"}
        self._chrome("Emulation.setEmulatedMedia", features=[scheme, motion])

    def _chrome(self, command: str, **parameters) -> None:
        self._ask("/goog/cdp/execute", {"cmd": command, "params": parameters})

    def screenshot(self, path: Path, whole: bool = True) -> None:
        """For whoever writes a test and wants to see. whole: also what one would have to scroll to."""
        parameters = {"captureBeyondViewport": whole}
        answer = self._ask("/goog/cdp/execute", {"cmd": "Page.captureScreenshot", "params": parameters})
        path.write_bytes(base64.b64decode(answer["data"]))

    # ----------------------------------------------------------------------------------------------------- acting
    def find(self, selector: str) -> dict:
        return self._ask("/element", {"using": "css selector", "value": selector})

    def click(self, selector: str) -> None:
        self._ask(f"/element/{self.find(selector)[ELEMENT]}/click", {})

    def type(self, selector: str, text: str) -> None:
        self._ask(f"/element/{self.find(selector)[ELEMENT]}/value", {"text": text})

    def press(self, *keys: str) -> None:
        """Keys one after the other, to what has the focus. Special ones have code points from U+E000 on."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._ask("/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def drag(self, points: list[tuple[float, float]], kind: str = "mouse") -> None:
        """Press at the first of these places in the window, go to the others, let go. kind: mouse, pen or touch."""
        move = [{"type": "pointerMove", "duration": 0, "x": round(x), "y": round(y)} for x, y in points]
        actions = [move[0], {"type": "pointerDown", "button": 0}, *move[1:], {"type": "pointerUp", "button": 0}]
        pointer = {"type": "pointer", "id": kind, "parameters": {"pointerType": kind}, "actions": actions}
        self._ask("/actions", {"actions": [pointer]})


ARROWS = {"up": "\ue013", "down": "\ue015", "left": "\ue012", "right": "\ue014"}
PAGE_UP, PAGE_DOWN, ENTER, TAB = "\ue00e", "\ue00f", "\ue007", "\ue004"

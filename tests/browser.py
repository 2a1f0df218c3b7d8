"""A real browser without a window, for tests of pages: Chromium, driven by selenium."""

from __future__ import annotations

import base64
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("selenium", reason="selenium is not installed, which drives a browser: pip install -e '.[test]'")

from selenium.webdriver import Chrome, ChromeOptions, ChromeService, Keys
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.actions.pointer_input import PointerInput
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
needs_browser = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None,
    reason="There is no browser on this machine to try pages in: Debian has it as chromium and chromium-driver.",
)
PATIENCE = 20  # seconds
ARROWS = {"up": Keys.ARROW_UP, "down": Keys.ARROW_DOWN, "left": Keys.ARROW_LEFT, "right": Keys.ARROW_RIGHT}
PAGE_UP, PAGE_DOWN, ENTER, TAB = Keys.PAGE_UP, Keys.PAGE_DOWN, Keys.ENTER, Keys.TAB


class Browser:
    """One window. `run` runs JavaScript in the page; `click`, `type`, `press` and `drag` act as a person does."""

    def __init__(self, *arguments: str) -> None:
        os.environ.setdefault("NO_PROXY", "localhost,127.0.0.1")  # none between the tests and their own machine
        options = ChromeOptions()
        options.binary_location = CHROMIUM
        options.unhandled_prompt_behavior = "ignore"
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        for argument in (
            *("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars"),
            "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",  # the network is cut
            *arguments,
        ):
            options.add_argument(argument)
        # With the driver's path selenium looks for none, and downloads none.
        self.driver = Chrome(options, ChromeService(DRIVER))

    def close(self) -> None:
        self.driver.quit()

    # ---------------------------------------------------------------------------------------------------- looking
    def open(self, address: str) -> None:
        self.driver.get(address)

    def run(self, script: str, *arguments: Any) -> Any:
        """What the JavaScript returns; a promise is waited for. Its arguments are `arguments[0]`, ..."""
        return self.driver.execute_script(script, *arguments)

    def wait_until(self, script: str, *arguments: Any) -> Any:
        """Runs the JavaScript until it returns something true, and returns that."""
        wait = WebDriverWait(self.driver, PATIENCE, poll_frequency=0.02)
        return wait.until(lambda _: self.run(script, *arguments), f"waited in vain for {script}")

    def text(self, selector: str) -> str:
        return self.run("return document.querySelector(arguments[0]).textContent", selector)

    def complaints(self) -> list[str]:
        """What the browser's console has got since it was last asked: errors, and what a policy forbade. Advice on how
        to draw faster is left out: the tests themselves read back what is drawn."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["source"] != "rendering"]

    def resize(self, width: int, height: int, dark: bool = False, calm: bool = False) -> None:
        """As on a screen of this size, narrower than a browser's window can be made, of somebody who likes it dark, or
        no movement."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        motion = {"name": "prefers-reduced-motion", "value": "reduce" if calm else "no-preference"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme, motion]})

    def screenshot(self, path: Path, whole: bool = True) -> None:
        """For whoever writes a test and wants to see. whole: also what one would have to scroll to."""
        answer = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": whole})
        path.write_bytes(base64.b64decode(answer["data"]))

    # ----------------------------------------------------------------------------------------------------- acting
    def find(self, selector: str) -> WebElement:
        return self.driver.find_element("css selector", selector)

    def click(self, selector: str) -> None:
        self.find(selector).click()

    def type(self, selector: str, text: str) -> None:
        self.find(selector).send_keys(text)

    def press(self, *keys: str) -> None:
        """Keys one after the other, to what has the focus."""
        actions = ActionBuilder(self.driver)
        actions.key_action.send_keys(keys)
        actions.perform()

    def drag(self, points: list[tuple[float, float]], kind: str = "mouse") -> None:
        """Press at the first of these places in the window, go to the others, let go. kind: mouse, pen or touch."""
        actions = ActionBuilder(self.driver, mouse=PointerInput(kind, kind), duration=0)
        for number, (x, y) in enumerate(points):
            actions.pointer_action.move_to_location(round(x), round(y))
            if number == 0:
                actions.pointer_action.pointer_down()
        actions.pointer_action.pointer_up()
        actions.perform()

"""The pictures that were drawn, on one page that a browser shows beside the terminal."""

from __future__ import annotations

import html
import os
import sys
import webbrowser
from pathlib import Path

STYLE = "body{font:16px system-ui,sans-serif;margin:1rem;background:#fff;color:#222}img{max-width:100%}"
IN_THE_TERMINAL = {"www-browser", "lynx", "links", "elinks", "w3m"}  # browsers that would take the terminal away
PATIENCE = 2  # seconds until the page looks whether there is a new picture


class Album:
    """A page in the folder of the pictures, the newest first. It shows itself anew while the session lasts."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "pictures.html"
        self._shown: list[tuple[str, list[Path]]] = []

    def add(self, title: str, pictures: list[Path]) -> None:
        self._shown.insert(0, (title, pictures))
        self.write(going_on=True)

    def write(self, going_on: bool) -> None:
        again = f'<meta http-equiv="refresh" content="{PATIENCE}">' if going_on else ""
        body = "".join(
            f"<h2>{html.escape(title)}</h2>" + "".join(f'<img src="{html.escape(path.name)}">' for path in pictures)
            for title, pictures in self._shown
        )
        page = f'<!doctype html><meta charset="utf-8">{again}<title>step by step</title><style>{STYLE}</style>{body}'
        self.path.write_text(page + "\n", encoding="utf-8")

    def open(self) -> bool:
        """Show it in the browser, and whether that worked."""
        return webbrowser.open(self.path.resolve().as_uri())


def can_open() -> bool:
    """Whether there is a display in front of somebody, and a browser on it."""
    if os.environ.get("CI") or (os.environ.get("SSH_CONNECTION") and not os.environ.get("DISPLAY")):
        return False
    if sys.platform not in ("win32", "darwin") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    try:
        return getattr(webbrowser.get(), "name", "") not in IN_THE_TERMINAL
    except webbrowser.Error:
        return False

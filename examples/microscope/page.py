"""The microscope as one self-contained page of HTML: the files in static/ and the data in it.

The page loads nothing from anywhere. Its JavaScript is one script, made of the modules by leaving out what imports and
exports say, so that it also runs from a file, where browsers load no modules. A policy in the page allows exactly that
script and that style, by their hashes: should a name of a class or a file ever end up as markup, it could do nothing.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from graphlib import TopologicalSorter
from pathlib import Path

FOLDER = Path(__file__).with_name("static")
IMPORT = re.compile(r'^import [^;]*? from "\./(\w+)\.js";\n', re.MULTILINE)


def page(data: dict, served: bool = False) -> str:
    """The page that shows `data`: {"networks": [`describe`, ...], "source", "target"}, see static/page.js.

    served: whether it may ask the server that it comes from.
    """
    script, style = joined_script(), joined_style()
    policy = "; ".join(
        [
            "default-src 'none'",
            f"script-src '{_hash(script)}'",
            f"style-src '{_hash(style)}'",
            *(["connect-src 'self'"] if served else []),
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    parts = {
        "CONTENT SECURITY POLICY": policy,
        "STYLE": style,
        # In HTML a script ends at "</script" and hides its end behind "<!--", whatever it is made of.
        "DATA": json.dumps(data, separators=(",", ":")).replace("<", "\\u003c"),
        "SCRIPT": script,
    }
    # In one go: what is put in is not searched again.
    return re.sub("|".join(parts), lambda found: parts[found[0]], _read("page.html"))


def joined_script() -> str:
    """All modules as one script, each after those that it imports: what is used while the script is loaded is there."""
    texts = {path.stem: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.js"))}
    order = TopologicalSorter({name: IMPORT.findall(text) for name, text in texts.items()}).static_order()
    return "\n" + "\n".join(re.sub(r"^export ", "", IMPORT.sub("", texts[name]), flags=re.MULTILINE) for name in order)


def joined_style() -> str:
    """page.css, which holds the colours and the layout, and after it the style of each part of the page."""
    paths = sorted(FOLDER.glob("*.css"), key=lambda path: (path.name != "page.css", path.name))
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")

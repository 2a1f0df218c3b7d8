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
COMMENT = re.compile(r"^ *(/\*.*?\*/|//.*?)\n", re.MULTILINE | re.DOTALL)
IMPORT = re.compile(r'^import [^;]*? from "\./(\w+)\.js";\n', re.MULTILINE)


def page(data: dict, served: bool = False) -> str:
    """The page that shows `data`: {"networks": [`describe`, ...], "source", "target", "training"}, see static/page.js.

    training: `data.training_data`, for a network that learns in the page; {"watched": True}, for those that learn in
    the program that serves it; else None. served: whether it may ask the server that it comes from.
    """
    script, style = joined_script("page"), joined_style()
    learns = "variants" in (data.get("training") or {})
    policy = "; ".join(
        [
            "default-src 'none'",
            f"script-src '{_hash(script)}'",
            f"style-src '{_hash(style)}'",
            *(["worker-src blob:"] if learns else []),  # which the page makes of the worker's script in it
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
        "WORKER": joined_script("worker") if learns else "",
    }
    # In one go: what is put in is not searched again.
    return re.sub("|".join(parts), lambda found: parts[found[0]], _read("page.html"))


def joined_script(entry: str) -> str:
    """A module and all that it imports as one script, each after those that it imports: what is used while the script
    is loaded is there. Without comments and indentation, which are a third of it."""
    texts, imported, missing = {}, {}, [entry]
    while missing:
        name = missing.pop()
        texts[name] = _read(f"{name}.js")
        imported[name] = sorted(IMPORT.findall(texts[name]))
        missing += [other for other in imported[name] if other not in texts and other not in missing]
    order = TopologicalSorter(dict(sorted(imported.items()))).static_order()
    return "\n" + "".join(bare(texts[name]) for name in order)


def bare(text: str) -> str:
    """A module's text without imports, the word export, lines that are comments, and indentation."""
    return re.sub(r"^(export )? *", "", COMMENT.sub("", IMPORT.sub("", text)), flags=re.MULTILINE)


def joined_style() -> str:
    """page.css, which holds the colours and the layout, and after it the style of each part of the page."""
    paths = sorted(FOLDER.glob("*.css"), key=lambda path: (path.name != "page.css", path.name))
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")

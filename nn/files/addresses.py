"""An address on the internet, given where a file is expected."""

from __future__ import annotations

import re
from pathlib import Path


def refuse_address(path: str | Path) -> None:
    """Raise ValueError where `path`, of which there is no such file, is an address; `Path` makes "https:/x" of
    "https://x"."""
    found = re.fullmatch(r"(https?|s?ftp|file):[/\\]+(.+)", str(path), re.IGNORECASE | re.DOTALL)
    if found is None:
        return
    scheme, rest = found[1].lower(), found[2].replace("\\", "/")
    if scheme == "file":
        raise ValueError(f"file:///{rest} is an address, expected a file: name it without file://")
    raise ValueError(
        f"{scheme}://{rest} is an address, expected a file on this machine: download it first, then name the file"
    )

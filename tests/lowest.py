"""The lowest versions that setup.cfg promises to work with, for pip: numpy==1.26 numba==0.59 ...

python -m tests.lowest          what the project needs
python -m tests.lowest test     and what the extra "test" needs
"""

from __future__ import annotations

import configparser
import re
import sys
from collections.abc import Iterable
from pathlib import Path

SETUP = Path(__file__).resolve().parent.parent / "setup.cfg"


def lowest(extras: Iterable[str] = (), setup: Path = SETUP) -> list[str]:
    """A pin for each requirement, in their order; ValueError for one that names no lowest version."""
    parser = configparser.ConfigParser()
    parser.read_string(setup.read_text(encoding="utf-8"))
    lists = [parser["options"]["install_requires"], *(parser["options.extras_require"][extra] for extra in extras)]
    pins = []
    for requirement in (line for lines in lists for line in lines.split("\n") if line.strip()):
        found = re.fullmatch(r"\s*([A-Za-z0-9._-]+)(?:\[[a-z,]+\])?\s*(?:>=|==)\s*([0-9.]+)\s*", requirement)
        if not found:
            raise ValueError(f"setup.cfg: {requirement.strip()!r} has no lowest version, expected such as numpy>=1.26")
        pins.append("==".join(found.groups()))
    return list(dict.fromkeys(pins))


if __name__ == "__main__":
    print(*lowest(sys.argv[1:]))

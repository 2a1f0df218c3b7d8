"""The tables in README.md and docs/: programs write them, and this puts them where a page has a place for one.

    cp runs/compare/table.txt docs/tables/compare.txt      # after a run that shall be shown
    python -m tests.documents

A place is what stands between `<!-- table: NAME -->` and `<!-- end -->`; `tests/test_documents.py` fails where it holds
anything but docs/tables/NAME.txt.
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = (
    "README.md",
    "examples/RESULTS.md",
    "examples/check/README.md",
    "docs/book/index.md",
    "docs/course/README.md",
    *sorted(f"docs/{path.name}" for path in ROOT.glob("docs/*.md")),
)
PLACE = re.compile(r"<!-- table: (\w+) -->\n.*?<!-- end -->", re.DOTALL)


def filled(page: str) -> str:
    """The page with every table as docs/tables/ has it."""

    def table(place: re.Match) -> str:
        text = (ROOT / "docs" / "tables" / f"{place[1]}.txt").read_text(encoding="utf-8")
        return f"<!-- table: {place[1]} -->\n```\n{text.rstrip()}\n```\n<!-- end -->"

    return PLACE.sub(table, page)


def main() -> None:
    for name in PAGES:
        path = ROOT / name
        page = path.read_text(encoding="utf-8")
        if filled(page) != page:
            path.write_text(filled(page), encoding="utf-8")
            print(f"{name} has other tables now.")


if __name__ == "__main__":
    main()

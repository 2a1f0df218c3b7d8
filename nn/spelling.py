"""What somebody may have meant who misspelt a name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """ "; did you mean this?", to be put behind a sentence; nothing where no known word is like it."""
    by_lower = {name.lower(): name for name in known}
    alike = difflib.get_close_matches(word.lower(), by_lower, 1)
    return f"; did you mean {by_lower[alike[0]]}?" if alike else ""

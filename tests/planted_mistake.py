"""A mistake to plant in one file of the project, for `python -m tests.planted`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Mistake:
    """A piece of source, what stands there instead, and the tests that should notice.

    Mistake("nn/plots/kernels.py", "weights[..., index]", "weights[..., 0]", ("nn/plots/test_plots.py",))
    """

    file: str  # from the project's folder
    line: str  # occurs exactly once in the file; of one line or several
    instead: str
    tests: tuple[str, ...]  # files in tests/

    def __str__(self) -> str:
        before, after = (" ".join(text.split()) for text in (self.line, self.instead))
        return f"{self.file}: {before}  ->  {after}"

    def source(self, root: Path = ROOT) -> str:
        """The whole file with the mistake in it. ValueError if the list does not fit the project any more."""
        text = (root / self.file).read_text(encoding="utf-8")
        if (found := text.count(self.line)) != 1:
            raise ValueError(
                f"{self.file}: {self.line!r} is there {found} times, expected exactly once; mend this entry of the list"
            )
        for test in self.tests:
            if not (root / "tests" / test).is_file():
                raise ValueError(f"{self}: there is no tests/{test}; mend this entry of the list")
        planted = text.replace(self.line, self.instead)
        if self.file.endswith(".py"):
            compile(planted, self.file, "exec")
        return planted

"""What the course's plan says of each lesson: its number, title, minutes, and what it needs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

LESSONS = Path(__file__).resolve().parents[2] / "examples" / "lessons"

# So many words of explanation and so many lines of code are read in a minute by who thinks along.
WORDS_A_MINUTE = 120
LINES_A_MINUTE = 12

# Which lessons must have been taken before, beside what these need themselves; an appendix by its name.
NEEDS = {
    0: (),
    1: (0,),
    2: (1,),
    3: (2,),
    4: (1,),
    5: (4,),
    6: (2, 5),
    7: (2, 4),
    8: (2,),
    9: (2,),
    10: (3, 6, 7, 8, 9),
    11: (10,),
    12: (10,),
    13: (10,),
    14: (12,),
    15: (13,),
    16: (14, 15),
    17: (16,),
    18: (17,),
    19: (18,),
    20: (18,),
    "appendix_it_does_not_learn": (12,),
    "appendix_silent_bugs": (15,),
}
PARTS = {
    "How a network learns": (0, 3),
    "Convolution": (4, 7),
    "LeNet": (8, 13),
    "AlexNet": (14, 20),
}


@dataclass(frozen=True)
class Lesson:
    """number: None for an appendix. title: without "Lesson 4: ". name: the file's, without .py."""

    name: str
    number: int | None
    title: str
    minutes: int

    @property
    def needs(self) -> tuple[int, ...]:
        return NEEDS[self.name if self.number is None else self.number]


def answers(name: str) -> str:
    """The name of the file with the answers to a lesson's exercises: lesson_04_convolution has solution_04, an appendix
    solution_ and its own name."""
    number = re.match(r"lesson_(\d+)", name)
    return f"solution_{number[1] if number else name}"


def lessons(folder: Path = LESSONS) -> list[Lesson]:
    """All lessons in their order, the appendices last."""
    paths = [*sorted(folder.glob("lesson_*.py")), *sorted(folder.glob("appendix*.py"))]
    return [_lesson(path) for path in paths]


def _lesson(path: Path) -> Lesson:
    found = re.search(r"^# # (?:Lesson \d+: |Appendix: )?(.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    title = found[1] if found else path.stem
    number = re.match(r"lesson_(\d+)", path.stem)
    return Lesson(path.stem, int(number[1]) if number else None, title[0].upper() + title[1:], reading_minutes(path))


def reading_minutes(path: Path) -> int:
    """How long a lesson takes to read: its words and its lines of code. What is optional does not count, nor do the
    exercises, which take as long as they take."""
    words = lines = 0
    heading = ""
    for is_markdown, text in cells(path):
        for line in text.splitlines():
            if is_markdown and line.startswith("## "):
                heading = line
            if heading.startswith(("## Optional:", "## Exercises")):
                continue
            words += len(line.split()) if is_markdown else 0
            lines += bool(line.strip()) and not is_markdown
    return round(words / WORDS_A_MINUTE + lines / LINES_A_MINUTE)


def cells(path: Path) -> list[tuple[bool, str]]:
    """The cells of a `# %%` script: whether one is Markdown, and its text without the comment signs."""
    found = []
    for part in re.split(r"^# %%", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        kind, _, text = part.partition("\n")
        if "[markdown]" in kind:
            text = re.sub(r"^# ?", "", text, flags=re.MULTILINE)
        found.append(("[markdown]" in kind, text.strip("\n")))
    return found

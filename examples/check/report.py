"""What has been found about all functions of an exercise, as a text and as a row of a table."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field

from threadpoolctl import threadpool_limits

from examples.check.judging import Exercise, Finding

WIDTH = 100


@dataclass
class Report:
    """parts: the names of the functions that were judged together, and what was found. trouble: why nothing was."""

    parts: list[tuple[str, list[Finding]]] = field(default_factory=list)
    trouble: Finding | None = None
    printed: str = ""  # what the student's file has printed

    @property
    def right(self) -> bool:
        return self.trouble is None and all(finding.right for _, findings in self.parts for finding in findings)

    @property
    def score(self) -> tuple[int, int]:
        """How many of the parts are right, and how many there are."""
        return sum(all(finding.right for finding in findings) for _, findings in self.parts), len(self.parts)

    @property
    def first_wrong(self) -> tuple[str, Finding] | None:
        if self.trouble:
            return "", self.trouble
        wrong = [(names, finding) for names, findings in self.parts for finding in findings if not finding.right]
        return wrong[0] if wrong else None

    def text(self) -> str:
        lines = []
        if self.printed:
            lines += ["Your file has printed:", *(f"  | {line}" for line in self.printed.splitlines()), ""]
        if self.trouble:
            return "\n".join([*lines, *_told(self.trouble)])
        for names, findings in self.parts:
            lines += [names, *(line for finding in findings for line in _told(finding)), ""]
        done, all_ = self.score
        lines.append("All of it is right." if self.right else f"{done} of {all_} right; the rest is not yet.")
        return "\n".join(lines)

    def to_json(self) -> dict:
        return asdict(self)

    @classmethod
    def from_json(cls, saved: dict) -> Report:
        parts = [(names, [Finding(**finding) for finding in findings]) for names, findings in saved["parts"]]
        return cls(parts, Finding(**saved["trouble"]) if saved["trouble"] else None, saved["printed"])


def _told(finding: Finding) -> list[str]:
    lines = _wrapped("right  " if finding.right else "WRONG  ", finding.text)
    return lines + (_wrapped("Hint:  ", finding.hint) if finding.hint else [])


def _wrapped(first: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=f"  {first}",
        subsequent_indent=" " * 9,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _of_another_exercise(names: Iterable[str]) -> str:
    """A hint where one of the names is that of a function that another exercise asks for."""
    from examples.check.exercises import EXERCISES  # here: they are made of what is judged

    for number, exercise in EXERCISES.items():
        for name in names:
            if number.isdecimal() and name in exercise.names:
                return f"There is {name}, which exercise {number} asks for: is this the right number?"
    return ""


def judge_functions(exercise: Exercise, functions: Mapping[str, Callable]) -> Report:
    """Judge what is there, by name; what is missing is wrong, and one sentence says so."""
    report = Report()
    for part in exercise.parts:
        missing = [name for name in part.names if not callable(functions.get(name))]
        if missing:
            from nn.spelling import did_you_mean  # here: importing nn takes most of a second, for each file

            others = [name for name, value in functions.items() if callable(value) and name not in exercise.names]
            meant = did_you_mean(missing[0], others).removeprefix("; ").replace("did", "Did", 1)
            hint = meant or _of_another_exercise(others)
            findings = [Finding(False, f"there is no function {missing[0]}", hint)]
        else:
            with threadpool_limits(1):  # several threads only wait for each other on products as small as these
                findings = part.judge(*(functions[name] for name in part.names))
        report.parts.append((", ".join(part.names), findings))
    return report

"""Check an answer from Python, or from a notebook."""

from __future__ import annotations

from collections.abc import Callable

from examples.check.exercises import EXERCISES
from examples.check.judging import Exercise
from examples.check.report import judge_functions


def check(exercise: int | str, *functions: Callable, **named: Callable) -> bool:
    """Say what is right and what is wrong with functions, and return whether all of it is right.

        check(6, convolution_backward)
        check(7, max_pool, max_pool_backward)
        check(7, max_pool=my_first, max_pool_backward=my_second)

    Functions are told apart by their names; where an exercise asks for a single one, it may have any name.
    Raises ValueError for an exercise or a name that there is not.
    """
    _, asked = find_exercise(str(exercise))
    single = len(asked.names) == 1 and len(functions) == 1
    given = {asked.names[0] if single else getattr(f, "__name__", ""): f for f in functions} | named
    for name in given:
        if name not in asked.names:
            from nn.spelling import did_you_mean  # here: importing nn takes most of a second

            hint = did_you_mean(name, asked.names)
            raise ValueError(f"exercise {exercise} asks for {' and '.join(asked.names)}, got {name!r}{hint}")
    report = judge_functions(asked, given)
    print(report.text())
    return report.right


def find_exercise(text: str) -> tuple[str, Exercise]:
    """The name of an exercise ("6" for "06", "blind1" for "blind_1"), and the exercise."""
    name = text.strip().lower().replace("_", "")
    name = str(int(name)) if name.isdecimal() else name
    if name not in EXERCISES:
        from nn.spelling import did_you_mean

        hint = "" if name.isdecimal() else did_you_mean(name, EXERCISES)
        hint = hint or ", expected 0 to 20 or blind1 to blind5"
        raise ValueError(f"there is no exercise {text!r}{hint}")
    return name, EXERCISES[name]

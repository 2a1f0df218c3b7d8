"""Right answers are accepted, wrong ones are found and get the right hint."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest

import examples.check
from examples.check.checker import find_exercise
from examples.check.exercises import EXERCISES
from examples.check.program import skeleton
from examples.check.report import judge_functions
from tests.examples.check import right_answers
from tests.examples.check.right_answers import MENDED
from tests.examples.check.wrong_answers import WRONG

SOLUTIONS = Path(examples.check.__file__).parent / "solutions"


def solution(name: str) -> str:
    return (SOLUTIONS / skeleton(name).name).read_text(encoding="utf-8")


def judged(name: str, source: str):
    functions = {"np": np, "__name__": "handed_in"}
    exec(compile(source, f"answer to {name}", "exec"), functions)
    return judge_functions(find_exercise(name)[1], functions)


def replaced(name: str, old: str, new: str) -> str:
    source = solution(name)
    assert old in source, f"the solution of {name} has no {old!r} any more"
    return source.replace(old, new) if old else f"{source}\n\n{new}"


@pytest.mark.parametrize("name", EXERCISES)
def test_the_model_solution_is_right(name):
    report = judged(name, solution(name))
    assert report.right, report.text()
    assert "is right" in report.text() or "right  " in report.text()


@pytest.mark.parametrize("name", [name for name in EXERCISES if name.isdecimal()])
def test_another_right_answer_is_accepted(name):
    report = judge_functions(EXERCISES[name], {f: getattr(right_answers, f) for f in EXERCISES[name].names})
    assert report.right, report.text()


@pytest.mark.parametrize("name", [name for name in EXERCISES if name.isdecimal()])
def test_the_checkers_own_loops_are_accepted(name):
    for part in EXERCISES[name].parts:
        if part.reference:
            assert all(finding.right for finding in part.judge(part.reference))


@pytest.mark.parametrize("case", MENDED, ids=[case[0] for case in MENDED])
def test_a_bug_may_be_mended_otherwise(case):
    report = judged(case[0], replaced(*case))
    assert report.right, report.text()


@pytest.mark.parametrize("case", WRONG, ids=[f"{name} {new[:40]!r}" for name, _, new, _ in WRONG])
def test_a_wrong_answer_is_found_and_gets_its_hint(case):
    *planted, said = case
    report = judged(planted[0], replaced(*planted))
    assert not report.right
    assert said and said in " ".join(report.text().split())


def test_there_are_enough_wrong_answers():
    assert len(WRONG) >= 120
    for name in EXERCISES:
        assert sum(case[0] == name for case in WRONG) >= (1 if name.startswith("blind") else 3), name


@pytest.mark.parametrize("name", [name for name in EXERCISES if name.isdecimal()])
def test_every_known_mistake_is_wrong_and_gets_its_own_hint(name):
    """And none hides another: numbers that two mistakes have in common say nothing about which it is."""
    for part in EXERCISES[name].parts:
        for mistake, hint in part.mistakes:
            findings = part.judge(mistake)
            assert hint in [finding.hint for finding in findings if not finding.right], (part.names, findings)


@pytest.mark.parametrize("name", EXERCISES)
def test_a_skeleton_is_wrong_in_a_sentence(name):
    report = judged(name, skeleton(name).read_text(encoding="utf-8"))
    done, parts = report.score
    assert not report.right and done == 0 and parts == len(EXERCISES[name].parts)
    if name.isdecimal():
        assert report.text().count("it is not written yet") == parts


@pytest.mark.parametrize("name", EXERCISES)
def test_a_skeleton_has_the_functions_that_are_asked_for(name):
    module = importlib.import_module(f"examples.check.skeletons.{skeleton(name).stem}")
    assert all(callable(getattr(module, function)) for function in EXERCISES[name].names)
    assert f"lenet check {name} THIS_FILE" in module.__doc__
    if name.isdecimal():
        assert all(getattr(module, function).__doc__ for function in EXERCISES[name].names)


def test_nothing_needs_the_solutions():
    project = SOLUTIONS.parents[2]
    for folder in ("nn", "layers", "models", "examples"):
        for path in (project / folder).rglob("*.py"):
            if SOLUTIONS not in path.parents:
                assert "check.solutions" not in path.read_text(encoding="utf-8"), path

"""Every program against mistakes on its command line: one sentence on stderr, exit status 2, and nothing written."""

import pytest

from examples.__main__ import PROGRAMS
from tests import invocations
from tests.invocations import CASES, program_called


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    with invocations.place(tmp_path_factory.mktemp("bad") / "files") as paths:
        yield paths


def test_there_are_enough():
    assert len(CASES) >= 180
    assert {program.partition(".")[0] for program, _, _ in CASES} == set(PROGRAMS)


@pytest.mark.parametrize("case", CASES, ids=[f"{program} {' '.join(arguments)}" for program, arguments, _ in CASES])
def test_one_sentence_status_2_and_nothing_written(place, tmp_path, capsys, monkeypatch, case):
    if invocations.needless(case):
        pytest.skip("root may write everywhere")
    program, arguments, _ = case
    main = program_called(program).main
    monkeypatch.chdir(tmp_path)
    before = invocations.everything(place["digits"].parent)
    with pytest.raises(SystemExit) as exit_:
        main([argument.format(**place) for argument in arguments])
    invocations.check(case, exit_.value.code, *capsys.readouterr(), tmp_path)
    assert invocations.everything(place["digits"].parent) == before


@pytest.mark.slow
@pytest.mark.parametrize("program", sorted({program for program, _, _ in CASES}))
def test_as_somebody_would_type_it(place, tmp_path, program):
    """One of each program's cases as a process of its own."""
    case = next(case for case in CASES if case[0] == program)
    assert invocations.typed(case, place, tmp_path) == ""

"""Damaged files of every format load, or are refused in one sentence, in bounded time and memory."""

import pytest

from tests import fuzz


@pytest.mark.slow
def test_five_hundred_damaged_files():
    counts, wrong = fuzz.run(500)
    assert not wrong, "\n".join(wrong)
    assert sum(count.total() for count in counts.values()) == 500
    for name, count in counts.items():
        assert count["loaded"] or count["refused"], name


def test_undamaged_files_load(tmp_path):
    for name, (make, _, _) in fuzz.FORMATS.items():
        (tmp_path / "file").write_bytes(make())
        assert fuzz.judge(name, tmp_path / "file") == "loaded", name


def test_the_judge_judges(monkeypatch, tmp_path):
    def judged(read):
        monkeypatch.setitem(fuzz.FORMATS, "png", (None, read, ""))
        (tmp_path / "file").write_bytes(b"x")
        return fuzz.judge("png", tmp_path / "file")

    def fail(error):
        raise error

    assert judged(lambda path: None) == "loaded"
    assert judged(lambda path: fail(ValueError("no good"))) == "refused"
    assert "not one sentence" in judged(lambda path: fail(ValueError("no good.\nAt all")))
    assert "not one sentence" in judged(lambda path: fail(ValueError("")))
    assert "KeyError" in judged(lambda path: fail(KeyError("x")))
    assert "MemoryError" in judged(lambda path: fail(MemoryError()))
    monkeypatch.setattr(fuzz, "MOST_SECONDS", 0.05)
    assert "took" in judged(lambda path: sum(range(10_000_000)))


def test_a_worker_that_hangs_or_dies_is_found(monkeypatch):
    monkeypatch.setattr(fuzz, "PATIENCE", 0.01)  # no worker has started by then
    worker = fuzz.Worker()
    assert "hung or died" in worker.ask("png", 0)
    worker.close()

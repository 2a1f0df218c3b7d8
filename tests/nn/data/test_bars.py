"""What is printed of long work where stderr is no terminal, by a clock that the test moves; in a terminal, a bar."""

import sys

import numpy as np
import pytest
from tqdm import tqdm

from nn.data import bars
from nn.data.bars import EVERY, Lines, bar
from nn.training.history import Epoch, History
from nn.training.progress import Progress


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(bars, "monotonic", clock)
    return clock


def said(capsys):
    out, err = capsys.readouterr()
    assert out == ""
    return err.splitlines()


def test_a_line_every_ten_seconds_at_most(capsys):
    clock = Clock()
    with Lines(total=600, desc="crops", unit="img", clock=clock) as lines:
        for _ in range(100):
            clock.now += 0.55
            lines.update(6)
    # The first update that is 10 s after the last line: after 19, 38, ... of 0.55 s.
    assert said(capsys) == [
        "crops: 114 of 600 img, 19%, 10 s, about 45 s left",
        "crops: 228 of 600 img, 38%, 21 s, about 34 s left",
        "crops: 342 of 600 img, 57%, 31 s, about 24 s left",
        "crops: 456 of 600 img, 76%, 42 s, about 13 s left",
        "crops: 570 of 600 img, 95%, 52 s, about 3 s left",
    ]


def test_work_that_takes_no_time_says_nothing(capsys):
    clock = Clock()
    lines = Lines(range(1000), desc="quick", clock=clock)
    for number in lines:
        clock.now = 1000 + number * (EVERY - 1) / 1000
    assert lines.n == 1000 and said(capsys) == []


def test_what_is_gone_through_is_what_was_given(capsys, clock):
    found = []
    for item in bar(iter("abc"), desc="letters", unit="letter"):
        found.append(item)
        clock.now += 10
    assert found == ["a", "b", "c"]
    assert said(capsys) == [f"letters: {n} letter, {10 * n} s" for n in (1, 2, 3)]


def test_what_an_earlier_call_did_is_not_counted_as_quick(capsys, clock):
    lines = bar(total=100, initial=60, desc="resumed", unit="img")
    clock.now += 20
    lines.set_postfix_str("loss 0.5")
    lines.update(10)
    assert said(capsys) == ["resumed: 70 of 100 img, 70%, 20 s, about 60 s left, loss 0.5"]


def test_a_bar_in_a_terminal_and_nothing_where_none_is_wanted(monkeypatch, capsys, clock):
    hidden = bar(range(3), False, desc="hidden")
    for _ in hidden:
        clock.now += 100
    assert hidden.disable and said(capsys) == []
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with bar(range(3), desc="shown", unit="img") as shown:
        assert type(shown) is tqdm and not shown.disable
    assert "shown:   0%" in capsys.readouterr().err


def test_a_long_epoch_of_a_training_run_says_how_far_it_is(capsys, clock):
    epoch = Epoch()
    epoch.seen, epoch.right, epoch.loss_sum = 200, 150, 100.0
    with Progress("LeNet", 2, 1000, 0, True) as progress:
        for _ in range(2):
            clock.now += 15
            progress.after_step(epoch, 100)
        progress.after_epoch(history_of_one_epoch())
    assert said(capsys) == [
        "LeNet: 100 of 1,000 img, 10%, 15 s, about 135 s left, loss 0.500, accuracy 75.0%",
        "LeNet: 200 of 1,000 img, 20%, 30 s, about 120 s left, loss 0.500, accuracy 75.0%",
        "LeNet epoch 1/2: loss 0.5000, accuracy 75.00%, 10 images/s, 30.0 s",
    ]


def test_a_training_run_that_shall_say_nothing(capsys, clock):
    epoch = Epoch()
    epoch.seen, epoch.right, epoch.loss_sum = 200, 150, 100.0
    with Progress("LeNet", 2, 1000, 0, False) as progress:
        clock.now += 100
        progress.after_step(epoch, 100)
        progress.after_epoch(history_of_one_epoch())
    assert said(capsys) == []


def history_of_one_epoch():
    row = {"epoch": 1, "train_loss": 0.5, "train_accuracy": 0.75, "test_accuracy": np.nan}
    return History(epochs=[row | {"images_per_second": 10.0, "seconds": 30.0}])

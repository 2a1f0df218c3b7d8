"""Learning-rate schedules: their values, what happens exactly at the edges, and the plateau's memory."""

import math

import pytest

from nn.training.schedules import Plateau, constant, one_cycle, stairs, steps
from tests.checks import one_sentence


def test_constant():
    assert [constant(0.3)(fraction) for fraction in (0.0, 0.5, 1.0)] == [0.3] * 3


@pytest.mark.parametrize("peak, warm_up, start", [(0.5, 0.3, 0.04), (1.0, 0.5, 0.1), (0.03, 0.1, 0.0)])
def test_one_cycle(peak, warm_up, start):
    rate = one_cycle(peak, warm_up, start)
    assert rate(0.0) == pytest.approx(start * peak)
    assert rate(warm_up / 2) == pytest.approx(peak * (start + 1) / 2)
    assert rate(warm_up) == pytest.approx(peak)
    assert rate(warm_up - 1e-12) == pytest.approx(peak), "no jump at the top"
    middle = warm_up + (1 - warm_up) / 2
    assert rate(middle) == pytest.approx(peak / 2)
    third = warm_up + (1 - warm_up) / 3
    assert rate(third) == pytest.approx(peak * 0.5 * (1 + math.cos(math.pi / 3)))
    assert rate(1.0) == pytest.approx(0, abs=1e-12)
    values = [rate(i / 1000) for i in range(1001)]
    top = values.index(max(values))
    assert top == round(1000 * warm_up)
    assert values[: top + 1] == sorted(values[: top + 1])
    assert values[top:] == sorted(values[top:], reverse=True)
    assert min(values) >= 0


@pytest.mark.parametrize("warm_up", [0.0, 1.0])
def test_one_cycle_of_only_one_half(warm_up):
    rate = one_cycle(0.5, warm_up=warm_up)
    assert rate(0.5) == pytest.approx(0.25 if warm_up == 0 else 0.5 * (0.04 + 0.96 / 2))


def test_steps():
    rate = steps(0.01, [0.5, 0.75])
    for fraction, expected in ((0, 0.01), (0.4999, 0.01), (0.5, 1e-3), (0.7499, 1e-3), (0.75, 1e-4), (1.0, 1e-4)):
        assert rate(fraction) == pytest.approx(expected), fraction
    halves = steps(8.0, [0.25, 0.5, 0.9], factor=0.5)
    assert [halves(fraction) for fraction in (0.2, 0.3, 0.6, 0.95)] == [8, 4, 2, 1]
    assert steps(0.1, [])(1.0) == 0.1
    assert steps(0.1, [0.75, 0.5])(0.6) == pytest.approx(0.01), "in any order"


@pytest.mark.parametrize("drops", [[0], [1], [0.5, 1.5], [-0.1], [math.nan]])
def test_bad_steps(drops):
    with one_sentence(ValueError, "steps", "drops", "between 0 and 1"):
        steps(0.1, drops)


@pytest.mark.parametrize("epochs", [[11, 2, 1], [120, 10, 10], [1], [1, 1, 1], [3, 4], [7, 1, 49], [1, 89]], ids=str)
@pytest.mark.parametrize("steps_per_epoch", [1, 2, 3, 7, 313, 352, 391, 1563])
def test_stairs_change_exactly_between_two_epochs(epochs, steps_per_epoch):
    rates = [10.0**-i for i in range(len(epochs))]
    schedule = stairs(rates, epochs)
    expected = [rate for rate, count in zip(rates, epochs) for _ in range(count)]
    total = sum(epochs) * steps_per_epoch
    for epoch, rate in enumerate(expected):
        # The training loop asks once for each step; the first and the last of an epoch are where it could go wrong.
        for step in {0, 1, steps_per_epoch // 2, steps_per_epoch - 2, steps_per_epoch - 1}:
            if 0 <= step < steps_per_epoch:
                assert schedule((epoch * steps_per_epoch + step) / total) == rate, (epoch, step)
    assert schedule(1.0) == rates[-1]


@pytest.mark.parametrize(
    "rates, epochs", [([], []), ([1.0], [1, 2]), ([1.0, 0.1], [3]), ([1.0, 0.1], [3, 0]), ([1], [-2])]
)
def test_bad_stairs(rates, epochs):
    with one_sentence(ValueError, "stairs", len(rates), "rates", "at least 1"):
        stairs(rates, epochs)


def test_plateau_waits_for_patience_epochs_without_a_new_lowest_error():
    plateau = Plateau(1.0, factor=0.1, patience=3, drops=3)
    errors = [0.5, 0.4, 0.4, 0.45, 0.39, 0.39, 0.4, 0.5, 0.6, 0.39, 0.5, 0.38]
    #          low  low   1     2    low    1    2    3->   1     2    3->  low
    expected = [1, 1, 1, 1, 1, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01]
    assert [plateau.after_epoch(error) for error in errors] == pytest.approx(expected)
    assert plateau.rate == pytest.approx(0.01)


def test_plateau_ends_after_its_drops():
    plateau = Plateau(8.0, factor=0.5, patience=1, drops=2)
    assert [plateau.after_epoch(1.0) for _ in range(6)] == [8, 4, 2, 2, 2, 2]
    assert [Plateau(8.0, patience=1, drops=0).after_epoch(error) for error in (1.0, 2.0, 3.0)] == [8, 8, 8]


def test_plateau_by_default_divides_by_ten_three_times():
    plateau = Plateau(0.01)
    rates = [plateau.after_epoch(1.0) for _ in range(30)]
    assert sorted({round(rate, 9) for rate in rates}, reverse=True) == [0.01, 0.001, 0.0001, 0.00001]


def test_plateau_takes_an_error_that_is_no_number_for_no_progress():
    plateau = Plateau(1.0, patience=2)
    assert [plateau.after_epoch(error) for error in (0.5, math.nan, math.nan, 0.4)] == pytest.approx([1, 1, 0.1, 0.1])


@pytest.mark.parametrize(
    "arguments",
    [
        {"rate": 0},
        {"rate": -1.0},
        {"rate": math.nan},
        {"rate": 1, "factor": 0},
        {"rate": 1, "factor": 1},
        {"rate": 1, "factor": 2.0},
        {"rate": 1, "patience": 0},
        {"rate": 1, "drops": -1},
    ],
    ids=str,
)
def test_bad_plateaus(arguments):
    name, value = list(arguments.items())[-1]
    with one_sentence(ValueError, "Plateau", f"{name}={value}", "expected"):
        Plateau(**arguments)

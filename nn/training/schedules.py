"""How the learning rate changes over a run.

Every schedule answers two calls: `schedule(fraction)`, before each step, gives the learning rate when this fraction of
the run is done, from 0 to 1; `schedule.after_epoch(error)` tells it the held-out error. Most follow a curve and ignore
the error; `Plateau` follows the error and ignores the fraction, as the authors of AlexNet did by hand.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence


class Schedule:
    """What training asks of a schedule."""

    def __call__(self, fraction: float) -> float:
        """The learning rate for the next step."""
        raise NotImplementedError

    def after_epoch(self, error: float) -> float | None:
        """Take note of the error on the held-out images."""


class Curve(Schedule):
    """The rate as a function of the fraction alone: Curve(lambda fraction: 0.1 * (1 - fraction))."""

    def __init__(self, function: Callable[[float], float]) -> None:
        self.function = function

    def __call__(self, fraction: float) -> float:
        return self.function(fraction)


class WarmUp(Schedule):
    """Another schedule, whose rate is smaller at first: it rises in a straight line from `start` times what it says to
    all of it, during this share of the run.

    A large batch's large rate would else throw first, random weights far away. Source: Goyal et al. 2017, "Accurate,
    large minibatch SGD", section 2.2: five epochs, from the rate of one worker to that of all.
    """

    def __init__(self, schedule: Callable[[float], float] | Schedule, share: float, start: float = 0.1) -> None:
        if not (0 < share <= 1 and 0 <= start <= 1):
            raise ValueError(f"WarmUp got share={share} and start={start}, expected 0 < share <= 1 and 0 <= start <= 1")
        self.schedule, self.share, self.start = as_schedule(schedule), share, start

    def __call__(self, fraction: float) -> float:
        done = min(1.0, fraction / self.share)
        return self.schedule(fraction) * (self.start + (1 - self.start) * done)

    def after_epoch(self, error: float) -> float | None:
        return self.schedule.after_epoch(error)


def memory_of(schedule: object) -> dict | None:
    """What a `Plateau` remembers, also within a `WarmUp`: a dict of numbers that may be changed; None of others."""
    if isinstance(schedule, WarmUp):
        return memory_of(schedule.schedule)
    return vars(schedule) if isinstance(schedule, Plateau) else None


def as_schedule(schedule: Callable[[float], float] | Schedule) -> Schedule:
    """The schedule itself, or a `Curve` of a plain function."""
    return schedule if isinstance(schedule, Schedule) else Curve(schedule)


def constant(rate: float) -> Schedule:
    """The same rate throughout."""
    return Curve(lambda fraction: rate)


def one_cycle(peak: float, warm_up: float = 0.3, start: float = 0.04) -> Schedule:
    """Up from start * peak to peak in a straight line, then down to 0 along a cosine.

    The rise lets a network with small, similar activations find a direction before steps become large; the fall settles
    it. Source: Smith, Topin 2018, "Super-convergence".
    """

    def rate(fraction: float) -> float:
        if fraction < warm_up:
            return peak * (start + (1 - start) * fraction / warm_up)
        return peak * 0.5 * (1 + math.cos(math.pi * (fraction - warm_up) / (1 - warm_up)))

    return Curve(rate)


def steps(rate: float, drops: Sequence[float], factor: float = 0.1) -> Schedule:
    """`rate`, multiplied by `factor` at each of the fractions `drops`: steps(0.01, [0.5, 0.75]) drops it twice."""
    if not all(0 < drop < 1 for drop in drops):
        raise ValueError(f"steps: drops are {list(drops)}, expected fractions of the run between 0 and 1")
    return Curve(lambda fraction: rate * factor ** sum(fraction >= drop for drop in drops))


def stairs(rates: Sequence[float], epochs: Sequence[int]) -> Schedule:
    """The first rate for the first number of epochs, the second for the next, and so on."""
    if len(rates) != len(epochs) or not rates or min(epochs) < 1:
        raise ValueError(
            f"stairs got {len(rates)} rates and the epochs {list(epochs)}, expected one of each, at least 1"
        )
    ends = [sum(epochs[: i + 1]) / sum(epochs) for i in range(len(epochs))]

    def rate(fraction: float) -> float:
        # A fraction such as 3/7 is not exact: half a millionth of a run is less than any step of it.
        return next((value for value, end in zip(rates, ends) if fraction < end - 5e-7), rates[-1])

    return Curve(rate)


class Plateau(Schedule):
    """Divide the rate when the held-out error has stopped falling.

        plateau = Plateau(0.01, factor=0.1, patience=3, drops=3)
        rate = plateau(fraction)
        plateau.after_epoch(error)

    factor: what the rate is multiplied by. patience: epochs without a new lowest error before it is. drops: after so
    many the rate stays. Source: Krizhevsky et al. 2012, section 5: divided by 10 when the validation error stopped
    improving, three times before the end.
    """

    def __init__(self, rate: float, factor: float = 0.1, patience: int = 3, drops: int = 3) -> None:
        if not (rate > 0 and 0 < factor < 1 and patience >= 1 and drops >= 0):
            raise ValueError(
                f"Plateau got rate={rate}, factor={factor}, patience={patience}, drops={drops}, expected rate > 0, "
                "0 < factor < 1, patience >= 1 and drops >= 0"
            )
        self.rate = rate
        self.factor = factor
        self.patience = patience
        self.drops = drops
        self.best = math.inf
        self.waited = 0

    def __call__(self, fraction: float) -> float:
        return self.rate

    def after_epoch(self, error: float) -> float:
        """Take note of the error on the held-out images; also returns the rate for the next epoch."""
        if error < self.best:
            self.best, self.waited = error, 0
            return self.rate
        self.waited += 1
        if self.waited >= self.patience and self.drops > 0:
            self.rate *= self.factor
            self.drops -= 1
            self.waited = 0
        return self.rate

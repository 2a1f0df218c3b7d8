"""Exercise 20: what a training step with frozen layers costs, and a step at a share of the learning rate."""

from __future__ import annotations

import numpy as np

from examples.check.judging import Case, Exercise, compared


# --------------------------------------------------------------------------------------------- what a step costs
def training_work(multiply_adds, learns):
    forward, backward = 0, 0
    for n, work in enumerate(multiply_adds):
        forward += work
        backward += work if learns[n] else 0
        backward += work if any(learns[:n]) else 0
    return forward, backward


def work_cases():
    return [
        Case(about, (multiply_adds, learns))
        for about, multiply_adds, learns in (
            ("two layers that learn", [7, 4], [True, True]),
            ("three layers, the first frozen", [5, 3, 2], [False, True, True]),
            ("four layers, the last alone learns", [50, 20, 9, 4], [False, False, False, True]),
            ("four layers, the second alone is frozen", [31, 17, 11, 6], [True, False, True, True]),
            ("four layers, the second alone learns", [40, 25, 13, 8], [False, True, False, False]),
        )
    ]


def _backward(of_weights, of_input):
    """of_weights, of_input: (learns, n) -> whether layer n's gradient is counted."""

    def mistake(multiply_adds, learns):
        return sum(multiply_adds), sum(
            work * (of_weights(learns, n) + of_input(learns, n)) for n, work in enumerate(multiply_adds)
        )

    return mistake


def _learns(learns, n):
    return learns[n]


def _below(learns, n):
    return any(learns[:n])


TRAINING_WORK_MISTAKES = [
    (
        _backward(_learns, lambda learns, n: n > 0),
        "It looks as if the backward pass went on to the first layer: it may end at the lowest that learns.",
    ),
    (
        _backward(_learns, lambda learns, n: learns[n] and any(learns[:n])),
        "It looks as if a frozen layer handed nothing on: one that stands above a layer that learns must pass the "
        "gradient through.",
    ),
    (
        _backward(_learns, lambda learns, n: any(learns[: n + 1])),
        "It looks as if the lowest layer that learns handed its gradient on: nothing below it needs one.",
    ),
    (
        _backward(lambda learns, n: True, _below),
        "It looks as if the gradients of frozen weights were computed: nobody asks for them.",
    ),
    (
        _backward(_learns, lambda learns, n: False),
        "It looks as if the gradients of the layers' inputs were left out: how else do the lower layers learn?",
    ),
    (
        _backward(lambda learns, n: False, _below),
        "It looks as if the gradients of the weights were left out.",
    ),
    (
        lambda multiply_adds, learns: (
            sum(work for work, own in zip(multiply_adds, learns) if own),
            training_work(multiply_adds, learns)[1],
        ),
        "It looks as if frozen layers did not run forward: those above them need what they give.",
    ),
]


# --------------------------------------------------------------------------------------------- a slower step
def slower_step(w, v, dw, lr, momentum, weight_decay, share):
    new_w, new_v = np.zeros_like(w), np.zeros_like(v)
    for place in np.ndindex(w.shape):
        slope = float(dw[place]) + weight_decay * float(w[place])
        speed = momentum * float(v[place]) - lr * share * slope
        new_v[place] = speed if share > 0 else v[place]
        new_w[place] = float(w[place]) + (speed if share > 0 else 0.0)
    return new_w, new_v


def slower_cases():
    rng = np.random.default_rng(20)
    one = (np.array([1.0]), np.array([0.0]), np.array([2.0]), 0.1, 0.9, 0.0, 0.5)
    found = [Case("w = [1], v = [0], dw = [2], share 0.5", one)]
    for about, shape, decay, share, dtype in (
        ("share 1, a rolling ball", (3,), 0.0, 1.0, "d"),
        ("share 0.1, a rolling ball with weight decay", (2, 3), 0.05, 0.1, "d"),
        ("share 0.3, a rolling ball with weight decay, float32", (4, 2), 0.1, 0.3, "f"),
        ("share 0, frozen while the ball rolls", (2, 2), 0.05, 0.0, "d"),
    ):
        w, v, dw = (rng.normal(size=shape).astype(dtype) for _ in range(3))
        found.append(Case(about, (w, v, dw, 0.2, 0.8, decay, share)))
    return found


def _step(speed, frozen=lambda w, v: (w.copy(), v.copy())):
    """speed: (w, v, dw, lr, m, d, share) -> the new v; frozen: (w, v) -> what becomes of w and v with share 0."""

    def mistake(w, v, dw, lr, m, d, share):
        if share == 0 and frozen:
            return frozen(w, v)
        new_v = speed(w, v, dw, lr, m, d, share)
        return w + new_v, new_v

    return mistake


def _speed(w, v, dw, lr, m, d, share):
    return m * v - lr * share * (dw + d * w)


SLOWER_STEP_MISTAKES = [
    (
        _step(_speed, None),
        "It looks as if frozen weights took the step too: without a gradient the old speed still moves them, so w and "
        "v must be left as they are.",
    ),
    (
        _step(_speed, lambda w, v: (w.copy(), 0 * v)),
        "It looks as if the speed of frozen weights were forgotten: v waits as it is.",
    ),
    (
        _step(lambda w, v, dw, lr, m, d, share: m * v - lr * (dw + d * w)),
        "It looks as if the share were left out.",
    ),
    (
        _step(lambda w, v, dw, lr, m, d, share: m * v - lr * (share * dw + d * w)),
        "It looks as if the share were left out of the weight decay: the whole learning rate is multiplied by it.",
    ),
    (
        _step(lambda w, v, dw, lr, m, d, share: share * (m * v - lr * (dw + d * w))),
        "It looks as if the old speed were multiplied by the share too: only the learning rate is.",
    ),
    (
        _step(lambda w, v, dw, lr, m, d, share: m * v - lr * share * dw),
        "It looks as if the weight decay were left out.",
    ),
]

EXERCISE_20 = Exercise(
    "frozen and slower: what a step costs, and the step",
    (
        compared(training_work, work_cases, TRAINING_WORK_MISTAKES, ("forward", "backward")),
        compared(slower_step, slower_cases, SLOWER_STEP_MISTAKES, ("w", "v"), fresh=True),
    ),
)

"""blind1 to blind5: programs with a bug that no gradient check can see. Whether it is gone is found by what they do."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, wraps

import numpy as np

from examples.check.judging import Case, Exercise, Finding, Part, call, same


@cache
def _digits(n: int, first: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """So many of the included digits, from number `first` on; in float64, as a reference computes."""
    from nn.data import digits  # here: only these exercises need digits, and importing them takes a second

    train_set, _ = digits()
    chosen = slice(first, first + n)
    return train_set.images[chosen].astype(float), train_set.labels[chosen].astype(int)


def _rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


class _Trouble(Exception):
    """A function could not do what it was asked; with the finding that says why."""


def _ask(function, about: str, *arguments):
    called = call(function, Case(about, arguments), ("result",))
    if called.trouble:
        raise _Trouble(called.trouble)
    if called.changed:
        text = f"{function.__name__} changes its argument {called.changed}"
        raise _Trouble(
            Finding(False, text, "Others still need it as it was: work on a copy, or choose rows by an order.")
        )
    return called.results[0]


def _share(function, about: str, *arguments) -> float:
    value = _ask(function, about, *arguments)
    if np.ndim(value) or not 0 <= float(value) <= 1:
        raise _Trouble(Finding(False, f"{function.__name__} returns {value!r}, expected a share from 0 to 1"))
    return float(value)


def _part(*names: str):
    """The judge as a Part; what it cannot ask becomes its finding."""

    def decorate(judge) -> Part:
        def careful(*functions) -> list[Finding]:
            try:
                return judge(*functions)
            except _Trouble as trouble:
                return [trouble.args[0]]

        return Part(names, careful)

    return decorate


# ------------------------------------------------------------------------- blind1: labels shuffled apart from images
@_part("train", "accuracy")
def labels_and_images(train, accuracy) -> list[Finding]:
    images, labels = _digits(1000)
    new_images, new_labels = _digits(500, 4000)
    params = _ask(train, "1,000 digits", images, labels, 3, 0.1, 50, _rng())
    got = _share(accuracy, "500 other digits", params, new_images, new_labels)
    if got < 0.5:
        hint = "Follow one image and its label from the file into a batch: do they still belong together?"
        return [Finding(False, f"after training it reads {got:.0%} of new digits, guessing reads 10%", hint)]
    # All zeros first, all nines last: who does not shuffle ends with a network that has seen nines for long.
    by_class = np.argsort(labels, kind="stable")
    params = _ask(train, "digits sorted by class", images[by_class], labels[by_class], 3, 0.1, 50, _rng())
    got_sorted = _share(accuracy, "500 other digits", params, new_images, new_labels)
    if got_sorted < 0.6:
        hint = "Shuffle, every epoch, but images and labels by one and the same order."
        return [Finding(False, f"trained on digits sorted by class it reads only {got_sorted:.0%} of new ones", hint)]
    return [Finding(True, f"it reads {got:.0%} of new digits, and {got_sorted:.0%} where it was given sorted ones")]


# --------------------------------------------------------------------------------- blind2: dropout left on at the test
@_part("forward", "train", "accuracy")
def dropout_at_test(forward, train, accuracy) -> list[Finding]:
    images, labels = _digits(300)
    drawn_next = []

    @wraps(train)
    def watched(*arguments):
        params = train(*arguments)
        drawn_next.append(arguments[-1].random())
        return params

    params = _ask(watched, "300 digits", images, labels, 4, 0.2, 50, _rng())
    asked = [_share(accuracy, "the same digits", params, images, labels, _rng(seed)) for seed in range(6)]
    findings = []
    if max(asked) > min(asked):
        hint = "What is still drawn by lot when the network is asked, and not trained?"
        text = f"the accuracy on the same 300 digits depends on the rng: from {min(asked):.1%} to {max(asked):.1%}"
        findings.append(Finding(False, text, hint))
    else:
        findings.append(Finding(True, "the accuracy does not depend on the rng"))
    if asked[0] < 0.6:
        hint = "Behind inverted dropout nothing is multiplied at the test; is training still right?"
        findings.append(Finding(False, f"after training it reads only {asked[0]:.0%} of its own training digits", hint))
    scores = [_scores(forward, params, images[:20], seed) for seed in (0, 1)]
    # What comes next from an rng that has drawn the weights and the orders of 4 epochs, and nothing else.
    rng = _rng()
    rng.normal(size=images[0].size * 100 + 100 * 10)
    for _ in range(4):
        rng.permutation(len(images))
    if same(*scores) or drawn_next[0] == rng.random():
        who = "forward(params, images, rng, training=True)" if same(*scores) else "train"
        hint = "Dropout shall stay in training: only accuracy goes without."
        findings.append(Finding(False, f"{who} drops nothing any more", hint))
    else:
        findings.append(Finding(True, "dropout is still there in training"))
    return findings


def _scores(forward, params, images, seed):
    @wraps(forward)  # errors are shown with its lines
    def in_training(*arguments):
        return forward(*arguments, training=True)

    called = call(in_training, Case("20 digits", (params, images, _rng(seed))), ("scores", "saved"))
    if called.trouble:
        raise _Trouble(called.trouble)
    return called.results[0]


# --------------------------------------------------------------------- blind3: test images standardised by themselves
@_part("train", "accuracy")
def standardised_apart(train, accuracy) -> list[Finding]:
    images, labels = _digits(1000)
    new_images, new_labels = _digits(100, 4000)
    model = _ask(train, "1,000 digits", images, labels, 3, 0.02, 50, _rng())
    together = _share(accuracy, "100 other digits", model, new_images, new_labels)
    alone = [
        _share(accuracy, "a single digit", model, new_images[n : n + 1], new_labels[n : n + 1])
        for n in range(len(new_images))
    ]
    if together < 0.6:
        hint = "Are the images of the test prepared as those of the training are?"
        return [Finding(False, f"after training it reads only {together:.0%} of new digits", hint)]
    if abs(np.mean(alone) - together) > 1e-9:
        text = f"asked about 100 digits together it reads {together:.0%}, asked about each alone {np.mean(alone):.0%}"
        hint = "Whose mean and spread are the images of the test standardised by? Keep those of the training images."
        return [Finding(False, text, hint)]
    findings = [Finding(True, f"it reads {together:.0%} of new digits, asked together or one by one")]
    # The same digits in other units: to standardised pixels it makes no difference.
    model = _ask(train, "digits as numbers from 1,000 to 1,255", 1000 + 255 * images, labels, 3, 0.02, 50, _rng())
    bytes_too = _share(accuracy, "100 such digits", model, 1000 + 255 * new_images, new_labels)
    if bytes_too < together - 0.1:
        hint = "The images shall stay standardised: with mean and spread of the training images, wherever they go."
        text = f"where white is 1,000 and black 1,255 and not 0 and 1, it reads {bytes_too:.0%} and not {together:.0%}"
        return [*findings, Finding(False, text, hint)]
    return [*findings, Finding(True, "other units of the pixels make no difference")]


# ----------------------------------------------------------------------------------- blind4: the momentum is forgotten
@_part("train")
def forgotten_momentum(train) -> list[Finding]:
    # The same image over and over: whatever the order, each batch is the same, and every step can be computed.
    image, label = (array[:1] for array in _digits(1, 7))
    images, labels = np.repeat(image, 6, axis=0), np.repeat(label, 6)
    epochs, lr, momentum, batch_size = 3, 0.01, 0.9, 2
    params = call(
        train, Case("6 times one digit", (images, labels, epochs, lr, momentum, batch_size, _rng())), ("weight", "bias")
    )
    if params.trouble:
        return [params.trouble]
    got = np.asarray(params.results[1], float)

    def bias(forget_at: Sequence[int], momentum: float = momentum, steps: int = 9) -> np.ndarray:
        return _with_momentum(image, int(label[0]), steps, lr, momentum, forget_at)

    if same(got, bias(())):
        return [Finding(True, "9 steps with momentum are what they should be")]
    text = "9 steps with momentum 0.9 lead elsewhere than they should"
    for wrong, hint in (
        (
            bias(range(9)),
            "It is where 9 steps without momentum lead: how long does an optimiser live, and its velocities with it?",
        ),
        (
            bias((3, 6)),
            "It is where momentum leads that is forgotten after every epoch: make one optimiser for all of them.",
        ),
        (bias((), steps=6), "It is where 6 steps lead and not 9: are all images used in each epoch?"),
    ):
        if same(got, wrong):
            return [Finding(False, text, hint)]
    return [Finding(False, text, "v <- momentum v - lr g and w <- w + v, with v kept from step to step.")]


def _with_momentum(image, label, steps, lr, momentum, forget_at) -> np.ndarray:
    """The bias after so many steps on one image; the velocities are lost before each step in forget_at."""
    x = image.reshape(-1)
    params = [np.zeros((x.size, 10)), np.zeros(10)]
    velocities = [0 * param for param in params]
    for step in range(steps):
        if step in forget_at:
            velocities = [0 * param for param in params]
        z = x @ params[0] + params[1]
        dz = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
        dz[label] -= 1
        for n, gradient in enumerate((np.outer(x, dz), dz)):
            velocities[n] = momentum * velocities[n] - lr * gradient
            params[n] = params[n] + velocities[n]
    return params[1]


# -------------------------------------------------------------------------- blind5: validated on what has been learned
@_part("validated")
def learned_by_heart(validated) -> list[Finding]:
    images, labels = _digits(250)
    by_lot = np.mean(
        [
            _share(validated, "labels drawn by lot", images, _rng(seed).integers(0, 10, len(images)), 16, _rng(seed))
            for seed in (0, 1)
        ]
    )
    real = _share(validated, "250 digits", images, labels, 5, _rng())
    if by_lot > 0.3:
        hint = (
            "In what form are the validation images among those that it is trained on? Set them apart before all else."
        )
        text = f"with labels drawn by lot the validation accuracy is {by_lot:.0%}: 10% are possible without cheating"
        return [Finding(False, text, hint)]
    findings = [
        Finding(True, f"with labels drawn by lot the validation accuracy is {by_lot:.0%}, near the 10% of guessing")
    ]
    if real < 0.6:
        hint = (
            "Is it still trained on four fifths of the images and their copies, and are the labels in the same order?"
        )
        return [*findings, Finding(False, f"with the real labels of 250 digits it is only {real:.0%}", hint)]
    return [*findings, Finding(True, f"with the real labels it is {real:.0%}")]


BLIND_1 = Exercise("it learns nothing", (labels_and_images,))
BLIND_2 = Exercise("its accuracies are too low", (dropout_at_test,))
BLIND_3 = Exercise("what does it say of a single image?", (standardised_apart,))
BLIND_4 = Exercise("its momentum has no effect", (forgotten_momentum,))
BLIND_5 = Exercise("its validation accuracy is too good", (learned_by_heart,))

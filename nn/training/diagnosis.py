"""Why does it not learn? A few cheap numbers of each epoch, and the sentences that follow from them.

`measure` takes the numbers in the middle of a training step, from what is at hand anyway: the outputs that activations
keep for the backward pass, and the gradients of the previous step. It calls no layer. `diagnose` judges the last epoch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from nn.backend.runtime.blas import single_threaded_blas
from nn.device import move
from nn.freezing import learning, lowest_that_learns
from nn.inspect import activations, kept_outputs
from nn.loss import SoftmaxCrossEntropy
from nn.network import Network
from nn.training.history import History

STUCK = 0.95  # of the loss of guessing: above it, nothing has been learned
STUCK_STEPS = 100  # that a network has before it is called stuck; the last so many count
EXPLODING = 1.0  # of the size of the weights, in one step
VANISHING = 1e-3  # of the relative gradient of a later layer
SILENT = 0.8  # of the units
SATURATED = 0.9  # of the outputs
FEWEST_PICTURES = 16  # to call a unit dead or a layer saturated
MOST_PICTURES = 64  # that are looked at
NEAR = 0.01  # of the distance between the bounds: nearer to one of them, an output is saturated


@dataclass(frozen=True)
class Finding:
    """kind: "stuck", "exploding", "vanishing", "dead" or "saturated". layer: its name, "" for the whole network."""

    kind: str
    layer: str
    sentence: str


@single_threaded_blas
def measure(network: Network, logits: np.ndarray, loss: Any) -> dict:
    """The numbers, between forward(training=True), which gave the logits, and backward.

    pictures    how many were looked at
    guessing    the loss of giving every class the same chance, ln(classes); None for a loss other than softmax
    gradients   by layer: the size of the last step's gradient with respect to its weights, divided by the weights' size
    silent      by ReLU layer: the share of dead units, or maps: those that were 0 for every image and everywhere
    saturated   by sigmoid or tanh layer: the share of its outputs that are close to one of its bounds

    All plain numbers, so that JSON takes them. The gradients are 0 before the first step. Frozen layers, and what lies
    below the lowest layer that learns, are left out.
    """
    silent, saturated = {}, {}
    above = list(network.layers)[lowest_that_learns(network) :]  # what lies below stays as it is, whatever it does
    for name, y in kept_outputs(network).items():
        if name not in above:
            continue
        low, high = network.layers[name].bounds
        if math.isinf(high):
            silent[name] = float(np.mean(y[:MOST_PICTURES].max(axis=tuple(range(y.ndim - 1))) <= low))
        else:
            saturated[name] = saturated_share(y[:FEWEST_PICTURES], (low, high))  # each gives many numbers
    gradients = {}
    for name, layer in network.layers.items():
        if "weight" in layer.params and not layer.frozen:
            size, gradient = _size(layer.params["weight"]), _size(layer.grads["weight"])
            gradients[name] = gradient / size if size else 0.0
    return {
        "pictures": min(len(logits), MOST_PICTURES),
        "guessing": math.log(logits.shape[1]) if isinstance(loss, SoftmaxCrossEntropy) else None,
        "gradients": gradients,
        "silent": silent,
        "saturated": saturated,
    }


def saturated_share(y: np.ndarray, bounds: tuple[float, float]) -> float:
    """The share of the outputs y that are close to one of the bounds."""
    low, high = bounds
    return float(np.mean(np.abs(y - (low + high) / 2) > (0.5 - NEAR) * (high - low)))


def _size(array: np.ndarray) -> float:
    """The Euclidean norm."""
    numbers = array.reshape(-1)
    with np.errstate(over="ignore"):
        square = float(np.dot(numbers, numbers))
    if math.isinf(square):  # too large for a float32
        numbers = numbers.astype(np.float64)
        square = float(np.dot(numbers, numbers))
    return math.sqrt(square)


@single_threaded_blas
def not_finite(network: Network, images: np.ndarray | None, loss: float, step: int) -> str:
    """After a backward pass: the first layer whose numbers are NaN or infinite, in a sentence; "" if there is none.

    images: the batch, as the network got it; None where other processes have all of it. In the forward pass it is the
    first layer that gave such a number; if all outputs are finite, the first one in the backward pass with such a
    gradient, the last in the network's order.
    """
    gradients = [name.split(".")[0] for name, good in _finite(learning(network, network.grads)).items() if not good]
    if math.isfinite(loss) and not gradients:
        return ""
    found = "the loss is"
    if images is None:
        pass
    elif not _finite({"images": images})["images"]:
        found = "a pixel of the images is"
    else:
        outputs = _finite(activations(network, images))
        bad = next((name for name, good in outputs.items() if not good), None)
        if bad is not None:
            found = f"the output of {bad} is"
        elif gradients:
            found = f"the gradient of {gradients[-1]} is"
    return f"in step {step:,} {found} no longer a number; training stopped there, a lower learning rate may help"


def _finite(arrays: dict[str, np.ndarray]) -> dict[str, bool]:
    """For each array, whether all its numbers are finite."""
    if not arrays:
        return {}
    flat = [array.reshape(-1) for array in arrays.values()]
    # Without a temporary array; and all sums before the first is read, because reading one waits for the GPU. The sum
    # of squares may overflow for large numbers: only then look closer.
    with np.errstate(all="ignore"):
        squares = move(np.stack([np.dot(numbers, numbers) for numbers in flat]), "cpu")
    return {
        name: math.isfinite(square) or bool(np.isfinite(numbers).all())
        for name, square, numbers in zip(arrays, squares, flat)
    }


def diagnose(history: History, fewest_steps: int = STUCK_STEPS) -> list[Finding]:
    """What keeps the network from learning, judged by the last epoch: nothing, or a sentence each.

    Where the loss is no longer finite, the epoch in which that happened is judged: afterwards nothing is left to see.
    fewest_steps: a shorter run is not called stuck, because it may only have begun; 1 at the end of a run.
    """
    if not history.statistics:
        return []
    judged = history.epochs[-len(history.statistics) :]  # a run may go on after epochs that were not watched
    for epoch, statistics in zip(judged, history.statistics):
        if not math.isfinite(epoch["train_loss"]):
            return _exploding(epoch, statistics["gradients"] if statistics else {})
    epoch, statistics = history.epochs[-1], history.statistics[-1]
    if statistics is None:  # a gradient was not finite: `history.failure` says which
        return []
    findings = _exploding(epoch, statistics["gradients"])
    if statistics["pictures"] >= FEWEST_PICTURES:
        findings += _units(statistics)
    if not findings:  # else the cause is named already
        findings += _vanishing(statistics["gradients"])
    return _stuck(history.steps, statistics["guessing"], fewest_steps, bool(findings)) + findings


def _stuck(steps: list[float], guessing: float | None, fewest_steps: int, explained: bool) -> list[Finding]:
    recent = steps[-STUCK_STEPS:]
    loss = sum(recent) / len(recent)
    if guessing is None or len(steps) < fewest_steps or loss <= STUCK * guessing:
        return []
    sentence = (
        f"it has not learned yet: its loss is {loss:,.2f}, and guessing gives ln {round(math.exp(guessing))} = "
        f"{guessing:.2f}"
    )
    if not explained:
        sentence += (
            "; give it more epochs or more images, or try another learning rate and other initial weights "
            "(Xavier's, He's)"
        )
    return [Finding("stuck", "", sentence)]


def _exploding(epoch: dict, gradients: dict[str, float]) -> list[Finding]:
    """The layer whose weights one step moves most, if it moves them by more than their own size."""
    lost = not math.isfinite(epoch["train_loss"])
    moves = {name: epoch["learning_rate"] * gradient for name, gradient in gradients.items()}
    worst = max(moves, key=lambda name: -1 if math.isnan(moves[name]) else moves[name], default="")
    # The step that lost the loss has moved the weights already: they are as large as it was.
    if worst and moves[worst] > (EXPLODING / 2 if lost else EXPLODING):
        much = f"by {moves[worst]:.2g} times their own size" if moves[worst] > 1.5 else "by as much as their own size"
        sentence = (
            f"{worst}: its gradient explodes, one step moves its weights {much}"
            f"{', and the loss is no longer a number' if lost else ''}; choose a lower learning rate or smaller "
            "initial weights"
        )
        return [Finding("exploding", worst, sentence)]
    if lost:
        return [Finding("exploding", "", "the loss diverged and is no longer a number; choose a lower learning rate")]
    return []


def _units(statistics: dict) -> list[Finding]:
    findings, pictures = [], statistics["pictures"]
    for name, share in statistics["silent"].items():
        if share >= SILENT:
            sentence = (
                f"{name}: {share:.0%} of its units are dead, 0 for all of {pictures} images, and got no gradient "
                "from them; a lower learning rate, inputs of size 1 or He's initial weights keep them alive"
            )
            findings.append(Finding("dead", name, sentence))
    for name, share in statistics["saturated"].items():
        if share >= SATURATED:
            sentence = (
                f"{name}: {share:.0%} of its outputs are saturated, where its slope is close to 0; smaller initial "
                "weights, inputs around 0 of size 1 or a lower learning rate bring them back"
            )
            findings.append(Finding("saturated", name, sentence))
    return findings


def _vanishing(gradients: dict[str, float]) -> list[Finding]:
    """The layer that gets the smallest gradient, if it is negligible beside what a later layer gets."""
    if not gradients:
        return []
    names = list(gradients)
    least = min(names, key=gradients.__getitem__)
    later = max(names[names.index(least) :], key=gradients.__getitem__)
    if not gradients[least] < VANISHING * gradients[later]:
        return []
    times = gradients[later] / gradients[least] if gradients[least] else math.inf
    much = f"{times:,.0f} times less" if math.isfinite(times) else "nothing"
    sentence = (
        f"{least}: the gradient vanishes on its way back, it gets {much} than {later} (relative to its weights) and "
        "hardly learns; take ReLU, larger initial weights (Xavier's, He's) or fewer layers"
    )
    return [Finding("vanishing", least, sentence)]

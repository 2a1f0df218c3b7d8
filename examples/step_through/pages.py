"""What `examples.step_through` has to say and to draw at each of its stops."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from examples.explain.terms import formulas
from examples.step_through.tables import backward_numbers, forward_numbers, numbers_of
from layers import Conv2d
from nn import Layer, LeNet5Loss, Network, softmax
from nn.backend.runtime.blas import single_threaded_blas
from nn.training.diagnosis import saturated_share

LOSSES = {
    "SoftmaxCrossEntropy": "loss = -log p[label]   with   p[c] = exp(z[c]) / sum over d of exp(z[d])\n"
    "dz[c] = p[c] - (1 if c is the label else 0)",
    "LeNet5Loss": "loss = d[label] + log(exp(-j) + sum over c of exp(-d[c]))   with the distances d = -z\n"
    "dz[c] = exp(-d[c]) / (exp(-j) + sum of exp(-d)) - (1 if c is the label else 0)",
}
Draw = Callable[[Path], None]


@dataclass
class Visit:
    """What a layer did with the image on the way forward, and with the gradient on the way back; without N."""

    layer: Layer
    x: np.ndarray
    y: np.ndarray
    forward_seconds: float
    dy: np.ndarray | None = None
    dx: np.ndarray | None = None
    backward_seconds: float = 0.0


@dataclass
class Page:
    """One stop: the layer's name, which way it goes, what it says, and its drawings by file name."""

    name: str
    way: str  # "forward" or "backward"
    title: str
    lines: list[str]
    drawings: dict[str, Draw]


@single_threaded_blas
def walk(
    network: Network, image: np.ndarray, label: int | None, loss, training: bool = False, times: int = 1
) -> tuple[list[Visit], float, int]:
    """The image (H, W, C) through all layers and the gradient back: what each did, the loss, and the label.

    label: None for the likeliest class. training: as in training, with dropout; without, the network's layers are
    `without_noise` from now on.
    times: walk so often; the shortest counts.
    """
    for layer in network.layers.values():
        if not training:
            layer.without_noise()
    visits: list[Visit] = []
    for attempt in range(times):
        y = image[None]
        for index, layer in enumerate(network.layers.values()):
            x, start = y, time.perf_counter()
            y = layer.forward(x, training=True)
            seconds = time.perf_counter() - start
            if attempt == 0:
                visits.append(Visit(layer, x[0], y[0], seconds))
            visit = visits[index]
            visit.x, visit.y, visit.forward_seconds = x[0], y[0], min(seconds, visit.forward_seconds)
        label = int(y[0].argmax()) if label is None else label
        loss_value = float(loss.forward(y, np.array([label])))
        gradient = loss.backward()
        for visit in reversed(visits):
            start = time.perf_counter()
            result = visit.layer.backward(gradient)
            seconds = time.perf_counter() - start
            visit.backward_seconds = min(seconds, visit.backward_seconds) if attempt else seconds
            visit.dy, visit.dx, gradient = gradient[0], result[0], result
    return visits, loss_value, label


def pages(
    network: Network,
    visits: Sequence[Visit],
    picture: np.ndarray,
    class_names: Sequence[str],
    loss,
    found: tuple,
    training: bool = False,
) -> list[Page]:
    """All stops in order: the image, the layers, the loss, the layers backwards, the image's gradient.

    picture: as it is drawn, (H, W, C) in 0..1 or bytes. found: the loss and the label.
    """
    image = visits[0].x
    made = [
        Page(
            "input",
            "forward",
            "the image as the network reads it",
            [volume(image.shape), *numbers_of("x", image), f"numbers: {spread(image)}"],
            {"": _grid(image, f"{network.name}: the image, {volume(image.shape)}", "activations", None)},
        )
    ]
    made += [_forward(network, visit, image, training) for visit in visits]
    made.append(_loss(visits[-1].y, picture, class_names, loss, *found))
    made += [_backward(network, visit, image, training) for visit in reversed(visits)]
    gradient = visits[0].dx
    what = f"{network.name}: gradient w.r.t. the image: brighter here raises the loss (red) or lowers it (blue)"
    made.append(
        Page(
            "input",
            "backward",
            "the gradient with respect to the image: where a brighter pixel raises the loss (red) or lowers it (blue)",
            [volume(gradient.shape), *numbers_of("dx", gradient), f"gradient: {sizes(gradient)}"],
            {"_gradient": _grid(gradient, what, "gradients", image)},
        )
    )
    for number, page in enumerate(made):
        page.drawings = {f"{number:02}_{page.name}{ending}.png": draw for ending, draw in page.drawings.items()}
    return made


def _forward(network: Network, visit: Visit, image: np.ndarray, training: bool) -> Page:
    layer, y = visit.layer, visit.y
    lines = [f"{volume(visit.x.shape)} -> {volume(y.shape)}", *formulas(layer)[0].split("\n")]
    lines += settings(layer)
    lines += forward_numbers(layer, visit.x, y, training)
    for name, param in layer.params.items():
        lines.append(f"{name} {volume(param.shape)}: {spread(param)}")
    lines.append(f"output: {spread(y)}")
    lines += list(_units(layer, y))
    operations = layer.multiply_adds(visit.x.shape)
    counted = f", {operations:,} multiply-adds" if operations else ""
    lines.append(f"time: {_seconds(visit.forward_seconds)}{counted}")
    title = f"{network.name}: output of {layer.name}, {volume(y.shape)}"
    drawings = {"": _grid(y, title, "activations", image)}
    if isinstance(layer, Conv2d):
        weight = layer.params["weight"]
        title = f"{network.name}: the kernels of {layer.name}, {volume(weight.shape)}"
        drawings["_kernels"] = _grid(weight, title, "kernels", None)
    return Page(layer.name, "forward", layer.label, lines, drawings)


def _backward(network: Network, visit: Visit, image: np.ndarray, training: bool) -> Page:
    layer = visit.layer
    lines = [
        f"gradient with respect to its output {volume(visit.dy.shape)} -> to its input {volume(visit.dx.shape)}",
        *formulas(layer)[1].split("\n"),
        *backward_numbers(layer, visit.x, visit.dy, visit.dx, training),
        f"gradient with respect to its output: {sizes(visit.dy)}",
    ]
    for name, grad in layer.grads.items():
        size = float(np.linalg.norm(layer.params[name]))
        share = f"; {np.linalg.norm(grad) / size:.2g} of the {name}'s own size" if size else ""
        lines.append(f"gradient with respect to its {name}: {sizes(grad)}{share}")
    lines.append(f"gradient with respect to its input: {sizes(visit.dx)}")
    lines.append(f"time: {_seconds(visit.backward_seconds)}")
    title = f"{network.name}: gradient of the loss w.r.t. {layer.name}'s output, {volume(visit.dy.shape)}"
    drawings = {"_gradient": _grid(visit.dy, title, "gradients", image)}
    if "weight" in layer.grads:
        grad = layer.grads["weight"]
        title = f"{network.name}: gradient of the loss w.r.t. {layer.name}'s weights, {volume(grad.shape)}"
        drawings["_weight_gradient"] = _grid(grad, title, "gradients", None)
    return Page(layer.name, "backward", layer.label, lines, drawings)


def _loss(z: np.ndarray, picture: np.ndarray, class_names: Sequence[str], loss, value: float, label: int) -> Page:
    probabilities = softmax(z[None])[0]
    kind = type(loss).__name__
    lines = LOSSES[kind].split("\n")
    order = np.argsort(-probabilities, kind="stable")[:5]
    if label not in order:
        order = [*order[:4], label]
    for c in order:
        mark = "  <- the label" if c == label else ""
        lines.append(f"{class_names[c]:<20.20} z {z[c]:9.4g}   p {probabilities[c]:.6f}{mark}")
    j = f" (j = {loss.j:g})" if isinstance(loss, LeNet5Loss) else ""
    lines.append(f"loss{j}: {value:.6g}")
    if value < 0.01:
        lines.append(
            "It is so sure that little is left to learn: with --label, another class, the backward pass shows more."
        )

    def draw(path: Path) -> None:
        from nn import plots

        title = f"loss {value:.4g} for the label {class_names[label]}"
        plots.answers(path, [title], [picture], [probabilities], class_names)

    return Page("loss", "forward", f"the loss ({kind})", lines, {"": draw})


def _grid(array: np.ndarray, title: str, kind: str, image: np.ndarray | None) -> Draw:
    def draw(path: Path) -> None:
        from nn import plots  # here, because without plots there is no need to wait for matplotlib

        plots.grid(path, array, title, kind, image)

    return draw


# ---------------------------------------------------------------------------------------------------- in words
def settings(layer: Layer) -> list[str]:
    """What the formula's letters stand for, as a line or none."""
    words = []
    if hasattr(layer, "kernel_size"):
        words.append("KH, KW = {}, {}".format(*layer.kernel_size))
    if hasattr(layer, "stride"):
        words.append("SH, SW = {}, {}".format(*layer.stride))
    if hasattr(layer, "padding"):
        words.append("PH, PW = {}, {}".format(*layer.padding))
    if getattr(layer, "connected", None) is not None:
        words.append("each output map sees the input maps of its row in a table of connections")
    return ["; ".join(words)] if words else []


def _units(layer: Layer, y: np.ndarray) -> Iterator[str]:
    """How many units are dead or saturated."""
    if not hasattr(layer, "bounds") or np.isinf(layer.bounds[0]):
        return
    if np.isinf(layer.bounds[1]):
        low = layer.bounds[0]
        yield f"dead here: {np.mean(y <= low):.1%} of its {y.size:,} units are {low:g} and pass no gradient back"
    else:
        share, (low, high) = saturated_share(y, layer.bounds), layer.bounds
        yield f"saturated: {share:.1%} of its {y.size:,} units are close to {low:g} or {high:g}, where it is flat"


def spread(array: np.ndarray) -> str:
    return f"mean {array.mean():.4g}, spread {array.std():.4g}, from {array.min():.4g} to {array.max():.4g}"


def sizes(gradient: np.ndarray) -> str:
    zeros = np.mean(gradient == 0)
    silent = f", {zeros:.1%} of it exactly 0" if zeros else ""
    return f"size {np.linalg.norm(gradient):.4g}, largest {np.abs(gradient).max():.4g}{silent}"


def volume(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))


def _seconds(seconds: float) -> str:
    return f"{1e6 * seconds:.0f} microseconds" if seconds < 1e-3 else f"{1e3 * seconds:.3g} milliseconds"

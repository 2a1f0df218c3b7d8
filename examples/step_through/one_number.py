"""One number of the walk, taken apart: an output of a layer, or the gradient with respect to one of its inputs, weights
or biases."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence

import numpy as np

from examples.explain.explanation import in_brackets, in_lines
from examples.explain.terms import backward_terms, checked, formulas, forward_terms
from examples.step_through.pages import Visit, settings, volume, walk
from examples.step_through.subject import Subject
from examples.step_through.weight_terms import bias_terms, weight_terms

SHOWN = 10  # terms of a long sum: the largest
QUANTITIES = ("y", "dx", "dw", "db")


class OneNumber:
    """Takes numbers apart, in double precision. Make it before the network walks: with dropout, both then draw the same
    masks."""

    def __init__(self, subject: Subject, training: bool = False) -> None:
        self.subject, self.training = subject, training
        self._network = copy.deepcopy(subject.classifier.network)
        self._visits: dict[str, Visit] = {}
        self._label = 0

    def visit(self, layer: str, times: int = 1) -> Visit:
        if not self._visits:
            network, subject = self._network.astype(np.float64), self.subject
            image = subject.image.astype(np.float64)
            visits, _, self._label = walk(network, image, subject.label, subject.loss, self.training, times)
            self._visits = {visit.layer.name: visit for visit in visits}
        return self._visits[layer]

    def output(self, visit: Visit, at: Sequence[int], shown: int | None, what: str, more: str) -> list[str]:
        """How the output at this place comes about."""
        at = checked(at, visit.y.shape, f"{what}{visit.layer.name}'s output")
        layer, name = visit.layer, f"y{in_brackets(at)}"
        return [
            f"{layer.label}: {volume(visit.x.shape)} -> {volume(visit.y.shape)}, in double precision",
            f"The output {name}, by",
            *(f"  {line}" for line in [*formulas(layer)[0].split("\n"), *settings(layer)]),
            *in_lines(forward_terms(layer, visit.x, at, self.training), name, visit.y[at], shown, more),
        ]

    def gradient(self, visit: Visit, at: Sequence[int], shown: int | None, what: str, more: str) -> list[str]:
        """How the gradient with respect to the input at this place comes about."""
        at = checked(at, visit.x.shape, f"{what}{visit.layer.name}'s input")
        layer, name = visit.layer, f"dx{in_brackets(at)}"
        return [
            f"{layer.label}: {volume(visit.x.shape)} <- {volume(visit.y.shape)}, in double precision",
            f"The gradient {name} of the loss (for the class {self.subject.classifier.class_names[self._label]}) "
            f"with respect to the input x{in_brackets(at)}, by",
            *(f"  {line}" for line in [formulas(layer)[1].split("\n")[0], *settings(layer)]),
            *in_lines(backward_terms(layer, visit.x, visit.dy, at, self.training), name, visit.dx[at], shown, more),
        ]

    def for_parameter(self, visit: Visit, param: str, at: Sequence[int], shown: int | None, more: str) -> list[str]:
        """How the gradient with respect to this weight or bias comes about."""
        layer = visit.layer
        if param not in layer.grads:
            raise ValueError(f"{layer.label} has no {param}")
        grad = layer.grads[param]
        at = checked(at, grad.shape, f"{layer.name}'s {param}")
        if param == "weight":
            explanation = weight_terms(layer, visit.x, visit.dy, at)
        else:
            explanation = bias_terms(layer, visit.dy, at)
        letter = "W" if grad.ndim == 2 else param[0]  # as in the formulas
        name, place = f"d{letter}{in_brackets(at)}", f"{letter}{in_brackets(at)}"
        slopes = [part for part in re.split(r"\n|;   ", formulas(layer)[1]) if part.startswith(f"d{letter}[")]
        return [
            f"{layer.label}: {volume(visit.x.shape)} -> {volume(visit.y.shape)}, in double precision",
            f"The gradient {name} of the loss (for the class {self.subject.classifier.class_names[self._label]}) "
            f"with respect to the {param} {place}, by",
            *(f"  {line}" for line in [*slopes, *settings(layer)]),
            *in_lines(explanation, name, grad[at] + 0.0, shown, more),
        ]

    def asked(self, text: str, here: str, way: str) -> list[str]:
        """The answer to what was typed at the stop of the layer `here`: "conv2 4,5,12", "conv2 dx 4,5,0" (also dw and
        db) or, of this stop, "4,5,12"; with "all" at the end every term. ValueError says what is wrong with it."""
        words = re.split(r"[\s,\[\]()]+", text.strip("[](), "))
        name = words.pop(0) if words[0][0].isalpha() and words[0].lower() not in QUANTITIES else ""
        shown = None if words[-1] == "all" else SHOWN
        words = words[:-1] if shown is None else words
        quantity = "dx" if not name and way == "backward" else "y"
        if words and words[0].lower() in QUANTITIES:
            quantity = words.pop(0).lower()
        name = name or here
        if name == "input" and way == "backward":  # whose gradient the first layer made
            name = next(iter(self._network.layers))
            quantity = "dx"
        if name not in self._network.layers:
            raise ValueError(f"The {name} is no layer: name a layer before the place, such as conv2 4,5,12")
        try:
            at = [int(word) for word in words]
        except ValueError:
            raise ValueError(f"A place is whole numbers, such as {name} 4,5,12; got {' '.join(words)!r}") from None
        visit, more = self.visit(name, times=3), "all behind the place shows them"
        if quantity in ("dw", "db"):
            return self.for_parameter(visit, {"dw": "weight", "db": "bias"}[quantity], at, shown, more)
        take = self.gradient if quantity == "dx" else self.output
        return take(visit, at, shown, "", more)


def is_a_place(text: str) -> bool:
    """Whether this asks for a number rather than for a stop."""
    return bool(re.search(r"[\s,\[(]-?\d|^-?\d", text))

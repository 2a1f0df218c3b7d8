"""What an explained number is made of: its terms, and what becomes of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

# How far the explained number may be from the network's, as a share of `Explanation.scale`, in float64.
TOLERANCE = 1e-12
DIGITS, FEWEST_DIGITS = 12, 9  # of the two numbers side by side


@dataclass(frozen=True)
class Term:
    """text: the term with its places and numbers, such as "x[3,4,0]=0.5 * w[0,1,0,7]=-0.25". value: what it is.

    scale: the size of what it is computed from, if rounding errors are to be measured by that.
    """

    text: str
    value: float
    scale: float | None = None

    @classmethod
    def product(cls, first: str, first_value, second: str, second_value) -> Term:
        text = f"{first}={number(first_value)} * {second}={number(second_value)}"
        return cls(text, float(first_value) * float(second_value))


@dataclass(frozen=True)
class Explanation:
    """terms, how they combine ("sum", "the largest"), and to what (total); finish: what the total then becomes, with
    its numbers, or "" if it is the value; value: the number that is explained.
    """

    terms: list[Term]
    how: str
    total: float
    finish: str
    value: float

    @property
    def scale(self) -> float:
        """The sum of the terms' sizes: by it rounding errors are measured."""
        return math.fsum(abs(term.value) if term.scale is None else term.scale for term in self.terms)


def summed(terms: list[Term]) -> Explanation:
    """The plain sum of all terms."""
    total = 0.0
    for term in terms:
        total += term.value
    return Explanation(terms, "sum", total, "", total)


def number(value) -> str:
    return f"{float(value) + 0.0:.6g}"  # and no -0


def in_brackets(at: Sequence[int]) -> str:
    return f"[{','.join(str(int(index)) for index in at)}]"


def in_lines(
    explanation: Explanation, name: str, network_value: float, shown: int | None, more: str = "--all shows them"
) -> list[str]:
    """The explanation as text: a line for each term, of many only the largest `shown` and what the others come to; then
    what they make, and last what the network computed."""
    listed, smaller = largest(explanation, shown)
    signs = ["+" if explanation.how == "sum" and index else " " for index in range(len(listed))]
    width = min(96, max((len(term.text) for term in listed), default=0))
    lines = [f"  {sign} {term.text:<{width}} = {number(term.value)}" for sign, term in zip(signs, listed)]
    if smaller:
        lines.append(f"  + {smaller:<{width}} ({more})")
    total, value, theirs = _alike(explanation, network_value)
    terms = explanation.terms
    if not terms:
        lines.append("    no term at all: nothing that the network computes depends on it here")
    if explanation.how == "sum" and not explanation.finish:
        what = f"sum of all {len(terms):,} terms" if len(terms) > 1 else "so it is"
        lines.append(f"  {what}: {value}")
    else:
        what = f"sum of all {len(terms):,} terms" if explanation.how == "sum" else explanation.how
        if explanation.finish:
            lines += [f"  {what}: {total}", f"  {name} = {explanation.finish} = {value}"]
        else:
            lines.append(f"  {what}: {value}")
    lines.append(f"  the network's {name}: {theirs}")
    return lines


def in_one_line(explanation: Explanation, name: str, shown: int = 3) -> str:
    """The formula with its numbers: the largest few terms, what the others come to, and the result last."""
    listed, smaller = largest(explanation, shown)
    texts = [term.text if "=" in term.text else _named(term) for term in listed]
    result = number(explanation.value)
    if explanation.how == "sum":
        parts = [f"({text})" if " " in text and len(explanation.terms) > 1 else text for text in texts]
        parts += [f"({smaller})"] if smaller else []
        sum_of = " + ".join(parts) or "the sum of no terms"
        if not explanation.finish:
            return f"{name} = {sum_of} = {result}"
        return f"the sum = {sum_of} = {number(explanation.total)};  {name} = {explanation.finish} = {result}"
    if explanation.finish:
        return f"{name} = {explanation.finish} = {result}"
    of = ", ".join([*texts, *([smaller] if smaller else [])])
    return f"{name} = {explanation.how.partition(',')[0]} of {of} = {result}"


def _named(term: Term) -> str:
    """A term that is a name alone, with its number: "b[3]=0.5", "x[0,1,2]=7 (the winner)"."""
    name, space, remark = term.text.partition(" ")
    return f"{name}={number(term.value)}{space}{remark}"


def largest(explanation: Explanation, shown: int | None) -> tuple[list[Term], str]:
    """The terms that are listed, and the others in words: all in order and "", or of many the `shown` largest."""
    terms = explanation.terms
    if shown is None or len(terms) <= shown + 1:
        return terms, ""
    ordered = sorted(terms, key=lambda term: -abs(term.value))
    others = ordered[shown:]
    together = f", together {number(math.fsum(term.value for term in others))}" if explanation.how == "sum" else ""
    return ordered[:shown], f"{len(others):,} smaller{together}"


def _alike(explanation: Explanation, network_value: float) -> tuple[str, str, str]:
    """The total, the value and the network's value with as many decimals as double precision can vouch for.

    Two numbers that differ in the sixteenth digit may round to different twelfth ones: then both get a digit less.
    """
    values = explanation.total, explanation.value, float(network_value)
    largest = max(explanation.scale, *(abs(value) for value in values))
    if not math.isfinite(largest) or largest == 0:
        return tuple(f"{value:g}" for value in values)
    for digits in range(DIGITS, FEWEST_DIGITS - 1, -1):
        decimals = max(0, digits - 1 - math.floor(math.log10(largest)))
        texts = tuple(_decimal(value, decimals) for value in values)
        if texts[1] == texts[2]:
            return texts
    return tuple(repr(value) for value in values)


def _decimal(value: float, decimals: int) -> str:
    """Fixed decimals; tiny numbers as a power of ten with the same last digit."""
    if value and decimals > 18:
        digits = decimals + math.floor(math.log10(abs(value)))
        return f"{value:.{max(0, digits)}e}"
    text = f"{value:.{decimals}f}"
    return text[1:] if not float(text) and text.startswith("-") else text

"""Read a pickle without running it.

A pickle is a program for a small machine with a stack and a memo: push this number, make a tuple of the last three
things, call that function with it, remember the result. Python's own `pickle.load` runs the program as it stands: it
imports any module and calls any function that the program names, so that whoever wrote the file decides what happens.

The machine in this file knows the steps that build numbers, strings, tuples, lists and dicts, and no others. A
function or class that the program names is looked up, by its full name, in a dict of stand-ins that the caller gives;
the real one is never imported. What is not in that dict ends the reading, before anything after it is looked at.

What such a program could still do is waste: so the number of steps is limited, integers have at most 64 bits, bytes
are views of the file instead of copies, the memo is a dict (a list would grow to the largest number in the file), and
keys are strings or whole numbers (the hash of a tuple in a tuple in a tuple ... overflows C's stack).
"""

from __future__ import annotations

import pickletools
import struct
from collections.abc import Callable, Mapping
from typing import Any

MOST_STEPS = 300_000  # the weights of a network take about 40 steps an array


class Named:
    """A function or class of which the file knows the name, and we the stand-in."""

    def __init__(self, name: str) -> None:
        self.name = name


class Unbuilt:
    """The base of stand-ins for objects that a pickle makes empty and fills afterwards."""

    def build(self, state: Any) -> None:
        raise NotImplementedError


def read_pickle(
    data: bytes | memoryview,
    functions: Mapping[str, Callable[[tuple], Any] | None],
    persistent: Callable[[Any], Any] | None = None,
) -> Any:
    """The value that a pickle describes; ValueError, with what is wrong and no file name, if it asks for more.

    functions: what the pickle may name, "module.function" -> a stand-in that is called with the tuple of arguments.
        It must check them: they are whatever the file says. None: may be named but not called.
    persistent: called with each persistent id, a pickle's word for something that is kept outside of it.

    Long bytes come as memoryviews of `data`. A dict's attributes (a subclass of dict has some) are dropped.
    """
    return _Machine(data, functions, persistent).run()


def as_text(value: Any) -> str:
    """A string, also where Python 2 wrote it, whose strings were bytes."""
    if isinstance(value, bytes) or (isinstance(value, memoryview) and len(value) <= 1000):
        return bytes(value).decode("latin-1")
    if not isinstance(value, str):
        raise ValueError(f"its pickle has a {type(value).__name__} where a string should be")
    return value


def is_count(value: Any) -> bool:
    """Is it a whole number of at least 0? True and False are not."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


class _Machine:
    def __init__(
        self,
        data: bytes | memoryview,
        functions: Mapping[str, Callable[[tuple], Any] | None],
        persistent: Callable[[Any], Any] | None,
    ) -> None:
        self.data, self.position = memoryview(data), 0
        self.functions, self.persistent = functions, persistent
        self.stack: list[Any] = []
        self.marks: list[int] = []  # where on the stack each open group starts
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        for _ in range(MOST_STEPS):
            code = bytes(self.take(1))
            if code == b".":  # STOP
                return self.pop()
            if code not in STEPS:
                step = pickletools.code2op.get(code.decode("latin-1"))  # type: ignore[attr-defined]  # its stub lacks it
                name = f"the step {step.name}" if step else f"an unknown step {code!r}"
                raise ValueError(f"its pickle uses {name}, which plain data do not need")
            STEPS[code](self)
        raise ValueError(f"its pickle has more than {MOST_STEPS:,} steps, which no such file needs")

    # Reading the program.

    def take(self, count: int) -> memoryview:
        view = self.data[self.position : self.position + count]
        if len(view) < count:
            raise ValueError("its pickle breaks off; the file is cut short or damaged")
        self.position += count
        return view

    def number(self, form: str) -> Any:
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def line(self) -> str:
        start = self.position
        while self.take(1) != b"\n":
            if self.position - start > 200:
                raise ValueError("its pickle has a name of more than 200 letters")
        return bytes(self.data[start : self.position - 1]).decode("latin-1")

    def text(self, form: str) -> str:
        try:
            # surrogatepass: the same exception that pickle makes from strict UTF-8.
            return str(self.take(self.number(form)), "utf-8", "surrogatepass")
        except UnicodeDecodeError:
            raise ValueError("its pickle has a string that is not UTF-8; the file is damaged") from None

    def short_bytes(self) -> bytes:
        return bytes(self.take(self.number("<B")))

    def long_integer(self) -> int:
        digits = self.short_bytes()
        if len(digits) > 8:
            raise ValueError(f"its pickle has an integer of {8 * len(digits)} bits, expected at most 64")
        return int.from_bytes(digits, "little", signed=True)

    def protocol(self) -> None:
        version = self.number("<B")
        if version > 5:
            raise ValueError(f"its pickle is of protocol {version}, expected at most 5")

    # The stack and the memo.

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop(self) -> Any:
        self.top()
        return self.stack.pop()

    def top(self) -> Any:
        # An open group's own things only: those below belong to whoever opened it.
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise ValueError("its pickle takes from an empty stack; the file is damaged")
        return self.stack[-1]

    def pop_group(self) -> list[Any]:
        if not self.marks:
            raise ValueError("its pickle closes a group that it never opened; the file is damaged")
        start = self.marks.pop()
        group = self.stack[start:]
        del self.stack[start:]
        return group

    def pop_tuple(self, length: int) -> None:
        values = [self.pop() for _ in range(length)]
        self.push(tuple(reversed(values)))

    def remember(self, key: int) -> None:
        self.memo[key] = self.top()

    def recall(self, key: int) -> None:
        if key not in self.memo:
            raise ValueError("its pickle recalls what it never remembered; the file is damaged")
        self.push(self.memo[key])

    # Containers.

    def append(self, values: list[Any]) -> None:
        target = self.top()
        if not isinstance(target, list):
            raise ValueError(f"its pickle appends to a {type(target).__name__}; the file is damaged")
        target.extend(values)

    def set_items(self, items: list[Any]) -> None:
        target = self.top()
        if not isinstance(target, dict) or len(items) % 2:
            raise ValueError(f"its pickle sets items of a {type(target).__name__}; the file is damaged")
        for key, value in zip(items[0::2], items[1::2], strict=True):
            target[key if is_count(key) else as_text(key)] = value

    def set_item(self) -> None:
        value, key = self.pop(), self.pop()
        self.set_items([key, value])

    # Where pickle.load would run code of the file's choice.

    def name(self, module: Any, name: Any) -> None:
        full = f"{as_text(module)}.{as_text(name)}"
        if full not in self.functions:
            raise ValueError(
                f"its pickle asks for {full[:200]!r}, which plain data do not need: "
                "it may be malicious; nothing was run"
            )
        self.push(Named(full))

    def stack_name(self) -> None:
        name, module = self.pop(), self.pop()
        self.name(module, name)

    def call(self) -> None:
        arguments, function = self.pop(), self.pop()
        stand_in = self.functions[function.name] if isinstance(function, Named) else None
        if stand_in is None or not isinstance(arguments, tuple):
            what = function.name if isinstance(function, Named) else f"a {type(function).__name__}"
            raise ValueError(f"its pickle calls {what}, which plain data do not need")
        self.push(stand_in(arguments))

    def build(self) -> None:
        state, target = self.pop(), self.top()
        if isinstance(target, Unbuilt):
            target.build(state)
        elif not isinstance(target, dict):
            raise ValueError(f"its pickle sets attributes of a {type(target).__name__}, which plain data do not need")

    def look_up(self) -> None:
        if self.persistent is None:
            raise ValueError("its pickle refers to something outside of it, which this kind of file does not have")
        self.push(self.persistent(self.pop()))


STEPS: dict[bytes, Callable[[_Machine], object]] = {
    b"\x80": lambda m: m.protocol(),  # PROTO
    b"\x95": lambda m: m.number("<Q"),  # FRAME: how many bytes belong together, for readers that read in pieces
    # constants
    b"N": lambda m: m.push(None),
    b"\x88": lambda m: m.push(True),
    b"\x89": lambda m: m.push(False),
    b"K": lambda m: m.push(m.number("<B")),  # BININT1
    b"M": lambda m: m.push(m.number("<H")),  # BININT2
    b"J": lambda m: m.push(m.number("<i")),  # BININT
    b"\x8a": lambda m: m.push(m.long_integer()),  # LONG1
    b"G": lambda m: m.push(m.number(">d")),  # BINFLOAT
    b"X": lambda m: m.push(m.text("<I")),  # BINUNICODE
    b"\x8c": lambda m: m.push(m.text("<B")),  # SHORT_BINUNICODE
    b"\x8d": lambda m: m.push(m.text("<Q")),  # BINUNICODE8
    b"C": lambda m: m.push(m.short_bytes()),  # SHORT_BINBYTES
    b"U": lambda m: m.push(m.short_bytes()),  # SHORT_BINSTRING, Python 2's
    b"B": lambda m: m.push(m.take(m.number("<I"))),  # BINBYTES
    b"T": lambda m: m.push(m.take(m.number("<I"))),  # BINSTRING, Python 2's
    b"\x8e": lambda m: m.push(m.take(m.number("<Q"))),  # BINBYTES8
    # containers
    b")": lambda m: m.push(()),
    b"]": lambda m: m.push([]),
    b"}": lambda m: m.push({}),
    b"(": lambda m: m.marks.append(len(m.stack)),  # MARK: a group starts
    b"t": lambda m: m.push(tuple(m.pop_group())),
    b"\x85": lambda m: m.pop_tuple(1),
    b"\x86": lambda m: m.pop_tuple(2),
    b"\x87": lambda m: m.pop_tuple(3),
    b"a": lambda m: m.append([m.pop()]),
    b"e": lambda m: m.append(m.pop_group()),
    b"s": lambda m: m.set_item(),
    b"u": lambda m: m.set_items(m.pop_group()),
    # the memo
    b"q": lambda m: m.remember(m.number("<B")),  # BINPUT
    b"r": lambda m: m.remember(m.number("<I")),  # LONG_BINPUT
    b"\x94": lambda m: m.remember(len(m.memo)),  # MEMOIZE
    b"h": lambda m: m.recall(m.number("<B")),  # BINGET
    b"j": lambda m: m.recall(m.number("<I")),  # LONG_BINGET
    # what names, calls and fills
    b"c": lambda m: m.name(m.line(), m.line()),  # GLOBAL
    b"\x93": lambda m: m.stack_name(),  # STACK_GLOBAL
    b"R": lambda m: m.call(),  # REDUCE
    b"b": lambda m: m.build(),  # BUILD
    b"Q": lambda m: m.look_up(),  # BINPERSID
}

"""The machine that reads pickles: what it knows, and that it knows nothing else."""

import pickle
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nn.files.pickle_reader import Unbuilt, read_pickle
from tests.checks import one_sentence
from tests.foreign_files import ORDERED_DICT, Build, Call, Global, Opcodes, Persistent, dump


class Pair(Unbuilt):
    state = None

    def __init__(self, arguments):
        self.arguments = arguments

    def build(self, state):
        self.state = state


FUNCTIONS = {"collections.OrderedDict": lambda arguments: {}, "some.Pair": Pair, "some.Name": None}
PAIR, NAME = Global("some", "Pair"), Global("some", "Name")


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text() | st.integers(0, 2**40), inner),
))  # fmt: skip
def test_plain_values_are_read_as_pickle_reads_them(value):
    for protocol in (2, 3, 4, 5):
        assert read_pickle(pickle.dumps(value, protocol), {}) == value


@pytest.mark.parametrize("protocol", [2, 4])
def test_what_is_called_and_filled_are_our_stand_ins(protocol):
    value = {"pair": Build(Call(PAIR, (1, "a")), [2]), "dict": Build(Call(ORDERED_DICT, ()), {"attribute": 3})}
    value["outside"] = Persistent(("key", NAME))
    read = read_pickle(dump(value, protocol), FUNCTIONS, lambda identifier: identifier[1].name + identifier[0])
    assert isinstance(read["pair"], Pair) and read["pair"].arguments == (1, "a") and read["pair"].state == [2]
    assert read["dict"] == {} and type(read["dict"]) is dict
    assert read["outside"] == "some.Namekey"


def test_a_stand_in_that_cannot_be_filled_is_our_mistake_and_not_the_file_s():
    functions = {"some.Pair": lambda arguments: Unbuilt()}
    with pytest.raises(NotImplementedError):
        read_pickle(dump(Build(Call(PAIR, ()), 1)), functions)


def test_bytes_are_views_of_the_file():
    data = pickle.dumps([bytes(1000)], 4)
    (read,) = read_pickle(data, {})
    assert isinstance(read, memoryview) and read.obj is data and read.readonly


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (Global("os", "system"), "asks for 'os.system'"),
        (Global("collections", "OrderedDict.__init__.__globals__"), "asks for"),
        (Global("some", "name"), "asks for"),
        (Call(NAME, ()), "calls some.Name"),
        (Call("a string", ()), "calls a str"),
        (Call(Call(ORDERED_DICT, ()), ()), "calls a dict"),
        (Call(Call(PAIR, ()), ()), "calls a Pair"),
        (Call(PAIR, [1, 2]), "calls some.Pair"),
        (Build([], {"a": 1}), "attributes of a list"),
        (Build(PAIR, {"a": 1}), "attributes of a Named"),
        (Build(None, {"a": 1}), "attributes of a NoneType"),
        (Persistent(3), "outside of it"),
        (Opcodes(b"\x82\x01"), "EXT1"),  # a number that stands for a function
        (Opcodes(b"ios\nsystem\n"), "INST"),
        (Opcodes(b"cos\nsystem\n(o"), "asks for"),
        (Opcodes(b"(o"), "OBJ"),
        (Opcodes(b"NN\x81"), "NEWOBJ"),
        (Opcodes(b"\x97"), "NEXT_BUFFER"),
        (Opcodes(b"Pdata\n"), "PERSID"),
        (Opcodes(b"I1\n"), "INT"),
        (Opcodes(b"\x8b" + struct.pack("<i", 100) + bytes(100)), "LONG4"),
        (Opcodes(b"\x8a\x09" + bytes(9)), "72 bits"),
        (Opcodes(b"\xff"), "unknown step"),
        (Opcodes(b"c" + b"a" * 1000), "200 letters"),
        (Opcodes(b"NN\x93"), "a NoneType where a string should be"),
        (Opcodes(b"R"), "empty stack"),
        (Opcodes(b"0"), "POP"),
        (Opcodes(b"\x85"), "empty stack"),
        (Opcodes(b"N(\x85"), "empty stack"),  # the group's own things only
        (Opcodes(b"N(q\x00"), "empty stack"),
        (Opcodes(b"N(."), "empty stack"),
        (Opcodes(b"t"), "never opened"),
        (Opcodes(b"}(K\x01u"), "sets items"),
        (Opcodes(b"](K\x01K\x02u"), "sets items of a list"),
        (Opcodes(b"}NNs"), "a NoneType where a string should be"),
        (Opcodes(b"}G" + bytes(8) + b"Ns"), "a float where a string should be"),
        (Opcodes(b"}\x88Ns"), "a bool where a string should be"),
        (Opcodes(b"})Ns"), "a tuple where a string should be"),
        (Opcodes(b"}T" + struct.pack("<I", 1001) + bytes(1001) + b"Ns"), "a memoryview where a string should be"),
        (Opcodes(b"K\x01K\x02a"), "appends to a int"),
        (Opcodes(b"h\x05"), "never remembered"),
        (Opcodes(b"\x80\x06"), "protocol 6"),
        (Opcodes(b"X\x01\x00\x00\x00\xff"), "UTF-8"),
        (Opcodes(b"X\xff\xff\xff\xff"), "breaks off"),
        (Opcodes(b"N" * 300_000), "300,000 steps"),
    ],
)
def test_what_a_pickle_of_weights_never_does(program, words):
    with one_sentence(ValueError, words):
        read_pickle(dump(program), FUNCTIONS)


def test_every_truncation():
    data = dump({"pair": Build(Call(PAIR, (1, "a", 2.5, 2**40)), [None, True]), "bytes": "\u00e4" * 300}, 4)
    for length in range(len(data)):
        with one_sentence(ValueError, "breaks off"):
            read_pickle(data[:length], FUNCTIONS)

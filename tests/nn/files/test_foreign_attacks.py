"""Files that mean harm: nothing in them runs, and little is wasted on them."""

import concurrent.futures
import io
import os
import pickle
import struct
import subprocess
import sys
import threading
import tracemalloc
import warnings

import numpy as np
import pytest

from nn.files.foreign import read_caffe_npy, read_pth
from tests.foreign_files import (
    ORDERED_DICT,
    Build,
    Call,
    Global,
    Opcodes,
    dump,
    one_object,
    refuses,
    storage,
    tensor,
    write_npy,
    write_pth,
)

# Each program creates the file "marker" when a pickle is read as Python reads it.

TOUCH = "open('marker', 'w').close()"


class RunsOnLoad:
    """An object of any class can name what is called when it is unpickled."""

    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


def attack(function, *arguments):
    return pickle.dumps(RunsOnLoad(function, *arguments), protocol=2)


def hidden(value):
    return dump(value)


GETATTR, IMPORT = Global("builtins", "getattr"), Global("builtins", "__import__")
EXEC = Global("builtins", "exec")
RUN = Call(EXEC, (TOUCH,))
TENSOR = tensor(storage("0", "f4", 2), 0, (2,), (1,))
ATTACKS = {
    "a shell command": attack(os.system, "echo > marker"),
    "eval": attack(eval, TOUCH),
    "exec": attack(exec, TOUCH),
    "open": attack(open, "marker", "w"),
    "protocol 4": pickle.dumps(RunsOnLoad(exec, TOUCH), protocol=4),
    "protocol 0": pickle.dumps(RunsOnLoad(exec, TOUCH), protocol=0),
    "getattr of an import": hidden(Call(Call(GETATTR, (Call(IMPORT, ("os",)), "system")), ("echo > marker",))),
    "NumPy's own unpickling": attack(np.load, "inner.npy", None, True),
    "in a tensor's hooks": hidden({"a": tensor(storage("0", "f4", 2), 0, (2,), (1,), hooks=RUN)}),
    "in a tensor's offset": hidden({"a": tensor(storage("0", "f4", 2), RUN, (2,), (1,))}),
    "in a storage's key": hidden({"a": tensor(storage(RUN, "f4", 2), 0, (2,), (1,))}),
    "in an ordered dict's state": hidden(Build(Call(ORDERED_DICT, ()), {"_metadata": RUN})),
    "beside the state_dict": hidden({"state_dict": {"a": TENSOR}, "epoch": RUN}),
    "in a dict's key": hidden({RUN: TENSOR}),
    "after the tensors": hidden([{"a": TENSOR}, RUN]),
    "popped again": hidden([Opcodes(hidden(RUN)[2:-1] + b"0N")]),
    "in an array's state": hidden(
        Build(
            Call(Global("numpy.core.multiarray", "_reconstruct"), (Global("numpy", "ndarray"), (0,), b"b")),
            (1, (), Call(EXEC, (TOUCH,)), False, []),
        )
    ),
    "in an array of objects": pickle.dumps(one_object({"conv1": [RunsOnLoad(exec, TOUCH), 0]}), protocol=4),
    "in a dtype": pickle.dumps(np.array([RunsOnLoad(exec, TOUCH)], dtype=object), protocol=2),
    "INST": b'(S"' + TOUCH.encode() + b'"\nibuiltins\nexec\n.',
    "OBJ": b'(cbuiltins\nexec\nS"' + TOUCH.encode() + b'"\no.',
    "STACK_GLOBAL": b"\x80\x04\x8c\x08builtins\x8c\x04exec\x93\x8c" + bytes([len(TOUCH)]) + TOUCH.encode() + b"\x85R.",
    "NEWOBJ": hidden(Opcodes(b"cbuiltins\nmap\n" + dump((EXEC, [TOUCH]))[2:-1] + b"\x81"))[:-1]
    + b"0cbuiltins\nlist\ncbuiltins\nmap\n"
    + dump((EXEC, [TOUCH]))[2:-1]
    + b"\x81\x85R.",
    "__setstate__": hidden(
        # A partial whose state replaces the harmless function that it was made with.
        Call(
            Build(Call(Global("functools", "partial"), (Global("builtins", "print"),)), (EXEC, (TOUCH,), {}, None)), ()
        )
    ),
    "a name with dots": b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x0decho > marker\x85R.",
    "a name from a module that is allowed": b"\x80\x04\x8c\x0bcollections\x8c\x10_sys.modules.get\x93\x8c\x02os\x85R0"
    + hidden(RUN)[2:],
}


class Trusting(pickle.Unpickler):
    """Python's unpickler, for a reader who expects tensors: the stand-ins for PyTorch are harmless."""

    def persistent_load(self, identifier):
        return None

    def find_class(self, module, name):
        return (lambda *arguments: None) if module.startswith("torch") else super().find_class(module, name)


@pytest.mark.parametrize("name", ATTACKS)
def test_nothing_runs(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    program = ATTACKS[name]
    np.save("inner.npy", one_object(RunsOnLoad(exec, TOUCH)), allow_pickle=True)
    marker = tmp_path / "marker"

    # First, that the attack is one.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            Trusting(io.BytesIO(program)).load()
        except Exception as error:
            assert marker.exists(), f"the attack failed: {error!r}"
    assert marker.exists(), "the attack is harmless, so that refusing it proves nothing"
    marker.unlink()

    refuses(read_pth, write_pth(tmp_path / "a.pth", program, {"0": bytes(8)}))
    refuses(read_caffe_npy, write_npy(tmp_path / "a.npy", program))
    assert not marker.exists()


def test_the_refusal_names_what_the_file_asks_for(tmp_path):
    path = write_pth(tmp_path / "a.pth", attack(eval, TOUCH), {})
    refuses(read_pth, path, "builtin", "eval", "malicious", "nothing was run")


BOMBS = {
    "memo": b"N" + b"r\xff\xff\xff\xff",
    "frame": b"\x95" + b"\xff" * 8 + b"N",
    "long string": b"X\xff\xff\xff\xff",
    "longer string": b"\x8d" + b"\xff" * 8,
    "long bytes": b"\x8e\x00\x00\x00\x00\xff\x00\x00\x00",
    "many dicts": b"(" + b"}" * 400_000,
    "a tuple as a key": b"})Ns",
    "a list in itself": b"]q\x00h\x00a",
    "a dict in itself": b"}q\x00X\x01\x00\x00\x00ah\x00s",
    "a dict as a state_dict of itself": b"}q\x00X\x0a\x00\x00\x00state_dicth\x00s",
    "doubling": b"]" + b"q\x00)h\x00h\x00\x86" * 10_000,
    "the same text encoded again and again": b"X" + struct.pack("<I", 10**6) + b"a" * 10**6 + b"q\x00"
    + b"X\x06\x00\x00\x00latin1q\x01(" + b"c_codecs\nencode\nh\x00h\x01\x86R" * 10_000,
    "a long text as a key": b"T" + struct.pack("<I", 10**6) + b"a" * 10**6 + b"q\x00}(" + b"h\x00N" * 100_000 + b"u",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", BOMBS)
def test_waste_is_limited(tmp_path, name):
    program = b"\x80\x04" + BOMBS[name] + b"."
    pth, npy = write_pth(tmp_path / "a.pth", program, {}), write_npy(tmp_path / "a.npy", program)
    tracemalloc.start()
    refuses(read_pth, pth)
    refuses(read_caffe_npy, npy)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 200e6


NESTED = b")" + b"\x85" * 30_000  # a tuple in a tuple in a tuple ...
SMALL_STACK = 2**19  # bytes


def on_a_small_stack(work):
    """work() in a thread with a sixteenth of the usual stack of 8 MB: what overflows that needs a sixteenth as long."""
    before = threading.stack_size(SMALL_STACK)
    try:
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            return pool.submit(work).result()
    finally:
        threading.stack_size(before)


@pytest.mark.parametrize("key", [False, True])
def test_deep_nesting(tmp_path, key):
    """As the key of a dict it makes Python crash."""
    program = b"\x80\x02" + (b"}" + NESTED + b"Ns" if key else NESTED) + b"."
    on_a_small_stack(lambda: refuses(read_pth, write_pth(tmp_path / "a.pth", program, {})))
    on_a_small_stack(lambda: refuses(read_caffe_npy, write_npy(tmp_path / "a.npy", program)))


@pytest.mark.skipif(os.name != "posix", reason="elsewhere a crash may open a window")
def test_deep_nesting_is_an_attack():
    """Python's own reader crashes, with the same stack and the same tuples; else the test above would prove nothing."""
    script = f"""
import pickle, resource, threading
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
threading.stack_size({SMALL_STACK})
thread = threading.Thread(target=pickle.loads, args=[{b"}" + NESTED + b"Ns."!r}])
thread.start()
thread.join()
"""
    assert subprocess.run([sys.executable, "-"], input=script, text=True, capture_output=True).returncode < 0

"""How the loops of `nn.kernels` are compiled, and where compiled code is kept from run to run.

    @njit(**COMPILED)
    def double(x, y):
        for i in range(len(x)):
            y[i] = 2 * x[i]

It is kept in the user's cache folder, as the source's own may be read-only. numba compiles a loop anew when the file
that the loop is in has changed, but knows nothing of other files whose code went into it: so each version of those has
a folder of its own.
"""

from __future__ import annotations

import gc
import os
import zlib
from pathlib import Path

import numba
from numba.core import event
from platformdirs import user_cache_path

# nogil: other Python threads run meanwhile. error_model: a division by zero gives infinity, as in NumPy; Python's way,
# an exception, would need a test at every division and keep the compiler from dividing eight numbers at a time.
# no_cfunc_wrapper: nobody calls them from C, and less is to be compiled.
COMPILED = {"cache": True, "nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}


class _WithoutGarbageCollection(event.Listener):
    """While numba compiles, Python's search for objects that only refer to each other pauses: the compiler makes so
    many objects, nearly all of them in use, that looking through them takes a tenth of the time."""

    depth = 0  # of loops that are compiled because others call them
    was_enabled = False

    def on_start(self, _):
        if self.depth == 0:
            self.was_enabled = gc.isenabled()
            gc.disable()
        self.depth += 1

    def on_end(self, _):
        self.depth = max(0, self.depth - 1)  # an interrupt can come before the start was counted
        if self.depth == 0 and self.was_enabled:
            gc.enable()


event.register("numba:compile", _WithoutGarbageCollection())  # numba holds a lock meanwhile: one thread at a time

PARTS_OF_OTHERS = "sharing.py", "kernels/registers.py"


def _version() -> str:
    sources = (Path(__file__).parent.joinpath(name).read_bytes() for name in PARTS_OF_OTHERS)
    return f"{zlib.crc32(b''.join(sources)):08x}"


_chosen = os.environ.get("NUMBA_CACHE_DIR") or user_cache_path("lenet-to-alexnet") / "compiled"
numba.config.CACHE_DIR = str(Path(_chosen) / _version())

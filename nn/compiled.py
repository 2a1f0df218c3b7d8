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
from numba.core.registry import cpu_target
from platformdirs import user_cache_path

# nogil: other Python threads run meanwhile. error_model: a division by zero gives infinity, as in NumPy; Python's way,
# an exception, would need a test at every division and keep the compiler from dividing eight numbers at a time.
# no_cfunc_wrapper: nobody calls them from C, and less is to be compiled.
COMPILED = {"cache": True, "nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}

# For functions that only compiled loops call: their code goes into that of the loops.
PART_OF_A_LOOP = COMPILED | {"cache": False, "no_cpython_wrapper": True}


class _Sooner(event.Listener):
    """While numba compiles, two things are set so that it takes a quarter less time.

    Python's search for objects that only refer to each other pauses: the compiler makes so many objects, nearly all of
    them in use, that looking through them takes a tenth of the time.

    And our own loops get LLVM's first level of optimisation instead of its third: they are written in vectors already,
    which is most of what the third would do, and run as fast. Other people's loops are compiled as ever, and so are
    ours where the environment has NUMBA_OPT.
    """

    depth = 0  # of loops that are compiled because others call them
    before = True, None  # what was set

    def on_start(self, compiling: event.Event) -> None:
        if self.depth == 0:
            self.before = gc.isenabled(), numba.config.OPT
            gc.disable()
            if compiling.data["dispatcher"].py_func.__module__.startswith("nn.") and "NUMBA_OPT" not in os.environ:
                cpu_target.target_context.codegen()  # made once for everybody, with what is set then
                numba.config.OPT = type(numba.config.OPT)(1)
        self.depth += 1

    def on_end(self, _: event.Event) -> None:
        self.depth = max(0, self.depth - 1)  # an interrupt can come before the start was counted
        if self.depth == 0:
            was_enabled, numba.config.OPT = self.before
            if was_enabled:
                gc.enable()


event.register("numba:compile", _Sooner())  # numba holds a lock meanwhile: one thread at a time

PARTS_OF_OTHERS = "sharing.py", "kernels/registers.py"


def _version() -> str:
    sources = (Path(__file__).parent.joinpath(name).read_bytes() for name in PARTS_OF_OTHERS)
    return f"{zlib.crc32(b''.join(sources)):08x}"


_chosen = os.environ.get("NUMBA_CACHE_DIR") or user_cache_path("lenet-to-alexnet") / "compiled"
numba.config.CACHE_DIR = str(Path(_chosen) / _version())

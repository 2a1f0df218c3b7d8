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

import os
import zlib
from pathlib import Path

import numba
from platformdirs import user_cache_path

# nogil: other Python threads run meanwhile. error_model: a division by zero gives infinity, as in NumPy; Python's way,
# an exception, would need a test at every division and keep the compiler from dividing eight numbers at a time.
# no_cfunc_wrapper: nobody calls them from C, and less is to be compiled.
COMPILED = {"cache": True, "nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}

PARTS_OF_OTHERS = "sharing.py", "kernels/registers.py"


def _version() -> str:
    sources = (Path(__file__).parent.joinpath(name).read_bytes() for name in PARTS_OF_OTHERS)
    return f"{zlib.crc32(b''.join(sources)):08x}"


_chosen = os.environ.get("NUMBA_CACHE_DIR") or user_cache_path("lenet-to-alexnet") / "compiled"
numba.config.CACHE_DIR = str(Path(_chosen) / _version())

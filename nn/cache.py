"""Where compiled code is kept from run to run: in the user's cache folder, as the source's own may be read-only.

numba compiles a loop anew when the file that the loop is in has changed, but knows nothing of other files whose code
went into it. So each version of these files has a folder of its own.
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import numba
from platformdirs import user_cache_path

PARTS_OF_OTHERS = "sharing.py", "kernels/registers.py"


def _version() -> str:
    sources = (Path(__file__).parent.joinpath(name).read_bytes() for name in PARTS_OF_OTHERS)
    return f"{zlib.crc32(b''.join(sources)):08x}"


_chosen = os.environ.get("NUMBA_CACHE_DIR") or user_cache_path("lenet-to-alexnet") / "compiled"
numba.config.CACHE_DIR = str(Path(_chosen) / _version())

"""How the loops of `nn.backend.cpu` are compiled, and where compiled code is kept from run to run.

    @compiled_loop
    def double(x, y):
        for i in range(len(x)):
            y[i] = 2 * x[i]

numba can keep compiled code too, but then in one folder for all that a process compiles, ours or not; it knows nothing
of other files whose code went into a loop; and what it cannot read or write ends the program. Here that means only that
a loop is compiled anew.
"""

from __future__ import annotations

import functools
import hashlib
import os
import pickle
import sys
import uuid
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import llvmlite
import numba
import numpy as np
from numba import njit
from numba.core.caching import NullCache
from numba.core.ccallback import CFunc
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps
from numba.core.sigutils import normalize_signature
from platformdirs import user_cache_path

# nogil: other Python threads run meanwhile. error_model: a division by zero gives infinity, as in NumPy; Python's way,
# an exception, would need a test at every division and keep the compiler from dividing eight numbers at a time.
# no_cfunc_wrapper: nobody calls them from C, and less is to be compiled.
_OPTIONS = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}


def compiled_loop(function: Callable | None = None, **options) -> Callable:
    """Decorate a function: it is compiled for each combination of argument types when it is first called with it."""
    if function is None:
        return functools.partial(compiled_loop, **options)
    return _keep(njit(**_OPTIONS, **options)(function), function)


def part_of_a_loop(function: Callable) -> Callable:
    """Decorate a function that only compiled loops call: its code goes into theirs."""
    return njit(**_OPTIONS, no_cpython_wrapper=True)(function)


def callback(signature: str) -> Callable[[Callable], CFunc]:
    """Decorate a function that is called from outside Python, at `.address`: it is compiled at once."""

    def decorate(function: Callable) -> CFunc:
        made = _keep(CFunc(function, normalize_signature(signature), locals={}, options={}), function)
        made.compile()
        return made

    return decorate


def _keep(made, function: Callable):
    # With NUMBA_DISABLE_JIT numba gives the function back. And what is kept knows a loop by the file it is in: not
    # where there is none, and not the variables of a function around it.
    if made is not function and Path(function.__code__.co_filename).is_file() and function.__closure__ is None:
        made._cache = _Kept(function)
    return made


def _folder() -> Path:
    """The one that numba is told to use, or else the one beside the data (see `nn.data.download`)."""
    if numba.config.CACHE_DIR:  # the environment's NUMBA_CACHE_DIR
        return Path(numba.config.CACHE_DIR, "lenet-to-alexnet").absolute()
    with suppress(RuntimeError):  # there is no home
        chosen = os.environ.get("LENET_TO_ALEXNET_CACHE") or user_cache_path("lenet-to-alexnet")
        return Path(chosen).expanduser().absolute() / "compiled"
    return Path("~/.cache/lenet-to-alexnet/compiled")


FOLDER = _folder()

# Any loop may have code of these within its own.
SOURCES = [file for name in ("runtime/*.py", "cpu/*.py") for file in Path(__file__).parents[1].glob(name)]
_VERSION = hashlib.sha256(repr((numba.__version__, llvmlite.__version__, np.__version__)).encode())
for _source in sorted(SOURCES):
    _VERSION.update(_source.read_bytes())


class _Kept(NullCache):
    """Where numba asks for a loop's compiled code before it compiles, and hands it over afterwards.

    A file belongs to one function and one set of argument types, so that processes that compile at the same time need
    not agree on anything. It holds a checksum, the version of all that the code was made from, and the code. Without
    the checksum, damage might be noticed by a crash alone, or by wrong numbers.
    """

    def __init__(self, function: Callable) -> None:
        self.function = function
        version = _VERSION.copy()
        version.update(Path(function.__code__.co_filename).read_bytes())  # now, as it may change while we run
        self.version = version.digest()

    def load_overload(self, signature, context):
        context.refresh()
        try:
            path = self._path(signature, context)
            kept = path.read_bytes()
        except (OSError, RuntimeError):  # nothing has been kept, or nothing can be
            return None
        checksum, version, code = kept[:32], kept[32:64], kept[64:]
        try:
            if checksum != hashlib.sha256(version + code).digest():
                raise ValueError("a file is damaged")
            if version == self.version:
                return CompileResult._rebuild(context, *pickle.loads(code))
        except Exception as error:
            with suppress(OSError):
                path.unlink()
            _say_once(f"Compiled loops in {FOLDER} cannot be used ({error}), so they are compiled anew.")
        return None

    def save_overload(self, signature, result) -> None:
        if result.library.has_dynamic_globals:  # addresses, which are others in the next run
            return
        try:
            path = self._path(signature, result.target_context)
            path.parent.mkdir(parents=True, exist_ok=True)
            kept = self.version + dumps(result._reduce())
            unfinished = path.with_name(uuid.uuid4().hex)
            try:
                unfinished.write_bytes(hashlib.sha256(kept).digest() + kept)
                unfinished.replace(path)
            finally:
                unfinished.unlink(missing_ok=True)
        except Exception as error:
            reason = getattr(error, "strerror", None) or error
            _say_once(
                f"Compiled loops cannot be kept in {FOLDER} ({reason}), so each program compiles its own, which takes "
                "some seconds: name a folder for them in the environment variable NUMBA_CACHE_DIR."
            )

    def _path(self, signature, context) -> Path:
        function = self.function
        what = function.__code__.co_filename, function.__qualname__, function.__code__.co_code, str(signature)
        where = sys.implementation.cache_tag, context.codegen().magic_tuple()
        number = hashlib.sha256(repr((what, where)).encode()).hexdigest()[:16]
        return FOLDER.expanduser() / f"{function.__module__}.{function.__name__}-{number}"


@functools.cache
def _say_once(sentence: str) -> None:
    warnings.warn(sentence, stacklevel=2)

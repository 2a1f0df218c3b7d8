"""A plugin of pytest's for `python -m tests.mutants`: one file of the project is imported with a mistake in it.

The file itself stays as it is, so that numba, which looks at files, goes on with what it has compiled of it.
"""

import os
from importlib.machinery import SourceFileLoader
from pathlib import Path

_get_code = SourceFileLoader.get_code


def _get_code_or_mutant(loader, name):
    if os.path.realpath(loader.path) != os.path.realpath(os.environ["MUTANT_OF"]):
        return _get_code(loader, name)
    return compile(Path(os.environ["MUTANT"]).read_bytes(), loader.path, "exec", dont_inherit=True)


SourceFileLoader.get_code = _get_code_or_mutant

"""Programs that people run: `lenet`, or `python -m examples`, lists them."""

import sys
from importlib.util import find_spec

# The mistake that everybody makes once: a Python beside the virtual environment. Its answer should be no traceback.
_missing = [name for name in ("numpy", "numba", "matplotlib", "tqdm") if find_spec(name) is None]
if _missing:
    sys.exit(
        f"{', '.join(_missing)} cannot be found by this Python, {sys.executable}: use the one of your virtual "
        "environment (after make it is .venv/bin/python), or install what is needed with pip install -e ."
    )

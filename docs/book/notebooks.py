"""Run the lessons as notebooks, a few at the same time, and keep what they gave where MyST-NB looks for it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jupytext
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn, JupyterCacheAbstract
from jupyter_cache.executors.utils import ExecutionResult, single_nb_execution
from nbformat import NotebookNode
from tqdm import tqdm

TIMEOUT = 1800  # seconds for a cell: far more than any takes, so that only what hangs is stopped


def run_all(paths: Sequence[Path], kept: Path, jobs: int) -> None:
    """Run those whose results are not in the folder `kept` yet. Raises nbclient's CellExecutionError or
    CellTimeoutError where a cell fails."""
    cache = get_cache(str(kept))
    notebooks = {path: jupytext.read(path, fmt="py:percent") for path in paths}
    missing = [path for path, notebook in notebooks.items() if not _is_kept(cache, notebook)]
    print(f"{len(missing)} lessons and answers are run, {len(paths) - len(missing)} have not changed", flush=True)
    pool = ThreadPoolExecutor(jobs)  # each notebook is a process of its own, for which a thread waits
    try:
        runs = pool.map(lambda path: _run(notebooks[path], path.parent), missing)
        for path, result in zip(missing, tqdm(runs, "Lessons", len(missing), disable=not missing or None)):
            if result.err is not None:
                raise result.err
            bundle = CacheBundleIn(notebooks[path], str(path), data={"execution_seconds": result.time})
            cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
    finally:
        pool.shutdown(cancel_futures=True)  # after Ctrl-C or a failure the next do not begin


def _run(notebook: NotebookNode, folder: Path) -> ExecutionResult:
    quiet = ["--IPKernelApp.log_level=40"]  # or each kernel warns of the connection that Jupyter itself has chosen
    return single_nb_execution(notebook, str(folder), TIMEOUT, allow_errors=False, extra_arguments=quiet)


def _is_kept(cache: JupyterCacheAbstract, notebook: NotebookNode) -> bool:
    try:
        cache.match_cache_notebook(notebook)
    except KeyError:
        return False
    return True

"""Do the tests notice a wrong picture or recipe? Plant one mistake at a time, and run the tests that should see it.

    python -m tests.planted                     every mistake of the lists, planted_*.py
    python -m tests.planted --only confusion    those with this word in their file or their source
    python -m tests.planted --list              what would be planted

`python -m tests.mutants` makes every small mistake that there can be in a formula; these were chosen by hand, where a
mistake is a wrong choice (the wrong curve, the wrong axis, the wrong rate) and where most changes are to looks alone.

The tests run in copies of the project, one for each worker, in whose files a mistake stands as if it had been made
there: programs that the tests start see it as well.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from tests import planted_plots, planted_programs, planted_streams, planted_training
from tests.mutants import FOLDERS
from tests.planted_mistake import ROOT, Mistake

PATIENCE = 600  # seconds; a mistake may loop for ever
MOST_SURVIVORS = 0.05
MISTAKES = [
    *planted_plots.MISTAKES,
    *planted_programs.MISTAKES,
    *planted_streams.MISTAKES,
    *planted_training.MISTAKES,
]


class Copy:
    """A copy of the project, in which the tests run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in FOLDERS:
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        for path in ROOT.iterdir():
            if path.is_file():
                shutil.copy(path, folder)

    def notices(self, mistake: Mistake) -> str | None:
        """The test that fails with this mistake, if one does."""
        path = self.folder / mistake.file
        kept, planted = path.read_bytes(), mistake.source(self.folder)
        try:
            path.write_text(planted, encoding="utf-8", newline="")
            return self.fails(mistake.tests)
        finally:
            path.write_bytes(kept)

    def fails(self, tests: tuple[str, ...]) -> str | None:
        """The first test that fails."""
        command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=no", "-p", "no:cacheprovider", "-n", "0"]
        command += ["--hypothesis-profile=mutants", "-m", "not oracle", *(f"tests/{name}" for name in tests)]
        # No compiled files, which know a source by its size and the second it was changed in.
        environment = os.environ | {"PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}
        environment["NUMBA_CACHE_DIR"] = str(self.folder / "compiled")
        try:
            done = subprocess.run(
                command, cwd=self.folder, env=environment, capture_output=True, timeout=PATIENCE, encoding="utf-8"
            )
        except subprocess.TimeoutExpired:
            return f"no end within {PATIENCE} seconds"
        if done.returncode == 0:
            return None
        failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
        if not failed:  # killed, or there are no such tests: that notices nothing
            raise RuntimeError(f"pytest ended with status {done.returncode}: {done.stdout}{done.stderr}")
        return failed[0].split(" - ")[0]


def run(mistakes: list[Mistake], workers: int) -> dict[Mistake, str | None]:
    """For each mistake the test that noticed it."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(workers) as pool:
        free: SimpleQueue[Copy] = SimpleQueue()
        for number in range(workers):
            free.put(Copy(Path(folder, str(number))))

        def in_a_copy(work):
            copy = free.get()
            try:
                return work(copy)
            finally:
                free.put(copy)

        # First without a mistake: else every mistake would look noticed.
        tests = [(name,) for name in dict.fromkeys(name for mistake in mistakes for name in mistake.tests)]
        before = pool.map(in_a_copy, [lambda copy, test=test: copy.fails(test) for test in tests])
        if failed := list(filter(None, before)):
            raise RuntimeError(f"the tests fail before anything is planted: {', '.join(failed)}")
        noticed = pool.map(in_a_copy, [lambda copy, one=one: copy.notices(one) for one in mistakes])
        found = {}
        try:
            for mistake, test in zip(mistakes, noticed):
                found[mistake] = test
                print(f"{len(found):3} of {len(mistakes)}  {mistake}\n            {test or 'SURVIVED'}", flush=True)
        finally:
            pool.shutdown(cancel_futures=True)  # Ctrl-C: those that wait do not begin
        return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="WORD", help="those with this in their file or their source")
    parser.add_argument("--list", action="store_true", help="list the mistakes instead of running the tests")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="how many at a time")
    options = parser.parse_args()
    mistakes = [mistake for mistake in MISTAKES if options.only in str(mistake)]
    for mistake in mistakes:
        mistake.source()  # a list that has rotted is told before anything runs
    if options.list or not mistakes:
        print(*mistakes, f"{len(mistakes)} mistakes", sep="\n")
        return 0
    start = time.monotonic()
    noticed = run(mistakes, options.workers)
    survivors = [mistake for mistake, test in noticed.items() if test is None]
    print(f"\n{'file':<36} {'planted':>8} {'survived':>9}")
    for file in dict.fromkeys(mistake.file for mistake in mistakes):
        planted, survived = (sum(mistake.file == file for mistake in some) for some in (mistakes, survivors))
        print(f"{file:<36} {planted:>8} {survived:>9}")
    print(
        f"{len(mistakes)} mistakes in {(time.monotonic() - start) / 60:.0f} minutes; "
        f"{len(survivors)} survive (at most {MOST_SURVIVORS:.0%} should)."
    )
    for mistake in survivors:
        print(f"survived: {mistake}")
    return int(len(survivors) > MOST_SURVIVORS * len(mistakes))


if __name__ == "__main__":
    sys.exit(main())

"""Run the lessons and the answers to their exercises, one after the other, and say how each went.

    python -m examples.lessons            all of them
    python -m examples.lessons 4 16       lessons 4 and 16 with their answers
    python -m examples.lessons --jobs 4   four at a time, on a machine with many cores

This is to see that all of them work. To learn, take one lesson at a time: open its file in
examples/lessons in an editor that knows `# %%` cells (VS Code, Spyder, PyCharm) and run it cell by
cell, or run it as a whole and read along:

    python -m examples.lessons.lesson_01_neuron
    python -m examples.lessons.solutions.solution_01

Each draws its figures into runs/lessons/. Here each runs in a process of its own, of whose text
nothing is shown unless it fails. One that has not ended after --limit seconds is stopped and has
failed. With NN_BACKEND=plain in the environment all of them compute by what is written in layers/,
and the longest takes many minutes.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from examples.shared.command_line import (
    Parser,
    carry_out,
    in_a_process,
    positive_number,
    run_program,
    whole_number,
)
from nn.backend.runtime.threads import num_threads

FOLDER = Path(__file__).parent
PATTERNS = ("lesson_*.py", "appendix*.py", "solutions/solution_*.py")
LIMIT = (
    3600  # seconds: none takes a minute on a laptop (plain: some), and only what hangs should stop
)
FIGURES = Path("runs/lessons")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program. Exit status: 0; 1 a lesson failed; 2 bad input; 130 stopped by Ctrl-C."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    wanted = options.lesson

    def make() -> list[str]:
        modules = find_modules()
        there = {number(module) for module in modules} - {None}
        missing = sorted(set(wanted) - there)
        if missing:
            raise ValueError(
                f"there is no lesson {missing[0]}, expected {min(there)} to {max(there)}"
            )
        chosen = [module for module in modules if not wanted or number(module) in wanted]
        return [module for module in chosen if options.answers or "solution" not in module]

    return carry_out(
        parser,
        make,
        lambda modules: run_all(modules, options.limit, options.jobs),
        unwritten="{reason}",
    )


def make_parser() -> Parser:
    parser = Parser(prog="python -m examples.lessons", description=__doc__)
    parser.add_argument(
        "lesson",
        nargs="*",
        type=whole_number(0),
        metavar="N",
        help="numbers of lessons (default: all)",
    )
    parser.add_argument(
        "--no-answers", dest="answers", action="store_false", help="leave out the answers"
    )
    limit = "for each lesson (default: %(default)s)"
    parser.add_argument(
        "--limit", type=positive_number(1e6), default=LIMIT, metavar="SECONDS", help=limit
    )
    jobs = "how many run at the same time (default: %(default)s)"
    parser.add_argument("--jobs", type=whole_number(1), default=1, metavar="N", help=jobs)
    return parser


def run_all(modules: Sequence[str], limit: float, jobs: int) -> int:
    """Run them, so many at the same time, and say how it went; return 1 if one failed, else 0."""
    begun = time.perf_counter()
    pool = ThreadPoolExecutor(jobs)
    try:
        failed = sum(
            not well for well in pool.map(lambda module: run(module, limit, jobs), modules)
        )
    finally:
        pool.shutdown(cancel_futures=True)  # after Ctrl-C the next do not begin
    seconds = time.perf_counter() - begun
    verdict = f"{failed} failed" if failed else "all ok"
    figures = f"; figures in {FIGURES.as_posix()}/" if os.access(FIGURES, os.W_OK) else ""
    print(f"{len(modules)} programs, {seconds:.0f} s, {verdict}{figures}", flush=True)
    return 1 if failed else 0


def find_modules() -> list[str]:
    """The modules in the order in which they are taken: each lesson, then its answers; the
    appendices last."""
    paths = [path.relative_to(FOLDER) for pattern in PATTERNS for path in FOLDER.glob(pattern)]
    modules = [".".join(path.with_suffix("").parts) for path in paths]

    def place(module: str) -> tuple[bool, int, str, bool]:
        answers = module.startswith("solutions.")
        topic = module.removeprefix("solutions.solution_") if number(module) is None else ""
        return number(module) is None, number(module) or 0, topic, answers

    return sorted(modules, key=place)


def number(module: str) -> int | None:
    """4 for lesson_04_convolution and solutions.solution_04; None for what has no number."""
    return next((int(word) for word in module.split("_") if word.isdigit()), None)


def run(module: str, limit: float, jobs: int) -> bool:
    """Run one module for at most so many seconds, print its line (and, if it failed, all that it
    said), and return whether it went well.

    jobs: how many run at the same time. They share the cores: if each took all of them, threads
    would wait for one another. Of one alone the name can be printed before, since no other line
    comes in between.
    """
    alone = jobs == 1
    if alone:
        print(f"{module:40}", end="", flush=True)
    command = in_a_process(f"examples.lessons.{module}", FOLDER.parents[1])
    threads = str(max(1, num_threads() // jobs))
    environment = os.environ | {"PYTHONIOENCODING": "utf-8", "NUM_THREADS": threads}
    start = time.perf_counter()
    try:
        result = subprocess.run(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=limit,
        )
        text, verdict = result.stdout, "failed" if result.returncode else "ok"
    except subprocess.TimeoutExpired as error:
        text, verdict = (
            error.stdout or b"",
            f"failed: stopped after {limit:g} s, --limit allows more",
        )
    line = f"{'' if alone else f'{module:40}'}{time.perf_counter() - start:6.1f} s  {verdict}\n"
    said = "" if verdict == "ok" else text.decode("utf-8", "replace") + "\n"
    print(line + said, end="", flush=True)  # at once, or lines of two would mix
    return verdict == "ok"


if __name__ == "__main__":
    run_program(main)

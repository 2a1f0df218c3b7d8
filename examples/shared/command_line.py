"""What the programs' command lines have in common."""

from __future__ import annotations

import argparse
import io
import math
import os
import re
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from nn.backend.runtime.threads import num_threads
from nn.spelling import did_you_mean

Made = TypeVar("Made")
ROOT = Path(__file__).resolve().parents[2]  # the folder that holds the packages
BAD_INPUT = (ValueError, TypeError, OSError, ImportError, MemoryError)


def how_to_start(program: str) -> str:
    """How the user starts this program: `lenet train` after having typed lenet, else `python -m examples.train`."""
    return f"lenet {program}" if Path(sys.argv[0]).stem == "lenet" else f"python -m examples.{program}"


def as_typed(text: str) -> str:
    """A text about commands, `python -m examples.train`, with the commands as the user types them."""
    return re.sub(r"python -m examples\.(\w+)", lambda found: how_to_start(found[1]), text)


def in_a_process(module: str, root: Path = ROOT) -> list[str]:
    """The command for a process of its own that runs a module of this project, which lies in `root`.

    `python -m` would look in the current folder first, where another package may have the name `models`.
    """
    code = f"import runpy, sys; sys.path[0] = {str(root)!r}; runpy.run_module({module!r}, None, '__main__', True)"
    return [sys.executable, "-c", code]


class Parser(argparse.ArgumentParser):
    """argparse, but a mistake gets one sentence instead of the whole usage, long texts keep their lines, and commands
    in them are written as the user types them."""

    def __init__(self, **arguments) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **arguments)
        self.prog = as_typed(self.prog)

    def parse_args(self, arguments=None, namespace=None):
        self._check_names(sys.argv[1:] if arguments is None else arguments)
        options = super().parse_args(arguments, namespace)
        try:
            num_threads()  # complains about a NUM_THREADS that is no number
        except ValueError as error:
            self.error(str(error))
        return options

    def _check_names(self, arguments: Sequence[str]) -> None:
        """Find misspelt options first: argparse would complain before of what is missing because of them."""
        for argument in arguments:
            if argument == "--":
                break
            name = argument.partition("=")[0]
            if name.startswith("--") and name not in self._option_string_actions:
                self.error(f"there is no option {name}{did_you_mean(name, self._option_string_actions)}")

    def format_help(self) -> str:
        return as_typed(super().format_help())

    @property
    def name(self) -> str:
        """The program's, as its sentences begin."""
        return re.split(r"[. ]", self.prog)[-1]

    def error(self, message: str) -> None:
        message = self._as_options(" ".join(as_typed(message).split()))
        about_options = re.search(r"--\w|argument", message) and not message.endswith("?")
        self.exit(2, f"{self.name}: {message}{'; --help explains the options' if about_options else ''}\n")

    def _as_options(self, message: str) -> str:
        """The library's sentences name the arguments of functions; here it is the option that can be typed, if any."""
        for name, value in re.findall(r"\b(image_size)=(\w+)", message):
            option = f"--{name.replace('_', '-')}"
            known = option in self._option_string_actions
            found = f"{name}={value}" if known else f", such as {name}={value}"
            message = message.replace(found, f"{option} {value}" if known else "")
        return message


def whole_number(smallest: int) -> Callable[[str], int]:
    """An argument type: a whole number of at least `smallest`."""

    def convert(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = smallest - 1
        if number < smallest:
            raise argparse.ArgumentTypeError(f"expected a whole number of at least {smallest}, got {text!r}")
        return number

    return convert


def positive_number(most: float) -> Callable[[str], float]:
    """An argument type: a number above 0 and at most `most`."""

    def convert(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not (0 < number <= most):  # so written that NaN fails too
            raise argparse.ArgumentTypeError(f"expected a number above 0 and at most {most:g}, got {text!r}")
        return number

    return convert


def one_of(names: Collection[str]) -> Callable[[str], str]:
    """An argument type: one of these names. (argparse's own `choices` would not say which was meant.)"""

    def convert(text: str) -> str:
        if text not in names:
            hint = did_you_mean(text, names) or f", expected one of {', '.join(names)}"
            raise argparse.ArgumentTypeError(f"there is no {text!r}{hint}")
        return text

    return convert


@contextmanager
def plain_warnings(program: str) -> Iterator[None]:
    """Warnings as one sentence each, without the line of Python that they come from."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_: print(f"{program}: {message}", file=sys.stderr, flush=True)
        yield


def carry_out(
    parser: Parser,
    make: Callable[[], Made],
    work: Callable[[Made], int | None],
    *,
    stopped: str = "stopped by Ctrl-C",
    unwritten: str = "the results could not be written: {reason}",
    failures: tuple[type[Exception], ...] = (),
) -> int:
    """What a program does once it has its options: make everything that it needs, then work with it.

    The exit status: what `work` returns (None is 0); 1 where something could not be written, or one of `failures` says
    in its message what else went wrong; 2 where `make` finds that the input is bad; 130 after Ctrl-C. Each but the
    first with one sentence on stderr. A BrokenPipeError is left to `run_program`.
    """
    with _noting_interrupts() as interrupts:
        try:
            try:
                made = make()
            except BrokenPipeError:
                raise
            except BAD_INPUT as error:
                if interrupts:
                    raise
                parser.error(str(error))
            return work(made) or 0
        except BrokenPipeError:
            raise
        except (KeyboardInterrupt, Exception) as error:
            if interrupts or isinstance(error, KeyboardInterrupt):
                print(f"\n{parser.name}: {stopped}", file=sys.stderr)
                return 130
            if isinstance(error, failures):
                print(f"{parser.name}: {error}", file=sys.stderr)
                return 1
            if isinstance(error, OSError):
                print(f"{parser.name}: {unwritten.replace('{reason}', str(error))}", file=sys.stderr)
                return 1
            raise


@contextmanager
def _noting_interrupts() -> Iterator[list[int]]:
    """A list that Ctrl-C makes longer, beside raising KeyboardInterrupt as ever.

    Where Python is called back by C, as numba's compiler does, an exception is dropped; what comes of that is another
    one, soon after, which says nothing of the interrupt.
    """
    noted: list[int] = []

    def note(number: int, frame: object) -> None:
        noted.append(number)
        raise KeyboardInterrupt

    # Where Ctrl-C is ignored, as behind nohup, or does something else, it stays so. Only the main thread has a say.
    ours = threading.current_thread() is threading.main_thread()
    ours = ours and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if ours:
        signal.signal(signal.SIGINT, note)
    try:
        yield noted
    finally:
        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def run_program(main: Callable[[], int]) -> None:
    """Run a program and end with its status; quietly where its output is no longer read, as behind `| head`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a file's name may have letters that this terminal has not
    try:
        status = main()
        sys.stdout.flush()
    except KeyboardInterrupt:  # before `carry_out` begins, or once it has ended
        program = Path(sys.argv[0])
        name = program.parent.name if program.stem == "__main__" else program.stem
        print(f"\n{name}: stopped by Ctrl-C", file=sys.stderr)
        status = 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python would complain when it ends
        status = 0
    sys.exit(status)


def output_folder(folder: Path, files: Sequence[str], force: bool) -> Path:
    """Make the folder for these files, and find out now whether they can be written.

    Raises ValueError where they cannot, and where one exists outside runs/ and `force` does not say to replace it.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"--out: {folder} is a file, expected a folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(f"--out: cannot write into the folder {folder}: {error.strerror}") from None
    for path in (folder / name for name in files):
        if path.exists() and not (path.is_file() and os.access(path, os.W_OK)):
            raise ValueError(f"--out: cannot replace {path}, expected a file that may be written")
        if path.exists() and not (is_below_runs(folder) or force):
            raise ValueError(f"--out: {path} exists already; add --force to replace it, or name another folder")
    return folder


def is_below_runs(folder: Path) -> bool:
    """Is it a folder of ours, in which files of an earlier run are replaced without asking?"""
    return Path("runs").resolve() in folder.resolve().parents


def remove_files_of_an_earlier_run(folder: Path, patterns: Sequence[str]) -> None:
    """Remove what matches in a folder below runs/: once there is something new to put in its place."""
    if is_below_runs(folder):
        for path in (path for pattern in patterns for path in folder.glob(pattern)):
            path.unlink()

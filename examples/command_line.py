"""What the programs' command lines have in common."""

from __future__ import annotations

import argparse
import io
import math
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from nn.device import DEVICES, check_device
from nn.threads import num_threads


class Parser(argparse.ArgumentParser):
    """argparse, but a mistake gets one sentence instead of the whole usage, and long texts keep their lines."""

    def __init__(self, **arguments) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **arguments)

    def parse_args(self, *arguments, **keywords):
        options = super().parse_args(*arguments, **keywords)
        try:
            num_threads()  # complains about a NUM_THREADS that is no number
        except ValueError as error:
            self.error(str(error))
        return options

    def error(self, message: str) -> None:
        name = self.prog.split(".")[-1]
        self.exit(2, f"{name}: {' '.join(message.split())}; --help explains the options\n")


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


def add_output(parser: argparse.ArgumentParser, folder: str) -> None:
    """The options --out and --force, for `output_folder`."""
    parser.add_argument(
        "--out", type=Path, default=Path(folder), metavar="FOLDER", help="for the results (default: %(default)s)"
    )
    parser.add_argument("--force", action="store_true", help="replace results that lie outside runs/")


def add_device(parser: argparse.ArgumentParser) -> None:
    """The option --device, for `Network.to`."""
    parser.add_argument(
        "--device",
        type=_device,
        default="cpu",
        metavar="|".join(DEVICES),
        help="where to compute; cuda needs CuPy and a graphics card (default: %(default)s)",
    )


def _device(text: str) -> str:
    try:
        check_device(text)
    except (ValueError, ImportError, RuntimeError) as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


@contextmanager
def plain_warnings(program: str) -> Iterator[None]:
    """Warnings as one sentence each, without the line of Python that they come from."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_: print(f"{program}: {message}", file=sys.stderr, flush=True)
        yield


def run_program(main: Callable[[], int]) -> None:
    """Run a program and end with its status; quietly where nobody reads its output any more, as behind `| head`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a file's name may have letters that this terminal has not
    try:
        status = main()
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python would complain when it ends
        status = 0
    sys.exit(status)


def output_folder(folder: Path, files: Sequence[str], force: bool, stale: Sequence[str] = ()) -> Path:
    """Make the folder for these files, and find out now whether they can be written.

    stale: patterns of files that an earlier run may have left; in a folder below runs/ they are removed.

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
    ours = Path("runs").resolve() in folder.resolve().parents
    for path in (folder / name for name in files):
        if path.exists() and not (path.is_file() and os.access(path, os.W_OK)):
            raise ValueError(f"--out: cannot replace {path}, expected a file that may be written")
        if path.exists() and not (ours or force):
            raise ValueError(f"--out: {path} exists already; add --force to replace it, or name another folder")
    if ours:
        for path in (path for pattern in stale for path in folder.glob(pattern)):
            path.unlink()
    return folder

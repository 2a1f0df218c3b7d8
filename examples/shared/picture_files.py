"""The images named on a command line: files, and folders of them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from nn.data.pixels import formats, read_picture, to_array, to_image
from nn.files.addresses import refuse_address

FEWEST_PIXELS = 8  # of a side, below which a warning is due
SHOWN = 5  # files left out that are named at the end


class PictureFiles:
    """The images at these paths, one after the other; what cannot be read ends up in `left_out`.

    A folder stands for every file in it and in its sub-folders, hidden ones excepted. Raises FileNotFoundError at once
    for a path that does not exist, ValueError for an address on the internet.
    """

    def __init__(self, paths: Sequence[str | Path], channels: int) -> None:
        self.channels = channels
        self._not_opened: list[tuple[str, str]] = []  # folders
        self.left_out: list[tuple[str, str]] = []  # (file, why), after the images have been walked through
        self.files: list[Path] = []
        for path in map(Path, paths):
            if path.is_dir():
                self._walk(path)
            elif path.exists():
                self.files.append(path)
            else:
                refuse_address(path)
                raise FileNotFoundError(f"{path}: there is no such file or folder")
        self.files = list(dict.fromkeys(self.files))  # each once

    def __iter__(self) -> Iterator[tuple[Path, np.ndarray]]:
        """(file, image as uint8 (H, W, channels)) for each that can be read; a warning for each that is tiny."""
        self.left_out = list(self._not_opened)
        among = formats()
        for path in self.files:
            try:
                if not path.is_file():
                    raise ValueError("it is not a file that can be read")  # a pipe would wait for ever
                with open(path, "rb") as file, warnings.catch_warnings():
                    warnings.filterwarnings("ignore", module="PIL")  # what matters ends up in `left_out`
                    picture = read_picture(file, channels=self.channels, among=among)
            except Exception as error:  # broken files make Pillow's readers fail in every way there is
                self.left_out.append((printable(path), _reason(error)))
            else:
                height, width = picture.shape[:2]
                if min(height, width) < FEWEST_PIXELS:
                    warnings.warn(
                        f"{printable(path)} has {width}x{height} pixels, too few to tell what it shows: the answer "
                        f"means nothing, take an image of at least {FEWEST_PIXELS}x{FEWEST_PIXELS}",
                        stacklevel=2,
                    )
                yield path, picture

    def complaint(self) -> str:
        """One sentence about what was left out, or "" if nothing was."""
        if not self.left_out:
            return ""
        if len(self.files) == len(self.left_out) == 1:
            return f"{self.left_out[0][0]} cannot be read as an image: {self.left_out[0][1]}"
        named = "; ".join(f"{name}: {reason}" for name, reason in self.left_out[:SHOWN])
        more = f"; and {len(self.left_out) - SHOWN:,} more" if len(self.left_out) > SHOWN else ""
        return f"{len(self.left_out):,} of {len(self.files):,} files could not be read as images: {named}{more}"

    def _walk(self, folder: Path) -> None:
        def complain(error: OSError) -> None:
            self._not_opened.append((printable(error.filename), _reason(error)))

        for inside, folders, files in os.walk(folder, onerror=complain):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            self.files += [Path(inside) / name for name in sorted(files) if not name.startswith(".")]


def printable(path: str | Path) -> str:
    """The name of a file as text: a file system may have names that are none."""
    return os.fsencode(path).decode("utf-8", "replace")


def bring_to(picture: np.ndarray, size: int) -> np.ndarray:
    """The image made so small that neither side is longer than `size`, for drawing it."""
    if max(picture.shape[:2]) <= size:
        return picture
    image = to_image(picture)
    image.thumbnail((size, size))
    return to_array(image)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__

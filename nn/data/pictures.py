"""A folder of images, or a zip of one, as a data set: one sub-folder per class.

    animals/
        cat/    any.jpg  names.png  of any format.webp
        dog/    ...

A zip holds the same, and neither needs the outermost folder. With folders `train` and `test` (or `val`) that hold such
class folders each, the division into two sets is kept, however they are spelled: `Training`, `test_set`, `val2017`.
"""

from __future__ import annotations

import io
import os
import stat
import warnings
import zipfile
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from nn.data.bars import bar
from nn.data.dataset import Dataset
from nn.data.divisions import (
    VALIDATION_WORDS,
    Files,
    Parts,
    class_names_of,
    division,
    divisions_of,
    inside_division,
    is_hidden,
    listed,
    printable,
    train_and_test,
    without_top,
)
from nn.data.pixels import formats, read_picture
from nn.data.whole import WholeImages, read_whole

MOST_BYTES = 2**28  # of one file in a zip, unpacked
MANY = 1000  # images, from which on the progress is shown
SHOWN = 5  # left-out files that a warning names

Skipped = list[tuple[str, str]]  # (file, why it was left out)


def pictures(path: str | Path, image_size: int | None = None, channels: int = 3) -> tuple[Dataset, Skipped]:
    """All images in a folder or zip as one data set, uint8 (N, H, W, channels), and what was left out.

    image_size  every image becomes image_size x image_size: short side brought to this size, middle cut out. None:
                they keep the size they have, which must be the same for all
    channels    3: RGB, 1: grey

    Classes are the sub-folders' names in alphabetical order, images follow by class and name; in a class folder they
    may lie deeper. What cannot be read as an image is left out: listed as (file, reason), and shown as a warning.
    See `nn.data.pixels` for how transparency, EXIF orientation and unusual pixels are treated.

    Raises FileNotFoundError, and ValueError where there are no two classes, or classes without an image.
    """
    train_set, test_set, skipped = _load(Path(path), image_size, channels, divided=False)
    assert test_set is None
    return train_set, skipped


def picture_sets(
    path: str | Path, image_size: int | None = None, channels: int = 3, whole: bool = False
) -> tuple[Dataset, Dataset | None, Skipped]:
    """As `pictures`, but folders `train` and `test` become two sets: (training, test or None, left out).

    Where there is `val` as well as `test`, `test` is taken, and `val` is not looked at. Other images beside the two
    are left out, as listed.

    whole  True: nothing is cut off. The images are `nn.data.whole.WholeImages`, each of its own size, a short side
           that is longer than image_size brought to it
    """
    return _load(Path(path), image_size, channels, divided=True, whole=whole)


def _load(
    path: Path, image_size: int | None, channels: int, divided: bool, whole: bool = False
) -> tuple[Dataset, Dataset | None, Skipped]:
    if channels not in (1, 3):
        raise ValueError(f"pictures: channels must be 1 (grey) or 3 (RGB), got {channels!r}")
    if image_size is not None and image_size < 1:
        raise ValueError(f"pictures: image_size must be at least 1, got {image_size!r}")
    if whole and image_size is None:
        raise ValueError("pictures: whole images need an image_size, the most that their short side may have, got none")
    skipped: Skipped = []
    with _open(path) as source, warnings.catch_warnings():
        # Pillow's remarks on single files: what matters of them ends up in `skipped`.
        warnings.filterwarnings("ignore", module="PIL")
        files, folders = source.contents(skipped)
        _note_folders_called_pictures(files, folders, skipped)
        files, folders = without_top(files, folders)
        divisions = divisions_of(files, folders)
        if divisions and not divided:
            warnings.warn(
                f"{path}: {listed(divisions)} look like divisions of one set and become classes", stacklevel=3
            )
        if not divisions or not divided:
            train_set = _read_set(path, source, files, folders, image_size, channels, skipped, whole)
            test_set = None
        else:
            train_name, test_name = train_and_test(path, divisions)
            _note_undivided_files(train_name, test_name, files, skipped)
            inside = inside_division(train_name, files, folders)
            train_set = _read_set(path, source, *inside, image_size, channels, skipped, whole)
            test_set = None
            if test_name is not None:
                inside = inside_division(test_name, files, folders)
                test_set = _read_set(path, source, *inside, image_size, channels, skipped, whole, train_set.class_names)
    if test_set is not None and test_set.image_shape != train_set.image_shape:
        raise _sizes_differ(path, train_set.image_shape, test_set.image_shape, test_name)
    if skipped:
        named = "; ".join(f"{name}: {reason}" for name, reason in skipped[:SHOWN])
        more = f"; and {len(skipped) - SHOWN:,} more" if len(skipped) > SHOWN else ""
        total = len({"/".join(file) for file in files.values()} | {name for name, _ in skipped})
        warnings.warn(f"{path}: {len(skipped):,} of {total:,} files were left out: {named}{more}", stacklevel=3)
    return train_set, test_set, skipped


def _read_set(
    path: Path,
    source: _Folder | _Zip,
    files: Files,
    folders: set[Parts],
    image_size: int | None,
    channels: int,
    skipped: Skipped,
    whole: bool,
    class_names: tuple[str, ...] | None = None,
) -> Dataset:
    """The class folders among `files` as a data set; with `class_names`, those classes and no others."""
    _, names = class_names_of(path, files, folders, class_names)
    _note_loose_files(files, skipped)

    entries = sorted(parts for parts in files if len(parts) > 1)
    images, kept = None, []  # an array of all; or an item each, where they are kept whole
    labels, names_read = [], []
    among = formats()
    read = read_whole if whole else read_picture
    for parts in bar(entries, len(entries) >= MANY, desc=path.name, unit="img"):
        name = "/".join(files[parts])
        try:
            with source.open(files[parts]) as file:
                picture = read(file, image_size, channels, among)
        except Exception as error:  # broken files make Pillow's readers fail in every way there is
            skipped.append((name, _reason(error)))
            continue
        if whole:
            kept.append(picture)
        else:
            if images is None:
                images = _room(path, len(entries), picture.shape)
            elif picture.shape != images.shape[1:]:
                raise _sizes_differ(path, images.shape[1:], picture.shape, name, names_read[0])
            images[len(labels)] = picture
        labels.append(names.index(parts[0]))
        names_read.append(name)
    present = set(labels)
    empty = [name for label, name in enumerate(names) if label not in present]
    if not labels or (empty and class_names is None):
        why = f", and the first of {len(skipped)} files left out is {skipped[0][0]}: {skipped[0][1]}" if skipped else ""
        raise ValueError(f"{path}: expected images in every class folder, got none in {listed(empty)}{why}")
    images = WholeImages(kept, image_size, channels) if whole else images[: len(labels)]
    return Dataset(images, np.array(labels), tuple(map(printable, names)), tuple(map(printable, names_read)))


def _room(path: Path, count: int, shape: tuple[int, ...]) -> np.ndarray:
    try:
        return np.empty((count, *shape), np.uint8)
    except MemoryError:
        raise ValueError(
            f"{path}: {count:,} images of {shape[1]}x{shape[0]} do not fit into memory; "
            "bring them to a smaller size, such as image_size=64"
        ) from None


def _sizes_differ(path: Path, one: Parts, other: Parts, other_name: str, one_name: str = "others") -> ValueError:
    return ValueError(
        f"{path}: the images are of different sizes ({one_name}: {one[1]}x{one[0]}, {other_name}: "
        f"{other[1]}x{other[0]}); bring all of them to one size, such as image_size=64"
    )


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:  # without the path, which is named already
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__


def _note_loose_files(files: Files, skipped: Skipped) -> None:
    """What lies beside the class folders belongs to no class."""
    for parts in sorted(files):
        if len(parts) == 1:
            skipped.append(("/".join(files[parts]), "it lies in no class's folder"))


def _note_undivided_files(train_name: str, test_name: str | None, files: Files, skipped: Skipped) -> None:
    """Files beside the folders to train and to test with; those to validate with are left alone knowingly."""
    where = f"not in {train_name!r}" if test_name is None else f"neither in {train_name!r} nor in {test_name!r}"
    for parts in sorted(files):
        known = parts[0] in (train_name, test_name) or (len(parts) > 1 and division(parts[0]) in VALIDATION_WORDS)
        if not known:
            skipped.append(("/".join(files[parts]), f"it lies {where}"))


def _note_folders_called_pictures(files: Files, folders: set[Parts], skipped: Skipped) -> None:
    """An empty folder called 1.png is meant to be an image, and no class."""
    everything = sorted({*files, *folders})
    for parts, after in zip(everything, [*everything[1:], ()]):  # what lies in a folder comes right after it
        if parts in folders and after[: len(parts)] != parts and _is_called_picture(parts):
            folders.discard(parts)
            skipped.append(("/".join(parts), "it is a folder"))


def _is_called_picture(parts: Parts) -> bool:
    Image.init()
    return os.path.splitext(parts[-1])[1].lower() in Image.EXTENSION


# ------------------------------------------------------------------------------------------------ where they lie
def _open(path: Path) -> _Folder | _Zip:
    if path.is_dir():
        return _Folder(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such folder or zip of images")
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path}: expected a folder of images or a zip of one, got another kind of file")
    return _Zip(path)


class _Folder:
    """Files of a folder. Links are followed, except in circles; pipes and devices are no files."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> _Folder:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def contents(self, skipped: Skipped) -> tuple[Files, set[Parts]]:
        files, folders = {}, set()

        def walk(inside: Parts, above: frozenset[str]) -> None:
            try:
                entries = sorted(os.scandir(self.path.joinpath(*inside)), key=lambda entry: entry.name)
            except OSError as error:
                skipped.append(("/".join(inside), _reason(error)))
                return
            for entry in entries:
                if is_hidden(entry.name):
                    continue
                parts = (*inside, entry.name)
                try:
                    kind = os.stat(entry.path).st_mode  # of what a link leads to, which may be nothing
                except OSError as error:
                    skipped.append(("/".join(parts), _reason(error)))
                    continue
                if stat.S_ISDIR(kind):
                    real = os.path.realpath(entry.path)
                    if real not in above:
                        folders.add(parts)
                        walk(parts, above | {real})
                elif stat.S_ISREG(kind):
                    files[parts] = parts
                else:
                    skipped.append(("/".join(parts), "it is a pipe or a device"))

        walk((), frozenset([os.path.realpath(self.path)]))
        return files, folders

    def open(self, parts: Parts) -> BinaryIO:
        return open(self.path.joinpath(*parts), "rb")


class _Zip:
    """Files of a zip, unpacked one at a time in memory: nothing is ever written to the disk."""

    def __init__(self, path: Path) -> None:
        try:
            self.archive = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise ValueError(f"{path}: cannot be read as a zip of images, because {_reason(error)}") from None
        self.members: dict[Parts, zipfile.ZipInfo] = {}

    def __enter__(self) -> _Zip:
        return self

    def __exit__(self, *_: object) -> None:
        self.archive.close()

    def contents(self, skipped: Skipped) -> tuple[Files, set[Parts]]:
        folders = set()
        for member in self.archive.infolist():
            name = member.filename.replace("\\", "/")
            parts = tuple(part for part in name.split("/") if part not in ("", "."))
            if name.startswith("/") or ".." in parts or name[1:2] == ":":
                skipped.append((name, "its path leads out of the archive"))
            elif any(is_hidden(part) for part in parts):
                continue
            elif name.endswith("/"):
                folders.add(parts)
            elif parts:
                self.members[parts] = member
        return {parts: parts for parts in self.members}, folders - {()}

    def open(self, parts: Parts) -> BinaryIO:
        member = self.members[parts]
        if member.file_size > MOST_BYTES:
            raise ValueError(f"unpacks to {member.file_size:,} bytes, more than the {MOST_BYTES:,} that are allowed")
        # zipfile reads no more than the announced size, whatever the packed bytes would give.
        return io.BytesIO(self.archive.read(member))

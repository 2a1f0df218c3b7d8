"""Where the files of a large data set lie, and their labels: read one at a time, when they are asked for.

A source has N pictures, each the bytes of a file:

    len(source), source.labels (N,), source.class_names
    source.read(3)     the bytes of picture 3; from any thread
    source.name(3)     what to call it in a message

`FolderSource` is a folder of class folders, `nn.data.shards.ShardSource` tar files. A million pictures take 50 MB:
their names lie in one piece of memory, not in a million strings.
"""

from __future__ import annotations

import os
import warnings
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from PIL import Image

from nn.data.bars import bar
from nn.data.divisions import (
    Files,
    Parts,
    class_names_of,
    divisions_of,
    inside_division,
    is_hidden,
    listed,
    printable,
    train_and_test,
    without_top,
)

MANY = 20_000  # files, from which on the progress is shown
FILE = "?"  # stands for all files of a folder where only the folders matter

Item, Result = TypeVar("Item"), TypeVar("Result")


class DataLost(Exception):
    """Files of a data set vanished or changed while they were read; the message is a sentence."""


class Source(Protocol):
    """What the pictures of a stream are read from."""

    labels: np.ndarray
    class_names: tuple[str, ...]

    def __len__(self) -> int: ...

    def read(self, number: int) -> bytes: ...

    def name(self, number: int) -> str: ...


class Names:
    """Many strings in one piece of memory: names[3] is the fourth.

    text: all of them, one after the other, in the file system's encoding. ends: (N,) where each ends.
    """

    def __init__(self, text: bytes, ends: np.ndarray) -> None:
        self.text, self.ends = text, ends

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, number: int) -> str:
        start = int(self.ends[number - 1]) if number else 0
        return os.fsdecode(self.text[start : int(self.ends[number])])


class FolderSource:
    """Pictures in the folders of their classes.

    path         the folder that holds all
    folders      (F,) the folders that have files of their own, below `path`
    names, where of all files that were found: the name, and the number of the folder, (M,)
    files        (N,) which of the M files these pictures are
    labels       (N,)
    """

    def __init__(
        self,
        path: Path,
        folders: Sequence[str],
        names: Names,
        where: np.ndarray,
        files: np.ndarray,
        labels: np.ndarray,
        class_names: tuple[str, ...],
    ) -> None:
        self.path, self.folders, self.names, self.where = path, folders, names, where
        self.files, self.labels, self.class_names = files, labels, class_names

    def __len__(self) -> int:
        return len(self.files)

    def name(self, number: int) -> str:
        file = int(self.files[number])
        return printable(f"{self.folders[self.where[file]]}/{self.names[file]}")

    def read(self, number: int) -> bytes:
        file = int(self.files[number])
        with open(os.path.join(self.path, self.folders[self.where[file]], self.names[file]), "rb") as opened:
            return opened.read()


class Found:
    """What lies in a folder, in alphabetical order. Links are followed, except in circles.

    folders      those that have files of their own; all_folders: and those that have none
    names, where of all files that are called like pictures: the name, and the number of the folder
    others       how many files are called otherwise, or folders cannot be looked into
    """

    def __init__(self, path: Path) -> None:
        Image.init()
        self._path, self._endings = path, set(Image.EXTENSION)
        self._text, self._ends, self._where = bytearray(), array("q"), array("i")
        self.folders: list[Parts] = []
        self.all_folders: set[Parts] = set()
        self.others = 0
        self._shown = bar(is_shown=False)
        try:
            self._walk((), frozenset([os.path.realpath(path)]))
        finally:
            self._shown.close()
        self.names = Names(bytes(self._text), np.array(self._ends, np.int64))
        self.where = np.array(self._where, np.int32)
        del self._text, self._ends, self._where

    def _walk(self, inside: Parts, above: frozenset[str]) -> None:
        number, before = None, len(self._ends)
        try:
            entries = sorted(os.scandir(self._path.joinpath(*inside)), key=lambda entry: entry.name)
        except OSError:
            self.others += 1
            return
        for entry in entries:
            name = entry.name
            if is_hidden(name):
                continue
            if entry.is_dir():
                real = os.path.realpath(entry.path)
                if real not in above:
                    self.all_folders.add((*inside, name))
                    self._walk((*inside, name), above | {real})
            elif os.path.splitext(name)[1].lower() not in self._endings or not entry.is_file():
                self.others += 1
            else:
                if number is None:
                    number = len(self.folders)
                    self.folders.append(inside)
                self._text.extend(os.fsencode(name))
                self._ends.append(len(self._text))
                self._where.append(number)
        if len(self._ends) >= MANY and self._shown.disable:
            self._shown = bar(desc=f"listing {self._path.name}", unit="img", initial=before)
        if not self._shown.disable:
            self._shown.update(len(self._ends) - self._shown.n)


def folder_sources(
    path: str | Path, labels: str | Path | None = None, found: Found | None = None
) -> tuple[FolderSource, FolderSource | None]:
    """(training, test or None): the pictures of a folder with one sub-folder per class, divided as `picture_sets`
    does it. Only names are looked at: a file counts as a picture if it is called like one (`any.jpg`).

    labels: for test pictures that lie in no class folders, as ILSVRC's: a text file with a line for each, its name and
    its class (`ILSVRC2012_val_00000001.JPEG n01751748`), or the class alone, in alphabetical order of the names. The
    class is called by its folder's name, or by its number from 0 among these in alphabetical order. found: what lies in
    the folder, if that has been looked at.

    Raises FileNotFoundError, and ValueError where there are no two classes, or classes without pictures.
    """
    path = Path(path)
    if not path.is_dir():
        raise FileNotFoundError(f"{path}: there is no such folder of images")
    found = Found(path) if found is None else found
    files: Files = {(*parts, FILE): (*parts, FILE) for parts in found.folders}
    files, folders = without_top(files, found.all_folders)
    divisions = divisions_of(files, folders)
    if not divisions:
        if labels is not None:
            raise ValueError(f"--labels is for test images beside a folder to train with, and {path} has no such two")
        train, test = _source(path, found, files, folders), None
    else:
        train_name, test_name = train_and_test(path, divisions)
        train = _source(path, found, *inside_division(train_name, files, folders))
        test = None
        if test_name is not None:
            inside = inside_division(test_name, files, folders)
            test = _source(path, found, *inside, train.class_names, test_name, labels)
        elif labels is not None:
            raise ValueError(f"--labels is for test images, and {path} has no folder of them")
    left_out = len(found.where) - len(train) - (0 if test is None else len(test))
    said = [f"{found.others:,} are not called like images, or cannot be listed"] * bool(found.others)
    said += [f"{left_out:,} lie in no class's folder or in a division that is not used"] * bool(left_out)
    if said:
        warnings.warn(f"{path}: files were left out: {'; '.join(said)}", stacklevel=2)
    return train, test


def _source(
    path: Path,
    found: Found,
    files: Files,
    folders: set[Parts],
    class_names: tuple[str, ...] | None = None,
    division: str = "",
    labels: str | Path | None = None,
) -> FolderSource:
    """The class folders among `files` as a source; with `class_names`, of those classes and no others."""
    classes, names = class_names_of(path, files, folders, class_names)
    numbers = {name: number for number, name in enumerate(names)}
    of_folder = {parts: number for number, parts in enumerate(found.folders)}
    class_of = np.full(len(found.folders), -1, np.int64)
    for inside, whole in files.items():
        if len(inside) > 1:
            class_of[of_folder[whole[:-1]]] = numbers[inside[0]]
    of_file = class_of[found.where]
    if class_names is not None and not classes:
        (flat,) = (of_folder[whole[:-1]] for inside, whole in files.items() if len(inside) == 1)
        of_file = np.full(len(found.where), -1, np.int64)
        (loose,) = np.nonzero(found.where == flat)
        if labels is None:
            raise ValueError(
                f"{path}: {division} has {len(loose):,} images and no folders of classes; --labels FILE of lenet pack "
                "says which class each is of, or move them into such folders"
            )
        of_file[loose] = _read_labels(Path(labels), [found.names[file] for file in loose], names)
    (kept,) = np.nonzero(of_file >= 0)
    counts = np.bincount(of_file[kept], minlength=len(names))
    if not len(kept) or (class_names is None and not counts.all()):
        empty = [name for name, count in zip(names, counts) if not count]
        raise ValueError(f"{path}: expected images in every class folder, got none in {listed(empty)}")
    where = ["/".join(parts) for parts in found.folders]
    return FolderSource(path, where, found.names, found.where, kept, of_file[kept], tuple(names))


def _read_labels(path: Path, files: list[str], class_names: Sequence[str]) -> np.ndarray:
    """The classes that a text file gives to these files: see `folder_sources`."""
    try:
        lines = [line.replace(",", " ").split() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeError) as error:
        raise ValueError(f"--labels: {path} cannot be read as a text file: {error}") from None
    lines = [line for line in lines if line]
    numbers = {name: number for number, name in enumerate(class_names)}
    if all(len(line) == 1 for line in lines):
        classes = [line[0] for line in lines]
        if len(classes) != len(files):
            raise ValueError(
                f"--labels: {path} has {len(classes):,} lines, expected one for each of {len(files):,} images"
            )
        if all(name.isdigit() and name not in numbers for name in classes):
            raise ValueError(
                f"--labels: {path} has numbers alone, as ILSVRC's development kit, whose order of classes is its own; "
                "expected lines with a file and the name of its class's folder"
            )
    else:
        by_file = {os.path.splitext(line[0].rsplit("/", 1)[-1])[0]: line[1] for line in lines if len(line) > 1}
        missing = [name for name in files if os.path.splitext(name)[0] not in by_file]
        if missing:
            raise ValueError(f"--labels: {path} has no line for {listed(missing)}")
        classes = [by_file[os.path.splitext(name)[0]] for name in files]
    unknown = {name for name in classes if name not in numbers and not (name.isdigit() and int(name) < len(numbers))}
    if unknown:
        raise ValueError(f"--labels: {path} names classes that no folder to train with has: {listed(unknown)}")
    return np.array([numbers[name] if name in numbers else int(name) for name in classes], np.int64)


def in_threads(
    pool: ThreadPoolExecutor, function: Callable[[Item], Result], items: Iterable[Item], ahead: int = 64
) -> Iterator[Result]:
    """function(item) of each item, in their order; the pool's threads compute at most `ahead` of them at a time."""
    waiting = []
    items = iter(items)
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= ahead:
                yield waiting.pop(0).result()
        while waiting:
            yield waiting.pop(0).result()
    finally:
        for future in waiting:
            future.cancel()

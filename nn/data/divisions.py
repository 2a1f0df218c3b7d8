"""Folders in folders: which of them are classes, and which divide a data set into images to train and to test with."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

# What folders that divide a data set are called, apart from digits, capitals and the words that say nothing.
TRAIN_WORDS = ("train", "training", "trn", "trainval")
VALIDATION_WORDS = ("val", "valid", "validation", "dev")
TEST_WORDS = ("test", "testing", "tst", "eval", "evaluation", "holdout", "heldout", *VALIDATION_WORDS)  # first is best
OTHER_WORDS = ("sample", "samples", "example", "examples", "demo", "extra", "unlabeled", "unlabelled", "unseen", "pred",
               "predict", "prediction", "predictions", "query", "inference", "submission")  # fmt: skip
FILL_WORDS = {"set", "data", "dataset", "image", "images", "img", "imgs", "picture", "pictures", "photo", "photos",
              "folder", "split", "part", "seg"}  # fmt: skip
SHOWN = 5  # names in a list of them
NOT_PICTURES = {"thumbs.db", "desktop.ini", "__macosx"}  # what systems leave in folders; hidden files come to it

Parts = tuple[str, ...]  # a path within the folder or zip, taken apart
Files = dict[Parts, Parts]  # a path below the folders that are looked into -> the whole path


def is_hidden(name: str) -> bool:
    """Whether a file or folder is what systems leave beside images, or hidden."""
    return name.startswith(".") or name.lower() in NOT_PICTURES


def class_names_of(
    path: Path, files: Files, folders: set[Parts], class_names: tuple[str, ...] | None = None
) -> tuple[list[str], list[str]]:
    """(the class folders that there are, all classes in their order): those there are, in alphabetical order, or
    class_names.

    Raises ValueError where there are no two classes, or others than class_names.
    """
    found = sorted({parts[0] for parts in files if len(parts) > 1} | {parts[0] for parts in folders})
    names = found if class_names is None else list(class_names)
    if class_names is None and len(names) < 2:
        got = f"only {names[0]!r}" if names else "none"
        raise ValueError(f"{path}: expected at least two sub-folders with images, one for each class, got {got}")
    if not set(found) <= set(names):
        only = listed(set(found) - set(names))
        raise ValueError(f"{path}: expected the same classes to train and to test with, got {only} to test with only")
    return found, names


def without_top(files: Files, folders: set[Parts]) -> tuple[Files, set[Parts]]:
    """Leave out outer folders that hold everything: `cifar10/cat/1.png` becomes `cat/1.png`."""
    while any(len(parts) > 2 for parts in files):
        tops = {parts[0] for parts in files if len(parts) > 1} | {parts[0] for parts in folders}
        if len(tops) > 1:
            break
        files, folders = inside(tops.pop(), files, folders)
    return files, folders


def inside(name: str, files: Files, folders: set[Parts]) -> tuple[Files, set[Parts]]:
    """What lies in the outermost folder of this name."""
    return (
        {parts[1:]: file for parts, file in files.items() if parts[0] == name and len(parts) > 1},
        {parts[1:] for parts in folders if parts[0] == name and len(parts) > 1},
    )


def divisions_of(files: Files, folders: set[Parts]) -> list[str]:
    """The outermost folders that divide the set, the plainest name first; none where all of them are classes.

    A class may be called "train" too. So at least two folders must be called like divisions; and they must be all that
    there is, or have sub-folders of the same names, as divisions into the same classes do.
    """
    inside: dict[str, set[str]] = {parts[0]: set() for parts in files if len(parts) > 1}
    for parts, least in [*((parts, 3) for parts in files), *((parts, 2) for parts in folders)]:
        if len(parts) >= least and parts[0] in inside:
            inside[parts[0]].add(parts[1])
    divisions = sorted((name for name in inside if division(name)), key=lambda name: (len(name), name))
    words = {division(name) for name in divisions}
    are_all = len(divisions) == len(inside) and bool(words & {*TRAIN_WORDS}) and bool(words & {*TEST_WORDS})
    repeated = sum(len(inside[name]) for name in divisions) > len(set().union(*(inside[name] for name in divisions)))
    return divisions if are_all or repeated else []


def train_and_test(path: Path, divisions: list[str]) -> tuple[str, str | None]:
    train = [name for name in divisions if division(name) in TRAIN_WORDS]
    test = [name for word in TEST_WORDS for name in divisions if division(name) == word]
    if not train:
        raise ValueError(
            f"{path}: expected a folder to train with, such as train, beside {listed(divisions)}, got none"
        )
    return train[0], test[0] if test else None


def division(name: str) -> str:
    """The word for a division that a folder's name comes down to: "val" for "images_val2017"; "" where it has none."""
    words = [word.lower() for word in re.findall("[A-Z]?[a-z]+|[A-Z]+", name)]
    word = "".join(word for word in words if word not in FILL_WORDS).removesuffix("set")
    return word if word in (*TRAIN_WORDS, *TEST_WORDS, *OTHER_WORDS) else ""


def inside_division(name: str, files: Files, folders: set[Parts]) -> tuple[Files, set[Parts]]:
    """As `inside`, and on into a single folder that says the same again: `train/train/cat/1.png`."""
    tops = {name}
    while len(tops) == 1 and division(*tops) == division(name):
        files, folders = inside(tops.pop(), files, folders)
        tops = {parts[0] for parts in files if len(parts) > 1} | {parts[0] for parts in folders}
    return files, folders


def listed(names: Iterable[str]) -> str:
    """Names for a message, the first few of them."""
    names = sorted(names)
    shown = ", ".join(repr(printable(name)) for name in names[:SHOWN])
    return shown + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def printable(name: str) -> str:
    """A file system may have names that are no text; these become text that every terminal and file takes."""
    return " ".join(name.encode("utf-8", "surrogateescape").decode("utf-8", "replace").split())

"""Pictures in tar files, called shards, as WebDataset lays them out and `lenet pack` writes them.

    train/00000.tar        00000000.jpg  00000000.cls  00000001.jpg  00000001.cls  ...
    train/00001.tar        ...
    train/classes.txt      the names of class 0, class 1, ..., a line each; may be missing
    val/00000.tar          ...

A picture and its class, a number in plain text, stand next to each other and are called alike up to the first dot.
Training and test shards lie in folders of their own, or are told apart by their names: `imagenet-val-000000.tar`.

A tar has no table of contents. So its headers are read once, and where each picture begins is kept: beside the shards
that `lenet pack` wrote, of others in the user's cache folder. It is read anew where a shard's size or time has changed.
Source of the layout: https://github.com/webdataset/webdataset.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import zipfile
from array import array
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np

from nn.data.bars import bar
from nn.data.divisions import TEST_WORDS, TRAIN_WORDS, division, train_and_test
from nn.data.download import cache_folder
from nn.data.sources import DataLost, Names
from nn.files.weights import write_beside

BLOCK = 512  # bytes: a header, and what files are filled up to
PICTURES = ("jpg", "jpeg", "png", "webp", "ppm", "pgm", "bmp", "gif")
INDEX, CLASSES = "index.npz", "classes.txt"
KINDS = {"sizes", "times", "shard", "start", "length", "labels", "text", "ends"}  # the arrays of an index


class ShardSource:
    """The pictures in some shards.

    path    the folder that the shards lie in; shards: their names, in order. See `shard_sources`.
    """

    def __init__(self, path: Path, shards: Sequence[str]) -> None:
        self.path, self.shards = path, tuple(shards)
        index = read_index(path, self.shards)
        self._shard, self._start, self._length = index["shard"], index["start"], index["length"]
        self.names = Names(index["text"].tobytes(), index["ends"])
        self.labels = index["labels"]
        self.class_names = _class_names(path, self.labels)

    def __len__(self) -> int:
        return len(self.labels)

    def name(self, number: int) -> str:
        return f"{self.shards[self._shard[number]]}/{self.names[number]}"

    def read(self, number: int) -> bytes:
        """The bytes of a picture. The shard is opened anew each time, which takes a twentieth of what decoding takes:
        so any number of threads can read any number of shards, and one that has vanished is noticed."""
        path = self.path / self.shards[self._shard[number]]
        length = int(self._length[number])
        try:
            with open(path, "rb", buffering=0) as file:
                file.seek(int(self._start[number]))
                content = file.read(length)
        except OSError as error:
            raise DataLost(f"{path} could be read before and no longer can, {error.strerror}; bring it back") from None
        if len(content) < length:
            raise DataLost(f"{path} has become shorter since it was first read; bring it back as it was")
        return content


def is_shards(path: Path) -> bool:
    """Whether the path is a shard, or a folder of shards, perhaps in folders to train and to test with."""
    if path.is_file():
        return path.suffix.lower() == ".tar"
    # Pictures in folders may have the tar beside them that they were unpacked from.
    inner = _folders_in(path)
    return bool(_shards_in(path) if not inner else any(division(each.name) and _only_shards_in(each) for each in inner))


def shard_sources(path: str | Path) -> tuple[ShardSource, ShardSource | None]:
    """(training, test or None): the pictures in a shard, or in the shards of a folder, see the top of this file.

    Raises ValueError for shards that are damaged, or hold no pictures with their classes.
    """
    path = Path(path)
    if path.is_file():
        return ShardSource(path.parent, [path.name]), None
    inner = {folder.name: _only_shards_in(folder) for folder in _folders_in(path) if division(folder.name)}
    inner = {name: shards for name, shards in inner.items() if shards}
    if inner:
        train_name, test_name = train_and_test(path, sorted(inner, key=lambda name: (len(name), name)))
        parts = [(path / name, inner[name]) for name in (train_name, test_name) if name is not None]
    else:
        train, test = _by_name(_shards_in(path))
        parts = [(path, train), *([(path, test)] if test else [])]
    sources = [ShardSource(*part) for part in parts]
    if len(sources) == 1:
        return sources[0], None
    train_source, test_source = sources
    if len(test_source.class_names) <= len(train_source.class_names):
        test_source.class_names = train_source.class_names  # without a file of names, they are counted
    return train_source, test_source


def write_index(path: Path, shards: Sequence[str]) -> None:
    """Read the headers of all shards in a folder, and keep beside them where each picture begins."""
    write_beside(path / INDEX, _as_file(_make_index(path, shards)))


def read_index(path: Path, shards: Sequence[str]) -> dict[str, np.ndarray]:
    """The index of these shards: shard (N,), start (N,) and length (N,) of each picture in bytes, labels (N,), text and
    ends of the names. Made, and kept in the user's cache folder, where there is none that fits the files."""
    key = hashlib.sha256("\0".join([str(path.absolute()), *shards]).encode("utf-8", "surrogateescape")).hexdigest()
    kept = cache_folder() / "shards" / f"{key[:24]}.npz"
    sizes, times = _sizes_and_times(path, shards)
    for file in (path / INDEX, kept):
        with suppress(OSError, ValueError, LookupError, zipfile.BadZipFile):  # there is none, or it is damaged
            with np.load(file, allow_pickle=False) as arrays:
                index = {name: arrays[name] for name in KINDS}
            if np.array_equal(index["sizes"], sizes) and np.array_equal(index["times"], times):
                return index
    index = _make_index(path, shards)
    with suppress(OSError):  # it is only faster with it
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_beside(kept, _as_file(index))
    return index


def _make_index(path: Path, shards: Sequence[str]) -> dict[str, np.ndarray]:
    sizes, times = _sizes_and_times(path, shards)
    shard, start, length, labels = array("i"), array("q"), array("q"), array("q")
    text, ends = bytearray(), array("q")
    with bar(is_shown=sizes.sum() > 1 << 30, total=len(shards), desc=f"reading {path.name}", unit="shard") as shown:
        for number, name in enumerate(shards):
            for key, begin, size, label in _pictures(path / name):
                shard.append(number)
                start.append(begin)
                length.append(size)
                labels.append(label)
                text.extend(os.fsencode(key))
                ends.append(len(text))
            shown.update()
    if not ends:
        raise ValueError(f"{path}: expected shards with images and their classes, NAME.jpg and NAME.cls, got none")
    arrays = {"shard": np.array(shard, np.int32), "text": np.frombuffer(bytes(text), np.uint8)}
    numbers = {"start": start, "length": length, "labels": labels, "ends": ends}
    return arrays | {"sizes": sizes, "times": times} | {name: np.array(of, np.int64) for name, of in numbers.items()}


def _pictures(path: Path) -> Iterator[tuple[str, int, int, int]]:
    """(name, where it begins, its bytes, its class) of each picture in a shard."""
    last = ""
    picture: tuple[str, int, int] | None = None
    label = None
    with open(path, "rb") as file:
        for name, begin, size in _members(path, file):
            key, ending = _key(name)
            if key != last:
                picture, label, last = None, None, key
            if ending in PICTURES and picture is None:
                picture = (name, begin, size)
            elif ending == "cls":
                file.seek(begin)
                content = file.read(min(size, 64)).strip()
                if not content.isdigit():
                    raise ValueError(f"{path}: {name} holds {content!r}, expected the number of a class, from 0")
                label = int(content)
            else:
                continue
            if picture is not None and label is not None:
                yield (*picture, label)
                picture, label = None, None


def _members(path: Path, file: BinaryIO) -> Iterator[tuple[str, int, int]]:
    """(name, where it begins, its bytes) of each file in a tar. tarfile does the same in ten times the time."""
    end = path.stat().st_size
    at, longer = 0, ""
    while at + BLOCK <= end:
        file.seek(at)
        header = file.read(BLOCK)
        if not header.strip(b"\0"):
            return  # what follows the last file
        try:
            stated, size = int(header[148:156].strip(b"\0 ") or b"0", 8), _number(header[124:136])
        except ValueError:
            stated, size = -1, 0
        if stated != sum(header) - sum(header[148:156]) + 8 * ord(" "):
            if header[:2] == b"\x1f\x8b":
                raise ValueError(f"{path} is compressed, expected a plain tar; gunzip it")
            raise ValueError(f"{path} is no tar, or damaged at byte {at:,}")
        begin, kind = at + BLOCK, header[156:157]
        if begin + size > end:
            raise ValueError(f"{path} is cut off: it has {end:,} bytes, and a file in it ends at {begin + size:,}")
        at = begin + -(-size // BLOCK) * BLOCK
        if kind in b"Lx":  # a name that is too long for the header, GNU's way and POSIX's
            text = file.read(size)
            if kind == b"L":
                longer = os.fsdecode(text.rstrip(b"\0"))
            elif found := re.search(rb"\d+ path=(.*)\n", text):
                longer = os.fsdecode(found[1])
            continue
        if kind in b"0\0":
            prefix = os.fsdecode(header[345:500].rstrip(b"\0")) if header[257:263] == b"ustar\0" else ""
            name = os.fsdecode(header[:100].partition(b"\0")[0])
            yield longer or (f"{prefix}/{name}" if prefix else name), begin, size
        longer = ""
    if at != end:  # what marks the end may be missing, but not a part of a block
        raise ValueError(f"{path} is cut off: it has {end:,} bytes, which is no whole number of blocks")


def _number(field: bytes) -> int:
    """A number in a header: in octal digits, or where it is too large for them, in binary ones behind a set bit."""
    if field[0] & 0x80:
        return int.from_bytes(field[1:], "big")
    return int(field.strip(b"\0 ") or b"0", 8)


def _key(name: str) -> tuple[str, str]:
    """What a picture's files have in common, and the ending: "a/n01_7.jpg" -> ("a/n01_7", "jpg")."""
    folder, slash, file = name.rpartition("/")
    stem, _, ending = file.partition(".")
    return folder + slash + stem, ending.lower()


def _class_names(path: Path, labels: np.ndarray) -> tuple[str, ...]:
    count = int(labels.max()) + 1
    file = path / CLASSES
    if not file.is_file():
        return tuple(map(str, range(count)))
    names = tuple(file.read_text(encoding="utf-8").splitlines())
    if len(names) < count:
        raise ValueError(f"{file} names {len(names)} classes, expected at least {count}, as many as the shards have")
    return names


def _shards_in(path: Path) -> list[str]:
    with suppress(OSError):
        return sorted(entry.name for entry in os.scandir(path) if _is_shard(entry.name) and entry.is_file())
    return []


def _only_shards_in(path: Path) -> list[str]:
    """The shards in a folder; none where it has folders as well."""
    return [] if _folders_in(path) else _shards_in(path)


def _is_shard(name: str) -> bool:
    return name.lower().endswith(".tar") and not name.startswith(".")


def _folders_in(path: Path) -> list[Path]:
    with suppress(OSError):
        return sorted(Path(entry.path) for entry in os.scandir(path) if entry.is_dir() and entry.name[0] != ".")
    return []


def _by_name(shards: list[str]) -> tuple[list[str], list[str]]:
    """Those to train with, and those to test with if their names say so, as "imagenet-val-000000.tar" does."""
    words = {name: set(re.findall("[a-z]+", name.lower())) for name in shards}
    test_word = next((word for word in TEST_WORDS if any(word in each for each in words.values())), None)
    train = [name for name in shards if words[name] & set(TRAIN_WORDS)]
    if test_word is None or not train:
        return shards, []
    return train, [name for name in shards if test_word in words[name]]


def _sizes_and_times(path: Path, shards: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    found = [(path / name).stat() for name in shards]
    return np.array([each.st_size for each in found]), np.array([each.st_mtime_ns for each in found])


def _as_file(index: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **index)
    return buffer.getvalue()

"""Pictures that stay where they lie, and are decoded when a batch needs them: as many as there are, in constant memory.

ImageNet's 1.28 million pictures are 252 GB at 256 x 256 pixels. A batch of 128 of them is 25 MB, and is decoded in
threads while the network learns the one before: Pillow releases Python's lock.
"""

from __future__ import annotations

import copy
import io
import operator
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from nn.backend.runtime.threads import num_threads
from nn.data.bars import bar
from nn.data.pixels import formats, read_picture
from nn.data.sources import DataLost, Source, in_threads
from nn.data.statistics import Statistics, added, sums

MOST_UNREAD = 20  # pictures of a class, one after the other: then it is no longer single files that are broken
SAMPLED = 1000  # pictures for statistics, where they have to be decoded before training begins
MANY = 2000  # pictures, from which on the progress is shown
PART = 16  # pictures that a thread adds up
SHOWN = 5  # broken pictures that a sentence names

Result = TypeVar("Result")


class StreamedImages:
    """N images of one size, for a `Dataset`, in the place of an array.

    images[3]                    the image, decoded: uint8 (H, W, C)
    images[2:7], images[[1, 5]]  some of them, as StreamedImages: nothing is decoded yet
    np.asarray(images)           all, decoded: uint8 (N, image_size, image_size, C)

    source      a `nn.data.sources.Source`: where the bytes of the files come from
    image_size  every image becomes image_size x image_size: its short side brought to it, the middle cut out
    channels    3: RGB, 1: grey
    threads     how many decode; by default as many as compute. The images are the same for any number
    known       the statistics of these images, where they are known

    In the place of a picture that cannot be read stands the next one of its class that can: `unread` has the first
    one's number in the source, and the reason. Where that is not single files any more, `DataLost` is raised.
    """

    dtype, ndim = np.dtype(np.uint8), 4

    def __init__(
        self,
        source: Source,
        image_size: int,
        channels: int = 3,
        threads: int | None = None,
        known: Statistics | None = None,
    ) -> None:
        self.source, self.image_size, self.channels = source, image_size, channels
        self.numbers = np.arange(len(source))  # of these images in the source
        self.unread: dict[int, str] = {}
        self._all = self.numbers  # among which another one is looked for
        self._known = [known]  # in a list, since all parts of these images share it
        self._said = [0]  # of how many unread ones
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(threads or num_threads(), "decode")
        self._formats = formats()
        warnings.filterwarnings("ignore", module="PIL")  # its remarks on single files

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return len(self.numbers), self.image_size, self.image_size, self.channels

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, which):
        if not isinstance(which, slice) and np.ndim(which) == 0:
            return self._decode(int(self.numbers[operator.index(which)]))
        some = copy.copy(self)
        some.numbers = self.numbers[which]
        return some

    def __iter__(self) -> Iterator[np.ndarray]:
        return self.in_threads(self.__getitem__, range(len(self)))

    def in_threads(self, function: Callable[[int], Result], items: Iterable[int], ahead: int = 64) -> Iterator[Result]:
        """function(item) of each item, in their order, computed by the threads that decode."""
        return in_threads(self._pool, function, items, ahead)

    def __array__(self, dtype: np.typing.DTypeLike = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("StreamedImages are decoded when they become an array, which copy=False forbids")
        try:
            out = np.empty(self.shape, np.uint8)
        except MemoryError:
            raise ValueError(
                f"{len(self):,} images of {self.image_size}x{self.image_size} do not fit into memory, take smaller ones"
            ) from None

        def decode(place: int) -> None:
            out[place] = self[place]

        for _ in self.in_threads(decode, range(len(out))):
            pass
        return out if dtype is None else out.astype(dtype)

    def subset(self, which: slice | np.ndarray) -> StreamedImages:
        """Some of them, as `images[which]`, but as a data set of their own: what cannot be read is replaced by others
        of these alone, never by one that is held out. Their statistics are then not known."""
        some = self[which]
        some._all, some._known = some.numbers, [None]
        return some

    def statistics(self) -> Statistics:
        """Mean picture and colours: those that are known, else of some of them, drawn once."""
        if self._known[0] is None:
            self._known[0] = measure(self)
        return self._known[0]

    def said_of_unread(self, and_so: str = "others of their classes stand in for them") -> str:
        """Which pictures could not be read, in a sentence; "" if all could, or if it has been said."""
        with self._lock:
            unread = sorted(self.unread.items())
        if len(unread) == self._said[0]:
            return ""
        self._said[0] = len(unread)
        named = "; ".join(f"{self.source.name(number)}: {reason}" for number, reason in unread[:SHOWN])
        more = f"; and {len(unread) - SHOWN:,} more" if len(unread) > SHOWN else ""
        return f"{len(unread):,} of {len(self.source):,} images cannot be read, and {and_so}: {named}{more}"

    def _decode(self, number: int) -> np.ndarray:
        """The picture with this number in the source, or the one that stands in for it."""
        if number in self.unread:
            return self._stand_in(number)
        try:
            return self._read(number)
        except DataLost:
            raise
        except Exception as error:  # broken files make Pillow's readers fail in every way there is
            self._note(number, error)
            return self._stand_in(number)

    def _stand_in(self, number: int) -> np.ndarray:
        same = self._all[self.source.labels[self._all] == self.source.labels[number]]
        place = int(np.searchsorted(same, number))
        for other in np.roll(same, -place - 1)[: min(len(same) - 1, MOST_UNREAD)]:
            if int(other) in self.unread:
                continue
            try:
                return self._read(int(other))
            except DataLost:
                raise
            except Exception as error:
                self._note(int(other), error)
        raise DataLost(
            f"{self.source.name(number)} and the images of its class that follow it cannot be read: "
            f"{self.unread[number]}; see whether the disk or folder is still there"
        )

    def _read(self, number: int) -> np.ndarray:
        return read_picture(io.BytesIO(self.source.read(number)), self.image_size, self.channels, self._formats)

    def _note(self, number: int, error: Exception) -> None:
        why = error.strerror if isinstance(error, OSError) and error.strerror else " ".join(str(error).split())
        with self._lock:
            self.unread[number] = why or type(error).__name__


def measure(images: StreamedImages, sampled: int = SAMPLED, seed: int = 0) -> Statistics:
    """The statistics of `sampled` of these images, drawn at random; of all, where there are no more."""
    count = min(sampled, len(images))
    drawn = np.sort(np.random.default_rng(seed).permutation(len(images))[:count])

    def of_some(start: int) -> Statistics:
        return sums(np.stack([images[number] for number in drawn[start : start + PART]]))

    found = None
    with bar(is_shown=count >= MANY, total=count, desc="mean and colours", unit="img") as shown:
        for part in images.in_threads(of_some, range(0, count, PART), ahead=8):
            found = part if found is None else added(found, part)
            shown.update(part.count)
    assert found is not None
    return found

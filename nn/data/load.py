"""One function for every data set: those with a name, and those of your own."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from nn.backend.runtime.memory import free_memory
from nn.data.bars import bar
from nn.data.cifar10 import cifar10, first_member, is_cifar10_folder
from nn.data.cifar100 import cifar100, is_cifar100
from nn.data.dataset import Dataset
from nn.data.digits import digits
from nn.data.mnist import fashion_mnist, is_idx_file, is_idx_folder, mnist
from nn.data.npz import npz
from nn.data.pictures import picture_sets
from nn.data.pixels import fit, to_array, to_image
from nn.data.rendered import objects
from nn.data.shards import ShardSource, is_shards, shard_sources
from nn.data.sources import Found, Source, folder_sources
from nn.data.statistics import Statistics
from nn.data.stream import MANY, StreamedImages
from nn.data.whole import WholeImages
from nn.files.addresses import refuse_address
from nn.spelling import did_you_mean

BORDER = 8  # by so many pixels grey images may be smaller than wanted: they get a border
CIFAR100_PYTHON = "cifar-100-python"
MOST_OF_MEMORY = 1 / 2  # that the images of a folder may take, before they are streamed
OBJECTS_SIZE = 64  # of rendered images when no size is asked for
DATA_SETS = ("digits", "objects", "mnist", "fashion_mnist", "cifar10")  # those with a name


def load(
    what: str | Path,
    image_size: int | None = None,
    channels: int | None = None,
    whole: bool = False,
    stream: bool | None = False,
    streamed_size: int | None = None,
) -> tuple[Dataset, Dataset | None]:
    """The (training set, test set) that `what` names, images uint8; None where there are no test images.

    what is a name,

        "digits"          the 10,000 included digits
        "objects"         cars, cats, dogs and vernier callipers, rendered in about a minute; see nn.data.rendered
        "mnist"           downloaded on first use, as the next two
        "fashion_mnist"
        "cifar10"

    or the path of

        a .npz file                   see nn.data.npz
        a folder or zip of images     one sub-folder per class; see nn.data.pictures
        a .tar file                   or a folder of them: shards as WebDataset has them; see nn.data.shards
        the MNIST files               their folder, or one of them; also EMNIST's and QMNIST's; see nn.data.mnist
        cifar-10-binary.tar.gz        or cifar-10-python.tar.gz or cifar-100-binary.tar.gz, or the folder that it lies
                                      in or was unpacked into

    A name comes before a file of the same name: for the file write "./mnist".

    image_size  images become image_size x image_size: the short side is brought to this size and the square in the
                middle cut out. Grey sets that lack up to 8 pixels get a border of 0 instead, half on each side: so were
                MNIST's 28 pixels brought to LeNet-5's 32 (LeCun et al. 1998). None: as they are; images in a folder
                must then all have one size; "objects" are rendered at this size, without one at 64
    channels    3: RGB, grey images get three equal channels; 1: grey. None: as they are; a folder or zip as RGB
    whole       True: nothing is cut off and nothing enlarged; images in a folder or zip, and those that are smaller
                than image_size, become `nn.data.whole.WholeImages`
    stream      True: images in a folder or in shards stay there, as `nn.data.stream.StreamedImages`, which need an
                image_size. None: those in shards; in a folder, those that would take more than half of the free memory.
                False: all are read now
    streamed_size   the image_size of streamed images, without that; shards that `lenet pack` wrote know theirs

    Raises ValueError or FileNotFoundError for what cannot be read, DownloadError where the network does not help.
    """
    if channels not in (None, 1, 3):
        raise ValueError(f"load: channels must be 1 (grey) or 3 (RGB), got {channels!r}")
    if image_size is not None and image_size < 1:
        raise ValueError(f"load: image_size must be at least 1, got {image_size!r}")
    if not str(what):  # as a path it would be the working folder
        raise ValueError("load: the data has an empty name, expected a data set or a path")
    rendered = partial(objects, image_size or OBJECTS_SIZE, progress=True)
    named = dict(zip(DATA_SETS, (_digits, rendered, mnist, fashion_mnist, cifar10), strict=True))
    if isinstance(what, str) and what.lower().replace("-", "_") in named:
        sets = named[what.lower().replace("-", "_")]()
    else:
        read = _reader(Path(what).expanduser())
        may_stream = read is picture_sets and stream is not False and (stream or not whole)
        if read is shard_sources or may_stream:
            sizes = image_size, streamed_size
            streamed = _streamed(Path(what).expanduser(), *sizes, channels or 3, stream)
            if streamed is not None:
                return streamed
        if read is picture_sets:  # one file at a time from its own size to the wanted one
            return picture_sets(Path(what).expanduser(), image_size, channels or 3, whole)[:2]
        sets = read(Path(what).expanduser())
    train_set, test_set = (None if each is None else _adapt(each, image_size, channels, whole) for each in sets)
    return train_set, test_set


def _reader(path: Path) -> Callable:
    """The function that reads this path: decided by what is in it rather than by what it is called."""
    if is_shards(path):
        return shard_sources
    if path.is_dir():
        if is_idx_folder(path):
            return mnist
        if is_cifar100(path):
            return cifar100
        if path.name == CIFAR100_PYTHON and (path / "meta").is_file():
            raise _not_read(path)
        return cifar10 if is_cifar10_folder(path) else picture_sets
    if not path.is_file():
        refuse_address(path)
        raise FileNotFoundError(
            f"{path} is neither a data set ({', '.join(DATA_SETS)}) nor an existing .npz file, .zip, archive or folder"
            f"{did_you_mean(str(path), DATA_SETS)}"
        )
    if path.suffix.lower() == ".npz":
        return npz
    if is_idx_file(path.name):
        return mnist
    if zipfile.is_zipfile(path):
        try:
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
        except (zipfile.BadZipFile, ValueError, NotImplementedError):
            return picture_sets  # which says what is wrong with it
        if any(is_idx_file(name.rsplit("/", 1)[-1]) for name in names):
            raise ValueError(f"{path}: expected a folder with these files of MNIST's kind, got a zip: unpack it first")
        return npz if any(name.endswith(".npy") for name in names) else picture_sets
    with open(path, "rb") as file:
        if file.read(2) == b"\x1f\x8b":
            if first_member(path).split("/")[0] == CIFAR100_PYTHON:
                raise _not_read(path)
            return cifar100 if is_cifar100(path) else cifar10
    raise ValueError(
        f"{path}: expected a .npz file, a zip of images, or cifar-10-binary.tar.gz, and it is none of them"
    )


def _not_read(path: Path) -> ValueError:
    return ValueError(f"{path}: expected CIFAR-100's binary version, cifar-100-binary.tar.gz, got the Python version")


def _streamed(
    path: Path, image_size: int | None, streamed_size: int | None, channels: int, stream: bool | None
) -> tuple[Dataset, Dataset | None] | None:
    """The sets of shards, or of a folder that is streamed; None for one that is to be read into memory."""
    sources: tuple[Source, Source | None]
    size = image_size or streamed_size
    if is_shards(path):
        sources = shard_sources(path)
    elif path.is_file() or (stream is None and size is None):  # a zip, or images that keep their sizes
        return None
    else:
        found = Found(path)
        if stream is None and not _is_large(len(found.where), size or 0, channels):
            return None
        sources = folder_sources(path, found=found)
    train_set, test_set = (
        None if source is None else _of_source(source, path, image_size, streamed_size, channels) for source in sources
    )
    assert train_set is not None
    if stream is False:
        train_set, test_set = _in_memory(train_set), None if test_set is None else _in_memory(test_set)
    return train_set, test_set


def _is_large(count: int, size: int, channels: int) -> bool:
    free = free_memory()
    return free is not None and count * size * size * channels > MOST_OF_MEMORY * free


def _of_source(source: Source, path: Path, image_size: int | None, streamed_size: int | None, channels: int) -> Dataset:
    known = Statistics.load(source.path) if isinstance(source, ShardSource) else None
    size = image_size or (known.total.shape[0] if known is not None else streamed_size)
    if size is None:
        raise ValueError(
            f"{path}: the images may have any sizes; name one that they are brought to, such as image_size=256"
        )
    if known is not None and known.total.shape != (size, size, channels):
        known = None
    images = StreamedImages(source, size, channels, known=known)
    return Dataset(images, source.labels, source.class_names)


def _in_memory(dataset: Dataset) -> Dataset:
    """The images decoded now; those that cannot be read are left out, and a warning names them."""
    streamed = dataset.images
    try:
        images = np.empty(streamed.shape, np.uint8)
    except MemoryError:
        raise ValueError(
            f"{streamed.shape} levels of images do not fit into memory; take a smaller image_size"
        ) from None
    for number, image in enumerate(bar(streamed, len(images) >= MANY, desc="decoding", unit="img")):
        images[number] = image
    good = ~np.isin(np.arange(len(images)), list(streamed.unread))
    if not good.all():
        warnings.warn(streamed.said_of_unread("are left out"), stacklevel=4)
        images = images[good]
    return Dataset(images, dataset.labels[good], dataset.class_names)


def _digits() -> tuple[Dataset, Dataset]:
    """The included digits as the bytes that they were, like every other set."""
    train_set, test_set = (
        Dataset(np.rint(each.images * 255).astype(np.uint8), each.labels, each.class_names) for each in digits()
    )
    return train_set, test_set


def _adapt(dataset: Dataset, image_size: int | None, channels: int | None, whole: bool) -> Dataset:
    images = dataset.images
    if channels is not None and channels != images.shape[-1]:
        images = np.repeat(images, 3, axis=-1) if channels == 3 else _to_grey(images)
    if image_size is not None and whole and min(images.shape[1:3]) < image_size:
        return Dataset(WholeImages(images, image_size, images.shape[-1]), dataset.labels, dataset.class_names)
    if image_size is not None and images.shape[1:3] != (image_size, image_size):
        images = _to_size(images, image_size)
    return Dataset(images, dataset.labels, dataset.class_names)


def _to_grey(images: np.ndarray) -> np.ndarray:
    """RGB to luma, 0.299 R + 0.587 G + 0.114 B, as Pillow does it."""
    grey = np.empty((*images.shape[:3], 1), np.uint8)
    for image, out in zip(images, grey):
        out[..., 0] = np.asarray(Image.fromarray(image).convert("L"))
    return grey


def _to_size(images: np.ndarray, image_size: int) -> np.ndarray:
    count, height, width, channels = images.shape
    sized = np.zeros((count, image_size, image_size, channels), np.uint8)
    top, left = (image_size - height) // 2, (image_size - width) // 2
    # The three channels may be three times the same grey.
    is_grey = channels == 1 or bool((images == images[..., :1]).all())
    if is_grey and 0 <= image_size - height <= BORDER and 0 <= image_size - width <= BORDER:
        sized[:, top : top + height, left : left + width] = images
        return sized
    for image, out in zip(images, sized):
        out[...] = to_array(fit(to_image(image), image_size))
    return sized

"""One data set of several: classes of the same name become one class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from nn.data.dataset import Dataset
from nn.data.whole import WholeImages


def unite(sets: Sequence[Dataset], class_names: Sequence[str] | None = None) -> tuple[Dataset, np.ndarray]:
    """The images of all sets, one set after the other, and for each the number of the set it comes from, (N,).

    class_names: the classes to keep, numbered in this order; images of others are left out. None: all classes, in the
    order in which they occur first.

    Images without files get their numbers for names where others have files. Arrays of images must be of one size;
    where any of the sets are `WholeImages`, all become that. ValueError for images that do not go together.
    """
    names = tuple(class_names or dict.fromkeys(name for each in sets for name in each.class_names))
    if any(each.files for each in sets):
        sets = [each if each.files else replace(each, files=tuple(map(str, range(len(each))))) for each in sets]
    kept = []  # of each set the images of these classes, with the numbers that the classes have now
    for each in sets:
        numbers = np.array([names.index(name) if name in names else -1 for name in each.class_names])
        labels = numbers[each.labels]
        some = each if (labels >= 0).all() else each.subset(labels >= 0)
        kept.append(Dataset(some.images, labels[labels >= 0], names, some.files))
    labels = np.concatenate([each.labels for each in kept])
    files = [name for each in kept for name in each.files]
    origins = np.repeat(np.arange(len(kept)), [len(each) for each in kept])
    return Dataset(_together([each.images for each in kept]), labels, names, tuple(files)), origins


def _together(images: Sequence[np.ndarray | WholeImages]) -> np.ndarray | WholeImages:
    if len(images) == 1:
        return images[0]
    shapes = sorted({each.shape[1:] for each in images})
    if len(shapes) > 1:
        got = " and ".join("x".join(map(str, shape)) for shape in shapes)
        raise ValueError(
            f"the images of the data sets are {got}; bring all of them to one size, such as image_size=64, and mix no "
            "grey ones with coloured ones"
        )
    if not any(isinstance(each, WholeImages) for each in images):
        return np.concatenate(images)
    items = [item for each in images for item in (each.items if isinstance(each, WholeImages) else each)]
    return WholeImages(items, shapes[0][0], shapes[0][2])

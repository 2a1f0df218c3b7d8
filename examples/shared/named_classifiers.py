"""The networks named on a command line, to be seen beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from models import Classifier, load_classifier


def named_classifiers(paths: Sequence[str], names: Mapping[str, str] | None = None) -> dict[str, Classifier]:
    """The classifiers of these weights by short names: those in `names`, else the files' without their endings.

    Raises ValueError where one is named twice, or they cannot be asked about the same images: all must know the same
    classes and read the same colours; and what `load_classifier` raises.
    """
    stems = [Path(path).stem for path in paths]
    classifiers = {}
    for path, stem in zip(paths, stems):
        # train.py calls all its weights best or last: those of one name are told apart by their folders.
        unique = stem if stems.count(stem) == 1 else f"{Path(path).resolve().parent.name}/{stem}"
        name = (names or {}).get(path, unique)
        if name in classifiers:
            raise ValueError(f"--weights: {name} is named twice, expected different networks")
        classifiers[name] = load_classifier(path)
    first_name, first = next(iter(classifiers.items()))
    for name, classifier in classifiers.items():
        if classifier.class_names != first.class_names or classifier.preparation.channels != first.preparation.channels:
            raise ValueError(f"--weights: {name} knows other classes or colours than {first_name}")
    return classifiers

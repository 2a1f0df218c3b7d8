"""The networks named on a command line, to be seen beside each other, and their classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from models import Classifier, load_classifier
from nn.spelling import did_you_mean


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


def class_number(label: str, names: Sequence[str]) -> int:
    """The number of the class that somebody named."""
    if label in names:
        return list(names).index(label)
    if label.isdecimal() and int(label) < len(names):
        return int(label)
    shown = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
    hint = did_you_mean(label, names)
    raise ValueError(f"--label: there is no class {label!r}, expected one of {shown}, or 0 to {len(names) - 1}{hint}")

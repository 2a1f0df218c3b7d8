"""The page that `examples.crops` leaves behind: what was found, the accuracies, the curves and some images' crops."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from examples.crops.windows import PORTIONS, Window
from models import Classifier
from nn.plots.report import Picture, write_report

LISTED = 100  # images of unknown class that the table shows
NUMBERS = {2: "Two", 3: "Three", 4: "Four"}
KINDS = {"centre": "at the centre", "corners": "in the corners", "random": "anywhere"}


class Outcome(Protocol):
    """What is needed of an outcome here: see `examples.crops.program`."""

    windows: list[Window]
    probabilities: dict[str, np.ndarray]
    label: int | None
    name: str
    figure: Path | None

    def taken_for(self, network: str) -> int: ...


def write_page(
    folder: Path,
    outcomes: Sequence[Outcome],
    results: Mapping[str, dict],
    classifiers: Mapping[str, Classifier],
    command: str,
    seed: int,
) -> None:
    """Write report.html, with the figures that lie in the folder. results: the summary of each network, or nothing
    where no image's class is known."""
    known = sum(outcome.label is not None for outcome in outcomes)
    curves = folder / "curves.png"
    pictures = [_curves(curves, results)] if results else []
    pictures += [
        _drawn(outcome, number, classifiers) for number, outcome in enumerate(outcomes, 1) if outcome.figure is not None
    ]
    write_report(
        folder / "report.html",
        title="How little of an image is enough?",
        lead=_lead(len(outcomes), known, results, classifiers),
        table=accuracies(results) if results else answers(outcomes, classifiers),
        pictures=pictures,
        summaries={name: classifier.network.summary() for name, classifier in classifiers.items()},
        facts={
            "Command": command,
            "Images": f"{len(outcomes):,}, {known:,} of them of a known class, {len(pictures) - bool(results)} drawn",
            "Crops": f"{len(outcomes[0].windows) - 1} of each image: at the centre, in each corner and at random, of "
            + ", ".join(f"{100 * portion:g}%" for portion in PORTIONS if portion < 1)
            + " of its area",
            "Seed": f"{seed}, of the random crops",
            "Software": f"Python {platform.python_version()}, NumPy {np.__version__}",
            "Date": datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        },
    )


def accuracies(results: Mapping[str, dict]) -> list[list[str]]:
    """Rows of cells: for each kind of crop a row per network, a column per portion."""
    rows = [["accuracy", *(f"{100 * portion:g}%" for portion in PORTIONS)]]
    for kind, where in KINDS.items():
        for name, result in results.items():
            cells = [f"{100 * row['accuracy']['mean']:.1f}%" for row in result["by_portion"][kind]]
            rows.append([f"{name}; crops {where}", *cells])
    return rows


def answers(outcomes: Sequence[Outcome], classifiers: Mapping[str, Classifier]) -> list[list[str]]:
    """Of images whose class nobody told: the answer of each network to the whole, and how many crops agree."""
    rows = [["image", *(f"{name}{what}" for name in classifiers for what in ("", ": crops that agree"))]]
    for outcome in outcomes[:LISTED]:
        row = [outcome.name]
        for name, classifier in classifiers.items():
            whole, *crops = outcome.probabilities[name]
            answer = int(whole.argmax())
            agree = sum(int(crop.argmax()) == answer for crop in crops)
            row += [f"{classifier.class_names[answer]}, {100 * float(whole[answer]):.1f}%", f"{agree} of {len(crops)}"]
        rows.append(row)
    if len(outcomes) > LISTED:
        rows.append([f"and {len(outcomes) - LISTED:,} more", *[""] * (len(rows[0]) - 1)])
    return rows


def _lead(count: int, known: int, results: Mapping[str, dict], classifiers: Mapping[str, Classifier]) -> str:
    number = NUMBERS.get(len(classifiers), len(classifiers))
    networks = f"{number} networks were" if len(classifiers) > 1 else f"{next(iter(classifiers))} was"
    images = f"{count:,} images" if count > 1 else "one image"
    asked = f"{networks} asked about {images}, whole and cut down to a sixteenth of the area."
    if not results:
        return f"{asked} What they show is not known, so that the answer to the whole image is taken to be right."
    shares = []
    for name, result in results.items():
        rows = {row["portion"]: 100 * row["accuracy"]["mean"] for row in result["by_portion"]["centre"]}
        shares.append(f"{name}: {rows[1.0]:.1f}% and {rows[0.25]:.1f}%")
    of = "" if known == count else f" Of {known:,} the class is known."
    return f"{asked}{of} Right of the whole images and of the quarters at their centres: {'; '.join(shares)}."


def _curves(path: Path, results: Mapping[str, dict]) -> Picture:
    return Picture(
        path,
        "For how long they know it",
        "The share of right answers, and the probability given to the right class, against the portion of the image "
        "that the crop holds and, where it is known, against the share of the object in it. Bars: two standard errors "
        "each way.",
        f"Line charts of accuracy and confidence, a line for each of: {', '.join(results)}.",
    )


def _drawn(outcome: Outcome, number: int, classifiers: Mapping[str, Classifier]) -> Picture:
    name, classifier = list(classifiers.items())[-1]
    wanted = outcome.taken_for(name)
    class_name = classifier.class_names[wanted]
    crops = outcome.probabilities[name][1:]
    right = sum(int(probabilities.argmax()) == wanted for probabilities in crops)
    truth = class_name if outcome.label is not None else f"taken for {class_name}, as the whole image is"
    return Picture(
        outcome.figure,
        f"Image {number}, {outcome.name}: {truth}",
        f"Each crop with the answer of {name}: right in green, wrong in red. Of {len(crops)} crops, {right} are taken "
        f"for {class_name}.",
        f"The image and its {len(crops)} crops, {right} of which are taken for {class_name}.",
    )

"""What `examples.compare` leaves behind: the table, the figures, the numbers and the page."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from nn import Network, plots
from nn.data import Dataset
from nn.plots.report import Picture, write_report

RESULT_FILES = (
    "lenet.png",
    "alexnet.png",
    "curves.png",
    "confusion.png",
    "filters.png",
    "mistakes.png",
    "results.json",
    "table.txt",
    "report.html",
)


def make_table(results: Mapping[str, dict]) -> list[list[str]]:
    """Rows of cells: a row per measure, a column per network. results: the network's name -> its numbers."""
    measures = {
        "parameters": "{parameters:,}",
        "multiply-adds per image": "{multiply_adds:,}",
        "epochs": "{epochs}",
        "seconds per epoch": "{seconds_per_epoch:.1f}",
        "images per second": "{images_per_second:,.0f}",
        "train accuracy": "{train_accuracy:.2%}",
        "test accuracy": "{test_accuracy:.2%}",
    }
    rows = [[measure, *(cell.format(**numbers) for numbers in results.values())] for measure, cell in measures.items()]
    return [["", *results], *rows]


def aligned(table: list[list[str]]) -> str:
    """The table as text, columns under each other."""
    widths = [max(len(cell) for cell in column) for column in zip(*table)]
    lines = []
    for first, *cells in table:
        lines.append("   ".join([first.ljust(widths[0]), *(c.rjust(w) for c, w in zip(cells, widths[1:]))]))
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def warnings(results: Mapping[str, dict]) -> list[str]:
    """What keeps a network from learning, a sentence each, with the options to change."""
    return [
        f"{name}: {sentence} (options --{name.lower()}-epochs and --{name.lower()}-lr)."
        for name, numbers in results.items()
        for sentence in numbers["findings"]
    ]


def write_results(
    folder: Path,
    results: Mapping[str, dict],
    run: Mapping,
    test_set: Dataset,
    probabilities: Mapping[str, np.ndarray],
    networks: Mapping[str, Network],
) -> None:
    """Write all files. Every mapping but `run` is keyed by the network's name; `run` describes the run."""
    write_json(folder / "results.json", {name.lower(): numbers for name, numbers in results.items()} | dict(run))
    (folder / "table.txt").write_text(f"{aligned(make_table(results))}\n", encoding="utf-8")
    classes = test_set.class_names
    matrices = {name: np.array(numbers["confusion"]) for name, numbers in results.items()}
    histories = {name: numbers["history"] for name, numbers in results.items()}
    # The weights of each first convolution, (KH, KW, C, kernels).
    kernels = {name: next(w for w in net.params.values() if w.ndim == 4) for name, net in networks.items()}
    for name, network in networks.items():
        plots.architecture(folder / f"{name.lower()}.png", network, title=name)
    plots.learning_curves(folder / "curves.png", histories, num_classes=len(classes))
    plots.confusion_matrices(folder / "confusion.png", matrices, classes)
    plots.kernel_grids(folder / "filters.png", kernels)
    plots.mistakes(folder / "mistakes.png", test_set.images, test_set.labels, probabilities, classes)
    write_report(
        folder / "report.html",
        title=f"{' and '.join(results)}, side by side",
        lead=" ".join([_lead(results, run), *warnings(results)]),
        table=make_table(results),
        pictures=_pictures(folder, results, matrices, kernels, classes),
        summaries={name: network.summary() for name, network in networks.items()},
        facts=_facts(results, run),
    )


def write_json(path: Path, content: Mapping) -> None:
    """Strict JSON, which knows no NaN: a loss that diverged is written as null."""
    path.write_text(json.dumps(_plain(content), indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _plain(value):
    """The same with Python's own types and with None for NaN and infinity."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


# ---------------------------------------------------------------------------------------- words for the page
def _lead(results: Mapping[str, dict], run: Mapping) -> str:
    scores = [f"{name} {numbers['test_accuracy']:.2%}" for name, numbers in results.items()]
    return (
        f"Two networks written from scratch learned from the same {run['train_images']:,} images. Of the "
        f"{run['test_images']:,} test images, which they had never seen, they recognise: "
        f"{', '.join(scores)}."
    )


def _pictures(
    folder: Path, results: Mapping[str, dict], matrices: Mapping, kernels: Mapping, classes: tuple[str, ...]
) -> list[Picture]:
    names = " and ".join(results)
    scores = ", ".join(f"{name} at {numbers['test_accuracy']:.2%}" for name, numbers in results.items())
    confusions = " ".join(f"{name}: {_most_frequent(matrix, classes)}." for name, matrix in matrices.items())
    counts = " and ".join(f"{weights.shape[-1]} of {name}" for name, weights in kernels.items())
    grey = next(iter(kernels.values())).shape[2] == 1
    architectures = [
        Picture(
            folder / f"{name.lower()}.png",
            f"{name}, layer by layer",
            "Volumes to scale: what each layer makes of an image, and (orange) what one of its numbers sees.",
            f"{name} as a row of blocks, of {numbers['parameters']:,} parameters; the layers are listed below.",
        )
        for name, numbers in results.items()
    ]
    return [
        *architectures,
        Picture(
            folder / "curves.png",
            "How they learned",
            "The loss of every step (pale: each one, bold: averaged) and the accuracy after every epoch; "
            "a network whose training accuracy keeps rising while its test accuracy does not is memorising "
            "its images.",
            f"Two line charts, loss by step and accuracy by epoch. The test accuracies end with {scores}.",
        ),
        Picture(
            folder / "confusion.png",
            "What they confuse",
            "Each row holds the images of one class, each column one answer: the diagonal is right, and "
            "the darker a cell off it, the more often one class was mistaken for the other.",
            f"Confusion matrices of {names}. Most frequent mistakes of {confusions}",
        ),
        Picture(
            folder / "filters.png",
            "What their first layers look for",
            "Each square is a kernel that slides over the image and responds where the image looks like it: "
            + (
                "red weights want a bright pixel there, blue ones a dark one, white ones do not care."
                if grey
                else "each pixel shows its three weights as red, green and blue, and grey is zero."
            ),
            f"The kernels of the first convolutions as grids of small squares: {counts}.",
        ),
        Picture(
            folder / "mistakes.png",
            "Where they go wrong",
            "Misread images, the most confident mistakes first, with the true class, each network's answer "
            "and how sure it was of it: right answers in green with a tick, wrong ones in red with a cross.",
            f"Misread images, enlarged, in rows: those misread by both, by only one of {names}.",
        ),
    ]


def _most_frequent(matrix: np.ndarray, classes: tuple[str, ...], count: int = 3) -> str:
    """The most frequent confusions in words."""
    mistakes = np.where(np.eye(len(matrix), dtype=bool), 0, matrix)
    order = np.argsort(-mistakes, axis=None, kind="stable")[:count]
    found = [divmod(int(index), len(matrix)) for index in order if mistakes.flat[index]]
    if not found:
        return "none"
    return ", ".join(f"{classes[true]} taken for {classes[said]} ({mistakes[true, said]})" for true, said in found)


def _facts(results: Mapping[str, dict], run: Mapping) -> dict[str, str]:
    height, width, channels = run["image_shape"]
    machine = run["machine"]
    recipes = {
        f"{name}'s recipe": f"{numbers['epochs']} epochs, batches of {run['batch_size']}, SGD with "
        f"momentum {numbers['momentum']:g}, learning rate up to {numbers['learning_rate']:g} (one cycle), "
        f"weight decay {numbers['weight_decay']:g}, {numbers['seconds']:.0f} s in all"
        for name, numbers in results.items()
    }
    return {
        "Command": run["command"],
        "Data": f"{run['data']}: {run['train_images']:,} images to train, {run['test_images']:,} to test, "
        f"{len(run['class_names'])} classes, {height} x {width} x {channels}",
        "Seed": str(run["seed"]),
        **recipes,
        "Machine": f"{machine['cpus']} CPUs ({machine['threads']} threads used), {machine['processor']}, "
        f"{machine['system']}",
        "Software": f"Python {machine['python']}, NumPy {machine['numpy']}, numba {machine['numba']}",
        "Date": run["date"],
    }

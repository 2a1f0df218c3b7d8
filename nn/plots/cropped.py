"""Figures of the crop experiment: the crops of one image, and the curves over many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.patches import Rectangle

from nn.plots.answered import show_picture
from nn.plots.style import COLOURS, GREY, MARKERS, RIGHT, WRONG, picture, plain

TILE_PIXELS = 180
TILE, GAP, LEFT, TOP, WORDS = 1.12, 0.12, 0.95, 0.85, 0.42  # inches


def crops(
    path: str | Path,
    title: str,
    image: np.ndarray,
    windows: Sequence,
    probabilities: np.ndarray,
    label: int,
    class_names: Sequence[str],
) -> None:
    """Draw the windows of one image, a row for each portion, with answer and confidence: right green, wrong red.

    image (S, S, 1 or 3), uint8; windows: objects with place, portion, left, top, side (shares of S) and
    cut(image, (height, width)), in the order of falling portions, the whole image first; probabilities
    (windows, classes).
    """
    portions = list(dict.fromkeys(window.portion for window in windows))
    rows = [[index for index, window in enumerate(windows) if window.portion == portion] for portion in portions]
    columns = max(len(row) for row in rows)
    row_height = TILE + WORDS
    width, height = LEFT + columns * (TILE + GAP) + 0.1, TOP + len(rows) * row_height + 0.05
    with picture(path, width, height, layout=None) as figure:

        def write(x: float, y: float, text: str, **look) -> None:
            figure.text(x / width, y / height, plain(text), **look)

        write(0.1, height - 0.1, title, va="top", fontsize=12, weight="bold")
        longest = max(rows, key=len)
        for column, index in enumerate(longest):
            x = LEFT + column * (TILE + GAP) + TILE / 2
            write(x, height - TOP + 0.1, windows[index].place, ha="center", va="bottom", fontsize=9, color=GREY)
        for row, indices in enumerate(rows):
            bottom = height - TOP - row * row_height - TILE
            write(0.1, bottom + TILE / 2, f"{100 * portions[row]:g} %", va="center", fontsize=12, weight="bold")
            write(0.1, bottom + TILE / 2 - 0.2, "of the area", va="center", fontsize=8, color=GREY)
            for column, index in enumerate(indices):
                left = LEFT + column * (TILE + GAP)
                axes = figure.add_axes((left / width, bottom / height, TILE / width, TILE / height))
                show_picture(axes, windows[index].cut(image, (TILE_PIXELS, TILE_PIXELS)))
                answer = int(probabilities[index].argmax())
                mark, colour = ("✓", RIGHT) if answer == label else ("✗", WRONG)
                for spine in axes.spines.values():
                    spine.set(color=colour, linewidth=2.5)
                name = class_names[answer]
                name = name if len(name) <= 16 else name[:15] + "…"
                write(
                    left + TILE / 2, bottom - 0.05, f"{mark} {name}", ha="center", va="top", fontsize=8.5, color=colour
                )
                share = f"{100 * float(probabilities[index, answer]):.0f} %"
                write(left + TILE / 2, bottom - 0.19, share, ha="center", va="top", fontsize=8, color=colour)
            if len(indices) == 1 and columns > 3:  # room beside the whole image: where the smaller ones lie
                _draw_places(figure, image, windows, LEFT + 1.5 * (TILE + GAP), bottom, write)


def _draw_places(figure, image: np.ndarray, windows: Sequence, left: float, bottom: float, write) -> None:
    width, height = figure.get_size_inches()
    axes = figure.add_axes((left / width, bottom / height, TILE / width, TILE / height))
    show_picture(axes, image)
    side = len(image)
    for number, portion in enumerate(sorted({window.portion for window in windows} - {1.0}, reverse=True)):
        window = next(w for w in windows if w.portion == portion and w.place == "centre")
        corner = (side * window.left - 0.5, side * window.top - 0.5)
        axes.add_patch(
            Rectangle(
                corner, side * window.side, side * window.side, fill=False, lw=1.5, ec=COLOURS[number % len(COLOURS)]
            )
        )
    write(
        left + TILE + 0.12, bottom + TILE / 2, "the centre crops\nin their places", va="center", fontsize=9, color=GREY
    )


def crop_curves(path: str | Path, results: Mapping[str, Mapping], pictures: int, num_classes: int) -> None:
    """Draw accuracy and confidence against the portion of the image that a crop holds, a line for each network.

    results: name -> {"by_portion": {"centre" | "corners" | "random": [{"portion", "accuracy", "confidence"}, ...]},
    "by_held": [{"from", "to", "accuracy"}, ...] where the objects' boxes are known}; accuracy and confidence are
    {"mean", "standard_error"}. pictures: how many there were. Bars are two standard errors long each way.
    """
    boxes = all("by_held" in result for result in results.values())
    with picture(path, 11, 8.6) as figure:
        panels = figure.subplots(2, 2)
        for index, (name, result) in enumerate(results.items()):
            look = {"color": COLOURS[index % len(COLOURS)], "marker": MARKERS[index % len(MARKERS)], "label": name}
            by_portion = result["by_portion"]
            _line(panels[0, 0], by_portion["centre"], "accuracy", look)
            _line(panels[0, 1], by_portion["random"], "accuracy", look)
            _line(panels[1, 0], by_portion["centre"], "confidence", look)
            if boxes:
                _line(panels[1, 1], result["by_held"], "accuracy", look)
            else:
                _line(panels[1, 1], by_portion["corners"], "accuracy", look)
        panels[0, 0].set(title="Centre crops", ylabel="right answers, %")
        panels[0, 1].set(title="Random crops", ylabel="right answers, %")
        panels[1, 0].set(title="Centre crops: how sure of the right class", ylabel="mean probability, %")
        panels[1, 1].set(
            title="All crops, by how much of the object they hold" if boxes else "Corner crops",
            ylabel="right answers, %",
        )
        for axes in panels.flat:
            axes.set(ylim=(0, 102))
            axes.axhline(100 / num_classes, color=GREY, linestyle=":", linewidth=1)
            axes.grid(True)
            axes.set_axisbelow(True)
            axes.set_xlabel("portion of the image's area, %")
            axes.set_xscale("log", base=2)
            ticks = [row["portion"] * 100 for row in by_portion["centre"]]
            axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            axes.minorticks_off()
            axes.invert_xaxis()
        if boxes:
            axes = panels[1, 1]
            axes.set_xscale("linear")
            ranges = [f"{100 * row['from']:g}–{100 * row['to']:g}" for row in result["by_held"]]
            axes.set_xticks(range(len(ranges)), ranges)
            axes.set_xlim(len(ranges) - 0.6, -0.4)
            axes.set_xlabel("share of the object's box inside the crop, %")
        handles, labels = panels[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=2, fontsize=10)
        figure.supxlabel(
            f"{pictures:,} images; bars: two standard errors each way; dotted: guessing", fontsize=9.5, color=GREY
        )


def _line(axes, rows: Sequence[Mapping], what: str, look: Mapping) -> None:
    rows = [(number, row) for number, row in enumerate(rows) if row[what] is not None]
    places = [100 * row["portion"] if "portion" in row else number for number, row in rows]
    means = [100 * row[what]["mean"] for _, row in rows]
    errors = [200 * (row[what]["standard_error"] or 0) for _, row in rows]
    axes.errorbar(places, means, errors, capsize=3, linewidth=1.8, markersize=5, **look)

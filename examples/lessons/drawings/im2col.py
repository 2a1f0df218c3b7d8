"""The drawings of lesson 5."""

from __future__ import annotations

from matplotlib.patches import Rectangle

from examples.lessons.drawings.convolution import PAPER, outline, show
from examples.lessons.figures import figure
from nn.plots.style import COLOURS, GREY

PATCHES = COLOURS[2:4]  # the first patch and the last, wherever they occur
CHANNELS = {"R": "#f6c1bd", "G": "#c6e6c3", "B": "#c3d7f3"}  # red, green and blue, pale


def one_product(image, P, W, Y, OH, OW):
    """An image, its patches as rows, the kernels as columns, their product, and the maps."""
    KH = round(len(W) ** 0.5)
    with figure("05_im2col", 13, 5) as drawing:
        axes = drawing.subplots(1, 6, width_ratios=(4, 9, 2.2, 2.2, 2, 2))
        show(axes[0], image, "image", PAPER, 6, "g")
        show(axes[1], P, f"P: a patch in each row, {P.shape}", PAPER, 6, "g")
        show(axes[2], W, f"W, {W.shape}", limit=2, text="g")
        show(axes[3], Y, f"Y, {Y.shape}", limit=10, text="g")
        for o in range(2):
            show(axes[4 + o], Y[:, o].reshape(OH, OW), f"map {o}", limit=10, text="g")
        for row, colour in zip((0, len(P) - 1), PATCHES):
            oh, ow = divmod(row, OW)
            outline(axes[0], oh, ow, KH, KH, colour)
            outline(axes[1], row, 0, 1, P.shape[1], colour)
            outline(axes[3], row, 0, 1, Y.shape[1], colour)
            for o in range(2):
                outline(axes[4 + o], oh, ow, 1, 1, colour)


def layouts(H, W):
    """The memory of an image of three channels, last and first, a square for each number."""
    places = [(h, w) for h in range(H) for w in range(W)]
    rows = {
        "channels last (H, W, C)": [(c, h, w) for h, w in places for c in CHANNELS],
        "channels first (C, H, W)": [(c, h, w) for c in CHANNELS for h, w in places],
    }
    with figure("05_layouts", 12, 2) as drawing:
        for axes, (title, numbers) in zip(drawing.subplots(2, 1), rows.items()):
            for at, (channel, h, w) in enumerate(numbers):
                square = Rectangle((at, 0), 1, 1, facecolor=CHANNELS[channel], edgecolor=GREY)
                axes.add_patch(square)
                axes.text(at + 0.5, 0.5, f"{channel}{h}{w}", ha="center", va="center")
            axes.text(-0.3, 0.5, title, ha="right", va="center")
            axes.set(xlim=(-4.2, len(numbers)), ylim=(-0.05, 1.05))
            axes.axis("off")


def speed(times, chunks):
    """Milliseconds for one image, each way; and for a batch, by the size of its chunks."""
    with figure("05_speed", 12, 3.8) as drawing:
        left, right = drawing.subplots(1, 2)
        left.semilogx(list(times.values()), list(times), "o", markersize=9)
        left.set(title="one image", xlabel="milliseconds")
        left.set(xlim=(0.01, 1e5), ylim=(len(times) - 0.5, -0.5))
        for row, ms in enumerate(times.values()):
            place = {"textcoords": "offset points", "ha": "center"}
            left.annotate(f"{ms:,.2f} ms", (ms, row), (0, 7), **place)
        right.semilogx(list(chunks), list(chunks.values()), "o-")
        labels = {"xlabel": "MB of patches at a time", "ylabel": "milliseconds"}
        right.set(title="128 images in chunks", ylim=(0, 1.1 * max(chunks.values())), **labels)

"""What was drawn: every text of a picture and the pixels it takes, caught when the picture is saved."""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from PIL import Image


@dataclass
class Drawn:
    """A saved picture: its size in pixels, (text, font size, box) for each text (a box: x0, y0, x1, y1), its axes."""

    width: float
    height: float
    texts: list[tuple[str, float, tuple[float, ...]]]
    axes: list

    def words(self) -> str:
        return "\n".join(text for text, _, _ in self.texts)

    def check(self) -> None:
        """All texts can be read, lie inside the picture and touch no other."""
        assert self.texts
        for index, (text, size, box) in enumerate(self.texts):
            assert size >= 7, text
            assert min(box[:2]) >= 2 and box[2] <= self.width - 2 and box[3] <= self.height - 2, text
            for other, _, place in self.texts[:index]:
                apart = box[2] <= place[0] or place[2] <= box[0] or box[3] <= place[1] or place[3] <= box[1]
                assert apart, f"{text!r} lies on {other!r}"


def catch(monkeypatch) -> list[Drawn]:
    """A list that receives every picture saved from now on."""
    caught, save = [], Figure.savefig

    def savefig(figure, *arguments, **keywords):
        save(figure, *arguments, **keywords)
        renderer = figure.canvas.get_renderer()
        found = list(figure.texts)
        for axes in figure.axes:
            found += [*axes.texts, axes.title]
            if axes.axison:
                for axis in (axes.xaxis, axes.yaxis):
                    low, high = sorted(axis.get_view_interval())
                    found += [axis.label, *(t.label1 for t in axis.get_major_ticks() if low <= t.get_loc() <= high)]
        texts = [text for text in found if text.get_text() and text.get_visible()]
        boxes = [(text.get_text(), text.get_fontsize(), text.get_window_extent(renderer).extents) for text in texts]
        caught.append(Drawn(*figure.bbox.size, boxes, list(figure.axes)))

    monkeypatch.setattr(Figure, "savefig", savefig)
    return caught


def assert_filled(path, columns=2, width=1320, highest=1400) -> None:
    """A PNG of a sensible size, with something in each of `columns` panels and a white border: nothing is cut off."""
    with Image.open(path) as image:
        assert image.format == "PNG" and image.width == width and 150 <= image.height <= highest
        grey = np.asarray(image.convert("L"))
    for panel in np.array_split(grey, columns, axis=1):
        assert len(np.unique(panel)) > 10
        assert np.mean(panel < 250) > 0.01
    for edge in (grey[:3], grey[-3:], grey[:, :3], grey[:, -3:]):
        assert edge.min() == 255

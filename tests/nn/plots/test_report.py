"""The page: one file, nothing outside it, everything escaped."""

import base64
import re
from html.parser import HTMLParser

import pytest
from PIL import Image

from nn.plots.report import STYLE, Picture, write_report


class Reader(HTMLParser):
    """Collects the tags and the text, and checks that tags are closed in order."""

    VOID = {"meta", "img", "br", "hr", "link"}

    def __init__(self):
        super().__init__()
        self.tags, self.open, self.text = [], [], ""
        self.pieces = []  # (tag, its text), in the order of the page

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data
        if data.strip():
            self.pieces.append((self.open[-1], data))


@pytest.fixture
def page(tmp_path):
    Image.new("RGB", (8, 8), "red").save(tmp_path / "a.png")
    write_report(
        tmp_path / "report.html",
        title="Tom & Jerry <3",
        lead="5 < 6",
        table=[["", "A"], ["score", "<b>1</b>"]],
        pictures=[Picture(tmp_path / "a.png", 'A "heading"', "Why & how", 'red "square" <img>')],
        summaries={"A": "conv1  <script>alert(1)</script>"},
        facts={"Command": "python -m x --out '<&>'"},
    )
    return (tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_page_is_well_formed_and_says_what_it_was_told(page):
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    for text in (
        "Tom & Jerry <3",
        "5 < 6",
        "<b>1</b>",
        "<script>alert(1)</script>",
        "python -m x --out '<&>'",
    ):
        assert text in reader.text
    assert not [tag for tag, _ in reader.tags if tag in ("script", "b", "link", "iframe")]


def test_pictures_are_inside_with_their_description(page, tmp_path):
    reader = Reader()
    reader.feed(page)
    (image,) = [attributes for tag, attributes in reader.tags if tag == "img"]
    assert image["alt"] == 'red "square" <img>'
    kind, data = image["src"].split(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(data) == (tmp_path / "a.png").read_bytes()


def test_the_page_needs_nothing_from_outside(page):
    assert "http" not in page
    assert "url(" not in page
    assert "@import" not in page
    assert 'charset="utf-8"' in page
    assert "prefers-color-scheme: dark" in page
    assert 'name="viewport"' in page


def test_everything_stands_in_its_place(tmp_path):
    for colour in ("red", "blue"):
        Image.new("RGB", (8, 8), colour).save(tmp_path / f"{colour}.png")
    write_report(
        tmp_path / "report.html",
        title="the title",
        lead="the lead",
        table=[["", "A", "B"], ["score", "1", "2"], ["time", "3", "4"]],
        pictures=[Picture(tmp_path / f"{c}.png", f"{c} heading", f"{c} words", f"{c} alt") for c in ("red", "blue")],
        summaries={"A": "conv of A", "B": "conv of B"},
        facts={"Command": "python -m x", "Seed": "7"},
    )
    reader = Reader()
    reader.feed((tmp_path / "report.html").read_text(encoding="utf-8"))
    pieces = [piece for piece in reader.pieces if piece[0] not in ("style", "figcaption")]
    assert pieces == [
        ("title", "the title"),
        ("h1", "the title"),
        ("p", "the lead"),
        *[("th", "A"), ("th", "B")],
        *[("th", "score"), ("td", "1"), ("td", "2")],
        *[("th", "time"), ("td", "3"), ("td", "4")],
        *[("h2", "red heading"), ("p", "red words"), ("h2", "blue heading"), ("p", "blue words")],
        ("h2", "The networks, layer by layer"),
        *[("h3", "A"), ("pre", "conv of A"), ("h3", "B"), ("pre", "conv of B")],
        ("h2", "How this page was made"),
        *[("th", "Command"), ("td", "python -m x"), ("th", "Seed"), ("td", "7")],
    ]
    # Which headings a cell belongs to is told to those who listen: one for its column, one for its row.
    scopes = [attributes.get("scope") for tag, attributes in reader.tags if tag == "th"]
    assert scopes == ["col"] * 3 + ["row"] * 4
    images = [attributes for tag, attributes in reader.tags if tag == "img"]
    for image, colour in zip(images, ("red", "blue"), strict=True):
        assert image["alt"] == f"{colour} alt"
        assert base64.b64decode(image["src"].split(",")[1]) == (tmp_path / f"{colour}.png").read_bytes()
    labels = [attributes["aria-label"] for _, attributes in reader.tags if "aria-label" in attributes]
    assert labels == ["Results", "red heading", "blue heading", "Summary of A", "Summary of B"]
    boxes = [attributes for _, attributes in reader.tags if attributes.get("role") == "region"]
    assert len(boxes) == 5 and all(box["tabindex"] == "0" and "wide" in box["class"] for box in boxes)


def test_nothing_that_is_written_becomes_markup(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    told = [f'{number} <b>&lt;</b> "quoted"' for number in range(12)]
    title, lead, corner, column, row, cell, heading, words, alt, name, summary, key = told
    value = f"{key} too"
    picture = Picture(tmp_path / "a.png", heading, words, alt)
    table = [[corner, column], [row, cell]]
    write_report(tmp_path / "a.html", title, lead, table, [picture], {name: summary}, {key: value})
    reader = Reader()
    reader.feed((tmp_path / "a.html").read_text(encoding="utf-8"))
    attributes = {text for _, given in reader.tags for text in given.values()}
    assert "b" not in {tag for tag, _ in reader.tags}
    said = [text for _, text in reader.pieces]
    for text in (*told, value):
        assert text in (attributes if text is alt else said)


def contrast(one, other):
    """Of two colours, as the WCAG defines it: from 1 to 21."""
    bright = []
    for colour in (one, other):
        shares = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in shares]
        bright.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])
    return (max(bright) + 0.05) / (min(bright) + 0.05)


def test_text_can_be_read_by_day_and_by_night():
    day, night = STYLE.split("prefers-color-scheme: dark")
    for sheet in (day, night):
        colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", sheet))
        for ink in ("ink", "quiet"):
            for paper in ("paper", "box"):
                assert contrast(colours[ink], colours[paper]) >= 4.5

"""The page: one file, nothing outside it, everything escaped."""

import base64
from html.parser import HTMLParser

import pytest
from PIL import Image

from nn.report import Picture, write_report


class Reader(HTMLParser):
    """Collects the tags and the text, and checks that tags are closed in order."""

    VOID = {"meta", "img", "br", "hr", "link"}

    def __init__(self):
        super().__init__()
        self.tags, self.open, self.text = [], [], ""

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


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

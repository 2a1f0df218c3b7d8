"""A lesson as slides: headings, formulas, figures, output; its prose is the speaker's notes."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from examples.lessons.course.cells import Cell
from examples.lessons.course.markup import as_html, inline, nodes, page, picture, source

ROOM = 15  # lines on a slide
BESIDE_A_FIGURE = 6  # lines that leave room enough for one
LIGHT, LIGHT_COLUMNS = 8, 68  # a slide of so few lines that its letters can be larger
LEAD = 70  # characters of a section's prose, at least, that stand on its slide
OUTPUT_LINES = 12  # of what a cell prints
SMALL = 0.8  # how high they are, beside a line of text
COLUMNS = 90  # of what is printed, where it is folded


@dataclass
class Slide:
    title: str  # Markdown
    body: list[str] = field(default_factory=list)
    notes: str = ""
    kind: str = ""
    lines: float = 0


class Deck:
    """Slides that are being made: what is added goes on the last one as long as there is room."""

    def __init__(self) -> None:
        self.slides: list[Slide] = []
        self._notes = ""  # prose of which no slide has told yet
        self.waiting = ""  # a sentence that stands on no slide, about what the next cell prints

    def begin(self, title: str, kind: str = "") -> None:
        self._notes = self.waiting = ""
        self.slides.append(Slide(title, kind=kind))

    def note(self, prose: str) -> None:
        self._notes += prose
        self.slides[-1].notes += prose

    def full(self, lines: float) -> bool:
        """Must so many more lines go on another slide?"""
        last = self.slides[-1]
        return bool(last.body) and (last.lines + lines > ROOM or last.kind == "figure")

    def add_output(self, part: str, lines: float) -> None:
        """What a cell prints; where it begins a slide it is introduced."""
        if self.waiting and self.full(lines):
            self.add(lead(self.waiting), 1 + ROOM)  # which no slide has left
            self.slides[-1].lines = 1 + len(self.waiting) / 70
        self.waiting = ""
        self.add(part, lines)

    def add(self, part: str, lines: float) -> None:
        last = self.slides[-1]
        if self.full(lines):
            last = Slide(last.title, notes=self._notes)
            self.slides.append(last)
        last.body.append(part)
        last.lines += lines

    def add_figure(self, part: str) -> None:
        """One on a slide, which fills it, below what little may stand there already."""
        last = self.slides[-1]
        if last.kind == "figure" or last.kind == "title" or last.lines > BESIDE_A_FIGURE:
            last = Slide(last.title, notes=self._notes)
            self.slides.append(last)
        last.kind = "figure"
        last.body.append(part)


def slides(cells: Sequence[Cell]) -> list[Slide]:
    deck = Deck()
    for cell in cells:
        if cell.markdown:
            _markdown(deck, cell.text)
        elif deck.slides:
            printed = shortened(cell.output)
            if printed and not deck.slides[-1].title.lower().startswith("in short"):
                lines = SMALL * sum(1 + len(line) // COLUMNS for line in printed.splitlines())
                deck.add_output(f'<pre class="output">{html.escape(printed)}</pre>', 0.5 + lines)
            for figure in cell.figures:
                deck.add_figure(picture(figure, deck.slides[-1].title))
    return deck.slides


def _markdown(deck: Deck, text: str) -> None:
    blocks = list(nodes(text))
    for number, block in enumerate(blocks):
        if block.type == "heading":
            deck.begin(source(block), "title" if block.tag == "h1" else "")
            continue
        if not deck.slides:
            deck.begin("")
        title = deck.slides[-1].title.lower()
        whole = title.startswith(("in short", "exercises"))  # what is to be read there is the slide
        deck.note("" if whole else as_html(block))
        if block.type == "math_block":
            deck.add(as_html(block), 3)
        elif block.type in ("code_block", "fence"):
            deck.add(as_html(block), 1 + block.content.count("\n"))
        elif block.type == "table":
            deck.add(as_html(block), 1.4 * as_html(block).count("<tr>"))
        elif block.type == "paragraph" and (whole or blocks[number - 1].type == "heading"):
            words = (
                source(block)
                if whole
                else first_sentences(
                    source(block), 2 * LEAD if number == 1 and blocks[0].tag == "h1" else LEAD
                )
            )
            deck.add(lead(words), 1 + len(words) / 70)
        elif block.type in ("bullet_list", "ordered_list") and (
            whole or _announced(blocks[:number])
        ):
            _items(deck, block)
        elif block.type == "paragraph" and number == 0:
            deck.waiting = first_sentences(source(block), LEAD)


def _announced(before: list) -> bool:
    """Is this a place for a list: behind a heading, or a first paragraph that ends in a colon?"""
    if before[-1].type == "paragraph" and source(before[-1]).endswith(":"):
        before = before[:-1]
    return before[-1].type == "heading"


def lead(words: str) -> str:
    return f'<p class="lead">{inline(words)}</p>'


def _items(deck: Deck, block) -> None:
    """A list, item by item, since it may not fit on one slide."""
    kind = "ol" if block.type == "ordered_list" else "ul"
    for number, item in enumerate(block.children, block.attrs.get("start", 1)):
        start = f' start="{number}"' if kind == "ol" else ""
        deck.add(
            f"<{kind}{start}>{as_html(item)}</{kind}>",
            0.6 + len(re.sub("<.*?>", "", as_html(item))) / 75,
        )


def first_sentences(text: str, length: int) -> str:
    """So many of them that they are at least so many characters. A full stop within `code`,
    parentheses, a number or an abbreviation ends none."""
    for found in re.finditer(r"(?<![A-Z]\b)[.?!](?=\s+[A-Z*`$(]|$)", text):
        so_far = text[: found.end()]
        if len(so_far) >= length and so_far.count("(") <= so_far.count(")"):
            return so_far
    return text


def shortened(output: str) -> str:
    """What a cell prints, in short."""
    lines = output.strip("\n").splitlines()
    more = len(lines) - OUTPUT_LINES
    return "\n".join(lines if more <= 1 else [*lines[:OUTPUT_LINES], f"... and {more} lines more"])


def columns(slide: Slide) -> int:
    """Of the longest line that is not folded: what is printed, and numbers."""
    lines = [
        line
        for part in slide.body
        if "<pre" in part
        for line in re.sub("<.*?>", "", part).splitlines()
    ]
    return max(map(len, lines), default=0)


def slides_page(cells: Sequence[Cell], title: str) -> str:
    """The page of HTML: a section for each slide, the notes in it."""
    made = slides(cells)
    sections = []
    for number, slide in enumerate(made, 1):
        heading = "h1" if slide.kind == "title" else "h2"
        kind = slide.kind or (
            "light" if slide.lines <= LIGHT and columns(slide) <= LIGHT_COLUMNS else ""
        )
        sections.append(
            f'<section class="{kind}" id="{number}">\n'
            f"<{heading}>{inline(slide.title)}</{heading}>\n"
            f'<div class="body">{"".join(slide.body)}</div>\n'
            f'<aside class="notes">{slide.notes}</aside>\n'
            f"<footer>{number} / {len(made)}</footer>\n</section>"
        )
    help_ = '<p id="help">Arrows: next and back. n: notes. Print: a page each.</p>'
    return page(title, "\n".join([*sections, help_]), style="slides.css", script="slides.js")

"""A lesson on one page of paper: the idea, in short, the formulas, one figure, the exercises."""

from __future__ import annotations

from collections.abc import Sequence

from examples.lessons.course.cells import Cell
from examples.lessons.course.markup import as_html, inline, nodes, page, picture, source

FORMULAS = 6  # at most


def sections(cells: Sequence[Cell]) -> dict[str, list]:
    """The blocks of the lesson's text by heading, in order; the first is the lesson's own."""
    found: dict[str, list] = {}
    for cell in cells:
        for block in nodes(cell.text) if cell.markdown else ():
            if block.type == "heading":
                found[source(block)] = here = []
            elif found:
                here.append(block)
    return found


def sheet_page(cells: Sequence[Cell], title: str) -> str:
    parts = sections(cells)
    short = next((blocks for heading, blocks in parts.items() if heading.lower() == "in short"), [])
    exercises = next(
        (blocks for heading, blocks in parts.items() if heading.startswith("Exercises")), []
    )
    idea = next(iter(parts.values()), [])
    in_short = {block.content for block in short if block.type == "math_block"}
    others = [block for blocks in parts.values() for block in blocks if block.type == "math_block"]
    formulas = {block.content: as_html(block) for block in others if block.content not in in_short}
    figure = next((figure for cell in cells for figure in cell.figures), None)
    boxes = [
        ("", as_html(*idea[:1]), "idea"),
        ("In short", as_html(*short), "short"),
        (
            "Formulas" if not short else "More formulas",
            "".join([*formulas.values()][:FORMULAS]),
            "formulas",
        ),
        ("", picture(figure, title) if figure else "", "figure"),
        ("Exercises", as_html(*exercises), "exercises"),
    ]
    body = "".join(
        f'<section class="{kind}">{f"<h2>{heading}</h2>" if heading else ""}{content}</section>\n'
        for heading, content, kind in boxes
        if content
    )
    return page(
        title,
        f"<main>\n<h1>{inline(title)}</h1>\n{body}</main>",
        style="sheet.css",
        script="sheet.js",
    )

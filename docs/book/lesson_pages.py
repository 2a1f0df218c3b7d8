"""What the book adds to the lessons' pages: a line with minutes, notebook and answers below the title, links from
"lesson 4" to lesson 4 and from the field's words to the glossary, and the plan on the title page.

An extension of Sphinx; conf.py names it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import plan
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util.docutils import SphinxDirective

SHOWN_BY_THE_MICROSCOPE = (10, 11, 12, 19)
MENTIONED = re.compile(r"\b[Ll]essons? \d+(?:(?:, | and | to | or )\d+)*")
# Forms of the glossary's words that no rule of endings gives.
SAME = {
    "adversarial": "adversarial example",
    "dead": "dead unit",
    "drop": "dropout",
    "hidden": "hidden layer",
    "saturate": "saturation",
    "saturated": "saturation",
    "thinned": "thinned network",
    "top-1": "top-1 error rate",
    "top-5": "top-5 error rate",
    "translation invariant": "translation invariance",
}
UNLINKED = (nodes.title, nodes.reference, nodes.literal, nodes.literal_block, addnodes.pending_xref, nodes.raw)


def setup(app: Sphinx) -> dict[str, Any]:
    # Both are part of what a page says: with other values every page is made anew.
    app.add_config_value("repository", "", "env")
    app.add_config_value("branch", "", "env")
    app.add_config_value("fingerprint", "", "env")
    app.add_directive("plan", Plan)
    app.add_directive("colab-sentence", ColabSentence)
    app.add_transform(LessonPage)
    app.connect("doctree-resolved", link_figures)
    return {"parallel_read_safe": False}


class Plan(SphinxDirective):
    """The table of all lessons on the title page."""

    def run(self) -> list[nodes.Node]:
        listed = plan.lessons()
        lines = ["| | | minutes | needs |", "|--:|---|--:|---|"]
        for part, (first, last) in plan.PARTS.items():
            lines.append(f"| | **{part}** | | |")
            lines += [_row(lesson) for lesson in listed if lesson.number is not None and first <= lesson.number <= last]
        lines.append("| | **Appendices** | | |")
        lines += [_row(lesson) for lesson in listed if lesson.number is None]
        together = sum(lesson.minutes for lesson in listed)
        lines.append(f"| | together, without the exercises: {together // 60} hours | {together} | |")
        return self.parse_text_to_nodes("\n".join(lines))


def _row(lesson: plan.Lesson) -> str:
    number = "" if lesson.number is None else lesson.number
    needs = ", ".join(map(str, lesson.needs)) or "school mathematics, some Python"
    return f"| {number} | [{lesson.title}](lessons/{lesson.name}.py) | {lesson.minutes} | {needs} |"


class ColabSentence(SphinxDirective):
    """Why there are links to Colab, or none."""

    def run(self) -> list[nodes.Node]:
        if self.config.repository:
            text = "Or open a lesson in **Colab**, without installing anything: the link is below its title."
        else:
            text = (
                "There are no links to Colab in this copy: Colab reads notebooks from a public place, and whoever made "
                "the book named none (`--repository` does)."
            )
        return self.parse_text_to_nodes(text)


class LessonPage(SphinxTransform):
    """Links, and the line below the title of the pages made of lessons."""

    default_priority = 700

    def apply(self, **_: Any) -> None:
        name = self.env.docname
        self.link_lessons()
        if name.startswith(("lessons/", "solutions/")):
            self.link_terms()
            for image in self.document.findall(nodes.image):
                image.setdefault("alt", f"Figure: {_heading_above(image)}")
        if name.startswith("lessons/"):
            self.add_line(name.removeprefix("lessons/"))

    def link_lessons(self) -> None:
        """Every "lesson 4" becomes a link, and each number of "lessons 4, 5 and 7"."""
        numbered = {
            int(found[1]): name for name in self.env.found_docs if (found := re.match(r"lessons/lesson_(\d+)", name))
        }
        for text in list(self.document.findall(nodes.Text)):
            if not MENTIONED.search(text) or _within(text, UNLINKED):
                continue
            pieces: list[nodes.Node] = []
            end = 0
            for mention in MENTIONED.finditer(text):
                for number in re.finditer(r"\d+", mention[0]):
                    first = not re.search(r"\d", mention[0][: number.start()])
                    start = mention.start() + (0 if first else number.start())
                    page = numbered.get(int(number[0]))
                    if page and page != self.env.docname:
                        pieces.append(nodes.Text(text[end:start]))
                        end = mention.start() + number.end()
                        pieces.append(self.link(page, text[start:end]))
            text.parent.replace(text, [*pieces, nodes.Text(text[end:])])

    def link_terms(self) -> None:
        """A word in bold that the glossary has is linked to it, and stands in the index."""
        known, seen = glossary_terms(), set()
        for strong in list(self.document.findall(nodes.strong)):
            term = find_term(strong.astext(), known)
            if term is None or _within(strong, UNLINKED):
                continue
            reference = addnodes.pending_xref(
                "", refdomain="std", reftype="term", reftarget=term, refexplicit=True, refdoc=self.env.docname
            )
            new: list[nodes.Node] = [reference]
            if term not in seen:
                target = f"term-{nodes.make_id(term)}"
                index = addnodes.index(entries=[("single", term, target, "", None)])
                new = [index, nodes.target("", "", ids=[target]), reference]
                seen.add(term)
            strong.parent.replace(strong, new)
            reference += strong

    def add_line(self, name: str) -> None:
        """Minutes, notebook, Colab, answers: below the title, and the answers once more at the end."""
        minutes = plan.reading_minutes(plan.LESSONS / f"{name}.py")
        number = re.match(r"lesson_(\d+)", name)
        parts: list[nodes.Node] = [nodes.Text(f"About {minutes} minutes")]
        parts.append(_outside(f"../notebooks/{name}.ipynb", "download as a notebook"))
        if self.config.repository:
            colab = "https://colab.research.google.com/github"
            address = f"{colab}/{self.config.repository}/blob/{self.config.branch}/notebooks/{name}.ipynb"
            parts.append(_outside(address, "open in Colab"))
        if number and int(number[1]) in SHOWN_BY_THE_MICROSCOPE:
            parts.append(self.link("microscope", "see it in the microscope"))
        answers = f"solutions/{plan.answers(name)}"
        if answers in self.env.found_docs:
            parts.append(self.link(answers, "answers"))
            end = nodes.paragraph("", "", self.link(answers, "The answers to the exercises"), classes=["lesson-line"])
            list(self.document.findall(nodes.section))[-1].append(end)
        line = nodes.paragraph(classes=["lesson-line"])
        for part in parts:
            line += [part] if part is parts[0] else [nodes.Text(" · "), part]
        title = next(iter(self.document.findall(nodes.title)))
        title.parent.insert(title.parent.index(title) + 1, line)

    def link(self, page: str, text: str) -> addnodes.pending_xref:
        to_page = {"refdomain": "std", "reftype": "doc", "refexplicit": True, "refdoc": self.env.docname}
        return addnodes.pending_xref("", nodes.inline("", text), reftarget=f"/{page}", refwarn=True, **to_page)


def link_figures(app: Sphinx, document: nodes.document, name: str) -> None:
    """A click on a figure opens it at its full size."""
    if not name.startswith(("lessons/", "solutions/")):
        return
    for image in list(document.findall(nodes.image)):
        if image["uri"] in app.env.images and not isinstance(image.parent, nodes.reference):
            _, file = app.env.images[image["uri"]]
            link = nodes.reference("", "", refuri=f"../_images/{file}", classes=["full-size"])
            image.replace_self(link)
            link += image


def glossary_terms() -> set[str]:
    """The glossary's words: the lines of its one directive that are not indented."""
    path = Path(__file__).with_name("glossary.md")
    inside = path.read_text(encoding="utf-8").partition("```{glossary}")[2].partition("```")[0]
    return {line.strip() for line in inside.splitlines() if line and not line[0].isspace() and line[0] != ":"}


def find_term(text: str, known: set[str]) -> str | None:
    """The glossary's word for a text: "Kernels" is its "kernel"."""
    lower = {term.lower(): term for term in known}
    word = " ".join(text.lower().split())
    return next((lower[form] for form in _forms(SAME.get(word, word)) if form in lower), None)


def _forms(word: str) -> Iterator[str]:
    yield word
    for ending, singular in (("s", ""), ("es", ""), ("ies", "y"), ("ices", "ix"), ("d", ""), ("ed", ""), ("ing", "")):
        if word.endswith(ending):
            yield word.removesuffix(ending) + singular


def _within(node: nodes.Node, kinds: tuple[type, ...]) -> bool:
    while node.parent is not None:
        node = node.parent
        if isinstance(node, kinds):
            return True
    return False


def _heading_above(node: nodes.Node) -> str:
    while not isinstance(node, nodes.section):
        node = node.parent
    return node[0].astext()


def _outside(address: str, text: str) -> nodes.reference:
    """A link to what is not one of Sphinx's pages."""
    return nodes.reference("", text, refuri=address)

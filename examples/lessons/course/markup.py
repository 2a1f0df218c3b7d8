"""Markdown as HTML, with formulas as MathML, which browsers typeset by themselves."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from pathlib import Path

from latex2mathml.converter import convert
from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode
from mdit_py_plugins.dollarmath import dollarmath_plugin

STATIC = Path(__file__).with_name("static")


def _formula(latex: str, options: dict) -> str:
    return convert(latex, display="block" if options["display_mode"] else "inline")


MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")
MARKDOWN.use(dollarmath_plugin, renderer=_formula, double_inline=True)


def nodes(text: str) -> Sequence[SyntaxTreeNode]:
    """The blocks of a text in Markdown: headings, paragraphs, formulas, lists, tables."""
    return SyntaxTreeNode(MARKDOWN.parse(text)).children


def as_html(*blocks: SyntaxTreeNode) -> str:
    tokens = [token for block in blocks for token in block.to_tokens()]
    return MARKDOWN.renderer.render(tokens, MARKDOWN.options, {})


def inline(text: str) -> str:
    return MARKDOWN.renderInline(text)


def source(block: SyntaxTreeNode) -> str:
    """The Markdown inside a heading or a paragraph."""
    return " ".join(child.content for child in block.children if child.type == "inline")


def picture(path: str | Path, title: str) -> str:
    """The image itself, in the page."""
    data = base64.b64encode(Path(path).read_bytes()).decode()
    return f'<img alt="{html.escape(title)}" src="data:image/png;base64,{data}">'


def page(title: str, body: str, *, style: str, script: str = "") -> str:
    """A page of HTML that needs no other file. style, script: names of files in static/."""
    code = f"<script>\n{(STATIC / script).read_text(encoding='utf-8')}</script>\n" if script else ""
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n"
        f"<style>\n{(STATIC / style).read_text(encoding='utf-8')}</style>\n{body}\n{code}</html>\n"
    )

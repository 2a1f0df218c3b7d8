"""A page that a person can open, send and keep: one HTML file with its figures and its style inside.

Nothing in it points outside the file, so it looks the same offline and in ten years.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

# Colours are variables, so that dark mode is nothing but a second set of them. Wide things (figures, tables,
# summaries) scroll sideways inside their own box: on a phone the page itself stays as wide as the screen.
STYLE = """
:root { color-scheme: light dark;
  --paper: #ffffff; --ink: #1d2329; --quiet: #56606b; --line: #d5dae0; --box: #f4f6f8; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #14181d; --ink: #e4e8ec; --quiet: #a0a9b3; --line: #38414b; --box: #1d232a; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 72rem;
       background: var(--paper); color: var(--ink);
       font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.8rem; line-height: 1.2; margin: 0.5rem 0; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 0.5rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 0.5rem; }
p { max-width: 46rem; margin: 0.5rem 0; }
.lead { font-size: 1.15rem; }
.quiet { color: var(--quiet); }
.wide { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; }
.wide:focus-visible { outline: 3px solid #2f81c7; outline-offset: 2px; }
table { border-collapse: collapse; }
th, td { padding: 0.45rem 1rem; text-align: right; border-bottom: 1px solid var(--line);
         font-variant-numeric: tabular-nums; }
th:first-child, .facts td { text-align: left; }
tbody th { font-weight: normal; color: var(--quiet); }
thead th { background: var(--box); }
tbody tr:last-child > * { border-bottom: 0; }
.table { width: fit-content; max-width: 100%; margin: 1rem 0; }
.facts td { overflow-wrap: anywhere; }
figure { margin: 0.75rem 0 0; }
figure .wide { background: #ffffff; }
img { display: block; width: 100%; height: auto; }
pre { margin: 0; padding: 0.8rem 1rem; background: var(--box); width: max-content; min-width: 100%;
      font: 0.85rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
@media (max-width: 45rem) {
  figure img { min-width: 45rem; }
  th, td { padding: 0.4rem 0.6rem; }
}
@media (min-width: 45.01rem) { .on-phones { display: none; } }
@media print { .wide { overflow: visible; } .on-phones { display: none; } figure { break-inside: avoid; } }
"""


@dataclass(frozen=True)
class Picture:
    """A PNG file with its heading, a sentence for everybody and a description for those who cannot see it."""

    path: Path
    heading: str
    explanation: str
    alt: str


def write_report(
    path: str | Path,
    title: str,
    lead: str,
    table: Sequence[Sequence[str]],
    pictures: Sequence[Picture],
    summaries: Mapping[str, str],
    facts: Mapping[str, str],
) -> None:
    """Write one self-contained HTML page.

    table: rows of cells, the first row being the header; summaries: name -> preformatted text; facts: name ->
    value, listed at the end. All of it is plain text: characters with a meaning in HTML are escaped here.
    """
    parts = [f"<h1>{escape(title)}</h1>", f'<p class="lead">{escape(lead)}</p>', _table(table)]
    for picture in pictures:
        parts += [
            f"<h2>{escape(picture.heading)}</h2>",
            f"<p>{escape(picture.explanation)}</p>",
            _figure(picture),
        ]
    parts.append("<h2>The networks, layer by layer</h2>")
    for name, summary in summaries.items():
        box = _scrolling(f"<pre>{escape(summary)}</pre>", f"Summary of {name}")
        parts += [f"<h3>{escape(name)}</h3>", box]
    parts += ["<h2>How this page was made</h2>", _facts(facts)]
    page = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(parts)
        + "\n</main>\n</body>\n</html>\n"
    )
    Path(path).write_text(page, encoding="utf-8", errors="replace")


def _scrolling(content: str, label: str, kind: str = "wide") -> str:
    """A box that scrolls sideways where its content is wider; tabindex lets the keyboard reach it."""
    return f'<div class="{kind}" role="region" aria-label="{escape(label)}" tabindex="0">{content}</div>'


def _table(rows: Sequence[Sequence[str]]) -> str:
    header, *body = rows
    lines = ["<table><thead><tr>"]
    lines += [f'<th scope="col">{escape(cell)}</th>' for cell in header]
    lines += ["</tr></thead><tbody>"]
    for first, *cells in body:
        data = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        lines.append(f'<tr><th scope="row">{escape(first)}</th>{data}</tr>')
    lines += ["</tbody></table>"]
    return _scrolling("".join(lines), "Results", kind="wide table")


def _figure(picture: Picture) -> str:
    data = base64.b64encode(Path(picture.path).read_bytes()).decode("ascii")
    image = f'<img src="data:image/png;base64,{data}" alt="{escape(picture.alt)}">'
    hint = '<figcaption class="quiet on-phones">Swipe sideways to see all of it.</figcaption>'
    return f"<figure>{_scrolling(image, picture.heading)}{hint}</figure>"


def _facts(facts: Mapping[str, str]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(key)}</th><td>{escape(value)}</td></tr>' for key, value in facts.items()
    )
    return f'<div class="wide table"><table class="facts"><tbody>{rows}</tbody></table></div>'

"""Pieces of a self-contained HTML page: text, tables and figures, for phones and for paper."""

import base64
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd

__all__ = [
    "FIGURE_WIDTH",
    "MISSING",
    "figure",
    "frame_table",
    "listing",
    "p_value",
    "page",
    "paragraph",
    "section",
    "side_by_side",
    "signed",
    "table",
    "without_folders",
]

# Wide enough for a screen, and its letters are large enough when a phone shrinks it.
FIGURE_WIDTH = 4.6
MISSING = "-"
# Reasons of failures may name files; the folders tell of the machine.
FOLDERS = re.compile(r"(?<![\w/\\])(?:~|[A-Za-z]:)?[/\\](?:[^\s'\":/\\]+[/\\])+")
STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 66rem; padding: 1rem; background: #fff; color: #1a1a1a;
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: .5rem 0 1rem; }
h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; border-bottom: 1px solid #bbb; }
h3 { font-size: 1rem; margin: 1.2rem 0 .3rem; }
p, li { max-width: 42rem; }
.scroll { overflow-x: auto; margin: .5rem 0 1rem; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: .2rem 0; color: #333; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid #ddd; text-align: right;
  white-space: nowrap; }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: #fff; }
.best { font-weight: 700; }
figure { margin: 1rem 0; break-inside: avoid; }
img { max-width: 100%; height: auto; display: block; }
figcaption { font-size: .9rem; color: #333; max-width: 42rem; }
.side { display: grid; gap: 0 1.5rem; align-items: start;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); }
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; }
  .scroll { overflow: visible; }
  .side { grid-template-columns: 1fr 1fr; }
  figcaption { font-size: 8.5pt; }
  table { font-size: 7.5pt; }
  th, td { padding: .1rem .3rem; white-space: normal; }
  tr, h2, h3 { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
}
"""


def page(title: str, parts: Iterable[str]) -> str:
    """Return a whole page."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{escape(title)}</h1>\n" + "\n".join(parts) + "\n</main>\n</body>\n</html>\n"
    )


def section(heading: str, parts: Iterable[str], *, level: int = 2) -> str:
    """Return parts under a heading."""
    inside = "\n".join(parts)
    return f"<section>\n<h{level}>{escape(heading)}</h{level}>\n{inside}\n</section>"


def paragraph(text: str) -> str:
    """Return a paragraph."""
    return f"<p>{escape(text)}</p>"


def listing(items: Iterable[str]) -> str:
    """Return a list with bullets."""
    return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"


def side_by_side(parts: Iterable[str]) -> str:
    """Return parts beside each other where the page is wide enough."""
    return f'<div class="side">{"".join(parts)}</div>'


def table(
    caption: str,
    columns: Sequence[str],
    rows: Iterable[Mapping[str, str]],
    *,
    bold: Any = (),
) -> str:
    """Return a table that scrolls sideways on its own where it is too wide.

    Parameters
    ----------
    caption : str
        Above the table.
    columns : sequence of str
        Headings; the first column names the rows.
    rows : iterable of dict of str to str
        Cells by heading; missing ones are empty.
    bold : collection of (int, str)
        Cells to stress, by row and heading.
    """
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    body = []
    for number, row in enumerate(rows):
        cells = []
        for index, name in enumerate(columns):
            kind = ' class="best"' if (number, name) in bold else ""
            tag = 'th scope="row"' if index == 0 else "td"
            cells.append(f"<{tag}{kind}>{escape(row.get(name, ''))}</{tag.split()[0]}>")
        body.append(f"<tr>{''.join(cells)}</tr>")
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}">'
        f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def figure(drawn: Any, alt: str, caption: str) -> str:
    """Return a matplotlib figure as an image of the page, and close it."""
    import matplotlib.pyplot as plt

    drawing = io.BytesIO()
    # Without a date the same figure is the same text.
    with plt.rc_context({"svg.hashsalt": "report"}):
        drawn.savefig(drawing, format="svg", metadata={"Date": None})
    plt.close(drawn)
    width = round(drawn.get_figwidth() * 96)
    data = base64.b64encode(drawing.getvalue()).decode()
    return (
        f'<figure><img width="{width}" alt="{escape(alt)}" src="data:image/svg+xml;base64,{data}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def frame_table(
    caption: str, frame: pd.DataFrame, columns: Mapping[str, Any], bold: Any = ()
) -> str:
    """Return a table of some columns of a frame, each with its heading and how a value is shown."""
    rows = []
    for record in frame.to_dict("records"):
        cells = {}
        for key, (heading, show) in columns.items():
            value = record[key]
            missing = isinstance(value, float) and np.isnan(value)
            cells[heading] = MISSING if missing else show(value)
        rows.append(cells)
    return table(caption, [heading for heading, _ in columns.values()], rows, bold=bold)


def signed(value: float) -> str:
    """Return a difference with its sign."""
    return f"{value:+.4f}"


def p_value(value: float) -> str:
    """Return a p-value as it is read."""
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def without_folders(text: str) -> str:
    """Return a text without the folders of file names, which tell of the machine."""
    return FOLDERS.sub("", text)

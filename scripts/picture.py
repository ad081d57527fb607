#!/usr/bin/env python3
"""Draws docs/pictures/overview.svg: where connections come from and who reads them.

    scripts/picture.py             writes it
    scripts/picture.py --check     ends with 1 if the file is not what this script draws

SVG by hand, because a page of documentation must show it on any host, on a light and on a dark background, without a script of the
host's.
"""

import pathlib
import sys
from html import escape

TARGET = pathlib.Path(__file__).resolve().parents[1] / "docs" / "pictures" / "overview.svg"
WIDTH, HEIGHT = 920, 330
BLUE, GREEN, ORANGE, GREY, INK = "#0072B2", "#009E73", "#D55E00", "#5f6368", "#1f2328"


def box(x: int, y: int, width: int, height: int, colour: str, title: str, lines: list[str], dashed: bool = False) -> list[str]:
    """A frame with a heading and lines of text; dashed, it holds other boxes and its heading stands at the top left."""
    style = f'fill="none" stroke="{colour}" stroke-width="1.5" stroke-dasharray="6 4"' if dashed else f'fill="{colour}" fill-opacity="0.08" stroke="{colour}" stroke-width="1.5"'
    parts = [f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="8" {style}/>']
    if dashed:
        return [*parts, text(x + 14, y + 24, title, colour, bold=True)]
    parts.append(text(x + width // 2, y + 27, title, colour, bold=True, middle=True))
    return parts + [text(x + width // 2, y + 49 + 18 * number, line, INK, middle=True) for number, line in enumerate(lines)]


def text(x: int, y: int, words: str, colour: str, bold: bool = False, middle: bool = False) -> str:
    """One line of text."""
    weight = ' font-weight="600"' if bold else ""
    anchor = ' text-anchor="middle"' if middle else ""
    return f'<text x="{x}" y="{y}" fill="{colour}"{weight}{anchor}>{escape(words)}</text>'


def arrow(points: list[tuple[int, int]], dashed: bool = False) -> str:
    """A line through these points with a head at its end."""
    style = ' stroke-dasharray="5 4"' if dashed else ""
    path = " ".join(f"{x},{y}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{GREY}" stroke-width="1.8"{style} marker-end="url(#head)"/>'


def draw() -> str:
    """The picture."""
    title = "airflow-secrets-init reads AWS Secrets Manager of two accounts once, at pod start, and writes the file that Airflow reads"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="system-ui, sans-serif" font-size="13" role="img">',
        f"<title>{escape(title)}</title>",
        f'<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto"><path d="M0,0 L10,5 L0,10 z" fill="{GREY}"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        *box(16, 32, 236, 110, ORANGE, "own AWS account", ["Secrets Manager", "airflow/connections/my_db", "airflow/connections/warehouse"]),
        *box(16, 176, 236, 110, ORANGE, "shared AWS account", ["Secrets Manager", "airflow/connections/warehouse", "airflow/connections/snowflake"]),
        *box(330, 16, 574, 292, BLUE, "Pod", [], dashed=True),
        *box(352, 108, 196, 92, BLUE, "init container", ["airflow-secrets-init", "runs once, then exits"]),
        *box(352, 226, 530, 68, GREY, "/opt/airflow/secrets/connections.json", ["my_db (own), warehouse (own wins), snowflake (shared)"]),
        *box(648, 56, 234, 112, GREEN, "Airflow", ["scheduler, worker, triggerer, ...", "LocalFilesystemBackend", "no call to AWS in a task"]),
        arrow([(252, 86), (300, 86), (300, 140), (350, 140)]),
        arrow([(252, 222), (300, 222), (300, 168), (350, 168)]),
        arrow([(450, 200), (450, 224)]),
        arrow([(765, 226), (765, 170)]),
        text(567, 100, "starts after", GREY, middle=False),
        arrow([(548, 124), (646, 124)], dashed=True),
        "</svg>\n",
    ]
    return "\n".join(parts)


def main() -> None:
    """Writes the picture, or compares it."""
    if sys.argv[1:] == ["--check"]:
        if not TARGET.exists() or TARGET.read_text() != draw():
            sys.exit(f"picture: {TARGET.name} is not fresh: scripts/picture.py")
        return
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(draw())


if __name__ == "__main__":
    main()

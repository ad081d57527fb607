"""Line plots as SVG, without a library: readable on a light and on a dark page."""

import math
import pathlib
from html import escape

WIDTH, HEIGHT = 860, 420
LEFT, RIGHT, TOP, BOTTOM = 70, 300, 40, 50
# Okabe and Ito's colours, told apart by everyone; then again, dashed.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F"]

Series = dict[str, list[tuple[float, float]]]


def write(path: pathlib.Path, svg: str) -> None:
    """Puts a plot in place."""
    path.write_text(svg)


def lines(title: str, x_name: str, y_name: str, series: Series, log: bool = False) -> str:
    """One line for each name; both axes logarithmic or both from zero."""
    series = {name: points for name, points in series.items() if points}
    scale = math.log10 if log else float
    xs = [scale(x) for points in series.values() for x, _ in points]
    ys = [scale(y) for points in series.values() for _, y in points]
    x_low, x_high = (min(xs), max(xs)) if log else (0, max(xs))
    y_low, y_high = (math.floor(min(ys)), math.ceil(max(ys))) if log else (0, max(ys))

    def at(x: float, y: float) -> tuple[float, float]:
        across = (x - x_low) / ((x_high - x_low) or 1)
        up = (y - y_low) / ((y_high - y_low) or 1)
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12" role="img">',
        f"<title>{escape(title)}</title>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="22" font-size="14" fill="#111">{escape(title)}</text>',
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 10}" text-anchor="middle" fill="#333">{escape(x_name)}</text>',
        f'<text x="14" y="{TOP - 8}" fill="#333">{escape(y_name)}</text>',
    ]
    for tick in ticks(x_low, x_high, log, {x for points in series.values() for x, _ in points}):
        x, y = at(scale(tick), y_low)
        parts.append(f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{x:.1f}" y="{y + 18:.1f}" text-anchor="middle" fill="#333">{tick:,g}</text>')
    for tick in ticks(y_low, y_high, log, None):
        x, y = at(x_low, scale(tick))
        parts.append(f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{x - 8:.1f}" y="{y + 4:.1f}" text-anchor="end" fill="#333">{tick:,g}</text>')
    for number, (name, points) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        dashed = ' stroke-dasharray="6 3"' if number >= len(COLOURS) else ""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(scale(x), scale(y)) for x, y in points))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dashed}/>')
        y = TOP + 10 + 20 * number
        parts.append(f'<line x1="{WIDTH - RIGHT + 15}" y1="{y}" x2="{WIDTH - RIGHT + 40}" y2="{y}" stroke="{colour}" stroke-width="2"{dashed}/>')
        parts.append(f'<text x="{WIDTH - RIGHT + 46}" y="{y + 4}" fill="#111">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>\n"])


def bars(title: str, unit: str, values: dict[str, float]) -> str:
    """One horizontal bar for each name, shortest first, from zero; the first name given is drawn in another colour."""
    first = next(iter(values))
    rows = sorted(values.items(), key=lambda row: row[1])
    left, right, top, step = 250, 110, 44, 30
    height = top + step * len(rows) + 12
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="13" role="img">',
        f"<title>{escape(title)}</title>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<text x="14" y="24" font-size="14" fill="#111">{escape(title)}</text>',
    ]
    for number, (name, value) in enumerate(rows):
        y = top + step * number
        width = max((WIDTH - left - right) * value / rows[-1][1], 1)
        colour = COLOURS[0] if name == first else COLOURS[6]
        parts.append(f'<text x="{left - 10}" y="{y + 15}" text-anchor="end" fill="#111">{escape(name)}</text>')
        parts.append(f'<rect x="{left}" y="{y}" width="{width:.1f}" height="20" fill="{colour}"/>')
        parts.append(f'<text x="{left + width + 8:.1f}" y="{y + 15}" fill="#333">{value:,.0f} {escape(unit)}</text>')
    return "\n".join([*parts, "</svg>\n"])


def ticks(low: float, high: float, log: bool, points: set[float] | None) -> list[float]:
    """Where a grid line goes: the measured points or powers of ten, else about five round numbers."""
    if log:
        return sorted(points) if points else [10.0**power for power in range(round(low), round(high) + 1)]
    rough = (high - low) / 5 or 1
    unit = 10 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough)
    return [step * number for number in range(int(high / step) + 1)]

"""Draws lines over one axis as SVG text. Enough for a plot of growth, and no dependency."""

import math
from collections.abc import Sequence
from html import escape

from tests.bench.harness import Plot

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 80, 20, 40, 60
COLOURS = ("#0b6e99", "#d9480f", "#2b8a3e", "#862e9c", "#5c5f66")
_STEPS = 5


def svg(plot: Plot) -> str:
    """The plot on a white ground, so that it can be read in a dark page too."""
    points = [point for line in plot.lines.values() for point in line]
    x_ticks, y_ticks = ticks(max(x for x, _ in points)), ticks(max(y for _, y in points))
    lines = [_line(name, number, plot, x_ticks[-1], y_ticks[-1]) for number, name in enumerate(plot.lines)]
    body = [
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        _text(WIDTH / 2, 22, plot.title, "middle", size=15),
        *(_grid(at, x_ticks[-1], across=False) for at in x_ticks),
        *(_grid(at, y_ticks[-1], across=True) for at in y_ticks),
        _text(WIDTH / 2, HEIGHT - 14, plot.x, "middle"),
        f'<g transform="rotate(-90 16 {HEIGHT / 2})">{_text(16, HEIGHT / 2, plot.y, "middle")}</g>',
        *lines,
    ]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">'
    return "\n".join([head, *body, "</svg>\n"])


def ticks(highest: float) -> Sequence[float]:
    """From 0 in round steps to just above the highest value."""
    rough = max(highest, 1e-9) / _STEPS
    size = 10 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= rough * 0.999)
    return [step * number for number in range(math.ceil(highest / step * 0.999) + 1)]


def _x(value: float, highest: float) -> float:
    return round(LEFT + value / highest * (WIDTH - LEFT - RIGHT), 1)


def _y(value: float, highest: float) -> float:
    return round(HEIGHT - BOTTOM - value / highest * (HEIGHT - TOP - BOTTOM), 1)


def _line(name: str, number: int, plot: Plot, highest_x: float, highest_y: float) -> str:
    colour = COLOURS[number % len(COLOURS)]
    at = [(_x(x, highest_x), _y(y, highest_y)) for x, y in plot.lines[name]]
    path = " ".join(f"{x},{y}" for x, y in at)
    dots = "".join(f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in at)
    legend = _text(LEFT + 12, TOP + 16 + number * 18, f"● {name}", "start", colour=colour)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>{dots}{legend}'


def _grid(at: float, highest: float, *, across: bool) -> str:
    place = _y(at, highest) if across else _x(at, highest)
    ends = (LEFT, place, WIDTH - RIGHT, place) if across else (place, TOP, place, HEIGHT - BOTTOM)
    line = '<line x1="{}" y1="{}" x2="{}" y2="{}" stroke="#dee2e6"/>'.format(*ends)
    label = (LEFT - 8, place + 4, "end") if across else (place, HEIGHT - BOTTOM + 18, "middle")
    return line + _text(label[0], label[1], f"{at:,g}", label[2])


def _text(x: float, y: float, text: str, anchor: str, *, size: int = 12, colour: str = "#212529") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-size="{size}" fill="{colour}">{escape(text)}</text>'

"""A small curve as SVG: values a minute, oldest first, from zero to the greatest of them. Pure.

A value that is missing is a gap. What the curve shows is said in its title and description too; the values themselves
are in a table beside it.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

WIDTH: Final = 240
HEIGHT: Final = 48
_EDGE: Final = 2
"""A line on the edge would be cut to half its width."""
Value = float | None


@dataclass(frozen=True, slots=True)
class Curve:
    """One line. look: its class in `console.css`."""

    values: Sequence[Value]
    look: str = "first"


def sparkline(name: str, curves: Sequence[Curve], *, title: str, description: str) -> Markup:
    """The curves over one another, on one scale. name: unique in the page."""
    most = max((value for curve in curves for value in map(_known, curve.values) if value is not None), default=0.0)
    lines = [_line(curve, most) for curve in curves]
    return Markup(
        '<svg class="sparkline" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img"'
        ' aria-labelledby="{}-title {}-description"><title id="{}-title">{}</title>'
        '<desc id="{}-description">{}</desc>{}</svg>'
    ).format(WIDTH, HEIGHT, name, name, name, title, name, description, Markup("").join(lines))


def _line(curve: Curve, most: float) -> Markup:
    """The path of a curve; a value between two gaps is a short stroke, so that it is seen."""
    step = (WIDTH - 2 * _EDGE) / max(1, len(curve.values) - 1)
    parts = []
    for run in _runs(curve.values):
        points = [(_EDGE + place * step, _height(value, most)) for place, value in run]
        if len(points) == 1:
            (x, y), half = points[0], max(1.0, step / 2)
            points = [(max(0.0, x - half), y), (min(float(WIDTH), x + half), y)]
        parts.append("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points))
    return Markup('<path class="{}" d="{}" vector-effect="non-scaling-stroke"/>').format(curve.look, "".join(parts))


def _runs(values: Sequence[Value]) -> Iterator[list[tuple[int, float]]]:
    """The values between gaps, each with its place."""
    found: list[tuple[int, float]] = []
    for place, value in enumerate(values):
        if (known := _known(value)) is not None:
            found.append((place, known))
        elif found:
            yield found
            found = []
    if found:
        yield found


def _height(value: float, most: float) -> float:
    share = min(1.0, max(0.0, value / most)) if most > 0 else 0.0
    return HEIGHT - _EDGE - share * (HEIGHT - 2 * _EDGE)


def _known(value: Value) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None

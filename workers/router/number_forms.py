"""How arithmetic over an event is to be written: amounts are whole numbers, and metadata is text. Pure.

CEL mixes whole numbers, fractions and texts in no operation, and a fraction loses cents: 0.29 * 100 is
28.999999999999996. Whole numbers are exact: `data.amount * 29 / 100`.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from stripeline.workers.router.paths import Path, paths_of, value_at

_FRACTION: Final = r"(\d+)\.(\d+)"
_AFTER: Final = re.compile(rf"\s*(\)?)\s*([*/])\s*{_FRACTION}")
_BEFORE: Final = re.compile(rf"{_FRACTION}\s*\*\s*((?:\bdouble\s*\(\s*)?)$")
_IN_DOUBLE: Final = re.compile(r"\bdouble\s*\(\s*$")
_BESIDE_AFTER: Final = re.compile(r"\s*[-+*/%<>]")
_BESIDE_BEFORE: Final = re.compile(r"[-+*/%<>]=?\s*$")
_MIN_DIGITS: Final = 2  # of a percentage: 0.1 is 10 / 100


class ExactForm(Struct, frozen=True, kw_only=True):
    """A product or quotient of a path and a fraction, and how it is exact.

    mixed: the path is not made a fraction first, so CEL refuses it where it is a whole number.
    """

    path: str
    fraction: str
    exact: str
    mixed: bool

    def __str__(self) -> str:
        if self.mixed:
            return (
                f"{self.path} is a whole number and {self.fraction} is none, which CEL does not mix:"
                f" write {self.exact}, which is exact"
            )
        return f"a fraction like {self.fraction} loses cents: write {self.exact}, which is exact"


def exact_forms(source: str) -> Iterator[ExactForm]:
    """What the expression multiplies with a fraction, or divides by one."""
    for path in paths_of(source):
        doubled = bool(_IN_DOUBLE.search(source[: path.start]))
        after = _AFTER.match(source, path.end)
        before = _BEFORE.search(source[: path.start])
        if after is not None and bool(after[1]) == doubled:
            yield _form(path, after[2], after[3], after[4], mixed=not doubled)
        elif before is not None:
            yield _form(path, "*", before[1], before[2], mixed=not doubled)


def _form(path: Path, operator: str, whole: str, digits: str, *, mixed: bool) -> ExactForm:
    kept = digits.rstrip("0")
    places = max(len(kept), _MIN_DIGITS) if kept else 0
    number, scale = int(whole + kept.ljust(places, "0")), 10**places
    if not places:
        exact = f"{path.text} {operator} {number}"
    elif operator == "*":
        exact = f"{path.text} * {number} / {scale}"
    else:
        exact = f"{path.text} * {scale} / {number}"
    return ExactForm(path=path.text, fraction=f"{whole}.{digits}", exact=exact, mixed=mixed)


def text_operand(source: str, context: Mapping[str, Any]) -> str | None:
    """What to write for a text that the expression calculates with, or orders; None where there is none."""
    for path in paths_of(source):
        beside = _BESIDE_AFTER.match(source, path.end) or _BESIDE_BEFORE.search(source[: path.start])
        if beside and isinstance(value_at(path, context), str):
            return as_number(path)
    return None


def as_number(path: Path) -> str:
    why = ", as every value of Stripe's metadata is" if "metadata" in path.steps else ""
    return f"{path.text} is a text{why}: write int({path.text})"


def as_integer(expression: str) -> str:
    return f"int({expression.strip()})"


def whole_path(source: str) -> Path | None:
    """The path that an expression consists of; None where it is more than one."""
    found = paths_of(source)
    only = found[0] if len(found) == 1 else None
    return only if only is not None and not source[: only.start].strip() and not source[only.end :].strip() else None

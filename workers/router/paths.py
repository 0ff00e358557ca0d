"""The paths of an expression into its event, such as `data.metadata.order_id`, and which of them lead nowhere. Pure.

The CEL engine says that something is missing, or that an operation does not take null, and not where. An expression's
text and its event say it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache, reduce
from typing import Any, Final

from msgspec import Struct

ROOTS: Final = ("data", "previous_attributes", "request")
_TEXT: Final = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
_STEP: Final = rf"\s*\.\s*[A-Za-z_]\w*\b(?!\s*\()|\s*\[\s*(?:\d{{1,9}}|{_TEXT})\s*\]"
_TOKEN: Final = re.compile(rf"(?<![\w.])(?P<path>(?:{'|'.join(ROOTS)})\b(?:{_STEP})*)|{_TEXT}")
_ONE_STEP: Final = re.compile(rf"\.\s*(\w+)|\[\s*(\d+)\s*\]|\[\s*({_TEXT})\s*\]")
_ORDERED_AFTER: Final = re.compile(r"\s*[<>]")
_ORDERED_BEFORE: Final = re.compile(r"[<>]=?\s*$")
_CALLED: Final = re.compile(r"\s*\.\s*\w+\s*\(")
_IN_HAS: Final = re.compile(r"\bhas\s*\(\s*$")


class Path(Struct, frozen=True, kw_only=True):
    """One occurrence of a path.

    ordered: it stands beside `<`, `<=`, `>` or `>=`.
    called: a method of it is called.
    guard: it stands in `has()`.
    """

    text: str
    root: str
    steps: tuple[str | int, ...]
    start: int
    end: int
    ordered: bool
    called: bool
    guard: bool


class Absent(Struct, frozen=True, kw_only=True):
    """A path that leads nowhere in an event.

    at: the part of it that is not there, or null.
    guard: what to ask before.
    """

    at: str
    null: bool
    guard: str


@lru_cache(maxsize=4_096)
def paths_of(source: str) -> tuple[Path, ...]:
    """Every path into the event, in the order of the text. What stands in a text literal is none."""
    return tuple(_paths(source))


def _paths(source: str) -> Iterator[Path]:
    for found in _TOKEN.finditer(source):
        text = found["path"]
        if text is None:
            continue
        start, end = found.span()
        root, steps = re.split(r"[\s.\[]", text, maxsplit=1)[0], tuple(_steps(text))
        yield Path(
            text=reduce(_into, steps, root),
            root=root,
            steps=steps,
            start=start,
            end=end,
            ordered=bool(_ORDERED_AFTER.match(source, end) or _ORDERED_BEFORE.search(source[:start])),
            called=bool(_CALLED.match(source, end)),
            guard=bool(_IN_HAS.search(source[:start])),
        )


def _steps(text: str) -> Iterator[str | int]:
    for name, index, key in _ONE_STEP.findall(text):
        yield int(index) if index else name or key[1:-1]


def guarded(source: str) -> frozenset[str]:
    """The paths that the expression asks for with `has()`."""
    return frozenset(path.text for path in paths_of(source) if path.guard)


def absent(source: str, context: Mapping[str, Any]) -> Absent | None:
    """The first path that is missing, goes through null or past a list's end, or orders a null, or calls it.

    What `has()` asks for may be missing, and so may what it guards: only the way to it must be there.
    """
    asked = guarded(source)
    return next(filter(None, (_absent(path, path.text in asked, context) for path in paths_of(source))), None)


def _absent(path: Path, asked: bool, context: Mapping[str, Any]) -> Absent | None:
    value, at = context.get(path.root), path.root
    for position, step in enumerate(path.steps):
        if value is None:
            return _null(at)
        if not _has(value, step):
            if asked and position == len(path.steps) - 1:
                return None
            # A path into a text or a number is a mistake of its author, and not a field that this event lacks.
            return _gone(at, step) if isinstance(value, Mapping | list) else None
        value, at = value[step], _into(at, step)
    return _null(at) if value is None and (path.ordered or path.called) else None


def guard_of(path: Path) -> str:
    """What to ask before a path is used, so that it may be missing."""
    at = reduce(_into, path.steps[:-1], path.root)
    return _gone(at, path.steps[-1]).guard if path.steps else f"{at} != null"


def _null(at: str) -> Absent:
    return Absent(at=at, null=True, guard=f"{at} != null")


def _gone(at: str, step: str | int) -> Absent:
    into = _into(at, step)
    if isinstance(step, int):
        return Absent(at=into, null=False, guard=f"size({at}) > {step}")
    # has() takes no key in brackets.
    return Absent(at=into, null=False, guard=f"has({into})" if step.isidentifier() else f"{step!r} in {at}")


def _into(at: str, step: str | int) -> str:
    match step:
        case int():
            return f"{at}[{step}]"
        case name if name.isidentifier():
            return f"{at}.{name}"
        case key:
            return f"{at}[{key!r}]"


def _has(value: Any, step: str | int) -> bool:
    match value:
        case Mapping():
            return step in value
        case Sequence() if not isinstance(value, str):
            return isinstance(step, int) and step < len(value)
        case _:
            return False


def value_at(path: Path, context: Mapping[str, Any]) -> Any:
    """What a path leads to; None where it leads nowhere."""
    value: Any = context.get(path.root)
    for step in path.steps:
        if not _has(value, step):
            return None
        value = value[step]
    return value

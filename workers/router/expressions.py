"""CEL expressions of workflows: compiled once, run against an event's output fields and earlier steps' outputs.

Pure. An expression that fails raises `ExpressionError` with a reason for the person who wrote it; nothing else escapes.
The language: https://github.com/google/cel-spec/blob/master/doc/langdef.md
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import cel
import orjson
from msgspec import Struct

MAX_LENGTH = 1_000
MARK = "="
Context = Mapping[str, Any]


class ExpressionError(Exception):
    """An expression that can't be compiled, or not evaluated over this event."""


class Expression(Struct, frozen=True):
    """A compiled expression.

    fields: what it reads of `data`, None for all of it. Handing over a whole Stripe object costs 100 times what the
        expression itself does.
    """

    source: str
    program: Any
    fields: frozenset[str] | None

    def evaluate(self, context: Context) -> Any:
        """The value over a context. Raises ExpressionError."""
        data = context.get("data")
        if self.fields is not None and isinstance(data, Mapping):
            context = {**context, "data": {name: data[name] for name in self.fields if name in data}}
        try:
            return self.program.execute(dict(context))
        except Exception as error:
            reason = f"there is no {error}" if isinstance(error, KeyError) else str(error)
            raise ExpressionError(
                f"{self.source!r}: {reason[:200]} (guard a field that may be missing with has())"
            ) from error


@lru_cache(maxsize=4_096)
def compiled(source: str) -> Expression:
    """The compiled expression. Raises ExpressionError."""
    if len(source) > MAX_LENGTH:
        raise ExpressionError(f"an expression may have {MAX_LENGTH} characters; this one has {len(source)}")
    try:
        program = cel.compile(source)
    except Exception as error:
        raise ExpressionError(f"{source!r} is no CEL expression: {str(error).splitlines()[0][:200]}") from error
    uses = re.findall(r"\bdata\b(\.[A-Za-z_]\w*)?", source)
    fields = None if "" in uses else frozenset(use[1:] for use in uses)
    return Expression(source, program, fields)


def compile_error(source: str) -> str | None:
    """Why an expression does not compile; None when it does."""
    try:
        compiled(source)
    except ExpressionError as error:
        return str(error)
    return None


def holds(where: str | None, context: Context) -> bool:
    """Whether an event passes a workflow's `where`. Raises ExpressionError, also for an answer that is no boolean."""
    if where is None:
        return True
    answer = compiled(where).evaluate(context)
    if not isinstance(answer, bool):
        raise ExpressionError(f"{where!r} must be true or false, and is a {type(answer).__name__}")
    return answer


def resolve(value: Any, context: Context) -> Any:
    """An input with every marked expression replaced by its value. Raises ExpressionError."""
    match value:
        case str() if value.startswith(MARK):
            return _plain(value, compiled(value.removeprefix(MARK)).evaluate(context))
        case Mapping():
            return {key: resolve(item, context) for key, item in value.items()}
        case str():
            return value
        case Sequence():
            return [resolve(item, context) for item in value]
        case _:
            return value


def _plain(source: str, value: Any) -> Any:
    """A value as JSON can carry it: CEL also has bytes, timestamps and durations."""
    try:
        orjson.dumps(value, option=orjson.OPT_PASSTHROUGH_DATETIME)
    except TypeError as error:
        raise ExpressionError(
            f"{source!r} gives a {type(value).__name__}, which JSON can't carry; use string()"
        ) from error
    return value

"""CEL expressions of workflows: compiled once, run against an event's output fields and earlier steps' outputs.

Pure. An expression that fails raises `ExpressionError` with a reason for the person who wrote it; nothing else escapes.
The engine's own texts may repeat a value of the event, so a reason is made of the expression's text and of names.
The language: https://github.com/google/cel-spec/blob/master/doc/langdef.md
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

import orjson
from msgspec import Struct

from stripeline.workers.router.cel_internals import engine
from stripeline.workers.router.number_forms import as_integer, exact_forms, text_operand
from stripeline.workers.router.paths import Absent, absent

MAX_LENGTH = 1_000
MARK = "="
Context = Mapping[str, Any]

_LEFT_OUT: Final[Context] = MappingProxyType(
    dict.fromkeys(("api_version", "livemode", "request", "previous_attributes", "account", "context"))
)
"""Fields that an event may lack. An expression over one of them finds null."""


class ExpressionError(Exception):
    """An expression that can't be compiled, or not evaluated over this event."""


class MissingError(ExpressionError):
    """An expression over something that this event lacks."""


class Holds(Enum):
    """Whether an event passes a workflow's `where`."""

    YES = "yes"
    NO = "no"
    MISSING = "missing"  # the event lacks a field of it: it does not pass


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
        data, given = context.get("data"), {**_LEFT_OUT, **context}
        if self.fields is not None and isinstance(data, Mapping):
            given["data"] = {name: data[name] for name in self.fields if name in data}
        try:
            return self.program.execute(given)
        except Exception as error:
            raise _explained(self.source, error, {**_LEFT_OUT, **context}) from error


def _explained(source: str, error: Exception, context: Context) -> ExpressionError:
    """Why an expression failed, and what to write instead."""
    lacking = absent(source, context)
    if lacking is not None:
        return MissingError(f"{source!r}: {_lacking(lacking)}")
    if isinstance(error, KeyError | IndexError):
        return MissingError(f"{source!r}: {_not_there(source, error)} (guard a field that may be missing with has())")
    mixed = next((str(form) for form in exact_forms(source) if form.mixed), None)
    advice = (text_operand(source, context) or mixed) if isinstance(error, TypeError) else None
    return ExpressionError(f"{source!r}: {advice or _engines(error)}")


def _lacking(lacking: Absent) -> str:
    what = f"{lacking.at} is null" if lacking.null else f"the event has no {lacking.at}"
    return f"{what}; guard it with {lacking.guard}"


def _not_there(source: str, error: LookupError) -> str:
    """A key is named where the expression names it; one that was calculated may be a value of the event."""
    key = str(error).strip("'")
    if isinstance(error, IndexError):
        return "a list is shorter"
    return f"there is no {key!r}" if re.search(rf"\b{re.escape(key)}\b", source) else "there is no such key"


def _engines(error: Exception) -> str:
    """The engine's reason, without the part in which it may repeat a value."""
    text = str(error)
    function = re.match(r"Function '(\w+)' error", text)
    if function is not None:
        return f"the function {function[1]}() can't take what it was given"
    if isinstance(error, OverflowError):
        return "the number is too large"
    return text.partition(". ")[0].partition("\n")[0]


@lru_cache(maxsize=4_096)
def compiled(source: str) -> Expression:
    """The compiled expression. Raises ExpressionError."""
    if len(source) > MAX_LENGTH:
        raise ExpressionError(f"an expression may have {MAX_LENGTH} characters; this one has {len(source)}")
    try:
        program = engine().compile(source)
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


def holds(where: str | None, context: Context) -> Holds:
    """Whether an event passes a workflow's `where`. Raises ExpressionError, also for an answer that is no boolean.

    One Stripe account may serve several applications, and each gets the events of all. So what an event lacks is no
    fault: the whole `where` is false then, negations included, unless the field is asked for with has().
    """
    if where is None:
        return Holds.YES
    try:
        answer = compiled(where).evaluate(context)
    except MissingError:
        return Holds.MISSING
    if not isinstance(answer, bool):
        raise ExpressionError(f"{where!r} must be true or false, and is a {type(answer).__name__}")
    return Holds.YES if answer else Holds.NO


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


def require_whole_numbers(written: Context, given: Context, fields: Iterable[str]) -> None:
    """Refuse an expression that gives no whole number where an action wants one. Raises ExpressionError.

    Said here and not by the action, because only here it is known what was written.
    """
    for name in fields:
        source, value = written.get(name), given.get(name)
        if not isinstance(source, str) or not source.startswith(MARK):
            continue
        expression = source.removeprefix(MARK)
        if isinstance(value, str):
            raise ExpressionError(f"{name}: {source!r} gives a text: write '={as_integer(expression)}'")
        if isinstance(value, float) and not value.is_integer():
            exact = next((form.exact for form in exact_forms(expression)), None)
            advice = f"={exact}" if exact else "=data.amount * 29 / 100"
            raise ExpressionError(
                f"{name}: {source!r} gives a fraction, and a whole number is wanted: calculate with whole numbers,"
                f" like '{advice}'"
            )


def _plain(source: str, value: Any) -> Any:
    """A value as JSON can carry it: CEL also has bytes, timestamps and durations."""
    try:
        orjson.dumps(value, option=orjson.OPT_PASSTHROUGH_DATETIME)
    except TypeError as error:
        raise ExpressionError(
            f"{source!r} gives a {type(value).__name__}, which JSON can't carry; use string()"
        ) from error
    return value

"""The definition of an action: its call, its exact input and output, and the statuses that the card lists for it.

Each action is one file in `workers/actions/`. Nothing here calls Stripe.
"""

from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, NamedTuple
from urllib.parse import quote

from msgspec import Struct
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.config import JsonDict
from pydantic_core import ErrorDetails

from stripeline.contracts.errors import CARD
from stripeline.contracts.vocabulary import Code

SENSITIVE: Final[JsonDict] = {"x-sensitive": True}
"""Marks a field that is masked in everything shown to people: `Field(json_schema_extra=SENSITIVE)`."""

Sensitive = Annotated[str, Field(json_schema_extra=SENSITIVE)]


_EXACT: Final = 2**53
"""Up to here every whole number has a float of its own."""

_DOT_SEGMENTS = frozenset({"", ".", ".."})
"""Path segments that select another resource; percent-encoding does not prevent it."""


class ActionInput(BaseModel):
    """An input: exactly these fields and types. Unknown fields are refused, not ignored."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ActionOutput(BaseModel):
    """An output: other fields of Stripe's answer are dropped."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class Request(Struct, frozen=True, kw_only=True):
    """A call to Stripe without keys and headers: the part that must not change under one Idempotency-Key."""

    method: Literal["GET", "POST"]
    path: str
    params: Mapping[str, Any]


class RefusedInput(Struct, frozen=True, kw_only=True):
    """An input that is refused before any call, with a message for its author."""

    message: str


def given_fields(given: ActionInput) -> dict[str, Any]:
    """The fields that are set, of an input without nested models."""
    return {name: value for name, value in vars(given).items() if value is not None}


def no_params(_: Any) -> Mapping[str, Any]:
    return {}


class Spend(NamedTuple):
    """An amount of money, in the currency's smallest unit. currency: three lower-case letters."""

    currency: str
    amount: int


def spends_nothing(_: Mapping[str, Any]) -> Spend | None:
    return None


class Action(Struct, frozen=True, kw_only=True):
    """One action.

    key: `stripe/create-customer`.
    path: `{id}` is replaced by the input's id, percent-encoded as one segment.
    makes: the `object` field of the call's answer.
    params: turns the input into Stripe's parameters.
    statuses: the failures that the card lists for it.
    spends: the amount that a call with these parameters asks for, which a connection's `limits.amount` counts.
    """

    key: str
    method: Literal["GET", "POST"]
    path: str
    makes: str
    input: type[ActionInput]
    output: type[ActionOutput]
    statuses: frozenset[int]
    params: Callable[[Any], Mapping[str, Any]] = no_params
    spends: Callable[[Mapping[str, Any]], Spend | None] = spends_nothing

    @property
    def errors(self) -> Mapping[int, Code]:
        """The error codes that the card lists for this action, by status."""
        return {status: CARD[status].code for status in sorted(self.statuses)}

    def request(self, value: object, marks: Mapping[str, Any] = MappingProxyType({})) -> Request | RefusedInput:
        """The call for an input, or why it is refused. `marks`: parameters that we add to the input's."""
        try:
            given = self.input.model_validate(_with_whole_numbers(self.input, value))
        except ValidationError as error:
            return RefusedInput(message=explain_input(error))
        path = self.path
        if "{id}" in path:
            segment = str(getattr(given, "id", ""))
            if segment in _DOT_SEGMENTS:
                return RefusedInput(message="id: it must name an object")
            path = path.replace("{id}", quote(segment, safe=""))
        return Request(method=self.method, path=path, params={**self.params(given), **marks})


@cache
def whole_number_fields(given: type[ActionInput]) -> frozenset[str]:
    """The fields of an input that are whole numbers, such as amounts."""
    wanted = (int, int | None)
    return frozenset(name for name, field in given.model_fields.items() if field.annotation in wanted)


def _with_whole_numbers(given: type[ActionInput], value: object) -> object:
    """An input in which a number such as 550.0 is 550 where a whole number is wanted: JSON knows one kind of number."""
    if not isinstance(value, Mapping):
        return value
    return {name: _whole(held) if name in whole_number_fields(given) else held for name, held in value.items()}


def _whole(value: Any) -> Any:
    exact = isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT
    return int(value) if exact else value


def explain(error: ValidationError) -> str:
    """A validation error as one sentence that names each field and shows no value."""
    return _explained(error, lambda problem: problem["msg"])


def explain_input(error: ValidationError) -> str:
    """The same of an action's input, where a number may come from an expression."""
    return _explained(error, _input_problem)


def _explained(error: ValidationError, words: Callable[[ErrorDetails], str]) -> str:
    problems = error.errors(include_url=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, problem['loc'])) or 'input'}: {words(problem)}" for problem in problems)


def _input_problem(problem: ErrorDetails) -> str:
    match problem["type"], problem["input"]:
        case "int_type", str():
            return "a whole number is wanted, and this is a text (in an expression, int() makes a number of it)"
        case "int_type", float():
            return "a whole number is wanted, and this has a fraction (calculate in whole numbers: amount * 29 / 100)"
        case _:
            return problem["msg"]

"""What an action is: its call, its exact input and output, and the statuses that the card lists for it.

The actions themselves are one file each in `workers/actions/`. Shapes only: nothing here calls Stripe.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.config import JsonDict

from stripeline.contracts.errors import CARD
from stripeline.contracts.frozen import frozen
from stripeline.contracts.vocabulary import Code

SENSITIVE: Final[JsonDict] = {"x-sensitive": True}
"""The tag of a field that must be masked wherever a person looks: `Field(json_schema_extra=SENSITIVE)`."""

Sensitive = Annotated[str, Field(json_schema_extra=SENSITIVE)]


_DOT_SEGMENTS = frozenset({"", ".", ".."})
"""These, in a path, ask for another resource, and no percent-encoding prevents it."""


class ActionInput(BaseModel):
    """An input: exactly these fields, in exactly these types. Unknown fields are refused, not ignored."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ActionOutput(BaseModel):
    """An output: what Stripe sends beyond these fields is cut off."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


@frozen
class Request:
    """A call to Stripe, before keys and headers: what is frozen with the Idempotency-Key."""

    method: Literal["GET", "POST"]
    path: str
    params: Mapping[str, Any]


@frozen
class Refused:
    """An input that we refuse before any call, with a sentence for the person who wrote it."""

    message: str


def given_fields(given: ActionInput) -> dict[str, Any]:
    """The fields that were given, of an input without nested ones."""
    return {name: value for name, value in vars(given).items() if value is not None}


def no_params(_: Any) -> Mapping[str, Any]:
    return {}


@frozen
class Action:
    """One action.

    key: `stripe/create-customer`.
    path: with `{id}` where the input's id goes; it is percent-encoded as one segment.
    makes: the `object` of what the call answers with.
    params: the input as Stripe's parameters.
    statuses: the failures that the card lists for it.
    """

    key: str
    method: Literal["GET", "POST"]
    path: str
    makes: str
    input: type[ActionInput]
    output: type[ActionOutput]
    statuses: frozenset[int]
    params: Callable[[Any], Mapping[str, Any]] = no_params

    @property
    def errors(self) -> Mapping[int, Code]:
        """The card's error map of this action."""
        return {status: CARD[status].code for status in sorted(self.statuses)}

    def request(self, value: object, marks: Mapping[str, Any] = MappingProxyType({})) -> Request | Refused:
        """The call for an input, or why there is none. `marks`: parameters of ours beside the input's."""
        try:
            given = self.input.model_validate(value)
        except ValidationError as error:
            return Refused(message=explain(error))
        path = self.path
        if "{id}" in path:
            segment = str(getattr(given, "id", ""))
            if segment in _DOT_SEGMENTS:
                return Refused(message="id: it must name an object")
            path = path.replace("{id}", quote(segment, safe=""))
        return Request(method=self.method, path=path, params={**self.params(given), **marks})


def explain(error: ValidationError) -> str:
    """A validation error as one sentence that names each field and never shows a value."""
    problems = (
        f"{'.'.join(map(str, problem['loc'])) or 'input'}: {problem['msg']}"
        for problem in error.errors(include_url=False, include_input=False, include_context=False)
    )
    return "; ".join(problems)

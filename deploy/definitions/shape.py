"""The shape of a configuration file: sections, names and fields. Looks at no meaning beyond, and at no secret."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

from pydantic import Field, ValidationError

from stripeline.contracts.definition_fields import MAX_DESTINATIONS, Definition, Name, Rate, TriggerKind
from stripeline.contracts.definitions import TriggerPayload, Workflow
from stripeline.contracts.ids import ACCOUNT_ID
from stripeline.contracts.limits import Commands, HourlyLimits
from stripeline.deploy.definitions.problems import Place, Problem
from stripeline.deploy.definitions.secrets import Kind

_NO_FIELD: Final = "there is no such field: look for a typing mistake"
_LIST: Final = "a list is wanted here, like [one, two]"
_FIELDS: Final = "fields are wanted here, like `name: value`"
_WHOLE: Final = "a whole number is wanted here"
_WANTED: Final[Mapping[str, str]] = {
    "extra_forbidden": _NO_FIELD,
    "missing": "it is missing: write it",
    "string_pattern_mismatch": (
        "a name is lower-case letters, digits and dashes (a step's: underscores), and starts with a letter"
    ),
    "model_type": _FIELDS,
    "dict_type": _FIELDS,
    "mapping_type": _FIELDS,
    "tuple_type": _LIST,
    "list_type": _LIST,
    "string_type": "a text is wanted here: put it in quotes",
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "float_type": "a number is wanted here",
    "float_parsing": "a number is wanted here",
    "bool_type": "true or false is wanted here",
    "bool_parsing": "true or false is wanted here",
}
"""By pydantic's kinds of error, whose own words are about Python."""


class WrittenConnection(Definition):
    """A connection as it stands in the file."""

    secret_key: str
    account: Annotated[str, Field(pattern=ACCOUNT_ID.pattern)] | None = None
    rate: Rate | None = None
    limits: HourlyLimits | None = None
    commands: Commands | None = None


class WrittenTrigger(Definition):
    """A trigger as it stands in the file."""

    kind: TriggerKind
    connection: Name
    signing_secrets: Annotated[tuple[str, ...], Field(max_length=10)] = ()
    payload: TriggerPayload | None = None


class WrittenEndpoint(Definition):
    """An endpoint as it stands in the file."""

    connection: Name
    triggers: Annotated[tuple[Name, ...], Field(min_length=1, max_length=MAX_DESTINATIONS)]
    url: str
    connect: bool | None = None
    api_version: str | None = None
    signing_secrets: Annotated[tuple[str, ...], Field(max_length=10)] = ()


class Written(Definition):
    """The file."""

    connections: dict[Name, WrittenConnection] = Field(default_factory=dict)
    triggers: dict[Name, WrittenTrigger] = Field(default_factory=dict)
    endpoints: dict[Name, WrittenEndpoint] = Field(default_factory=dict)
    workflows: dict[Name, Workflow] = Field(default_factory=dict)

    def keys(self) -> set[str]:
        """The control keys of what it defines."""
        kinds: Mapping[str, Mapping[str, Any]] = {
            "connection": self.connections, "trigger": self.triggers, "endpoint": self.endpoints,
            "workflow": self.workflows,
        }  # fmt: skip
        return {f"{kind}/{name}" for kind, named in kinds.items() for name in named}

    def secrets(self) -> Iterator[tuple[Place, str, Kind]]:
        """Every reference to a secret, with its place."""
        for name, connection in self.connections.items():
            yield ("connections", name, "secret_key"), connection.secret_key, "secret_key"
        sections: Mapping[str, Mapping[str, WrittenTrigger | WrittenEndpoint]]
        sections = {"triggers": self.triggers, "endpoints": self.endpoints}
        for section, named in sections.items():
            for name, one in named.items():
                for position, text in enumerate(one.signing_secrets):
                    yield (section, name, "signing_secrets", position), text, "signing_secret"


def shape(value: Any) -> Written | list[Problem]:
    """The file's values as sections and fields, or all that is wrong with their shape."""
    owned = [Problem(place=place, reason=_NO_FIELD) for place in _owned(value)]
    try:
        written = Written.model_validate(_without_nulls(value), extra="forbid")
    except ValidationError as error:
        return [*owned, *_problems(error, value)]
    return owned or written


def _problems(error: ValidationError, value: Any) -> Iterator[Problem]:
    for one in error.errors(include_url=False, include_input=False, include_context=False):
        place = tuple(part for part in one["loc"] if part != "[key]")
        written = _at(value, place) if place[:1] == ("workflows",) else None
        yield Problem(place=place, reason=wanted(one["type"], one["msg"], written))


def _at(value: Any, place: Place) -> Any:
    """What is written at a place; None where there is nothing."""
    for part in place:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _owned(value: Any) -> Iterator[Place]:
    """A workflow's `owner` is a field of its record alone: who applies a file is said to the command."""
    workflows = value.get("workflows") if isinstance(value, dict) else None
    for name, held in workflows.items() if isinstance(workflows, dict) else ():
        if isinstance(held, dict) and "owner" in held:
            yield ("workflows", name, "owner")


def _without_nulls(value: Any) -> Any:
    """An empty section, `triggers:`, is one with nothing in it."""
    return {name: held for name, held in value.items() if held is not None} if isinstance(value, dict) else value


def wanted(kind: str, message: str, written: Any = None) -> str:
    """What to write, for one of pydantic's kinds of error. `written`: left out where it may be a secret."""
    match kind:
        case "tuple_type" | "list_type" if isinstance(written, str) and written.isprintable():
            return f"write a list: [{written[:100]}]"
        case "value_error":
            return message.removeprefix("Value error, ")
        case "too_short" | "too_long":
            return message.replace("Tuple should have", "this list has").replace(" after validation", "")
        case _:
            return _WANTED.get(kind, message)

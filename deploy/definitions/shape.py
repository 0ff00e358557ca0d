"""The shape of a configuration file: sections, names and fields. Looks at no meaning beyond, and at no secret."""

from collections.abc import Iterator
from typing import Annotated, Any, Final

from pydantic import Field, ValidationError

from stripeline.contracts.definitions import Definition, Name, Rate, TriggerKind, Workflow
from stripeline.contracts.ids import ACCOUNT_ID
from stripeline.contracts.limits import Commands, HourlyLimits
from stripeline.deploy.definitions.problems import Place, Problem

_NO_FIELD: Final = "there is no such field: look for a typing mistake"


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


class Written(Definition):
    """The file."""

    connections: dict[Name, WrittenConnection] = Field(default_factory=dict)
    triggers: dict[Name, WrittenTrigger] = Field(default_factory=dict)
    workflows: dict[Name, Workflow] = Field(default_factory=dict)


def shape(value: Any) -> Written | list[Problem]:
    """The file's values as sections and fields, or all that is wrong with their shape."""
    owned = [Problem(place=place, reason=_NO_FIELD) for place in _owned(value)]
    try:
        written = Written.model_validate(_without_nulls(value), extra="forbid")
    except ValidationError as error:
        return owned + [
            Problem(
                place=tuple(part for part in one["loc"] if part != "[key]"), reason=_reason(one["type"], one["msg"])
            )
            for one in error.errors(include_url=False, include_input=False, include_context=False)
        ]
    return owned or written


def _owned(value: Any) -> Iterator[Place]:
    """A workflow's `owner` is a field of its record alone: who applies a file is said to the command."""
    workflows = value.get("workflows") if isinstance(value, dict) else None
    for name, held in workflows.items() if isinstance(workflows, dict) else ():
        if isinstance(held, dict) and "owner" in held:
            yield ("workflows", name, "owner")


def _without_nulls(value: Any) -> Any:
    """An empty section, `triggers:`, is one with nothing in it."""
    return {name: held for name, held in value.items() if held is not None} if isinstance(value, dict) else value


def _reason(kind: str, message: str) -> str:
    match kind:
        case "extra_forbidden":
            return _NO_FIELD
        case "missing":
            return "it is missing: write it"
        case "string_pattern_mismatch":
            return "a name is lower-case letters, digits and dashes (a step's: underscores), and starts with a letter"
        case "model_type" | "dict_type":
            return "fields are wanted here, like `name: value`"
        case _:
            return message.removeprefix("Value error, ")

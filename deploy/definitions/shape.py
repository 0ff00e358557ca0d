"""The shape of a configuration file: sections, names and fields. Looks at no meaning beyond, and at no secret."""

from typing import Annotated, Any

from pydantic import Field, ValidationError

from stripeline.contracts.definitions import Definition, Name, Rate, TriggerKind, Workflow
from stripeline.contracts.ids import ACCOUNT_ID
from stripeline.contracts.limits import Commands, HourlyLimits
from stripeline.deploy.definitions.problems import Problem


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
    try:
        return Written.model_validate(_without_nulls(value))
    except ValidationError as error:
        return [
            Problem(
                place=tuple(part for part in one["loc"] if part != "[key]"), reason=_reason(one["type"], one["msg"])
            )
            for one in error.errors(include_url=False, include_input=False, include_context=False)
        ]


def _without_nulls(value: Any) -> Any:
    """An empty section, `triggers:`, is one with nothing in it."""
    return {name: held for name, held in value.items() if held is not None} if isinstance(value, dict) else value


def _reason(kind: str, message: str) -> str:
    match kind:
        case "extra_forbidden":
            return "there is no such field: look for a typing mistake"
        case "missing":
            return "it is missing: write it"
        case "string_pattern_mismatch":
            return "a name is lower-case letters, digits and dashes (a step's: underscores), and starts with a letter"
        case "model_type" | "dict_type":
            return "fields are wanted here, like `name: value`"
        case _:
            return message.removeprefix("Value error, ")

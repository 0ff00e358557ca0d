"""Every setting is an option of every command: `--topic-prefix test.` overrules `STRIPELINE_TOPIC_PREFIX`.

Taken out of the arguments before the command reads them, so that no command can forget one. Secret settings are no
options: the machine's other users can read a process's arguments.
"""

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import Final, NoReturn

from pydantic import SecretStr

from stripeline.deploy.settings.kafka_options import kafka_client_options
from stripeline.deploy.settings.settings import Settings, load_settings, variable

_overrides: ContextVar[Mapping[str, str]] = ContextVar("overrides", default={})  # noqa: B039  (never changed in place)


def option(field: str) -> str:
    """A setting's option: `--ingest-port`."""
    return "--" + variable(field).removeprefix("STRIPELINE_").lower().replace("_", "-")


def is_secret(field: str) -> bool:
    return SecretStr in getattr(Settings.model_fields[field].annotation, "__args__", ())


OPTIONS: Final[Mapping[str, str]] = {option(field): field for field in Settings.model_fields if not is_secret(field)}


def take_overrides(arguments: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The arguments without the settings among them, and those by field name. Exits with 2 for one without a value."""
    rest: list[str] = []
    overrides: dict[str, str] = {}
    waiting = iter(arguments)
    for argument in waiting:
        if argument == "--":
            return [*rest, argument, *waiting], overrides
        name, equals, value = argument.partition("=")
        if name not in OPTIONS:
            rest.append(argument)
            continue
        given = value if equals else next(waiting, None)
        if given is None:
            _misused(f"{name} needs a value")
        overrides[OPTIONS[name]] = given
    return rest, overrides


@contextlib.contextmanager
def overruling(overrides: Mapping[str, str]) -> Iterator[None]:
    """Within this, `settings()` takes these before the environment."""
    token = _overrides.set(overrides)
    try:
        yield
    finally:
        _overrides.reset(token)


def settings() -> Settings:
    """The settings of this run of the command. Raises SettingsError."""
    return load_settings(_overrides.get())


def kafka() -> Mapping[str, object]:
    """How to reach Kafka in this run of the command."""
    return kafka_client_options(settings())


def _misused(message: str) -> NoReturn:
    print(f"stripeline: {message}. See `stripeline settings`.", file=sys.stderr)
    sys.exit(2)

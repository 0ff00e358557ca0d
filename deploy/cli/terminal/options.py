"""Every setting is an option of every command: `--topic-prefix test.` overrides `STRIPELINE_TOPIC_PREFIX`.

These options are removed from the arguments before the command parses them, so that no command can omit one. Secrets
can't be options: other users of the machine can read a process's arguments.
"""

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from shlex import quote
from typing import Final, NoReturn

from stripeline.deploy.settings.kafka_options import kafka_client_options
from stripeline.deploy.settings.settings import SECRETS, Settings, load_settings, variable

_overrides: ContextVar[Mapping[str, str]] = ContextVar("overrides", default={})  # noqa: B039  (never changed in place)


def option(field: str) -> str:
    """A setting's option: `--ingest-port`."""
    return "--" + variable(field).removeprefix("STRIPELINE_").lower().replace("_", "-")


OPTIONS: Final[Mapping[str, str]] = {option(field): field for field in Settings.model_fields if field not in SECRETS}


def take_overrides(arguments: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Separate the settings, by field name, from the other arguments. Exits with 2 for a setting without a value."""
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
    """Within this context, `settings()` prefers these to the environment."""
    token = _overrides.set(overrides)
    try:
        yield
    finally:
        _overrides.reset(token)


def given() -> list[str]:
    """The settings of this invocation's options, as options again: for a process of the same settings."""
    return [f"{option(field)}={value}" for field, value in _overrides.get().items()]


def settings() -> Settings:
    """The settings of this invocation. Raises SettingsError."""
    return load_settings(_overrides.get())


def kafka() -> Mapping[str, object]:
    """The Kafka client options of this invocation."""
    return kafka_client_options(settings())


def repeated() -> str:
    """The settings that were given as options, for a command that is advised: it must look at the same Kafka."""
    return "".join(f" {option(field)} {quote(value)}" for field, value in _overrides.get().items())


def _misused(message: str) -> NoReturn:
    print(f"stripeline: {message}. See `stripeline settings`.", file=sys.stderr)
    sys.exit(2)

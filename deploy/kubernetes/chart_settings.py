"""How each setting enters the Helm chart, derived from the settings model.

- A secret is a key of a Secret, which its readers mount; never a value of the chart.
- A file is a key of a Secret or a ConfigMap, mounted too.
- All else is a value in `config`, but for what the chart itself sets.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

from pydantic import BeforeValidator, SecretStr

from stripeline.deploy.settings.parsing import duration_ms, size_bytes, window_ms
from stripeline.deploy.settings.settings import Settings, variable

ROLES: Final = ("ingest", "router", "executor", "console", "topics")
"""`topics` are the pods that run `stripeline topics`."""
SET_BY_THE_CHART: Final[Mapping[str, str]] = {
    "STRIPELINE_ADMIN_PORT": "9464",
    "STRIPELINE_INGEST_PORT": "8080",
    "STRIPELINE_CONSOLE_PORT": "8081",
    "STRIPELINE_WORKER_STATE_DIR": "/var/lib/stripeline, for a router or executor with `states.volume`",
    "STRIPELINE_INSTANCE_ID": "the pod's name, for router and executor without autoscaling",
}
"""A value of another kind would not fit the rest of a manifest: ports, probes, identities."""

Place = Literal["config", "secrets", "files", "chart"]
Schema = Mapping[str, Any]

_READERS: Final[Mapping[str, tuple[str, ...]]] = {
    "STRIPELINE_MASTER_KEY": ("ingest", "executor"),
    "STRIPELINE_KAFKA_": ROLES,
    "STRIPELINE_STRIPE_": ("executor",),
    "STRIPELINE_CONSOLE_": ("console",),
}
"""Who reads a secret or a file, by how its variable begins: nobody else gets it."""

_PATTERNS: Final[Mapping[Any, str]] = {
    duration_ms: "^[0-9]{1,9}(ms|s|m|h)$",
    window_ms: "^[0-9]{1,9}(ms|s|m|h|d)$",
    size_bytes: "^[0-9]{1,12} ?(B|KiB|MiB)?$",
}
"""How the numbers with a unit are written, by what reads them."""


def place_of(field: str) -> Place:
    if variable(field) in SET_BY_THE_CHART:
        return "chart"
    parts = _parts(Settings.model_fields[field].annotation)
    return "secrets" if SecretStr in parts else "files" if Path in parts else "config"


def variables(place: Place) -> list[str]:
    """The variables of all settings that enter there, in the order of the model."""
    return [variable(field) for field in Settings.model_fields if place_of(field) == place]


def readers(name: str) -> tuple[str, ...]:
    """The roles that get this secret or file. Raises LookupError for one that nobody was assigned."""
    found = [roles for begin, roles in _READERS.items() if name.startswith(begin)]
    if not found:
        raise LookupError(f"{name}: say in _READERS of {__name__} which roles read it")
    return found[0]


def value_schema(field: str) -> Schema:
    """What a value in `config` may be, as JSON Schema."""
    info = Settings.model_fields[field]
    text = {"description": f"{info.description}"}
    if words := [word for part in _parts(info.annotation) if get_origin(part) is Literal for word in get_args(part)]:
        return {**text, "type": "string", "enum": words}
    if info.annotation is not int:
        return {**text, "type": "string"}
    reader = next((one.func for one in info.metadata if isinstance(one, BeforeValidator)), None)
    if reader in _PATTERNS:
        return {**text, "type": "string", "pattern": _PATTERNS[reader]}
    return {**text, "type": "integer", **_bounds(field)}


def _bounds(field: str) -> Schema:
    names = {"ge": "minimum", "le": "maximum"}
    metadata = Settings.model_fields[field].metadata
    return {word: getattr(one, name) for one in metadata for name, word in names.items() if hasattr(one, name)}


def _parts(annotation: Any) -> list[Any]:
    """A type and all that it is made of."""
    return [annotation, *(part for one in get_args(annotation) for part in _parts(one))]

"""The published schemas as another team has them: read from `contracts/schemas`, judged by jsonschema-rs."""

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs

CONTRACTS = Path(__file__).parents[2] / "contracts"


@cache
def validator(name: str) -> jsonschema_rs.Draft202012Validator:
    schema = json.loads((CONTRACTS / "schemas" / f"{name}.v1.schema.json").read_text(encoding="utf-8"))
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True)


def problems(name: str, value: Any) -> list[str]:
    """What is wrong with a value by a record's schema; nothing for a value of the contract."""
    parsed = json.loads(value) if isinstance(value, bytes) else value
    return [
        f"{'/'.join(map(str, error.instance_path))}: {error.message}" for error in validator(name).iter_errors(parsed)
    ]


def header_problems(name: str, headers: Iterable[tuple[str, bytes]]) -> list[str]:
    """The same for a record's headers."""
    texts: Mapping[str, str] = {key: value.decode() for key, value in headers}
    return problems(name, texts)

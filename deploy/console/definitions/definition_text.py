"""A definition as one would write it into a file, line by line. Pure; it takes definitions that are masked."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import yaml

_ORDER: Final = ("trigger", "types", "where", "limit", "late", "kind", "connection", "steps")
_STEP_ORDER: Final = ("id", "action", "connection", "account", "input")
_NOT_WRITTEN: Final = frozenset({"owner", "key", "hint", "mode", "signing_secrets"})
"""What a person does not write: said to the command, learned, or a secret."""
_NO_FOLDING: Final = 1_000_000


def definition_lines(kind: str, name: str, masked: Mapping[str, Any]) -> Sequence[str]:
    """The lines of `workflows: {NAME: …}`."""
    written = {field: held for field, held in masked.items() if field not in _NOT_WRITTEN}
    if isinstance(steps := written.get("steps"), list):
        written["steps"] = [_ordered(step, _STEP_ORDER) if isinstance(step, dict) else step for step in steps]
    whole = {f"{kind}s": {name: _ordered(written, _ORDER)}}
    try:
        text = yaml.safe_dump(whole, sort_keys=False, allow_unicode=True, width=_NO_FOLDING)
    except RecursionError:
        return ["# It is nested too deeply to show here."]
    return text.rstrip("\n").split("\n")


def _ordered(fields: Mapping[str, Any], order: Sequence[str]) -> dict[str, Any]:
    first = {name: fields[name] for name in order if name in fields}
    return first | {name: held for name, held in fields.items() if name not in first}

"""Says which secrets a process can't open, and which master keys it lacks; never a key. Pure."""

from collections.abc import Mapping
from typing import Final

from stripeline.workers.secrets.vault import KeyNotHeldError, VaultError

_SHOWN: Final = 5


def unopened(what: str, closed: Mapping[str, VaultError]) -> str:
    """`what` is plural. The owners of the closed secrets, with why each can't be opened; at least one."""
    lacked = {name: error.key_id for name, error in closed.items() if isinstance(error, KeyNotHeldError)}
    of = ", ".join(_one(name, lacked.get(name)) for name in sorted(closed)[:_SHOWN])
    more = f" and {len(closed) - _SHOWN} more" if len(closed) > _SHOWN else ""
    if not lacked:
        return f"the {what} of {of}{more} can't be opened: apply them again with `stripeline apply`"
    ids = ", ".join(sorted(set(lacked.values()))[:_SHOWN])
    return (
        f"the {what} of {of}{more} can't be opened: add master key {ids} to STRIPELINE_MASTER_KEY here, and restart"
        " this process"
    )


def _one(name: str, key_id: str | None) -> str:
    return f"{name} (damaged)" if key_id is None else f"{name} (sealed with master key {key_id})"

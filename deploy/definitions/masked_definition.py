"""A definition as it is recorded for later, and shown: every field that is on a list, and no secret. Pure.

Invariants:
- A field that is not listed is left out. A new field of a definition is a decision: a test names those without one.
- A sealed secret is not in it, only a name that does not reveal it: a key that was replaced can be seen.
- Texts are masked all the same: a person may have pasted a key into an input.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from stripeline.contracts.definitions import AnyDefinition, Connection, Endpoint, Trigger
from stripeline.contracts.masking import mask

SHOWN: Final[Mapping[str, frozenset[str]]] = {
    "Connection": frozenset({"mode", "hint", "account", "rate", "limits", "commands", "owner"}),
    "Trigger": frozenset({"kind", "connection", "mode", "payload", "owner"}),
    "Endpoint": frozenset({"connection", "triggers", "url", "connect", "api_version", "mode", "owner"}),
    "Workflow": frozenset({"trigger", "types", "where", "steps", "limit", "late", "owner"}),
}
"""The fields that are recorded as they are."""
NAMED: Final[Mapping[str, frozenset[str]]] = {
    "Connection": frozenset({"secret_key", "key_name_kept"}),
    "Trigger": frozenset({"signing_secrets"}),
    "Endpoint": frozenset({"signing_secrets"}),
    "Workflow": frozenset(),
}
"""The fields of secrets: only their names are recorded."""


def masked_definition(definition: AnyDefinition) -> dict[str, Any]:
    """What may be recorded of a definition."""
    listed = SHOWN[type(definition).__name__]
    shown: dict[str, Any] = mask(definition.model_dump(mode="json", exclude_none=True, include=set(listed)))
    match definition:
        case Connection():
            return {**shown, "key": definition.key_name}
        case Trigger() | Endpoint():
            return {**shown, "signing_secrets": [secret_name(one) for one in definition.signing_secrets]}
        case _:
            return shown


def secret_name(sealed: str) -> str:
    """Tells one secret from another. It is of the sealed text, which is random: nothing can be guessed from it."""
    return hashlib.sha256(sealed.encode()).hexdigest()[:12]

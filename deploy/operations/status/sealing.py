"""Which master keys the stored secrets are sealed with. Pure; opens nothing."""

from collections.abc import Mapping

from stripeline.contracts.definitions import Definitions
from stripeline.workers.secrets.vault import key_id_of


def sealing_keys(stored: Definitions) -> Mapping[str, list[str]]:
    """The names of the master keys, each with what it seals: `connection acme`."""
    found: dict[str, list[str]] = {}
    for name, connection in sorted(stored.connections.items()):
        found.setdefault(key_id_of(connection.secret_key), []).append(f"connection {name}")
    for name, trigger in sorted(stored.triggers.items()):
        for key in dict.fromkeys(key_id_of(secret) for secret in trigger.signing_secrets):
            found.setdefault(key, []).append(f"trigger {name}")
    return found

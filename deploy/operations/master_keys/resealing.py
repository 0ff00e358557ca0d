"""Seals stored secrets again with the first master key of the ring. A connection's key keeps its name.

What Stripe said of a key, and what is known of its account, is recorded under the key's name: sealing it again is no
reason to call Stripe with a key that it refused.
"""

from collections.abc import Mapping

from msgspec.structs import replace
from pydantic import SecretStr

from stripeline.contracts.definitions import Connection, Definitions, Endpoint, Trigger
from stripeline.contracts.operator.control_keys import name_of
from stripeline.contracts.operator.stripe_side_records import Destinations
from stripeline.deploy.operations.master_keys.holders import SealedRecord, sealed_records, sealed_texts
from stripeline.workers.secrets.vault import (
    Vault,
    VaultError,
    connection_secret,
    endpoint_secret,
    key_id_of,
    signing_secret,
)


def resealed(stored: Definitions, vault: Vault) -> dict[str, SealedRecord]:
    """What is sealed with another key than the first, sealed with the first. Raises VaultError for what is closed."""
    first = vault.key_ids[0]
    return {
        key: _again(name_of(key), one, vault)
        for key, one in sealed_records(stored).items()
        if any(key_id_of(text) != first for text in sealed_texts(one))
    }


def name_to_keep(name: str, stored: Connection | None, sealed: str, secret: SecretStr, vault: Vault) -> str | None:
    """The name of a connection's key where its sealed text would give another: the stored key's, if it is that key."""
    if stored is None or stored.secret_key == sealed:
        return None if stored is None else stored.key_name_kept
    try:
        same = vault.open(connection_secret(name), stored.secret_key) == secret
    except VaultError:
        return None
    return stored.key_name if same else None


def _again(name: str, one: SealedRecord, vault: Vault) -> SealedRecord:
    match one:
        case Connection():
            secret = connection_secret(name)
            sealed = vault.seal(secret, vault.open(secret, one.secret_key))
            return one.model_copy(update={"secret_key": sealed, "key_name_kept": one.key_name})
        case Trigger() | Endpoint():
            secret = signing_secret(name) if isinstance(one, Trigger) else endpoint_secret(name)
            texts = [_with_first(vault, secret, text) for text in one.signing_secrets]
            return one.model_copy(update={"signing_secrets": tuple(texts)})
        case Destinations():
            secret = endpoint_secret(name)
            made = [
                replace(each, signing_secret=_with_first(vault, secret, each.signing_secret))
                for each in one.destinations
            ]
            return replace(one, destinations=tuple(made))
        case _:
            return one


def _with_first(vault: Vault, name: str, sealed: str) -> str:
    """Raises VaultError."""
    return sealed if key_id_of(sealed) == vault.key_ids[0] else vault.seal(name, vault.open(name, sealed))


def former_keys(stored: Definitions, changed: Mapping[str, SealedRecord], first: str) -> dict[str, list[str]]:
    """By control key: the ids of the master keys that sealed it and are given up."""
    before = sealed_records(stored)
    return {key: sorted({key_id_of(text) for text in sealed_texts(before[key])} - {first}) for key in changed}

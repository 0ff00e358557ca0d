"""Seals stored secrets again with the first master key of the ring. A connection's key keeps its name.

What Stripe said of a key, and what is known of its account, is recorded under the key's name: sealing it again is no
reason to call Stripe with a key that it refused.
"""

from collections.abc import Mapping

from pydantic import SecretStr

from stripeline.contracts.definitions import AnyDefinition, Connection, Definitions, Trigger
from stripeline.contracts.operator.control_keys import name_of
from stripeline.deploy.operations.master_keys.holders import sealed_texts
from stripeline.workers.secrets.vault import Vault, VaultError, connection_secret, key_id_of, signing_secret


def resealed(stored: Definitions, vault: Vault) -> dict[str, AnyDefinition]:
    """What is sealed with another key than the first, sealed with the first. Raises VaultError for what is closed."""
    first = vault.key_ids[0]
    return {
        key: _again(name_of(key), one, vault)
        for key, one in stored.by_key().items()
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


def _again(name: str, one: AnyDefinition, vault: Vault) -> AnyDefinition:
    match one:
        case Connection():
            secret = connection_secret(name)
            sealed = vault.seal(secret, vault.open(secret, one.secret_key))
            return one.model_copy(update={"secret_key": sealed, "key_name_kept": one.key_name})
        case Trigger():
            secret = signing_secret(name)
            first = vault.key_ids[0]
            texts = [
                text if key_id_of(text) == first else vault.seal(secret, vault.open(secret, text))
                for text in one.signing_secrets
            ]
            return one.model_copy(update={"signing_secrets": tuple(texts)})
        case _:
            return one


def former_keys(stored: Definitions, changed: Mapping[str, AnyDefinition], first: str) -> dict[str, list[str]]:
    """By control key: the ids of the master keys that sealed it and are given up."""
    before = stored.by_key()
    return {key: sorted({key_id_of(text) for text in sealed_texts(before[key])} - {first}) for key in changed}

"""Keys that this process can't open are held, not used, and said."""

from types import SimpleNamespace

from pydantic import SecretStr

from stripeline.contracts.definitions import Connection, Definitions
from stripeline.contracts.operator.control_records import KeyRefusal
from stripeline.deploy.runtime.connection_keys import Keys
from stripeline.workers.secrets.cache import Secrets
from stripeline.workers.secrets.vault import Vault, connection_secret, new_master_key

MINE, THEIRS = Vault.from_ring([SecretStr(new_master_key())]), Vault.from_ring([SecretStr(new_master_key())])


def connection(vault: Vault, name: str = "acme", key: str = "sk_test_1") -> Connection:
    sealed = vault.seal(connection_secret(name), SecretStr(key))
    return Connection(secret_key=sealed, mode="test", hint="sk_test_…1")


def keys_of(key_refusals=None, **connections: Connection):
    definitions = Definitions(connections=connections, key_refusals=key_refusals or {})
    table = SimpleNamespace(connections=definitions.connections, definitions=definitions)
    return table, Keys(table, Secrets(MINE), lambda: 1_000)


def test_a_key_that_opens_is_not_held():
    _, keys = keys_of(acme=connection(MINE))
    assert keys.of("acme") == SecretStr("sk_test_1")
    assert (keys.held("acme"), keys.missing()) == (None, None)
    assert keys.of("nobody") is None


def test_a_key_of_another_master_key_is_held_until_resealed():
    table, keys = keys_of(acme=connection(THEIRS))
    assert keys.held("acme") == (table.connections["acme"].key_name, 1_000)
    assert keys.of("acme") is None
    assert f"acme (sealed with master key {THEIRS.key_ids[0]})" in str(keys.missing())
    table.connections = {"acme": connection(MINE)}
    assert (keys.held("acme"), keys.missing(), keys.warnings()) == (None, None, None)


def test_one_closed_key_of_several_is_a_warning():
    table, keys = keys_of(acme=connection(MINE), other=connection(THEIRS, "other"))
    assert keys.missing() is None
    assert "other (sealed with master key" in str(keys.warnings())
    table.connections = {"acme": table.connections["acme"]}
    assert keys.warnings() is None


def test_a_key_that_stripe_refused_is_held_as_well():
    _, keys = keys_of(key_refusals={"acme": KeyRefusal(key_name="k", since_ms=5)}, acme=connection(MINE))
    assert keys.held("acme") == ("k", 5)
    assert keys.missing() is None

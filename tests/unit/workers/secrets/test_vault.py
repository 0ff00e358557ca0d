"""The vault opens what it sealed, under the same name and a key of its ring, and nothing else; and tells no secret."""

import base64

import pytest
from pydantic import SecretStr

from stripeline.contracts.definitions import Connection, Trigger
from stripeline.workers.secrets.cache import Secrets
from stripeline.workers.secrets.vault import (
    Vault,
    VaultError,
    connection_secret,
    key_id_of,
    new_master_key,
    signing_secret,
)

SECRET = SecretStr("sk_test_verysecret1234")
NAME = connection_secret("acme")


def key() -> SecretStr:
    return SecretStr(new_master_key())


def flipped(sealed: str) -> str:
    """The same text with one bit of its ciphertext changed."""
    head, _, box = sealed.rpartition(":")
    raw = bytearray(base64.urlsafe_b64decode(box))
    raw[-1] ^= 1
    return f"{head}:{base64.urlsafe_b64encode(bytes(raw)).decode()}"


def test_opens_what_it_sealed() -> None:
    vault = Vault.from_ring([key()])
    sealed = vault.seal(NAME, SECRET)
    assert sealed.startswith(f"sealed:v1:{vault.key_ids[0]}:")
    assert vault.open(NAME, sealed) == SECRET


def test_seals_the_same_secret_differently_each_time() -> None:
    vault = Vault.from_ring([key()])
    assert vault.seal(NAME, SECRET) != vault.seal(NAME, SECRET)


def test_the_first_key_seals_and_each_opens() -> None:
    old, new = key(), key()
    sealed = Vault.from_ring([old]).seal(NAME, SECRET)
    ring = Vault.from_ring([new, old])
    assert ring.open(NAME, sealed) == SECRET
    assert key_id_of(ring.seal(NAME, SECRET)) == Vault.from_ring([new]).key_ids[0]


def test_refuses_a_tampered_text() -> None:
    vault = Vault.from_ring([key()])
    with pytest.raises(VaultError, match="changed, or copied"):
        vault.open(NAME, flipped(vault.seal(NAME, SECRET)))


def test_refuses_a_text_moved_to_another_name() -> None:
    vault = Vault.from_ring([key()])
    with pytest.raises(VaultError, match="connection/other/secret_key does not open"):
        vault.open(connection_secret("other"), vault.seal(NAME, SECRET))


def test_names_the_key_that_is_missing() -> None:
    sealed = Vault.from_ring([key()]).seal(NAME, SECRET)
    with pytest.raises(VaultError, match=f"master key {key_id_of(sealed)}, which is not in STRIPELINE_MASTER_KEY"):
        Vault.from_ring([key()]).open(NAME, sealed)


@pytest.mark.parametrize("text", ["", "sk_test_1", "sealed:v2:abcd:AAAA", "sealed:v1:abcd:", "sealed:v1:abcd:%%%"])
def test_refuses_what_is_no_sealed_text(text: str) -> None:
    with pytest.raises(VaultError, match="not a sealed text"):
        Vault.from_ring([key()]).open(NAME, text)


@pytest.mark.parametrize("text", ["", "short", base64.b64encode(b"x" * 31).decode(), "é" * 44])
def test_refuses_a_wrong_master_key_without_showing_it(text: str) -> None:
    with pytest.raises(VaultError, match="Key 2 of STRIPELINE_MASTER_KEY") as caught:
        Vault.from_ring([key(), SecretStr(text)])
    assert not text or text not in str(caught.value)


def test_says_how_to_make_a_master_key_where_there_is_none() -> None:
    with pytest.raises(VaultError, match="stripeline settings new-master-key"):
        Vault.from_ring([])


def test_shows_key_ids_only() -> None:
    master = key()
    vault = Vault.from_ring([master])
    assert repr(vault) == f"Vault(key_ids={vault.key_ids!r})"
    assert master.get_secret_value() not in repr(vault)


def test_errors_show_no_secret() -> None:
    vault = Vault.from_ring([key()])
    sealed = vault.seal(NAME, SECRET)
    for text in (flipped(sealed), "sk_test_verysecret1234"):
        with pytest.raises(VaultError) as caught:
            vault.open(NAME, text)
        assert "verysecret" not in str(caught.value)


def test_a_connections_key_and_a_triggers_ring_are_resolved() -> None:
    vault = Vault.from_ring([key()])
    ring = tuple(vault.seal(signing_secret("pay"), SecretStr(text)) for text in ("whsec_b", "whsec_a"))
    secrets = Secrets(vault)
    connection = Connection(secret_key=vault.seal(NAME, SECRET), mode="test", hint="sk_test_…1234")
    trigger = Trigger(kind="stripe/payment-event", connection="acme", signing_secrets=ring)
    assert secrets.secret_key("acme", connection) == SECRET
    assert secrets.secret_key("acme", connection) is secrets.secret_key("acme", connection)
    assert [one.get_secret_value() for one in secrets.signing_secrets("pay", trigger)] == ["whsec_b", "whsec_a"]


def test_a_signing_secret_opens_only_at_its_own_trigger() -> None:
    vault = Vault.from_ring([key()])
    first, second = (vault.seal(signing_secret("pay"), SecretStr(text)) for text in ("whsec_a", "whsec_b"))
    turned = Trigger(kind="stripe/payment-event", connection="acme", signing_secrets=(second, first))
    secrets = Secrets(vault)
    assert secrets.signing_secrets("pay", turned)[1] == SecretStr("whsec_a")
    with pytest.raises(VaultError):
        secrets.signing_secrets("other", turned)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stripeline.workers.secrets.cache._REMEMBERED", 2)
    vault = Vault.from_ring([key()])
    secrets = Secrets(vault)
    for _ in range(5):
        connection = Connection(secret_key=vault.seal(NAME, SECRET), mode="test", hint="sk_test_…1234")
        assert secrets.secret_key("acme", connection) == SECRET
    assert len(secrets._opened) <= 2

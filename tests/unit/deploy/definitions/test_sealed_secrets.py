"""A secret that is stored stays where its variable is not set, if it is clear which one is meant."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from stripeline.contracts.definitions import Connection, Definitions, Trigger
from stripeline.deploy.definitions.sealed_secrets import Sealing
from stripeline.deploy.definitions.secrets import Source
from stripeline.workers.secrets.vault import Vault, connection_secret, key_id_of, new_master_key, signing_secret

OLD, NEW = SecretStr(new_master_key()), SecretStr(new_master_key())
VAULT = Vault.from_ring([OLD])
NAMES = {"A": "whsec_a", "B": "whsec_b", "C": "whsec_c", "KEY": "sk_test_1234567890abcdef"}


def sealing(*known: str, ring: tuple[str, ...] = (), vault: Vault = VAULT, connection: bool = True) -> Sealing:
    """known: the variables that are set. ring: those whose secrets are stored."""
    texts = tuple(VAULT.seal(signing_secret("t"), SecretStr(NAMES[name])) for name in ring)
    key = VAULT.seal(connection_secret("c"), SecretStr(NAMES["KEY"]))
    stored = Definitions(
        triggers={"t": Trigger(kind="stripe/charge-event", connection="c", signing_secrets=texts)},
        connections={"c": Connection(secret_key=key, mode="test", hint="sk_test_…cdef")} if connection else {},
    )
    known_names = {name: NAMES[name] for name in known}
    return Sealing(source=Source(environment=known_names.get, folder=Path()), vault=vault, stored=stored)


def opened(texts: tuple[str, ...], vault: Vault = VAULT) -> list[str]:
    return [vault.open(signing_secret("t"), text).get_secret_value() for text in texts]


@pytest.mark.parametrize(
    ("known", "ring", "written", "found", "kept"),
    [
        ("", "A", "A", "a", 1),
        ("B", "A", "BA", "ba", 1),
        ("A", "AB", "AB", "ab", 1),
        ("A", "BA", "AB", "ab", 1),
        ("", "AB", "AB", "ab", 2),
        ("A", "AB", "A", "a", 0),
    ],
)
def test_a_ring_keeps_what_is_clear(known: str, ring: str, written: str, found: str, kept: int) -> None:
    one = sealing(*known, ring=tuple(ring))
    texts = one.trigger_ring("t", [f"${{env:{name}}}" for name in written])
    assert opened(texts) == [f"whsec_{name}" for name in found]
    assert (len(one.kept), one.problems) == (kept, [])


@pytest.mark.parametrize(
    ("known", "ring", "written", "words"),
    [
        ("", "", "A", "the variable A is not set"),
        ("A", "A", "BA", "the variable B is not set"),
        ("", "AB", "A", "2 stored ones are in none of the others"),
        ("", "A", "AB", "1 stored ones are in none of the others"),
    ],
)
def test_a_ring_in_doubt_is_refused(known: str, ring: str, written: str, words: str) -> None:
    one = sealing(*known, ring=tuple(ring))
    one.trigger_ring("t", [f"${{env:{name}}}" for name in written])
    assert words in one.problems[0].reason
    assert one.kept == {}


def test_a_key_is_kept_with_its_mode_and_name() -> None:
    one = sealing()
    key = one.key("c", "${env:KEY}")
    stored = one.stored.connections["c"]
    assert key is not None
    assert (key.secret_key, key.mode, key.hint) == (stored.secret_key, "test", "sk_test_…cdef")
    assert one.kept == {("connections", "c", "secret_key"): "KEY"}


def test_a_new_connection_needs_its_variable() -> None:
    one = sealing(connection=False)
    assert one.key("c", "${env:KEY}") is None
    assert "the variable KEY is not set" in one.problems[0].reason


def test_kept_secrets_are_sealed_with_a_new_first_master_key() -> None:
    ring = Vault.from_ring([NEW, OLD])
    one = sealing(ring=("A",), vault=ring)
    key, (text,) = one.key("c", "${env:KEY}"), one.trigger_ring("t", ["${env:A}"])
    assert key is not None
    assert {key_id_of(key.secret_key), key_id_of(text)} == {ring.key_ids[0]}
    assert key.key_name_kept == one.stored.connections["c"].key_name
    assert opened((text,), ring) == ["whsec_a"]


def test_a_kept_secret_that_nothing_opens_stays_as_it_is() -> None:
    one = sealing(ring=("A",), vault=Vault.from_ring([NEW]))
    assert one.trigger_ring("t", ["${env:A}"]) == one.stored.triggers["t"].signing_secrets

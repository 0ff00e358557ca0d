"""Whose key a connection has, as the control topic says it, and which commands may still be done with it."""

import pytest

from stripeline.contracts.definitions import Connection, Definitions
from stripeline.contracts.internal_records import Tried
from stripeline.contracts.operator.control_records import ConnectionAccount, ControlPlace
from stripeline.workers.executor.connection.key_owner import KNOWN_BY_ALL_MS, Asked, KeyOwner, mismatch, owner_of, same

A, B, SINCE = "acct_1A", "acct_1B", 1_000_000


def definitions(*, mode="test", declared=None, learned=None, key_at=1, fact_at=None):
    connection = Connection(secret_key="sealed:x", mode=mode, hint="sk_…", account=declared)
    places = {"connection/acme": ControlPlace(key_at, SINCE + key_at)}
    if fact_at is not None:
        places["account/acme"] = ControlPlace(fact_at, SINCE)
    return Definitions(
        connections={"acme": connection}, accounts={} if learned is None else {"acme": learned}, places=places
    )


def account(name=A, mode="test", *, changed=False):
    return ConnectionAccount(account=name, mode=mode, changed=changed)


HELD = "waits for the key of its connection's new account"
OWNERS = {
    "nobody knows": (definitions(), KeyOwner(mode="test")),
    "declared": (definitions(declared=A), KeyOwner(mode="test", account=A)),
    "learned": (definitions(learned=account(), fact_at=0), KeyOwner(mode="test", account=A)),
    "changed": (
        definitions(learned=account(B, changed=True), fact_at=0), KeyOwner(mode="test", account=B, since_ms=SINCE)
    ),
    "changed, and the key is still the former one": (
        definitions(learned=account(B, changed=True), fact_at=2),
        KeyOwner(mode="test", account=B, since_ms=SINCE, held=HELD),
    ),
    "a key of another mode, written by another tool": (
        definitions(mode="live", learned=account(), fact_at=0), KeyOwner(mode="live", since_ms=SINCE + 1)
    ),
    "another account beside the key": (
        definitions(declared=B, learned=account(), fact_at=0), KeyOwner(mode="test", account=B, since_ms=SINCE + 1)
    ),
}  # fmt: skip


@pytest.mark.parametrize(("there", "owner"), OWNERS.values(), ids=OWNERS)
def test_the_owner_of_a_key(there, owner):
    assert owner_of(there, "acme") == owner
    assert owner_of(there, "other") is None


NOW, LIVE = KeyOwner(mode="test", account=A), KeyOwner(mode="live", account=A)
CHANGED = KeyOwner(mode="test", account=A, since_ms=SINCE)
BEFORE, AFTER = SINCE + KNOWN_BY_ALL_MS - 1, SINCE + KNOWN_BY_ALL_MS


def asked(*, livemode=None, tried=None, attempted=False, at=BEFORE):
    return Asked(connection="acme", livemode=livemode, tried=tried, attempted=attempted, first_appended_ms=at)


def tried(name=A, mode="test"):
    return Tried(mode=mode, account=name)


GOES_ON = {
    "never attempted": (asked(), NOW),
    "attempted under the same account": (asked(tried=tried(), attempted=True), NOW),
    "the same, after a change and back": (asked(tried=tried(), attempted=True), CHANGED),
    "attempted before anybody knew the account": (asked(tried=tried(None), attempted=True), NOW),
    "sent after the change was known": (asked(at=AFTER), CHANGED),
    "perhaps attempted, after the change was known": (asked(attempted=True, at=AFTER), CHANGED),
    "a test event with a test key": (asked(livemode=False), NOW),
    "a live event with a live key": (asked(livemode=True), LIVE),
}


@pytest.mark.parametrize(("command", "owner"), GOES_ON.values(), ids=GOES_ON)
def test_what_goes_on(command, owner):
    assert mismatch(command, owner) is None


ENDS = {
    "at another account": (asked(tried=tried(B), attempted=True), NOW, f"at account {B} (test mode): look there"),
    "in the other mode": (asked(tried=tried(), attempted=True), LIVE, f"at account {A} (test mode): look there"),
    "in the other mode of nobody knows": (
        asked(tried=tried(None), attempted=True), LIVE, "at the test-mode account that connection 'acme' had then"
    ),
    "the account is not known any more": (
        asked(tried=tried(), attempted=True), KeyOwner(mode="test"), "is of account (unknown) (test mode) now"
    ),
    "sent before the change": (asked(), CHANGED, "not attempted there"),
    "perhaps attempted before the change": (asked(attempted=True), CHANGED, "had before 1970-01-01T00:16:40.000Z"),
    "a test event and a live key": (asked(livemode=False), LIVE, "its run's event is of test mode"),
    "a live event and a test key": (asked(livemode=True), NOW, "its run's event is of live mode"),
    "the same, perhaps attempted": (asked(livemode=True, attempted=True), NOW, "may have been done in the other mode"),
}  # fmt: skip


@pytest.mark.parametrize(("command", "owner", "says"), ENDS.values(), ids=ENDS)
def test_what_ends_says_why(command, owner, says):
    assert says in (mismatch(command, owner) or "")


def test_a_key_may_be_used_for_its_owner_only():
    assert same(NOW, CHANGED)
    assert not same(NOW, LIVE)
    assert not same(NOW, None)

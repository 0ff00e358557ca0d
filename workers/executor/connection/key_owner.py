"""Whose key a connection has, and whether a command may still be done with it. Pure.

Stripe keeps Idempotency-Keys, objects and events by account and mode. A command that was attempted under one of them
would be done a second time under another, and a look-up there would find nothing. So a command ends where it began:

| the ledger says | it goes on if the key's owner | else it ends |
|---|---|---|
| attempted under a known account | is that account, in that mode | indeterminate |
| attempted, or may have been, under an unknown one | was the owner before the command was appended | indeterminate |
| never attempted | the same, and its mode is that of the command's event | failed |

"Since before" has a margin, `KNOWN_BY_ALL_MS`: a process whose definitions lag uses the former key for that long, at
most. Within the margin nobody can tell under which account a dead worker called.
"""

from typing import Final

from msgspec import Struct

from stripeline.contracts import stripe_metadata
from stripeline.contracts.definition_fields import Mode
from stripeline.contracts.definitions import Definitions
from stripeline.contracts.headers import rfc3339
from stripeline.contracts.internal_records import Tried

MAX_AGE_MS: Final = 60_000
"""No call is made with definitions that are older."""
KNOWN_BY_ALL_MS: Final = MAX_AGE_MS + 60_000
"""After a change of owner: no process calls with the former key any more. A minute of it is for the brokers' clocks."""


class KeyOwner(Struct, frozen=True, kw_only=True):
    """The account and mode of a connection's key.

    account: None while nobody knows it.
    since_ms: when the connection changed to this owner, by the broker's clock; None for its first one.
    held: why no call may be made with the key now, although the connection is there.
    """

    mode: Mode
    account: str | None = None
    since_ms: int | None = None
    held: str | None = None

    @property
    def words(self) -> str:
        return f"account {self.account or '(unknown)'} ({self.mode} mode)"


def owner_of(definitions: Definitions, name: str) -> KeyOwner | None:
    """The owner of a connection's key, as the control topic has it; None where there is no such connection."""
    connection, learned = definitions.connections.get(name), definitions.accounts.get(name)
    if connection is None:
        return None
    if learned is None:
        return KeyOwner(account=connection.account, mode=connection.mode)
    key = definitions.places.get(f"connection/{name}")
    if connection.mode != learned.mode or connection.account not in {None, learned.account}:
        # Not written by our `apply`, which keeps the two together: what stands beside the key is true of the key.
        since_ms = None if key is None else key.appended_ms
        return KeyOwner(account=connection.account, mode=connection.mode, since_ms=since_ms)
    fact = definitions.places.get(f"account/{name}")
    if not learned.changed or fact is None:
        return KeyOwner(account=learned.account, mode=learned.mode)
    # The account's record comes first: until the connection's follows, the key is still the former owner's.
    held = "waits for the key of its connection's new account" if key is None or key.offset < fact.offset else None
    return KeyOwner(account=learned.account, mode=learned.mode, since_ms=fact.appended_ms, held=held)


def same(owner: KeyOwner, other: KeyOwner | None) -> bool:
    """Whether a key that was chosen for one owner may be used for the other."""
    return other is not None and (owner.mode, owner.account) == (other.mode, other.account)


class Asked(Struct, frozen=True, kw_only=True):
    """What decides whether a command may be done with a key.

    livemode: the mode of its run's event, if it has one.
    tried: under which owner it was attempted, where that is known.
    attempted: it was, or may have been.
    """

    connection: str
    livemode: bool | None
    tried: Tried | None
    attempted: bool
    first_appended_ms: int


def mismatch(asked: Asked, owner: KeyOwner) -> str | None:
    """Why a command may not be done with this owner's key: what is wrong, and where to look. None when it may."""
    tried, name = asked.tried, asked.connection
    if tried is not None and tried.account is not None:
        if (tried.account, tried.mode) == (owner.account, owner.mode):
            return _of_other_mode(asked, owner)
        return _elsewhere(asked, owner, f"account {tried.account} ({tried.mode} mode)")
    if tried is not None and tried.mode != owner.mode:
        return _elsewhere(asked, owner, f"the {tried.mode}-mode account that connection {name!r} had then")
    if owner.since_ms is not None and asked.first_appended_ms < owner.since_ms + KNOWN_BY_ALL_MS:
        former = f"the account that connection {name!r} had before {rfc3339(owner.since_ms)}"
        if asked.attempted:
            return _elsewhere(asked, owner, former)
        return f"it was meant for {former}, and not attempted there; {_now(asked, owner)}, {_AGAIN}"
    return _of_other_mode(asked, owner)


_AGAIN: Final = "where it is done only if it is sent again under a new command_id"


def _of_other_mode(asked: Asked, owner: KeyOwner) -> str | None:
    if asked.livemode is None or asked.livemode is (owner.mode == "live"):
        return None
    event = "live" if asked.livemode else "test"
    doubt = "; it may have been done in the other mode: look there" if asked.attempted else ""
    return f"its run's event is of {event} mode, and {_now(asked, owner)}: it is never done there{doubt}"


def _elsewhere(asked: Asked, owner: KeyOwner, where: str) -> str:
    return (
        f"it was attempted, or may have been, at {where}: look there for an object with its id as"
        f" metadata['{stripe_metadata.COMMAND}']; {_now(asked, owner)}, {_AGAIN}"
    )


def _now(asked: Asked, owner: KeyOwner) -> str:
    return f"the key of connection {asked.connection!r} is of {owner.words} now"

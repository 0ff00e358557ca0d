"""Whose key a connection gets: what Stripe said about it, against what is stored and what the file declares. Pure.

A connection is one account in one mode for ever: `account/NAME` outlives the connection, so that a connection that was
deleted and made again is held to it too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from stripeline.contracts.definitions import Connection, Definitions
from stripeline.contracts.errors import StripeRefusal, refusal_of
from stripeline.contracts.ids import ACCOUNT_ID
from stripeline.contracts.operator.control_records import ConnectionAccount
from stripeline.contracts.vocabulary import Fault
from stripeline.workers.executor.answer_origin import json_object, not_stripes, stripe_error
from stripeline.workers.executor.stripe_answer import StripeAnswer

_OK = 200


@dataclass(frozen=True, slots=True)
class Named:
    """Stripe named the key's account."""

    account: str


@dataclass(frozen=True, slots=True)
class MayNotAsk:
    """The key works, and may not read its account."""


@dataclass(frozen=True, slots=True)
class KeyRefused:
    """Stripe does not accept the key."""


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Nobody knows: why."""

    why: str


AccountAnswer = Named | MayNotAsk | KeyRefused | NoAnswer


def answer_of(reply: StripeAnswer | Fault) -> AccountAnswer:
    """What the reply to `GET /v1/account` says."""
    if isinstance(reply, Fault):
        return NoAnswer("Stripe can't be reached" if reply is Fault.REFUSED else "Stripe's answer was lost")
    body = json_object(reply.body)
    account = (body or {}).get("id")
    if reply.status == _OK and isinstance(account, str) and ACCOUNT_ID.fullmatch(account):
        return Named(account)
    error = stripe_error(body)
    if error is None:
        return NoAnswer(not_stripes(reply.status, reply.headers))
    if refusal_of(reply.status, error.get("code")) is StripeRefusal.KEY:
        return KeyRefused()
    return MayNotAsk() if reply.status in {401, 403} else NoAnswer(f"Stripe answered {reply.status}")


def questions(stored: Definitions, wanted: Mapping[str, Connection]) -> list[str]:
    """The connections of which Stripe must be asked: their key is new, or their account is not known for sure."""
    return [name for name, one in wanted.items() if not _settled(stored, name, one)]


def _settled(stored: Definitions, name: str, wanted: Connection) -> bool:
    before, known = stored.connections.get(name), stored.accounts.get(name)
    if before is None or known is None or before.key_name != wanted.key_name:
        return False
    return wanted.account in {None, known.account} and wanted.mode == known.mode


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """The records to write, by connection; what to warn of; and why a connection is refused."""

    accounts: Mapping[str, ConnectionAccount] = field(default_factory=dict)
    warnings: Mapping[str, str] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)


def judge(
    stored: Definitions, name: str, wanted: Connection, answer: AccountAnswer, *, same_key: bool
) -> ConnectionAccount | str | None:
    """The account's record, a warning, or None where there is nothing to write. Raises AccountError for a refusal.

    same_key: it is the stored key, though it may be sealed with another master key.
    """
    account = _account(wanted, answer, same_key=same_key)
    known, before = stored.accounts.get(name), stored.connections.get(name)
    if account is None:
        return _unknown(known is not None or before is not None, answer, same_key=same_key)
    if known is not None:
        if (known.account, known.mode) != (account, wanted.mode):
            raise AccountError(_changed(name, f"account {known.account} in {known.mode} mode", account, wanted.mode))
        return None
    if before is not None and before.mode != wanted.mode:
        raise AccountError(_changed(name, f"{before.mode} mode", account, wanted.mode))
    if before is not None and not same_key and wanted.account is None:
        raise AccountError(
            f"nobody knows the account of the key that it replaces, so it may be another one. If that is {account} too,"
            f" write `account: {account}` beside the key; else give this connection a new name"
        )
    return ConnectionAccount(account=account, mode=wanted.mode)


class AccountError(Exception):
    """Why a connection may not have this key, and what to do."""


def _account(wanted: Connection, answer: AccountAnswer, *, same_key: bool) -> str | None:
    match answer:
        case Named(account=account):
            if wanted.account not in {None, account}:
                raise AccountError(f"the file declares {wanted.account}, and Stripe says that the key is of {account}")
            return account
        case KeyRefused() if not same_key:
            raise AccountError("Stripe does not accept this key: it is revoked, or mistyped. Paste one that works")
        case _:
            return wanted.account


def _unknown(was_there: bool, answer: AccountAnswer, *, same_key: bool) -> str | None:
    if same_key:
        return None
    if isinstance(answer, NoAnswer):
        raise AccountError(
            f"Stripe could not be asked whose key it is: {answer.why}. Try again, or declare it: write"
            " `account: acct_…` beside the key"
        )
    if was_there:
        raise AccountError(
            "this key may not read its account, so nobody knows whether it is of the same one as the key before."
            " Declare it: write `account: acct_…` beside the key, or permit the key to read its account"
        )
    return (
        "nobody knows its account: the key may not read it. Declare it, `account: acct_…`, before you replace the key"
    )


def _changed(name: str, before: str, account: str, mode: str) -> str:
    return (
        f"connection {name!r} is of {before}, and this key is of account {account} in {mode} mode. A connection keeps"
        " its account and mode, because what was sent to one account would be done again at another. Give the new"
        " account's connection a new name, and let triggers and workflows use that"
    )

"""Ids derived from the event id alone, so that a second delivery yields the same run and the same commands.

Several installations may work on one Stripe account: what is said to Stripe names the installation too.
"""

import hashlib
import json
import re
from typing import Any, Final

MAX_EVENT_ID: Final = 128
NAME = re.compile(r"^[a-z0-9][a-z0-9-]{0,39}$")
STEP = re.compile(r"^[a-z][a-z0-9_]{0,23}$")  # an identifier: expressions say `steps.<id>.<field>`
COMMAND_ID = re.compile(r"^[!-~]{1,200}$")
ACCOUNT_ID = re.compile(r"^acct_[A-Za-z0-9]{1,64}$")
INSTALLATION = re.compile(r"^[a-z0-9]{1,16}$")
EVENT_ID = re.compile(r"^[A-Za-z0-9_.-]{1,128}$")
_TEST_EVENT = re.compile(r"[A-Za-z0-9_.-]{1,85}_00000000000000")
KEY_PREFIX: Final = "stripeline:"
CHAIN_ENTRY = re.compile(r"^[a-z0-9]{1,16}/[a-z0-9][a-z0-9-]{0,39}$")


# Not orjson: it rejects integers beyond 64 bits, which a command may contain.
_sorted = json.JSONEncoder(sort_keys=True).encode


def occasion_of(event_id: str, *, livemode: bool | None, partition: int, offset: int) -> str:
    """What starts a run: an event, or one delivery of a test event."""
    return f"{event_id}@{partition}.{offset}" if is_test_event(event_id, livemode) else event_id


def is_test_event(event_id: str, livemode: bool | None) -> bool:
    """Whether it is from "Send test webhook" of Stripe's dashboard.

    That sends the same id each time, `evt_00000000000000`, or with a word in front of the zeros. It is recognised where
    a command's id has room for the place of the delivery.
    """
    return livemode is False and _TEST_EVENT.fullmatch(event_id) is not None


def run_id(occasion: str, workflow: str) -> str:
    return f"{occasion}:{workflow}"


MAX_NUMBER: Final = 99_999


def command_id(run: str, step: str, number: int = 1) -> str:
    """A step's first command, or one of its retries, `number` 2 and up.

    At most 128 + 1 + 40 + 1 + 24 = 194 characters, 200 with a number, within `COMMAND_ID`; of a test event two fewer.
    """
    return f"{run}:{step}" if number == 1 else f"{run}:{step}:{number}"


def idempotency_key(installation: str, command: str) -> str:
    """The Idempotency-Key of an installation's command: equal for every attempt, worker and replay.

    At most 11 + 16 + 1 + 200 = 228 characters; Stripe allows 255:
    https://docs.stripe.com/api/idempotent_requests
    """
    return f"{KEY_PREFIX}{installation}:{command}"


def digest(action: str, connection: str, value: Any, account: str | None = None) -> str:
    """A fingerprint of a command's content. A known id with another fingerprint is refused.

    account: the connected account that the command names; a connection's own account is not included.
    """
    content = [action, connection, value] if account is None else [action, connection, value, account]
    return hashlib.blake2b(_sorted(content).encode(), digest_size=12).hexdigest()

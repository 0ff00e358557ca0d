"""The installation that topics belong to: its record on the control topic, written once and never changed.

Its id is in every Idempotency-Key. So an id is made up only for topics that hold no command yet: under another id, a
command that was attempted would be a new one for Stripe.
"""

import secrets
import string
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from stripeline.contracts.ids import INSTALLATION
from stripeline.contracts.internal_records import encode
from stripeline.contracts.operator.control_keys import INSTALLATION_KEY
from stripeline.contracts.operator.control_records import FORMAT, Installation
from stripeline.deploy.failure import FailureError
from stripeline.workers.kafka.control_table import publish, read_all

_ID_LENGTH: Final = 12  # of 36 characters each: 62 bits
_ALPHABET: Final = string.ascii_lowercase + string.digits


class InstallationError(FailureError):
    """An installation that topics can't belong to: why, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned:
    """The installation that topics belong to, and whether its record was written just now."""

    id: str
    written: bool


async def assign(
    control: str, client: Mapping[str, Any], wanted: str | None, in_use: Callable[[], Awaitable[bool]]
) -> Assigned:
    """Write the record unless it is there. Raises InstallationError, KafkaError, TimeoutError.

    wanted: the id that was asked for. in_use: whether commands were sent to these topics.
    """
    stored = (await read_all(control, client)).installation
    if stored is not None:
        return Assigned(id=decided(control, stored, wanted).id, written=False)
    record = decided(control, None, wanted, in_use=await in_use())
    await publish(control, client, {INSTALLATION_KEY: encode(record)})
    kept = (await read_all(control, client)).installation  # another `topics apply` may have written its own
    return Assigned(id=(kept or record).id, written=True)


def decided(control: str, stored: Installation | None, wanted: str | None, *, in_use: bool = False) -> Installation:
    """The record that stays or is written. Raises InstallationError."""
    if wanted is not None and not INSTALLATION.fullmatch(wanted):
        raise InstallationError(
            f"{wanted!r} can't be an installation's id: it is 1 to 16 of the characters a to z and 0 to 9."
        )
    if stored is not None:
        return _kept(control, stored, wanted)
    if wanted is None and in_use:
        raise InstallationError(lost(control))
    return Installation(id=wanted or _new_id(), format=FORMAT)


def _kept(control: str, stored: Installation, wanted: str | None) -> Installation:
    if (wrong := stored.refusal(control)) is not None:
        raise InstallationError(wrong)
    if wanted not in {None, stored.id}:
        raise InstallationError(
            f"These topics belong to the installation {stored.id}, and not to {wanted}. The id is in the"
            " Idempotency-Key of every command, so it never changes: under another one, commands that wait would be"
            " done twice. For another installation, choose a new STRIPELINE_TOPIC_PREFIX."
        )
    return stored


def lost(control: str) -> str:
    """What to do where commands were sent, and nobody knows any more under which installation."""
    return (
        f"{control} has no installation record, but commands were sent to these topics. Under a new id, each of them"
        " that Stripe has done already would be done a second time. Write the record with the id that they were sent"
        " under: `stripeline topics apply --installation ID`. ID is in metadata[stripeline_installation] of every"
        " object that they made, and in /readyz of a worker that still runs. For topics of a version before 0.2.0,"
        " choose a new STRIPELINE_TOPIC_PREFIX instead."
    )


def absent(control: str) -> str:
    """Why a worker can't begin, or a check fails, where the record is not there."""
    return f"{control} has no installation record: write it with `stripeline topics apply`"


def _new_id() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))

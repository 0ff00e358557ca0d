"""Payloads as a person sees them: masked, one field a line, each line harmless; or why there is none. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup

from stripeline.contracts.masking import mask, mask_fields
from stripeline.deploy.console.auth.identity import ConsoleRole, Identity
from stripeline.deploy.console.formats import json_text
from stripeline.deploy.operations.reading.event_views import SENSITIVE
from stripeline.deploy.operations.reading.topic_reader import Read

MAX_BYTES: Final = 512 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """text: what to show; None where `words` say why not, and `command` shows it elsewhere."""

    text: Markup | None = None
    words: str = ""
    command: str | None = None


def payload_of(
    record: Read | None, view: Callable[[Read], Any], identity: Identity, command: str | None = None
) -> Payload:
    """What `view` makes of a record. command: of the command line, for what is too large for a page."""
    if not identity.may(ConsoleRole.READER):
        return Payload(words="Payloads need the role reader.")
    if record is None:
        return Payload(words="Kafka has this record no more, or not yet: its retention is over, or a newer one is.")
    if (size := len(record.value or b"")) > MAX_BYTES:
        return Payload(words=f"It has {size // 1024:,} KiB, which is too large to show here.", command=command)
    try:
        return Payload(text=pretty(view(record)))
    except RecursionError:
        return Payload(words="It is nested too deeply to show here.", command=command)


def pretty(value: object) -> Markup:
    """A JSON value, a field a line. Client secrets, keys and what the contract tags as sensitive are masked."""
    return json_text(mask_fields(mask(value), SENSITIVE))

"""What became of a publication: Kafka has it, or did not say so in time. Pure."""

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple


class Reason(StrEnum):
    """Why Kafka does not have a record, as far as we know."""

    AWAY = "kafka_away"
    FULL = "too_many_in_flight"
    LATE = "deadline"
    NO_TOPIC = "no_topic"
    NOT_ALLOWED = "not_authorised"
    TOO_LARGE = "too_large"
    FAILED = "failed"


class Published(NamedTuple):
    partition: int
    offset: int


class NotTaken(NamedTuple):
    """Kafka did not say in time that it has the record. It may have it all the same: Stripe's retry is a duplicate."""

    reason: Reason


Done = Callable[[Published | NotTaken], None]
"""Who is told what became of a record, once. It must not raise: the records behind this one are told after it."""

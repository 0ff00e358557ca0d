"""What became of a publication: Kafka has it, or did not say so in time. Pure."""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why Kafka does not have a record, as far as we know."""

    AWAY = "kafka_away"
    FULL = "too_many_in_flight"
    LATE = "deadline"
    NO_TOPIC = "no_topic"
    NOT_ALLOWED = "not_authorised"
    TOO_LARGE = "too_large"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    partition: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NotTaken:
    """Kafka did not say in time that it has the record. It may have it all the same: Stripe's retry is a duplicate."""

    reason: Reason

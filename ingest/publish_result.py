"""What became of a publication: Kafka has it, or did not say so in time. Pure."""

from collections.abc import Callable
from typing import NamedTuple

from msgspec import Struct

from stripeline.contracts.deliveries.delivery_vocabulary import NotTakenReason


class Published(Struct, frozen=True, gc=False):
    partition: int
    offset: int


class NotTaken(NamedTuple):
    """Kafka did not say in time that it has the record. It may have it all the same: Stripe's retry is a duplicate."""

    reason: NotTakenReason


Done = Callable[[Published | NotTaken], None]
"""Who is told what became of a record, once. It must not raise: the records behind this one are told after it."""

"""What ingest has published, as it notes it on `stripe.event-seen`: a sweep strikes these events out. Pure.

Written after the acknowledgement, in batches, and best effort: a missing note costs a second publication of its event,
whose run is known, and never an event.
"""

from typing import Annotated

from msgspec import Meta, Struct


class SeenEvent(Struct, frozen=True, array_like=True, gc=False):
    """One event, where it was published. An array, since there are many."""

    id: Annotated[str, Meta(description="Stripe's id of the event")]
    trigger: Annotated[str, Meta(description="the trigger that received it")]
    created_s: Annotated[int, Meta(ge=0, description="seconds since the epoch, by Stripe's clock")]
    topic: Annotated[str, Meta(description="the topic that has it")]
    partition: Annotated[int, Meta(ge=0)]
    offset: Annotated[int, Meta(ge=0)]


class SeenEvents(Struct, frozen=True, kw_only=True):
    """Events that were acknowledged together."""

    events: Annotated[tuple[SeenEvent, ...], Meta(min_length=1, description="each as an array")]

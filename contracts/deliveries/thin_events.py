"""Stripe's thin event: it names its object, and has no data. Pure.

https://docs.stripe.com/event-destinations#thin-events · https://docs.stripe.com/api/v2/core/events/object
"""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

THIN: Final = "v2.core.event"
"""The value of `object`."""
OF_V1: Final = "v1."
"""What the types of thin events begin with where they are of the objects that snapshot events are of."""
PING: Final = "v2.core.event_destination.ping"
GENERATION_FAILURE: Final = "v2.core.health.event_generation_failure.resolved"
"""Stripe failed to make events: they are neither sent nor listed, but it names their objects."""


class RelatedObject(Struct, frozen=True, kw_only=True):
    """The object that a thin event is about."""

    type: Annotated[str, Meta(description="such as `payment_intent`", max_length=200)]
    url: Annotated[str, Meta(description="its path at Stripe's API", max_length=2_000)]
    id: Annotated[
        Annotated[str, Meta(max_length=255)] | None,
        Meta(description="its id; none where its parent has one such object, as a customer has one discount"),
    ] = None


class ThinEvent(Struct, frozen=True, kw_only=True):
    """A thin event as Stripe sent it. Readers ignore its other fields."""

    id: Annotated[str, Meta(description="Stripe's id of the event", pattern=r"^[A-Za-z0-9_.-]{1,128}$")]
    object: Annotated[Literal["v2.core.event"], Meta(description="a thin event")]
    type: Annotated[str, Meta(description="such as `v1.payment_intent.succeeded`", pattern=r"^[a-z0-9_.]{1,200}$")]
    created: Annotated[str, Meta(description="RFC 3339", max_length=40)]
    livemode: Annotated[bool | None, Meta(description="false for a test")] = None
    context: Annotated[str | None, Meta(description="the account, or the path of accounts, of the event")] = None
    related_object: Annotated[RelatedObject | None, Meta(description="what it is about; none in a few types")] = None

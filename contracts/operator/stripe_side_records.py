"""The records of `stripe.control` about Stripe's side: the destinations that were made there, and how far sweeps came.

They follow the rules of `contracts/internal_records.py`.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from stripeline.contracts.action import SENSITIVE
from stripeline.contracts.internal_records import EpochMs

Payload = Literal["snapshot", "thin"]
"""What a destination sends: the event with its object, or a thin event that names the object."""


class Destination(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One destination at Stripe, with the signing secret that Stripe showed once."""

    id: Annotated[str, Meta(description="Stripe's id of it, `we_…` or `ed_…`", max_length=200)]
    payload: Annotated[Payload, Meta(description="what it sends")]
    connection: Annotated[str, Meta(description="the connection with whose key it was made", max_length=200)]
    signing_secret: Annotated[
        str,
        Meta(
            pattern="^sealed:",
            description="AES-256-GCM, bound to the endpoint's name",
            extra_json_schema=dict(SENSITIVE),
        ),
    ]
    made_ms: EpochMs = field(name="made_at")


class Destinations(Struct, frozen=True, kw_only=True):
    """The destinations that were made at Stripe for an endpoint, under `destination/NAME`.

    More than one of a payload only while they are rolled: a delivery may be signed with the secret of any of them.
    """

    destinations: Annotated[tuple[Destination, ...], Meta(description="the newest last", max_length=16)]


class SweptSince(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """From when on a trigger's events of these types are compared. Another family or account begins again."""

    trigger: Annotated[str, Meta(description="its name")]
    kind: Annotated[str, Meta(description="its object family")]
    payload: Annotated[Payload, Meta(description="which of Stripe's lists is compared")]
    connected: Annotated[bool, Meta(description="the events of connected accounts; else the account's own")] = False
    types: Annotated[tuple[str, ...], Meta(description="exact types, as Stripe's list names them")]
    since_s: Annotated[int, Meta(ge=0, description="seconds since the epoch, by Stripe's clock")] = field(name="since")


class Sweep(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far Stripe's list of a connection's events was compared with what came, under `sweep/CONNECTION`."""

    account: Annotated[str | None, Meta(description="the account of the connection's key, where it is known")] = None
    mode: Annotated[Literal["live", "test"], Meta(description="the mode of the connection's key")]
    triggers: Annotated[tuple[SweptSince, ...], Meta(description="whose events are compared")] = ()
    settled_upto_s: Annotated[
        int, Meta(ge=0, description="seconds since the epoch: events created before it were compared soon after")
    ] = field(name="settled_upto")
    closed_upto_s: Annotated[
        int,
        Meta(ge=0, description="seconds since the epoch: events created before it were compared for the last time"),
    ] = field(name="closed_upto")
    at_ms: EpochMs = field(name="at")
    missing: Annotated[int, Meta(ge=0, description="events of the last closed window that were missing")] = 0
    settled_missing: Annotated[int, Meta(ge=0, description="events of the last settled window that were missing")] = 0

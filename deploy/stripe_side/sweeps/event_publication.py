"""What is published of an event that never came: what ingest would have published, and that it is late. Pure."""

from typing import NamedTuple

from msgspec.structs import replace

from stripeline.contracts.headers import LATE_BY, SOURCE
from stripeline.deploy.stripe_side.sweeps.event_comparison import Lacking
from stripeline.ingest.routing import Ignored, Publication, Rejected, route
from stripeline.ingest.trigger import TriggerView
from stripeline.ingest.webhook import MAX_BODY
from stripeline.ingest.webhook_path import PathView


class Missed(NamedTuple):
    """An event that never came to a trigger, and its record."""

    lacking: Lacking
    publication: Publication


def publication(lacking: Lacking, connection: str, now_ms: int) -> Missed | Ignored | Rejected | None:
    """The record, or why ingest would have published none; None where it is too large for a delivery."""
    event, trigger = lacking.event, lacking.trigger
    if len(event.body) > MAX_BODY:
        return None
    view = TriggerView(name=trigger.name, family_kind=trigger.family.kind, connection=connection, payload=event.listed)
    path = PathView(name=trigger.name, triggers=(view,), livemode=trigger.livemode)
    routed = route(event.body, path=path, received_at_ms=now_ms, traceparent=None)
    if not isinstance(routed, Publication):
        return routed
    late_ms = max(0, now_ms - event.created_s * 1000)
    late = ((SOURCE, b"backfill"), (LATE_BY, str(late_ms).encode()))
    return Missed(lacking, replace(routed, headers=routed.headers + late))

"""Makes the events that a test asks for, one or a hundred thousand, of objects that can be read afterwards. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from stripeline.contracts.deliveries.thin_events import GENERATION_FAILURE
from stripeline.deploy.sandbox.accounts import scope_of
from stripeline.deploy.sandbox.api.execution import Endpoints
from stripeline.deploy.sandbox.api.objects import Birth
from stripeline.deploy.sandbox.api.values import kept_json
from stripeline.deploy.sandbox.events.event_objects import object_after, object_of, related_of, stored_id, subject_of
from stripeline.deploy.sandbox.events.kept_events import Happened, KeptEvent, RelatedPath
from stripeline.deploy.sandbox.events.thin_event_api import rfc3339
from stripeline.deploy.sandbox.webhooks import SandboxWebhooks


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedEvents:
    """`count` events over `spread_ms` from `first_ms` on; each of the `objects` has all `types`, in their order."""

    types: tuple[str, ...]
    count: int
    objects: int
    first_ms: int
    spread_ms: int
    account: str
    livemode: bool
    deliver: bool
    event_id: str | None = None
    object_id: str | None = None
    gone: bool = False
    listed_from_ms: int = 0
    api_version: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    previous_attributes: Mapping[str, Any] | None = None
    request: Mapping[str, str | None] = field(default_factory=lambda: {"id": None, "idempotency_key": None})


class EventMaker:
    def __init__(self, endpoints: Endpoints, webhooks: SandboxWebhooks) -> None:
        self._endpoints, self._webhooks = endpoints, webhooks

    def make(self, wanted: WantedEvents, now_ms: int) -> Iterator[KeptEvent]:
        ids: dict[tuple[int, str], str] = {}
        objects: dict[tuple[int, str], tuple[bytes, RelatedPath | None]] = {}
        for number in range(wanted.count):
            turn, which = divmod(number, len(wanted.types))
            event_type, position = wanted.types[which], turn % wanted.objects
            name = (position, event_type)
            if name not in objects:
                noun = (position, subject_of(event_type).object)
                ids.setdefault(noun, wanted.object_id or self._endpoints.new_id(subject_of(event_type)))
                objects[name] = self._object(wanted, event_type, ids[noun], now_ms)
            happened = _happened(wanted, number, event_type, *objects[name], self._webhooks.api_version)
            yield from self._webhooks.happened(happened, event_id=wanted.event_id, deliver=wanted.deliver)

    def generation_failure(
        self, event_type: str, object_id: str | None, account: str, now_ms: int, *, livemode: bool
    ) -> KeptEvent:
        """The data of the fetched event names the object: docs.stripe.com/webhooks/handle-irrecoverable-events."""
        resource = subject_of(event_type)
        birth = Birth(id=object_id or self._endpoints.new_id(resource), created=now_ms // 1000, livemode=livemode)
        made = object_of(event_type, birth, {})
        scope = scope_of(account, livemode=livemode)
        self._endpoints.store.put(scope, stored_id(event_type, made), made, kept_json(made), now_ms)
        happened = Happened(
            type=GENERATION_FAILURE,
            object=b"null",
            account=account,
            livemode=livemode,
            request={},
            at_ms=now_ms,
            api_version=self._webhooks.api_version,
            data=_failure(event_type, made, resource.path, now_ms),
        )
        (event,) = self._webhooks.happened(happened)
        return event

    def _object(
        self, wanted: WantedEvents, event_type: str, object_id: str, now_ms: int
    ) -> tuple[bytes, RelatedPath | None]:
        birth = Birth(id=object_id, created=wanted.first_ms // 1000, livemode=wanted.livemode)
        made = object_of(event_type, birth, wanted.data)
        body, scope = kept_json(made), scope_of(wanted.account, livemode=wanted.livemode)
        after = None if wanted.gone else object_after(event_type, made)
        if after is None:
            self._endpoints.store.remove(scope, stored_id(event_type, made))
        else:
            self._endpoints.store.put(
                scope, stored_id(event_type, made), after, body if after is made else kept_json(after), now_ms
            )
        return body, related_of(event_type, made)


def _happened(
    wanted: WantedEvents, number: int, event_type: str, body: bytes, related: RelatedPath | None, api_version: str
) -> Happened:
    return Happened(
        type=event_type,
        object=body,
        related=related,
        account=wanted.account,
        livemode=wanted.livemode,
        request=wanted.request,
        at_ms=wanted.first_ms + number * wanted.spread_ms // wanted.count,
        api_version=wanted.api_version or api_version,
        previous_attributes=wanted.previous_attributes,
        listed_from_ms=wanted.listed_from_ms,
    )


def _failure(event_type: str, made: Mapping[str, Any], path: str, now_ms: int) -> Mapping[str, Any]:
    """The `url` is the dashboard's, as in Stripe's example: it is for a person, and no path of the API."""
    url = f"https://dashboard.stripe.com/{path}/{made['id']}"
    return {
        "alert_id": f"halert_{made['id']}",
        "grouping_key": f"_grouping_{event_type}",
        "impact": {
            "event_type": event_type,
            "related_object_id": made["id"],
            "related_object": {"id": made["id"], "type": made["object"], "url": url},
        },
        "resolved_at": rfc3339(now_ms),
        "summary": "We have failed to create a notification for your Stripe account.",
    }

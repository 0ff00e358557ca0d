"""The part of the control API that makes events, and says what becomes of deliveries and destinations. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl

from stripeline.deploy.sandbox import control_models as models
from stripeline.deploy.sandbox.accounts import is_live
from stripeline.deploy.sandbox.api.values import SandboxRequest
from stripeline.deploy.sandbox.events.kept_events import EVENTS_KEPT, KeptEvent
from stripeline.deploy.sandbox.events.made_events import EventMaker, WantedEvents
from stripeline.deploy.sandbox.sandbox import Sandbox
from stripeline.deploy.sandbox.webhooks import MAX_WAITING

DEFAULT_EVENTS, MOST_OBJECTS = 1000, 1000


def events(sandbox: Sandbox, call: SandboxRequest, _now_ms: int) -> Any:
    """In the order in which they were made; `thin=1`: the thin ones."""
    query = dict(parse_qsl(call.query))
    log = sandbox.webhooks.thin if models.number(query, "thin", 0) else sandbox.webhooks.snapshots
    after, limit = models.number(query, "after", 0), models.number(query, "limit", DEFAULT_EVENTS)
    rows = [_row(event) for event in islice(log, after, after + limit)]
    return {"events": rows, "kept": len(log), "keeps": EVENTS_KEPT, "forgotten": log.forgotten}


def make_events(sandbox: Sandbox, call: SandboxRequest, now_ms: int) -> Any:
    wanted = _wanted(sandbox, models.EventsBody.model_validate_json(call.body), now_ms)
    made = list(EventMaker(sandbox.endpoints, sandbox.webhooks).make(wanted, now_ms))
    snapshots, thin = ([event.id for event in made if event.thin is kind] for kind in (False, True))
    return {"made": wanted.count, "ids": snapshots, "thin_ids": thin}


def send_again(sandbox: Sandbox, call: SandboxRequest, now_ms: int) -> Any:
    """As `stripe events resend` does, or Stripe itself after an outage."""
    wanted, webhooks = models.SendAgainBody.model_validate_json(call.body), sandbox.webhooks
    for event_id in wanted.ids:
        event = webhooks.snapshots.get(event_id) or webhooks.thin.get(event_id)
        if event is None:
            raise models.RefusedError(f"There is no event {event_id}: GET /_sandbox/events lists them.")
        webhooks.deliver(event)
    if wanted.failed:
        webhooks.deliver_failed()
    return deliveries(sandbox, call, now_ms)


def deliveries(sandbox: Sandbox, _call: SandboxRequest, _now_ms: int) -> Any:
    rules = [asdict(rule) | {"types": sorted(rule.types)} for rule in sandbox.webhooks.rules.rules]
    return {"rules": rules, "deliveries": sandbox.webhooks.deliveries()}


def add_rule(sandbox: Sandbox, call: SandboxRequest, now_ms: int) -> Any:
    sandbox.webhooks.rules.rules.append(models.DeliveryRuleBody.model_validate_json(call.body).rule())
    return deliveries(sandbox, call, now_ms)


def clear_rules(sandbox: Sandbox, call: SandboxRequest, now_ms: int) -> Any:
    """What is held stays held."""
    sandbox.webhooks.rules.rules.clear()
    return deliveries(sandbox, call, now_ms)


def release(sandbox: Sandbox, call: SandboxRequest, _now_ms: int) -> Any:
    shuffled = models.ReleaseBody.model_validate_json(call.body or b"{}").shuffle
    return {"released": sandbox.webhooks.release(sandbox.rng.shuffle if shuffled else None)}


def _row(event: KeptEvent) -> dict[str, Any]:
    happened = event.happened
    return {
        "id": event.id,
        "type": event.type,
        "twin": event.twin_id,
        "created": happened.at_ms // 1000,
        "account": happened.account,
        "livemode": happened.livemode,
        "pending": event.pending,
        "failed": event.failed,
    }


def _wanted(sandbox: Sandbox, body: models.EventsBody, now_ms: int) -> WantedEvents:
    if body.deliver and body.count > MAX_WAITING:
        raise models.RefusedError(f"At most {MAX_WAITING} events are sent in one call: set deliver to false.")
    key, spread_ms = body.key.get_secret_value(), round(body.spread_s * 1000)
    first_ms = now_ms - spread_ms if body.created is None else body.created * 1000
    if first_ms + spread_ms > now_ms:
        raise models.RefusedError("An event is not created in the future: give a smaller `created` or `spread_s`.")
    return WantedEvents(
        types=body.types,
        count=body.count,
        objects=body.objects or max(1, min(MOST_OBJECTS, body.count // len(body.types))),
        first_ms=first_ms,
        spread_ms=spread_ms,
        account=body.account or sandbox.accounts.account_of(key),
        livemode=is_live(key),
        deliver=body.deliver,
        event_id=body.id,
        object_id=body.object_id,
        gone=body.gone,
        listed_from_ms=now_ms + round(body.listed_after_s * 1000),
        api_version=body.api_version,
        data=body.data,
        previous_attributes=body.previous_attributes,
        request={"id": None, "idempotency_key": body.idempotency_key},
    )


def destinations(sandbox: Sandbox, _call: SandboxRequest, _now_ms: int) -> Any:
    """Those that Stripe's APIs made, without their secrets."""
    return {
        "destinations": [
            {
                "id": one.id,
                "account": one.account,
                "livemode": one.livemode,
                "url": one.url,
                "types": one.types,
                "thin": one.thin,
                "events_from": one.events_from,
                "disabled_for": one.disabled_for,
                "metadata": one.metadata,
            }
            for one in sandbox.webhooks.destinations
        ]
    }


def set_destination(sandbox: Sandbox, call: SandboxRequest, now_ms: int) -> Any:
    """As Stripe disables one that has failed for days."""
    wanted = models.DestinationBody.model_validate_json(call.body)
    found = sandbox.webhooks.destinations.get(wanted.id)
    if found is None:
        raise models.RefusedError(f"There is no destination {wanted.id}: GET /_sandbox/destinations lists them.")
    found.disabled_for, found.updated_ms = wanted.disabled_for, now_ms
    return destinations(sandbox, call, now_ms)


def make_health_event(sandbox: Sandbox, call: SandboxRequest, now_ms: int) -> Any:
    """An event of this type was never made: the object is there, and the thin event that says so."""
    wanted = models.HealthBody.model_validate_json(call.body)
    key = wanted.key.get_secret_value()
    account, livemode = wanted.account or sandbox.accounts.account_of(key), is_live(key)
    maker = EventMaker(sandbox.endpoints, sandbox.webhooks)
    event = maker.generation_failure(wanted.type, wanted.object_id, account, now_ms, livemode=livemode)
    return {"id": event.id, "data": event.happened.data}


Operation = Callable[[Sandbox, SandboxRequest, int], Any]
EVENT_OPERATIONS: Mapping[tuple[str, str], Operation] = {
    ("GET", "/events"): events,
    ("POST", "/events"): make_events,
    ("POST", "/events/again"): send_again,
    ("GET", "/destinations"): destinations,
    ("POST", "/destinations"): set_destination,
    ("POST", "/health"): make_health_event,
    ("GET", "/deliveries"): deliveries,
    ("POST", "/deliveries"): add_rule,
    ("DELETE", "/deliveries"): clear_rules,
    ("POST", "/deliveries/release"): release,
}

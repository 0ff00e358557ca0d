"""Executes what was admitted: creates, reads, lists and searches objects of one account, and enters effects.

Never asks whether it may: authorisation, limits, idempotency and faults are decided before.
"""

import random
from collections.abc import Sequence
from typing import Any, Protocol

import orjson

from stripeline.deploy.sandbox import magic
from stripeline.deploy.sandbox.accounts import Accounts
from stripeline.deploy.sandbox.api.listing import list_answer
from stripeline.deploy.sandbox.api.objects import Birth, Object
from stripeline.deploy.sandbox.api.resources import (
    ACCOUNT,
    EVENT,
    EVENT_DESTINATION,
    RESOURCES,
    THIN_EVENT,
    WEBHOOK_ENDPOINT,
    Resource,
)
from stripeline.deploy.sandbox.api.routes import AdmittedRequest
from stripeline.deploy.sandbox.api.search import search_answer
from stripeline.deploy.sandbox.api.stripe_errors import DOC_URL, missing_object
from stripeline.deploy.sandbox.api.values import Params, SandboxAnswer, kept_json
from stripeline.deploy.sandbox.destinations.event_destination_api import EventDestinationApi
from stripeline.deploy.sandbox.destinations.webhook_endpoint_api import WebhookEndpointApi
from stripeline.deploy.sandbox.effects import Effect, SandboxLedger
from stripeline.deploy.sandbox.events.kept_events import Happened, RelatedPath
from stripeline.deploy.sandbox.events.snapshot_events import SnapshotEvents
from stripeline.deploy.sandbox.events.thin_event_api import ThinEvents
from stripeline.deploy.sandbox.store import EVERYBODY, Row, Store
from stripeline.deploy.sandbox.webhooks import SandboxWebhooks

COMMAND_KEY = "stripeline_command"  # the metadata key under which our executor writes the command's id
DECLINED = {
    "code": "card_declined",
    "decline_code": "insufficient_funds",
    "doc_url": DOC_URL + "card-declined",
    "message": "Your card has insufficient funds.",
    "type": "card_error",
}


class Service(Protocol):
    """Answers for a collection that is not kept like a resource."""

    def answer(self, order: AdmittedRequest, now_ms: int) -> SandboxAnswer: ...


class Endpoints:
    def __init__(self, rng: random.Random, webhooks: SandboxWebhooks, accounts: Accounts) -> None:
        self._rng = rng
        self._accounts = accounts
        self._webhooks = webhooks
        self._salt = f"{rng.getrandbits(56):014x}"
        self._count = 0
        self.search_delay_ms = 0
        self.store = Store()
        self._services: dict[str, Service] = {
            EVENT.object: SnapshotEvents(webhooks.snapshots),
            THIN_EVENT.object: ThinEvents(webhooks.thin),
            WEBHOOK_ENDPOINT.object: WebhookEndpointApi(webhooks.destinations),
            EVENT_DESTINATION.object: EventDestinationApi(webhooks.destinations, webhooks.ping),
        }
        self.ledger = SandboxLedger()
        self.seed_magic()

    def seed_magic(self) -> None:
        """The charges and the customer that each account finds."""
        charges = RESOURCES["charges"]
        for status in magic.SEEDED_CHARGES:
            refunded = status == "refunded"
            seed: Params = {"status": "succeeded" if refunded else status, "refunded": refunded}
            self.seed(charges, magic.CHARGE_PREFIX + status, seed, EVERYBODY, 0)
        for number in magic.MAGIC:
            self.seed(charges, f"{magic.CHARGE_PREFIX}{number}", {}, EVERYBODY, 0)
        self.seed(RESOURCES["customers"], magic.SEEDED_CUSTOMER, {}, EVERYBODY, 0)

    def seed(
        self,
        resource: Resource,
        object_id: str | None,
        params: Params,
        scope: str,
        now_ms: int,
        *,
        livemode: bool = False,
    ) -> Object:
        """Put an object there without an effect."""
        birth = Birth(id=object_id or self.new_id(resource), created=now_ms // 1000, livemode=livemode)
        made = resource.build(birth, params)
        self.store.add(scope, made, kept_json(made), now_ms)
        return made

    def execute(self, order: AdmittedRequest, now_ms: int, *, declined: bool = False) -> SandboxAnswer:
        route, resource = order.route, order.route.resource
        if not isinstance(resource, Resource):
            return self._services[resource.object].answer(order, now_ms)
        match route.kind:
            case "create":
                return self._create(order, resource, now_ms, declined=declined)
            case "list":
                return list_answer(resource, self._rows(order, resource), order.params)
            case "search":
                indexed_until_ms = now_ms - self.search_delay_ms
                return search_answer(resource, self.store, order.scope, order.params, indexed_until_ms)
            case "account":
                birth = Birth(id=order.account, created=0, livemode=order.livemode)
                return SandboxAnswer(status=200, body=orjson.dumps(resource.build(birth, {})))
            case _:
                return self._retrieve(order.scope, resource, str(route.object_id))

    def _rows(self, order: AdmittedRequest, resource: Resource) -> Sequence[Row]:
        """Oldest first. `created` of an account is when it was connected."""
        if resource is not ACCOUNT:
            return self.store.rows(order.scope, resource.object)
        rows = []
        for position, (account, at_s) in enumerate(self._accounts.connected_to(order.account)):
            made = resource.build(Birth(id=account, created=at_s, livemode=order.livemode), {}) | {"created": at_s}
            rows.append(Row(id=account, position=position, created_ms=at_s * 1000, body=orjson.dumps(made)))
        return rows

    def _retrieve(self, scope: str, resource: Resource, object_id: str) -> SandboxAnswer:
        there = resource.singleton or object_id.startswith(resource.prefix)
        row = self.store.get(scope, object_id) if there else None
        if row is None:
            return missing_object(resource.noun, object_id, param=resource.id_param)
        return SandboxAnswer(status=200, body=row.body)

    def _create(self, order: AdmittedRequest, resource: Resource, now_ms: int, *, declined: bool) -> SandboxAnswer:
        params = order.params
        buyer = params.get("customer")
        if buyer is not None and self.store.get(order.scope, buyer) is None:
            # Found while executing, so it is kept under the key like any other outcome.
            return missing_object("customer", buyer, param="customer", status=400)
        secret = f"{self._rng.getrandbits(100):025x}"
        birth = Birth(id=self.new_id(resource), created=now_ms // 1000, livemode=order.livemode, secret=secret)
        made = resource.build(birth, params)
        if declined:
            made["last_payment_error"] = DECLINED
        body = kept_json(made)
        self.store.add(order.scope, made, body, now_ms)
        related = RelatedPath(id=made["id"], type=resource.object, url=f"{resource.url}/{made['id']}")
        self._tell(order, related, body, now_ms, declined=declined)
        if declined:
            return SandboxAnswer(status=402, body=orjson.dumps({"error": {**DECLINED, "payment_intent": made}}))
        self.ledger.effect(self._effect(order, made, now_ms))
        return SandboxAnswer(status=200, body=body)

    def _tell(self, order: AdmittedRequest, related: RelatedPath, body: bytes, now_ms: int, *, declined: bool) -> None:
        request = {"id": order.request_id, "idempotency_key": order.idempotency_key}
        for verb in ("created", "payment_failed")[: 1 + declined]:
            happened = Happened(
                type=f"{related.type}.{verb}",
                object=body,
                related=related,
                account=order.account,
                livemode=order.livemode,
                request=request,
                at_ms=now_ms,
                api_version=self._webhooks.api_version,
                listed_from_ms=now_ms + self._webhooks.listed_after_ms,
            )
            self._webhooks.happened(happened)

    def _effect(self, order: AdmittedRequest, made: dict[str, Any], now_ms: int) -> Effect:
        return Effect(
            seq=len(self.ledger.effects) + 1,
            account=order.account,
            livemode=order.livemode,
            object=made["object"],
            id=made["id"],
            idempotency_key=order.idempotency_key,
            command=made["metadata"].get(COMMAND_KEY),
            amount=made.get("amount"),
            created=made["created"],
            request_id=order.request_id,
            received_at_ms=now_ms,
        )

    def new_id(self, resource: Resource) -> str:
        self._count += 1
        return f"{resource.prefix}{self._salt}{self._count:010x}"

"""Executes what was admitted: creates, reads, lists and searches objects of one account, and enters effects.

Never asks whether it may: authorisation, limits, idempotency and faults are decided before.
"""

import random
from dataclasses import dataclass
from typing import Any

import orjson

from stripeline.deploy.sandbox import magic
from stripeline.deploy.sandbox.accounts import ACCOUNT_PERMISSION
from stripeline.deploy.sandbox.api.listing import list_answer
from stripeline.deploy.sandbox.api.objects import Birth, Object
from stripeline.deploy.sandbox.api.params import judge
from stripeline.deploy.sandbox.api.resources import ACCOUNT, RESOURCES, Resource
from stripeline.deploy.sandbox.api.search import search_answer
from stripeline.deploy.sandbox.api.stripe_errors import DOC_URL, missing_object
from stripeline.deploy.sandbox.api.values import Params, SandboxAnswer
from stripeline.deploy.sandbox.effects import Effect, SandboxLedger
from stripeline.deploy.sandbox.store import EVERYBODY, Store
from stripeline.deploy.sandbox.webhooks import Happened, SandboxWebhooks

ACCOUNTS = "/v1/accounts/"
COMMAND_KEY = "stripeline_command"  # the metadata key under which our executor writes the command's id
DECLINED = {
    "code": "card_declined",
    "decline_code": "insufficient_funds",
    "doc_url": DOC_URL + "card-declined",
    "message": "Your card has insufficient funds.",
    "type": "card_error",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    resource: Resource
    kind: str  # create | retrieve | list | search | account
    object_id: str | None = None

    @property
    def permission(self) -> str:
        """What a restricted key must have, as Stripe names it behind `rak_`."""
        if self.kind == "account":
            return ACCOUNT_PERMISSION
        return f"{self.resource.object}_{'write' if self.kind == 'create' else 'read'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmittedRequest:
    """An admitted request."""

    route: Route
    params: Params
    account: str
    scope: str  # the account in one mode
    livemode: bool
    idempotency_key: str | None
    request_id: str


def account_named(path: str) -> str | None:
    """The account of `/v1/accounts/{id}`."""
    named = path.removeprefix(ACCOUNTS)
    return named if path != named and named and "/" not in named else None


def route_of(method: str, path: str) -> Route | None:
    """`/v1/{resource}`, `/v1/{resource}/search`, `/v1/{resource}/{id}`, `/v1/account`, `/v1/accounts/{id}`."""
    _, _, rest = path.partition("/v1/")
    name, _, tail = rest.partition("/")
    resource = RESOURCES.get(name)
    if method == "GET" and (path == "/v1/account" or account_named(path)):
        return Route(resource=ACCOUNT, kind="account")
    if resource is None or not path.startswith("/v1/") or "/" in tail:
        return None
    return _route_to(resource, method, tail)


def _route_to(resource: Resource, method: str, tail: str) -> Route | None:
    match method, tail:
        case "POST", "":
            return Route(resource=resource, kind="create") if resource.known is not None else None
        case "GET", "":
            return Route(resource=resource, kind="list")
        case "GET", "search":
            return Route(resource=resource, kind="search") if resource.search else None
        case "GET", _:
            return Route(resource=resource, kind="retrieve", object_id=tail)
        case _:
            return None


def refusal(order: AdmittedRequest) -> SandboxAnswer | None:
    """What Stripe finds wrong before a request executes. Reads judge their own parameters."""
    resource = order.route.resource
    if order.route.kind != "create" or resource.known is None:
        return None
    return judge(order.params, resource.known, resource.required)


class Endpoints:
    def __init__(self, rng: random.Random, webhooks: SandboxWebhooks) -> None:
        self._rng = rng
        self._webhooks = webhooks
        self._salt = f"{rng.getrandbits(56):014x}"
        self._count = 0
        self.search_delay_ms = 0
        self.store = Store()
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
        birth = Birth(id=object_id or self._new_id(resource), created=now_ms // 1000, livemode=livemode)
        made = resource.build(birth, params)
        self.store.add(scope, made, orjson.dumps(made), now_ms)
        return made

    def execute(self, order: AdmittedRequest, now_ms: int, *, declined: bool = False) -> SandboxAnswer:
        route, resource = order.route, order.route.resource
        match route.kind:
            case "create":
                return self._create(order, now_ms, declined=declined)
            case "list":
                return list_answer(resource, self.store.rows(order.scope, resource.object), order.params)
            case "search":
                indexed_until_ms = now_ms - self.search_delay_ms
                return search_answer(resource, self.store, order.scope, order.params, indexed_until_ms)
            case "account":
                birth = Birth(id=order.account, created=0, livemode=order.livemode)
                return SandboxAnswer(status=200, body=orjson.dumps(resource.build(birth, {})))
            case _:
                return self._retrieve(order.scope, resource, str(route.object_id))

    def _retrieve(self, scope: str, resource: Resource, object_id: str) -> SandboxAnswer:
        row = self.store.get(scope, object_id) if object_id.startswith(resource.prefix) else None
        if row is None:
            return missing_object(resource.noun, object_id, param=resource.id_param)
        return SandboxAnswer(status=200, body=row.body)

    def _create(self, order: AdmittedRequest, now_ms: int, *, declined: bool) -> SandboxAnswer:
        resource, params = order.route.resource, order.params
        buyer = params.get("customer")
        if buyer is not None and self.store.get(order.scope, buyer) is None:
            # Found while executing, so it is kept under the key like any other outcome.
            return missing_object("customer", buyer, param="customer", status=400)
        secret = f"{self._rng.getrandbits(100):025x}"
        birth = Birth(id=self._new_id(resource), created=now_ms // 1000, livemode=order.livemode, secret=secret)
        made = resource.build(birth, params)
        if declined:
            made["last_payment_error"] = DECLINED
        body = orjson.dumps(made)
        self.store.add(order.scope, made, body, now_ms)
        self._tell(order, made, now_ms, declined=declined)
        if declined:
            return SandboxAnswer(status=402, body=orjson.dumps({"error": {**DECLINED, "payment_intent": made}}))
        self.ledger.effect(self._effect(order, made, now_ms))
        return SandboxAnswer(status=200, body=body)

    def _tell(self, order: AdmittedRequest, made: Object, now_ms: int, *, declined: bool) -> None:
        request = {"id": order.request_id, "idempotency_key": order.idempotency_key}
        for verb in ("created", "payment_failed")[: 1 + declined]:
            happened = Happened(
                type=f"{made['object']}.{verb}",
                object=made,
                account=order.account,
                livemode=order.livemode,
                request=request,
                at_ms=now_ms,
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

    def _new_id(self, resource: Resource) -> str:
        self._count += 1
        return f"{resource.prefix}{self._salt}{self._count:010x}"

"""The control API under `/_sandbox`: a test's hand on the sandbox. Pure: takes method, path, query and body.

Never answers with a key; whether the peer may call it at all is decided by the adapter.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from urllib.parse import parse_qsl

import orjson
from pydantic import ValidationError

from stripeline.deploy.sandbox import control_models as models
from stripeline.deploy.sandbox.accounts import is_live, scope_of
from stripeline.deploy.sandbox.api.resources import ACCOUNT, RESOURCES, SERVED
from stripeline.deploy.sandbox.api.values import SandboxAnswer, SandboxRequest
from stripeline.deploy.sandbox.control_events import EVENT_OPERATIONS, Operation
from stripeline.deploy.sandbox.hops import HOPS
from stripeline.deploy.sandbox.magic import CHARGE_PREFIX, MAGIC, SEEDED_CHARGES, SEEDED_CUSTOMER
from stripeline.deploy.sandbox.sandbox import Sandbox
from stripeline.deploy.sandbox.store import EVERYBODY
from stripeline.deploy.sandbox.webhook_endpoints import WebhookEndpoint

PREFIX = "/_sandbox"
LEDGER_FILTERS = frozenset({"object", "account", "livemode", "command", "idempotency_key", "id"})
DEFAULT_REQUESTS = 100


def control(sandbox: Sandbox, call: SandboxRequest, now_ms: int) -> SandboxAnswer:
    method, path = call.method, call.path
    operation = OPERATIONS.get((method, path.removeprefix(PREFIX).rstrip("/")))
    if operation is None:
        return _answer(404, {"error": f"The sandbox has no {method} {path}: GET {PREFIX} lists what it has."})
    try:
        return _answer(200, operation(sandbox, call, now_ms))
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, part['loc'])) or 'body'}: {part['msg']}" for part in error.errors()]
        return _answer(400, {"error": f"The body of {method} {path} is refused: {'; '.join(problems)}."})
    except models.RefusedError as error:
        return _answer(400, {"error": str(error)})


def _answer(status: int, value: Any) -> SandboxAnswer:
    return SandboxAnswer(status=status, body=orjson.dumps(value))


def _index(_sandbox: Sandbox, _call: SandboxRequest, _now_ms: int) -> Any:
    return {
        "about": "Stripeline's sandbox Stripe. Everything is in memory; nothing reaches Stripe.",
        "control": [f"{method} {PREFIX}{path}" for method, path in OPERATIONS],
        "stripe": ["/v1/account", *(row.url for row in (ACCOUNT, *RESOURCES.values(), *SERVED))],
        "magic": {str(number): magic.says for number, magic in MAGIC.items()},
        "magic_use": f"amount of a PaymentIntent, [sandbox:NUMBER] in a description, charge id {CHARGE_PREFIX}NUMBER",
        "hops": list(HOPS),
        "seeded": [*(CHARGE_PREFIX + status for status in SEEDED_CHARGES), SEEDED_CUSTOMER],
    }


def _ledger(sandbox: Sandbox, call: SandboxRequest, _now_ms: int) -> Any:
    query = dict(parse_qsl(call.query))
    filters = {name: value for name, value in query.items() if name not in ("limit", "after")}
    if unknown := filters.keys() - LEDGER_FILTERS:
        raise models.RefusedError(
            f"Unknown filter {', '.join(sorted(unknown))}: use {', '.join(sorted(LEDGER_FILTERS))}."
        )
    limit = models.number(query, "limit", 0) if "limit" in query else None
    return sandbox.endpoints.ledger.view(filters, after=models.number(query, "after", 0), limit=limit)


def _requests(sandbox: Sandbox, call: SandboxRequest, _now_ms: int) -> Any:
    return {
        "requests": sandbox.endpoints.ledger.recent(
            models.number(dict(parse_qsl(call.query)), "limit", DEFAULT_REQUESTS)
        )
    }


def _clock(sandbox: Sandbox, _call: SandboxRequest, now_ms: int) -> Any:
    return {"now_ms": now_ms, "offset_s": sandbox.clock_offset_ms / 1000}


def _advance(sandbox: Sandbox, call: SandboxRequest, now_ms: int) -> Any:
    advance_ms = round(models.ClockBody.model_validate_json(call.body).advance_s * 1000)
    sandbox.clock_offset_ms += advance_ms
    return _clock(sandbox, call, now_ms + advance_ms)


def _faults(sandbox: Sandbox, _call: SandboxRequest, _now_ms: int) -> Any:
    return {"rules": [asdict(rule) for rule in sandbox.faults.rules]}


def _add_fault(sandbox: Sandbox, call: SandboxRequest, now_ms: int) -> Any:
    sandbox.faults.add(models.RuleBody.model_validate_json(call.body).rule())
    return _faults(sandbox, call, now_ms)


def _add_hop(sandbox: Sandbox, call: SandboxRequest, now_ms: int) -> Any:
    sandbox.faults.add(models.HopBody.model_validate_json(call.body).rule())
    return _faults(sandbox, call, now_ms)


def _clear_faults(sandbox: Sandbox, call: SandboxRequest, now_ms: int) -> Any:
    sandbox.faults.clear()
    return _faults(sandbox, call, now_ms)


def _settings(sandbox: Sandbox, _call: SandboxRequest, _now_ms: int) -> Any:
    return {
        "latency_s": sandbox.latency_s,
        "search_delay_s": sandbox.endpoints.search_delay_ms / 1000,
        "account_per_s": sandbox.limiter.account_per_s,
        "endpoint_per_s": sandbox.limiter.endpoint_per_s,
        "api_version": sandbox.webhooks.api_version,
        "events_listed_after_s": sandbox.webhooks.listed_after_ms / 1000,
        "delivery_attempts": sandbox.webhooks.attempts,
        "destinations_in_both_apis": sandbox.webhooks.destinations.in_both_apis,
    }


def _set(sandbox: Sandbox, call: SandboxRequest, now_ms: int) -> Any:
    wanted = models.SettingsBody.model_validate_json(call.body)
    for name in wanted.model_fields_set:
        value = getattr(wanted, name)
        match name:
            case "latency_s":
                sandbox.latency_s = value
            case "search_delay_s":
                sandbox.endpoints.search_delay_ms = round(value * 1000)
            case "api_version":
                sandbox.webhooks.api_version = value
            case "events_listed_after_s":
                sandbox.webhooks.listed_after_ms = round(value * 1000)
            case "destinations_in_both_apis":
                sandbox.webhooks.destinations.in_both_apis = value
            case "delivery_attempts":
                sandbox.webhooks.attempts = value
            case "seed":
                sandbox.faults.rng.seed(value)
            case _:
                setattr(sandbox.limiter, name, value)
    return _settings(sandbox, call, now_ms)


def _keys(sandbox: Sandbox, _call: SandboxRequest, now_ms: int) -> Any:
    return {"keys": sandbox.accounts.listing(now_ms)}


def _set_key(sandbox: Sandbox, call: SandboxRequest, now_ms: int) -> Any:
    wanted = models.KeyBody.model_validate_json(call.body)
    key = wanted.key.get_secret_value()
    if wanted.account is not None:
        sandbox.accounts.assign(key, wanted.account)
    if wanted.permissions is not None:
        sandbox.accounts.permit(key, wanted.permissions)
    if wanted.revoked is not None:
        (sandbox.accounts.revoke if wanted.revoked else sandbox.accounts.restore)(key)
    return _keys(sandbox, call, now_ms)


def _roll(sandbox: Sandbox, call: SandboxRequest, now_ms: int) -> Any:
    wanted = models.RollBody.model_validate_json(call.body)
    old, new = wanted.key.get_secret_value(), wanted.new_key.get_secret_value()
    sandbox.accounts.roll(old, new, revoked_from_ms=now_ms + round(wanted.keep_s * 1000))
    return _keys(sandbox, call, now_ms)


def _connections(sandbox: Sandbox, _call: SandboxRequest, _now_ms: int) -> Any:
    return {"connected": sandbox.accounts.connections()}


def _connect(sandbox: Sandbox, call: SandboxRequest, now_ms: int) -> Any:
    wanted, accounts = models.ConnectBody.model_validate_json(call.body), sandbox.accounts
    platform = accounts.account_of(wanted.key.get_secret_value())
    if wanted.connected:
        accounts.connect(platform, wanted.account, now_ms // 1000 if wanted.created is None else wanted.created)
    else:
        accounts.disconnect(platform, wanted.account)
    return _connections(sandbox, call, now_ms)


def _webhooks(sandbox: Sandbox, _call: SandboxRequest, _now_ms: int) -> Any:
    return sandbox.webhooks.listing()


def _add_webhook(sandbox: Sandbox, call: SandboxRequest, now_ms: int) -> Any:
    wanted = models.WebhookBody.model_validate_json(call.body)
    account = None if wanted.key is None else sandbox.accounts.account_of(wanted.key.get_secret_value())
    values = wanted.model_dump(exclude={"key"})
    sandbox.webhooks.endpoints.append(WebhookEndpoint(account=account, **values))
    return _webhooks(sandbox, call, now_ms)


def _clear_webhooks(sandbox: Sandbox, call: SandboxRequest, now_ms: int) -> Any:
    sandbox.webhooks.endpoints.clear()
    return _webhooks(sandbox, call, now_ms)


def _seed(resource: str, model: type[models.SeedBody]) -> Operation:
    def seed(sandbox: Sandbox, call: SandboxRequest, now_ms: int) -> Any:
        wanted = model.model_validate_json(call.body)
        row = RESOURCES[resource]
        if wanted.id is not None and not wanted.id.startswith(row.prefix):
            raise models.RefusedError(f"The id of one of the {resource} starts with {row.prefix}.")
        key = None if wanted.key is None else wanted.key.get_secret_value()
        if key is None and wanted.account is not None:
            raise models.RefusedError("An account's object needs a key too, for the mode: add `key`.")
        values = wanted.model_dump(exclude={"id", "key", "account"}, exclude_none=True)
        if key is None:
            return sandbox.endpoints.seed(row, wanted.id, values, EVERYBODY, now_ms)
        live = is_live(key)
        scope = scope_of(wanted.account or sandbox.accounts.account_of(key), livemode=live)
        return sandbox.endpoints.seed(row, wanted.id, values, scope, now_ms, livemode=live)

    return seed


def _reset(sandbox: Sandbox, _call: SandboxRequest, _now_ms: int) -> Any:
    sandbox.reset()
    return {"reset": True}


OPERATIONS: Mapping[tuple[str, str], Operation] = {
    ("GET", ""): _index,
    ("GET", "/ledger"): _ledger,
    ("GET", "/requests"): _requests,
    ("GET", "/clock"): _clock,
    ("POST", "/clock"): _advance,
    ("GET", "/faults"): _faults,
    ("POST", "/faults"): _add_fault,
    ("DELETE", "/faults"): _clear_faults,
    ("POST", "/hops"): _add_hop,
    ("GET", "/settings"): _settings,
    ("POST", "/settings"): _set,
    ("GET", "/keys"): _keys,
    ("POST", "/keys"): _set_key,
    ("POST", "/keys/roll"): _roll,
    ("GET", "/connected"): _connections,
    ("POST", "/connected"): _connect,
    ("GET", "/webhooks"): _webhooks,
    ("POST", "/webhooks"): _add_webhook,
    ("DELETE", "/webhooks"): _clear_webhooks,
    ("POST", "/charges"): _seed("charges", models.ChargeBody),
    ("POST", "/customers"): _seed("customers", models.CustomerBody),
    **EVENT_OPERATIONS,
    ("POST", "/reset"): _reset,
}

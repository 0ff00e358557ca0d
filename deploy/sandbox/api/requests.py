"""Reads a request: its route, its parameters, its key. Refuses what cannot be read; judges no parameter's value."""

from dataclasses import dataclass

import orjson

from stripeline.deploy.sandbox.accounts import Caller
from stripeline.deploy.sandbox.api import stripe_errors
from stripeline.deploy.sandbox.api.form import FormError, nested, pairs_of
from stripeline.deploy.sandbox.api.params import VERSION
from stripeline.deploy.sandbox.api.routes import AdmittedRequest, account_named, route_of
from stripeline.deploy.sandbox.api.values import JSON_TYPE, V2, Params, SandboxAnswer, SandboxRequest
from stripeline.deploy.sandbox.faults import Subject
from stripeline.deploy.sandbox.idempotency import MAX_KEY_LENGTH

FORM_TYPE = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A POST or a read that was understood: its order, and what the idempotency layer needs."""

    order: AdmittedRequest
    fingerprint: int
    subject: Subject
    endpoint: str


def understand(call: SandboxRequest, caller: Caller, request_id: str) -> Attempt | SandboxAnswer:
    route = route_of(call.method, call.path)
    params = _refused_headers(call) or params_of(call)
    if isinstance(params, SandboxAnswer):
        return params
    if route is None:
        return stripe_errors.unrecognised_url(call.method, call.path)
    order = AdmittedRequest(
        route=route,
        params=params,
        account=caller.account,
        scope=caller.scope,
        livemode=caller.livemode,
        idempotency_key=(call.idempotency_key or None) if call.keyed else None,
        request_id=request_id,
    )
    fingerprint = hash((call.method, call.path, orjson.dumps(params, option=orjson.OPT_SORT_KEYS)))
    endpoint = f"{route.kind} {route.resource.path}"
    subject = _subject(call, caller.masked[-4:], caller.account, params)
    return Attempt(order=order, fingerprint=fingerprint, subject=subject, endpoint=endpoint)


def account_meant(call: SandboxRequest) -> str | None:
    """The account that path or headers name; of a context, the last of its path."""
    context = (call.stripe_context or "").rpartition("/")[2]
    return account_named(call.path) or call.stripe_account or context or None


def seen_on_the_way(call: SandboxRequest) -> Subject:
    """What a hop sees of a request: no more than what is in it, readable or not."""
    params = params_of(call)
    if isinstance(params, SandboxAnswer):
        params = {}
    return _subject(call, (call.authorization or "").rstrip()[-4:], account_meant(call), params)


def params_of(call: SandboxRequest) -> Params | SandboxAnswer:
    """Of a query, a form, or JSON at API v2."""
    try:
        if call.method == "POST" and call.path.startswith(V2):
            return _json(call.body)
        return nested(pairs_of(call.body.decode() if call.method == "POST" else call.query))
    except UnicodeDecodeError:
        return stripe_errors.invalid("Invalid request: the parameters could not be decoded.")
    except FormError as error:
        return stripe_errors.invalid(str(error))


def _json(body: bytes) -> Params | SandboxAnswer:
    try:
        params = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError:
        return stripe_errors.v2_invalid("The body could not be parsed as JSON.")
    return params if isinstance(params, dict) else stripe_errors.v2_invalid("The body is no JSON object.")


def _refused_headers(call: SandboxRequest) -> SandboxAnswer | None:
    if call.stripe_version is None and call.path.startswith(V2):
        return stripe_errors.v2_invalid("A request to API v2 names its version: send the header Stripe-Version.")
    if call.stripe_account and call.stripe_context:
        return stripe_errors.invalid("Only one of the headers Stripe-Account and Stripe-Context can be sent.")
    if call.stripe_version is not None and not VERSION.fullmatch(call.stripe_version):
        return stripe_errors.invalid(f"Invalid Stripe API version: {call.stripe_version}.")
    if call.keyed and call.idempotency_key is not None and len(call.idempotency_key) > MAX_KEY_LENGTH:
        return stripe_errors.key_too_long()
    wanted = JSON_TYPE if call.path.startswith(V2) else FORM_TYPE
    if call.body and not call.content_type.startswith(wanted):
        return stripe_errors.invalid(f"Invalid content type: Stripe's API takes {wanted}.")
    return None


def _subject(call: SandboxRequest, key_last4: str, account: str | None, params: Params) -> Subject:
    described, metadata = params.get("description"), params.get("metadata")
    texts = list(metadata.values()) if isinstance(metadata, dict) else []
    return Subject(
        method=call.method,
        path=call.path,
        key_last4=key_last4,
        account=account,
        idempotency_key=call.idempotency_key,
        texts=tuple(text for text in (*texts, described) if isinstance(text, str)),
    )

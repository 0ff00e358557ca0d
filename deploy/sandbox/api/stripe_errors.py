"""Stripe's error bodies (docs.stripe.com/api/errors), one function a reason. Decides nothing."""

from collections.abc import Mapping
from typing import Any

import orjson

from stripeline.deploy.sandbox.api.values import EMPTY, SandboxAnswer

INVALID = "invalid_request_error"
DOC_URL = "https://stripe.com/docs/error-codes/"


def error_answer(
    status: int,
    message: str,
    *,
    kind: str = INVALID,
    code: str | None = None,
    headers: Mapping[str, str] = EMPTY,
    **more: Any,
) -> SandboxAnswer:
    """`more` are the body's other fields (param, decline_code, payment_intent …); None is left out, as Stripe does."""
    error: dict[str, Any] = {"message": message, "type": kind}
    if code is not None:
        error |= {"code": code, "doc_url": DOC_URL + code.replace("_", "-")}
    error |= {name: value for name, value in more.items() if value is not None}
    return SandboxAnswer(status=status, body=orjson.dumps({"error": error}), headers=headers)


def invalid(message: str, *, code: str | None = None, param: str | None = None) -> SandboxAnswer:
    return error_answer(400, message, code=code, param=param)


def unknown_parameter(param: str) -> SandboxAnswer:
    return invalid(f"Received unknown parameter: {param}", code="parameter_unknown", param=param)


def missing_parameter(param: str) -> SandboxAnswer:
    return invalid(f"Missing required param: {param}.", code="parameter_missing", param=param)


def missing_object(noun: str, object_id: str, *, param: str, status: int = 404) -> SandboxAnswer:
    return error_answer(status, f"No such {noun}: '{object_id}'", code="resource_missing", param=param)


def v2_error(status: int, code: str, message: str) -> SandboxAnswer:
    """API v2 has errors of its own: a code and a message, and no `doc_url` or `param`."""
    return SandboxAnswer(status=status, body=orjson.dumps({"error": {"code": code, "message": message}}))


def v2_invalid(message: str) -> SandboxAnswer:
    return v2_error(400, "invalid_fields", message)


def v2_not_found(noun: str, object_id: str) -> SandboxAnswer:
    return v2_error(404, "not_found", f"{noun} not found: {object_id}")


def unrecognised_url(method: str, path: str) -> SandboxAnswer:
    message = (
        f"Unrecognized request URL ({method}: {path}). The sandbox knows a part of Stripe's API: see GET /_sandbox."
    )
    return error_answer(404, message)


def unauthorised(message: str, *, code: str | None = None) -> SandboxAnswer:
    return error_answer(401, message, code=code, headers={"WWW-Authenticate": 'Basic realm="Stripe"'})


def account_invalid(key: str, account: str) -> SandboxAnswer:
    """`Stripe-Account` names an account that is not connected to the key's."""
    message = (
        f"The provided key '{key}' does not have access to account '{account}' (or that account does not exist). "
        "Application access may have been revoked."
    )
    return error_answer(403, message, code="account_invalid")


def permission_missing(key: str, account: str, permission: str) -> SandboxAnswer:
    message = (
        f"The provided key '{key}' does not have the required permissions for this endpoint on account '{account}'. "
        f"Having the 'rak_{permission}' permission would allow this request to continue."
    )
    return error_answer(403, message)


def rate_limited(reason: str) -> SandboxAnswer:
    # docs.stripe.com/rate-limits names the reason in this header.
    message = "Request rate limit exceeded. Learn more about rate limits at https://stripe.com/docs/rate-limits."
    return error_answer(429, message, code="rate_limit", headers={"Stripe-Rate-Limited-Reason": reason})


def key_in_use(key: str) -> SandboxAnswer:
    message = (
        "There is currently another in-progress request using this Idempotent Key (that probably means you submitted "
        f"twice, and the other request is still going through): {key}. Please try again later."
    )
    return error_answer(409, message, code="idempotency_key_in_use")


def key_reused(key: str, message: str) -> SandboxAnswer:
    ending = f" Try using a key other than '{key}' if you meant to execute a different request."
    return error_answer(400, message + ending, kind="idempotency_error")


def key_too_long() -> SandboxAnswer:
    return invalid("Idempotency keys can be at most 255 characters long.")

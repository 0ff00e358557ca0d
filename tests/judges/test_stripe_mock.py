"""What we send to Stripe, judged by Stripe's own OpenAPI: stripe-mock refuses what is not of it.

Every call is made by the product's own adapter, and every answer is read by the action's own output.
"""

import importlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import pytest
from msgspec.structs import replace
from pydantic import SecretStr

from stripeline.contracts import stripe_metadata
from stripeline.contracts.action import Request
from stripeline.contracts.stripe_metadata import Origin
from stripeline.workers.executor import stripe_lookup
from stripeline.workers.executor.command_state import Call
from stripeline.workers.executor.connection import key_probe
from stripeline.workers.executor.connection.key_probe import ProbeVerdict
from stripeline.workers.executor.stripe_answer import Failed, Outcome, StripeAnswer, Succeeded, classify
from stripeline.workers.executor.stripe_lookup import LookUp, Missing
from stripeline.workers.stripe.api import StripeApi
from tests.support.in_memory_executor import ACTIONS, call_of
from tests.support.product_sources import ROOT
from tests.support.records import INSTALLATION, OWNER, command
from tests.support.stripe_mock import KEY, StripeMock

ABSENT = object()
INTENT, CHARGE, CUSTOMER = "stripe/create-payment-intent", "stripe/retrieve-charge", "stripe/create-customer"
AWKWARD = "Zoë & Søn = 100 % + 日本語 \U0001f600 [x]=y;#?\r\n\t\"'\\"
INPUTS: Mapping[str, Mapping[str, Sequence[Any]]] = {
    INTENT: {
        "amount": (1, 99_999_999),
        "currency": ("usd", "EUR"),
        "customer": (ABSENT, None, "cus_123"),
        "description": (ABSENT, "a deposit", AWKWARD),
        "receipt_email": (ABSENT, "a+b@example.com"),
        "automatic_payment_methods_enabled": (ABSENT, True, False),
    },
    CHARGE: {"id": ("ch_123", "py_3MmlLrLkdIwHu7ix0snN0B15", "ch_" + "x" * 252)},
    CUSTOMER: {
        "email": (ABSENT, None, "ada@example.com"),
        "name": (ABSENT, "Ada Lovelace", AWKWARD),
        "phone": (ABSENT, "+44 20 7946 0000"),
        "description": (ABSENT, "a big spender", "a&metadata[stripeline_command]=other&b=%41"),
    },
}
"""Of each action's input: every field, with the values that make a request differ."""


def inputs(action: str) -> Iterator[dict[str, Any]]:
    fields = INPUTS[action]
    for values in product(*fields.values()):
        yield {name: value for name, value in zip(fields, values, strict=True) if value is not ABSENT}


def api(stripe: StripeMock) -> StripeApi:
    return StripeApi(stripe.url, lambda _: SecretStr(KEY))


async def outcome(stripe: StripeMock, call: Call) -> Any:
    async with api(stripe) as ours:
        answer = await ours.send(call)
    if call.look_up is None:
        return classify(call.action, answer)
    return stripe_lookup.read_search(
        call.action, Origin(installation=INSTALLATION, command_id=call.command.command_id), answer
    )


def test_every_input_of_every_action_is_tried():
    assert {key: set(action.input.model_fields) for key, action in ACTIONS.items()} == {
        key: set(fields) for key, fields in INPUTS.items()
    }


@pytest.mark.parametrize("action", INPUTS)
async def test_every_combination_of_inputs_is_accepted_and_read(stripe: StripeMock, action: str):
    async with api(stripe) as ours:
        for given in inputs(action):
            call = call_of(command(action=action, input=given))
            outcome: Outcome = classify(call.action, await ours.send(call))
            assert isinstance(outcome, Succeeded), (given, outcome)
            assert set(outcome.output) == set(ACTIONS[action].output.model_fields)
            said = {name: outcome.output[name] for name in ("amount", "id") if name in given}
            assert said == {name: given[name] for name in said}


@pytest.mark.parametrize("command_id", ["c1", "evt_1:flow:step", "it's", "a\\b", "'" * 200])
@pytest.mark.parametrize("action", [INTENT, CUSTOMER])
async def test_every_look_up_is_accepted(stripe: StripeMock, action: str, command_id: str):
    given = {"amount": 50, "currency": "usd"} if action == INTENT else {}
    attempt, kind = call_of(command(command_id, action=action, input=given)), ACTIONS[action]
    search = stripe_lookup.search(kind, Origin(installation=INSTALLATION, command_id=command_id))
    look = Call(
        state=attempt.state, action=kind, request=search, idempotency_key=None, owner=OWNER, at_ms=0, look_up=LookUp()
    )
    # Its example objects are of no command of ours.
    assert await outcome(stripe, look) == Missing()
    pages = [stripe_lookup.page(kind, 1_700_000_000_000, after) for after in (None, "cus_9")]
    async with api(stripe) as ours:
        for request in (search, *pages):
            answer = await ours.send(replace(look, request=request))
            assert isinstance(answer, StripeAnswer)
            assert answer.status == 200, answer.body


CONNECTED = "acct_1Conn01"


@pytest.mark.parametrize("action", INPUTS)
async def test_every_action_is_accepted_for_a_connected_account(stripe: StripeMock, action: str):
    given = next(inputs(action))
    found = await outcome(stripe, call_of(command(action=action, input=given, account=CONNECTED)))
    assert isinstance(found, Succeeded), found


@pytest.mark.parametrize("account", [None, CONNECTED])
async def test_the_question_whose_key_it_is_is_accepted(stripe: StripeMock, account: str | None):
    async with api(stripe) as ours:
        answer = await ours.read(key_probe.PATH, SecretStr(KEY), account)
    assert isinstance(answer, StripeAnswer)
    assert key_probe.verdict(answer, account) is ProbeVerdict.ACCEPTED


WRONG = {
    "a parameter that there is not": (INTENT, {"amonut": 50}),
    "a required one left out": (INTENT, {"amount": None}),
    "a text for a number": (INTENT, {"amount": "a lot"}),
    "a flag where an object belongs": (INTENT, {"automatic_payment_methods": True}),
    "an object without its field": (INTENT, {"automatic_payment_methods": {"on": True}}),
    "a text for metadata": (CUSTOMER, {"metadata": "c1"}),
    "a field of another resource": (CUSTOMER, {"amount": 50}),
}


@pytest.mark.parametrize(("action", "changes"), WRONG.values(), ids=WRONG)
async def test_a_wrong_request_is_refused(stripe: StripeMock, action: str, changes: Mapping[str, Any]):
    given = {"amount": 50, "currency": "usd"} if action == INTENT else {"name": "Ada"}
    call = call_of(command(action=action, input=given))
    assert isinstance(await outcome(stripe, call), Succeeded)
    wrong = replace(call, request=replace(call.request, params={**call.request.params, **changes}))
    refused = await outcome(stripe, wrong)
    assert isinstance(refused, Failed)
    assert (refused.error["code"], refused.error["http_status"]) == ("VALIDATION_ERROR", 400)


WRONG_LOOKS = {
    "no query": stripe_lookup.search(ACTIONS[CUSTOMER], Origin(installation=INSTALLATION, command_id="c1")).path,
    "a resource that there is not": "/v1/costumers",
}


@pytest.mark.parametrize("path", WRONG_LOOKS.values(), ids=WRONG_LOOKS)
async def test_a_wrong_look_up_is_refused(stripe: StripeMock, path: str):
    call = call_of(command())
    async with api(stripe) as ours:
        answer = await ours.send(replace(call, request=Request(method="GET", path=path, params={})))
    assert isinstance(answer, StripeAnswer)
    assert answer.status in {400, 404}


async def test_an_action_of_another_package_is_accepted(stripe: StripeMock, monkeypatch: pytest.MonkeyPatch):
    """The refund of `docs/examples/acme-actions`: each of its calls, and the list that it is looked up in."""
    monkeypatch.syspath_prepend(ROOT / "docs/examples/acme-actions")
    action = importlib.import_module("acme_actions.create_refund").ACTION
    attempt, metadata = (
        call_of(command()),
        stripe_metadata.params(Origin(installation=INSTALLATION, command_id="c1"), 0),
    )
    async with api(stripe) as ours:
        for given in ({"payment_intent": "pi_1"}, {"payment_intent": "pi_1", "amount": 5, "reason": "duplicate"}):
            request = action.request(given, metadata)
            assert isinstance(request, Request)
            outcome = classify(action, await ours.send(replace(attempt, action=action, request=request)))
            assert isinstance(outcome, Succeeded), outcome
            assert set(outcome.output) == set(action.output.model_fields)
        page = stripe_lookup.page(action, 1_700_000_000_000, None)
        listed = await ours.send(replace(attempt, action=action, request=page, look_up=LookUp()))
    assert isinstance(listed, StripeAnswer)
    assert listed.status == 200, listed.body


async def test_a_key_that_is_none_is_refused(stripe: StripeMock):
    async with StripeApi(stripe.url, lambda _: SecretStr("whsec_123")) as ours:
        call = call_of(command())
        refused = classify(call.action, await ours.send(call))
    assert isinstance(refused, Failed)
    assert refused.error["code"] == "AUTH_EXPIRED"

"""What is wrong with endpoints at Stripe is found, each with what to do; and what Stripe lists is read with care."""

from dataclasses import replace
from typing import Any

import pytest

from stripeline.contracts.definitions import Connection, Definitions, Endpoint, Trigger, Workflow
from stripeline.contracts.operator.stripe_side_records import Destination, Destinations
from stripeline.deploy.stripe_side.endpoints.endpoint_requests import NotDone
from stripeline.deploy.stripe_side.endpoints.endpoint_troubles import endpoint_troubles
from stripeline.deploy.stripe_side.endpoints.stripe_destinations import StripeDestination, destination_of, merged

URL = "https://hooks.example.com/webhooks/shop"
STEPS = ({"id": "a", "action": "stripe/create-customer", "input": {}},)
DEFINED = Definitions(
    connections={"acme": Connection(secret_key="sealed:x", mode="test", hint="sk")},
    triggers={
        "cards": Trigger(kind="stripe/charge-event", connection="acme"),
        "pay": Trigger(kind="stripe/payment-event", connection="acme"),
    },
    endpoints={"shop": Endpoint(connection="acme", triggers=("cards",), url="https://hooks.example.com")},
    workflows={"w": Workflow(trigger="cards", types=("charge.failed", "charge.captured"), steps=STEPS)},
    destinations={
        "shop": Destinations(
            destinations=(
                Destination(id="ed_1", payload="snapshot", connection="acme", signing_secret="sealed:x", made_ms=1),
            )
        )
    },
)
GOOD = StripeDestination(
    id="ed_1", api="v2", payload="snapshot", url=URL, events=frozenset({"charge.failed", "charge.captured"}),
    api_version="2026-06-24.dahlia", connect=False, enabled=True, installation="here", endpoint="shop",
)  # fmt: skip
HAND = replace(GOOD, id="we_9", api="v1", connect=None, installation=None, endpoint=None)


def found(*there: StripeDestination) -> list[tuple[str, str]]:
    return [(one.kind, one.text) for one in endpoint_troubles(DEFINED, "here", {"acme": there})]


@pytest.mark.parametrize(
    ("there", "kind", "words"),
    [
        ((replace(GOOD, enabled=False, why="user"),), "disabled", "disabled at Stripe (user), and its events do not"),
        ((replace(GOOD, events=frozenset({"charge.failed"})),), "types", "ed_1 does not send charge.captured"),
        ((replace(GOOD, api_version="2025-09-30.clover"),), "api_version", "not 2026-06-24.dahlia"),
        ((replace(GOOD, url="https://old.example.com/webhooks/shop"),), "url", "sends to https://old.example.com"),
        ((), "missing", f"no destination that sends snapshot events to {URL}"),
        ((GOOD, replace(GOOD, id="ed_2")), "secret_lost", "ed_2 is ours, and its secret was lost"),
        ((GOOD, HAND), "twice", "ed_1 and we_9 both send charge.captured, charge.failed here"),
        ((GOOD, replace(HAND, url="https://hooks.example.com/webhooks/cards/", events=frozenset({"*"}))), "twice",
         "both send charge.captured, charge.failed here"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_found(there: tuple[StripeDestination, ...], kind: str, words: str):
    troubles = dict(found(*there))
    assert kind in troubles
    assert words in troubles[kind]


@pytest.mark.parametrize(
    "there",
    [
        (GOOD,), (replace(GOOD, events=frozenset({"*"})),), (GOOD, replace(HAND, enabled=False)),
        (GOOD, replace(HAND, url="https://hooks.example.com/webhooks/unknown")),
        (GOOD, replace(HAND, url="https://elsewhere.example.com/webhooks/shop")),
        (GOOD, replace(HAND, payload="thin")), (GOOD, replace(HAND, api="v2", connect=True)),
        (GOOD, replace(HAND, events=frozenset({"invoice.paid"}))),
        (GOOD, replace(HAND, url="https://hooks.example.com/webhooks/pay")), (GOOD, replace(HAND, url="https://[")),
    ],
)  # fmt: skip
def test_what_is_right_says_nothing(there: tuple[StripeDestination, ...]):
    assert found(*there) == []


def test_a_destination_that_a_person_made_is_judged_by_its_url():
    definitions = replace(DEFINED, destinations={})
    said = endpoint_troubles(definitions, "here", {"acme": (replace(HAND, enabled=False),)})
    assert [(one.kind, "change it at Stripe" in one.text) for one in said] == [("disabled", True)]


def test_an_account_that_cant_be_asked_is_said():
    (one,) = endpoint_troubles(DEFINED, "here", {"acme": NotDone(why="Stripe can't be reached")})
    assert (one.kind, "Stripe can't be reached" in one.text) == ("not_asked", True)


V2: dict[str, Any] = {
    "id": "ed_1", "object": "v2.core.event_destination", "event_payload": "snapshot", "status": "disabled",
    "enabled_events": ["charge.failed"], "events_from": ["@accounts"], "snapshot_api_version": "2026-06-24.dahlia",
    "status_details": {"disabled": {"reason": "user"}}, "webhook_endpoint": {"url": URL, "signing_secret": None},
    "metadata": {"stripeline_installation": "here", "stripeline_endpoint": "shop"},
}  # fmt: skip


def test_both_of_stripes_shapes_are_read():
    one = destination_of(V2)
    assert one is not None
    assert (one.connect, one.enabled, one.why, one.url, one.endpoint) == (True, False, "user", URL, "shop")
    older = destination_of({"id": "we_1", "object": "webhook_endpoint", "status": "enabled", "url": URL})
    assert older is not None
    assert (older.payload, older.connect, older.events) == ("snapshot", None, frozenset())
    assert merged([replace(one, id="we_1")], [older]) == (replace(one, id="we_1"),)


@pytest.mark.parametrize(
    "value",
    [None, 1, [], {}, {"id": "../x", "object": "webhook_endpoint"}, {"id": 5, "object": "webhook_endpoint"},
     {"id": "x?y=1", "object": "v2.core.event_destination"}, {"id": "ch_1", "object": "charge"}],
)  # fmt: skip
def test_what_is_no_destination_is_left_out(value: Any):
    assert destination_of(value) is None


def test_junk_in_a_destination_is_no_error():
    one = destination_of(V2 | {
        "metadata": "x", "enabled_events": [1, None], "webhook_endpoint": 7, "status_details": [],
        "events_from": "@self", "snapshot_api_version": 3,
    })  # fmt: skip
    assert one is not None
    assert (one.payload, one.url, one.connect, one.api_version, one.installation) == (None,) * 5
    many = destination_of(V2 | {"status_details": {"disabled": {"reason": "\x1b[2J" + "x" * 500}}})
    assert many is not None
    assert many.why is not None
    assert many.why.isprintable()
    assert len(many.why) <= 60

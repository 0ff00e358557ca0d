"""Stripe's notices of events that it failed to make, as they are shown, counted and found."""

from dataclasses import replace
from typing import Any

import orjson

from stripeline.contracts import headers as h
from stripeline.deploy.operations.reading.topic_reader import Read
from stripeline.deploy.operations.reading.unmade_views import unmade_view
from stripeline.deploy.operations.status.facts import Tally
from stripeline.deploy.operations.status.finding import FindingKind
from stripeline.deploy.operations.status.findings import findings
from stripeline.deploy.operations.status.tallies import unmade_by_type
from tests.support.status_facts import WELL


def notice(**changes: Any) -> Read:
    body = {
        "id": "evt_1", "object": "v2.core.event", "created": "2026-11-30T10:00:00.000Z",
        "type": "v2.core.health.event_generation_failure.resolved", "data": {"severity": "high"},
        "related_object": {"id": "pi_1", "type": "payment_intent", "url": "/v1/payment_intents/pi_1"}, **changes,
    }  # fmt: skip
    headers = {h.TRIGGER: b"payments", h.CONNECTION: b"acme"}
    return Read(
        topic="stripe.health-event", partition=1, offset=2, at_ms=5_000, key=b"evt_1", value=orjson.dumps(body),
        headers=headers,
    )  # fmt: skip


def test_a_notice_names_the_object_and_where_to_read_it() -> None:
    view = unmade_view(notice())
    assert (view["object"], view["object_type"], view["path"]) == ("pi_1", "payment_intent", "/v1/payment_intents/pi_1")
    assert (view["severity"], view["trigger"], view["connection"]) == ("high", "payments", "acme")


def test_a_notice_of_another_shape_is_shown_all_the_same() -> None:
    for odd in (notice(related_object=None, data=5), replace(notice(), value=b"{"), replace(notice(), value=None)):
        assert unmade_view(odd)["object_type"] is None


def test_notices_are_a_finding_by_the_type_of_their_object() -> None:
    tally = unmade_by_type([notice(), notice(), notice(related_object=None)], more=False)
    assert tally == Tally(by={"payment_intent": 2, "no object named": 1}, oldest_ms=5_000)
    found = [one for one in findings(replace(WELL, unmade_events=tally)) if one.kind is FindingKind.UNMADE_EVENTS]
    assert [one.about for one in found] == ["payment_intent", "no object named"]
    assert found[0].command == "stripeline events unmade --since 1d"

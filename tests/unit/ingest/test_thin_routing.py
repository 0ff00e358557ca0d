"""What becomes of a thin event that Stripe signed: written as it came, ignored, or refused with its reason."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripeline.contracts.deliveries.delivery_vocabulary import EventReason, IgnoredReason
from stripeline.contracts.deliveries.thin_events import GENERATION_FAILURE, PING
from stripeline.contracts.families import families
from stripeline.ingest.routing import Ignored, Publication, Rejected, route
from stripeline.ingest.seen_buffer import EventNote
from stripeline.ingest.trigger import TriggerView
from stripeline.ingest.webhook_path import PathView
from tests.support.schemas import header_problems, problems
from tests.support.thin_world import thin

RECEIVED_MS = 1_790_000_000_123
LATER = {"related_object": {"id": "cus_1", "type": "customer", "url": "/v1/customers/cus_1"}}


def path(*payloads: str, livemode: bool | None = False, missing: bool = False) -> PathView:
    """An endpoint with a trigger of each payload: of payments, then of customers."""
    kinds = ("payment", "customer")
    triggers = tuple(
        TriggerView(name=f"acme-{kind}", family_kind=f"stripe/{kind}-event", connection="acme", payload=payload)  # type: ignore[arg-type]
        for kind, payload in zip(kinds, payloads, strict=False)
    )
    return PathView(name="acme", triggers=triggers, livemode=livemode, missing=missing)


def routed(body: bytes | dict[str, Any], of: PathView | None = None) -> Publication | Ignored | Rejected:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return route(raw, path=of or path("thin"), received_at_ms=RECEIVED_MS, traceparent=b"00-trace")


def published(body: dict[str, Any], of: PathView | None = None) -> Publication:
    found = routed(body, of)
    assert isinstance(found, Publication)
    return found


@pytest.mark.parametrize("payload", ["thin", "both"])
def test_a_thin_event_is_written_as_it_came(payload: str) -> None:
    raw = orjson.dumps(thin(unknown={"a": 1}), option=orjson.OPT_INDENT_2)
    record = routed(raw, path(payload))
    assert isinstance(record, Publication)
    assert (record.topic, record.key, record.value) == ("thin-event", b"pi_1", raw)
    assert record.headers == (
        ("ce_specversion", b"1.0"),
        ("ce_id", b"evt_thin_1"),
        ("ce_type", b"v1.payment_intent.succeeded"),
        ("ce_source", b"/stripeline/triggers/acme-payment"),
        ("ce_time", b"2026-09-21T16:13:20.246Z"),
        ("content-type", b"application/json"),
        ("traceparent", b"00-trace"),
        ("stripeline-trigger", b"acme-payment"),
        ("stripeline-connection", b"acme"),
    )
    assert record.note == EventNote("evt_thin_1", "acme-payment", 1_790_007_200)
    assert (record.timestamp_ms, record.trigger) == (RECEIVED_MS, "acme-payment")
    assert problems("thin-event", record.value) == []
    assert header_problems("thin-event-headers", record.headers) == []


@pytest.mark.parametrize("name", [name for family in families().values() for name in family.types_of("both")])
def test_every_type_finds_the_trigger_of_its_family(name: str) -> None:
    triggers = tuple(
        TriggerView(name=kind.split("/")[1], family_kind=kind, connection="acme", payload="thin") for kind in families()
    )
    record = published(thin(type=f"v1.{name}"), PathView(name="acme", triggers=triggers))
    assert record.trigger.startswith(name.split("_", maxsplit=1)[0].split(".", maxsplit=1)[0])


@pytest.mark.parametrize(("payload", "taken"), [("snapshot", False), ("thin", True), ("both", True)])
def test_a_snapshot_trigger_refuses_thin_events(payload: str, taken: bool) -> None:
    of = path("thin", payload)
    found = routed(thin(type="v1.customer.updated", **LATER), of)
    assert isinstance(found, Publication) if taken else found == Rejected(reason=EventReason.THIN_EVENT)


def test_without_a_thin_trigger_all_thin_events_are_refused() -> None:
    for name in ("v1.payment_intent.succeeded", "v2.core.account.updated", GENERATION_FAILURE):
        assert routed(thin(type=name), path("snapshot")) == Rejected(reason=EventReason.THIN_EVENT)


@pytest.mark.parametrize("payload", ["snapshot", "thin", "both"])
def test_a_snapshot_event_is_taken_whatever_the_payload(payload: str) -> None:
    event = {
        "id": "evt_1", "object": "event", "type": "payment_intent.succeeded", "created": 1,
        "data": {"object": {"id": "pi_1", "object": "payment_intent"}},
    }  # fmt: skip
    assert published(event, path(payload)).topic == "payment-event"


@pytest.mark.parametrize("payload", ["snapshot", "thin"])
def test_a_ping_is_answered_and_not_published(payload: str) -> None:
    assert routed(thin(type=PING, related_object=...), path(payload)) == Ignored(reason=IgnoredReason.PING)


def test_a_notice_of_events_never_made_goes_to_its_own_topic() -> None:
    record = published(thin(type=GENERATION_FAILURE, data={"severity": "high"}), path("snapshot", "both"))
    assert (record.topic, record.key, record.trigger) == ("health-event", b"evt_thin_1", "acme-customer")
    assert record.note is None
    assert problems("thin-event", record.value) == []


@pytest.mark.parametrize("name", ["v1.invoice.paid", "v2.core.account.updated", "payment_intent.succeeded"])
@pytest.mark.parametrize("missing", [False, True])
def test_another_familys_thin_event_is_ignored(name: str, missing: bool) -> None:
    expected = Rejected(reason=EventReason.NO_TRIGGER) if missing else Ignored(reason=IgnoredReason.OTHER_FAMILY)
    assert routed(thin(type=name), path("thin", missing=missing)) == expected


@pytest.mark.parametrize(
    ("livemode", "context", "of", "expected"),
    [
        (True, None, False, Rejected(reason=EventReason.WRONG_MODE)),
        (False, None, True, Rejected(reason=EventReason.WRONG_MODE)),
        (False, "acct_1", True, Ignored(reason=IgnoredReason.WRONG_MODE)),
        (True, "acct_1", False, Rejected(reason=EventReason.WRONG_MODE)),
    ],
)
def test_the_modes_must_match_as_those_of_snapshots(livemode, context, of, expected) -> None:
    assert routed(thin(livemode=livemode, context=context), path("thin", livemode=of)) == expected


@pytest.mark.parametrize("livemode", [None, ...])
def test_a_thin_event_without_a_mode_is_taken(livemode: object) -> None:
    assert published(thin(livemode=livemode)).key == b"pi_1"


@pytest.mark.parametrize("related", [None, ...])
def test_without_an_object_its_own_id_is_the_key(related: object) -> None:
    assert published(thin(related_object=related)).key == b"evt_thin_1"


@pytest.mark.parametrize("related_id", [None, ...])
def test_the_parent_is_the_key_of_what_it_has_one_of(related_id: object) -> None:
    related = {"id": related_id, "type": "discount", "url": "/v1/customers/cus_7/discount"}
    named = {name: value for name, value in related.items() if value is not ...}
    record = published(thin(type="v1.customer.discount.created", related_object=named), path("thin", "thin"))
    assert record.key == b"cus_7"
    assert problems("thin-event", record.value) == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"id": None}, "bad_id"), ({"id": "a b"}, "bad_id"), ({"id": "e" * 129}, "bad_id"), ({"id": "e\n"}, "bad_id"),
        ({"type": 5}, "bad_type"), ({"type": "V1.Charge"}, "bad_type"), ({"type": "v1.\n"}, "bad_type"),
        ({"created": 1_790_000_000}, "bad_created"), ({"created": "soon"}, "bad_created"),
        ({"created": "2026-09-21T16:13:20"}, "bad_created"), ({"created": "1969-12-31T23:59:59Z"}, "bad_created"),
        ({"created": "2026-13-21T16:13:20Z"}, "bad_created"), ({"created": ...}, "bad_created"),
        ({"livemode": "false"}, "bad_livemode"), ({"context": 5}, "bad_account"),
        ({"related_object": 5}, "bad_data"), ({"related_object": {"id": "pi_1"}}, "bad_data"),
        ({"related_object": {"id": "", "type": "x", "url": "/"}}, "bad_data"),
        ({"related_object": {"id": 5, "type": "x", "url": "/"}}, "bad_data"),
        ({"related_object": {"id": "p" * 256, "type": "x", "url": "/"}}, "bad_data"),
    ],
)  # fmt: skip
def test_what_is_not_of_the_contract_is_refused(changes: dict[str, Any], reason: str) -> None:
    assert routed(thin(**changes)) == Rejected(reason=EventReason(reason))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*thin(), "context", "data"]), VALUES, max_size=4), st.booleans())
def test_any_thin_body_is_judged_and_a_published_one_valid(changes: dict[str, Any], both: bool) -> None:
    body = orjson.dumps({**thin(), **changes, "object": "v2.core.event"})
    found = routed(body, path("both" if both else "thin", "snapshot"))
    if isinstance(found, Publication):
        assert found.value == body
        assert problems("thin-event", found.value) == []
        assert header_problems("thin-event-headers", found.headers) == []


@given(st.binary(max_size=40), st.integers(0, 400), st.integers(0, 400))
def test_a_spoiled_notification_never_raises(noise: bytes, start: int, end: int) -> None:
    body = orjson.dumps(thin())
    routed(body[:start] + noise + body[end:])

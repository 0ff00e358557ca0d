"""The decisions with plain values: no loop, no HTTP, no clock."""

import hmac
from dataclasses import replace
from typing import Any

import orjson
import pytest
from msgspec import structs

from stripeline.contracts.deliveries.delivery_vocabulary import EventReason, NotTakenReason, SignatureReason
from stripeline.ingest import refusals
from stripeline.ingest.publish_result import NotTaken, Published
from stripeline.ingest.refusals import Refusal
from stripeline.ingest.routing import Publication
from stripeline.ingest.trigger import TriggerView
from stripeline.ingest.webhook import ACCEPTED, Admitted, Delivery, RequestHead, Webhook
from stripeline.ingest.webhook_path import PathView
from tests.support.webhook_paths import own_path

NOW_S, SECRET, ENTROPY = 1_790_000_000, b"whsec_one", bytes(range(24))
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TAKEN = Published(partition=1, offset=2)


def view(name: str = "pay", secrets: tuple[bytes, ...] = (SECRET,)) -> PathView:
    return own_path(name=name, family_kind="stripe/payment-event", connection="acme", livemode=False, secrets=secrets)


def sign(body: bytes, secret: bytes = SECRET, t: int = NOW_S) -> bytes:
    return f"t={t},v1={hmac.digest(secret, b'%d.%b' % (t, body), 'sha256').hex()}".encode()


def event(**changes: Any) -> bytes:
    made: dict[str, Any] = {
        "id": "evt_1", "object": "event", "type": "payment_intent.succeeded", "created": NOW_S, "livemode": False,
        "data": {"object": {"id": "pi_1", "object": "payment_intent"}},
    }  # fmt: skip
    return orjson.dumps(made | changes)


TRIGGERS = (
    TriggerView(name="pay", family_kind="stripe/payment-event", connection="acme"),
    TriggerView(name="cards", family_kind="stripe/charge-event", connection="acme"),
)
GOOD = RequestHead("POST", "/webhooks/pay", "application/json; charset=utf-8", 10, False, [sign(event())], None)


def good(**fields: Any) -> RequestHead:
    return structs.replace(GOOD, **fields)


class Spans:
    def __init__(self) -> None:
        self.ended: list[tuple[Any, ...]] = []

    def begin(self, path: str, received: str | None) -> bytes:
        return TRACE.encode()

    def sent(self, trace: bytes, publication: Publication, where: Published) -> None:
        self.ended.append((trace, publication.topic, where))

    def not_sent(self, trace: bytes, verdict: str, reason: str) -> None:
        self.ended.append((trace, verdict, reason))


def webhook(spans: Spans | None = None) -> Webhook:
    triggers = {
        "pay": view(), "silent": view("silent", ()), "sealed": replace(view("sealed", ()), sealed=1),
        "half": replace(view("half"), places=("1",), sealed=1),
        "all": PathView(name="all", triggers=TRIGGERS, livemode=True, secrets=(b"x", SECRET), places=("0", "we_1")),
        "some": PathView(name="some", triggers=TRIGGERS[:1], missing=True, secrets=(SECRET,)),
    }  # fmt: skip
    return Webhook(paths=triggers.get, spans=spans, max_body=1_000)


def admitted(found: Webhook, head: RequestHead = GOOD) -> Admitted:
    made = found.head(head)
    assert isinstance(made, Admitted)
    return made


def decided(found: Webhook, body: bytes, head: RequestHead | None = None, now_s: float = NOW_S):
    return found.body(admitted(found, head or good(signatures=[sign(body)])), body, now_s=now_s, entropy=ENTROPY)


def verdicts(found: Webhook) -> dict[tuple[str, ...], Any]:
    return dict(found.counters.of("stripeline_deliveries_total"))


@pytest.mark.parametrize(
    ("head", "refusal", "counted"),
    [
        (good(path="/webhooks"), refusals.UNKNOWN_PATH, ("", "refused", "unknown_path")),
        (good(path="/webhooks/"), refusals.UNKNOWN_PATH, ("", "refused", "unknown_path")),
        (good(path="/webhooks/a/b"), refusals.UNKNOWN_PATH, ("", "refused", "unknown_path")),
        (good(path="/webhooks//"), refusals.UNKNOWN_PATH, ("", "refused", "unknown_path")),
        (good(path="/webhooks/pay//"), refusals.UNKNOWN_PATH, ("", "refused", "unknown_path")),
        (good(path="/pay/"), refusals.UNKNOWN_PATH, ("", "refused", "unknown_path")),
        (good(path="pay"), refusals.UNKNOWN_PATH, ("", "refused", "unknown_path")),
        (good(path="/webhooks/x/"), refusals.UNKNOWN_TRIGGER, ("", "refused", "unknown_trigger")),
        (good(method="GET"), refusals.NOT_POST, ("", "refused", "method")),
        (good(path="/webhooks/x"), refusals.UNKNOWN_TRIGGER, ("", "refused", "unknown_trigger")),
        (good(path="/webhooks/silent"), refusals.NO_SECRET, ("silent", "not_taken", "no_secret")),
        (
            good(path="/webhooks/sealed"),
            refusals.SEALED_SECRET,
            ("sealed", "not_taken", "sealed_secret"),
        ),
        (good(encoded=True), refusals.ENCODED, ("pay", "refused", "content_encoding")),
        (good(content_type="text/plain"), refusals.NOT_JSON, ("pay", "refused", "content_type")),
        (good(content_length=1_001), refusals.TOO_LARGE, ("pay", "refused", "too_large")),
        (good(signatures=[b"", b""]), refusals.TWO_SIGNATURES, ("pay", "refused", "two_signatures")),
        (
            good(signatures=[]),
            refusals.not_signed(SignatureReason.MISSING),
            ("pay", "refused", "missing"),
        ),
    ],
)
def test_the_head_alone_refuses(head: RequestHead, refusal: Refusal, counted: tuple[str, ...]):
    found = webhook()
    assert found.head(head) == refusal
    assert verdicts(found) == {counted: 1}


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON ; charset=x", "application/json; charset=utf-8"]
)
def test_json_is_taken_however_it_is_spelled(kind: str):
    assert isinstance(webhook().head(good(content_type=kind)), Admitted)


def test_a_trailing_slash_of_the_path_is_the_same_trigger():
    made = webhook().head(good(path="/webhooks/pay/"))
    assert isinstance(made, Admitted)
    assert made.path.name == "pay"


@pytest.mark.parametrize("length", [None, 0, 1_000])
def test_a_length_up_to_the_cap_is_admitted(length: int | None):
    assert isinstance(webhook().head(good(content_length=length)), Admitted)


def test_a_signed_event_becomes_a_delivery():
    found = webhook()
    made = decided(found, event())
    assert isinstance(made, Delivery)
    assert (made.publication.trigger, made.publication.topic, made.publication.timestamp_ms) == (
        "pay",
        "payment-event",
        NOW_S * 1000,
    )
    assert made.trace == b"00-000102030405060708090a0b0c0d0e0f-1011121314151617-01"
    assert dict(found.counters.of("stripeline_signatures_total")) == {("pay", "0"): 1}
    assert verdicts(found) == {}


def test_a_signature_of_a_secret_that_is_sealed_here_comes_again():
    found, body = webhook(), event()
    to_half = good(path="/webhooks/half")
    signed = sign(body, b"whsec_of_another_master_key")
    assert decided(found, body, structs.replace(to_half, signatures=[signed])) == refusals.SEALED_SECRET
    assert verdicts(found) == {("half", "not_taken", "sealed_secret"): 1}
    old = sign(body, t=NOW_S - 400)
    assert decided(found, body, structs.replace(to_half, signatures=[old])) == refusals.not_signed(
        SignatureReason.TOO_OLD
    )


def test_a_secret_that_opens_beside_a_sealed_one_keeps_its_place():
    found = webhook()
    assert isinstance(decided(found, event(), good(path="/webhooks/half")), Delivery)
    assert dict(found.counters.of("stripeline_signatures_total")) == {("half", "1"): 1}


@pytest.mark.parametrize(
    ("path", "name"),
    [("/webhooks/pay", "pay"), ("/webhooks/pay/", "pay"), ("/webhooks/x", ""), ("/", ""), ("/webhooks/pay/x", "")],
)
def test_only_a_trigger_that_exists_is_named(path: str, name: str):
    assert webhook().known_name(path) == name


def test_the_senders_trace_goes_on_into_the_record():
    body = event()
    made = decided(webhook(), body, good(traceparent=TRACE))
    assert isinstance(made, Delivery)
    assert made.trace == TRACE.encode()
    assert dict(made.publication.headers)["traceparent"] == TRACE.encode()


@pytest.mark.parametrize(("t", "skew_s"), [(NOW_S - 301, 301), (NOW_S + 600, -600)])
def test_a_genuine_signature_of_another_time_is_clock_skew(t: int, skew_s: int):
    found = webhook()
    refused = decided(found, event(), good(signatures=[sign(event(), t=t)]))
    assert isinstance(refused, Refusal)
    assert dict(found.counters.of("stripeline_delivery_clock_skew_seconds")) == {("pay",): skew_s}


def test_a_forged_signature_is_no_clock_skew():
    found = webhook()
    assert decided(found, event(), good(signatures=[sign(event(), b"x")])) == refusals.not_signed(
        SignatureReason.MISMATCH
    )
    assert list(found.counters.of("stripeline_delivery_clock_skew_seconds")) == []
    assert verdicts(found) == {("pay", "refused", "mismatch"): 1}


def test_what_is_signed_and_no_event_is_refused():
    found = webhook()
    assert decided(found, b"null") == refusals.not_an_event(EventReason.NOT_AN_EVENT)
    assert decided(found, event(livemode=True)) == refusals.not_an_event(EventReason.WRONG_MODE)
    assert verdicts(found) == {("pay", "refused", "not_an_event"): 1, ("pay", "refused", "wrong_mode"): 1}


def test_an_event_of_another_family_is_accepted_and_counted():
    found = webhook()
    assert decided(found, event(type="invoice.paid")) is ACCEPTED
    assert verdicts(found) == {("pay", "ignored", "other_family"): 1}


def settled(found: Webhook, outcome: Published | NotTaken):
    delivery = decided(found, event())
    assert isinstance(delivery, Delivery)
    return found.settled(delivery, outcome, 0.02)


def test_what_kafka_has_is_accepted_and_timed():
    found = webhook()
    assert settled(found, TAKEN) is ACCEPTED
    assert verdicts(found) == {("pay", "published", ""): 1}
    [(labels, histogram)] = found.counters.of("stripeline_publish_seconds")
    assert (labels, histogram.total) == (("payment-event",), 0.02)


@pytest.mark.parametrize("reason", [one for one in NotTakenReason if one is not NotTakenReason.TOO_LARGE])
def test_what_kafka_did_not_take_is_not_accepted(reason: NotTakenReason):
    found = webhook()
    assert settled(found, NotTaken(reason)) == refusals.NOT_TAKEN
    assert verdicts(found) == {("pay", "not_taken", reason): 1}


def test_what_never_fits_a_record_is_refused_for_good():
    found = webhook()
    assert settled(found, NotTaken(NotTakenReason.TOO_LARGE)) == refusals.TOO_LARGE
    assert verdicts(found) == {("pay", "refused", "too_large"): 1}


def test_each_verified_delivery_ends_its_span_once():
    spans = Spans()
    found = webhook(spans)
    settled(found, TAKEN)
    settled(found, NotTaken(NotTakenReason.LATE))
    decided(found, event(type="invoice.paid"))
    decided(found, b"null")
    found.head(good(path="/webhooks/x"))
    trace = TRACE.encode()
    assert spans.ended == [
        (trace, "payment-event", TAKEN), (trace, "not_taken", "deadline"), (trace, "ignored", "other_family"),
        (trace, "refused", "not_an_event"),
    ]  # fmt: skip


def at(name: str, body: bytes) -> RequestHead:
    return good(path=f"/webhooks/{name}", signatures=[sign(body)])


@pytest.mark.parametrize(("kind", "taker"), [("payment_intent.created", "pay"), ("charge.failed", "cards")])
def test_an_endpoints_event_goes_to_the_trigger_of_its_family(kind: str, taker: str):
    found, body = webhook(), event(type=kind, livemode=True)
    made = decided(found, body, at("all", body))
    assert isinstance(made, Delivery)
    found.settled(made, TAKEN, 0.02)
    headers = dict(made.publication.headers)
    assert (made.publication.trigger, headers["stripeline-trigger"], headers["ce_source"]) == (
        taker, taker.encode(), f"/stripeline/triggers/{taker}".encode(),
    )  # fmt: skip
    assert verdicts(found) == {(taker, "published", ""): 1}
    assert dict(found.counters.of("stripeline_signatures_total")) == {("all", "we_1"): 1}


def test_an_endpoint_counts_other_families_and_modes_itself():
    found = webhook()
    other, test = event(type="customer.created", livemode=True), event(account="acct_1", type="charge.failed")
    wrong = event(type="charge.failed")
    assert decided(found, other, at("all", other)) is ACCEPTED
    assert decided(found, test, at("all", test)) is ACCEPTED
    assert decided(found, wrong, at("all", wrong)) == refusals.not_an_event(EventReason.WRONG_MODE)
    assert verdicts(found) == {
        ("all", "ignored", "other_family"): 1, ("all", "ignored", "wrong_mode"): 1, ("all", "refused", "wrong_mode"): 1,
    }  # fmt: skip


def test_an_event_that_a_missing_trigger_may_take_comes_again():
    found, body = webhook(), event(type="charge.failed")
    assert decided(found, body, at("some", body)) == refusals.NO_TRIGGER
    assert verdicts(found) == {("some", "not_taken", "no_trigger"): 1}
    assert isinstance(decided(found, event(), at("some", event())), Delivery)

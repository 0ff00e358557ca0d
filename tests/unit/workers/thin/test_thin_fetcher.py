"""What is published of a thin event, and what becomes of one that can't be published now."""

import orjson
import pytest
from msgspec.structs import replace

from stripeline.contracts import headers as h
from stripeline.contracts.definition_fields import Rate
from stripeline.contracts.deliveries.partitioner import partition_of
from stripeline.contracts.headers import THIN_EVENT
from stripeline.contracts.vocabulary import Fault, Verdict
from stripeline.ingest.routing import Publication, route
from stripeline.workers.executor.connection.call_shares import CallShares
from stripeline.workers.executor.connection.key_owner import KeyOwner
from stripeline.workers.executor.connection.rate_gate import RateGate
from stripeline.workers.executor.stripe_answer import NoKey, StripeAnswer
from stripeline.workers.thin.thin_record import QUEUE
from tests.support.records import OWNER
from tests.support.thin_world import (
    GONE,
    PARTITIONS,
    START_MS,
    TOPICS,
    VERSION,
    ThinWorld,
    found,
    refused,
    thin,
    thin_record,
)
from tests.support.webhook_paths import own_path

EVENT, TWIN, OBJECT = "/v2/core/events/evt_thin_1", "/v1/events/evt_1", "/v1/payment_intents/pi_1"
INTENT = {"id": "pi_1", "object": "payment_intent", "amount": 5_000}
SUB = {"id": "sub_1", "type": "subscription", "url": "/v1/subscriptions/sub_1"}
PAST_DUE = thin(type="v1.customer.subscription.past_due", related_object=SUB)
DOWN = StripeAnswer(status=503, headers={}, body=b'{"error":{"type":"api_error"}}')


def snapshot(**changes):
    made = {
        "id": "evt_1",
        "object": "event",
        "type": "payment_intent.succeeded",
        "api_version": "2025-01-01.acacia",
        "created": 1_790_000_000,
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": "req_1", "idempotency_key": "key"},
        "data": {"object": INTENT, "previous_attributes": {"status": "processing"}},
    }
    return made | changes


def fetched(named=True, **changes):
    return found(thin(snapshot_event="evt_1" if named else None, **changes))


def with_twin(**changes):
    return ThinWorld(stripe={EVENT: fetched(), TWIN: found(snapshot(**changes))})


def delivered(event, connection="acme"):
    """What ingest publishes of a snapshot that Stripe delivers."""
    view = own_path(name="acme-payments", family_kind="stripe/payment-event", connection=connection)
    record = route(orjson.dumps(event), path=view, received_at_ms=START_MS, traceparent=b"00-trace")
    assert isinstance(record, Publication)
    return record


def code_of(world):
    return world.letter[h.REASON].decode(), world.letter[h.CODE].decode()


def test_the_snapshot_is_published_as_ingest_publishes_it():
    world, of_ingest = with_twin(), delivered(snapshot())
    assert world.take(thin_record()).verdict is Verdict.PUBLISHED
    (output,) = world.published
    assert (output.topic, output.key, output.value) == (f"stripe.{of_ingest.topic}", of_ingest.key, of_ingest.value)
    assert output.headers == (*of_ingest.headers, (h.PAYLOAD, b"event"))
    assert output.partition == partition_of(b"pi_1", PARTITIONS)
    assert world.asked == [(EVENT, None), (TWIN, None)]


def test_without_a_snapshot_the_object_is_published_as_it_is_now():
    world = ThinWorld(
        stripe={
            EVENT: found({**PAST_DUE, "snapshot_event": None, "changes": {"before": {"status": "active"}}}),
            SUB["url"]: found({"id": "sub_1", "object": "subscription", "customer": "cus_1", "status": "past_due"}),
        }
    )
    world.take(thin_record(PAST_DUE))
    (output,) = world.published
    assert (output.topic, output.key) == ("stripe.customer-event", b"cus_1")
    assert output.partition == partition_of(b"cus_1", PARTITIONS)
    assert world.output == {
        "id": "evt_thin_1",
        "type": "customer.subscription.past_due",
        "api_version": VERSION,
        "created": 1_790_007_200,
        "data": {"id": "sub_1", "object": "subscription", "customer": "cus_1", "status": "past_due"},
        "request": {"id": "req_1", "idempotency_key": "key"},
        "livemode": False,
        "previous_attributes": {"status": "active"},
    }
    headers = h.read(output.headers)
    assert headers[h.PAYLOAD] == b"object"
    assert (headers["ce_id"], headers["ce_type"]) == (b"evt_thin_1", b"customer.subscription.past_due")
    assert headers["ce_time"] == b"2026-09-21T16:13:20.000Z"


@pytest.mark.parametrize("gone", [GONE, found({"id": "cus_1", "object": "customer", "deleted": True})])
def test_a_gone_object_is_published_as_deleted_under_its_subject(gone):
    related = {"id": "cus_1", "type": "customer", "url": "/v1/customers/cus_1"}
    body = thin(type="v1.customer.brand_new", related_object=related)
    world = ThinWorld(stripe={EVENT: found(body), related["url"]: gone})
    world.take(thin_record(body))
    assert world.output["data"] == {"id": "cus_1", "object": "customer", "deleted": True}
    assert world.published[0].key == b"cus_1"


def test_the_parent_in_its_path_is_the_subject_of_a_gone_object():
    related = {"id": "di_1", "type": "discount", "url": "/v1/customers/cus_7/discount"}
    body = thin(type="v1.customer.discount.source_changed", related_object=related)
    world = ThinWorld(stripe={EVENT: found(body)})
    world.take(thin_record(body))
    assert world.published[0].key == b"cus_7"
    assert world.output["data"] == {"id": "di_1", "object": "discount", "deleted": True}


def test_a_gone_object_without_a_parent_is_a_dead_letter():
    world = ThinWorld(stripe={EVENT: found(PAST_DUE)})
    assert world.take(thin_record(PAST_DUE)).verdict is Verdict.UNPUBLISHED
    assert code_of(world) == ("subject_unknown", "NOT_FOUND")
    assert world.dead[0].value == orjson.dumps(PAST_DUE)
    assert world.letter[h.KIND] == THIN_EVENT
    assert not world.published


SINGLE = {"type": "discount", "url": "/v1/customers/cus_7/discount"}


def test_an_object_that_its_parent_has_one_of_needs_no_id():
    body = thin(type="v1.customer.discount.brand_new", related_object=SINGLE)
    world = ThinWorld(stripe={EVENT: found(body), SINGLE["url"]: found({"object": "discount", "customer": "cus_7"})})
    world.take(thin_record(body))
    assert (world.published[0].key, world.output["data"]["object"]) == (b"cus_7", "discount")
    world = ThinWorld(stripe={EVENT: found(body)})
    world.take(thin_record(body))
    assert world.published[0].key == b"cus_7"
    assert world.output["data"] == {"object": "discount", "deleted": True}


@pytest.mark.parametrize(
    ("fetched_as", "key", "data"),
    [
        ({"related_object": SINGLE}, b"cus_7", {"object": "discount", "deleted": True}),
        ({"data": {"customer": "cus_8", "source": "x"}}, b"cus_8", {"customer": "cus_8", "source": "x"}),
        ({}, None, None), ({"data": {"source": "x"}}, None, None), ({"related_object": {"url": "//x"}}, None, None),
    ],
)  # fmt: skip
def test_one_that_names_no_object_is_published_if_it_says_whose(fetched_as, key, data):
    body = thin(type="v1.customer.discount.source_changed", related_object=None)
    world = ThinWorld(stripe={EVENT: found({**body, **fetched_as})})
    world.take(thin_record(body))
    if key is None:
        assert code_of(world)[0] == "subject_unknown"
    else:
        assert (world.published[0].key, world.output["data"]) == (key, data)


def test_a_gone_snapshot_waits_then_lends_its_id_to_the_object():
    world = ThinWorld(stripe={EVENT: fetched(), OBJECT: found(INTENT)})
    world.drain(thin_record())
    assert [path for path, _ in world.asked] == [EVENT, TWIN] * 4 + [OBJECT]
    assert (world.output["id"], h.read(world.published[0].headers)[h.PAYLOAD]) == ("evt_1", b"object")


def test_a_snapshot_that_is_not_named_yet_is_waited_for():
    answers = [fetched(named=False), fetched(named=False), fetched()]
    world = ThinWorld(stripe={EVENT: lambda: answers.pop(0), TWIN: found(snapshot()), OBJECT: found(INTENT)})
    world.drain(thin_record())
    assert world.output["id"] == "evt_1"
    assert (OBJECT, None) not in world.asked


@pytest.mark.parametrize(("come", "requests"), [(True, [EVENT] * 4 + [OBJECT]), (False, [EVENT, OBJECT])])
def test_one_that_is_never_named_is_waited_for_where_it_may_come(come, requests):
    world = ThinWorld(stripe={EVENT: fetched(named=False), OBJECT: found(INTENT)}, snapshots_come=come)
    world.drain(thin_record())
    assert [path for path, _ in world.asked] == requests
    assert world.output["id"] == "evt_thin_1"


@pytest.mark.parametrize("answer", [DOWN, GONE, Fault.LOST, refused(400), refused(403), found({"id": "other"})])
def test_an_event_that_can_not_be_fetched_publishes_nothing(answer):
    world = ThinWorld(stripe={EVENT: answer, TWIN: found(snapshot()), OBJECT: found(INTENT)})
    world.drain(thin_record())
    assert world.asked == [(EVENT, None)] * 4
    assert not world.published
    assert code_of(world)[0] == ("key_refused" if answer == refused(403) else "exhausted")
    assert world.letter[h.ATTEMPTS] == b"4"


def test_a_failure_is_retried_in_the_tiers_as_a_commands():
    world, waits = ThinWorld(stripe={EVENT: DOWN}), []
    world.take(thin_record())
    while world.waiting:
        record = world.waiting[0]
        waits.append((record.topic, h.read(record.headers)[h.ATTEMPT], h.read(record.headers)[h.KIND]))
        world.take(world.next_due())
    topics = [("stripe.action-retry.5s", b"1"), ("stripe.action-retry.30s", b"2"), ("stripe.action-retry.2m", b"3")]
    assert waits == [(topic, attempt, THIN_EVENT) for topic, attempt in topics]


def test_a_replayed_dead_letter_is_fetched_from_the_beginning():
    world = ThinWorld(stripe={EVENT: DOWN})
    world.drain(thin_record())
    world.stripe = with_twin().stripe
    letter = world.dead[0]
    world.take(thin_record(letter.value, key=letter.key, headers=letter.headers))
    assert world.output["id"] == "evt_1"


@pytest.mark.parametrize(
    ("context", "own", "beside"),
    [
        (None, "acct_1Acme", {}),
        ("acct_1Acme", "acct_1Acme", {}),
        ("acct_1Other", "acct_1Acme", {"account": "acct_1Other"}),
        ("acct_1Other", None, {"account": "acct_1Other"}),
        ("acct_1Acme/acct_1Other", "acct_1Acme", {"context": "acct_1Acme/acct_1Other"}),
    ],
)
@pytest.mark.parametrize("as_object", [False, True])
def test_the_output_names_the_account_as_a_delivery_does(context, own, beside, as_object):
    event = fetched(named=not as_object)
    setup = replace(ThinWorld().setup, owner=lambda _: KeyOwner(mode="test", account=own))
    stripe = {EVENT: event, TWIN: found(snapshot()), OBJECT: found(INTENT)}
    world = ThinWorld(stripe=stripe, setup=setup, snapshots_come=False)
    world.take(thin_record(thin(context=context)))
    assert {name: world.output[name] for name in ("account", "context") if name in world.output} == beside
    assert {asked[1] for asked in world.asked} == {context}


def test_what_the_snapshot_says_of_its_account_stays():
    world = with_twin(account="acct_1Third")
    world.take(thin_record(thin(context="acct_1Other")))
    assert world.output["account"] == "acct_1Third"


@pytest.mark.parametrize(
    "owner",
    [
        KeyOwner(mode="live", account="acct_1Acme"),
        KeyOwner(mode="test", account="acct_1New", since_ms=START_MS + 1),
    ],
)
def test_no_request_is_made_under_another_account_or_mode(owner):
    world = ThinWorld(setup=replace(ThinWorld().setup, owner=lambda _: owner))
    world.take(thin_record())
    assert code_of(world) == ("account_changed", "ACCOUNT_CHANGED")
    assert world.asked == []


def test_a_backfills_headers_are_kept():
    world, record = with_twin(), thin_record()
    kept = ((h.SOURCE, b"backfill"), (h.LATE_BY, b"5"))
    world.take(thin_record(headers=(*record.headers, *kept)))
    assert world.published[0].headers[-2:] == kept


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"{}",
        *(
            orjson.dumps(thin(**changes))
            for changes in (
                {"type": "v1.invoice.paid"}, {"type": "v2.core.account.updated"}, {"created": "yesterday"},
                {"created": "2026-09-21T16:13:20"},
                {"related_object": {"id": "pi_1", "type": "payment_intent", "url": "https://example.com/v1/a"}},
                {"related_object": {"id": "pi_1", "type": "payment_intent", "url": "/v1/events/../accounts/x"}},
                {"related_object": {"id": "pi_1", "type": "payment_intent", "url": "/v1/charges?limit=1"}},
                {"context": "acct_1\r\nX: y"}, {"context": ""}, {"id": ".."}, {"id": "a/b"}, {"livemode": "no"},
            )
        ),
    ],
)  # fmt: skip
def test_what_is_no_thin_event_is_a_dead_letter(body):
    world = ThinWorld()
    assert world.take(thin_record(body)).verdict is Verdict.UNREADABLE
    assert world.asked == []
    assert code_of(world)[0] == "unreadable"


@pytest.mark.parametrize(
    "event",
    [
        snapshot(id="evt_other"), snapshot(data=None), snapshot(object="v2.core.event"),
        snapshot(type="invoice.paid"), snapshot(data={"object": {"x": "y" * 1_100_000}}),
    ],
)  # fmt: skip
def test_an_answer_that_is_not_the_snapshot_publishes_nothing(event):
    world = ThinWorld(stripe={EVENT: fetched(), TWIN: found(event), OBJECT: found(INTENT)})
    world.drain(thin_record())
    assert not world.published
    assert code_of(world)[0] == "exhausted"


@pytest.mark.parametrize("depth", [150, 190, 200, 252, 253, 254, 300, 1_100])
def test_what_is_too_deep_to_be_written_is_no_answer(depth):
    deep = b'{"id":"evt_1","object":"event","type":"payment_intent.succeeded","created":1,"data":{"object":%s}}'
    nested = StripeAnswer(status=200, headers={}, body=deep % (b'{"a":' * depth + b"1" + b"}" * depth))
    world = ThinWorld(stripe={EVENT: fetched(), TWIN: nested})
    world.drain(thin_record())
    assert len(world.published) == (depth < 200)
    assert len(world.dead) == (depth >= 200)


@pytest.mark.parametrize("name", [".", "..", "a/b", 5, ""])
def test_a_snapshot_id_that_can_not_be_asked_for_is_no_request(name):
    world = ThinWorld(stripe={EVENT: found(thin(snapshot_event=name))})
    world.drain(thin_record())
    assert {path for path, _ in world.asked} == {EVENT}
    assert code_of(world)[0] == "exhausted"


def test_a_refused_key_holds_thin_events_and_costs_no_attempt():
    gate = RateGate(limits=lambda _: Rate(), share=lambda: 1.0, key=lambda _: "k", refused=lambda *_: None)
    world = ThinWorld(stripe={EVENT: refused(401)}, gate=gate)
    world.take(thin_record())
    assert h.read(world.waiting[0].headers)[h.ATTEMPT] == b"0"
    assert [notice.key for notice in world.notices] == [b"state/acme"]
    assert (
        world.fetcher.gate.ask("acme", "/v1/charges", START_MS).why == "waits for its connection's key to be replaced"
    )


def test_a_paused_connection_holds_thin_events():
    gate = RateGate(
        limits=lambda _: Rate(), share=lambda: 1.0, key=lambda _: "k", refused=lambda *_: None, paused=lambda _: 1
    )
    world = ThinWorld(gate=gate)
    world.take(thin_record())
    assert world.asked == []
    assert h.read(world.waiting[0].headers)[h.LAST_ERROR] == b"waits for its connection to be resumed"


def test_a_key_that_can_not_be_opened_holds_thin_events():
    world = ThinWorld()
    world.take(thin_record(), NoKey(connection="acme"))
    assert h.read(world.waiting[0].headers)[h.ATTEMPT] == b"0"


def test_requests_take_their_turns_in_the_connections_rate():
    gate = RateGate(limits=lambda _: Rate(account=1.0), share=lambda: 1.0, key=lambda _: "k", refused=lambda *_: None)
    world = ThinWorld(stripe={f"/v2/core/events/e{n}": DOWN for n in range(20)}, gate=gate)
    for number in range(20):
        world.take(thin_record(thin(f"e{number}"), key=f"pi_{number}".encode()))
    held = [record for record in world.waiting if h.TURN_AT in h.read(record.headers)]
    assert len(world.asked) == 1
    assert len(held) == 19


def test_beyond_its_share_of_the_slots_an_event_waits():
    gate = RateGate(
        limits=lambda _: Rate(), share=lambda: 1.0, key=lambda _: "k", refused=lambda *_: None, shares=CallShares(2)
    )
    gate.shares.asks(("another", None), START_MS)
    gate.shares.began(0, ("acme", None))
    world = ThinWorld(stripe={EVENT: fetched(), TWIN: found(snapshot())}, gate=gate)
    world.take(thin_record(key=b"pi_1"))
    assert (world.asked, len(world.waiting)) == ([], 1)
    gate.shares.calls_cut_short(0)
    world.drain()
    assert len(world.published) == 1


def test_below_its_rate_every_event_is_published_once():
    gate = RateGate(limits=lambda _: Rate(account=1.0), share=lambda: 1.0, key=lambda _: "k", refused=lambda *_: None)
    stripe = {EVENT: fetched(), TWIN: found(snapshot())}
    world = ThinWorld(stripe=stripe, gate=gate)
    for number in range(60):
        world.take(thin_record(key=f"pi_{number}".encode()))
    world.drain()
    assert len(world.published) == 60
    assert len(world.asked) == 120


def test_a_connection_that_is_not_there_is_waited_for():
    world = ThinWorld(setup=replace(ThinWorld().setup, owner=lambda _: None))
    world.drain(thin_record())
    assert code_of(world)[0] == "exhausted"
    assert "add it, then replay" in world.letter[h.LAST_ERROR].decode()


def test_a_held_owner_holds_thin_events():
    world = ThinWorld(setup=replace(ThinWorld().setup, owner=lambda _: replace(OWNER, held="waits")))
    world.take(thin_record())
    assert h.read(world.waiting[0].headers)[h.LAST_ERROR] == b"waits"


def test_a_thin_event_and_a_command_of_one_key_have_two_lanes():
    world = ThinWorld()
    fresh = thin_record()
    assert world.fetcher.lane(fresh) != fresh.key
    world.take(fresh)
    assert world.fetcher.lane(world.waiting[0]) == world.fetcher.lane(fresh)
    assert world.fetcher.lane(thin_record(key=None)) == (TOPICS.thin_event, 0)


def test_a_fault_ends_its_record_and_its_key_goes_on():
    world = ThinWorld(stripe={EVENT: DOWN})
    world.take(thin_record())
    world.commit(world.fetcher.broken(world.ledger, world.next_due(), KeyError("pi_secret")))
    assert code_of(world) == ("internal_error", "INDETERMINATE")
    assert world.letter[h.KIND] == THIN_EVENT
    assert world.ledger.sizes["queues"] == 0


def test_a_v2_error_without_a_type_is_stripes_own():
    body = orjson.dumps({"error": {"code": "rate_limit", "message": "slow"}})
    answer = StripeAnswer(status=429, headers={"request-id": "req_1"}, body=body)
    world = ThinWorld(stripe={EVENT: answer})
    world.take(thin_record())
    assert h.read(world.waiting[0].headers)[h.LAST_ERROR].startswith(b"RATE_LIMITED")
    world = ThinWorld(stripe={EVENT: replace(answer, headers={})})
    world.take(thin_record())
    assert h.read(world.waiting[0].headers)[h.LAST_ERROR].startswith(b"PROVIDER_ERROR")


def test_an_event_that_nobody_asked_for_has_no_request():
    world = ThinWorld(stripe={EVENT: fetched(named=False, reason=...), OBJECT: found(INTENT)}, snapshots_come=False)
    world.take(thin_record())
    assert world.output["request"] is None


@pytest.mark.parametrize("missing", [h.TRIGGER, h.CONNECTION])
def test_a_record_without_its_trigger_or_connection_is_dead(missing):
    world, headers = with_twin(), thin_record().headers
    world.take(thin_record(headers=tuple(one for one in headers if one[0] != missing)))
    assert world.letter[h.REASON] == b"unreadable"
    assert world.asked == []


def test_an_event_without_a_key_waits_in_no_queue():
    world = ThinWorld(stripe={EVENT: DOWN})
    world.take(thin_record(key=None))
    (waits,) = world.waiting
    assert h.PLACE not in h.read(waits.headers)
    assert world.ledger.sizes["queues"] == 0


def test_one_that_comes_late_to_its_turn_moves_no_queue_back():
    world = ThinWorld(stripe={EVENT: DOWN, "/v2/core/events/evt_thin_2": DOWN})
    world.take(thin_record())
    world.take(thin_record(thin("evt_thin_2")))
    first, second = world.waiting
    world.waiting.clear()
    world.now_ms += 2 * 3_600_000
    world.take(second)  # the first one is not waited for any more
    before = world.ledger.queue(QUEUE + "pi_1")
    assert world.take(first).verdict == Verdict.RETRIED
    assert world.ledger.queue(QUEUE + "pi_1") == before

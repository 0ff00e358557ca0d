"""Loops of our own effects end: router, executor, and a Stripe that sends an event for everything that was made."""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripeline.contracts import effect_trail
from stripeline.contracts.definitions import Workflow
from stripeline.contracts.internal_records import encode
from stripeline.contracts.records import parse_command
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import UnstartedReason, Verdict
from stripeline.workers.actions import actions, objects_made
from stripeline.workers.executor.command_state import Call
from stripeline.workers.executor.executor import Executor
from stripeline.workers.executor.ledger import Ledger
from stripeline.workers.executor.setup import Setup
from stripeline.workers.router.own_effects import MAX_HOPS, EventCause, cause_of
from stripeline.workers.router.router import Router
from stripeline.workers.router.run_state import Runs
from tests.support.records import Record, any_owner, event, event_record

NOW_MS, NOW_S = 1_790_000_000_000, 1_790_000_000
TOPICS = Topics()
INPUTS = {
    "stripe/create-customer": {"description": "made"},
    "stripe/create-payment-intent": {"amount": 100, "currency": "eur"},
    "stripe/retrieve-charge": {"id": "ch_1"},
}
CUSTOMER, PAYMENT = "stripe/create-customer", "stripe/create-payment-intent"
TWIN = {"twin": (["customer.created"], CUSTOMER)}
Made = tuple[dict[str, Any], str]
"""An object at Stripe, and the Idempotency-Key that made it."""


class Installation:
    """A router and an executor with topics of their own. `flows`: types and action by workflow."""

    def __init__(self, name: str, flows: Mapping[str, tuple[list[str], str]]):
        steps = lambda action: [{"id": "make", "action": action, "input": INPUTS[action]}]  # noqa: E731
        workflows = {
            flow: Workflow.model_validate({"trigger": "all", "types": types, "steps": steps(action)})
            for flow, (types, action) in flows.items()
        }
        self.router = Router(topics=TOPICS, workflows=lambda _: workflows, installation=lambda: name)
        setup = Setup(topics=TOPICS, actions=actions(), owner=any_owner, installation=lambda: name)
        self.executor, self.runs, self.ledger = Executor(setup=setup), Runs(), Ledger()
        self.unstarted: list[UnstartedReason] = []

    def take(self, sent: dict[str, Any]) -> Iterator[Made]:
        """What an event makes this installation do at Stripe."""
        decision = self.router.take(self.runs, event_record(sent, trigger="all"), NOW_MS)
        self.unstarted += [one.reason for one in decision.unstarted]
        for change in decision.changes:
            self.runs.restore(change.key, change.record and encode(change.record))
        for output in decision.outputs:
            if "stripeline-settles" in dict(output.headers):
                continue
            record = Record(
                topic=TOPICS.command, key=None, value=output.value, headers=output.headers, timestamp=NOW_MS
            )
            call = self.executor.take(self.ledger, record, NOW_MS)
            assert isinstance(call, Call)
            if call.request.method == "POST":
                made = {"object": call.action.makes, "metadata": call.request.params["metadata"]}
                yield made, call.idempotency_key or ""


class World:
    """Stripe with its installations: every object has an id, every change an event."""

    def __init__(self, *installations: Installation):
        self.installations, self.events, self.objects = installations, 0, 0

    def event(self, made: dict[str, Any], what: str, key: str | None) -> dict[str, Any]:
        self.events += 1
        request = None if key is None else {"id": "req_1", "idempotency_key": key}
        return event(
            id=f"evt_{self.events}", type=f"{made['object']}.{what}", data=made, request=request, created=NOW_S
        )

    def effects(self, sent: dict[str, Any]) -> list[Made]:
        effects = [made for one in self.installations for made in one.take(sent)]
        for made, _ in effects:
            self.objects += 1
            made["id"] = f"obj_{self.objects}"
        return effects

    def settle_down(self, sent: dict[str, Any], *, with_key: bool = True, at_most: int = 200) -> int:
        """How many objects one event leads to in the end."""
        waiting = [sent]
        while waiting and self.objects < at_most:
            for made, key in self.effects(waiting.pop()):
                waiting.append(self.event(made, "created", key if with_key else None))
        return self.objects


def created(kind: str = "customer") -> dict[str, Any]:
    """An event of an object that a person made."""
    return event(id="evt_0", type=f"{kind}.created", data={"id": "x", "object": kind}, created=NOW_S)


@pytest.mark.parametrize("with_key", [True, False], ids=["key", "no key"])
def test_what_a_workflow_made_does_not_start_it_again(with_key: bool):  # case G13
    one = Installation("a", TWIN)
    assert World(one).settle_down(created(), with_key=with_key) == 1
    assert one.unstarted == [UnstartedReason.OWN_EFFECT]


def test_two_installations_that_react_to_each_other_end():
    pair = Installation("a", TWIN), Installation("b", TWIN)
    assert World(*pair).settle_down(created()) == 4  # a, b, and each once after the other


def test_workflows_that_start_each_other_end():
    flows = {"pay": (["customer.created"], PAYMENT), "greet": (["payment_intent.created"], CUSTOMER)}
    assert World(Installation("a", flows)).settle_down(created()) == 2


def test_our_effect_starts_the_workflows_that_did_not_lead_to_it():
    flows = {"greet": (["customer.created"], PAYMENT), "book": (["payment_intent.created"], "stripe/retrieve-charge")}
    one = Installation("a", flows)
    World(one).settle_down(created())
    assert one.runs.sizes["open"] == 2


def test_an_update_by_a_person_months_later_starts_the_workflow():
    one = Installation("a", {"twin": (["customer.created", "customer.updated"], CUSTOMER)})
    world = World(one)
    ((made, _),) = world.effects(created())
    for key in (None, "a-key-of-the-dashboard"):
        assert len(world.effects(world.event(made, "updated", key))) == 1


def test_what_payers_pay_at_once_ends_at_the_hop_limit():
    one = Installation("a", {"again": (["payment_intent.succeeded"], PAYMENT)})
    world, sent, made = World(one), event(id="evt_0", created=NOW_S), 0
    while (effects := world.effects(sent)) and made <= MAX_HOPS + 1:
        made += 1
        sent = world.event(effects[0][0], "succeeded", None)
    assert made == MAX_HOPS
    assert one.unstarted == [UnstartedReason.HOP_LIMIT]
    decision = one.router.take(Runs(), event_record(sent, trigger="all"), NOW_MS)
    assert decision.verdict == Verdict.HOP_LIMIT


def test_a_chain_that_does_not_fit_the_metadata_is_the_end():
    entry = "a" * 16 + "/" + "b" * 40
    chain = tuple(f"{entry[:-1]}{number}" for number in range(8))
    assert effect_trail.fits(chain)
    assert EventCause(chain=chain).followed_by(entry) is UnstartedReason.HOP_LIMIT
    command = {"command_id": "c", "action": "x", "connection": "y", "input": {}}
    assert parse_command(orjson.dumps(command | {"chain": chain})).chain == chain
    assert "500 characters" in parse_command(orjson.dumps(command | {"chain": (*chain, entry)})).reason


MADE = {
    "id": "cus_1", "object": "customer",
    "metadata": {
        "stripeline_installation": "a", "stripeline_command": "evt_1:twin:make", "stripeline_partition": "0",
        "stripeline_chain": "a/twin", "stripeline_hops": "2",
    },
}  # fmt: skip
OUR_KEY = "stripeline:a:evt_1:twin:make"


@pytest.mark.parametrize(
    ("type_", "data", "key", "cause"),
    [
        ("customer.created", MADE, OUR_KEY, EventCause(chain=("a/twin",), hops=3)),
        ("customer.created", MADE, None, EventCause(chain=("a/twin",), hops=3)),
        ("customer.created", MADE, "theirs", EventCause(hops=3)),  # a copy of our metadata
        ("customer.updated", MADE, OUR_KEY, EventCause(chain=("a/twin",), hops=3)),
        ("customer.updated", MADE, None, EventCause(hops=3)),
        ("customer.updated", MADE, "theirs", EventCause(hops=3)),
        ("customer.source.created", {**MADE, "object": "card"}, None, EventCause(hops=3)),
        ("charge.refunded", {"id": "ch_1", "object": "charge"}, OUR_KEY, EventCause(chain=None, hops=1)),
        ("charge.refunded", MADE, "stripeline:a:evt_2:twin:make", EventCause(chain=None, hops=3)),
        ("charge.refunded", MADE, "stripeline:a:team-7", EventCause(chain=(), hops=3)),
        ("charge.refunded", {"id": "ch_1", "object": "charge"}, "stripeline:a:team-7", EventCause(chain=(), hops=1)),
        ("customer.created", {"id": "cus_1", "object": "customer"}, None, EventCause()),
        ("customer.created", {**MADE, "metadata": None}, None, EventCause()),
        ("customer.created", {**MADE, "metadata": {**MADE["metadata"], "stripeline_hops": "x"}}, None,
         EventCause(chain=("a/twin",), hops=1)),
        ("customer.created", {**MADE, "metadata": {**MADE["metadata"], "stripeline_chain": 5}}, OUR_KEY,
         EventCause(chain=(), hops=3)),
    ],
)  # fmt: skip
def test_what_led_to_an_event(type_: str, data: dict[str, Any], key: str | None, cause: EventCause):
    request = {"id": "req_1", "idempotency_key": key}
    assert cause_of({"type": type_, "data": data, "request": request}, objects_made()) == cause


@pytest.mark.parametrize("request_", [None, "req_1", {}, {"idempotency_key": 5}, {"idempotency_key": ""}])
def test_a_request_without_a_key_names_none(request_: object):
    assert cause_of({"type": "customer.updated", "data": MADE, "request": request_}, objects_made()) == EventCause(
        hops=3
    )


def test_where_the_chain_cannot_be_read_nothing_is_started():
    one = Installation("a", {"any": (["charge.*"], CUSTOMER)})
    refund = event(type="charge.refunded", data={"id": "ch_1", "object": "charge"}, created=NOW_S)
    assert World(one).effects(refund | {"request": {"idempotency_key": OUR_KEY}}) == []
    assert one.unstarted == [UnstartedReason.OWN_EFFECT]


_types = st.sampled_from(
    ["*", "customer.*", "customer.created", "payment_intent.*", "payment_intent.succeeded", "charge.*"]
)
_flows = st.dictionaries(
    st.sampled_from(["one", "two", "three"]),
    st.tuples(st.lists(_types, min_size=1, max_size=2), st.sampled_from(sorted(INPUTS))),
    max_size=3,
)


@given(st.data(), st.tuples(_flows, _flows))
def test_every_path_of_effects_ends(data: st.DataObject, flows: tuple[dict[str, Any], dict[str, Any]]):
    world = World(Installation("a", flows[0]), Installation("b", flows[1]))
    sent = created(data.draw(st.sampled_from(["customer", "payment_intent", "charge"])))
    for _ in range(MAX_HOPS):
        effects = world.effects(sent)
        if not effects:
            return
        made, key = data.draw(st.sampled_from(effects))
        chain = made["metadata"]["stripeline_chain"].split(",")
        assert len(set(chain)) == len(chain)
        what = data.draw(st.sampled_from(["created", "updated", "succeeded"]))
        sent = world.event(made, what, key if what == "created" and data.draw(st.booleans()) else None)
    assert world.effects(sent) == []

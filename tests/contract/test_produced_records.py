"""What is really produced, from a webhook to the last result, is of the contract: values, headers, envelope, trace."""

from collections.abc import Mapping
from typing import Any, Final

import orjson
import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary_event

from stripeline.contracts import headers as h
from stripeline.contracts.definitions import Connection, Trigger, Workflow, encode_definition
from stripeline.contracts.headers import Headers
from stripeline.contracts.internal_records import encode, read
from stripeline.contracts.operator.control_records import KeyRefusal
from stripeline.contracts.retry_tiers import parse_tiers
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import Verdict
from stripeline.deploy.contract.examples_internal import CONNECTIONS, STATES, TRIGGERS, WORKFLOWS
from stripeline.ingest.routing import Publication
from stripeline.workers.actions import actions
from stripeline.workers.executor.command_state import Call
from stripeline.workers.executor.executor import Executor
from stripeline.workers.executor.ledger import Ledger
from stripeline.workers.executor.setup import Setup
from stripeline.workers.executor.stripe_answer import Outcome, StripeAnswer, Succeeded, classify
from stripeline.workers.executor.stripe_lookup import Found, Missing
from stripeline.workers.router.router import Router
from stripeline.workers.router.run_state import Runs
from stripeline.workers.task.decision import Decision, OutputRecord
from tests.support.records import Record, installation, owner_of_acme
from tests.support.schemas import header_problems, problems
from tests.support.stripe_events import CREATED_S, EVERY_TYPE, RECEIVED_MS, TRACE, delivery, routed

TOPICS = Topics(tiers=parse_tiers("5s,30s"))
CUSTOMER = {"id": "cus_1", "object": "customer", "email": "a@example.com", "name": None, "created": CREATED_S}
INTENT = {
    "id": "pi_2", "object": "payment_intent", "amount": 100, "currency": "eur", "status": "requires_action",
    "client_secret": "pi_2_secret_x", "customer": "cus_1", "created": CREATED_S,
}  # fmt: skip
WORKFLOW = Workflow.model_validate(
    {
        "trigger": "acme-main",
        "steps": [
            {"id": "customer", "action": "stripe/create-customer", "input": {"email": "=data.receipt_email"}},
            {
                "id": "deposit",
                "action": "stripe/create-payment-intent",
                "input": {"amount": 100, "currency": "=data.currency", "customer": "=steps.customer.id"},
            },
        ],
    }
)
SCHEMAS: Mapping[str, tuple[str, str]] = {
    **{name: (name.removeprefix(TOPICS.prefix), "event-headers") for name in TOPICS.events},
    TOPICS.command: ("command", "command-headers"),
    TOPICS.result: ("result", "result-headers"),
    **dict.fromkeys(TOPICS.retries, ("command", "retry-headers")),
}


def judge(topic: str, value: bytes | None, headers: Headers) -> None:
    """A record is of its contract."""
    assert value is not None
    if topic == TOPICS.dead_letter:
        assert header_problems("dead-letter-headers", headers) == []
        return
    payload, about = ("settlement", "settlement-headers") if h.SETTLES in dict(headers) else SCHEMAS[topic]
    assert problems(payload, value) == []
    assert header_problems(about, headers) == []
    assert len(dict(headers)) == len(headers)


def envelope(key: bytes | None, value: bytes | None, headers: Headers) -> Any:
    """A record as the official CloudEvents package reads it."""
    assert value is not None
    message = KafkaMessage(headers=dict(headers), key=key, value=value)
    return from_binary_event(message)


class World:
    """Router and executor, fed by hand; every record that they write is judged."""

    def __init__(self, workflow: Workflow = WORKFLOW) -> None:
        self.router = Router(topics=TOPICS, installation=installation, workflows=lambda _: {"thanks": workflow})
        self.executor = Executor(
            setup=Setup(topics=TOPICS, installation=installation, actions=actions(), owner=owner_of_acme)
        )
        self.runs, self.ledger = Runs(), Ledger()
        self.written: list[OutputRecord] = []
        self.now_ms = RECEIVED_MS

    def deliver(self, topic: str, body: Mapping[str, Any]) -> Publication:
        made = routed(topic, body)
        assert isinstance(made, Publication)
        judge(TOPICS.event(made.topic), made.value, made.headers)
        record = self.record(OutputRecord(TOPICS.event(made.topic), made.key, made.value, made.headers))
        self.apply(self.router.take(self.runs, record, self.now_ms), self.runs)
        return made

    def execute(self, output: OutputRecord, *outcomes: Found) -> Decision:
        """A command record, and what its calls end with, in their order."""
        decided = self.executor.take(self.ledger, self.record(output), self.now_ms)
        for outcome in outcomes:
            assert isinstance(decided, Call)
            decided = self.executor.settle(self.ledger, decided, outcome, self.now_ms)
        assert isinstance(decided, Decision)
        self.apply(decided, self.ledger)
        return decided

    def route(self, output: OutputRecord) -> None:
        self.apply(self.router.take(self.runs, self.record(output), self.now_ms), self.runs)

    def record(self, output: OutputRecord) -> Record:
        return Record(
            topic=output.topic, key=output.key, value=output.value, headers=output.headers, timestamp=self.now_ms
        )

    def apply(self, decision: Decision, state: Runs | Ledger) -> None:
        for change in decision.changes:
            value = change.record and encode(change.record)
            if value is not None:
                name = "run" if state is self.runs else f"ledger-{change.key.partition('/')[0]}"
                assert problems(name, value) == []
            state.restore(change.key, value)
        for output in decision.outputs:
            if output.topic == TOPICS.control:
                assert problems("control-state", output.value) == []
            else:
                judge(output.topic, output.value, output.headers)
            self.written.append(output)

    def last(self, topic: str) -> OutputRecord:
        return next(output for output in reversed(self.written) if output.topic == topic)


STRIPES: Final = {"error": {"type": "api_error"}}


def answered(action: str, status: int, body: object = STRIPES) -> Outcome:
    return classify(
        actions()[action], StripeAnswer(status=status, headers={"request-id": "req_1"}, body=orjson.dumps(body))
    )


def done(action: str, body: Mapping[str, Any]) -> Outcome:
    outcome = answered(action, 200, body)
    assert isinstance(outcome, Succeeded)
    return outcome


def ordered(
    world: World, action: str, given: Mapping[str, Any], *headers: tuple[str, bytes], **fields: Any
) -> OutputRecord:
    """Another team's command."""
    value = {"command_id": "order-1", "action": action, "connection": "acme", "input": given, **fields}
    return OutputRecord(TOPICS.command, b"order", orjson.dumps(value), headers)


@pytest.mark.parametrize(("topic", "event_type"), EVERY_TYPE)
def test_every_event_type_is_of_its_familys_contract(topic, event_type):
    made = routed(topic, delivery(event_type))
    assert isinstance(made, Publication)
    assert made.topic == topic
    judge(TOPICS.event(topic), made.value, made.headers)
    event = envelope(made.key, made.value, made.headers)
    assert (event.get_specversion(), event.get_id(), event.get_type()) == ("1.0", "evt_1", event_type)
    assert event.get_data() == orjson.loads(made.value)


def test_there_are_the_42_published_types():
    assert len(set(EVERY_TYPE)) == 42


def test_a_run_that_succeeds_is_of_the_contract_and_of_one_trace():
    world = World()
    made = world.deliver("payment-event", delivery("payment_intent.succeeded"))
    command = world.last(TOPICS.command)
    world.execute(command, done("stripe/create-customer", CUSTOMER))
    world.route(world.last(TOPICS.result))
    deposit = world.last(TOPICS.command)
    world.execute(deposit, answered("stripe/create-payment-intent", 429))
    (retried,) = [output for output in world.written if output.topic in TOPICS.retries]
    world.now_ms += 5_000
    world.execute(retried, done("stripe/create-payment-intent", INTENT))
    world.route(world.last(TOPICS.result))

    passed = [made, *world.written]
    assert len(passed) == 1 + 2 + 2 + 1
    assert {dict(record.headers)[h.TRACEPARENT] for record in passed} == {TRACE}
    assert retried.value == deposit.value


def test_events_commands_and_results_are_binary_cloud_events():
    world = World()
    made = world.deliver("payment-event", delivery("payment_intent.succeeded"))
    command = world.last(TOPICS.command)
    world.execute(command, done("stripe/create-customer", CUSTOMER))
    result = world.last(TOPICS.result)
    told = [envelope(record.key, record.value, record.headers) for record in (made, command, result)]
    assert [(one.get_id(), one.get_type(), one.get_source()) for one in told] == [
        ("evt_1", "payment_intent.succeeded", "/stripeline/triggers/acme-main"),
        ("evt_1:thanks:customer", "stripeline.action-command", "/stripeline/router"),
        ("evt_1:thanks:customer:0", "stripeline.action-result", "/stripeline/executor"),
    ]
    assert {one.get_specversion() for one in told} == {"1.0"}
    assert {one.get_datacontenttype() for one in told} == {"application/json"}
    assert [one.get_time().timestamp() for one in told] == [CREATED_S, RECEIVED_MS / 1000, RECEIVED_MS / 1000]
    for one, record in zip(told, (made, command, result), strict=True):
        assert one.get_data() == orjson.loads(record.value)


@pytest.mark.parametrize(
    ("action", "given", "outcome", "status"),
    [
        ("stripe/retrieve-charge", {"id": "ch_1"}, answered("stripe/retrieve-charge", 404), "failed"),
        (
            "stripe/create-payment-intent",
            {"amount": 1, "currency": "eur"},
            answered(
                "stripe/create-payment-intent",
                402,
                {
                    "error": {
                        "type": "card_error",
                        "code": "card_declined",
                        "decline_code": "fraudulent",
                        "message": "no",
                    }
                },
            ),
            "failed",
        ),
        ("stripe/create-customer", {}, answered("stripe/create-customer", 401), "failed"),
        ("stripe/create-customer", {"unknown": 1}, None, "failed"),
        ("stripe/no-such-action", {}, None, "failed"),
    ],
)
def test_every_end_of_another_teams_command_is_of_the_contract(action, given, outcome, status):
    world = World()
    decision = world.execute(
        ordered(world, action, given, (h.TRACEPARENT, TRACE)), *([] if outcome is None else [outcome])
    )
    result = world.last(TOPICS.result)
    assert decision.verdict == orjson.loads(result.value)["status"] == status
    assert dict(result.headers)[h.TRACEPARENT] == TRACE
    envelope(result.key, result.value, result.headers)


def test_exhausted_and_indeterminate_letters_keep_the_contract():
    for code, reason in ((429, "exhausted"), (500, "indeterminate")):
        world = World()
        waits = ordered(world, "stripe/create-customer", {}, (h.TRACEPARENT, TRACE))
        for _ in range(3):
            decision = world.execute(waits, answered("stripe/create-customer", code))
            world.now_ms += 130_000
            waits = decision.outputs[0]
        if code == 500:
            world.execute(waits, Missing())
        letter = world.last(TOPICS.dead_letter)
        about = dict(letter.headers)
        assert (about[h.REASON].decode(), about[h.TRACEPARENT]) == (reason, TRACE)
        assert dict(world.last(TOPICS.result).headers)[h.TRACEPARENT] == TRACE


def test_unreadable_and_reused_dead_letters_keep_the_contract():
    world = World()
    world.execute(OutputRecord(TOPICS.command, b"k", b"\xff", ((h.TRACEPARENT, TRACE),)))
    world.execute(ordered(world, "stripe/create-customer", {}), done("stripe/create-customer", CUSTOMER))
    assert world.execute(ordered(world, "stripe/create-customer", {"name": "B"})).verdict == Verdict.ID_REUSED
    world.apply(
        world.executor.broken(world.ledger, world.record(ordered(world, "x", {})), RuntimeError("boom")), world.ledger
    )
    reasons = [dict(one.headers)[h.REASON] for one in world.written if one.topic == TOPICS.dead_letter]
    assert reasons == [b"unreadable", b"id_reused", b"internal_error"]


def test_a_command_that_waits_behind_its_key_is_of_the_contract():
    world = World()
    world.execute(ordered(world, "stripe/create-customer", {}), answered("stripe/create-customer", 429))
    decision = world.execute(ordered(world, "stripe/create-customer", {}, (h.TRACEPARENT, TRACE), command_id="order-2"))
    assert decision.verdict == Verdict.HELD
    about = dict(decision.outputs[0].headers)
    assert (about[h.PLACE], about[h.TRACEPARENT]) == (b"1", TRACE)


def test_a_settlement_and_its_result_are_of_the_contract():
    world = World()
    first = ordered(world, "stripe/create-customer", {})
    world.execute(first, answered("stripe/create-customer", 500))
    marked = {
        **CUSTOMER,
        "metadata": {"stripeline_installation": "inst1", "stripeline_command": "order-1", "stripeline_partition": "0"},
    }
    world.router = Router(topics=TOPICS, installation=installation, workflows=lambda _: {})
    world.deliver("customer-event", delivery("customer.created", data={"object": marked}))
    decision = world.execute(world.last(TOPICS.command))
    assert decision.verdict == Verdict.SETTLED
    result = world.last(TOPICS.result)
    assert dict(result.headers)[h.TRACEPARENT] == TRACE
    envelope(result.key, result.value, result.headers)


def test_an_old_events_command_says_how_old_it_is():
    world = World()
    world.now_ms = (CREATED_S + 40 * 86_400) * 1000
    world.deliver("payment-event", delivery("payment_intent.succeeded"))
    sent = world.last(TOPICS.command)
    assert dict(sent.headers)[h.EVENT_CREATED_AT] == str(CREATED_S * 1000).encode()
    assert world.execute(sent).verdict == Verdict.FAILED
    assert dict(world.last(TOPICS.dead_letter).headers)[h.REASON] == b"event_too_old"


@pytest.mark.parametrize(
    ("name", "model", "given"),
    [
        ("control-connection", Connection, CONNECTIONS["test-key"]),
        ("control-trigger", Trigger, TRIGGERS["payments"]),
        ("control-workflow", Workflow, WORKFLOWS["thank-big-spenders"]),
    ],
)
def test_a_definition_as_it_is_written_is_of_the_contract(name, model, given):
    assert problems(name, encode_definition(model.model_validate_json(orjson.dumps(given)))) == []


def test_a_refused_key_as_it_is_written_is_of_the_contract():
    record = read(KeyRefusal, orjson.dumps(STATES["key-refused"]))
    assert problems("control-state", encode(record)) == []

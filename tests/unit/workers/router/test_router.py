"""Which runs an event starts, and how a result takes its run on."""

import orjson
import pytest
from msgspec.structs import replace

from stripeline.contracts.definitions import Workflow
from stripeline.contracts.internal_records import encode
from stripeline.contracts.records import Command
from stripeline.contracts.retry_tiers import WINDOW_MS
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import UnstartedReason, Verdict
from stripeline.workers.router import runs
from stripeline.workers.router.own_effects import EventCause
from stripeline.workers.router.router import Router
from stripeline.workers.router.run_state import Runs
from tests.support.records import INSTALLATION, Record, event, event_record, installation

NOW = 1_000_000
TOPICS = Topics()
TWO_STEPS = Workflow.model_validate(
    {
        "trigger": "acme-payments",
        "types": ["payment_intent.succeeded"],
        "where": "data.amount >= 5000",
        "steps": [
            {"id": "customer", "action": "stripe/create-customer", "input": {"email": "=data.receipt_email"}},
            {
                "id": "deposit",
                "action": "stripe/create-payment-intent",
                "connection": "other",
                "input": {"amount": 100, "currency": "=data.currency", "customer": "=steps.customer.id"},
            },
        ],
    }
)
RUN = "evt_1:thanks"


class World:
    def __init__(self, **workflows):
        self.workflows = {"thanks": TWO_STEPS, **workflows}
        self.router = Router(
            topics=TOPICS,
            workflows=lambda name: self.workflows if name == "acme-payments" else {},
            installation=installation,
            partitions=8,
        )
        self.state = Runs()
        self.records = {}

    def take(self, record, now_ms=NOW):
        decision = self.router.take(self.state, record, now_ms)
        for change in decision.changes:
            value = change.record and encode(change.record)
            self.state.restore(change.key, value)
            self.records[change.key] = value and orjson.loads(value)
        return decision

    def commands(self, decision):
        return [Command.model_validate_json(output.value).model_dump(exclude_none=True) for output in decision.outputs]


def result(step="customer", status="succeeded", revision=0, run=RUN, **fields):
    value = {
        "command_id": f"{run}:{step}", "revision": revision, "status": status, "finished_at": NOW,
        "output": {"id": f"{step}_id"} if status == "succeeded" else None,
        "error": None if status == "succeeded" else {"code": "PAYMENT_REQUIRED", "message": "no", "retryable": False},
        "run": {"run_id": run, "workflow": "thanks", "step": step}, **fields,
    }  # fmt: skip
    headers = (("traceparent", b"00-cc-dd-01"),)
    return Record(topic=TOPICS.result, key=b"pi_1", value=orjson.dumps(value), headers=headers)


def test_an_event_starts_a_run_and_its_first_command():
    world = World()
    decision = world.take(event_record())
    (output,) = decision.outputs
    assert decision.verdict == Verdict.STARTED
    assert (output.topic, output.key) == (TOPICS.command, b"pi_1")
    assert world.commands(decision) == [
        {
            "command_id": "evt_1:thanks:customer", "action": "stripe/create-customer", "connection": "acme",
            "input": {"email": "a@b.c"}, "run": {"run_id": RUN, "workflow": "thanks", "step": "customer"},
            "livemode": False, "chain": ("inst1/thanks",), "hops": 0,
        }
    ]  # fmt: skip
    headers = dict(output.headers)
    assert headers["ce_id"] == b"evt_1:thanks:customer"
    assert headers["traceparent"] == b"00-aa-bb-01"
    assert headers["stripeline-connection"] == b"acme"
    assert world.records[RUN]["status"] == "running"


def test_each_result_advances_the_run_until_it_succeeds():
    world = World()
    world.take(event_record())
    decision = world.take(result("customer"))
    assert world.commands(decision)[0]["input"] == {"amount": 100, "currency": "eur", "customer": "customer_id"}
    assert world.commands(decision)[0]["connection"] == "other"
    assert dict(decision.outputs[0].headers)["traceparent"] == b"00-cc-dd-01"
    decision = world.take(result("deposit"))
    assert (decision.verdict, decision.outputs) == (Verdict.SUCCEEDED, ())
    run = world.records[RUN]
    assert (run["status"], run["step"], run["finished_at"]) == ("succeeded", None, NOW)
    assert [(step["id"], step["status"], step["output"]) for step in run["steps"]] == [
        ("customer", "succeeded", {"id": "customer_id"}), ("deposit", "succeeded", {"id": "deposit_id"}),
    ]  # fmt: skip
    assert run["context"] is None
    assert world.state.sizes == {"open": 0, "stopped": 0, "finished": 1}


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_second_delivery_is_the_same_run(after):
    world = World()
    for record in [event_record(), result("customer"), result("deposit")][: after + 1]:
        world.take(record)
    decision = world.take(event_record())
    assert (decision.verdict, decision.outputs, decision.changes) == (Verdict.NO_RUN, (), ())


@pytest.mark.parametrize(
    "record",
    [
        event_record(event(type="payment_intent.created")),
        event_record(event(data={"amount": 4_999})),
        event_record(trigger="another"),
        event_record(headers=()),
    ],
)
def test_what_no_workflow_wants_starts_nothing(record):
    decision = World().take(record)
    assert (decision.verdict, decision.outputs, decision.changes) == (Verdict.NO_RUN, (), ())


def test_an_event_starts_one_run_of_each_matching_workflow():
    world = World(
        all=Workflow.model_validate({**TWO_STEPS.model_dump(), "types": ("payment_intent.*",), "where": None})
    )
    decision = world.take(event_record())
    assert [command["command_id"] for command in world.commands(decision)] == [
        "evt_1:all:customer",
        "evt_1:thanks:customer",
    ]


@pytest.mark.parametrize("status", ["failed", "indeterminate"])
def test_an_error_stops_the_run_at_its_step_with_its_code(status):
    world = World()
    world.take(event_record())
    decision = world.take(result("customer", status))
    assert (decision.verdict, decision.outputs) == (Verdict.STOPPED, ())
    run = world.records[RUN]
    assert (run["status"], run["step"], run["error"]["code"]) == ("stopped", "customer", "PAYMENT_REQUIRED")
    assert run["steps"][0]["status"] == status


def test_a_later_revision_resumes_a_run_that_had_stopped_there():
    world = World()
    world.take(event_record())
    world.take(result("customer", "indeterminate"))
    decision = world.take(result("customer", "succeeded", revision=1))
    assert decision.verdict == Verdict.ADVANCED
    assert (world.records[RUN]["status"], world.records[RUN]["error"]) == ("running", None)


@pytest.mark.parametrize("late", [result("customer"), result("customer", "failed", revision=0)])
def test_a_result_that_was_applied_changes_nothing(late):
    world = World()
    world.take(event_record())
    world.take(result("customer", "failed"))
    assert world.take(late).verdict == Verdict.UNRELATED


@pytest.mark.parametrize(
    "other",
    [
        result("deposit"),
        result("customer", run="evt_9:thanks"),
        Record(topic=TOPICS.result, value=b'{"command_id":"x","revision":0,"status":"succeeded","run":null}'),
        Record(topic=TOPICS.result, value=b'{"command_id":"x","revision":0,"status":"succeeded","run":{}}'),
    ],
)  # fmt: skip
def test_a_result_of_no_waiting_step_is_unrelated(other):
    world = World()
    world.take(event_record())
    assert world.take(other).verdict == Verdict.UNRELATED


@pytest.mark.parametrize("where", ["data.amount / 0 > 5", "data.amount"])
def test_a_broken_where_stops_the_run_with_a_reason(where):
    world = World(thanks=TWO_STEPS.model_copy(update={"where": where}))
    decision = world.take(event_record())
    assert (decision.verdict, decision.outputs) == (Verdict.STARTED, ())
    run = world.records[RUN]
    assert (run["status"], run["step"], run["error"]["code"]) == ("stopped", None, "VALIDATION_ERROR")
    assert where.split()[0] in run["error"]["message"]


@pytest.mark.parametrize("where", ["data.metadata.order_id != ''", "!(data.metadata.order_id == 'x')"])
def test_an_event_of_another_application_starts_no_run(where):  # case G11
    world = World(thanks=TWO_STEPS.model_copy(update={"where": where}))
    decision = world.take(event_record())
    assert (decision.verdict, decision.changes) == (Verdict.WHERE_MISSING, ())
    assert decision.unstarted == (("thanks", UnstartedReason.WHERE_MISSING),)


def test_a_workflow_that_is_not_started_keeps_no_other_back():
    other = TWO_STEPS.model_copy(update={"where": "data.metadata.order_id != ''"})
    decision = World(other=other).take(event_record())
    assert (decision.verdict, len(decision.outputs)) == (Verdict.STARTED, 1)
    assert decision.unstarted == (("other", UnstartedReason.WHERE_MISSING),)


PAY = {"trigger": "acme-payments", "steps": [{"id": "pay", "action": "stripe/create-payment-intent"}]}


def paying(amount, data):
    """What a workflow with one payment of this amount makes of an event: a command, or the error that stops it."""
    workflow = Workflow.model_validate(
        {**PAY, "steps": [{**PAY["steps"][0], "input": {"amount": amount, "currency": "=data.currency"}}]}
    )
    world = World(thanks=workflow)
    decision = world.take(event_record(event(data={"id": "pi_1", "currency": "usd", **data})))
    return (
        world.commands(decision)[0]["input"]["amount"] if decision.outputs else world.records[RUN]["error"]["message"]
    )


@pytest.mark.parametrize(
    ("amount", "data", "becomes"),
    [
        ("=double(data.amount) * 0.1", {"amount": 5_500}, 550.0),
        ("=data.amount * 29 / 100", {"amount": 100}, 29),
        ("=int(data.metadata.fee)", {"metadata": {"fee": "250"}}, 250),
        ("=data.amount * 0.1", {"amount": 5_000}, ("'data.amount * 0.1': data.amount is a whole number and 0.1 is none,"
         " which CEL does not mix: write data.amount * 10 / 100, which is exact")),
        ("=data.metadata.fee", {"metadata": {"fee": "250"}}, ("amount: '=data.metadata.fee' gives a text:"
         " write '=int(data.metadata.fee)'")),
        ("=double(data.amount) * 0.29", {"amount": 100}, ("amount: '=double(data.amount) * 0.29' gives a fraction, and"
         " a whole number is wanted: calculate with whole numbers, like '=data.amount * 29 / 100'")),
        ("=data.share / 3.5", {"share": 1.0}, ("amount: '=data.share / 3.5' gives a fraction, and a"
         " whole number is wanted: calculate with whole numbers, like '=data.share * 100 / 350'")),
    ],
)  # fmt: skip
def test_arithmetic_over_amounts_and_metadata(amount, data, becomes):  # case G06
    assert paying(amount, data) == becomes


def test_a_broken_mapping_stops_the_run_at_its_step():
    world = World()
    world.take(event_record(event(data={"amount": 6_000, "receipt_email": "a@b.c"})))
    decision = world.take(result("customer"))
    run = world.records[RUN]
    assert (decision.verdict, decision.outputs) == (Verdict.STOPPED, ())
    assert (run["status"], run["step"], run["steps"][1]["status"]) == ("stopped", "deposit", "failed")
    assert "currency" in run["error"]["message"]


def test_an_input_too_large_for_a_record_stops_only_the_run():
    """Kafka refuses a transaction with such a record, however often it is tried."""
    step = {"id": "customer", "action": "stripe/create-customer", "input": {"name": "=data.big + data.big"}}
    world = World(thanks=Workflow.model_validate({**TWO_STEPS.model_dump(), "steps": [step]}))
    decision = world.take(event_record(event(data={"amount": 6_000, "big": "x" * 500_000})))
    assert (decision.verdict, decision.outputs) == (Verdict.STARTED, ())
    run = world.records[RUN]
    assert (run["status"], run["step"], run["error"]["code"]) == ("stopped", "customer", "VALIDATION_ERROR")
    assert run["steps"][0]["status"] == "failed"


class TestSettlement:
    """An object that one of our commands made is told to the executor's task that may wait for it."""

    def tagged(self, **metadata):
        metadata = {f"stripeline_{name}": value for name, value in metadata.items()}
        return event(data={"id": "pi_1", "object": "payment_intent", "amount": 1, "metadata": metadata})

    def test_goes_to_the_partition_that_its_metadata_names(self):
        record = event_record(self.tagged(installation=INSTALLATION, command="c1", partition="3"))
        (output,) = World().take(record).outputs
        assert (output.topic, output.key, output.partition) == (TOPICS.command, None, 3)
        headers = dict(output.headers)
        assert headers["stripeline-settles"] == b"c1"
        assert headers["stripeline-connection"] == b"acme"
        assert "stripeline-account" not in headers
        assert orjson.loads(output.value)["id"] == "pi_1"

    @pytest.mark.parametrize(
        ("named", "header"),
        [
            ({"account": "acct_1"}, b"acct_1"), ({"context": "acct_1"}, b"acct_1"), ({"account": "acct_own"}, None),
            ({"context": "org_1/acct_1"}, b"org_1/acct_1"),
        ],
    )  # fmt: skip
    def test_names_the_account_that_is_not_the_connections_own(self, named, header):
        world = World()
        world.router = replace(world.router, account={"acme": "acct_own"}.get)
        sent = self.tagged(installation=INSTALLATION, command="c1", partition="3") | named
        (output,) = world.take(event_record(sent, trigger="another")).outputs
        assert dict(output.headers).get("stripeline-account") == header

    @pytest.mark.parametrize(
        "metadata",
        [
            {"command": "c1"}, {"partition": "3"}, {}, {"command": "c1", "partition": "3"},
            {"installation": INSTALLATION, "command": "c1", "partition": "x"},
            {"installation": INSTALLATION, "command": "c1", "partition": 3},
            {"installation": INSTALLATION, "command": "c1", "partition": "9" * 30},
            {"installation": INSTALLATION, "command": "c1", "partition": "8"},
            {"installation": "inst2", "command": "c1", "partition": "3"},
        ],
    )  # fmt: skip
    def test_of_anything_else_is_nobodys(self, metadata):
        assert World().take(event_record(self.tagged(**metadata))).outputs == ()


def test_a_command_of_an_old_event_says_so():  # case G02b
    world, old_ms = World(), WINDOW_MS + 5_000
    decision = world.take(event_record(event(created=5)), now_ms=old_ms)
    assert dict(decision.outputs[0].headers)["stripeline-event-created-at"] == b"5000"
    assert "stripeline-first-appended-at" not in dict(decision.outputs[0].headers)
    young = World().take(event_record(event(created=5)), now_ms=old_ms - 1)
    assert "stripeline-event-created-at" not in dict(young.outputs[0].headers)


def test_a_run_that_began_in_time_may_take_longer():
    world = World()
    world.take(event_record(event(created=5)), now_ms=NOW)
    decision = world.take(result("customer"), now_ms=NOW + WINDOW_MS)
    assert "stripeline-event-created-at" not in dict(decision.outputs[0].headers)


@pytest.mark.parametrize(("revision", "marked"), [(0, True), (1, False)])
def test_after_a_persons_replay_the_further_steps_follow(revision, marked):
    world = World()
    world.take(event_record(event(created=5)), now_ms=WINDOW_MS + 5_000)
    decision = world.take(result("customer", revision=revision), now_ms=WINDOW_MS + 6_000)
    assert ("stripeline-event-created-at" in dict(decision.outputs[0].headers)) is marked


TEST_EVENT = {"id": "evt_00000000000000", "created": 1_326_853_478, "livemode": False}


def test_each_delivery_of_the_dashboards_test_event_runs():  # case G02
    world, now_ms = World(), 1_790_000_000_000
    taken = [world.take(event_record(event(**TEST_EVENT), offset=offset), now_ms) for offset in (7, 8, 7)]
    assert [decision.verdict for decision in taken] == [Verdict.STARTED, Verdict.STARTED, Verdict.NO_RUN]
    sent = [world.commands(decision)[0]["command_id"] for decision in taken[:2]]
    assert sent == [f"evt_00000000000000@0.{offset}:thanks:customer" for offset in (7, 8)]
    assert all("event-created-at" not in name for name, _ in taken[0].outputs[0].headers)
    going_on = world.take(result("customer", run="evt_00000000000000@0.7:thanks"), now_ms)
    assert all("event-created-at" not in name for name, _ in going_on.outputs[0].headers)


@pytest.mark.parametrize(
    "changes",
    [
        {"livemode": True}, {"livemode": None}, {"id": "evt_1"}, {"id": "evt_000000000000000"},
        {"id": "e" * 86 + "_00000000000000"},
    ],
)  # fmt: skip
def test_any_other_event_runs_once(changes):
    world = World()
    sent = event(**{**TEST_EVENT, "created": 5, **changes})
    assert [world.take(event_record(sent, offset=offset)).verdict for offset in (7, 8)] == ["started", "no_run"]


def test_a_run_keeps_the_definition_that_it_started_with():
    world = World()
    world.take(event_record())
    world.workflows = {}
    assert world.commands(world.take(result("customer")))[0]["action"] == "stripe/create-payment-intent"


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (None, "no value"), (b"not JSON", "not JSON"), (b"[]", "not a JSON object"), (b'{"id": 5}', "id is missing"),
        (orjson.dumps({**event(), "data": None}), "data is missing"),
    ],
)  # fmt: skip
def test_a_record_that_is_no_event_is_a_dead_letter(value, says):
    record = Record(topic="stripe.payment-event", key=b"k", value=value, offset=9)
    decision = World().take(record)
    (output,) = decision.outputs
    headers = dict(output.headers)
    assert (decision.verdict, output.topic, output.value) == (Verdict.UNREADABLE, TOPICS.dead_letter, value)
    assert headers["stripeline-origin-offset"] == b"9"
    assert says in headers["stripeline-last-error"].decode()


def test_a_routers_lane_is_the_records_key():
    router = World().router
    assert router.lane(event_record()) == b"pi_1"


def test_old_runs_are_forgotten_and_running_ones_are_not():
    world = World()
    for number, decisions in ((1, ["customer", "deposit"]), (2, []), (3, ["stop"])):
        world.take(event_record(event(id=f"evt_{number}")))
        for step in decisions:
            run = f"evt_{number}:thanks"
            world.take(result("customer", "failed", run=run) if step == "stop" else result(step, run=run))
    assert list(world.state.expired(NOW + WINDOW_MS)) == []
    old = list(world.state.expired(NOW + WINDOW_MS + 1))
    assert {change.key for change in old} == {"evt_1:thanks", "evt_3:thanks"}
    for change in old:
        world.state.apply(change.key, change.record)
    assert not world.state.knows("evt_1:thanks")
    assert world.state.knows("evt_2:thanks")


def test_a_result_before_any_step_is_ignored():
    arrival = runs.Arrival(event=event(), occasion="evt_1", connection="acme", own=None, cause=EventCause())
    before = runs.begin("thanks", TWO_STEPS, arrival, EventCause(), NOW)
    result = runs.StepResult(command_id="x", revision=0, status="succeeded")
    assert runs.apply_result(before, result, NOW) is None


@pytest.mark.parametrize("record", [event_record(), result()])
def test_a_record_without_a_value_is_a_dead_letter(record):
    decision = World().take(Record(topic=record.topic, headers=record.headers, key=record.key))
    (letter,) = decision.outputs
    assert (decision.verdict, letter.topic, letter.value) == ("unreadable", TOPICS.dead_letter, None)

"""What we write by hand as a dict is what the published models say: nothing is missing, and no field is unknown."""

import orjson
import pytest
from pydantic import BaseModel

from stripeline.contracts.definitions import Workflow
from stripeline.contracts.errors import meaning_of
from stripeline.contracts.records import Command, Error, Event, Result, RunRef
from stripeline.contracts.retry_tiers import parse_tiers
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import Code, Fault
from stripeline.ingest.routing import Publication, route
from stripeline.workers.actions import actions
from stripeline.workers.executor import outcome_records
from stripeline.workers.executor.command_state import Call
from stripeline.workers.executor.executor import Executor
from stripeline.workers.executor.ledger import Ledger
from stripeline.workers.executor.setup import Setup
from stripeline.workers.executor.stripe_answer import StripeAnswer, classify, refusal
from stripeline.workers.router.router import Router
from stripeline.workers.router.run_state import Runs
from tests.support.records import Record, any_owner, command, command_record, event, event_record, installation
from tests.support.webhook_paths import own_path

NOW = 2_000_000
TOPICS = Topics(tiers=parse_tiers("5s"))
EXECUTOR = Executor(setup=Setup(topics=TOPICS, installation=installation, actions=actions(), owner=any_owner))
CREATE = actions()["stripe/create-customer"]
CUSTOMER = {"id": "cus_1", "object": "customer", "email": None, "name": "Ada", "created": 1}
RUN = {"run_id": "evt_1:thanks", "workflow": "thanks", "step": "customer"}
WORKFLOW = {
    "trigger": "acme-payments",
    "steps": [
        {"id": "customer", "action": "stripe/create-customer", "input": {"email": "=data.receipt_email"}},
        {"id": "deposit", "action": "stripe/retrieve-charge", "input": {"id": "=steps.customer.id"}},
    ],
}


NOT_OF_A_STEP = frozenset({"not_after", "account", "supersedes"})
NO_ACCOUNT = frozenset({"account"})


def exactly(model: type[BaseModel], written: dict, *, absent: frozenset[str] = frozenset()) -> BaseModel:
    """A dict that has the model's fields, all but the absent ones, and validates as JSON."""
    assert set(written) == set(model.model_fields) - absent
    read = model.model_validate_json(orjson.dumps(written))
    assert read.model_dump(mode="json", include=set(written), exclude_unset=True) == written
    return read


def all_known(model: type[BaseModel], written: dict) -> None:
    """A dict without an unknown field, and with all that the model requires."""
    assert set(written) <= set(model.model_fields)
    model.model_validate_json(orjson.dumps(written))


def answer(status: int, body: object = None, **headers: str) -> StripeAnswer:
    return StripeAnswer(
        status=status, headers={k.replace("_", "-"): v for k, v in headers.items()}, body=orjson.dumps(body)
    )


DECLINED = answer(
    402,
    {"error": {"type": "card_error", "code": "card_declined", "decline_code": "do_not_honor", "message": "no"}},
    request_id="req_1",
)
OUTCOMES = {
    "succeeded": classify(CREATE, answer(200, CUSTOMER)),
    "declined": classify(CREATE, DECLINED),
    "unreadable": classify(CREATE, answer(200, [])),
    "no key": classify(CREATE, answer(401, {"error": {"type": "invalid_request_error"}})),
    "not Stripe's": classify(CREATE, answer(401, {})),
    "provider": classify(CREATE, answer(500, stripe_should_retry="false")),
    **{fault.value: classify(CREATE, fault) for fault in Fault},
    "refused here": refusal("stripe/create-customer", "no"),
    "expired": refusal("stripe/create-customer", "late", Code.EXPIRED),
}


def result_of(call, how, revision):
    return outcome_records.result(
        TOPICS, call.command.command_id, call.state.facts(), how, revision=revision, trace=None, now_ms=NOW
    )


@pytest.mark.parametrize("run", [None, RUN])
@pytest.mark.parametrize("name", OUTCOMES)
def test_a_result(name, run):
    ledger = Ledger()
    call = EXECUTOR.take(ledger, command_record(command(run=run)), NOW)
    assert isinstance(call, Call)
    how = outcome_records.end(OUTCOMES[name], earlier_unknown=False, attempts=1, reason=None)
    written = orjson.loads(result_of(call, how, 2).value)
    # The error says only what Stripe said: its absent fields are not written.
    error = written["error"]
    if error is not None:
        all_known(Error, error)
    read = exactly(Result, written, absent=NO_ACCOUNT)
    assert isinstance(read, Result)
    assert (read.output is None, read.error is None) == (error is not None, error is None)
    if run is not None:
        exactly(RunRef, written["run"])


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 418, 429, 500, 502, 503, 504])
def test_the_error_of_a_status(status):
    body = {
        "error": {
            "type": "api_error",
            "code": "c",
            "decline_code": "d",
            "message": "m",
            "payment_intent": {"client_secret": "x"},
        }
    }
    outcome = classify(CREATE, answer(status, body, request_id="req_1"))
    error = exactly(Error, dict(outcome.error))
    assert (error.code, error.retryable) == (meaning_of(status).code, meaning_of(status).retryable)


def test_every_result_of_a_retried_command():
    ledger, record = Ledger(), command_record(command(run=RUN))
    for last in (False, True):
        call = EXECUTOR.take(ledger, record, NOW)
        decision = EXECUTOR.settle(ledger, call, classify(CREATE, answer(429, {"error": {"type": "api_error"}})), NOW)
        for change in decision.changes:
            ledger.apply(change.key, change.record)
        results = [output for output in decision.outputs if output.topic == TOPICS.result]
        assert bool(results) is last
        for output in results:
            exactly(Result, orjson.loads(output.value), absent=NO_ACCOUNT)
        retried = decision.outputs[0]
        record = Record(topic=retried.topic, key=retried.key, value=retried.value, headers=retried.headers)


class World:
    """A router, with every run record and command that it writes held to its model."""

    def __init__(self, **change):
        workflow = Workflow.model_validate({**WORKFLOW, **change})
        self.router = Router(topics=TOPICS, installation=installation, workflows=lambda _: {"thanks": workflow})
        self.state, self.runs, self.commands = Runs(), [], []

    def take(self, record):
        decision = self.router.take(self.state, record, NOW)
        for change in decision.changes:
            self.state.apply(change.key, change.record)
            self.runs.append(change.record)
        for output in decision.outputs:
            written = orjson.loads(output.value)
            exactly(RunRef, written["run"])
            # A step has no deadline of its own.
            self.commands.append(exactly(Command, written, absent=NOT_OF_A_STEP))

    def result(self, step, outcome):
        value = command(f"{RUN['run_id']}:{step}", run={**RUN, "step": step})
        call = EXECUTOR.take(Ledger(), command_record(value), NOW)
        how = outcome_records.end(outcome, earlier_unknown=False, attempts=1, reason=None)
        output = result_of(call, how, 0)
        self.take(Record(topic=output.topic, key=output.key, value=output.value, headers=output.headers))


def test_the_runs_and_commands_of_a_router_from_start_to_success():
    world = World()
    world.take(event_record())
    world.result("customer", OUTCOMES["succeeded"])
    world.result("deposit", OUTCOMES["succeeded"])
    assert [run.status for run in world.runs] == ["running", "running", "succeeded"]
    assert [made.command_id for made in world.commands] == ["evt_1:thanks:customer", "evt_1:thanks:deposit"]


@pytest.mark.parametrize("name", ["declined", "lost", "provider", "expired"])
def test_a_run_that_an_error_stops(name):
    world = World()
    world.take(event_record())
    world.result("customer", OUTCOMES[name])
    stopped = world.runs[-1]
    assert (stopped.status, stopped.error) == ("stopped", stopped.steps[-1].error)
    assert stopped.error is not None


@pytest.mark.parametrize(
    "change",
    [{"where": "data.amount / 0 > 1"}, {"steps": [{"id": "a", "action": "b", "input": {"x": "=data.missing"}}]}],
)
def test_a_run_that_a_broken_expression_stops(change):
    world = World(**change)
    world.take(event_record())
    assert [(run.status, run.error.code) for run in world.runs] == [("stopped", Code.VALIDATION_ERROR)]


@pytest.mark.parametrize(
    ("change", "absent"),
    [
        ({}, {"previous_attributes", "account", "context"}),
        ({"livemode": None}, {"previous_attributes", "account", "context", "livemode"}),
        (
            {"account": "acct_1", "request": {"id": "req_1", "idempotency_key": None}},
            {"previous_attributes", "context"},
        ),
        ({"data": {"object": {"id": "pi_1"}, "previous_attributes": {"amount": 5}}}, {"account", "context"}),
    ],
)
def test_an_event(change, absent):
    """What ingest adds when Stripe sends it is absent when Stripe does not."""
    stripes = {**event(), "object": "event", "data": {"object": event()["data"]}, **change}
    trigger = own_path(name="acme-payments", family_kind="stripe/payment-event", connection="acme")
    published = route(orjson.dumps(stripes), path=trigger, received_at_ms=NOW, traceparent=None)
    assert isinstance(published, Publication)
    exactly(Event, orjson.loads(published.value), absent=frozenset(absent))


def test_the_check_sees_missing_unknown_and_mistyped_fields():
    good = {"run_id": "r", "workflow": "w", "step": "s"}
    exactly(RunRef, good)
    for bad in ({**good, "more": 1}, {"run_id": "r", "workflow": "w"}):
        with pytest.raises(AssertionError):
            exactly(RunRef, bad)
    with pytest.raises(ValueError, match="step"):
        exactly(RunRef, {**good, "step": 5})

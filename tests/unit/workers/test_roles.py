"""A role as a task sees it: where it reads, and what a record becomes."""

from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from stripeline.contracts import headers as h
from stripeline.contracts.definitions import Definitions, Trigger
from stripeline.contracts.internal_records import LedgerQueue
from stripeline.contracts.retry_tiers import parse_tiers
from stripeline.contracts.topics import Topics
from stripeline.deploy.runtime.derived.selections import Selections
from stripeline.deploy.runtime.executor_process import add_input, take_up, takes_thin
from stripeline.workers.actions import actions
from stripeline.workers.executor.executor import Executor
from stripeline.workers.executor.ledger import Ledger
from stripeline.workers.executor.setup import Setup
from stripeline.workers.executor.stripe_answer import StripeAnswer
from stripeline.workers.roles import ExecutorRole, FetchCall, RouterRole, StripeCall, ThinPart, waiting_of
from stripeline.workers.router.router import Router
from stripeline.workers.router.run_state import Runs
from stripeline.workers.task.decision import Decision, Waits
from stripeline.workers.task.waiting.waiting_room import MANY, WaitingRoom
from stripeline.workers.thin.thin_fetcher import ThinFetcher
from tests.support.records import any_owner, command, command_record, event_record, installation
from tests.support.thin_world import thin_record

NOW = 2_000_000
TOPICS = Topics(prefix="p.", tiers=parse_tiers("1s,2s"))
EXECUTOR = Executor(setup=Setup(topics=TOPICS, installation=installation, actions=actions(), owner=any_owner))
ROUTER = Router(topics=TOPICS, installation=installation, workflows=lambda _: {})
CUSTOMER = b'{"id":"cus_1","object":"customer","email":null,"name":null,"created":1}'
DONE = StripeAnswer(status=200, headers={}, body=CUSTOMER)
NOT_OFFERED = StripeAnswer(status=403, headers={}, body=b'{"error":{"type":"api_error"}}')
STORED = StripeAnswer(status=500, headers={"idempotent-replayed": "true"}, body=b'{"error":{"type":"api_error"}}')


async def send(_):
    return DONE


def executor_role():
    return ExecutorRole(TOPICS, EXECUTOR, send, 32)


def test_the_router_reads_events_results_and_acts():
    role = RouterRole(TOPICS, ROUTER)
    assert (role.name, role.group, role.changelog) == ("router", "p.router", "p.run")
    assert role.inputs == ("p.charge-event", "p.customer-event", "p.payment-event", "p.action-result", "p.act")
    assert role.grows == frozenset(role.inputs[:3])
    assert role.original == {"p.action-result"}
    assert role.concurrency == 1
    assert isinstance(role.new_state(), Runs)
    assert list(role.expired(Runs(), 0)) == []


def test_the_router_decides_at_once():
    role, record = RouterRole(TOPICS, ROUTER), event_record()
    assert role.take(Runs(), record, NOW, False) == Decision("no_run")
    assert (role.lane(record), role.due_ms(record)) == (record.key, 0)
    assert role.broken(Runs(), record, KeyError()).outputs[0].topic == TOPICS.dead_letter
    assert role.committed([]) is None
    assert waiting_of(role, Runs, WaitingRoom()) is None
    assert (role.waits(Runs(), record, NOW), role.turn(Runs(), b"k1"), role.lets("any", NOW)) == (None, None, MANY)


def test_the_executor_reads_commands_and_retries():
    role = executor_role()
    assert (role.name, role.group, role.changelog) == ("executor", "p.executor", "p.action-ledger")
    assert role.inputs == ("p.action-command", "p.action-retry.1s", "p.action-retry.2s")
    assert role.original == {"p.action-command"}
    assert role.grows == {"p.action-command"}
    assert role.stays == {"p.action-retry.1s", "p.action-retry.2s"}
    assert role.concurrency == 32
    assert isinstance(role.new_state(), Ledger)
    assert list(role.expired(Ledger(), 0)) == []


async def test_the_executor_asks_stripe_and_settles_by_its_answer():
    role, ledger, record = executor_role(), Ledger(), command_record()
    call = role.take(ledger, record, NOW, False)
    assert isinstance(call, StripeCall)
    assert (call.delay_ms, call.continues) == (0, False)
    assert call.settle(ledger, await call.carry_out(), NOW).verdict == "succeeded"
    assert (role.lane(record), role.due_ms(record)) == (record.key, 0)
    assert role.broken(ledger, record, KeyError()).verdict == "broken"
    assert role.committed([]) is None


def test_a_lanes_turn_is_the_head_of_its_keys_queue():
    role, ledger = executor_role(), Ledger()
    ledger.apply("queue/k\xe9", LedgerQueue(3, 5, NOW))
    assert role.turn(ledger, b"k\xe9") == 3
    assert role.turn(ledger, b"other") is role.turn(ledger, ("topic", 3)) is None
    waiting = command_record(topic="p.action-retry.1s", key=b"k\xe9", headers=((h.PLACE, b"4"),))
    assert role.waits(ledger, waiting, NOW) == Waits(place=4)
    assert role.lets(("acme", None), NOW) == MANY


def test_a_thin_event_waits_for_its_time():
    role = thin_role(there=True)
    headers = ((h.KIND, h.THIN_EVENT), (h.DUE_AT, str(NOW).encode()))
    waiting = thin_record(topic="p.action-retry.1s", headers=headers, timestamp=NOW - 1_000)
    assert role.waits(Ledger(), waiting, NOW - 1) == Waits(until_ms=NOW)
    assert role.waits(Ledger(), waiting, NOW) is None


def test_what_the_executor_refuses_itself_is_decided_at_once():
    decision = executor_role().take(Ledger(), command_record(command(action="stripe/refund")), NOW, False)
    assert isinstance(decision, Decision)
    assert decision.verdict == "failed"


def test_a_page_of_a_look_up_continues_its_search():
    role, ledger = executor_role(), Ledger()
    day_later_ms = NOW + 25 * 3_600_000
    search = role.take(ledger, command_record(), day_later_ms, True)
    assert (search.call.request.path, search.continues) == ("/v1/customers/search", False)
    page = search.settle(ledger, NOT_OFFERED, day_later_ms)
    assert (page.call.request.path, page.continues, page.delay_ms) == ("/v1/customers", True, 0)


def test_a_tasks_topics_all_have_its_partition_count():
    counts = {topic.name: topic.partitions for topic in TOPICS.all(7)}
    for role in (RouterRole(TOPICS, ROUTER), executor_role()):
        assert {counts[name] for name in (*role.inputs, role.changelog)} == {7}


def thin_role(*, there):
    fetcher = ThinFetcher(setup=EXECUTOR.setup, gate=EXECUTOR.gate, partitions=1, api_version="")
    role = ExecutorRole(TOPICS, EXECUTOR, send, 32, (), ThinPart(fetcher, send))
    if there:
        add_input(TOPICS.thin_event, role, SimpleNamespace(role=role))
    return role


def test_thin_events_are_an_added_input_of_the_executor():
    role = thin_role(there=True)
    assert role.inputs == ("p.action-command", "p.action-retry.1s", "p.action-retry.2s", "p.thin-event")
    assert (role.original, role.grows) == ({"p.action-command"}, {"p.action-command", "p.thin-event"})


async def test_a_thin_event_is_fetched_and_settled_by_the_answer():
    role, ledger, record = thin_role(there=True), Ledger(), thin_record(topic=TOPICS.thin_event)
    call = role.take(ledger, record, NOW, False)
    assert isinstance(call, FetchCall)
    assert (call.delay_ms, call.continues) == (0, False)
    assert call.settle(ledger, await call.carry_out(), NOW).verdict == "retried"
    assert role.lane(record) != record.key
    assert role.broken(ledger, record, KeyError()).verdict == "broken"
    assert isinstance(role.take(ledger, command_record(), NOW, False), StripeCall)


def test_a_topic_that_is_not_there_is_not_asked_for():
    role = thin_role(there=False)
    assert TOPICS.thin_event not in role.inputs
    worker = SimpleNamespace(role=SimpleNamespace(inputs=role.inputs), reopen=Mock())
    take_up(TOPICS.thin_event, False, role, worker)
    assert not worker.reopen.called
    for _ in range(2):
        take_up(TOPICS.thin_event, True, role, worker)
    assert role.inputs == worker.role.inputs == thin_role(there=True).inputs
    worker.reopen.assert_called_once_with("p.thin-event is read from now on")


@pytest.mark.parametrize(("payload", "reads"), [(None, False), ("snapshot", False), ("thin", True), ("both", True)])
def test_thin_events_are_read_once_a_trigger_takes_them(payload, reads):
    trigger = Trigger(kind="stripe/payment-event", connection="acme", payload=payload)
    assert takes_thin(Selections(Definitions(triggers={"acme": trigger}))) is reads
    assert takes_thin(Selections(Definitions())) is False

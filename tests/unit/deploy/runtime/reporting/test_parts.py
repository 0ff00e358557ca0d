"""What a process says of itself: its tasks, the connections that wait, and checks in bounded words."""

from collections import deque
from typing import Any

from msgspec.structs import replace

from stripeline.contracts.operator.worker_report import ConnectionReport, TaskReport, WorkerReport
from stripeline.deploy.runtime.reporting.parts import (
    MAX_CONNECTIONS,
    MAX_REACHED,
    MAX_WORDS,
    assembled,
    in_words,
    with_connections,
    with_reached,
    with_signatures,
    with_tasks,
)
from stripeline.deploy.runtime.reporting.process_report import instance_name
from stripeline.deploy.runtime.reporting.reporter import skew_ms
from stripeline.deploy.telemetry.sources import WorkerView
from stripeline.workers.executor.connection.rate_gate import ConnectionStatus
from stripeline.workers.task.counters import Counts
from stripeline.workers.task.input_partition import InputPartition, Load
from stripeline.workers.task.watermark import Watermark
from tests.support.records import Record

NOW_MS = 1_000_000
BASE = WorkerReport(role="executor", version="1", host="h", started_ms=0, at_ms=NOW_MS)
LOAD = Load(
    records_waiting=0, bytes_waiting=0, records_held=5, bytes_held=0, ready=0, running=0, room=9, calls=3,
    state={"commands": 10, "waiting": 4, "queues": 2}, full=False, head_due_ms=None,
)  # fmt: skip


def record(topic: str, at_ms: int) -> Record:
    return Record(topic=topic, partition=1, timestamp=at_ms)


def source(topic: str, position: int, *at_ms: int) -> InputPartition:
    return InputPartition(grows=False, watermark=Watermark(position), buffer=deque(record(topic, at) for at in at_ms))


def view(**given: Any) -> WorkerView:
    fields = {
        "role": "executor", "counts": Counts(), "loads": {"1": LOAD}, "open": {"1": True}, "inputs": {}, "tiers": {},
        "blocked": {}, "held_s": {}, "now_ms": NOW_MS, "due_ms": lambda one: one.timestamp + 5_000,
    }  # fmt: skip
    return WorkerView(**{**fields, **given})


def is_tier(topic: str) -> bool:
    return topic.startswith("retry")


def test_a_task_says_what_waits_and_what_is_due() -> None:
    inputs = {
        ("command", "1"): (source("command", 90, NOW_MS - 800, NOW_MS - 700), 100),
        ("settled", "1"): (source("settled", 5), 4),
        ("retry.5s", "1"): (source("retry.5s", 3, NOW_MS - 1_000), 50),
        ("retry.30s", "1"): (source("retry.30s", 3), 3),
    }
    (task,) = with_tasks(BASE, view(inputs=inputs), is_tier).tasks
    assert task == TaskReport(
        role="executor", partition=1, open=True, lag=10, oldest_ms=800, calls=3, in_hand=5, waiting=4, waiting_keys=2,
        tier_heads={"retry.5s": NOW_MS + 4_000},
    )  # fmt: skip


def test_a_task_that_is_being_opened_has_no_inputs() -> None:
    (task,) = with_tasks(BASE, view(open={"1": False}), is_tier).tasks
    assert (task.open, task.lag, task.oldest_ms, task.tier_heads) == (False, 0, 0, {})


def test_the_tasks_of_two_roles_stand_side_by_side() -> None:
    parts = [lambda report, role=role: with_tasks(report, view(role=role), is_tier) for role in ("router", "executor")]
    assert [task.role for task in assembled(BASE, parts).tasks] == ["router", "executor"]


def status(name: str, *, paused: bool = False, accounts: int = 0, line_ms: float = 0.0) -> ConnectionStatus:
    return ConnectionStatus(connection=name, paused=paused, paused_accounts=accounts, line_ms=line_ms, rates={})


def test_only_connections_that_wait_are_reported() -> None:
    seen = [status("calm"), status("a", paused=True), status("b", accounts=2), status("c", line_ms=12.7)]
    assert with_connections(BASE, seen).connections == (
        ConnectionReport(connection="a", paused=True),
        ConnectionReport(connection="b", paused_accounts=2),
        ConnectionReport(connection="c", line_ms=12),
    )


def test_a_report_is_bounded() -> None:
    many = [status(str(number), paused=True) for number in range(MAX_CONNECTIONS + 1)]
    assert len(with_connections(BASE, many).connections) == MAX_CONNECTIONS
    assert len(in_words({"kafka": "x" * 10_000}) or "") == MAX_WORDS


def test_checks_that_fail_are_one_text() -> None:
    assert in_words({}) is None
    assert in_words({"control": "old", "kafka": "away"}) == "control: old; kafka: away"


def test_parts_add_fields_to_what_is_there() -> None:
    parts = [lambda report: replace(report, control=7), lambda report: replace(report, master_keys=("3f9a",))]
    assert assembled(BASE, parts) == replace(BASE, control=7, master_keys=("3f9a",))


def test_a_process_has_a_name_of_its_own() -> None:
    assert instance_name("executor", "executor-0", "h", 7, "3f9a1c") == "executor/executor-0"
    assert instance_name("router", None, "h", 7, "3f9a1c") == "router/h/7-3f9a1c"


def test_the_skew_is_known_where_the_broker_answered_soon() -> None:
    assert skew_ms(1_000, 1_100, 1_050) == 0
    assert skew_ms(61_000, 61_100, 1_050) == 60_000
    assert skew_ms(1_000, 1_100, 61_050) == -60_000
    assert skew_ms(1_000, 2_001, 1_500) is None
    assert skew_ms(1_000, 900, 1_500) is None  # the host's clock was set meanwhile


def test_ingest_reports_the_destinations_whose_secrets_were_used():
    counted = [(("shop", "0"), 7.0), (("shop", "we_1"), 3.0), (("store", "ed_2"), 1.0)]
    assert with_signatures(BASE, counted).signed == {"we_1": 3, "ed_2": 1}
    many = [(("shop", f"we_{number}"), 1.0) for number in range(600)]
    assert list(with_signatures(BASE, many).signed)[-1] == "we_599"
    assert len(with_signatures(BASE, many).signed) == 500


def test_the_report_says_when_each_trigger_was_reached_last() -> None:
    assert with_reached(BASE, [(("acme",), 5), (("pay",), 7.5)]).reached == {"pay": 7_500, "acme": 5_000}
    many = [((f"t{number}",), number) for number in range(600)]
    assert next(iter(with_reached(BASE, many).reached)) == "t599"
    assert len(with_reached(BASE, many).reached) == MAX_REACHED

"""What the reports of the processes say on the page of workers."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace as with_fields

from stripeline.contracts.internal_records import encode
from stripeline.contracts.operator.worker_report import TaskReport, WorkerReport
from stripeline.deploy.console.overview.partition_rows import partition_rows
from stripeline.deploy.console.overview.process_rows import process_rows, role_rows
from stripeline.deploy.console.overview.report_history import KEPT, ReportHistory
from stripeline.deploy.console.overview.worker_reports import WorkerReports
from stripeline.deploy.operations.status.workers import Workers
from tests.support.status_facts import ALL, NOW_MS, PARTITIONS, instance, workers

SESSION_MS = 12_000


def report(*tasks: TaskReport, control: int | None = None) -> WorkerReport:
    return with_fields(instance("executor").report, tasks=tasks, control=control)


def task(partition: int = 0, role: str = "executor", *, lag: int = 0, is_open: bool = True) -> TaskReport:
    return TaskReport(role=role, partition=partition, lag=lag, open=is_open)


def test_the_lags_of_the_last_reports_are_kept():
    history = ReportHistory(1)
    for lag in range(KEPT + 3):
        history.learn("a", report(task(lag=lag)), lag)
    assert history.lags("executor", 0) == list(range(3, KEPT + 3))
    assert history.lags("router", 0) == []


def test_a_task_that_can_not_be_is_not_kept():
    history = ReportHistory(2)
    history.learn("a", report(task(1), task(2), task(10**9), task(0, "cook")), 1)
    assert [history.lags("executor", number) for number in (1, 2)] == [[0], []]
    assert history.lags("cook", 0) == []


def test_a_task_is_opening_since_its_first_report():
    history = ReportHistory(1)
    for at_ms in (1, 2, 3):
        history.learn("a", report(task(is_open=False)), at_ms)
    assert history.opening_since_ms("executor", 0, "a") == 1
    history.learn("b", report(task(is_open=False)), 4)
    assert (history.opening_since_ms("executor", 0, "a"), history.opening_since_ms("executor", 0, "b")) == (None, 4)
    history.learn("b", report(task()), 5)
    assert history.opening_since_ms("executor", 0, "b") is None


def test_a_process_is_behind_since_another_one_was_ahead():
    history = ReportHistory(1)
    for name, control, at_ms in (("a", 5, 1), ("b", 5, 2), ("b", 6, 3), ("b", 8, 4), ("a", 5, 5)):
        history.learn(name, report(control=control), at_ms)
    assert [history.behind_since_ms(control) for control in (5, 6, 7, 8)] == [3, 4, 4, None]


def test_one_process_that_stays_behind_fills_no_memory():
    history = ReportHistory(1)
    history.learn("a", report(control=0), 0)
    for control in range(1, 3 * KEPT):
        history.learn("b", report(control=control), control)
    assert len(history._newer_since) == KEPT
    assert history.behind_since_ms(0) == 2 * KEPT


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 500)), max_size=300))
def test_control_offsets_are_bounded(reports: list[tuple[int, int]]):
    history = ReportHistory(1)
    for at_ms, (name, control) in enumerate(reports):
        history.learn(f"p{name}", report(control=control), at_ms)
    assert len(history._newer_since) <= KEPT
    newest = max((control for _, control in reports), default=0)
    assert history.behind_since_ms(newest) is None


def test_a_partition_without_an_owner_is_first():
    one = instance("executor", tasks=[task(0), task(1, is_open=False), task(3)])
    rows = partition_rows(workers(one), PARTITIONS, SESSION_MS, ReportHistory(PARTITIONS))
    of_executor = [(row.partition, list(row.owners)) for row in rows if row.role == "executor"]
    assert of_executor == [(2, []), (1, [one.name]), (0, [one.name]), (3, [one.name])]
    assert [row.role for row in rows[:PARTITIONS]] == ["router"] * PARTITIONS


def test_a_silent_process_owns_nothing_after_a_session():
    young, old = instance("router", "a", age_ms=SESSION_MS - 1), instance("router", "b", age_ms=SESSION_MS)
    rows = partition_rows(workers(young, old), 1, SESSION_MS, ReportHistory(1))
    assert [list(row.owners) for row in rows if row.role == "router"] == [[young.name]]
    assert [row.owned for row in role_rows(workers(old), SESSION_MS)] == [None, 0, 0]


def test_the_newest_report_of_two_owners_counts():
    old = instance("router", "a", age_ms=9_000, tasks=[task(0, "router", lag=1)])
    new = instance("router", "b", age_ms=1_000, tasks=[task(0, "router", lag=2)])
    row = next(row for row in partition_rows(workers(old, new), 1, SESSION_MS, ReportHistory(1)) if row.owners)
    assert list(row.owners) == [new.name, old.name]
    assert row.task is not None
    assert row.task.lag == 2


def test_the_next_command_that_is_due_is_named():
    waits = with_fields(task(), tier_heads={"retry.5s": 20, "retry.1h": 10})
    rows = partition_rows(workers(instance("executor", tasks=[waits])), 1, SESSION_MS, ReportHistory(1))
    assert [row.due_ms for row in rows] == [None, 10]


def test_what_is_not_ready_is_first_and_what_is_stale_last():
    found = workers(
        instance("router", "stale", age_ms=20_000), instance("router", "ready"),
        instance("router", "shut", not_ready="Kafka does not answer"),
    )  # fmt: skip
    rows = process_rows(found, ReportHistory(PARTITIONS))
    assert [(row.host, row.state) for row in rows] == [("shut", "not ready"), ("ready", "ready"), ("stale", "stale")]
    assert rows[0].missing == "Kafka does not answer"


def test_a_process_without_the_newest_definitions_is_behind():
    history = ReportHistory(PARTITIONS)
    found = (instance("router", "a", control=7), instance("router", "b", control=5), instance("ingest", control=None))
    for one in found:
        history.learn(one.name, one.report, NOW_MS - 9_000)
    rows = {row.host: (row.behind, row.behind_since_ms) for row in process_rows(workers(*found), history)}
    assert rows == {"a": (0, None), "b": (2, NOW_MS - 9_000), "ingest-0": (0, None)}


def test_a_role_has_its_versions_and_what_it_is_behind():
    found = workers(
        instance("router", "a", tasks=[task(0, "router", lag=3)]), instance("worker", "b", version="0.3.0"),
        instance("executor", "c", age_ms=20_000),
    )  # fmt: skip
    ingest, router, executor = role_rows(found, SESSION_MS)
    assert (ingest.live, ingest.owned) == (0, None)
    assert (router.live, router.versions, router.owned, router.lag) == (2, {"0.2.0": 1, "0.3.0": 1}, 4, 3)
    assert (executor.live, executor.stale) == (1, 1)


def test_without_processes_the_tables_are_whole():
    nobody = Workers(instances=(), now_ms=NOW_MS)
    assert len(partition_rows(nobody, PARTITIONS, SESSION_MS, ReportHistory())) == 2 * PARTITIONS
    assert process_rows(nobody, ReportHistory()) == []
    assert [row.live for row in role_rows(nobody, SESSION_MS)] == [0, 0, 0]
    assert len(process_rows(workers(*ALL), ReportHistory())) == 3


@dataclass(frozen=True, slots=True)
class Record:
    """A record of `stripe.worker`."""

    key: bytes | None
    value: bytes | None
    timestamp: int


def record(name: str, at_ms: int, value: bytes | None = b"") -> Record:
    return Record(name.encode(), encode(instance("router", name).report) if value == b"" else value, at_ms)


def test_a_process_that_ended_is_forgotten():
    reports = WorkerReports(1)
    for one in (record("a", 1), record("b", 2), record("a", 3, None)):
        reports.learn(one)
    assert [one.name for one in reports.workers(10).instances] == ["b"]


def test_an_old_report_is_known_and_makes_no_trend():
    reports = WorkerReports(1)
    reports.learn(record("a", 1), recent=False)
    assert [one.name for one in reports.workers(10).instances] == ["a"]
    assert reports.history.lags("router", 0) == []
    reports.learn(record("a", 2))
    assert reports.history.lags("router", 0) == [0]


def test_a_report_that_can_not_be_read_is_named():
    reports = WorkerReports(1)
    reports.learn(record("a", 1, b"{}"))
    assert reports.workers(10).unreadable == ("a",)


@pytest.mark.parametrize("ahead_ms", [-60_000, 0, 60_000])
def test_ages_are_by_the_clock_of_the_broker(ahead_ms: int):
    reports = WorkerReports(1)
    reports.learn(record("old", ahead_ms))
    reports.learn(record("live", 100_000 + ahead_ms), received_ms=100_050)
    reports.learn(record("live", 105_000 + ahead_ms), received_ms=105_300)
    found = reports.workers(106_050)
    assert {one.name: one.age_ms for one in found.instances} == {"live": 1_000, "old": 106_000}


def test_so_many_processes_are_kept(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("stripeline.deploy.console.overview.worker_reports.MOST_PROCESSES", 2)
    reports = WorkerReports(1)
    for at_ms, name in enumerate("abac"):
        reports.learn(record(name, at_ms))
    assert sorted(one.name for one in reports.workers(10).instances) == ["a", "c"]

"""What became of a command before its newest state: its waits and its results, as entries."""

from types import SimpleNamespace
from typing import Any

from stripeline.deploy.console.details.outcome_entries import outcome_entries
from stripeline.deploy.console.details.run_timeline import RunFacts, timeline

NOW_MS = 1_000_000


def wait(at_ms: int, attempts: int | None, due_ms: int | None = None) -> Any:
    return SimpleNamespace(
        command_id="c1", topic="stripe.action-retry.5s", status="waiting", at_ms=at_ms, attempts=attempts,
        revision=None, due_ms=due_ms, code="RATE_LIMITED", error="too many",
    )  # fmt: skip


def result(at_ms: int, revision: int | None, status: str = "failed") -> Any:
    return SimpleNamespace(
        command_id="c1", topic="stripe.action-result", status=status, at_ms=at_ms, attempts=3, revision=revision,
        due_ms=None, code="CONFLICT", error="no",
    )  # fmt: skip


def lines(*rows: Any) -> list[tuple[int, str, str | None]]:
    return [(one.at_ms, one.words, one.state) for one in outcome_entries(rows, "Step pay: ", NOW_MS)]


def test_each_wait_says_after_which_attempt() -> None:
    assert lines(wait(5, 1), wait(9, None)) == [
        (5, "Step pay: Waited in tier 5s after attempt 1", "waiting"),
        (9, "Step pay: Waited in tier 5s", "waiting"),
    ]


def test_the_results_are_listed_by_revision() -> None:
    assert lines(result(5, 0), result(9, 1, "succeeded")) == [
        (5, "Step pay: Result, revision 0", "failed"),
        (9, "Step pay: Result, revision 1", "succeeded"),
    ]


def test_a_result_that_is_the_only_one_is_not_repeated() -> None:
    assert lines(wait(5, 1), result(9, 0)) == [(5, "Step pay: Waited in tier 5s after attempt 1", "waiting")]
    assert lines(result(9, 2)) == [(9, "Step pay: Result, revision 2", "failed")]


def test_a_wait_ends_when_it_is_due_or_now() -> None:
    ends = [one.until_ms for one in outcome_entries([wait(5, 1, 9), wait(5, 1, NOW_MS * 2), wait(5, 1, 1)], "", NOW_MS)]
    assert ends == [9, NOW_MS, 5]


def test_the_time_line_has_them_behind_their_command() -> None:
    command = SimpleNamespace(
        step="pay", command_id="c1", number=2, action="stripe/create-customer", status="succeeded", status_ms=9,
        attempts=3, code=None, error=None, sent_ms=2, finished_ms=9,
    )  # fmt: skip
    run = SimpleNamespace(started_ms=1, finished_ms=12, status="succeeded")
    facts = RunFacts(run=run, commands=[command], outcomes=[wait(3, 1), result(5, 0), result(9, 1, "succeeded")])
    assert [entry.words.partition(": ")[2] for entry in timeline(facts, NOW_MS)[1:-1]] == [
        "stripe/create-customer, 3 attempts", "Waited in tier 5s after attempt 1", "Result, revision 0",
        "Result, revision 1",
    ]  # fmt: skip

"""What the groups have not read, asked of Kafka again and again."""

import pytest
from aiokafka.errors import KafkaError

from stripeline.contracts.topics import Topics
from stripeline.deploy.console.overview import backlog_watch
from stripeline.deploy.console.overview.backlog_watch import BacklogWatch
from stripeline.deploy.operations.status.backlog import GROUPS, Backlog


async def test_a_look_that_fails_says_why_and_shows_no_old_numbers(monkeypatch: pytest.MonkeyPatch):
    answers: list[Backlog | Exception] = [
        Backlog(records={"router": 2}), KafkaError("away"), ValueError("a value of a record"), Backlog(),
    ]  # fmt: skip

    async def read_backlog(*_: object) -> Backlog:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(backlog_watch, "read_backlog", read_backlog)
    watch = BacklogWatch(Topics(), {}, words=lambda _: "Kafka is away")
    assert watch.not_known() == {GROUPS: "Kafka is being asked"}
    await watch.look()
    assert (watch.backlog().records, watch.not_known()) == ({"router": 2}, {})
    await watch.look()
    assert (watch.backlog(), watch.not_known()) == (Backlog(), {GROUPS: "Kafka is away"})
    await watch.look()
    assert watch.not_known() == {GROUPS: "a fault of Stripeline; the log has the traceback"}
    await watch.look()
    assert watch.not_known() == {}

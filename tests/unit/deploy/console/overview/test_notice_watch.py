"""Stripe's notices that it failed to make events, read again and again for the first page."""

import pytest
from aiokafka.errors import KafkaError

from stripeline.contracts.topics import Topics
from stripeline.deploy.console.overview import notice_watch
from stripeline.deploy.console.overview.notice_watch import NOTICES, NoticeWatch
from stripeline.deploy.operations.status.facts import Tally


async def test_a_look_that_fails_says_why_and_shows_no_old_number(monkeypatch: pytest.MonkeyPatch):
    answers: list[Tally | Exception] = [
        Tally(by={"charge": 2}),
        KafkaError("away"),
        ValueError("a value"),
        Tally(by={}),
    ]

    async def unmade_of_a_day(*_: object) -> Tally:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(notice_watch, "unmade_of_a_day", unmade_of_a_day)
    watch = NoticeWatch(Topics(), {}, words=lambda _: "Kafka is away")
    assert (watch.unmade(), watch.not_known()) == (None, {})
    await watch.look()
    assert (watch.unmade(), watch.not_known()) == (Tally(by={"charge": 2}), {})
    await watch.look()
    assert (watch.unmade(), watch.not_known()) == (None, {NOTICES: "Kafka is away"})
    await watch.look()
    assert watch.not_known() == {NOTICES: "a fault of Stripeline; the log has the traceback"}
    await watch.look()
    assert watch.not_known() == {}

"""What Kafka is asked again and again for the first page."""

import pytest
from aiokafka.errors import KafkaError

from stripeline.contracts.topics import Topics
from stripeline.deploy.console.overview import kafka_look
from stripeline.deploy.console.overview.kafka_look import NOTICES, backlog_look, notices_look
from stripeline.deploy.operations.status.backlog import GROUPS, Backlog
from stripeline.deploy.operations.status.facts import Tally


@pytest.mark.parametrize(
    ("made", "asked", "name", "nothing", "at_first", "answer", "later"),
    [
        (
            backlog_look, "read_backlog", GROUPS, Backlog(), {GROUPS: "Kafka is being asked"},
            Backlog(records={"router": 2}), Backlog(),
        ),
        (notices_look, "unmade_of_a_day", NOTICES, None, {}, Tally(by={"charge": 2}), Tally(by={})),
    ],
    ids=["backlog", "notices"],
)  # fmt: skip
async def test_a_look_that_fails_says_why_and_shows_no_old_number(
    made, asked, name, nothing, at_first, answer, later, monkeypatch: pytest.MonkeyPatch
):
    answers = [answer, KafkaError("away"), ValueError("a value of a record"), later]

    async def read(*_: object) -> object:
        given = answers.pop(0)
        if isinstance(given, Exception):
            raise given
        return given

    monkeypatch.setattr(kafka_look, asked, read)
    look = made(Topics(), {}, words=lambda _: "Kafka is away")
    assert (look.found(), look.not_known()) == (nothing, at_first)
    await look.look()
    assert (look.found(), look.not_known()) == (answer, {})
    await look.look()
    assert (look.found(), look.not_known()) == (nothing, {name: "Kafka is away"})
    await look.look()
    assert look.not_known() == {name: "a fault of Stripeline; the log has the traceback"}
    await look.look()
    assert look.not_known() == {}

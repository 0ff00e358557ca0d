"""Where a task goes on: an offset that the coordinator does not return is an error, and never "from the start"."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import GroupLoadInProgressError, KafkaError, NotCoordinatorForGroupError
from aiokafka.protocol.commit import OffsetFetchRequest
from aiokafka.structs import TopicPartition

from stripeline.workers.kafka import aiokafka_internals
from stripeline.workers.kafka.opening import restore
from stripeline.workers.task.watermark import encode

GROUP = "stripe.executor"
COMMANDS, RETRIES = TopicPartition("stripe.action-command", 1), TopicPartition("stripe.action-retry.5s", 1)
LOADING, NOT_COORDINATOR, UNSTABLE = GroupLoadInProgressError.errno, NotCoordinatorForGroupError.errno, 88


class Client:
    """aiokafka's, as far as it is used; `answer` is the coordinator's."""

    answer: Any = None
    asked: OffsetFetchRequest | None = None

    def __init__(self, **_: Any) -> None: ...

    async def bootstrap(self) -> None: ...

    async def close(self) -> None: ...

    async def coordinator_lookup(self, kind: int, group: str) -> int:
        assert (kind, group) == (0, GROUP)
        return 7

    async def send(self, node_id: int, request: OffsetFetchRequest) -> Any:
        assert node_id == 7
        Client.asked = request
        return self.answer


async def read(monkeypatch: pytest.MonkeyPatch, error_code: int, *topics: Any) -> Any:
    monkeypatch.setattr(aiokafka_internals, "AIOKafkaClient", Client)
    monkeypatch.setattr(Client, "answer", SimpleNamespace(error_code=error_code, topics=topics))
    return await restore.watermarks(GROUP, [COMMANDS, RETRIES], {})


def offset_of(tp: TopicPartition, offset: int, metadata: str = "", error_code: int = 0) -> tuple[str, list[Any]]:
    return tp.topic, [(tp.partition, offset, metadata, error_code)]


async def test_partitions_without_a_commit_are_left_out(monkeypatch):
    found = await read(monkeypatch, 0, offset_of(COMMANDS, 40, encode(40, [(42, 44)])), offset_of(RETRIES, -1))
    assert list(found) == [COMMANDS]
    assert (found[COMMANDS].position, list(found[COMMANDS].ranges())) == (40, [(42, 44)])
    assert Client.asked is not None
    assert Client.asked._partitions == [(COMMANDS.topic, [1]), (RETRIES.topic, [1])]


@pytest.mark.parametrize("code", [LOADING, NOT_COORDINATOR])
async def test_a_coordinator_that_is_loading_or_moved_is_an_error(monkeypatch, code):
    """aiokafka 0.14 ignores it, and the task would begin at the start of its topics."""
    with pytest.raises((GroupLoadInProgressError, NotCoordinatorForGroupError), match=GROUP):
        await read(monkeypatch, code)


async def test_an_error_of_one_partition_is_an_error(monkeypatch):
    with pytest.raises(KafkaError, match="action-retry"):
        await read(monkeypatch, 0, offset_of(COMMANDS, 40), offset_of(RETRIES, -1, error_code=UNSTABLE))


async def test_a_partition_missing_in_the_answer_is_an_error(monkeypatch):
    with pytest.raises(KafkaError, match=r"stripe\.action-retry\.5s-1"):
        await read(monkeypatch, 0, offset_of(COMMANDS, 40))

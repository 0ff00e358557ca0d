"""Where a task goes on, as the coordinator tells: what it does not say is an error, and never "from the start"."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import GroupLoadInProgressError, KafkaError, NotCoordinatorForGroupError
from aiokafka.protocol.commit import OffsetFetchRequest
from aiokafka.structs import TopicPartition

from stripeline.workers.kafka import restore
from stripeline.workers.task.watermark import encode

GROUP = "stripe.executor"
COMMANDS, RETRIES = TopicPartition("stripe.action-command", 1), TopicPartition("stripe.action-retry.5s", 1)
LOADING, NOT_COORDINATOR, UNSTABLE = GroupLoadInProgressError.errno, NotCoordinatorForGroupError.errno, 88


class Admin:
    """aiokafka's, as far as it is used; `answer` is the coordinator's."""

    answer: Any = None
    asked: OffsetFetchRequest | None = None

    def __init__(self, **_: Any) -> None:
        self._client = SimpleNamespace(close=self.start)

    async def start(self) -> None: ...

    async def find_coordinator(self, group: str) -> int:
        assert group == GROUP
        return 7

    async def _send_request(self, request: OffsetFetchRequest, node_id: int) -> Any:
        assert node_id == 7
        Admin.asked = request
        return self.answer


async def read(monkeypatch: pytest.MonkeyPatch, error_code: int, *topics: Any) -> Any:
    monkeypatch.setattr(restore, "AIOKafkaAdminClient", Admin)
    monkeypatch.setattr(Admin, "answer", SimpleNamespace(error_code=error_code, topics=topics))
    return await restore.watermarks(GROUP, [COMMANDS, RETRIES], {})


def stands(tp: TopicPartition, offset: int, metadata: str = "", error_code: int = 0) -> tuple[str, list[Any]]:
    return tp.topic, [(tp.partition, offset, metadata, error_code)]


async def test_offsets_and_finished_ranges_are_read_and_what_was_never_committed_is_left_out(monkeypatch):
    found = await read(monkeypatch, 0, stands(COMMANDS, 40, encode(40, [(42, 44)])), stands(RETRIES, -1))
    assert list(found) == [COMMANDS]
    assert (found[COMMANDS].position, list(found[COMMANDS].ranges())) == (40, [(42, 44)])
    assert Admin.asked is not None
    assert Admin.asked._partitions == [(COMMANDS.topic, [1]), (RETRIES.topic, [1])]


@pytest.mark.parametrize("code", [LOADING, NOT_COORDINATOR])
async def test_a_coordinator_that_is_loading_or_has_moved_is_no_group_without_offsets(monkeypatch, code):
    """aiokafka 0.14 does not look: the task began at the beginning of its topics."""
    with pytest.raises((GroupLoadInProgressError, NotCoordinatorForGroupError), match=GROUP):
        await read(monkeypatch, code)


async def test_an_error_of_one_partition_is_an_error(monkeypatch):
    with pytest.raises(KafkaError, match="action-retry"):
        await read(monkeypatch, 0, stands(COMMANDS, 40), stands(RETRIES, -1, error_code=UNSTABLE))


async def test_a_partition_of_which_nothing_is_said_is_an_error(monkeypatch):
    with pytest.raises(KafkaError, match=r"stripe\.action-retry\.5s-1 stand"):
        await read(monkeypatch, 0, stands(COMMANDS, 40))

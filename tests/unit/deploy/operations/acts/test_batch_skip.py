"""Which topics a batch is skipped on, and what a person sees of it before."""

import re

import pytest
from aiokafka.structs import TopicPartition

from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import UnreadableReason
from stripeline.deploy.operations.acts.batch_skip import SkipError, require_skippable, view
from stripeline.workers.kafka.batch_header import BatchHeader
from stripeline.workers.kafka.unread.unreadable_batch import UnreadableBatch

TOPICS = Topics(prefix="p.")


@pytest.mark.parametrize(
    ("topic", "words"),
    [
        (TOPICS.ledger, "is a changelog, and is never skipped: the state behind the batch would forget commands"),
        (TOPICS.run, "is a changelog, and is never skipped: the state behind the batch would forget runs"),
        (TOPICS.control, "holds the definitions, and is never skipped"),
        (TOPICS.dead_letter, "No task reads p.action-dead-letter"),
        (TOPICS.audit, "No task reads p.audit"),
        ("stripe.action-command", "No task reads stripe.action-command"),
    ],
)
def test_a_batch_is_skipped_on_inputs_only(topic: str, words: str) -> None:
    with pytest.raises(SkipError, match=re.escape(words)):
        require_skippable(TOPICS, topic)


def test_every_input_can_be_skipped() -> None:
    for topic in (*TOPICS.events, TOPICS.command, TOPICS.result, *TOPICS.retries):
        require_skippable(TOPICS, topic)


@pytest.mark.parametrize(("at_ms", "at"), [(0, "1970-01-01T00:00:00.000Z"), (-1, None), (2**62, None)])
def test_a_spoiled_time_is_shown_as_none(at_ms: int, at: str | None) -> None:
    header = BatchHeader(
        first_offset=7, last_offset=9, codec="lz4", records=3, producer_id=5, producer_epoch=0, transactional=False,
        control=False, max_timestamp_ms=at_ms, crc_ok=False,
    )  # fmt: skip
    found = UnreadableBatch(
        first=7, last=9, reason=UnreadableReason.WRONG_CHECKSUM, why="why", header=header, data=b"x" * 70
    )
    shown = view(TopicPartition("t", 1), found)
    assert (shown["at"], shown["first_offset"], shown["last_offset"], shown["records"]) == (at, 7, 9, 3)

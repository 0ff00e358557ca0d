"""Replays dead letters: the same bytes, key and partition, with a header that says who replayed them and why.

The worker decides their fate. A replay keeps its Idempotency-Key and the time of its first append, so nothing here can
charge twice.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from stripeline.contracts import headers as h
from stripeline.contracts.headers import Headers
from stripeline.contracts.retry_tiers import HORIZON_MS
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import Code, DeadLetterReason
from stripeline.deploy.operations.acts.audit import Signed
from stripeline.deploy.operations.reading.views import DeadLetter
from stripeline.workers.kafka.one_off_producer import one_off_producer
from stripeline.workers.kafka.transaction import MAX_REQUEST_BYTES

_SEND_S: Final = 15.0
_OURS: Final = frozenset(
    {
        h.ATTEMPT, h.DUE_AT, h.PLACE, h.REPLAY, h.ORIGIN_TOPIC, h.ORIGIN_PARTITION, h.ORIGIN_OFFSET,
        h.ORIGIN_LAST_OFFSET, h.REASON, h.CODE, h.ATTEMPTS, h.LAST_ERROR,
    }
)  # fmt: skip


def prospect(letter: DeadLetter, now_ms: int) -> str:
    """A description of what the replay of a dead letter will do."""
    headers = letter.read.headers
    match h.text(headers, h.REASON):
        case DeadLetterReason.UNREADABLE_BATCH | DeadLetterReason.LOST_BY_RETENTION:
            return "is not replayed: it has no record, only the range of offsets; their producer sends them again"
        case DeadLetterReason.ID_REUSED:
            return "is refused again: the id is known with another input"
        case _ if letter.command is None:
            return "is read again, unchanged"
        case DeadLetterReason.ACCOUNT_CHANGED:
            return "ends as before: what was sent to one account or mode is never done at another"
        case DeadLetterReason.EVENT_TOO_OLD:
            return "is sent for the first time, although its event is old"
        case _:
            return _prospect_of_attempted(letter, now_ms)


def _prospect_of_attempted(letter: DeadLetter, now_ms: int) -> str:
    headers = letter.read.headers
    first_ms = h.number(headers, h.FIRST_APPENDED_AT) or now_ms
    if now_ms - first_ms >= HORIZON_MS:
        # The letter has the time of its first append, and the ledger that of its first attempt, which may be later.
        return "is looked up at Stripe, and not sent, if its first attempt was more than 23 h ago"
    if h.text(headers, h.CODE) == Code.INDETERMINATE:
        return "is looked up at Stripe, and sent with its own key if nothing is found"
    return "is sent again with its own key"


def replayable(letter: DeadLetter) -> bool:
    """Whether a dead letter holds a record. One of a range of offsets holds none."""
    reason = h.text(letter.read.headers, h.REASON)
    return reason not in {DeadLetterReason.UNREADABLE_BATCH, DeadLetterReason.LOST_BY_RETENTION}


def target(topics: Topics, letter: DeadLetter) -> str:
    """The topic of a replay: its origin, but the command topic for a command from a retry tier."""
    origin = h.text(letter.read.headers, h.ORIGIN_TOPIC) or ""
    return origin if origin in {*topics.events, topics.result} else topics.command


def replay_headers(letter: DeadLetter, signed: Signed) -> Headers:
    note_fields = {
        "by": signed.by,
        "why": signed.why,
        "at": h.rfc3339(signed.at_ms),
        "dead_letter": f"{letter.read.partition}/{letter.read.offset}",
    }
    kept = h.without(letter.read.headers.items(), _OURS)
    return (*kept, (h.REPLAY, orjson.dumps(note_fields)))


async def replay(
    topics: Topics, client: Mapping[str, Any], letters: Sequence[DeadLetter], signed: Signed, rate_per_s: float
) -> int:
    """Produce the letters that are replayable, oldest first, at `rate_per_s` at most, and return their number.

    Raises KafkaError and TimeoutError.
    """
    async with one_off_producer(client, max_request_size=MAX_REQUEST_BYTES) as producer:
        for letter in sorted(filter(replayable, letters), key=lambda letter: (letter.read.at_ms, letter.read.offset)):
            async with asyncio.timeout(_SEND_S):
                await producer.send_and_wait(
                    target(topics, letter), letter.read.value, key=letter.read.key, partition=letter.read.partition,
                    headers=list(replay_headers(letter, signed)),
                )  # fmt: skip
            await asyncio.sleep(1 / rate_per_s)
    return sum(map(replayable, letters))

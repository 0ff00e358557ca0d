"""Finds the batch of a partition that no client can read: its offsets, why, and its bytes.

- A batch is unreadable where its checksum is wrong, its codec is unknown, or what its codec gives is no records.
- Where the checksum is wrong, no field of the header is trusted: the batch ends where the next one begins, or at the
  end of the partition.
- The digest names the bytes: another replica, or a topic created again, may have another batch at the same offsets.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiokafka.errors import CorruptRecordException, KafkaError, UnsupportedCodecError
from aiokafka.structs import TopicPartition
from msgspec import Struct

from stripeline.contracts.vocabulary import UnreadableReason
from stripeline.workers.kafka.aiokafka_internals import RawFetch, checksum_holds, fetch_raw, read_error
from stripeline.workers.kafka.batch_header import BatchHeader, parse

_FETCH_BYTES: Final = 1_048_576
_FETCHES: Final = 20
_SHOWN: Final = 120
_EXPLAIN_S: Final = 10.0


class UnreadableBatch(Struct, frozen=True, kw_only=True):
    """first, last: its offsets. header: as the log has it, which a wrong checksum makes doubtful."""

    first: int
    last: int
    reason: UnreadableReason
    why: str
    header: BatchHeader
    data: bytes

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.data).hexdigest()[:16]


class UnreadableBatchError(KafkaError):  # type: ignore[misc]
    """A partition can't be read at an offset: where, why, and what it means."""

    def __str__(self) -> str:
        return str(self.args[0])


async def explained(error: Exception, positions: Mapping[TopicPartition, int], client: Mapping[str, Any]) -> Exception:
    """The error of a read with its place: aiokafka's has none. The error itself where every partition can be read."""
    with contextlib.suppress(KafkaError, OSError, TimeoutError):
        async with asyncio.timeout(_EXPLAIN_S):
            for tp, position in positions.items():
                found = await unreadable_batch(tp, position, client, ahead=True)
                if found is not None:
                    return UnreadableBatchError(
                        f"{tp.topic}-{tp.partition} can't be read at offset {found.first}: no client can read the batch"
                        f" of offsets {found.first} to {found.last}; {found.why}"
                    )
    return error


async def unreadable_batch(
    tp: TopicPartition, offset: int, client: Mapping[str, Any], *, ahead: bool = False
) -> UnreadableBatch | None:
    """The batch at an offset, None where it can be read. `ahead`: or the first such batch after it.

    Raises KafkaError; CorruptRecordException where the broker itself can't read its log.
    """
    at = offset
    for _ in range(_FETCHES):
        fetched = await fetch_raw(tp, at, client, max_bytes=_FETCH_BYTES)
        batches = [one for one in parse(fetched.batches, checksum_holds) if one[0].crc_ok is not None]
        for number, (header, data) in enumerate(batches):
            fault = _fault(header, data)
            if fault is not None:
                first = header.first_offset
                last = await _last(tp, fetched, batches[number:], client)
                return UnreadableBatch(first=first, last=last, reason=fault[0], why=fault[1], header=header, data=data)
            at = header.last_offset + 1
            if not ahead:
                return None
        if not batches and at < fetched.high_watermark:
            raise CorruptRecordException(f"the broker returns nothing of {tp.topic}-{tp.partition} from offset {at} on")
        if not batches:
            return None
    return None


def _fault(header: BatchHeader, data: bytes) -> tuple[UnreadableReason, str] | None:
    if not header.crc_ok:
        return UnreadableReason.WRONG_CHECKSUM, "its checksum is wrong: its bytes changed on a disk or on the way"
    match read_error(data):
        case None:
            return None
        case UnsupportedCodecError() as error:
            return UnreadableReason.UNKNOWN_CODEC, f"its codec is {header.codec}: {error}"[:_SHOWN]
        case error:
            # The library's text may quote the record.
            kind = type(error).__name__
            return UnreadableReason.NOT_DECODED, f"its codec is {header.codec}, and it is not decoded: {kind}"


async def _last(
    tp: TopicPartition, fetched: RawFetch, batches: Sequence[tuple[BatchHeader, bytes]], client: Mapping[str, Any]
) -> int:
    """The last offset of the first of these batches."""
    (header, data), *after = batches
    if header.crc_ok:
        return header.last_offset
    if not after:
        more = await fetch_raw(tp, header.first_offset, client, max_bytes=len(data) + _FETCH_BYTES)
        fetched, after = more, list(parse(more.batches, checksum_holds))[1:]
    return (after[0][0].first_offset if after else fetched.high_watermark) - 1

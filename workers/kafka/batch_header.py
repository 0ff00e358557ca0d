"""The header of a record batch: its offsets, codec, producer and checksum, also of a batch that no client can read.

The first 61 bytes of a batch (format v2, Kafka 0.11 and later) are never compressed. The checksum covers all from the
attributes on: where it is wrong, no field of the header is to be trusted, but the first offset and the length.
https://kafka.apache.org/documentation/#recordbatch
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from aiokafka.structs import TopicPartition
from msgspec import Struct

from stripeline.workers.kafka.aiokafka_internals import checksum_holds, fetch_raw

CODECS: Final = ("none", "gzip", "snappy", "lz4", "zstd")

_LENGTHS: Final = struct.Struct(">qi")  # first offset, bytes that follow
_HEADER: Final = struct.Struct(">qiibIhiqqqhii")
_MAGIC_AT, _MAGIC = 16, 2
_CODEC_BITS, _TRANSACTIONAL_BIT, _CONTROL_BIT = 0x07, 0x10, 0x20


class BatchHeader(Struct, frozen=True, kw_only=True):
    """What the header says.

    producer_id: -1 for a producer that is not idempotent.
    control: a transaction's marker, no record.
    crc_ok: None where the batch was not fetched whole.
    """

    first_offset: int
    last_offset: int
    codec: str
    records: int
    producer_id: int
    producer_epoch: int
    transactional: bool
    control: bool
    max_timestamp_ms: int
    crc_ok: bool | None


async def batch_header(tp: TopicPartition, offset: int, client: Mapping[str, Any]) -> BatchHeader | None:
    """The header of the batch at an offset, or of the next one after it; None at the end of the partition.

    Of open and aborted transactions too (`read_uncommitted`). Raises KafkaError.
    """
    fetched = await fetch_raw(tp, offset, client)
    return next((header for header, _ in parse(fetched.batches, checksum_holds)), None)


def parse(batches: bytes, checksum_holds: Callable[[bytes], bool]) -> Iterator[tuple[BatchHeader, bytes]]:
    """The headers of consecutive batches, each with the bytes of its batch; the last one may be cut short."""
    at = 0
    while len(batches) - at >= _HEADER.size:
        _, length = _LENGTHS.unpack_from(batches, at)
        end = at + _LENGTHS.size + length
        if end - at < _HEADER.size or batches[at + _MAGIC_AT] < _MAGIC:  # v0 and v1 have no such header
            return
        batch = batches[at:end]
        yield _header(batch, checksum_holds(batch) if end <= len(batches) else None), batch
        at = end


def _header(batch: bytes, crc_ok: bool | None) -> BatchHeader:
    (
        first_offset, _length, _leader_epoch, _magic, _crc, attributes, last_delta, _base_timestamp, max_timestamp_ms,
        producer_id, producer_epoch, _base_sequence, records,
    ) = _HEADER.unpack_from(batch)  # fmt: skip
    number = attributes & _CODEC_BITS
    return BatchHeader(
        first_offset=first_offset,
        last_offset=first_offset + last_delta,
        codec=CODECS[number] if number < len(CODECS) else f"unknown ({number})",
        records=records,
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        transactional=bool(attributes & _TRANSACTIONAL_BIT),
        control=bool(attributes & _CONTROL_BIT),
        max_timestamp_ms=max_timestamp_ms,
        crc_ok=crc_ok,
    )

"""Spoils a batch in the log of a local Kafka, as a disk or another team's client would: no client can read it then.

The broker sends batches as they are on disk, and checks them only when it recovers from a crash: it may run meanwhile.
"""

import struct
from collections.abc import Callable
from pathlib import Path

from aiokafka.record.util import calc_crc32c
from aiokafka.structs import TopicPartition

from stripeline.deploy.local.kafka import LocalKafka

LENGTHS = struct.Struct(">qi")
CRC_AT, ATTRIBUTES_AT, LAST_DELTA_AT = 17, 21, 23


def wrong_checksum(batch: bytearray) -> None:
    batch[-1] ^= 0x01


def wrong_header(batch: bytearray) -> None:
    """The last offset's delta too: what the header says of its end is wrong."""
    struct.pack_into(">i", batch, LAST_DELTA_AT, 100_000)


def length_of_nothing(batch: bytearray) -> None:
    """The broker itself can't find the next batch, and says so."""
    struct.pack_into(">i", batch, 8, 5)


def length_beyond_the_log(batch: bytearray) -> None:
    """The broker returns nothing from there on, and no error."""
    struct.pack_into(">i", batch, 8, 1_000_000_000)


def unknown_codec(batch: bytearray) -> None:
    batch[ATTRIBUTES_AT + 1] = batch[ATTRIBUTES_AT + 1] & ~0x07 | 0x05
    _sign(batch)


def no_records_of_its_codec(batch: bytearray) -> None:
    """Bytes that are no zstd, under a checksum that holds."""
    batch[ATTRIBUTES_AT + 1] = batch[ATTRIBUTES_AT + 1] & ~0x07 | 0x04
    _sign(batch)


def _sign(batch: bytearray) -> None:
    struct.pack_into(">I", batch, CRC_AT, calc_crc32c(bytes(batch[ATTRIBUTES_AT:])))


def spoil(kafka: LocalKafka, tp: TopicPartition, offset: int, how: Callable[[bytearray], None]) -> tuple[int, int]:
    """Spoil the batch that holds an offset; its first and last offset."""
    folder = kafka.spec.data_dir / "topics" / f"{tp.topic}-{tp.partition}"
    segment = max(file for file in folder.glob("*.log") if int(file.stem) <= offset)
    log = segment.read_bytes()
    at = 0
    while at < len(log):
        first, length = LENGTHS.unpack_from(log, at)
        end = at + LENGTHS.size + length
        last = first + struct.unpack_from(">i", log, at + LAST_DELTA_AT)[0]
        if first <= offset <= last:
            batch = bytearray(log[at:end])
            how(batch)
            _write(segment, at, batch)
            return first, last
        at = end
    raise AssertionError(f"{tp.topic}-{tp.partition} has no batch with offset {offset}")


def _write(segment: Path, at: int, batch: bytearray) -> None:
    with segment.open("r+b") as file:
        file.seek(at)
        file.write(batch)

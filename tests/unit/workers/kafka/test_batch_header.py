"""The header of a record batch: read from the bytes that aiokafka's own builder makes, and from spoiled ones."""

import struct

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from stripeline.workers.kafka.aiokafka_internals import checksum_holds, read_error
from stripeline.workers.kafka.batch_header import CODECS, BatchHeader, parse

HEADER_BYTES = 61
ATTRIBUTES_AT = 22


def built(
    values: list[bytes], *, first: int = 0, codec: int = 0, transactional: bool = False, producer: int = -1
) -> bytes:
    builder = DefaultRecordBatchBuilder(2, codec, transactional, producer, 3, 0, 1_000_000)
    for number, value in enumerate(values):
        builder.append(number, 1_700_000_000_000 + number, b"key", value, [])
    batch = builder.build()
    struct.pack_into(">q", batch, 0, first)
    return bytes(batch)


def header(batch: bytes) -> BatchHeader:
    ((found, _),) = parse(batch, checksum_holds)
    return found


@pytest.mark.parametrize(("number", "codec"), list(enumerate(CODECS)))
def test_every_codecs_header_is_read(number: int, codec: str) -> None:
    batch = built([b"a" * 500, b"b" * 500], first=4711, codec=number, transactional=True, producer=9)
    assert header(batch) == BatchHeader(
        first_offset=4711, last_offset=4712, codec=codec, records=2, producer_id=9, producer_epoch=3,
        transactional=True, control=False, max_timestamp_ms=1_700_000_000_001, crc_ok=True,
    )  # fmt: skip
    assert read_error(batch) is None


def test_an_unknown_codec_is_named_by_its_number() -> None:
    batch = bytearray(built([b"a"]))
    batch[ATTRIBUTES_AT] |= 5
    assert header(bytes(batch)).codec == "unknown (5)"
    assert "codec" in str(read_error(bytes(batch)))


@pytest.mark.parametrize("at", [ATTRIBUTES_AT, HEADER_BYTES - 1, HEADER_BYTES, -1])
def test_a_flipped_bit_breaks_the_checksum(at: int) -> None:
    batch = bytearray(built([b"a" * 100, b"b"]))
    batch[at] ^= 0x40
    assert header(bytes(batch)).crc_ok is False


def test_a_batch_cut_short_has_no_verdict_on_its_checksum() -> None:
    batch = built([b"a" * 100])
    assert header(batch[:-1]).crc_ok is None
    assert header(batch[:HEADER_BYTES]).crc_ok is None


def test_batches_follow_each_other() -> None:
    batches = [built([b"a"], first=3), built([b"b", b"c"], first=9), built([b"d"], first=11)]
    found = list(parse(b"".join(batches), checksum_holds))
    assert [(one.first_offset, one.last_offset) for one, _ in found] == [(3, 3), (9, 10), (11, 11)]
    assert [data for _, data in found] == batches


def old_format() -> bytes:
    batch = bytearray(built([b"a"]))
    batch[16] = 1
    return bytes(batch)


def of_length(length: int) -> bytes:
    return struct.pack(">qiib", 0, length, 0, 2) + b"\x00" * 60


@pytest.mark.parametrize("data", [b"", b"a" * 60, old_format(), of_length(5), of_length(-1), of_length(-(2**31))])
def test_what_is_no_batch_has_no_header(data: bytes) -> None:
    assert list(parse(data, checksum_holds)) == []


def test_control_batches_are_told_from_records() -> None:
    batch = bytearray(built([b"a"], transactional=True, producer=9))
    batch[ATTRIBUTES_AT] |= 0x20
    found = header(bytes(batch))
    assert found.control
    assert found.transactional

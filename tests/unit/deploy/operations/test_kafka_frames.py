"""The bytes of the requests made by hand, and answers of any kind."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripeline.deploy.operations import kafka_frames as frames
from stripeline.deploy.operations.kafka_frames import FrameError


def versions(*rows: tuple[int, int, int], error: int = 0) -> bytes:
    return struct.pack(">ihi", 1, error, len(rows)) + b"".join(struct.pack(">hhh", *row) for row in rows)


def test_versions_name_what_a_kafka_lacks() -> None:
    found = frames.api_versions(versions(*((key, 0, version) for key, version in frames.NEEDED.values())))
    assert frames.missing_requests(found) == []
    old = frames.api_versions(versions((0, 0, 2), (1, 0, 11)))
    assert "Produce v3 (record batches)" in frames.missing_requests(old)
    assert "EndTxn (transactions)" in frames.missing_requests(old)
    assert "Fetch v4 (read_committed)" not in frames.missing_requests(old)


def test_an_error_instead_of_versions_is_no_kafka() -> None:
    with pytest.raises(FrameError, match="error 7"):
        frames.api_versions(versions(error=7))
    assert frames.api_versions(versions(error=frames.UNSUPPORTED_VERSION)) == {}


def test_an_answer_to_another_request_is_refused() -> None:
    with pytest.raises(FrameError, match="another correlation id"):
        frames.api_versions(struct.pack(">ihi", 2, 0, 0))


def test_mechanisms_and_a_challenge_are_read() -> None:
    body = struct.pack(">ihi", 1, 33, 2) + b"\x00\x05PLAIN" + b"\x00\x0dSCRAM-SHA-512"
    assert frames.mechanisms(body).offered == ("PLAIN", "SCRAM-SHA-512")
    body = struct.pack(">ih", 1, 58) + b"\x00\x02no" + b"\x00\x00\x00\x01{"
    read = frames.authentication(body)
    assert (read.error_code, read.message, read.challenge) == (58, "no", b"{")


@pytest.mark.parametrize(
    ("first", "tls"), [(b"\x15\x03\x03\x00", True), (b"\x16\x03\x01\x02", True), (b"HTTP", False), (b"", False)]
)
def test_the_first_bytes_of_tls_are_known(first: bytes, tls: bool) -> None:
    assert frames.is_tls(first) is tls


def test_a_size_that_no_answer_has_is_refused() -> None:
    assert frames.answer_size(b"HTTP") is None
    assert frames.answer_size(b"\x15\x03\x03\x00") is None
    assert frames.answer_size(b"\x00\x00\x00\x03") is None
    assert frames.answer_size(b"\x00\x00\x01\x00") == 256


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(answer: bytes) -> None:
    for read in (frames.api_versions, frames.mechanisms, frames.authentication):
        try:
            read(struct.pack(">i", 1) + answer)
        except FrameError:
            continue


def test_a_bearer_token_goes_with_its_extensions() -> None:
    request = frames.sasl_bearer_request("t0ken", {"logicalCluster": "lkc-1"})
    assert request.endswith(b"n,,\x01auth=Bearer t0ken\x01logicalCluster=lkc-1\x01\x01")

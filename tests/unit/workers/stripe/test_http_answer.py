"""Answers as bytes: whole, or an error; however they are cut into reads; and never more held than is allowed."""

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripeline.workers.stripe.http_answer import AnswerReader, DroppedError, LostError, Reply, TooLargeError

MAX_BODY_BYTES = 100_000
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nRequest-Id: req_1\r\n\r\nhi"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
UNTIL_THE_END = b"HTTP/1.1 200 OK\r\n\r\n"
GZIPPED = gzip.compress(b"hi")


def reader() -> AnswerReader:
    return AnswerReader(MAX_BODY_BYTES)


def read(*parts: bytes, of: AnswerReader | None = None) -> Reply | None:
    given_to, reply = of or reader(), None
    for part in parts:
        reply = given_to.feed(part)
    return reply


def answer(head: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\n%s\r\nContent-Length: %d\r\n\r\n%s" % (head, len(body), body)


ANSWERS = {
    "a length": OK,
    "chunks": CHUNKED + b"1\r\nh\r\n1;x=y\r\ni\r\n0\r\nTrailer: x\r\n\r\n",
    "informational": b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK,
    "gzip": answer(b"Content-Encoding: gzip", GZIPPED),
    "deflate": answer(b"Content-Encoding: Deflate", zlib.compress(b"hi")),
    "identity": answer(b"Content-Encoding: identity", b"hi"),
}


@pytest.mark.parametrize("sent", ANSWERS.values(), ids=ANSWERS)
def test_an_answer_is_the_same_however_it_is_cut(sent):
    whole = read(sent)
    assert whole is not None
    assert (whole.status, whole.body) == (200, b"hi")
    for at in range(1, len(sent)):
        assert read(sent[:at], sent[at:]) == whole
    assert read(*(sent[at : at + 1] for at in range(len(sent)))) == whole


def test_headers_have_lower_case_names_and_the_first_counts():
    reply = read(answer(b"Request-Id:  req_1 \r\nREQUEST-ID: req_2\r\nX: caf\xe9", b""))
    assert reply is not None
    assert reply.headers == {"request-id": "req_1", "x": "café", "content-length": "0"}


def test_a_connection_is_read_on_after_an_answer():
    one = reader()
    for _ in range(3):
        assert read(OK, of=one) == read(OK)
        assert not one.connection_ends
        one.start()


@pytest.mark.parametrize("more", [OK, OK[:10], b"S", b"SSH-2.0\r\n"], ids=["answer", "half", "a byte", "no HTTP"])
def test_bytes_behind_an_answer_end_the_connection(more):
    one = reader()
    assert read(OK + more, of=one) == read(OK)
    assert one.connection_ends


def test_an_answer_that_closes_ends_the_connection():
    one = reader()
    assert read(OK.replace(b"Request-Id: req_1", b"Connection: close"), of=one) is not None
    assert one.connection_ends


LOST = {
    "two framings": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi",
    "a negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nhi",
    "a chunk without a size": CHUNKED + b"x\r\n",
    "101": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "101 without an upgrade": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "an unknown encoding": answer(b"Content-Encoding: zstd", b"hi"),
    "a cut encoding": answer(b"Content-Encoding: gzip", GZIPPED[:-1]),
    "a header without end": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 9_000 + b"\r\n\r\n",
    "129 headers": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 129 + b"\r\n",
    "17 informational": b"HTTP/1.1 100 Continue\r\n\r\n" * 17,
}


@pytest.mark.parametrize("sent", LOST.values(), ids=LOST)
def test_what_is_not_a_whole_answer_is_lost(sent):
    with pytest.raises(LostError):
        read(sent)


WITHOUT_END = {
    "a head": (b"HTTP/1.1 200 OK\r\nX: ", b"x"),
    "a chunk's extension": (CHUNKED + b"5;", b"x"),
    "a trailer": (CHUNKED + b"2\r\nhi\r\n0\r\nX: ", b"x"),
    "trailers": (CHUNKED + b"2\r\nhi\r\n0\r\n", b"X: y\r\n"),
    "tiny chunks": (CHUNKED, b"1\r\nx\r\n"),
}


@pytest.mark.parametrize(("start", "more"), WITHOUT_END.values(), ids=WITHOUT_END)
def test_what_frames_an_answer_is_bounded(start, more):
    one = reader()
    with pytest.raises(LostError):
        read(start, *[more * 100] * 2_000, of=one)
    assert one._received_bytes < 200_000


def test_a_body_over_the_limit_is_refused_as_it_comes():
    start = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * MAX_BODY_BYTES
    with pytest.raises(TooLargeError):
        read(start, b"x")
    with pytest.raises(TooLargeError):
        read(answer(b"Content-Encoding: gzip", gzip.compress(b"x" * (MAX_BODY_BYTES + 1))))


def test_an_empty_body_needs_no_decoding():
    assert read(answer(b"Content-Encoding: gzip", b"")) is not None


def test_a_body_without_a_length_ends_with_the_connection():
    one = reader()
    assert read(UNTIL_THE_END + b"hi", of=one) is None
    assert one.end(None).body == b"hi"
    with pytest.raises(LostError, match="ConnectionResetError"):
        one.end(ConnectionResetError())


@pytest.mark.parametrize("sent", [OK[:-1], CHUNKED + b"2\r\nhi\r\n"], ids=["a length", "chunks"])
def test_a_cut_body_is_lost(sent):
    one = reader()
    assert read(sent, of=one) is None
    with pytest.raises(LostError) as lost:
        one.end(None)
    assert not isinstance(lost.value, DroppedError)


@pytest.mark.parametrize("sent", [b"", OK[:20], b"HTTP/1.1 100 Continue\r\n\r\n"], ids=["nothing", "half", "100"])
def test_an_end_before_a_head_is_a_dropped_connection(sent):
    one = reader()
    assert read(sent, of=one) is None
    with pytest.raises(DroppedError):
        one.end(None)


@given(st.integers(0, len(OK)), st.binary(max_size=40), st.integers(0, 20))
def test_spoiled_bytes_give_an_answer_or_a_known_error(at, noise, removed):
    one = reader()
    try:
        if read(OK[:at] + noise + OK[at + removed :], of=one) is None:
            one.end(None)
    except (LostError, TooLargeError):
        pass

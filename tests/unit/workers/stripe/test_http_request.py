"""Requests as bytes, and what is refused before anything is sent."""

import pytest

from stripeline.workers.stripe.http_request import UnsendableError, header_lines, request_bytes

COMMON = header_lines({"Host": "stripe.test"})


def written(method: str, target: str, headers=(), body: bytes | None = None) -> bytes:
    return request_bytes(method, target, dict(headers), body, prefix="/base", common_headers=COMMON)


def test_a_request_without_a_body_has_no_length():
    assert written("GET", "/v1/x?a=%20") == b"GET /base/v1/x?a=%20 HTTP/1.1\r\nHost: stripe.test\r\n\r\n"


def test_a_body_follows_its_length():
    expected = b"POST /base/v1/x HTTP/1.1\r\nHost: stripe.test\r\nA: b\r\nContent-Length: 3\r\n\r\nx=y"
    assert written("POST", "/v1/x", {"A": "b"}, b"x=y") == expected


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\nb", "a\0b", "é", "\x7f", "\t"])
def test_a_value_that_ends_its_line_is_refused_unnamed(value):
    with pytest.raises(UnsendableError, match="Idempotency-Key") as refused:
        written("POST", "/v1/x", {"Idempotency-Key": value})
    assert value not in str(refused.value)


@pytest.mark.parametrize("target", ["", "v1/x", "/v1/x y", "/v1/x#y", "/v1/é", "/v1/x\r\nX: y", "http://other.test/"])
def test_a_target_that_is_not_a_path_is_refused(target):
    with pytest.raises(UnsendableError, match="percent-encoded"):
        written("GET", target)

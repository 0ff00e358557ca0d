"""A request as HTTP/1.1 writes it. Pure: refuses what HTTP can't carry, before anything is sent.

https://www.rfc-editor.org/rfc/rfc9112.html#name-request-line
"""

import re
from collections.abc import Mapping

_TARGET = re.compile(r'/[!-"$-~]*').fullmatch  # percent-encoded, without a fragment
_VALUE = re.compile(r"[ -~]*").fullmatch


class UnsendableError(ValueError):
    """The request can't be written as HTTP, and nothing was sent. Names the part, never its value."""


def request_bytes(
    method: str, target: str, headers: Mapping[str, str], body: bytes | None, *, prefix: str, common_headers: str
) -> bytes:
    """Head and body. prefix: what precedes every target. common_headers: of every request, from `header_lines`.

    Raises UnsendableError.
    """
    if not _TARGET(target):
        raise UnsendableError("the path is not percent-encoded; nothing was sent; quote what is put into it")
    head = f"{method} {prefix}{target} HTTP/1.1\r\n{common_headers}{header_lines(headers)}"
    if body is None:
        return f"{head}\r\n".encode("ascii")
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode("ascii") + body


def header_lines(headers: Mapping[str, str]) -> str:
    """Raises UnsendableError for a value that would end its line."""
    return "".join([_line(name, value) for name, value in headers.items()])


def _line(name: str, value: str) -> str:
    if not _VALUE(value):
        raise UnsendableError(
            f"the value of {name} has characters that a header can't carry; nothing was sent; correct the value"
        )
    return f"{name}: {value}\r\n"

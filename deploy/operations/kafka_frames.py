"""The few requests by which a connection is examined by hand, as bytes, and what their answers say. Pure.

A client library hides what this shows: the first bytes that come back from a port, and each step's own answer.
https://kafka.apache.org/protocol.html has the formats; each is of the oldest version that Kafka 4 still takes.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

CLIENT_ID: Final = b"stripeline-probe"
MAX_ANSWER_BYTES: Final = 1_000_000
SIZE_BYTES: Final = 4

API_VERSIONS: Final = 18
SASL_HANDSHAKE: Final = 17
SASL_AUTHENTICATE: Final = 36

UNSUPPORTED_VERSION: Final = 35
ILLEGAL_SASL_STATE: Final = 34
UNSUPPORTED_MECHANISM: Final = 33

NEEDED: Final[Mapping[str, tuple[int, int]]] = {
    "Produce v3 (record batches)": (0, 3),
    "Fetch v4 (read_committed)": (1, 4),
    "OffsetFetch v2": (9, 2),
    "DescribeConfigs": (32, 0),
    "InitProducerId (idempotent writes)": (22, 0),
    "AddPartitionsToTxn (transactions)": (24, 0),
    "AddOffsetsToTxn (transactions)": (25, 0),
    "EndTxn (transactions)": (26, 0),
    "TxnOffsetCommit (transactions)": (28, 0),
}
"""What Stripeline can't do without: the request and the version that it needs at least."""


class FrameError(ValueError):
    """Bytes that no Kafka sends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mechanisms:
    """The answer to a SASL handshake."""

    error_code: int
    offered: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Authentication:
    """The answer to a step of a login."""

    error_code: int
    message: str
    challenge: bytes


def api_versions_request() -> bytes:
    return _framed(API_VERSIONS, 0, b"")


def sasl_handshake_request(mechanism: str) -> bytes:
    return _framed(SASL_HANDSHAKE, 1, _string(mechanism.encode()))


def sasl_bearer_request(token: str, extensions: Mapping[str, str]) -> bytes:
    """The first step of OAUTHBEARER: https://www.rfc-editor.org/rfc/rfc7628#section-3.1."""
    fields = "".join(f"\x01{name}={value}" for name, value in extensions.items())
    step = f"n,,\x01auth=Bearer {token}{fields}\x01\x01".encode()
    return _framed(SASL_AUTHENTICATE, 0, struct.pack(">i", len(step)) + step)


def answer_size(first: bytes) -> int | None:
    """The size of the answer that begins with these bytes; None where they are not Kafka's."""
    (size,) = struct.unpack(">i", first)
    return size if 4 <= size <= MAX_ANSWER_BYTES else None  # noqa: PLR2004  (the correlation id is always there)


def is_tls(first: bytes) -> bool:
    """Whether these bytes begin a TLS record: an alert or a handshake, of SSL 3 or TLS 1."""
    return len(first) > 1 and first[0] in {0x15, 0x16} and first[1] == 3  # noqa: PLR2004  https://www.rfc-editor.org/rfc/rfc8446#section-5.1


def api_versions(answer: bytes) -> Mapping[int, int]:
    """The highest version of each request. Raises FrameError."""
    body = _Body(answer)
    error_code, count = body.int16(), body.int32()
    if error_code == UNSUPPORTED_VERSION:
        return {}
    if error_code or not 0 <= count <= 10_000:  # noqa: PLR2004
        raise FrameError(f"error {error_code}")
    return {key: highest for key, _, highest in ((body.int16(), body.int16(), body.int16()) for _ in range(count))}


def missing_requests(versions: Mapping[int, int]) -> Sequence[str]:
    """What this Kafka lacks of `NEEDED`."""
    return [name for name, (key, version) in NEEDED.items() if versions.get(key, -1) < version]


def mechanisms(answer: bytes) -> Mechanisms:
    """Raises FrameError."""
    body = _Body(answer)
    error_code, count = body.int16(), body.int32()
    return Mechanisms(error_code=error_code, offered=tuple(body.string() for _ in range(min(count, 20))))


def authentication(answer: bytes) -> Authentication:
    """Raises FrameError."""
    body = _Body(answer)
    return Authentication(error_code=body.int16(), message=body.string(), challenge=body.blob())


def _framed(api_key: int, version: int, body: bytes) -> bytes:
    message = struct.pack(">hhi", api_key, version, 1) + _string(CLIENT_ID) + body
    return struct.pack(">i", len(message)) + message


def _string(text: bytes) -> bytes:
    return struct.pack(">h", len(text)) + text


class _Body:
    """An answer behind its correlation id, read field by field."""

    def __init__(self, answer: bytes) -> None:
        self._answer, self._at = answer, 0
        if self.int32() != 1:
            raise FrameError("another correlation id")

    def int16(self) -> int:
        return int(struct.unpack(">h", self._take(2))[0])

    def int32(self) -> int:
        return int(struct.unpack(">i", self._take(4))[0])

    def string(self) -> str:
        return self._take(max(self.int16(), 0)).decode(errors="replace")

    def blob(self) -> bytes:
        return self._take(max(self.int32(), 0))

    def _take(self, count: int) -> bytes:
        part = self._answer[self._at : self._at + count]
        if len(part) != count:
            raise FrameError("cut short")
        self._at += count
        return part

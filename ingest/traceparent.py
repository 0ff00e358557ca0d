"""Decides which trace a delivery belongs to: the one that a proxy in front of us started, or a new one. Pure.

https://www.w3.org/TR/trace-context/#traceparent-header
"""

import re
from typing import Final

ENTROPY_BYTES: Final = 24
_TRACEPARENT: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def traceparent(received: str | None, entropy: bytes) -> bytes:
    """The header's own trace where it is well formed; else a new one, sampled, out of 24 random bytes."""
    if received is not None and _TRACEPARENT.fullmatch(received):
        return received.encode()
    seed = entropy.hex()
    return f"00-{seed[:32]}-{seed[32:]}-01".encode()

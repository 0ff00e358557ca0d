"""Which keys were most likely not given before: a Bloom filter with one hash, of 4 MiB. Pure.

A restore asks of each of millions of keys whether it is there already, and most are not. A bit says that six times
sooner than the index does, while there are fewer keys than bits.
"""

from collections.abc import Sequence
from typing import Final

_BYTES: Final = 1 << 22


class KeyFilter:
    """Keys that were given."""

    def __init__(self) -> None:
        self._given = bytearray(_BYTES)

    def perhaps_again(self, keys: Sequence[str]) -> list[str]:
        """Take keys, and return those that were perhaps given before; none that was is left out."""
        given, again = self._given, []
        for key in keys:
            hashed = hash(key)
            at, bit = (hashed >> 3) % _BYTES, 1 << (hashed & 7)
            if given[at] & bit:
                again.append(key)
            else:
                given[at] |= bit
        return again

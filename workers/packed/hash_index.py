"""Where rows are, by the hash of their keys: about 9 bytes a row. Pure.

A linear hash table. Its entries are 8 bytes, the hash and the place, in shards of about 64; a shard is searched by one
`bytes.find`. It grows by one shard at a time, so no insertion has to rebuild the table.

Invariants:
- A hash is no proof: of a billion pairs of keys some share one. It names the places where a key may be; the caller
  compares the key that is there.
- An entry that was added is found until it is removed.
- Hashes are Python's own of texts, which each process keys with a secret, so ids that share a shard can't be chosen.
"""

from collections.abc import Sequence
from struct import Struct, pack, unpack

_SHARD_ENTRIES = 64
_ENTRY = Struct("<II")
_SIZE = _ENTRY.size
_packed = _ENTRY.pack
_HASH = 0xFFFF_FFFF


class HashIndex:
    """Places, numbers of 32 bits, by key."""

    def __init__(self) -> None:
        self._shards = [bytearray()]
        self._mask = 0  # of the bits of a hash that choose a shard, with the shards that are still to be split off
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def places(self, key: str) -> Sequence[int]:
        """Where the key may be."""
        hashed = hash(key) & _HASH
        shard, needle = self._shard(hashed), hashed.to_bytes(4, "little")
        at = shard.find(needle)
        if at < 0:
            return ()
        found = []
        while at >= 0:
            if at % _SIZE == 0:
                found.append(_ENTRY.unpack_from(shard, at)[1])
            at = shard.find(needle, at + 1)
        return found

    def alike(self, keys: Sequence[str]) -> list[str]:
        """Those that may have a place."""
        found, mask, shards, shift = [], self._mask, self._shards, self._mask >> 1
        for key in keys:
            hashed = hash(key) & _HASH
            number = hashed & mask
            if shards[number if number < len(shards) else number & shift].find(hashed.to_bytes(4, "little")) >= 0:
                found.append(key)
        return found

    def add(self, keys: Sequence[str], place: int) -> None:
        """Keys at places that follow each other, from this one on."""
        for at, key in enumerate(keys, place):
            hashed = hash(key) & _HASH
            number, shards = hashed & self._mask, self._shards
            shards[number if number < len(shards) else number & (self._mask >> 1)] += _packed(hashed, at)
        self._count += len(keys)
        while self._count > _SHARD_ENTRIES * len(self._shards):
            self._split()

    def remove(self, key: str, place: int) -> None:
        """An entry that was added. The shard's last one takes its room."""
        hashed = hash(key) & _HASH
        shard, entry = self._shard(hashed), _packed(hashed, place)
        at = shard.find(entry)
        while at % _SIZE:
            at = shard.find(entry, at + 1)
        shard[at : at + _SIZE] = shard[-_SIZE:]
        del shard[-_SIZE:]
        self._count -= 1

    def _shard(self, hashed: int) -> bytearray:
        # `alike` and `add` have it inline: a restore does both for each of millions of ids.
        number = hashed & self._mask
        return self._shards[number if number < len(self._shards) else number & (self._mask >> 1)]

    def _split(self) -> None:
        """One more shard: those entries of an older one whose hash has one more bit."""
        number = len(self._shards)
        if number > self._mask:
            self._mask = 2 * self._mask + 1
        bit = (self._mask + 1) // 2
        entries = unpack(f"<{len(self._shards[number - bit]) // _SIZE}Q", self._shards[number - bit])
        kept, moved = [one for one in entries if not one & bit], [one for one in entries if one & bit]
        self._shards[number - bit] = bytearray(pack(f"<{len(kept)}Q", *kept))
        self._shards.append(bytearray(pack(f"<{len(moved)}Q", *moved)))

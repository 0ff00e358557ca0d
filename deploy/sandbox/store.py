"""Keeps the objects: by id, in the order of creation, and by metadata. A row is never changed: `put` replaces it.

A row keeps the object's bytes, not its dict: a hundred thousand dicts are hundreds of megabytes and slow the garbage
collector, and the bytes are what the idempotency layer keeps anyway.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

EVERYBODY = "*"  # seeded objects that each account sees


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    id: str
    position: int  # in its account's rows of this object
    created_ms: int
    body: bytes

    @property
    def created(self) -> int:
        return self.created_ms // 1000


class Store:
    def __init__(self) -> None:
        self._by_id: dict[tuple[str, str], Row] = {}
        self._rows: dict[tuple[str, str], list[Row]] = {}
        self._by_metadata: dict[tuple[str, str, str, str], list[Row]] = {}

    def add(self, account: str, made: Mapping[str, Any], body: bytes, now_ms: int) -> Row:
        """`body` is `made` in bytes: the caller needs it too."""
        name, object_id = made["object"], made["id"]
        rows = self._rows.setdefault((account, name), [])
        row = Row(id=object_id, position=len(rows), created_ms=now_ms, body=body)
        rows.append(row)
        self._by_id[account, object_id] = row
        for key, value in _metadata(made):
            self._by_metadata.setdefault((account, name, key, value), []).append(row)
        return row

    def put(self, account: str, object_id: str, made: Mapping[str, Any], body: bytes, now_ms: int) -> Row:
        """Add it under this id, or let it be what it is now: it keeps its place in the order of creation."""
        there = self._by_id.get((account, object_id))
        if there is None:
            row = self._by_id[account, object_id] = self.add(account, made, body, now_ms)
            return row
        row = replace(there, body=body)
        self._rows[account, made["object"]][there.position] = row
        self._by_id[account, object_id] = row
        for key, value in _metadata(orjson.loads(there.body)):
            self._by_metadata[account, made["object"], key, value].remove(there)
        for key, value in _metadata(made):
            self._by_metadata.setdefault((account, made["object"], key, value), []).append(row)
        return row

    def remove(self, account: str, object_id: str) -> None:
        """It can't be read any more. Lists and searches still have it: Stripe's trail behind, too."""
        self._by_id.pop((account, object_id), None)

    def get(self, account: str, object_id: str) -> Row | None:
        return self._by_id.get((account, object_id)) or self._by_id.get((EVERYBODY, object_id))

    def rows(self, account: str, object_name: str) -> Sequence[Row]:
        """Oldest first."""
        return self._rows.get((account, object_name), ())

    def with_metadata(self, account: str, object_name: str, key: str, value: str) -> Sequence[Row]:
        return self._by_metadata.get((account, object_name, key, value), ())


def _metadata(made: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A test may give an object any fields: what is no metadata is not found by it."""
    pairs = made.get("metadata")
    return [(key, value) for key, value in pairs.items() if isinstance(value, str)] if isinstance(pairs, dict) else []

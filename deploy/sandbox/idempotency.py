"""Stripe's idempotency layer: decides whether a POST runs, is answered from memory, or is refused.

docs.stripe.com/api/idempotent_requests: the first request that begins executing fixes status and body for its key,
a 500 included; a key is forgotten once 24 h old, and then runs again. A key belongs to one account. The layer never
looks at a request's meaning, only at its path and the fingerprint of its parameters.
"""

from collections import deque
from dataclasses import dataclass

from stripeline.deploy.sandbox.api.values import SandboxAnswer

KEPT_FOR_MS = 24 * 3600 * 1000
V2_KEPT_FOR_MS = 30 * KEPT_FOR_MS
"""docs.stripe.com/api-v2-overview. A request of API v2 that failed runs again under the same key."""
MAX_KEY_LENGTH = 255


@dataclass(slots=True, kw_only=True)
class Slot:
    """One key in use. `kept` is None while its first request runs."""

    path: str
    fingerprint: int
    first_used_ms: int
    request_id: str
    kept: SandboxAnswer | None = None


@dataclass(frozen=True, slots=True)
class Fresh:
    """No one used the key within 24 h: the request may run."""


@dataclass(frozen=True, slots=True)
class Replay:
    answer: SandboxAnswer
    request_id: str


@dataclass(frozen=True, slots=True)
class InUse:
    """The key's first request still runs."""


@dataclass(frozen=True, slots=True)
class OtherPath:
    first: str


@dataclass(frozen=True, slots=True)
class OtherParameters:
    """The key's first request had other parameters."""


Lookup = Fresh | Replay | InUse | OtherPath | OtherParameters
FRESH = Fresh()


class IdempotencyLayer:
    def __init__(self, kept_for_ms: int = KEPT_FOR_MS) -> None:
        self._kept_for_ms = kept_for_ms
        self._slots: dict[tuple[str, str], Slot] = {}
        self._by_age: deque[tuple[tuple[str, str], Slot]] = deque()  # in the order of first use

    def look(self, account: str, key: str, path: str, fingerprint: int, now_ms: int) -> Lookup:
        self._prune(now_ms)
        slot = self._slots.get((account, key))
        if slot is None:
            return FRESH
        if slot.path != path:
            return OtherPath(slot.path)
        if slot.fingerprint != fingerprint:
            return OtherParameters()
        if slot.kept is None:
            return InUse()
        return Replay(slot.kept, slot.request_id)

    def claim(self, account: str, key: str, slot: Slot) -> Slot:
        """Begin: only after `look` said Fresh. The caller keeps the slot and ends it with `finish` or `release`."""
        self._slots[account, key] = slot
        self._by_age.append(((account, key), slot))
        return slot

    @staticmethod
    def finish(slot: Slot, answer: SandboxAnswer) -> None:
        # By slot, not by key: a request that outlived its key must not answer for the key's next use.
        slot.kept = answer

    def release(self, account: str, key: str, slot: Slot) -> None:
        """Forget a request that did not run to its end, so that its key is not in use for ever."""
        if self._slots.get((account, key)) is slot:
            del self._slots[account, key]

    def _prune(self, now_ms: int) -> None:
        while self._by_age and self._by_age[0][1].first_used_ms + self._kept_for_ms <= now_ms:
            name, slot = self._by_age.popleft()
            if self._slots.get(name) is slot:
                del self._slots[name]

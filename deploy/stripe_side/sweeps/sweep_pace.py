"""How fast a sweep may ask Stripe: a tenth of what an account's calls may take, so that commands keep the rest. Pure.

https://docs.stripe.com/rate-limits
"""

from collections.abc import Callable
from typing import Final

from stripeline.contracts.definition_fields import Rate
from stripeline.workers.executor.connection.pacing import Bucket

SHARE: Final = 0.1
_MAX_ACCOUNTS: Final = 1_000
_Of = tuple[str, str | None]


class SweepPace:
    """limits: calls per second of a connection and of each endpoint."""

    def __init__(self, limits: Callable[[str], Rate]) -> None:
        self._limits = limits
        self._buckets: dict[_Of, Bucket] = {}

    def turn_ms(self, connection: str, account: str | None, now_ms: int) -> float:
        """How long the next call waits. It has taken its turn."""
        bucket = self._bucket((connection, account), now_ms)
        if bucket is None:
            return 0.0
        wait_ms = bucket.wait_ms(now_ms)
        bucket.take(now_ms)
        return wait_ms

    def slow(self, connection: str, account: str | None, now_ms: int) -> None:
        """After a 429."""
        bucket = self._bucket((connection, account), now_ms)
        if bucket is not None:
            bucket.slow(now_ms)

    def _bucket(self, of: _Of, now_ms: int) -> Bucket | None:
        limits = self._limits(of[0])
        if limits.account is None and limits.endpoint is None:
            return None
        # Nothing else asks this endpoint, so of its own limit all may be used, where the account's is known.
        ceiling = (limits.endpoint or 0.0) * SHARE
        if limits.account is not None:
            ceiling = min(limits.account * SHARE, limits.endpoint or limits.account)
        known = self._buckets.get(of)
        if known is None or known.ceiling != ceiling:
            self._forget(now_ms)
            known = self._buckets[of] = Bucket(ceiling, ceiling)
        return known

    def _forget(self, now_ms: int) -> None:
        if len(self._buckets) >= _MAX_ACCOUNTS:
            self._buckets = {of: one for of, one in self._buckets.items() if one.wait_ms(now_ms) > 0}

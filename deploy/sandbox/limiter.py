"""Decides when an account calls too fast, as Stripe's limiter does in front of everything else. Off by default.

docs.stripe.com/rate-limits: so many requests a second for an account, and so many for each of its endpoints.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_ms: int

    def take(self, rate_per_s: float, now_ms: int) -> bool:
        gained = (now_ms - self.filled_ms) / 1000 * rate_per_s
        self.tokens = min(max(rate_per_s, 1.0), self.tokens + gained)
        self.filled_ms = now_ms
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class Limiter:
    def __init__(self) -> None:
        self.account_per_s: float | None = None
        self.endpoint_per_s: float | None = None
        self._buckets: dict[tuple[str, str], _Bucket] = {}

    def refuses(self, account: str, endpoint: str, now_ms: int) -> str | None:
        """The reason for a 429, or None."""
        if self.account_per_s and not self._take(account, "", self.account_per_s, now_ms):
            return "global-rate"
        if self.endpoint_per_s and not self._take(account, endpoint, self.endpoint_per_s, now_ms):
            return "endpoint-rate"
        return None

    def _take(self, account: str, endpoint: str, rate_per_s: float, now_ms: int) -> bool:
        bucket = self._buckets.get((account, endpoint))
        if bucket is None:
            bucket = self._buckets[account, endpoint] = _Bucket(max(rate_per_s, 1.0), now_ms)
        return bucket.take(rate_per_s, now_ms)

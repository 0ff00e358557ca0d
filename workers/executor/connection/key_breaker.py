"""Whether Stripe still accepts a connection's key, or its access to one connected account. Pure.

A refusal holds everything behind it until the key is replaced, or until the control topic, which has every refusal, has
it no more: a probe was accepted. Then one call tries the new key, and the others follow. No refusal ends what waits.
"""

from dataclasses import dataclass

PAUSE_MIN_MS, PAUSE_MAX_MS = 1_000, 600_000
NOTICE_MS = 600_000
"""A refusal that does not reach the control topic in this time is not believed any longer."""

PROBE_LOST_MS = 240_000
"""A call that tries a key, and has not come back in this time, was cut short with its task: another one tries it."""

Noted = tuple[str, int]
"""The name of a refused key, and since when, as the control topic has it."""


def pause_ms(now_ms: int, since_ms: int) -> int:
    """When to ask again: less and less often."""
    return min(max(now_ms - since_ms, PAUSE_MIN_MS), PAUSE_MAX_MS)


def is_under_way(probing_ms: int | None, now_ms: int) -> bool:
    """Whether a call that tries something, since then, may still come back."""
    return probing_ms is not None and now_ms - probing_ms < PROBE_LOST_MS


@dataclass(slots=True)
class Breaker:
    """`noted`: the control topic has the refusal. `probing_ms`: since when a call that tries a new key is under way."""

    refused_key: str | None = None
    refused_ms: int = 0
    noted: bool = False
    probing_ms: int | None = None

    def learn(self, key: str | None, noted: Noted | None, now_ms: int) -> None:
        """What the control topic says now."""
        if noted is not None and noted[0] == key:
            self.refused_key, self.refused_ms = noted  # also where another process met it
            self.noted = True
        elif self.refused_key == key and (self.noted or now_ms - self.refused_ms > NOTICE_MS):
            self.refused_key, self.noted = None, False

    def closed(self, key: str | None) -> bool:
        return self.refused_key is not None and self.refused_key == key

    def tries(self, key: str | None) -> bool:
        """Whether the next call would try a key that came after a refused one."""
        return self.refused_key is not None and self.refused_key != key

    def is_probed(self, now_ms: int) -> bool:
        return is_under_way(self.probing_ms, now_ms)

    def refuse(self, key: str, now_ms: int) -> None:
        self.refused_key, self.refused_ms, self.noted = key, now_ms, False

    def accepted(self, key: str | None) -> None:
        """Stripe did not refuse a call with this key."""
        if key != self.refused_key:
            self.refused_key = None

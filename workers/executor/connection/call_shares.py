"""How many of a process's calls one account of a connection may have under way, while others call too. Pure.

Slow calls of one account would otherwise take every call slot, and everybody waited for them. So:

- While another account has called within `ACTIVE_MS`, one has half of the slots at most.
- Where few slots are left, each has its equal share at most, so that several slow ones leave room too.
- An account that is alone has all of them.
"""

from collections import Counter, defaultdict
from typing import Final

from stripeline.workers.task.waiting.waiting_room import MANY

ACTIVE_MS: Final = 60_000
MAX_ACTIVE: Final = 10_000
ALL_SLOTS: Final = 1 << 30
"""As many as anybody asks for."""
_FEW: Final = 8
"""Few are left: an eighth of the slots."""

Account = tuple[str, str | None]
"""A connection, and the connected account that a command names; None for the connection's own."""


class CallShares:
    """The calls under way of one process with `slots` call slots, by account."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._by_partition = defaultdict[int, Counter[Account]](Counter)
        self._calls = Counter[Account]()
        self._under_way = 0
        self._active: dict[Account, int] = {}  # when each has asked last, the oldest first

    def began(self, partition: int, account: Account) -> None:
        self._count(partition, account, 1)

    def ended(self, partition: int, account: Account) -> None:
        if self._by_partition[partition][account]:
            self._count(partition, account, -1)

    def calls_cut_short(self, partition: int) -> None:
        """All calls of a partition are over: its task has ended."""
        for account, calls in self._by_partition.pop(partition, Counter[Account]()).items():
            self._calls[account] -= calls
            self._under_way -= calls
        self._calls = +self._calls

    def asks(self, account: Account, now_ms: int) -> bool:
        """Whether a call may begin; the account counts as active from now on."""
        self._active.pop(account, None)
        self._active[account] = now_ms
        return self.allowed(account, now_ms) != 0

    def allowed(self, account: Account, now_ms: int) -> int:
        """How many more calls may begin: MANY for one that is alone."""
        self._forget_inactive(now_ms)
        others = len(self._active) - (account in self._active)
        if not others:
            return MANY
        left = self._slots - self._under_way
        most = self._slots // 2 if left > self._slots // _FEW else self._slots // (others + 1)
        return max(0, max(1, most) - self._calls[account])

    def _count(self, partition: int, account: Account, calls: int) -> None:
        self._under_way += calls
        for counted in (self._by_partition[partition], self._calls):
            counted[account] += calls
            if not counted[account]:
                del counted[account]

    def _forget_inactive(self, now_ms: int) -> None:
        while self._active:
            oldest, asked_ms = next(iter(self._active.items()))
            if len(self._active) <= MAX_ACTIVE and 0 <= now_ms - asked_ms < ACTIVE_MS:
                return
            del self._active[oldest]

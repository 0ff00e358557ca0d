"""The rate gate before Stripe: how fast a connection may call, and whether it may call at all. Pure.

Pacing, by `pacing.py`: Stripe's limits count per account, so each connected account that a connection acts for has its
own buckets, at this process's share of the limits. What has to wait for long waits in a tier, so that a connection at
its limit never fills the call slots that others need.
Breaker, by `key_breaker.py`: a 401 closes the connection, whatever account was named; a 403 `account_invalid` closes
the one account of that connection. A person may pause a connection too. What waits keeps its order and its attempts.
Outage, by `outage.py`: while Stripe fails every call of an account, one at a time tries it.
https://docs.stripe.com/rate-limits · https://docs.stripe.com/error-codes#account-invalid
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import islice

from msgspec import Struct

from stripeline.contracts.definition_fields import Rate
from stripeline.contracts.errors import StripeRefusal
from stripeline.contracts.retry_tiers import Tier
from stripeline.contracts.vocabulary import Code
from stripeline.workers.executor.connection.call_shares import ALL_SLOTS, CallShares
from stripeline.workers.executor.connection.key_breaker import PAUSE_MIN_MS, Breaker, Noted, pause_ms
from stripeline.workers.executor.connection.outage import Outage
from stripeline.workers.executor.connection.pacing import TURN_LEAD_MS, AccountPace, Bucket
from stripeline.workers.executor.retry_headers import RATE
from stripeline.workers.executor.stripe_answer import Failed, Outcome
from stripeline.workers.executor.stripe_lookup import Missing
from stripeline.workers.task.waiting.waiting_room import MANY

MAX_ACCOUNTS = 10_000
"""Of one process, all connections together: those beyond that have nothing to remember are forgotten."""
_SWEEP = 100


class Pass(Struct, frozen=True, kw_only=True):
    """The call may be made, after this time, with the key of this name.

    probe: it tries a key that was replaced, or whether an outage is over.
    """

    delay_ms: int = 0
    key: str | None = None
    probe: bool = False


class Observation(Enum):
    """What an outcome says about its connection."""

    ACCEPTED = auto()
    KEY_REFUSED = auto()  # the first 401 of its key: the other processes learn of it
    ACCOUNT_REFUSED = auto()  # the first refusal of its account: the same
    REFUSED_AGAIN = auto()  # called before the first refusal was known: the command waits with the others


class Hold(Struct, frozen=True, kw_only=True):
    """No call now; ask again after about this time. `turn_ms`: its turn in the line of its connection.

    closed: the gate is closed for its connection and account; `RateGate.lets` says when it opens.
    """

    wait_ms: int
    why: str
    turn_ms: int | None = None
    closed: bool = False

    def due_ms(self, tier: Tier, now_ms: int) -> int:
        """When a command that waits in a tier asks again: at its end, or shortly before its turn."""
        end_ms = now_ms + tier.delay_ms
        return end_ms if self.turn_ms is None else max(now_ms, min(end_ms, self.turn_ms - TURN_LEAD_MS))


class ConnectionStatus(Struct, frozen=True, kw_only=True):
    """A connection as the gate sees it, for the metrics.

    paused: a person paused it, or Stripe refused its key, which has not been replaced.
    paused_accounts: connected accounts that its key may not act for.
    line_ms: how long the last of its longest line still waits.
    rates: calls per second now and at most, by endpoint, of the connection's own account; all endpoints under "".
    """

    connection: str
    paused: bool
    paused_accounts: int = 0
    line_ms: float
    rates: Mapping[str, tuple[float, float]]


@dataclass(slots=True)
class _Account:
    pace: AccountPace = field(default_factory=AccountPace)
    breaker: Breaker = field(default_factory=Breaker)
    outage: Outage = field(default_factory=Outage)


_Of = tuple[str, str | None]
"""A connection, and the connected account that a command names; None for the connection's own."""


@dataclass(slots=True, kw_only=True)
class RateGate:
    """The gate of one process.

    limits: calls per second of a connection and of each endpoint; None: no limit.
    share: the part of them that this process may use.
    key: the name of a connection's key, which does not reveal it; another key has another name.
    refused: what the control table has of a refused key (no account), or of an account that its key may not act for.
    paused: since when a person has paused the connection.
    shares: of the call slots.
    """

    limits: Callable[[str], Rate]
    share: Callable[[], float]
    key: Callable[[str], str | None]
    refused: Callable[[str, str | None], Noted | None]
    paused: Callable[[str], int | None] = lambda _: None
    shares: CallShares = field(default_factory=lambda: CallShares(ALL_SLOTS))
    _known: dict[_Of, _Account] = field(default_factory=dict)

    def ask(
        self, connection: str, endpoint: str, now_ms: int, turn_ms: int | None = None, account: str | None = None,
        *, begun: bool = False,
    ) -> Pass | Hold:  # fmt: skip
        """Whether a call may be made now. A `Pass` has taken its turn.

        turn_ms: the turn that it was promised.
        begun: it follows from a call that had its turn, and would line up behind those that have not begun.
        """
        tries = self._closed(connection, account, now_ms)
        if isinstance(tries, Hold):
            return tries
        pace = self._account(connection, account, now_ms).pace
        buckets = self._buckets(pace, connection, endpoint)
        wait_ms, turn_ms = (pace.go_on(buckets, now_ms), None) if begun else pace.take(buckets, now_ms, turn_ms)
        if turn_ms is not None:
            return Hold(wait_ms=turn_ms - now_ms, why=RATE, turn_ms=turn_ms)
        for breaker in tries:
            breaker.probing_ms = now_ms
        return Pass(delay_ms=int(wait_ms), key=self.key(connection), probe=bool(tries))

    def observe(
        self, connection: str, endpoint: str, outcome: Outcome | Missing, permit: Pass, now_ms: int,
        account: str | None = None, *, of: str = "",
    ) -> Observation:  # fmt: skip
        """Learn from the outcome of a call that was let pass. `of`: the command's id."""
        mine = self._account(connection, account, now_ms)
        _learn_of_outage(mine.outage, outcome, of, now_ms, probe=permit.probe)
        if isinstance(outcome, Failed) and outcome.error["code"] == Code.RATE_LIMITED:
            for bucket in self._buckets(mine.pace, connection, endpoint):
                bucket.slow(now_ms)
        self.release(connection, permit, account)
        refused = outcome.refuses if isinstance(outcome, Failed) and permit.key is not None else None
        if refused is None or (refused is StripeRefusal.ACCOUNT and account is None):
            for breaker in self._breakers(connection, account):
                breaker.accepted(permit.key)
            return Observation.ACCEPTED
        breaker = mine.breaker if refused is StripeRefusal.ACCOUNT else self._account(connection, None, now_ms).breaker
        if permit.key is None or permit.key == breaker.refused_key or permit.key != self.key(connection):
            return Observation.REFUSED_AGAIN
        breaker.refuse(permit.key, now_ms)
        return Observation.ACCOUNT_REFUSED if refused is StripeRefusal.ACCOUNT else Observation.KEY_REFUSED

    def release(self, connection: str, permit: Pass, account: str | None = None) -> None:
        """A call that was let pass is over, whatever came of it."""
        if permit.probe:
            for breaker in self._breakers(connection, account):
                breaker.probing_ms = None
            if (known := self._known.get((connection, account))) is not None:
                known.outage.probing_ms = None

    def learn(self, now_ms: int) -> None:
        """Look at what the control table says now: a refusal may come and go between two calls."""
        for (connection, account), known in self._known.items():
            if known.breaker.refused_key is not None:
                known.breaker.learn(self.key(connection), self.refused(connection, account), now_ms)

    def connections(self, now_ms: int) -> Iterator[ConnectionStatus]:
        """Every connection that has called since this process began."""
        self.learn(now_ms)
        by_name: dict[str, list[tuple[str | None, _Account]]] = {}
        for (name, account), one in self._known.items():
            by_name.setdefault(name, []).append((account, one))
        for name, accounts in by_name.items():
            key, own = self.key(name), self._known.get((name, None), _Account())
            own.breaker.learn(key, self.refused(name, None), now_ms)
            for bucket in own.pace.buckets.values():
                bucket.wait_ms(now_ms)  # time without a 429 has restored its rate
            yield ConnectionStatus(
                connection=name,
                paused=own.breaker.closed(key) or self.paused(name) is not None,
                paused_accounts=sum(one.breaker.closed(key) for account, one in accounts if account is not None),
                line_ms=max(0.0, *(one.pace.line_ms - now_ms for _, one in accounts)),
                rates={endpoint: (bucket.rate, bucket.ceiling) for endpoint, bucket in own.pace.buckets.items()},
            )

    def lets(self, connection: str, account: str | None, now_ms: int) -> int:
        """How many calls may ask: none while it is closed, one that tries whether it is open, else MANY."""
        tries = self._closed(connection, account, now_ms)
        if isinstance(tries, Hold):
            return 0
        return 1 if tries else MANY

    def has_limit(self, connection: str) -> bool:
        return self.limits(connection) != Rate()

    def _closed(self, connection: str, account: str | None, now_ms: int) -> Hold | list[Breaker | Outage]:
        """Held while a person, a refusal or an outage holds it; else what this call would try."""
        since_ms, key = self.paused(connection), self.key(connection)
        if since_ms is not None:
            return Hold(
                wait_ms=pause_ms(now_ms, since_ms), why="waits for its connection to be resumed", closed=True
            )  # fmt: skip
        tries = list[Breaker | Outage]()
        for named in dict.fromkeys((None, account)):
            why = "key to be replaced" if named is None else f"access to {named}"
            breaker = self._account(connection, named, now_ms).breaker
            breaker.learn(key, self.refused(connection, named), now_ms)
            if breaker.closed(key):
                return Hold(
                    wait_ms=pause_ms(now_ms, breaker.refused_ms), why=f"waits for its connection's {why}", closed=True
                )  # fmt: skip
            if breaker.tries(key):
                if breaker.is_probed(now_ms):
                    return Hold(wait_ms=PAUSE_MIN_MS, why="waits for the call that tries the new key", closed=True)
                tries.append(breaker)
        outage = self._account(connection, account, now_ms).outage
        wait_ms = outage.wait_ms(now_ms)
        if wait_ms:
            return Hold(wait_ms=wait_ms, why="waits for Stripe, which fails all calls of its connection", closed=True)
        if outage.open:
            tries.append(outage)
        return tries

    def _breakers(self, connection: str, account: str | None) -> Iterator[Breaker]:
        """Those that are known of a call; an account that has nothing to remember may be forgotten meanwhile."""
        for named in dict.fromkeys((None, account)):
            known = self._known.get((connection, named))
            if known is not None:
                yield known.breaker

    def _account(self, connection: str, account: str | None, now_ms: int) -> _Account:
        known = self._known.get((connection, account))
        if known is None:
            if len(self._known) >= MAX_ACCOUNTS:
                self._forget_idle(now_ms)
            known = self._known[connection, account] = _Account()
        return known

    def _forget_idle(self, now_ms: int) -> None:
        """Of those that have been known for longest; one that is of use is looked at again after the others."""
        for of in list(islice(self._known, _SWEEP)):
            known = self._known.pop(of)
            if of[1] is None or known.breaker != Breaker() or known.outage.open or not known.pace.idle(now_ms):
                self._known[of] = known

    def _buckets(self, pace: AccountPace, connection: str, endpoint: str) -> list[Bucket]:
        limits = self.limits(connection)
        if limits.account is None and limits.endpoint is None:
            return []
        share = self.share()
        wanted = (("", limits.account), (endpoint, limits.endpoint))
        return pace.buckets_of((name, rate * share) for name, rate in wanted if rate is not None and share > 0)


def _learn_of_outage(outage: Outage, outcome: Outcome | Missing, of: str, now_ms: int, *, probe: bool) -> None:
    """A 429 says nothing, nor does an answer that Stripe had stored before."""
    if not isinstance(outcome, Failed):
        outage.answered()
        return
    code = outcome.error["code"]
    by_stripe = code == Code.PROVIDER_ERROR and outcome.retryable
    if not by_stripe and code != Code.RATE_LIMITED:
        outage.answered()
    elif probe and outage.open:
        outage.goes_on(now_ms)
    elif by_stripe and of and not outcome.stored:
        outage.failed(of, now_ms)


def open_gate() -> RateGate:
    """A gate that lets every call pass: no limits, and keys without names."""
    return RateGate(limits=lambda _: Rate(), share=lambda: 1.0, key=lambda _: None, refused=lambda *_: None)

"""The oracle of tests: which effects came about, and which requests were made. Append only, decides nothing.

An effect is an object that was created. A declined PaymentIntent is an object without an effect, and is not in here.
"""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

REQUESTS_KEPT = 10_000
_UNAUTHORIZED = 401


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    seq: int  # from 1
    account: str
    livemode: bool
    object: str
    id: str
    idempotency_key: str | None
    command: str | None
    amount: int | None
    created: int
    request_id: str
    received_at_ms: int


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    method: str
    path: str
    key: str | None  # masked
    account: str | None
    idempotency_key: str | None
    status: int | None  # None: the connection was dropped
    replayed: bool
    request_id: str
    at_ms: int
    hop: bool = False  # answered on the way: Stripe did not answer, and may not have seen it


class SandboxLedger:
    def __init__(self) -> None:
        self.effects: list[Effect] = []
        self._requests: deque[LoggedRequest] = deque(maxlen=REQUESTS_KEPT)
        self._by_status: Counter[str] = Counter()
        self._by_command: Counter[tuple[str, str]] = Counter()
        self._attempts: Counter[tuple[str, str]] = Counter()
        self._replayed = self._refused_keys = 0

    def effect(self, effect: Effect) -> None:
        self.effects.append(effect)
        if effect.command is not None:
            self._by_command[effect.account, effect.command] += 1

    def request(self, request: LoggedRequest) -> None:
        self._requests.append(request)
        self._by_status["dropped" if request.status is None else str(request.status)] += 1
        self._replayed += request.replayed
        self._refused_keys += request.status == _UNAUTHORIZED and not request.hop
        if request.idempotency_key is not None and request.account is not None:
            self._attempts[request.account, request.idempotency_key] += 1

    def view(self, wanted: Mapping[str, str], *, after: int = 0, limit: int | None = None) -> dict[str, Any]:
        """`wanted` filters by field, like {"object": "customer"}; without a limit all effects."""
        found = (
            e for e in islice(self.effects, after, None) if all(str(getattr(e, k)) == v for k, v in wanted.items())
        )
        page = list(islice(found, limit))
        return {
            "effects": [asdict(effect) for effect in page],
            "has_more": next(found, None) is not None,
            "total_effects": len(self.effects),
            "duplicate_commands": [command for (_, command), count in self._by_command.items() if count > 1],
            "requests": self._request_counts(),
            "attempts": self._attempt_counts(),
        }

    def recent(self, limit: int) -> list[dict[str, Any]]:
        """Newest first."""
        return [asdict(request) for request in islice(reversed(self._requests), limit)]

    def _request_counts(self) -> dict[str, Any]:
        return {
            "total": self._by_status.total(),
            "replayed": self._replayed,
            "refused_keys": self._refused_keys,
            "by_status": dict(sorted(self._by_status.items())),
        }

    def _attempt_counts(self) -> dict[str, int]:
        """Requests with an Idempotency-Key: how many, for how many keys, how many were not the key's first."""
        total, keys = self._attempts.total(), len(self._attempts)
        most = max(self._attempts.values(), default=0)
        return {"total": total, "keys": keys, "repeated": total - keys, "most_for_one_key": most}

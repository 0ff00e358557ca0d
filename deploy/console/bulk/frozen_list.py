"""What a bulk act would do to each, frozen when it was previewed, and what that comes to. Pure.

Nothing of a payload is kept but amounts: what is sent is read again from Kafka when it is confirmed.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from msgspec import Struct

from stripeline.contracts.internal_records import encode
from stripeline.contracts.retry_tiers import HORIZON_MS
from stripeline.contracts.shown_text import shown
from stripeline.deploy.console.index.queries.letters import SOON_MS

MAX_WORDS: Final = 300
_CURRENCY_LETTERS: Final = 3


class FrozenItem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One of a frozen list.

    id: of a run; of a letter PARTITION/OFFSET; of an event TOPIC/PARTITION/OFFSET.
    does: whether it is acted on.
    outcome: what happens, for counting. words: the same in full.
    command_id: of what is sent, which its Idempotency-Key follows from.
    first_ms: when the command was first appended.
    doubt: it may have been done.
    """

    id: str
    does: bool
    outcome: str
    words: str = ""
    code: str | None = None
    command_id: str | None = None
    first_ms: int | None = None
    doubt: bool = False
    amount: int | None = None
    currency: str | None = None


_ITEMS: Final = msgspec.json.Decoder(tuple[FrozenItem, ...])


def left_out(id_: str, why: str, code: str | None = None) -> FrozenItem:
    return FrozenItem(id=id_, does=False, outcome=shown(why, MAX_WORDS), code=code)


def money_of(value: Mapping[str, Any] | None) -> dict[str, Any]:
    """The amount and the currency of a command's input, as fields of an item; none where it has none."""
    found = {} if value is None else value
    amount, currency = found.get("amount"), found.get("currency")
    fits = isinstance(amount, int) and not isinstance(amount, bool) and 0 <= amount < 2**53
    if not fits or not isinstance(currency, str) or len(currency) != _CURRENCY_LETTERS or not currency.isalpha():
        return {}
    return {"amount": amount, "currency": currency.lower()}


def written(items: Sequence[FrozenItem]) -> str:
    return encode(list(items)).decode()


def read_items(text: str) -> tuple[FrozenItem, ...]:
    return _ITEMS.decode(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenSummary:
    """What a list comes to.

    outcomes: how many by whether they are acted on, outcome and code, most first.
    money: of those that are acted on, by currency: how many, and their sum.
    doubtful: acted on, and may have been done. soon, passed: acted on, by their 23 hours.
    """

    total: int
    acting: int
    outcomes: tuple[tuple[bool, str, str | None, int], ...]
    money: Mapping[str, tuple[int, int]]
    doubtful: int
    soon: int
    passed: int


def summary(items: Iterable[FrozenItem], now_ms: int) -> FrozenSummary:
    every = tuple(items)
    acting = [one for one in every if one.does]
    counts = Counter((one.does, one.outcome, one.code) for one in every)
    ends = [one.first_ms + HORIZON_MS for one in acting if one.first_ms is not None]
    money: dict[str, tuple[int, int]] = {}
    for one in acting:
        if one.amount is not None and one.currency is not None:
            count, total = money.get(one.currency, (0, 0))
            money[one.currency] = (count + 1, total + one.amount)
    return FrozenSummary(
        total=len(every), acting=len(acting),
        outcomes=tuple((*key, count) for key, count in sorted(counts.items(), key=_most_first)),
        money=dict(sorted(money.items())), doubtful=sum(one.doubt for one in acting),
        soon=sum(now_ms < end <= now_ms + SOON_MS for end in ends), passed=sum(end <= now_ms for end in ends),
    )  # fmt: skip


def _most_first(counted: tuple[tuple[bool, str, str | None], int]) -> tuple[bool, int, str, str]:
    (does, outcome, code), count = counted
    return (not does, -count, outcome, code or "")

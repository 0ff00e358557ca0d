"""Decides which window of Stripe's list is compared next, and what is known after it. Pure.

Soon after: every 10 minutes the events created 45 to 15 minutes ago, since Stripe's first retries come by themselves.
For the last time: once a day those created 4 to 3 days ago, since Stripe sends nothing again after three days.

- Windows of all connections end at the same times: so one reading of the notes is for all of them.
- Both ends of a window are inclusive. Windows overlap: `created` is in whole seconds, and an event may be listed late.
- A window that was missed is caught up, in pieces, so that a restart repeats one of them.
- Nothing is compared that is older than a trigger's first event here: what came before was never meant for it.
- Stripe's list reaches 30 days back. What is older was not compared, and that is said, never passed over.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from msgspec.structs import replace

from stripeline.contracts.definition_fields import Mode
from stripeline.contracts.deliveries.delivery_vocabulary import SweepKind
from stripeline.contracts.operator.stripe_side_records import Sweep

MINUTE_S: Final = 60
HOUR_S: Final = 3_600
DAY_S: Final = 86_400
LIST_S: Final = 30 * DAY_S
"""How far Stripe's list reaches back: https://docs.stripe.com/api/events/list"""
_EDGE_S: Final = HOUR_S
"""Nearer to its end the list may lose events while it is paged through."""
SETTLED_S: Final = 15 * MINUTE_S


class _Rhythm(NamedTuple):
    """every: how often. behind: how long ago a window ends. overlap: with the one before. most: of one piece."""

    every: int
    behind: int
    overlap: int
    most: int


RHYTHMS: Final[Mapping[SweepKind, _Rhythm]] = {
    SweepKind.SETTLE: _Rhythm(every=10 * MINUTE_S, behind=SETTLED_S, overlap=20 * MINUTE_S, most=6 * HOUR_S),
    SweepKind.CLOSE: _Rhythm(every=DAY_S, behind=3 * DAY_S, overlap=10 * MINUTE_S, most=DAY_S + 10 * MINUTE_S),
}


class SweepWindow(NamedTuple):
    """Events created from the first second to the last one, both inclusive.

    lost_s: seconds before it that Stripe does not list any more, and that were never compared.
    """

    kind: SweepKind
    first_s: int
    last_s: int
    lost_s: int = 0


def begun(account: str | None, mode: Mode, now_ms: int) -> Sweep:
    """Of a connection that was never swept: nothing that is older than now."""
    return Sweep(account=account, mode=mode, settled_upto_s=now_ms // 1000, closed_upto_s=now_ms // 1000, at_ms=now_ms)


def of_account(known: Sweep | None, account: str | None, mode: Mode, now_ms: int) -> Sweep:
    """How far a connection's sweeps came. Those of another account or mode say nothing of this one."""
    if known is None or known.mode != mode or (None not in {account, known.account} and known.account != account):
        return begun(account, mode, now_ms)
    return known if account in {None, known.account} else replace(known, account=account)


def due(sweep: Sweep, now_s: int) -> SweepWindow | None:
    """The window to compare now; the one that settles comes first, since it is the short one."""
    return _due(SweepKind.SETTLE, sweep.settled_upto_s, now_s) or _due(SweepKind.CLOSE, sweep.closed_upto_s, now_s)


def after(sweep: Sweep, window: SweepWindow, missing: int, now_ms: int) -> Sweep:
    """What is known once a window was compared to its end, and what was missing is published."""
    upto_s = window.last_s + 1
    match window.kind:
        case SweepKind.SETTLE:
            return replace(sweep, settled_upto_s=upto_s, settled_missing=missing, at_ms=now_ms)
        case SweepKind.CLOSE:
            return replace(sweep, closed_upto_s=upto_s, missing=missing, at_ms=now_ms)


def overdue_s(sweep: Sweep, now_s: int) -> Mapping[SweepKind, int]:
    """How old the end of each kind's last window is, beyond the time that it has to lie back."""
    upto: Mapping[SweepKind, int] = {SweepKind.SETTLE: sweep.settled_upto_s, SweepKind.CLOSE: sweep.closed_upto_s}
    return {kind: max(0, now_s - RHYTHMS[kind].behind - upto_s) for kind, upto_s in upto.items()}


def oldest_s(now_s: int) -> int:
    """The first second of which Stripe's list still has everything."""
    return now_s - LIST_S + _EDGE_S


def _due(kind: SweepKind, upto_s: int, now_s: int) -> SweepWindow | None:
    rhythm = RHYTHMS[kind]
    end_s = now_s - now_s % rhythm.every - rhythm.behind
    if end_s <= upto_s:
        return None
    first_s = max(upto_s - rhythm.overlap, oldest_s(now_s), 0)
    return SweepWindow(kind, first_s, min(end_s, first_s + rhythm.most) - 1, lost_s=max(0, first_s - upto_s))

"""Decides from when on a trigger's events are compared with Stripe's list. Pure.

What is published starts runs. So a trigger is swept from the moment at which its events are known to come here: for one
with a destination that Stripeline made, from the first look at it; for one whose webhook endpoint a person made, from
the first event that ingest noted. Without that, a sweep would publish what an endpoint was never meant to send: events
from before it, a family that it does not have, or the platform's own where it is for connected accounts.
"""

from collections.abc import Mapping
from typing import NamedTuple

from msgspec.structs import replace

from stripeline.contracts.operator.stripe_side_records import Sweep, SweptSince
from stripeline.deploy.stripe_side.sweeps.sweep_plan import SweepPlan, SweptTrigger


class FirstNote(NamedTuple):
    """The first event of a trigger that was noted. account: the connected account that it names."""

    at_s: int
    account: str | None


def enrolled(sweep: Sweep, plan: SweepPlan, notes: Mapping[str, FirstNote], now_s: int) -> Sweep:
    """With the triggers that are swept now. One that is gone, and comes again, begins again."""
    found = [since for one in (*plan.own, *plan.connected) if (since := _since(sweep, plan, one, notes, now_s))]
    return sweep if tuple(found) == sweep.triggers else replace(sweep, triggers=tuple(found))


def _since(
    sweep: Sweep, plan: SweepPlan, one: SweptTrigger, notes: Mapping[str, FirstNote], now_s: int
) -> SweptSince | None:
    since_s = since_of(sweep, one)
    if since_s is None and one.made_s is not None:
        since_s = now_s
    if since_s is None and not one.connected and one.name in notes and _own(notes[one.name], plan):
        since_s = notes[one.name].at_s
    if since_s is None:
        return None
    return SweptSince(
        trigger=one.name, kind=one.family.kind, payload=one.listed, connected=one.connected, since_s=since_s
    )


def since_of(sweep: Sweep, one: SweptTrigger) -> int | None:
    """From when on a trigger's events are compared; None where they are not."""
    wanted = (one.name, one.family.kind, one.listed, one.connected)
    return next(
        (known.since_s for known in sweep.triggers
         if (known.trigger, known.kind, known.payload, known.connected) == wanted),
        None,
    )  # fmt: skip


def unproved(sweep: Sweep, plan: SweepPlan) -> tuple[str, ...]:
    """The triggers of which a first note would say that their events come here."""
    return tuple(one.name for one in plan.own if one.made_s is None and since_of(sweep, one) is None)


def of_connected_accounts(plan: SweepPlan, notes: Mapping[str, FirstNote]) -> tuple[str, ...]:
    """Triggers whose endpoint, made by a person, sends events of connected accounts: which ones, nobody declared."""
    return tuple(sorted(name for name, note in notes.items() if not _own(note, plan)))


def _own(note: FirstNote, plan: SweepPlan) -> bool:
    return note.account in {None, plan.account}

"""Decides from when on a trigger's events are compared with Stripe's list. Pure.

What is published starts runs. So a trigger is swept from the moment at which its events are known to come here: for one
with a destination that Stripeline made, from the first look at it; for one whose webhook endpoint a person made, from
the first event that ingest noted. Without that, a sweep would publish what an endpoint was never meant to send: events
from before it, a family that it does not have, or the platform's own where it is for connected accounts.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from msgspec.structs import replace

from stripeline.contracts.operator.stripe_side_records import Sweep, SweptSince
from stripeline.deploy.stripe_side.sweeps.sweep_plan import SweepPlan, SweptTrigger


class FirstNote(NamedTuple):
    """The first event of a trigger that was noted. account: the connected account that it names."""

    at_s: int
    account: str | None


def enrolled(sweep: Sweep, plan: SweepPlan, notes: Mapping[str, FirstNote], now_s: int) -> Sweep:
    """With what is swept now. A type that is asked for later, and one that is gone and comes again, begin then."""
    triggers = tuple(
        since for one in (*plan.own, *plan.connected) for since in _grouped(one, _begun(sweep, plan, one, notes, now_s))
    )
    return sweep if triggers == sweep.triggers else replace(sweep, triggers=triggers)


def since_of(sweep: Sweep, one: SweptTrigger) -> Mapping[str, int]:
    """From when on a trigger's events are compared, by type."""
    wanted = (one.name, one.family.kind, one.listed, one.connected)
    return {
        event_type: known.since_s
        for known in sweep.triggers
        if (known.trigger, known.kind, known.payload, known.connected) == wanted
        for event_type in known.types
        if event_type in one.types
    }


def unproved(sweep: Sweep, plan: SweepPlan) -> tuple[str, ...]:
    """The triggers of which a first note would say that their events come here."""
    names = (one.name for one in plan.own if one.made_s is None and not since_of(sweep, one))
    return tuple(dict.fromkeys(names))


def _begun(
    sweep: Sweep, plan: SweepPlan, one: SweptTrigger, notes: Mapping[str, FirstNote], now_s: int
) -> Mapping[str, int]:
    known = since_of(sweep, one)
    if known or one.made_s is not None:
        return {**dict.fromkeys(one.types, now_s), **known}
    proved = not one.connected and one.name in notes and _own(notes[one.name], plan)
    return dict.fromkeys(one.types, notes[one.name].at_s) if proved else {}


def _grouped(one: SweptTrigger, begun: Mapping[str, int]) -> Iterator[SweptSince]:
    for since_s in sorted(set(begun.values())):
        yield SweptSince(
            trigger=one.name, kind=one.family.kind, payload=one.listed, connected=one.connected,
            types=tuple(name for name, at_s in begun.items() if at_s == since_s), since_s=since_s,
        )  # fmt: skip


def of_connected_accounts(plan: SweepPlan, notes: Mapping[str, FirstNote]) -> tuple[str, ...]:
    """Triggers whose endpoint, made by a person, sends events of connected accounts: which ones, nobody declared."""
    return tuple(sorted(name for name, note in notes.items() if not _own(note, plan)))


def _own(note: FirstNote, plan: SweepPlan) -> bool:
    return note.account in {None, plan.account}

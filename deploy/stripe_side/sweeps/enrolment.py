"""Decides from when on a trigger's events are compared with Stripe's list. Pure.

What is published starts runs. So a trigger is swept from the moment at which its events are known to come here: for one
with a destination that Stripeline made, from the first look at it; for one whose webhook endpoint a person made, from
the first event that ingest noted. Without that, a sweep would publish what an endpoint was never meant to send: events
from before it, a family that it does not have, or the platform's own where it is for connected accounts.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from msgspec.structs import replace

from stripeline.contracts.operator.stripe_side_records import Sweep
from stripeline.deploy.stripe_side.sweeps.sweep_plan import SweepPlan


class FirstNote(NamedTuple):
    """The first event of a trigger that was noted. account: the connected account that it names."""

    at_s: int
    account: str | None


def enrolled(sweep: Sweep, plan: SweepPlan, notes: Mapping[str, FirstNote], now_s: int) -> Sweep:
    """With the triggers that are swept now. One that is gone, and comes again, begins again."""
    known = {name: sweep.triggers[name] for name in _names(plan) if name in sweep.triggers}
    made = {one.name: now_s for one in (*plan.own, *plan.connected) if one.made_s is not None}
    noted = {name: notes[name].at_s for name in unproved(sweep, plan) if name in notes and _own(notes[name], plan)}
    triggers = noted | made | known
    return sweep if triggers == sweep.triggers else replace(sweep, triggers=triggers)


def unproved(sweep: Sweep, plan: SweepPlan) -> tuple[str, ...]:
    """The triggers of which a first note would say that their events come here."""
    return tuple(one.name for one in plan.own if one.made_s is None and one.name not in sweep.triggers)


def of_connected_accounts(plan: SweepPlan, notes: Mapping[str, FirstNote]) -> tuple[str, ...]:
    """Triggers whose endpoint, made by a person, sends events of connected accounts: which ones, nobody declared."""
    return tuple(sorted(name for name, note in notes.items() if not _own(note, plan)))


def _own(note: FirstNote, plan: SweepPlan) -> bool:
    return note.account in {None, plan.account}


def _names(plan: SweepPlan) -> Iterable[str]:
    return dict.fromkeys(one.name for one in (*plan.own, *plan.connected))

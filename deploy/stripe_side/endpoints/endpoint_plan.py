"""From what an endpoint wants and what Stripe has to the steps between, as values. Pure.

Invariants, of any prefix of the steps, and of what is planned after a crash in the middle:
- What a working destination (ours, enabled, its secret recorded) sends is taken away only after another one sends it.
- A destination of ours whose secret is not recorded verifies nothing: its answer was lost after it was made. It is
  deleted, and made again.
- Nothing without our metadata is changed, and nothing of another installation.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from stripeline.contracts.definition_fields import MAX_DESTINATIONS
from stripeline.contracts.operator.stripe_side_records import Destination
from stripeline.deploy.stripe_side.endpoints.stripe_destinations import StripeDestination
from stripeline.deploy.stripe_side.endpoints.wanted_destinations import WantedDestination

HEALTH: Final = "v2.core.health."
"""Events of Stripe's own health. Stripe offers them to some accounts only: those that were enabled by hand stay."""
ALL: Final = "*"
"""Every type: what somebody may have set by hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Create:
    """Make a destination at Stripe, and record its secret: one step, since what is not recorded is of no use."""

    wanted: WantedDestination


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """Change what can be changed in place."""

    at: StripeDestination
    url: str | None = None
    events: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Enable:
    at: StripeDestination


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    """Delete it at Stripe. lost: its secret was never recorded; it stays if it is recorded by now."""

    at: StripeDestination
    why: str
    lost: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Forget:
    """Remove the secret of a destination that is no more."""

    endpoint: str
    id: str


Step = Create | Update | Enable | Delete | Forget


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointPlan:
    """What is to be done for one account, in this order; and why it can't be done.

    made: what adds. gone: what takes away, once all that adds is done, in other accounts too.
    """

    made: tuple[Step, ...] = ()
    gone: tuple[Step, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def steps(self) -> tuple[Step, ...]:
        return (*self.made, *self.gone)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountState:
    """What is known of one account.

    connection: whose key sees it. there: all its destinations at Stripe.
    recorded: those whose secret we have, by endpoint, the newest last.
    """

    installation: str
    connection: str
    there: Sequence[StripeDestination] = ()
    recorded: Mapping[str, Sequence[Destination]] = field(default_factory=dict)

    def ours(self, endpoint: str) -> list[StripeDestination]:
        mine = (self.installation, endpoint)
        return [one for one in self.there if (one.installation, one.endpoint) == mine]

    def known(self, endpoint: str) -> list[StripeDestination]:
        """Those that work but for being enabled: the oldest first."""
        mine = {one.id: one for one in self.ours(endpoint)}
        return [mine[one.id] for one in self.recorded.get(endpoint, ()) if one.id in mine]

    def lost(self, endpoint: str) -> list[StripeDestination]:
        ids = {one.id for one in self.recorded.get(endpoint, ())}
        return [one for one in self.ours(endpoint) if one.id not in ids]


def planned(state: AccountState, wanted: Mapping[str, Sequence[WantedDestination]]) -> EndpointPlan:
    """The steps for these endpoints; one that wants nothing is removed from Stripe."""
    lost = [
        Delete(at=one, why="its secret was lost when it was made", lost=True)
        for name in wanted
        for one in state.lost(name)
    ]
    made, narrowed, gone, problems = list[Step](), list[Step](), list[Step](), list[str]()
    room = MAX_DESTINATIONS - len(state.there) + len(lost)
    for name, destinations in wanted.items():
        own = list(_made(state, destinations))
        made += own
        new = sum(isinstance(one, Create) for one in own)
        if new > room:
            problems.append(no_room(name, new, len(state.there)))
        room -= new
        narrowed += _narrowed(state, destinations)
        gone += _gone(state, name, destinations)
    # Of all endpoints: what one of them loses, another one may have taken.
    return EndpointPlan(made=(*lost, *made), gone=(*narrowed, *gone), problems=tuple(problems))


def begun_roll(state: AccountState, name: str, wanted: Sequence[WantedDestination]) -> EndpointPlan:
    """A second destination beside each one: how a roll begins. None beside one that has a second from a roll before."""
    known = state.known(name)
    steps = [Create(wanted=one) for one in wanted if sum(each.payload == one.payload for each in known) == 1]
    room = MAX_DESTINATIONS - len(state.there)
    return EndpointPlan(
        made=tuple(steps), problems=(no_room(name, len(steps), len(state.there)),) if len(steps) > room else ()
    )


def no_room(name: str, needed: int, there: int) -> str:
    more = f"{needed} more" if needed > 1 else "one more"
    return (
        f"endpoint {name} needs {more} beside those that are there, until the old ones are deleted, and the account has"
        f" {there} of the {MAX_DESTINATIONS} destinations that Stripe allows: delete one that nobody needs at Stripe"
        " first, under Developers → Webhooks"
    )


def _current(state: AccountState, wanted: WantedDestination) -> StripeDestination | None:
    """The one that stays: the newest that needs no other one in its place."""
    known = state.known(wanted.endpoint)
    return next((one for one in reversed(known) if one.payload == wanted.payload and _fits(one, wanted)), None)


def _made(state: AccountState, wanted: Sequence[WantedDestination]) -> Iterator[Step]:
    for one in wanted:
        current = _current(state, one)
        yield from _changes(current, one) if current is not None else (Create(wanted=one),)


def _gone(state: AccountState, name: str, wanted: Sequence[WantedDestination]) -> Iterator[Step]:
    stays = [current.id for one in wanted if (current := _current(state, one)) is not None]
    gone = [Delete(at=one, why=_why_gone(one, wanted)) for one in state.known(name) if one.id not in stays]
    yield from gone
    yield from _forgotten(state, name, gone)


def _why_gone(there: StripeDestination, wanted: Sequence[WantedDestination]) -> str:
    if not wanted:
        return "its endpoint is not defined any more"
    taken = any(one.payload == there.payload for one in wanted)
    return "another one takes its place" if taken else f"its endpoint takes no {there.payload} events"


def _forgotten(state: AccountState, name: str, gone: Iterable[Delete]) -> Iterator[Forget]:
    """Secrets of what is deleted now, or was by somebody. One that lost its metadata is still signed with: it stays."""
    leaving, there = {one.at.id for one in gone}, {one.id for one in state.there}
    for one in state.recorded.get(name, ()):
        if one.id in leaving or (one.id not in there and one.connection == state.connection):
            yield Forget(endpoint=name, id=one.id)


def _fits(there: StripeDestination, wanted: WantedDestination) -> bool:
    """Whether it differs only in what can be changed in place."""
    same_version = wanted.api_version is None or there.api_version == wanted.api_version
    return same_version and there.connect in {None, wanted.connect}


def _changes(there: StripeDestination, wanted: WantedDestination) -> Iterator[Step]:
    """All but what it is to send no more."""
    url = wanted.url if there.url != wanted.url else None
    wider = None if there.events >= set(wanted.events) or ALL in there.events else there.events | set(wanted.events)
    if url is not None or wider is not None:
        yield Update(at=there, url=url, events=None if wider is None else tuple(sorted(wider)))
    if not there.enabled:
        yield Enable(at=there)


def _narrowed(state: AccountState, wanted: Sequence[WantedDestination]) -> Iterator[Update]:
    for one in wanted:
        current = _current(state, one)
        if current is not None:
            events = {*one.events, *(event for event in current.events if event.startswith(HEALTH))}
            if current.events - events:
                yield Update(at=current, events=tuple(sorted(events)))

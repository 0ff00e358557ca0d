"""A small Stripe in memory that has destinations, and the record of their secrets: steps are carried out and cut short.

A step that changes Stripe and the record may end after each of its parts, as a killed process or a lost answer does.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from stripeline.contracts.operator.stripe_side_records import Destination
from stripeline.deploy.stripe_side.endpoints.endpoint_plan import (
    AccountState,
    Create,
    Delete,
    Enable,
    Forget,
    Step,
    Update,
)
from stripeline.deploy.stripe_side.endpoints.stripe_destinations import StripeDestination
from stripeline.deploy.stripe_side.endpoints.wanted_destinations import WantedDestination

HERE, THEM = "here", "them"
Part = Callable[[], None]


@dataclass
class DestinationModel:
    there: dict[str, StripeDestination] = field(default_factory=dict)
    recorded: dict[str, list[Destination]] = field(default_factory=dict)
    made: int = 0

    def state(self) -> AccountState:
        recorded: Mapping[str, Sequence[Destination]] = {name: tuple(held) for name, held in self.recorded.items()}
        return AccountState(installation=HERE, connection="acme", there=tuple(self.there.values()), recorded=recorded)

    def add(self, one: StripeDestination, *, record: bool = True) -> None:
        self.there[one.id] = one
        if record and one.endpoint is not None:
            self._record(one)

    def parts(self, step: Step) -> Iterator[Part]:
        """What a step does, one after the other."""
        match step:
            case Create(wanted=wanted):
                self.made += 1
                new = self._new(f"ed_{self.made}", wanted)
                yield lambda: self.there.__setitem__(new.id, new)
                yield lambda: self._record(new)
            case Update(at=at, url=url, events=events):
                now = self.there[at.id]
                changed = replace(now, url=url or now.url, events=frozenset(events) if events else now.events)
                yield lambda: self.there.__setitem__(at.id, changed)
            case Enable(at=at):
                yield lambda: self.there.__setitem__(at.id, replace(self.there[at.id], enabled=True))
            case Delete(at=at):
                yield lambda: self.there.pop(at.id, None) and None
            case Forget(endpoint=endpoint, id=gone):
                yield lambda: self._forget(endpoint, gone)

    def working(self) -> list[StripeDestination]:
        """Those whose deliveries are verified."""
        ids = {one.id for held in self.recorded.values() for one in held}
        return [one for one in self.there.values() if one.enabled and one.id in ids]

    def covered(self) -> set[tuple[str | None, str]]:
        """The events that reach a working destination, by URL, without their payload."""
        return {(one.url, event.removeprefix("v1.")) for one in self.working() for event in one.events}

    def _new(self, name: str, wanted: WantedDestination) -> StripeDestination:
        return StripeDestination(
            id=name, api="v2", payload=wanted.payload, url=wanted.url, events=frozenset(wanted.events),
            api_version=wanted.api_version, connect=wanted.connect, enabled=True, installation=HERE,
            endpoint=wanted.endpoint,
        )  # fmt: skip

    def _record(self, one: StripeDestination) -> None:
        assert one.endpoint is not None
        assert one.payload is not None
        made = Destination(id=one.id, payload=one.payload, connection="acme", signing_secret="sealed:x", made_ms=1)
        self.recorded.setdefault(one.endpoint, []).append(made)

    def _forget(self, endpoint: str, gone: str) -> None:
        self.recorded[endpoint] = [one for one in self.recorded[endpoint] if one.id != gone]

"""What is behind one path `/webhooks/NAME`: the secrets that may sign its deliveries, and the triggers that take them.

A trigger has a path of its own; an endpoint is a path for several triggers, of which each takes its family's events.
Whoever builds the view has decrypted the secrets; the view never shows them again, in a repr or in an error. Pure.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from stripeline.contracts.families import Family, families
from stripeline.ingest.signature import Key, keyed
from stripeline.ingest.trigger import TriggerView


@dataclass(frozen=True, slots=True, kw_only=True)
class PathView:
    """One webhook URL.

    triggers: at most one of a family; of two, the first takes the events.
    missing: it is an endpoint, and one of its triggers is not there: whose event a delivery is can't be told for sure.
    livemode: the mode of the connection, held against every event; None where it is not known.
    secrets: the whole `whsec_…` texts that are live now and can be opened; none means that the path takes nothing.
    places: the name that each of them is counted under: its place among those of the file, or Stripe's id of the
        destination that it belongs to.
    sealed: how many more secrets there are that this process can't open.
    keys: `secrets`, ready to verify with, in the same order.
    takers: the triggers by the prefix of the types that they take.
    thin: those of the triggers that take thin events.
    """

    name: str
    triggers: tuple[TriggerView, ...]
    missing: bool = False
    livemode: bool | None = None
    secrets: tuple[bytes, ...] = field(default=(), repr=False)
    places: tuple[str, ...] = ()
    sealed: int = 0
    keys: tuple[Key, ...] = field(init=False, repr=False, compare=False)
    takers: tuple[tuple[str, Family, TriggerView], ...] = field(init=False, repr=False, compare=False)
    thin: tuple[TriggerView, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # With an empty MAC key anybody could sign.
        if not all(self.secrets):
            raise ValueError(f"{self.name!r} has an empty signing secret: paste its whsec_… from the dashboard")
        object.__setattr__(self, "keys", tuple(keyed(secret) for secret in self.secrets))
        object.__setattr__(self, "takers", tuple(_takers(self.triggers)))
        object.__setattr__(self, "thin", tuple(one for one in self.triggers if one.payload != "snapshot"))
        if not self.places:
            object.__setattr__(self, "places", tuple(str(place) for place in range(len(self.secrets))))

    def taker(self, event_type: str) -> tuple[Family, TriggerView] | None:
        """The trigger that takes events of a type, and its family; None where no trigger of the path does."""
        for prefix, family, trigger in self.takers:
            if event_type.startswith(prefix):
                return family, trigger
        return None


def _takers(triggers: tuple[TriggerView, ...]) -> Iterator[tuple[str, Family, TriggerView]]:
    for trigger in triggers:
        family = families().get(trigger.family_kind)
        if family is not None:
            yield family.prefix, family, trigger

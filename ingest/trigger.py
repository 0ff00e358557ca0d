"""A trigger as the receiver needs it: its name, its family and its opened signing secrets. Pure.

Whoever builds the view has decrypted the secrets; the view never shows them again, in a repr or in an error.
"""

from dataclasses import dataclass, field

from stripeline.ingest.signature import Key, keyed


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerView:
    """One webhook URL.

    family_kind: the trigger's key, `stripe/payment-event`.
    livemode: the mode of its connection, held against every event; None where it is not known.
    secrets: the whole `whsec_…` texts that are live now and can be opened; none means that the trigger takes nothing.
    places: the place of each of them among all of the trigger's secrets.
    sealed: how many of them this process can't open.
    keys: `secrets`, ready to verify with, in the same order.
    """

    name: str
    family_kind: str
    connection: str
    livemode: bool | None = None
    secrets: tuple[bytes, ...] = field(default=(), repr=False)
    places: tuple[int, ...] = ()
    sealed: int = 0
    keys: tuple[Key, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # With an empty MAC key anybody could sign.
        if not all(self.secrets):
            raise ValueError(f"trigger {self.name!r} has an empty signing secret: paste its whsec_… from the dashboard")
        object.__setattr__(self, "keys", tuple(keyed(secret) for secret in self.secrets))
        if not self.places:
            object.__setattr__(self, "places", tuple(range(len(self.secrets))))

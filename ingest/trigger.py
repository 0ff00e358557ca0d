"""A trigger as the receiver needs it: whose events it takes, and of which family. Pure."""

from dataclasses import dataclass

from stripeline.contracts.definitions import TriggerPayload


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerView:
    """One trigger.

    family_kind: the trigger's key, `stripe/payment-event`.
    payload: which of Stripe's two kinds of events it takes.
    """

    name: str
    family_kind: str
    connection: str
    payload: TriggerPayload = "snapshot"

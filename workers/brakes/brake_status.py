"""A limit as one process sees it, for the metrics. Pure."""

from msgspec import Struct

from stripeline.contracts.operator.spending import BrakeKind


class BrakeStatus(Struct, frozen=True, kw_only=True):
    """One limit of a connection or workflow.

    what: `effects`, `runs` or a currency.
    trips: how often this process has paused it.
    """

    kind: BrakeKind
    name: str
    what: str
    spent: int
    limit: int
    trips: int

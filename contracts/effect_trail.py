"""The metadata that says what led to an object that a command made: how loops of our own effects end. Pure.

It follows from the command alone, since it is frozen with the Idempotency-Key. `workers/router/own_effects.py` has the
rules. https://docs.stripe.com/api/metadata
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from stripeline.contracts import stripe_metadata
from stripeline.contracts.stripe_metadata import Origin

CHAIN: Final = "stripeline_chain"
HOPS: Final = "stripeline_hops"
MAX_CHAIN_LENGTH: Final = 500  # of a value of Stripe's metadata
MAX_HOPS_SENT: Final = 100
_HOPS: Final = re.compile(r"[0-9]{1,3}")


class Trail(Struct, frozen=True, kw_only=True):
    """Where an object comes from.

    chain: `installation/workflow` of each run that led to the command that made it.
    hops: how many of our effects led to that command's run.
    """

    origin: Origin
    chain: tuple[str, ...] = ()
    hops: int = 0


def params(chain: Sequence[str] | None, hops: int | None) -> Mapping[str, str]:
    """A command's chain and hops as metadata; empty for a command of no run."""
    written = {CHAIN: ",".join(chain or ()), HOPS: str(hops) if hops else ""}
    return {name: value for name, value in written.items() if value}


def fits(chain: Sequence[str]) -> bool:
    return len(",".join(chain)) <= MAX_CHAIN_LENGTH


def trail_of(stripe_object: Mapping[str, Any]) -> Trail | None:
    """The trail of an object; None where no command made it."""
    origin = stripe_metadata.origin_of(stripe_object)
    if origin is None:
        return None
    metadata = stripe_object["metadata"]
    chain, hops = metadata.get(CHAIN), metadata.get(HOPS)
    return Trail(
        origin=origin,
        chain=tuple(entry for entry in chain.split(",") if entry) if isinstance(chain, str) else (),
        hops=int(hops) if isinstance(hops, str) and _HOPS.fullmatch(hops) else 0,
    )

"""Whether one of our own commands caused an event, and which workflows the event must not start. Pure.

A workflow that makes what its trigger's types match would start itself without end, and so would two that start each
other, in one installation or in several that work on one Stripe account. So every object that a command makes carries
the chain of runs that led to the command, as `installation/workflow` in its metadata, and a count of hops.

    our own effect ── its chain names the workflow ───────────► the workflow is not started
         │      └──── its chain can't be read ────────────────► no workflow is started
         └─────────── else ───────────────────────────────────► started; its commands carry the chain and this workflow
    anything else ─── that somebody did with our object ──────► started; the chain begins again, the hops go on
              └────── with another object ────────────────────► started; both begin again
    MAX_HOPS hops, or a chain that does not fit the metadata ─► the workflow is not started, with a warning

Invariants:
- What a workflow did at Stripe never starts that workflow, in any chain.
- Every path of effects ends: each hop adds one to the count, and only an object that no command made has none.
https://docs.stripe.com/api/events/object#event_object-request
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from stripeline.contracts import effect_trail
from stripeline.contracts.effect_trail import Trail
from stripeline.contracts.ids import KEY_PREFIX, idempotency_key
from stripeline.contracts.vocabulary import UnstartedReason

MAX_HOPS: Final = 10
_RUN_KEY: Final = re.compile(KEY_PREFIX + r"[a-z0-9]{1,16}:[^:]+:[a-z0-9-]{1,40}:[a-z0-9_]{1,24}(:[0-9]+)?")
"""The Idempotency-Key of a run's command."""


class EventCause(Struct, frozen=True, kw_only=True):
    """What led to an event.

    chain: the runs that led to our own effect; empty for anything else; None where it can't be read.
    hops: how many of our effects led to the event.
    """

    chain: tuple[str, ...] | None = ()
    hops: int = 0

    def followed_by(self, entry: str) -> "EventCause | UnstartedReason":
        """The cause of what a run of this `installation/workflow` does, or why the event must not start one."""
        if self.chain is None or entry in self.chain:
            return UnstartedReason.OWN_EFFECT
        chain = (*self.chain, entry)
        if self.hops >= MAX_HOPS or not effect_trail.fits(chain):
            return UnstartedReason.HOP_LIMIT
        return EventCause(chain=chain, hops=self.hops)


def entry_of(installation: str, workflow: str) -> str:
    return f"{installation}/{workflow}"


def cause_of(event: Mapping[str, Any], makes: frozenset[str]) -> EventCause:
    """What led to an event. `makes`: the objects that actions make."""
    trail = effect_trail.trail_of(event["data"])
    key = _key(event)
    if key is None:
        ours = trail is not None and _is_creation(event, makes)
        read: tuple[str, ...] | None = () if trail is None else trail.chain
    else:
        ours = key.startswith(KEY_PREFIX)
        read = _chain_of(key, trail)
    hops = 0 if trail is None else trail.hops + 1
    return EventCause(chain=read, hops=max(hops, 1)) if ours else EventCause(hops=hops)


def _key(event: Mapping[str, Any]) -> str | None:
    """The Idempotency-Key of the call that caused an event; None where Stripe names none."""
    request = event.get("request")
    key = request.get("idempotency_key") if isinstance(request, Mapping) else None
    return key if isinstance(key, str) and key else None


def _is_creation(event: Mapping[str, Any], makes: frozenset[str]) -> bool:
    """Whether the event says that an object was made, and not that somebody changed it later."""
    made = event["data"].get("object")
    return made in makes and event["type"] == f"{made}.created"


def _chain_of(key: str, trail: Trail | None) -> tuple[str, ...] | None:
    """The chain of the command that a key names.

    Its object carries it. An event about another object (a call that makes one thing may change a second) says nothing
    of the chain of a run's command.
    """
    if trail is not None and key == idempotency_key(trail.origin.installation, trail.origin.command_id):
        return trail.chain
    return None if _RUN_KEY.fullmatch(key) else ()

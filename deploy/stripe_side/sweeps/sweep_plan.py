"""Decides whose events are listed at Stripe, for which triggers, and by which types. Pure.

- A trigger of endpoints takes the events that its endpoints are for: the account's own, those of connected accounts, or
  both; and of these the types that its workflows ask for, which is what `endpoints apply` has their destinations send.
- A trigger with a webhook endpoint that was made by hand takes the account's own, and all types of its family.
- A paused connection, and one whose key Stripe refuses, is not asked about.
- Stripe takes at most 20 types a call, by their exact names. A wildcard would page through the events of others.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from stripeline.contracts.definition_fields import Mode
from stripeline.contracts.definitions import Definitions, Endpoint, Trigger, TriggerPayload
from stripeline.contracts.deliveries.thin_events import OF_V1
from stripeline.contracts.families import Family, families
from stripeline.contracts.operator.stripe_side_records import Payload
from stripeline.deploy.runtime.derived.connection_parts import ConnectionParts

MAX_TYPES: Final = 20
"""Of one call: https://docs.stripe.com/api/events/list"""
Listed = Payload
"""Which of Stripe's two lists: `/v1/events` or `/v2/core/events`."""


class SweptTrigger(NamedTuple):
    """A trigger whose events are listed. One that takes both kinds is two: Stripe has no snapshot of some types.

    listed: by which list.
    types: exact, as that list names them.
    connected: it takes the events of connected accounts, not the account's own.
    made_s: since when Stripe has had its destination, as far as Stripeline made it; else None.
    """

    name: str
    family: Family
    listed: Listed
    types: tuple[str, ...]
    livemode: bool | None
    connected: bool = False
    made_s: int | None = None

    def takes(self, listed: Listed, event_type: str) -> bool:
        return listed == self.listed and event_type in self.types


class SweepPlan(NamedTuple):
    """What to list for one connection.

    account: of its key, where it is known. mode: of its key.
    own: the triggers that take the events of the key's account.
    connected: those that take the events of accounts that are connected to it.
    """

    connection: str
    account: str | None
    mode: Mode
    own: tuple[SweptTrigger, ...]
    connected: tuple[SweptTrigger, ...]


class TypesQuestion(NamedTuple):
    """What one listing asks for: events of these types, at most `MAX_TYPES`."""

    listed: Listed
    types: tuple[str, ...]


def plans(definitions: Definitions, only: str | None = None) -> tuple[SweepPlan, ...]:
    """For each connection that may be asked, and has triggers; or for one of them."""
    parts = ConnectionParts()
    parts.changed(definitions)
    names = sorted(definitions.connections) if only is None else [only]
    return tuple(plan for name in names if (plan := plan_of(parts.of(name), name)) is not None)


def plan_of(own: Definitions, connection: str) -> SweepPlan | None:
    """For a connection; None where it is not there, may not be asked, or has no trigger. own: what is of it."""
    if connection not in own.connections or f"connection/{connection}" in own.pauses or None in own.refused(connection):
        return None
    plan = _plan(own, connection)
    return plan if plan.own or plan.connected else None


def questions(triggers: Iterable[SweptTrigger]) -> Sequence[TypesQuestion]:
    """What to ask for them, each type once. A family has questions of its own, so that its events come in order."""
    wanted: dict[tuple[Listed, str], dict[str, None]] = {}
    for trigger in triggers:
        wanted.setdefault((trigger.listed, trigger.family.kind), {}).update(dict.fromkeys(trigger.types))
    return [
        TypesQuestion(listed, tuple(types)[first : first + MAX_TYPES])
        for (listed, _), types in sorted(wanted.items())
        for first in range(0, len(types), MAX_TYPES)
    ]


def _plan(definitions: Definitions, connection: str) -> SweepPlan:
    own: list[SweptTrigger] = []
    connected: list[SweptTrigger] = []
    for name, trigger in sorted(definitions.triggers.items()):
        if trigger.connection != connection or trigger.kind not in families():
            continue
        endpoints = {
            one: endpoint
            for one, endpoint in definitions.endpoints.items()
            if name in endpoint.triggers and endpoint.connection == connection
        }
        here = {one: endpoint for one, endpoint in endpoints.items() if not endpoint.connect}
        if here or not endpoints:
            own.extend(_swept(definitions, name, trigger, here, connected=False))
        if len(here) < len(endpoints):
            others = {one: endpoint for one, endpoint in endpoints.items() if endpoint.connect}
            connected.extend(_swept(definitions, name, trigger, others, connected=True))
    mode = definitions.connections[connection].mode
    return SweepPlan(connection, definitions.account_of(connection), mode, tuple(own), tuple(connected))


def _swept(
    definitions: Definitions, name: str, trigger: Trigger, endpoints: Mapping[str, Endpoint], *, connected: bool
) -> Iterator[SweptTrigger]:
    family = families()[trigger.kind]
    made_s = min(_made(definitions, endpoints), default=None)
    for listed, types in _types(family, trigger.payload or "snapshot").items():
        yield SweptTrigger(
            name=name,
            family=family,
            listed=listed,
            types=tuple(one for one in types if not endpoints or _asked_for(definitions, name, one)),
            livemode=None if trigger.mode is None else trigger.mode == "live",
            connected=connected,
            made_s=made_s,
        )


def _types(family: Family, payload: TriggerPayload) -> Mapping[Listed, Sequence[str]]:
    """By list. Where both kinds are taken, the snapshot of a change is as good as its thin event."""
    match payload:
        case "snapshot":
            return {"snapshot": family.types}
        case "thin":
            return {"thin": [f"{OF_V1}{one}" for one in family.types_of("thin")]}
        case "both":
            return {"snapshot": family.types, "thin": [f"{OF_V1}{one}" for one in family.thin_only]}


def _asked_for(definitions: Definitions, trigger: str, event_type: str) -> bool:
    """Whether a workflow asks for the type, or none is there: other teams read the event topics too."""
    flows = [flow for flow in definitions.workflows.values() if flow.trigger == trigger]
    return not flows or any(flow.wants(event_type.removeprefix(OF_V1)) for flow in flows)


def _made(definitions: Definitions, endpoints: Iterable[str]) -> Iterator[int]:
    for name in endpoints:
        known = definitions.destinations.get(name)
        for one in () if known is None else known.destinations:
            yield one.made_ms // 1000

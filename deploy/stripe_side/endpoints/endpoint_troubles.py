"""What is wrong with the endpoints at Stripe: what keeps events from coming, or makes them come twice. Pure.

An endpoint whose destination a person made is judged too: it is known by its URL.
"""

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Final
from urllib.parse import urlsplit

from stripeline.contracts.definitions import Definitions
from stripeline.contracts.families import families
from stripeline.contracts.operator.worker_report import EndpointTrouble, EndpointTroubleKind
from stripeline.contracts.shown_text import shown
from stripeline.deploy.stripe_side.endpoints.endpoint_plan import ALL, AccountState
from stripeline.deploy.stripe_side.endpoints.endpoint_requests import NotDone
from stripeline.deploy.stripe_side.endpoints.stripe_destinations import StripeDestination
from stripeline.deploy.stripe_side.endpoints.wanted_destinations import (
    THIN_PREFIX,
    WantedDestination,
    wanted_destinations,
)

Looked = Mapping[str, tuple[StripeDestination, ...] | NotDone]
"""What Stripe has, or why it could not be asked, by connection."""
_APPLY: Final = "run `stripeline endpoints apply`"
_SHOWN: Final = 8
_PATH: Final = "/webhooks/"


def endpoint_troubles(
    definitions: Definitions, installation: str, looked: Looked, around: Definitions | None = None
) -> list[EndpointTrouble]:
    """The worst of each endpoint first. around: all definitions, where these are of some connections only."""
    recorded = {name: held.destinations for name, held in definitions.destinations.items()}
    found: list[EndpointTrouble] = []
    for name, wanted in wanted_destinations(definitions).items():
        connection = definitions.endpoints[name].connection
        there = looked.get(connection, NotDone(why=f"connection {connection} is not defined"))
        if isinstance(there, NotDone):
            found.append(_trouble(name, "not_asked", f"Stripe could not be asked about it: {there.why}"))
            continue
        state = AccountState(installation=installation, connection=connection, there=there, recorded=recorded)
        for one in wanted:
            found += _of_one(state, one)
        for lost in state.lost(name):
            text = f"destination {lost.id} is ours, and its secret was lost when it was made: {_APPLY}"
            found.append(_trouble(name, "secret_lost", text))
        found += _twice(name, installation, around or definitions, there)
    return found


def _of_one(state: AccountState, wanted: WantedDestination) -> Iterator[EndpointTrouble]:
    name, known = wanted.endpoint, [one for one in state.known(wanted.endpoint) if one.payload == wanted.payload]
    ours = bool(known)
    by_hand = [one for one in state.there if (one.url, one.payload, one.endpoint) == (wanted.url, wanted.payload, None)]
    current = next(iter(reversed(known or by_hand)), None)
    if current is None:
        text = f"Stripe has no destination that sends {wanted.payload} events to {wanted.url}: {_APPLY}"
        yield _trouble(name, "missing", text)
        return
    mended = _APPLY if ours else "change it at Stripe"
    if not current.enabled:
        why = f" ({current.why})" if current.why else ""
        text = f"destination {current.id} is disabled at Stripe{why}, and its events do not come: {mended}"
        yield _trouble(name, "disabled", text)
    missing = sorted(set(wanted.events) - current.events) if ALL not in current.events else []
    if missing:
        text = f"destination {current.id} does not send {_listed(missing)}: {mended}"
        yield _trouble(name, "types", text)
    if wanted.api_version is not None and current.api_version not in {None, wanted.api_version}:
        version = shown(current.api_version or "", 40)
        text = f"destination {current.id} has API version {version}, not {wanted.api_version}: {mended}"
        yield _trouble(name, "api_version", text)
    if current.url != wanted.url:
        where = shown(current.url or "another address", 200)
        text = f"destination {current.id} sends to {where}, not to {wanted.url}: {mended}"
        yield _trouble(name, "url", text)


def _twice(
    name: str, installation: str, definitions: Definitions, there: tuple[StripeDestination, ...]
) -> Iterator[EndpointTrouble]:
    """Each pair that sends the same events to this host, to triggers that take them, at the first of its endpoints."""
    base = definitions.endpoints[name].url
    here = [(one, at) for one in there if one.enabled and (at := _name_at(one.url, base)) is not None]
    for (first, at), (second, other) in combinations(here, 2):
        named = [each for each in (at, other) if each in definitions.endpoints]
        shared = sorted(_taken(first, at, definitions) & _taken(second, other, definitions))
        if named and name == min(named) and shared and _same_accounts(first, second):
            both = f"destinations {first.id} and {second.id} both send {_listed(shared)} here"
            rolled = first.installation == second.installation == installation and first.endpoint == second.endpoint
            end = f"a roll has not ended: {_APPLY}" if rolled else "delete one of them at Stripe"
            yield _trouble(name, "twice", f"{both}: each event comes twice, and starts one run; {end}")


def _name_at(url: str | None, base: str) -> str | None:
    """The trigger or endpoint that a URL names on the host of `base`; None elsewhere."""
    try:
        at, own = urlsplit(url or ""), urlsplit(base)
        same = (at.hostname, at.port) == (own.hostname, own.port)
    except ValueError:
        return None
    _, found, name = at.path.rpartition(_PATH)
    return name.removesuffix("/") if same and found else None


def _taken(one: StripeDestination, name: str, definitions: Definitions) -> frozenset[str]:
    """The types that a destination sends and a trigger of its path takes."""
    endpoint = definitions.endpoints.get(name)
    names = (name,) if endpoint is None else endpoint.triggers
    kinds = [families()[held.kind] for each in names if (held := definitions.triggers.get(each)) is not None]
    if ALL in one.events:
        return frozenset(event for family in kinds for event in family.types)
    sent = (event.removeprefix(THIN_PREFIX) if one.payload == "thin" else event for event in one.events)
    return frozenset(event for event in sent if any(event.startswith(family.prefix) for family in kinds))


def _same_accounts(first: StripeDestination, second: StripeDestination) -> bool:
    """Whether both may send the same event. Two of different payloads do on purpose, where a trigger takes both."""
    apart = first.connect is not None and second.connect is not None and first.connect != second.connect
    return first.payload == second.payload and not apart


def _listed(names: list[str]) -> str:
    some = ", ".join(shown(one, 80) for one in names[:_SHOWN])
    return some if len(names) <= _SHOWN else f"{some} and {len(names) - _SHOWN} more"


def _trouble(endpoint: str, kind: EndpointTroubleKind, text: str) -> EndpointTrouble:
    return EndpointTrouble(endpoint=endpoint, kind=kind, text=text[:1_000])

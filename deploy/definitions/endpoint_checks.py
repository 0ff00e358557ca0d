"""Judges the endpoints of a file: their URLs, their names, and the triggers that they are for. Finds all problems.

What is wrong here would be an event that no trigger takes, or a run that acts on an account that its event is not of.
"""

import ipaddress
from collections.abc import Collection, Iterator, Mapping
from itertools import combinations
from typing import Final
from urllib.parse import urlsplit

from stripeline.contracts.definition_fields import API_VERSION, ENDPOINT_URL, MAX_DESTINATIONS
from stripeline.contracts.definitions import Definitions, Endpoint, Trigger
from stripeline.contracts.operator.definitions_by_key import chained
from stripeline.deploy.definitions.checks import unknown
from stripeline.deploy.definitions.problems import Place, Problem
from stripeline.deploy.definitions.shape import Written, WrittenEndpoint

AnyEndpoint = Endpoint | WrittenEndpoint
_LOCAL_NAMES: Final = ("localhost", "localhost.")


def check_endpoint(place: Place, endpoint: WrittenEndpoint) -> Iterator[Problem]:
    """What is wrong with an endpoint, whatever else there is."""
    for reason in _url_problems(place[-1], endpoint.url):
        yield Problem(place=(*place, "url"), reason=reason)
    if endpoint.api_version is not None and not API_VERSION.fullmatch(endpoint.api_version):
        reason = f"{endpoint.api_version!r} is no API version of Stripe: write one like 2026-06-24.dahlia"
        yield Problem(place=(*place, "api_version"), reason=reason)
    for position, name in enumerate(endpoint.triggers):
        if name in endpoint.triggers[:position]:
            yield Problem(place=(*place, "triggers", position), reason=f"trigger {name!r} is here twice: keep one")


def _url_problems(name: object, url: str) -> Iterator[str]:
    if not ENDPOINT_URL.fullmatch(url):
        yield "it is the address where Stripe reaches ingest, without a query and a password: https://hooks.example.com"
        return
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        yield "its host or port can't be read: write https://hooks.example.com"
        return
    if parts.scheme == "http" and not _is_loopback(host):
        yield f"events would cross the network in clear: write https://{parts.netloc}; http:// is for 127.0.0.1 alone"
    if f"{parts.path.rstrip('/')}/".endswith(f"/webhooks/{name}/"):
        yield f"/webhooks/{name} is added to it: leave that out"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in _LOCAL_NAMES


def check_endpoints(
    written: Written, known: Definitions, triggers: Mapping[str, Trigger], connections: Collection[str]
) -> Iterator[Problem]:
    """What is wrong with the file's endpoints beside all else that is there, and with stored ones by this file.

    known: what the file may refer to. triggers: those of the file.
    """
    there = chained(triggers, known.triggers)
    stored: Mapping[str, AnyEndpoint] = {
        name: one for name, one in known.endpoints.items() if name not in written.endpoints
    }
    for name, endpoint in written.endpoints.items():
        yield from _names(name, endpoint, there, connections)
        if endpoint.connection in connections:
            yield from _takers(name, endpoint, there)
    for name in sorted(triggers.keys() & stored.keys()):
        yield Problem(place=("triggers", name), reason=_shared_name(name))
    for name, kept in stored.items():
        yield from _stored_takers(name, kept, triggers, there)
    yield from _rooms(written, stored, there)


def _shared_name(name: str) -> str:
    return (
        f"a trigger and an endpoint are named {name!r}, and /webhooks/{name} can't be the path of both: give one of"
        " them another name"
    )


def _names(
    name: str, endpoint: WrittenEndpoint, there: Mapping[str, Trigger], connections: Collection[str]
) -> Iterator[Problem]:
    place: Place = ("endpoints", name)
    if name in there:
        yield Problem(place=place, reason=_shared_name(name))
    if endpoint.connection not in connections:
        reason = unknown("connection", endpoint.connection, connections)
        yield Problem(place=(*place, "connection"), reason=reason)


def _takers(name: str, endpoint: WrittenEndpoint, there: Mapping[str, Trigger]) -> Iterator[Problem]:
    for position, one in enumerate(endpoint.triggers):
        place: Place = ("endpoints", name, "triggers", position)
        trigger = there.get(one)
        if trigger is None:
            yield Problem(place=place, reason=unknown("trigger", one, there))
        elif trigger.connection != endpoint.connection:
            yield Problem(place=place, reason=_other_connection(name, endpoint, one, trigger))
    for (_, first), (position, second) in combinations(enumerate(endpoint.triggers), 2):
        if first != second and first in there and second in there and there[first].kind == there[second].kind:
            place = ("endpoints", name, "triggers", position)
            yield Problem(place=place, reason=_same_family(name, first, second, there[first]))


def _stored_takers(
    name: str, endpoint: AnyEndpoint, triggers: Mapping[str, Trigger], there: Mapping[str, Trigger]
) -> Iterator[Problem]:
    """What this file makes wrong with an endpoint of another file."""
    for one in endpoint.triggers:
        trigger = triggers.get(one)
        if trigger is None:
            continue
        if trigger.connection != endpoint.connection:
            reason = _other_connection(name, endpoint, one, trigger)
            yield Problem(place=("triggers", one, "connection"), reason=reason)
        for other in endpoint.triggers:
            if other != one and other in there and there[other].kind == trigger.kind:
                reason = _same_family(name, other, one, trigger)
                yield Problem(place=("triggers", one, "kind"), reason=reason)


def _other_connection(name: str, endpoint: AnyEndpoint, one: str, trigger: Trigger) -> str:
    return (
        f"trigger {one!r} is of connection {trigger.connection}, and endpoint {name!r} of {endpoint.connection}: its"
        " steps would act on an account that the event is not of. Give them the same connection"
    )


def _same_family(name: str, first: str, second: str, trigger: Trigger) -> str:
    return (
        f"endpoint {name!r} has two triggers of the family {trigger.kind}, {first} and {second}, and an event goes to"
        " one of them: keep one, and let the workflows of both use it"
    )


def _rooms(written: Written, stored: Mapping[str, AnyEndpoint], there: Mapping[str, Trigger]) -> Iterator[Problem]:
    """Connections whose endpoints need more destinations than Stripe allows."""
    everything: Mapping[str, AnyEndpoint] = {**stored, **written.endpoints}
    needed: dict[str, int] = {}
    for endpoint in everything.values():
        needed[endpoint.connection] = needed.get(endpoint.connection, 0) + destinations_needed(endpoint, there)
    for name, each in written.endpoints.items():
        if needed[each.connection] > MAX_DESTINATIONS:
            reason = (
                f"the endpoints of connection {each.connection} need {needed[each.connection]} destinations, and Stripe"
                f" allows {MAX_DESTINATIONS} an account: let one endpoint take the events of several triggers"
            )
            yield Problem(place=("endpoints", name), reason=reason)


def destinations_needed(endpoint: AnyEndpoint, triggers: Mapping[str, Trigger]) -> int:
    """One for each kind of events that its triggers take."""
    wanted = [triggers[name].payload or "snapshot" for name in endpoint.triggers if name in triggers]
    return len({kind for one in wanted for kind in (("snapshot", "thin") if one == "both" else (one,))})

"""The plans for all accounts of an installation, by the connection whose key carries them out. Pure.

A connection is asked where an endpoint uses it, or a destination was made with its key. A destination whose endpoint is
gone, or moved to another account, is removed where it is; not where two connections are of one account.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from stripeline.contracts.definitions import Definitions
from stripeline.deploy.stripe_side.endpoints.endpoint_plan import AccountState, EndpointPlan, planned
from stripeline.deploy.stripe_side.endpoints.stripe_destinations import StripeDestination
from stripeline.deploy.stripe_side.endpoints.wanted_destinations import WantedDestination, wanted_destinations

Listings = Mapping[str, tuple[StripeDestination, ...]]
"""What Stripe has, by connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountPlan:
    """The plan of one connection's account, and what it is made of."""

    connection: str
    state: AccountState
    wanted: Mapping[str, tuple[WantedDestination, ...]]
    plan: EndpointPlan


def connections_to_ask(definitions: Definitions) -> tuple[str, ...]:
    """Those whose account may have destinations of ours."""
    used = {one.connection for one in definitions.endpoints.values()}
    made = {one.connection for held in definitions.destinations.values() for one in held.destinations}
    return tuple(sorted((used | made) & definitions.connections.keys()))


def unreachable(definitions: Definitions) -> list[str]:
    """What was made with the key of a connection that is not there any more: nobody can look at it."""
    return [
        f"destination {one.id} of endpoint {name} was made with the key of connection {one.connection}, which is not"
        " defined any more: delete it at Stripe by hand"
        for name, held in sorted(definitions.destinations.items())
        for one in held.destinations
        if one.connection not in definitions.connections
    ]


def account_plans(definitions: Definitions, installation: str, there: Listings) -> list[AccountPlan]:
    """In the order in which they are carried out: first all that adds, then all that takes away."""
    wanted = wanted_destinations(definitions)
    recorded = {name: held.destinations for name, held in definitions.destinations.items()}
    own = _by_connection((one.connection, name) for name, one in definitions.endpoints.items())
    made = _by_connection((one.connection, name) for name, held in recorded.items() for one in held)
    plans = []
    for connection, listed in sorted(there.items()):
        state = AccountState(installation=installation, connection=connection, there=listed, recorded=recorded)
        left = dict.fromkeys(_left(definitions, state, there, made.get(connection, set())), ())
        needed = {**{name: wanted[name] for name in sorted(own.get(connection, ()))}, **left}
        plans.append(AccountPlan(connection=connection, state=state, wanted=needed, plan=planned(state, needed)))
    return plans


def _by_connection(names: Iterable[tuple[str, str]]) -> Mapping[str, set[str]]:
    found: dict[str, set[str]] = {}
    for connection, name in names:
        found.setdefault(connection, set()).add(name)
    return found


def _left(definitions: Definitions, state: AccountState, there: Listings, made: set[str]) -> Iterable[str]:
    """Endpoints that have destinations of ours here and should have none. made: those made with this key."""
    ours = {one.endpoint: one.id for one in state.there if one.installation == state.installation and one.endpoint}
    for name in sorted({*ours, *made}):
        endpoint = definitions.endpoints.get(name)
        if endpoint is None:
            yield name
        elif endpoint.connection != state.connection and name in made:
            elsewhere = {one.id for one in there.get(endpoint.connection, ())}
            if ours.get(name) not in elsewhere:
                yield name

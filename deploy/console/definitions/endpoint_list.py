"""The endpoints as their page shows them: where Stripe sends, with how many secrets, and what is wrong."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from stripeline.contracts.definitions import Definitions, Endpoint
from stripeline.deploy.definitions.definition_rows import delivery_url
from stripeline.deploy.operations.status.workers import Workers


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointRow:
    """secrets: of destinations that Stripeline made, and those that were given by hand. troubles: in words."""

    name: str
    endpoint: Endpoint
    url: str
    secrets: int
    reached_ms: int | None
    troubles: Sequence[str]


def endpoint_troubles(workers: Workers) -> Mapping[str, Sequence[str]]:
    """What the executor found when it last looked at Stripe, by endpoint."""
    found: dict[str, list[str]] = {}
    for name, text in sorted({(one.endpoint, one.text) for each in workers.live for one in each.report.endpoints}):
        found.setdefault(name, []).append(text)
    return found


def endpoint_rows(names: Iterable[str], stored: Definitions, workers: Workers) -> Sequence[EndpointRow]:
    """Of these endpoints, in their order."""
    reached, troubles = workers.reached, endpoint_troubles(workers)
    return [
        EndpointRow(
            name=name, endpoint=stored.endpoints[name], url=delivery_url(name, stored.endpoints[name]),
            secrets=_secrets(name, stored), reached_ms=reached.get(name), troubles=troubles.get(name, ()),
        )
        for name in names
    ]  # fmt: skip


def _secrets(name: str, stored: Definitions) -> int:
    made = stored.destinations.get(name)
    return len(stored.endpoints[name].signing_secrets or ()) + (len(made.destinations) if made else 0)

"""The endpoints as the page of connections shows them: where Stripe sends, with how many secrets, and what is wrong."""

from collections.abc import Sequence
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


def endpoint_rows(stored: Definitions, workers: Workers) -> Sequence[EndpointRow]:
    """By name. The troubles are those that the executor found when it last looked at Stripe."""
    found = {(one.endpoint, one.text) for each in workers.live for one in each.report.endpoints}
    return [
        EndpointRow(
            name=name, endpoint=endpoint, url=delivery_url(name, endpoint), secrets=_secrets(name, stored),
            reached_ms=workers.reached.get(name), troubles=[text for of, text in sorted(found) if of == name],
        )
        for name, endpoint in sorted(stored.endpoints.items())
    ]  # fmt: skip


def _secrets(name: str, stored: Definitions) -> int:
    made = stored.destinations.get(name)
    return len(stored.endpoints[name].signing_secrets or ()) + (len(made.destinations) if made else 0)

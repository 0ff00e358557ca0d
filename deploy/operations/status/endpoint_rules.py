"""The rule of `stripeline status` about endpoints at Stripe, as the executor that looks at them reports it. Pure."""

from collections.abc import Iterator, Mapping
from typing import Final

from stripeline.contracts.operator.worker_report import EndpointTroubleKind
from stripeline.deploy.operations.status.facts import Facts
from stripeline.deploy.operations.status.finding import FindingKind, Severity, StatusFinding, advised

_SEVERITIES: Final[Mapping[EndpointTroubleKind, Severity]] = {"not_asked": Severity.NOTE, "twice": Severity.NOTE}
"""Of those by which no event is lost."""


def endpoints(facts: Facts) -> Iterator[StatusFinding]:
    """What is wrong with endpoints at Stripe; each once, whoever says it."""
    found = {(one.endpoint, one.kind, one.text) for each in facts.live for one in each.report.endpoints}
    for name, kind, text in sorted(found):
        yield StatusFinding(
            kind=FindingKind.ENDPOINT, severity=_SEVERITIES.get(kind, Severity.PERSON), text=f"Endpoint {name}: {text}",
            command=advised(text) or "stripeline endpoints check", about=name,
        )  # fmt: skip

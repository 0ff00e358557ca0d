"""Which runs a list shows, and an act on many takes: the same filters for both. Pure."""

from dataclasses import dataclass

from stripeline.contracts.internal_records import Run
from stripeline.deploy.operations.reading.customers import customers_of


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilters:
    """None lets all pass.

    connection: of the run's trigger.
    account: of its event.
    customer: of its event, or of what its steps made.
    code: of the error that it stopped with.
    since_ms, until_ms: when it started.
    """

    status: str | None = None
    workflow: str | None = None
    event: str | None = None
    connection: str | None = None
    account: str | None = None
    customer: str | None = None
    code: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None

    def match(self, run: Run) -> bool:
        code = None if run.error is None else run.error.code
        fields = (
            (self.status, run.status), (self.workflow, run.workflow), (self.event, run.event_id),
            (self.connection, run.connection), (self.account, run.account), (self.code, code),
        )  # fmt: skip
        return (
            all(wanted is None or wanted == found for wanted, found in fields)
            and (self.customer is None or self.customer in customers_of(run))
            and (self.since_ms is None or run.started_ms >= self.since_ms)
            and (self.until_ms is None or run.started_ms <= self.until_ms)
        )

"""Which records are published: each one's name, version, model, examples, and who reads it. Pure.

A record is published under `<name>.v<version>`; a change that its readers can't take is a new version beside the old.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from stripeline.contracts import definitions, header_models, internal_records, records, settlements
from stripeline.contracts.deliveries import seen_events, thin_events
from stripeline.contracts.families import Family, families
from stripeline.contracts.operator import act_records, control_records, spending, stripe_side_records, worker_report
from stripeline.deploy.contract import examples, examples_internal
from stripeline.deploy.contract import schemas as variants
from stripeline.deploy.contract.compatibility_rules import Side
from stripeline.deploy.contract.examples import Examples
from stripeline.deploy.running_version import running_version
from stripeline.workers.actions import actions, built_in_actions

RELEASE: Final = running_version()
"""The release that the contract is published with: the project's own version."""

_URN: Final = "urn:stripeline:contract"
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRecord:
    """One published record.

    side: whether others read what we write, or we read what others, or older versions of us, wrote.
    refine: what the schema says beyond its model.
    """

    name: str
    model: variants.Model
    side: Side
    examples: Examples
    refine: variants.Refine = field(default=variants.as_it_is)
    version: int = 1

    @property
    def schema_name(self) -> str:
        return f"{self.name}.v{self.version}"

    @property
    def file_name(self) -> str:
        return f"{self.schema_name}.schema.json"

    @property
    def component(self) -> str:
        """Its name among other schemas: `PaymentEvent`, `PaymentEventV2`."""
        return variants.pascal(self.name if self.version == 1 else f"{self.name}-v{self.version}")

    @property
    def folder(self) -> str:
        """Where its examples are."""
        return self.name if self.version == 1 else f"{self.name}.v{self.version}"

    def schema(self) -> Mapping[str, Any]:
        """The JSON Schema, with its examples."""
        made = self.refine(variants.neat(self.model, side=self.side))
        head = {"$schema": _DIALECT, "$id": f"{_URN}:{self.name}:v{self.version}", "title": self.name}
        return {**made, **head, "examples": [self.examples[name] for name in sorted(self.examples)]}


@cache
def published(keys: frozenset[str] | None = None) -> Sequence[PublishedRecord]:
    """Every record that crosses a topic, those for other teams first.

    keys: the actions that commands and results may have. Without it, Stripeline's own: what is installed beside it is
    not in the schemas of this repository.
    """
    listed = built_in_actions() if keys is None else {key: one for key, one in actions().items() if key in keys}
    return (
        *(_event(family) for family in families().values()),
        _written("event-headers", header_models.EventHeaders, examples.EVENT_HEADERS),
        _read("thin-event", thin_events.ThinEvent, examples_internal.THIN_EVENTS),
        _read("thin-event-headers", header_models.ThinEventHeaders, examples.THIN_EVENT_HEADERS),
        _read("events-seen", seen_events.SeenEvents, examples_internal.EVENTS_SEEN),
        _read("command", records.Command, examples.commands(listed), variants.commands(listed)),
        _read("command-headers", header_models.CommandHeaders, examples.COMMAND_HEADERS),
        _written("result", records.Result, examples.results(listed), variants.results(listed)),
        _written("result-headers", header_models.ResultHeaders, examples.RESULT_HEADERS),
        _written("dead-letter-headers", header_models.DeadLetterHeaders, examples.DEAD_LETTER_HEADERS),
        _read("retry-headers", header_models.RetryHeaders, examples.RETRY_HEADERS),
        _read("run", internal_records.Run, examples.runs(tuple(families().values()), listed)),
        _read("settlement", settlements.Settlement, examples_internal.SETTLEMENTS),
        _read("settlement-headers", header_models.SettlementHeaders, examples_internal.SETTLEMENT_HEADERS),
        _read("ledger-command", internal_records.LedgerCommand, examples_internal.LEDGER_COMMANDS),
        _read("ledger-queue", internal_records.LedgerQueue, examples_internal.LEDGER_QUEUES),
        _read("ledger-spent", spending.Spending, examples_internal.LEDGER_SPENT),
        _read("control-connection", definitions.Connection, examples_internal.CONNECTIONS),
        _read("control-trigger", definitions.Trigger, examples_internal.TRIGGERS),
        _read("control-endpoint", definitions.Endpoint, examples_internal.ENDPOINTS),
        _read("control-workflow", definitions.Workflow, examples_internal.WORKFLOWS),
        _read("control-state", control_records.KeyRefusal, examples_internal.STATES),
        _read("control-account", control_records.ConnectionAccount, examples_internal.ACCOUNTS),
        _read("control-pause", control_records.Pause, examples_internal.PAUSES),
        _read("control-brake", control_records.BrakeRelease, examples_internal.BRAKE_RELEASES),
        _read("control-probe", control_records.Probe, examples_internal.PROBES),
        _read("control-destination", stripe_side_records.Destinations, examples_internal.DESTINATIONS),
        _read("control-sweep", stripe_side_records.Sweep, examples_internal.SWEEPS),
        _read("control-installation", control_records.Installation, examples_internal.INSTALLATIONS),
        _read("control-skip", control_records.BatchSkip, examples_internal.SKIPS),
        _read("worker-report", worker_report.WorkerReport, examples_internal.WORKER_REPORTS),
        _read("cancel-request-headers", header_models.CancelRequestHeaders, examples_internal.CANCEL_REQUEST_HEADERS),
        _read("run-act", act_records.RunAct, examples_internal.RUN_ACTS),
        _read("run-act-headers", header_models.RunActHeaders, examples_internal.RUN_ACT_HEADERS),
        _read("audit", internal_records.AuditRecord, examples_internal.AUDIT_RECORDS),
    )


def _event(family: Family) -> PublishedRecord:
    return _written(family.topic, records.Event, examples.events(family), variants.event(family))


def _written(
    name: str, model: variants.Model, given: Examples, refine: variants.Refine = variants.as_it_is
) -> PublishedRecord:
    return PublishedRecord(name=name, model=model, side=Side.WRITTEN, examples=given, refine=refine)


def _read(
    name: str, model: variants.Model, given: Examples, refine: variants.Refine = variants.as_it_is
) -> PublishedRecord:
    return PublishedRecord(name=name, model=model, side=Side.READ, examples=given, refine=refine)

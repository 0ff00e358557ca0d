"""Which records are published: each one's name, version, model, examples, and who reads it. Pure.

A record is published under `<name>.v<version>`; a change that its readers can't take is a new version beside the old.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from pydantic import BaseModel

from stripeline.contracts import control, envelopes, examples, examples_kept, kept, records
from stripeline.contracts.compatibility_rules import Side
from stripeline.contracts.examples import Examples
from stripeline.contracts.families import Family, families
from stripeline.deploy import contract_variants as variants
from stripeline.workers.actions import actions

RELEASE: Final = "0.1.0"
"""The release that the contract is published with: the project's own version."""

_URN: Final = "urn:stripeline:contract"
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One published record.

    side: whether others read what we write, or we read what others, or older versions of us, wrote.
    refine: what the schema says beyond its model.
    """

    name: str
    model: type[BaseModel]
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
def published() -> Sequence[Published]:
    """Every record that crosses a topic, those for other teams first."""
    return (
        *(_event(family) for family in families().values()),
        _written("event-headers", envelopes.EventHeaders, examples.EVENT_HEADERS),
        _read("command", records.Command, examples.commands(actions()), variants.commands(actions())),
        _read("command-headers", envelopes.CommandHeaders, examples.COMMAND_HEADERS),
        _written("result", records.Result, examples.results(actions()), variants.results(actions())),
        _written("result-headers", envelopes.ResultHeaders, examples.RESULT_HEADERS),
        _written("dead-letter-headers", envelopes.DeadLetterHeaders, examples.DEAD_LETTER_HEADERS),
        _read("retry-headers", envelopes.RetryHeaders, examples.RETRY_HEADERS),
        _read("run", records.Run, examples.runs(tuple(families().values()), actions())),
        _read("settlement", kept.Settlement, examples_kept.SETTLEMENTS),
        _read("settlement-headers", envelopes.SettlementHeaders, examples_kept.SETTLEMENT_HEADERS),
        _read("ledger-command", kept.LedgerCommand, examples_kept.LEDGER_COMMANDS),
        _read("ledger-queue", kept.LedgerQueue, examples_kept.LEDGER_QUEUES),
        _read("control-connection", control.Connection, examples_kept.CONNECTIONS),
        _read("control-trigger", control.Trigger, examples_kept.TRIGGERS),
        _read("control-workflow", control.Workflow, examples_kept.WORKFLOWS),
        _read("control-state", control.State, examples_kept.STATES),
    )


def _event(family: Family) -> Published:
    return _written(family.topic, records.Event, examples.events(family), variants.event(family))


def _written(
    name: str, model: type[BaseModel], given: Examples, refine: variants.Refine = variants.as_it_is
) -> Published:
    return Published(name=name, model=model, side=Side.WRITTEN, examples=given, refine=refine)


def _read(name: str, model: type[BaseModel], given: Examples, refine: variants.Refine = variants.as_it_is) -> Published:
    return Published(name=name, model=model, side=Side.READ, examples=given, refine=refine)

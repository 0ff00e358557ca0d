"""Caches triggers and workflows of the control table in the form that ingest and the router use."""

from collections.abc import Mapping

import structlog

from stripeline.contracts.definitions import Trigger, Workflow
from stripeline.contracts.vocabulary import LogEvent
from stripeline.deploy.runtime.unopened_secrets import unopened
from stripeline.ingest.trigger import TriggerView
from stripeline.workers.kafka.control_table import ControlTable
from stripeline.workers.secrets.cache import Secrets
from stripeline.workers.secrets.vault import VaultError

log = structlog.get_logger(__name__)


class WorkflowsByTrigger:
    """The workflows of a trigger, looked up once per change of the table and not once per event."""

    def __init__(self, table: ControlTable) -> None:
        self._table = table
        self._seen: Mapping[str, Workflow] | None = None
        self._by_trigger: dict[str, dict[str, Workflow]] = {}

    def of(self, trigger: str) -> Mapping[str, Workflow]:
        workflows = self._table.workflows
        if workflows is not self._seen:
            found: dict[str, dict[str, Workflow]] = {}
            for name, workflow in workflows.items():
                found.setdefault(workflow.trigger, {})[name] = workflow
            self._by_trigger, self._seen = found, workflows
        return self._by_trigger.get(trigger, {})


class TriggerViews:
    """Triggers as ingest uses them. A view is rebuilt when its definition changes."""

    def __init__(self, table: ControlTable, secrets: Secrets) -> None:
        self._table, self._secrets = table, secrets
        self._built: dict[str, tuple[Trigger, TriggerView, VaultError | None]] = {}

    def of(self, name: str) -> TriggerView | None:
        trigger = self._table.triggers.get(name)
        return None if trigger is None else self._view(name, trigger)[1]

    def missing(self) -> str | None:
        """Why no delivery can be verified: this process can open the signing secret of no trigger."""
        closed = self._closed()
        return unopened("signing secrets", closed) if closed and not self._any_opens() else None

    def warnings(self) -> str | None:
        """Which signing secrets can't be opened, while others can."""
        closed = self._closed()
        return unopened("signing secrets", closed) if closed and self._any_opens() else None

    def _any_opens(self) -> bool:
        return any(self._view(*one)[1].secrets for one in self._table.triggers.items())

    def _closed(self) -> dict[str, VaultError]:
        return {
            name: error for name, trigger in self._table.triggers.items() if (error := self._view(name, trigger)[2])
        }

    def _view(self, name: str, trigger: Trigger) -> tuple[Trigger, TriggerView, VaultError | None]:
        known = self._built.get(name)
        if known is None or known[0] is not trigger:
            known = self._built[name] = (trigger, *_opened(name, trigger, self._secrets))
        return known


def _opened(name: str, trigger: Trigger, secrets: Secrets) -> tuple[TriggerView, VaultError | None]:
    """The view, and why one of its secrets can't be opened. A trigger of which none can takes nothing: fail closed."""
    found = secrets.openable(name, trigger)
    closed = [one for one in found if isinstance(one, VaultError)]
    for error in closed:
        log.error(LogEvent.TRIGGER_SECRETS_UNREADABLE, trigger=name, reason=str(error))
    opened = {place: one for place, one in enumerate(found) if not isinstance(one, VaultError)}
    view = TriggerView(
        name=name,
        family_kind=trigger.kind,
        connection=trigger.connection,
        livemode=None if trigger.mode is None else trigger.mode == "live",
        secrets=tuple(secret.get_secret_value().encode() for secret in opened.values()),
        places=tuple(opened),
        sealed=len(closed),
    )
    return view, closed[0] if closed else None

"""Caches triggers and workflows of the control table in the form that ingest and the router use."""

from collections.abc import Callable, Mapping

import structlog
from pydantic import SecretStr

from stripeline.contracts.definitions import Trigger, Workflow
from stripeline.contracts.vocabulary import LogEvent
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


def trigger_views(table: ControlTable, secrets: Secrets) -> Callable[[str], TriggerView | None]:
    """Triggers as ingest uses them. A view is rebuilt when its definition changes."""
    built: dict[str, tuple[Trigger, TriggerView]] = {}

    def view_of(name: str) -> TriggerView | None:
        trigger = table.triggers.get(name)
        if trigger is None:
            return None
        known = built.get(name)
        if known is None or known[0] is not trigger:
            known = built[name] = (trigger, _view(name, trigger, secrets))
        return known[1]

    return view_of


def _view(name: str, trigger: Trigger, secrets: Secrets) -> TriggerView:
    """A trigger whose secrets can't be opened has none, and so answers nothing: fail closed."""
    opened: tuple[SecretStr, ...] = ()
    try:
        opened = secrets.signing_secrets(name, trigger)
    except VaultError as error:
        log.error(LogEvent.TRIGGER_SECRETS_UNREADABLE, trigger=name, reason=str(error))  # noqa: TRY400
    return TriggerView(
        name=name,
        family_kind=trigger.kind,
        connection=trigger.connection,
        livemode=None if trigger.mode is None else trigger.mode == "live",
        secrets=tuple(secret.get_secret_value().encode() for secret in opened),
    )

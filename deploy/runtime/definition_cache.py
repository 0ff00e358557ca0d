"""Caches webhook paths and workflows of the control table in the form that ingest and the router use."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import structlog

from stripeline.contracts.definitions import Definitions, Endpoint, Trigger, Workflow
from stripeline.contracts.operator.stripe_side_records import Destination
from stripeline.contracts.vocabulary import LogEvent
from stripeline.deploy.runtime.unopened_secrets import unopened
from stripeline.ingest.trigger import TriggerView
from stripeline.ingest.webhook_path import PathView
from stripeline.workers.kafka.control_table import ControlTable
from stripeline.workers.secrets.cache import Secrets
from stripeline.workers.secrets.vault import VaultError, endpoint_secret, signing_secret

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


class PathViews:
    """The webhook paths of triggers and endpoints. A view is rebuilt when what it is made of changes."""

    def __init__(self, table: ControlTable, secrets: Secrets) -> None:
        self._table, self._secrets = table, secrets
        self._built: dict[str, _Built] = {}
        self._definitions: Definitions | None = None
        self._current: dict[str, PathView] = {}

    def of(self, name: str) -> PathView | None:
        """The path of a trigger or an endpoint."""
        definitions = self._table.definitions
        if definitions is not self._definitions:
            self._current, self._definitions = {}, definitions
        view = self._current.get(name)
        if view is None and (built := self._known(name, definitions)) is not None:
            view = self._current[name] = built.view
        return view

    def missing(self) -> str | None:
        """Why no delivery can be verified: this process can open no signing secret."""
        closed = self._closed()
        return unopened("signing secrets", closed) if closed and not self._any_opens() else None

    def warnings(self) -> str | None:
        """Which signing secrets can't be opened, while others can."""
        closed = self._closed()
        return unopened("signing secrets", closed) if closed and self._any_opens() else None

    def _any_opens(self) -> bool:
        return any(built.view.secrets for _, built in self._all())

    def _closed(self) -> dict[str, VaultError]:
        return {name: built.closed for name, built in self._all() if built.closed is not None}

    def _all(self) -> Iterator[tuple[str, "_Built"]]:
        definitions = self._table.definitions
        for name in (*definitions.triggers, *definitions.endpoints):
            if (built := self._known(name, definitions)) is not None:
                yield name, built

    def _known(self, name: str, definitions: Definitions) -> "_Built | None":
        parts = _parts(name, definitions)
        if parts is None:
            return None
        built = self._built.get(name)
        if built is None or built.parts != parts:
            built = self._built[name] = _opened(name, parts, self._secrets)
        return built


class _Parts(NamedTuple):
    """What a path is made of. A trigger's own path has that trigger only, and nothing that was made at Stripe."""

    owner: Trigger | Endpoint
    triggers: tuple[tuple[str, Trigger], ...]
    made: tuple[Destination, ...] = ()


class _Built(NamedTuple):
    """closed: why one of its secrets can't be opened."""

    parts: _Parts
    view: PathView
    closed: VaultError | None


def _parts(name: str, definitions: Definitions) -> _Parts | None:
    """`apply` refuses an endpoint that is named like a trigger. Of two written by hand the trigger goes on."""
    trigger = definitions.triggers.get(name)
    if trigger is not None:
        return _Parts(trigger, ((name, trigger),))
    endpoint = definitions.endpoints.get(name)
    if endpoint is None:
        return None
    here = ((one, definitions.triggers.get(one)) for one in endpoint.triggers)
    made = definitions.destinations.get(name)
    return _Parts(
        endpoint,
        # Of another connection: its steps would act on an account that the event is not of.
        tuple((one, held) for one, held in here if held is not None and held.connection == endpoint.connection),
        () if made is None else made.destinations,
    )


def _opened(name: str, parts: _Parts, secrets: Secrets) -> _Built:
    """The view. A path of which no secret can be opened takes nothing: fail closed."""
    owner, is_endpoint = parts.owner, isinstance(parts.owner, Endpoint)
    bound_to = endpoint_secret(name) if is_endpoint else signing_secret(name)
    places = (*map(str, range(len(owner.signing_secrets))), *(one.id for one in parts.made))
    sealed = (*owner.signing_secrets, *(one.signing_secret for one in parts.made))
    found = dict(zip(places, secrets.openable(bound_to, sealed), strict=True))
    closed = [one for one in found.values() if isinstance(one, VaultError)]
    for error in closed:
        log.error(LogEvent.TRIGGER_SECRETS_UNREADABLE, trigger=name, reason=str(error))
    opened = {place: one for place, one in found.items() if not isinstance(one, VaultError)}
    view = PathView(
        name=name,
        triggers=tuple(_view(one, held) for one, held in parts.triggers),
        missing=isinstance(owner, Endpoint) and len(parts.triggers) < len(owner.triggers),
        livemode=None if owner.mode is None else owner.mode == "live",
        secrets=tuple(secret.get_secret_value().encode() for secret in opened.values()),
        places=tuple(opened),
        sealed=len(closed),
    )
    return _Built(parts, view, closed[0] if closed else None)


def _view(name: str, trigger: Trigger) -> TriggerView:
    payload = trigger.payload or "snapshot"
    return TriggerView(name=name, family_kind=trigger.kind, connection=trigger.connection, payload=payload)

"""Caches webhook paths and workflows of the control table in the form that ingest and the router use."""

from collections.abc import Mapping
from typing import NamedTuple

import structlog

from stripeline.contracts.definitions import Definitions, Endpoint, Trigger, Workflow
from stripeline.contracts.operator.stripe_side_records import Destination
from stripeline.contracts.vocabulary import LogEvent
from stripeline.deploy.runtime.derived.changed_names import changed_names
from stripeline.deploy.runtime.derived.secret_checks import Kinds, SealedSecrets, SecretChecks
from stripeline.ingest.trigger import TriggerView
from stripeline.ingest.webhook_path import PathView
from stripeline.workers.kafka.control_table import ControlTable
from stripeline.workers.secrets.cache import Secrets
from stripeline.workers.secrets.vault import VaultError, endpoint_secret, signing_secret

log = structlog.get_logger(__name__)


class WorkflowsByTrigger:
    """The workflows of a trigger, looked up once per change of a workflow and not once per event."""

    def __init__(self, table: ControlTable) -> None:
        self._table = table
        self._seen: Mapping[str, Workflow] = {}
        self._by_trigger: dict[str, dict[str, Workflow]] = {}

    def of(self, trigger: str) -> Mapping[str, Workflow]:
        workflows = self._table.workflows
        if workflows is not self._seen:
            for name in changed_names(self._seen, workflows):
                self._move(name, self._seen.get(name), workflows.get(name))
            self._seen = workflows
        return self._by_trigger.get(trigger, {})

    def _move(self, name: str, before: Workflow | None, now: Workflow | None) -> None:
        if before is not None:
            left = self._by_trigger[before.trigger]
            del left[name]
            if not left:
                del self._by_trigger[before.trigger]
        if now is not None:
            self._by_trigger.setdefault(now.trigger, {})[name] = now


class PathViews:
    """The webhook paths of triggers and endpoints.

    A view is built when a delivery asks for it, and again when what it is made of changes.
    """

    def __init__(self, table: ControlTable, secrets: Secrets) -> None:
        self._table, self._secrets = table, secrets
        self._checks = SecretChecks("signing secrets", _kinds, _sealed, self._why_closed)
        self._built: dict[str, _Built] = {}
        self._definitions = Definitions()
        self._current: dict[str, PathView] = {}

    def of(self, name: str) -> PathView | None:
        """The path of a trigger or an endpoint."""
        definitions = self._table.definitions
        if definitions is not self._definitions:
            if any(now is not was for now, was in zip(_kinds(definitions), _kinds(self._definitions), strict=True)):
                self._current = {}
            self._definitions = definitions
        view = self._current.get(name)
        if view is None and (built := self._known(name, definitions)) is not None:
            view = self._current[name] = built.view
        return view

    def missing(self) -> str | None:
        """Why no delivery can be verified: this process can open no signing secret."""
        return self._checks.missing(self._table.definitions)

    def warnings(self) -> str | None:
        """Which signing secrets can't be opened, while others can."""
        return self._checks.warnings(self._table.definitions)

    def _why_closed(self, bound_to: str, text: str) -> VaultError | None:
        error = self._secrets.why_closed(bound_to, text)
        if error is not None:
            log.error(LogEvent.TRIGGER_SECRETS_UNREADABLE, trigger=bound_to.split("/")[1], reason=str(error))
        return error

    def _known(self, name: str, definitions: Definitions) -> "_Built | None":
        parts = _parts(name, definitions)
        built = self._built.pop(name, None)
        if parts is None:
            return None
        if built is None or built.parts != parts:
            built = _Built(parts, _view_of(name, parts, self._secrets))
        self._built[name] = built
        return built


def _kinds(definitions: Definitions) -> Kinds:
    """What paths are made of."""
    return (definitions.triggers, definitions.endpoints, definitions.destinations)


def _sealed(definitions: Definitions, name: str) -> SealedSecrets | None:
    parts = _parts(name, definitions)
    return None if parts is None else SealedSecrets(_bound_to(name, parts), tuple(_texts(parts).values()))


class _Parts(NamedTuple):
    """What a path is made of. A trigger's own path has that trigger only, and nothing that was made at Stripe."""

    owner: Trigger | Endpoint
    triggers: tuple[tuple[str, Trigger], ...]
    made: tuple[Destination, ...] = ()


class _Built(NamedTuple):
    parts: _Parts
    view: PathView


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


def _bound_to(name: str, parts: _Parts) -> str:
    return endpoint_secret(name) if isinstance(parts.owner, Endpoint) else signing_secret(name)


def _texts(parts: _Parts) -> dict[str, str]:
    """The sealed texts by their places."""
    own = {str(place): text for place, text in enumerate(parts.owner.signing_secrets)}
    return own | {one.id: one.signing_secret for one in parts.made}


def _view_of(name: str, parts: _Parts, secrets: Secrets) -> PathView:
    """The view. A path of which no secret can be opened takes nothing: fail closed."""
    owner, texts = parts.owner, _texts(parts)
    found = dict(zip(texts, secrets.openable(_bound_to(name, parts), tuple(texts.values())), strict=True))
    opened = {place: one for place, one in found.items() if not isinstance(one, VaultError)}
    return PathView(
        name=name,
        triggers=tuple(_view(one, held) for one, held in parts.triggers),
        missing=isinstance(owner, Endpoint) and len(parts.triggers) < len(owner.triggers),
        livemode=None if owner.mode is None else owner.mode == "live",
        secrets=tuple(secret.get_secret_value().encode() for secret in opened.values()),
        places=tuple(opened),
        sealed=len(found) - len(opened),
    )


def _view(name: str, trigger: Trigger) -> TriggerView:
    payload = trigger.payload or "snapshot"
    return TriggerView(name=name, family_kind=trigger.kind, connection=trigger.connection, payload=payload)

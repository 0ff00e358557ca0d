"""Definitions as a person, or a script, sees them. Pure; of a key only its hint is shown."""

from collections import defaultdict
from typing import Any

from stripeline.contracts.definitions import Connection, Definitions, Endpoint
from stripeline.contracts.headers import rfc3339
from stripeline.contracts.operator.control_records import KeyRefusal, Pause
from stripeline.contracts.operator.stripe_side_records import Destination
from stripeline.workers.secrets.vault import Vault, VaultError, connection_secret


def connection_rows(stored: Definitions, vault: Vault | None) -> list[dict[str, Any]]:
    refusals = stored.refusals()
    paused_accounts = defaultdict[str, list[str]](list)
    for refused in sorted(refusals):
        connected_to, _, account = refused.partition("/")
        if account:
            paused_accounts[connected_to].append(account)
    return [
        {
            "name": name,
            "mode": connection.mode,
            "account": stored.account_of(name),
            "key": connection.hint,
            "state": _state(name, connection, stored.pauses.get(f"connection/{name}"), refusals.get(name), vault),
            "paused_accounts": paused_accounts.get(name, []),
            "rate": connection.rate.model_dump(exclude_none=True) if connection.rate else None,
            "limits": connection.limits.model_dump(exclude_none=True) if connection.limits else None,
            "commands": connection.commands or "all",
        }
        for name, connection in sorted(stored.connections.items())
    ]


def _state(
    name: str, connection: Connection, pause: Pause | None, refusal: KeyRefusal | None, vault: Vault | None
) -> str:
    if pause is not None:
        again = f"`stripeline resume connection {name}`"
        return f"paused by {pause.by} at {rfc3339(pause.at_ms)}: {pause.why}; {again} ends it"
    if refusal is not None:
        return (
            f"paused: Stripe refused its key at {rfc3339(refusal.since_ms)}; apply a new one, or correct it at"
            f" Stripe and run `stripeline resume connection {name}`; it is tried once an hour"
        )
    if vault is None:
        return "sealed"
    try:
        vault.open(connection_secret(name), connection.secret_key)
    except VaultError:
        return "unreadable"
    return "ready"


def trigger_rows(stored: Definitions) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "kind": trigger.kind,
            "connection": trigger.connection,
            "mode": trigger.mode,
            "path": f"/webhooks/{name}",
            "signing_secrets": len(trigger.signing_secrets),
            "payload": trigger.payload or "snapshot",
        }
        for name, trigger in sorted(stored.triggers.items())
    ]


def endpoint_rows(stored: Definitions) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "connection": endpoint.connection,
            "mode": endpoint.mode,
            "triggers": list(endpoint.triggers),
            "url": delivery_url(name, endpoint),
            "connect": endpoint.connect or False,
            "api_version": endpoint.api_version,
            "signing_secrets": len(endpoint.signing_secrets),
            "destinations": [_destination_row(one) for one in _made_for(name, stored)],
        }
        for name, endpoint in sorted(stored.endpoints.items())
    ]


def delivery_url(name: str, endpoint: Endpoint) -> str:
    """Where Stripe sends an endpoint's events."""
    return f"{endpoint.url.rstrip('/')}/webhooks/{name}"


def _made_for(endpoint: str, stored: Definitions) -> tuple[Destination, ...]:
    made = stored.destinations.get(endpoint)
    return () if made is None else made.destinations


def _destination_row(made: Destination) -> dict[str, Any]:
    return {"id": made.id, "payload": made.payload, "connection": made.connection, "made_at": rfc3339(made.made_ms)}


def workflow_rows(stored: Definitions) -> list[dict[str, Any]]:
    return [
        {"name": name, "trigger": workflow.trigger, "types": list(workflow.types), "where": workflow.where}
        | {
            "limit": workflow.limit,
            "late": workflow.late or "run",
            "steps": [step.model_dump(mode="json", exclude_none=True) for step in workflow.steps],
        }
        for name, workflow in sorted(stored.workflows.items())
    ]


def users_of(kind: str, name: str, stored: Definitions) -> list[str]:
    """What would be left without what it refers to."""
    match kind:
        case "connection":
            return [*_triggers_of(name, stored), *_endpoints_of(name, stored), *_workflows_with(name, stored)]
        case "trigger":
            at = sorted(user for user, held in stored.endpoints.items() if name in held.triggers)
            flows = sorted(user for user, flow in stored.workflows.items() if flow.trigger == name)
            return [*(f"endpoint {user}" for user in at), *(f"workflow {user}" for user in flows)]
        case _:
            return []


def _triggers_of(connection: str, stored: Definitions) -> list[str]:
    return sorted(f"trigger {user}" for user, held in stored.triggers.items() if held.connection == connection)


def _endpoints_of(connection: str, stored: Definitions) -> list[str]:
    return sorted(f"endpoint {user}" for user, held in stored.endpoints.items() if held.connection == connection)


def _workflows_with(connection: str, stored: Definitions) -> list[str]:
    return sorted(
        f"workflow {user}"
        for user, flow in stored.workflows.items()
        if any(step.connection == connection for step in flow.steps)
    )

"""Webhook paths for the receiver, without definitions and without a vault."""

from typing import Any

from stripeline.ingest.trigger import TriggerView
from stripeline.ingest.webhook_path import PathView


def own_path(*, name: str, family_kind: str, connection: str, **path: Any) -> PathView:
    """A trigger's own path."""
    trigger = TriggerView(name=name, family_kind=family_kind, connection=connection)
    return PathView(name=name, triggers=(trigger,), **path)

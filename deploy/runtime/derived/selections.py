"""The definitions that a process asks about again and again, such as the connections with limits. Pure.

Each is a few among tens of thousands, and is asked for several times a second.
"""

from collections.abc import Mapping
from typing import Protocol

from stripeline.contracts.definitions import Connection, Trigger, Workflow
from stripeline.deploy.runtime.derived.derived_values import DerivedValues


class Definers(Protocol):
    """What of the control table they are selected from."""

    @property
    def connections(self) -> Mapping[str, Connection]: ...

    @property
    def triggers(self) -> Mapping[str, Trigger]: ...

    @property
    def workflows(self) -> Mapping[str, Workflow]: ...


class Selections:
    """Of one control table."""

    def __init__(self, table: Definers) -> None:
        self._table = table
        self._limited = DerivedValues[Connection, Connection](lambda _, one: None if one.limits is None else one)
        self._own = DerivedValues[Connection, Connection](lambda _, one: one if one.commands == "own" else None)
        self._thin = DerivedValues[Trigger, Trigger](lambda _, one: one if one.payload in {"thin", "both"} else None)
        self._runs = DerivedValues[Workflow, Workflow](lambda _, one: None if one.limit is None else one)

    def limited_connections(self) -> Mapping[str, Connection]:
        return self._limited.of(self._table.connections)

    def own_connections(self) -> Mapping[str, Connection]:
        """Those that take only commands of runs."""
        return self._own.of(self._table.connections)

    def thin_triggers(self) -> Mapping[str, Trigger]:
        """Those that take thin events."""
        return self._thin.of(self._table.triggers)

    def limited_workflows(self) -> Mapping[str, Workflow]:
        return self._runs.of(self._table.workflows)

"""A value for each definition of a kind for which there is one, worked out only for those that changed. Pure.

A check of `/readyz` looks at all connections, triggers or workflows, every few seconds: of ten thousand tenants that
would be most of a process's time.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Generic, TypeVar

from stripeline.deploy.runtime.derived.changed_names import changed_names

One = TypeVar("One")
Value = TypeVar("Value")


class DerivedValues(Generic[One, Value]):
    """value: that of a definition, from its name and itself; None where it has none."""

    def __init__(self, value: Callable[[str, One], Value | None]) -> None:
        self._value = value
        self._seen: Mapping[str, One] = {}
        self._values: dict[str, Value] = {}

    def of(self, definitions: Mapping[str, One]) -> Mapping[str, Value]:
        """The values of these definitions, by name."""
        changed, self._seen = changed_names(self._seen, definitions), definitions
        for name in changed:
            one = definitions.get(name)
            value = None if one is None else self._value(name, one)
            if value is None:
                self._values.pop(name, None)
            else:
                self._values[name] = value
        return MappingProxyType(self._values)

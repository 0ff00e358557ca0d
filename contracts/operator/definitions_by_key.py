"""Views of mappings: definitions of several kinds under their control keys, and one mapping before another. Pure.

To look one name up reads nothing else: of tens of thousands of stored definitions a command needs a few.
"""

from collections import ChainMap
from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeVar, cast

V = TypeVar("V")
V_co = TypeVar("V_co", covariant=True)


class DefinitionsByKey(Mapping[str, V_co], Generic[V_co]):
    """By control key, such as `connection/acme`. It goes kind by kind, each by name."""

    __slots__ = ("_kinds",)

    def __init__(self, kinds: Mapping[str, Mapping[str, V_co]]) -> None:
        self._kinds = kinds

    def __getitem__(self, key: str) -> V_co:
        kind, _, name = key.partition("/")
        return self._kinds[kind][name]

    def __iter__(self) -> Iterator[str]:
        return (f"{kind}/{name}" for kind, named in self._kinds.items() for name in sorted(named))

    def __len__(self) -> int:
        return sum(map(len, self._kinds.values()))


def chained(first: Mapping[str, V], second: Mapping[str, V]) -> Mapping[str, V]:
    """What the first one has, and else the second."""
    return ChainMap(cast("Any", first), cast("Any", second))

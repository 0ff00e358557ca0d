"""Where the records of `stripe.control` are, by control key, kept by the key's first word. Pure.

A change copies the places of its own kind alone: of ten thousand tenants there are sixty thousand places.
"""

from collections.abc import Iterator, Mapping

from stripeline.contracts.operator.control_records import ControlPlace


class ControlPlaces(Mapping[str, ControlPlace]):
    """Immutable, as long as its maker leaves `by_kind` alone. by_kind: by first word, then by the whole key."""

    __slots__ = ("_by_kind",)

    def __init__(self, by_kind: Mapping[str, Mapping[str, ControlPlace]]) -> None:
        self._by_kind = by_kind

    def __getitem__(self, key: str) -> ControlPlace:
        return self._by_kind[key.partition("/")[0]][key]

    def __iter__(self) -> Iterator[str]:
        for places in self._by_kind.values():
            yield from places

    def __len__(self) -> int:
        return sum(map(len, self._by_kind.values()))

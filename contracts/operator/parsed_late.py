"""Named records that are parsed when somebody asks for them. Pure.

A command needs some of tens of thousands. Like one that was read at once, a record that can't be read is not there, and
leaves the last good one of its name. To go through all of them parses all.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Generic, TypeVar

V = TypeVar("V")
Raw = TypeVar("Raw")


class ParsedLate(Mapping[str, V], Generic[Raw, V]):
    """raw: the records of each name, the newest last. parse: raises ValueError. unreadable: called once a record."""

    __slots__ = ("_parse", "_parsed", "_raw", "_unreadable")

    def __init__(
        self, raw: Mapping[str, tuple[Raw, ...]], parse: Callable[[str, Raw], V],
        unreadable: Callable[[str, ValueError], None],
    ) -> None:  # fmt: skip
        self._raw, self._parse, self._unreadable = raw, parse, unreadable
        self._parsed: dict[str, V | None] = {}

    def __getitem__(self, name: str) -> V:
        if name not in self._parsed:
            self._parsed[name] = self._good(name, self._raw[name])
        found = self._parsed[name]
        if found is None:
            raise KeyError(name)
        return found

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._raw if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _good(self, name: str, values: tuple[Raw, ...]) -> V | None:
        for value in reversed(values):
            try:
                return self._parse(name, value)
            except ValueError as error:
                self._unreadable(name, error)
        return None

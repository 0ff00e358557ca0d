"""A task's state as it was at one moment, in pieces that a file can hold. Pure.

What has ended is in its packed blocks, which never change, so an image shares them with the state and is made in
milliseconds. All else is in the form of its changelog records, which are encoded when they are written.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Final, NamedTuple, Protocol, TypeVar

import msgspec
from msgspec import Struct

from stripeline.workers.packed.row_blocks import Block

T = TypeVar("T")
_BLOCKS, _RECORDS = 16, 256  # in one piece: about 0.1 MB
_THERE_BYTES: Final = 32
_LENGTH_BYTES: Final = 4
Record = tuple[str, bytes]


class StateImage(NamedTuple):
    """A state, or a part of it.

    blocks: of what has ended, from the oldest on.
    records: all else, as changelog records.
    begun: how many runs of a workflow began, by the second; what began lately and has ended is in no record.
    """

    blocks: Iterable[Block] = ()
    records: Iterable[Record] = ()
    begun: Mapping[str, Mapping[int, int]] | None = None


class Imaged(Protocol):
    """A state that can be loaded part by part."""

    def load(self, part: StateImage) -> None: ...


class _Piece(Struct, frozen=True, array_like=True):
    blocks: list[tuple[bytes, bytes]] = []
    records: list[Record] = []
    begun: dict[str, dict[int, int]] | None = None


_piece = msgspec.msgpack.Decoder(_Piece)


def pieces(image: StateImage) -> Iterator[bytes]:
    """The image, each piece behind its length."""
    for blocks in _some(image.blocks, _BLOCKS):
        yield _framed(_Piece(blocks=[(there.to_bytes(_THERE_BYTES, "little"), packed) for there, packed in blocks]))
    for records in _some(image.records, _RECORDS):
        yield _framed(_Piece(records=records))
    yield _framed(_Piece(begun={name: dict(seconds) for name, seconds in (image.begun or {}).items()}))


def load_pieces(state: Imaged, read: Callable[[int], bytes]) -> None:
    """Load what `pieces` made into a new state. `read` returns the next bytes, none at the end."""
    while length := read(_LENGTH_BYTES):
        piece = _piece.decode(read(int.from_bytes(length, "little")))
        blocks = [(int.from_bytes(there, "little"), packed) for there, packed in piece.blocks]
        state.load(StateImage(blocks, piece.records, piece.begun))


def _some(given: Iterable[T], count: int) -> Iterator[list[T]]:
    rest = iter(given)
    while found := list(islice(rest, count)):
        yield found


def _framed(piece: _Piece) -> bytes:
    encoded = msgspec.msgpack.encode(piece)
    return len(encoded).to_bytes(_LENGTH_BYTES, "little") + encoded

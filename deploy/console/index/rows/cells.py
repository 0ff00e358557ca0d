"""What a cell can hold: text and numbers that both databases take, whatever a record says. Pure.

PostgreSQL refuses a NUL in a text, a number beyond its column, and an indexed text of some kilobytes; one such cell
would keep a whole batch of records out of the index.
"""

from typing import Any, Final

from stripeline.contracts.families import text
from stripeline.contracts.masking import mask_text

MAX_TEXT: Final = 400
"""Characters of a cell: with four bytes each still within an index of PostgreSQL."""
MAX_ERROR: Final = 1_000
_MAX_COUNT: Final = 2**31 - 1
_MAX_MS: Final = 10**14
_MAX_SECONDS: Final = _MAX_MS // 1000


def cell(value: object) -> str | None:
    """A text that is compared or searched for; a longer one is cut."""
    return value.replace("\0", "\ufffd")[:MAX_TEXT] if isinstance(value, str) else None


def id_cell(value: object) -> str | None:
    """An id in either form that Stripe sends: the id itself, or an expanded object with that id."""
    return cell(text(value))


def key_cell(key: bytes | None) -> str | None:
    """The key of a record, as the command line shows it."""
    return None if key is None else cell(key.decode("utf-8", "replace"))


def error_cell(value: object) -> str | None:
    """The words of an error, with secrets masked."""
    return mask_text(value).replace("\0", "\ufffd")[:MAX_ERROR] if isinstance(value, str) else None


def count_cell(value: Any) -> int | None:
    return value if _whole(value) and value <= _MAX_COUNT else None


def ms_cell(value: Any) -> int | None:
    """Milliseconds since the epoch; none for a number that is no time."""
    return value if _whole(value) and value <= _MAX_MS else None


def seconds_cell(value: Any) -> int | None:
    """Seconds since the epoch, as milliseconds."""
    return value * 1000 if _whole(value) and value <= _MAX_SECONDS else None


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0

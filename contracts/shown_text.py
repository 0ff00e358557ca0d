"""Makes a text of somebody else fit to show: it can't move the cursor, colour, reorder, hide or add a line. Pure.

What Stripe, a broker or another team wrote may hold escape sequences and invisible characters. Each such character is
shown as its escape, so that a person sees that it is there, and two ids that differ look different.
"""

import re
from typing import Final

from stripeline.contracts.masking import mask_text

MAX_CHARS: Final = 200
_ASCII: Final = 0x80
_BASIC_PLANE: Final = 0x10000
# A letter has at most a few marks in any language; a pile of them covers the lines above.
_PILED_MARKS: Final = re.compile(r"(?<=[\u0300-\u036f]{3})[\u0300-\u036f]+")


def shown(text: str, limit: int = MAX_CHARS) -> str:
    """The text as one harmless line of at most `limit` characters, with its secrets masked."""
    # Masked before it is cut: half of a secret is not recognised as one.
    whole = one_line(mask_text(text))
    return whole if len(whole) <= limit else f"{whole[: limit - 1]}…"


def one_line(text: str) -> str:
    """The text as one harmless line."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escape(one) if unfit(one) else one for one in _PILED_MARKS.sub("", text))


def unfit(character: str) -> bool:
    """Whether a character is shown as its escape: controls, formats (bidi, zero width), blanks but the space."""
    return not character.isprintable()


def _escape(one: str) -> str:
    code = ord(one)
    if code < _ASCII:
        return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(one, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code < _BASIC_PLANE else f"\\U{code:08x}"

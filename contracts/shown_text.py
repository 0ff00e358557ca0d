"""Shows a text that a stranger wrote on one line: masked, escaped and bounded. Pure."""

from typing import Final

from stripeline.contracts.masking import mask_text

MAX_CHARS: Final = 200


def shown(text: str, limit: int = MAX_CHARS) -> str:
    """At most `limit` characters of it. What does not print (controls, bidi marks, lone surrogates) is escaped."""
    # Masked before it is cut: half of a secret is not recognised as one.
    whole = "".join(one if one.isprintable() else _escaped(one) for one in mask_text(text))
    return whole if len(whole) <= limit else f"{whole[: limit - 1]}…"


def _escaped(one: str) -> str:
    return one.encode("unicode_escape").decode("ascii")

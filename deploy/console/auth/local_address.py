"""Where to go after the sign-in: an address of the console itself, never one of another host. Pure."""

import re
from typing import Final
from urllib.parse import urlsplit

_MAX_CHARS: Final = 4_000
# A browser takes a backslash for `/` and leaves tabs and line ends out: `/\evil` and `/<tab>/evil` are `//evil` to it.
_SAFE: Final = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*")


def local_address(text: str) -> str:
    """The address, or that of the first page where it is not on this console."""
    if len(text) > _MAX_CHARS or not _SAFE.fullmatch(text):
        return "/"
    try:
        parts = urlsplit(text)
    except ValueError:
        return "/"
    return "/" if parts.scheme or parts.netloc or parts.path.startswith("/sign-") else text

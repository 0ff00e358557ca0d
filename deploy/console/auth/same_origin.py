"""Whether a request that may change something comes from a page of the console itself. Pure.

Browsers say so in `Sec-Fetch-Site`, which a page can't set; those that don't send it, or not to an address without TLS,
say where the page is from in `Origin`. `none`, a request that no page made, is refused too: a browser makes a POST only
from a page. A request without either is refused.
"""

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

SAFE_METHODS: Final = frozenset({"GET", "HEAD"})
METHODS: Final = SAFE_METHODS | {"POST"}
_PORTS: Final = {"http": 80, "https": 443}


def is_same_origin(sites: Sequence[str], origins: Sequence[str], host: str) -> bool:
    """sites, origins: all headers of that name. host: of the request, with its port."""
    if sites:
        return list(sites) == ["same-origin"]
    return len(origins) == 1 and _is_ours(origins[0], host)


def _is_ours(origin: str, host: str) -> bool:
    """Whether host and port are the same. The scheme may differ: a proxy before the console ends TLS."""
    try:
        ours, theirs = urlsplit(f"//{host}"), urlsplit(origin)
        default = _PORTS[theirs.scheme]
        same = (theirs.hostname, theirs.port or default) == (ours.hostname, ours.port or default)
    except (ValueError, KeyError):
        return False
    plain = f"{theirs.scheme}://{theirs.netloc}" == origin and "@" not in host + origin
    return same and plain and bool(ours.hostname) and not (ours.path or ours.query or ours.fragment)

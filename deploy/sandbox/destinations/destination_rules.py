"""Judges what both APIs of destinations take: URLs, event types, metadata. A refusal is a sentence. Pure.

Types of the three families must be Stripe's; of another family, any name is taken.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from stripeline.contracts.families import families
from stripeline.deploy.sandbox.events.twins import SNAPSHOT_ONLY, THIN_ONLY

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
SNAPSHOTS = frozenset(name for family in families().values() for name in family.types) - THIN_ONLY
THIN = frozenset(f"v1.{name}" for name in (SNAPSHOTS - SNAPSHOT_ONLY) | THIN_ONLY)
PREFIXES = tuple(family.prefix for family in families().values())
MAX_METADATA, MAX_METADATA_KEY, MAX_METADATA_VALUE = 50, 40, 500


def wrong_url(url: object, *, livemode: bool) -> str | None:
    """Stripe takes no address of a private network; the sandbox does, for receivers on this machine."""
    if not isinstance(url, str):
        return "Invalid URL: it is a text."
    try:
        parts = urlsplit(url)
    except ValueError:
        return f"Invalid URL: {url}"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return f"Invalid URL: An explicit scheme (such as https) must be provided: {url}"
    if livemode and parts.scheme != "https" and parts.hostname not in LOOPBACK:
        return "Invalid URL: URL must be HTTPS in live mode."
    return None


def wrong_type(types: Iterable[object], *, thin: bool) -> tuple[int, str] | None:
    """The first that is wrong: its position, and what is wrong."""
    for position, name in enumerate(types):
        if not isinstance(name, str) or not _is_type(name, thin=thin):
            return position, f"{name} is no event type of a {'thin' if thin else 'snapshot'} destination"
    return None


def _is_type(name: str, *, thin: bool) -> bool:
    if name == "*":
        return True
    versioned = name.startswith(("v1.", "v2."))
    known, bare = (THIN, name.removeprefix("v1.")) if thin else (SNAPSHOTS, name)
    if versioned is not thin or "." not in bare or "*" in name:
        return False
    return name in known or not bare.startswith(PREFIXES)


def merged_metadata(before: Mapping[str, str], changes: object) -> dict[str, str] | str:
    """The metadata after an update, or what is wrong with it. Empty or null takes a key away."""
    if changes in ("", None):
        return {}
    if not isinstance(changes, dict) or not all(isinstance(value, str | None) for value in changes.values()):
        return "Invalid metadata: it has names with text values."
    after: dict[str, Any] = {**before, **changes}
    after = {name: value for name, value in after.items() if value not in ("", None)}
    long = any(len(key) > MAX_METADATA_KEY or len(value) > MAX_METADATA_VALUE for key, value in after.items())
    if long or len(after) > MAX_METADATA:
        return "Invalid metadata: at most 50 keys of 40 characters, with values of 500."
    return after

"""The metadata that ties an object at Stripe to the command that made it. Pure.

A look-up finds the object by it, and the router finds the executor's task. https://docs.stripe.com/api/metadata
A command's id is unique within its installation only: several installations may work on one Stripe account.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from msgspec import Struct

INSTALLATION: Final = "stripeline_installation"
COMMAND: Final = "stripeline_command"
PARTITION: Final = "stripeline_partition"
DIGEST: Final = "stripeline_digest"


class Origin(Struct, frozen=True, kw_only=True):
    """The command that made an object, its installation, and the fingerprint of what it asked for."""

    installation: str
    command_id: str
    digest: str | None = None


def params(origin: Origin, partition: int, trail: Mapping[str, str] = MappingProxyType({})) -> Mapping[str, Any]:
    """The parameters that every created object gets beside the input's. `trail`: what led to its command."""
    marks = {INSTALLATION: origin.installation, COMMAND: origin.command_id, PARTITION: str(partition)}
    fingerprint = {} if origin.digest is None else {DIGEST: origin.digest}
    return {"metadata": {**marks, **fingerprint, **trail}}


def origin_of(stripe_object: Mapping[str, Any]) -> Origin | None:
    """The command that made an object; None where the metadata names none."""
    metadata = stripe_object.get("metadata")
    if not isinstance(metadata, dict):
        return None
    installation, command_id = metadata.get(INSTALLATION), metadata.get(COMMAND)
    if not isinstance(installation, str) or not isinstance(command_id, str):
        return None
    digest = metadata.get(DIGEST)
    return Origin(installation=installation, command_id=command_id, digest=digest if isinstance(digest, str) else None)


def is_of(stripe_object: Mapping[str, Any], origin: Origin) -> bool:
    """Whether a command made an object. One of the same id that asked for something else did not."""
    made_by = origin_of(stripe_object)
    if made_by is None or (made_by.installation, made_by.command_id) != (origin.installation, origin.command_id):
        return False
    return made_by.digest is None or made_by.digest == origin.digest

"""The metadata that ties an object at Stripe to the command that made it. Pure.

A look-up finds the object by it, and the router finds the executor's task. https://docs.stripe.com/api/metadata
"""

from collections.abc import Mapping
from typing import Any, Final

COMMAND: Final = "stripeline_command"
PARTITION: Final = "stripeline_partition"


def params(command_id: str, partition: int) -> Mapping[str, Any]:
    """The parameters that every created object gets beside the input's."""
    return {"metadata": {COMMAND: command_id, PARTITION: str(partition)}}


def command_of(stripe_object: Mapping[str, Any]) -> str | None:
    """The command that made an object; None where the metadata names none."""
    metadata = stripe_object.get("metadata")
    command_id = metadata.get(COMMAND) if isinstance(metadata, dict) else None
    return command_id if isinstance(command_id, str) else None

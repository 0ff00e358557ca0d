"""A settlement: the object of a webhook on its way to the executor that may not know that its command was done. Pure.

It follows the rules of `contracts/internal_records.py`.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from stripeline.contracts import stripe_metadata
from stripeline.contracts.action import SENSITIVE

AsStripeSendsIt = Annotated[Any, Meta(description="as Stripe sends it", extra_json_schema=dict(SENSITIVE))]


class ObjectMetadata(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The metadata that the executor sets on an object it creates."""

    command_id: Annotated[str, Meta(description="the command's id")] = msgspec.field(name=stripe_metadata.COMMAND)
    partition: Annotated[str, Meta(description="the partition of the command's task")] = msgspec.field(
        name=stripe_metadata.PARTITION
    )
    installation: Annotated[str | None, Meta(description="the installation whose command it is")] = msgspec.field(
        default=None, name=stripe_metadata.INSTALLATION
    )


class Settlement(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A Stripe object that a command created, from a webhook: sent by the router to the task of that command.

    It is on the command topic with the header `stripeline-settles`. It is not a command, and other consumers skip it.
    """

    metadata: Annotated[ObjectMetadata, Meta(description="identifies the command")]
    email: AsStripeSendsIt = None
    name: AsStripeSendsIt = None
    phone: AsStripeSendsIt = None
    receipt_email: AsStripeSendsIt = None
    client_secret: AsStripeSendsIt = None


def metadata_of(found: Mapping[str, Any]) -> ObjectMetadata | None:
    """The command that created a Stripe object; None if no command of any installation did."""
    try:
        return msgspec.convert(found.get("metadata"), ObjectMetadata)
    except msgspec.ValidationError:
        return None

"""The key that signs sessions: written once into the index, by the first console that needs it.

So a session outlives a restart, and holds on each console of one index. Where the index is deleted, people sign in
again.
"""

import secrets
from typing import Final

from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError

from stripeline.deploy.console.console_sources import Index
from stripeline.deploy.console.index.tables import meta

_NAME: Final = "session_key"
_KEY_BYTES: Final = 32


async def signing_key(index: Index) -> bytes:
    """The key of this index."""
    offered = secrets.token_bytes(_KEY_BYTES)
    return await index.change(lambda connection: _first_written(connection, offered))


def _first_written(connection: Connection, offered: bytes) -> bytes:
    """The key that is there, else the one that is offered: of two consoles that start at once, one writes it."""
    wanted = select(meta.c.value).where(meta.c.name == _NAME)
    if (known := connection.execute(wanted).scalar()) is None:
        try:
            with connection.begin_nested():
                connection.execute(insert(meta).values(name=_NAME, value=offered.hex()))
        except IntegrityError:
            pass  # another console was first
        known = connection.execute(wanted).scalar_one()
    return bytes.fromhex(known)

"""The installation that a process works for: read from the control table once, and kept for its life.

A record that changes under a running process would give its commands new Idempotency-Keys. So it goes on under the id
that it began with, and says so.
"""

import asyncio
from typing import Final

from stripeline.contracts.operator.control_records import Installation
from stripeline.deploy.definitions.installation import InstallationError, absent
from stripeline.workers.kafka.control_table import ControlTable
from stripeline.workers.kafka.watch.bounded_wait import wait_at_most

_LOOK_AGAIN_S: Final = 0.2


class ProcessInstallation:
    """The installation of one process. Its id may be asked for after `known` has returned True."""

    def __init__(self, topic: str, table: ControlTable) -> None:
        self._topic, self._table = topic, table
        self._own: Installation | None = None

    def id(self) -> str:
        if self._own is None:
            raise RuntimeError("a command was taken before the installation was known")
        return self._own.id

    async def known(self, stop: asyncio.Event) -> bool:
        """Wait for the record; False when the process was stopped before. Raises InstallationError for its format."""
        while not stop.is_set():
            found = self._table.definitions.installation
            if found is not None:
                self.require_format()
                self._own = self._own or found
                return True
            await wait_at_most(stop, _LOOK_AGAIN_S)
        return False

    def require_format(self) -> None:
        """Raise InstallationError for a record of another format. Ingest works where there is none yet."""
        found = self._table.definitions.installation
        wrong = None if found is None else found.refusal(self._topic)
        if wrong is not None:
            raise InstallationError(wrong)

    def missing(self) -> str | None:
        """What is wrong with the record, in words; None when all is well."""
        own, found = self._own, self._table.definitions.installation
        if own is None:
            return absent(self._topic) if self._table.ready else "it is not known before the control topic is read"
        if found is None:
            return f"{self._topic} has lost its installation record: `stripeline topics apply --installation {own.id}`"
        if found.id != own.id:
            return (
                f"{self._topic} now says installation {found.id}, and this process began as {own.id} and goes on as it:"
                " never restart it before the right one is written, or commands that wait are done twice"
            )
        return None

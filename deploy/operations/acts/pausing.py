"""Pauses and resumes connections and workflows: what the command line and the console both do.

Each act reads what is stored now, decides, is recorded on the audit topic, and then asked for on the control topic.
All raise FailureError, with what to do, for one that can't be, and KafkaError or TimeoutError where Kafka is away.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stripeline.contracts.definitions import Definitions
from stripeline.contracts.operator.control_records import Pause
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import AuditedAct
from stripeline.deploy.operations.acts import paused_commands, pauses, workflow_resume
from stripeline.deploy.operations.acts.audit import Signed
from stripeline.deploy.operations.acts.workflow_resume import Resumed
from stripeline.deploy.operations.status.facts import WaitingCommands
from stripeline.workers.kafka.control_table import read_all


@dataclass(frozen=True, slots=True)
class Pausing:
    """The acts, in one installation."""

    topics: Topics
    client: Mapping[str, Any]

    async def pause_connection(self, name: str, signed: Signed) -> None:
        changes = pauses.pause(await self._stored(), name, signed)
        await pauses.carry_out(self.topics, self.client, AuditedAct.PAUSE_CONNECTION, name, signed, changes)

    async def resume_connection(self, name: str, signed: Signed) -> bool:
        """Whether Stripe refuses its key: then an executor tries it, and the commands go on waiting until it passes."""
        stored = await self._stored()
        changes = pauses.resume(stored, name, signed)
        await pauses.carry_out(self.topics, self.client, AuditedAct.RESUME_CONNECTION, name, signed, changes)
        return bool(stored.refused(name))

    async def waiting(self, name: str, now_ms: int) -> WaitingCommands | None:
        """The commands that wait for a connection."""
        return await paused_commands.paused_commands(self.topics, self.client, name, now_ms)

    async def pause_workflow(self, name: str, signed: Signed) -> Pause:
        return await workflow_resume.pause(self.topics, self.client, await self._stored(), name, signed)

    async def resume_workflow(self, name: str, signed: Signed, take_up_per_s: float | None = None) -> Resumed:
        """take_up_per_s: first start the runs of what came meanwhile, at this rate; None starts none."""
        stored = await self._stored()
        if take_up_per_s is None:
            return await workflow_resume.resume(self.topics, self.client, stored, name, signed)
        return await workflow_resume.resume_and_take_up(self.topics, self.client, stored, name, signed, take_up_per_s)

    async def _stored(self) -> Definitions:
        return await read_all(self.topics.control, self.client)

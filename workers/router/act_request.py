"""An act of a person on a run, as the router reads it."""

from collections.abc import Callable, Mapping

from msgspec import Struct

from stripeline.contracts.operator.act_records import RunAct
from stripeline.workers.router.router_setup import RouterSetup
from stripeline.workers.router.run_state import Runs
from stripeline.workers.task.decision import Decision, InputRecord


class ActRequest(Struct, frozen=True, kw_only=True):
    """An act as it was read.

    headers: the record's, read. Of a start they and the value are the event's own.
    """

    act: RunAct
    headers: Mapping[str, bytes]
    record: InputRecord


Handler = Callable[[RouterSetup, Runs, ActRequest, int], Decision]

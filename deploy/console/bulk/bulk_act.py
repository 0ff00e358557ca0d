"""What can be done to many on the console, in words, and by which filters they may be chosen. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class BulkAct(StrEnum):
    """An act of a person on runs, dead letters or events."""

    RETRY = "retry"
    CANCEL = "cancel"
    ERASE = "erase"
    START = "start"
    REPLAY = "replay"
    DISMISS = "dismiss"


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkWords:
    """How a page speaks of an act.

    does: the verb of its button. done: what it has become of each. one, many: what it is done to.
    where: the list that it comes from. warning: what a person must know before.
    """

    does: str
    done: str
    one: str
    many: str
    where: str
    warning: str

    def counted(self, count: int) -> str:
        return f"{count:,} {self.one if count == 1 else self.many}"


_RUNS: Final = {"done": "asked for", "one": "run", "many": "runs", "where": "/runs"}
_LETTERS: Final = {"one": "dead letter", "many": "dead letters", "where": "/dead-letters"}
WORDS: Final[Mapping[BulkAct, BulkWords]] = {
    BulkAct.RETRY: BulkWords(
        **_RUNS,
        does="Retry",
        warning="Each begins the step at which it stopped again, as a new command with an Idempotency-Key of its own."
        " The executor sends it only if the former command has failed, and never does the former one afterwards.",
    ),
    BulkAct.CANCEL: BulkWords(
        **_RUNS,
        does="Cancel",
        warning="Each gets no more steps. A command that waits and was never attempted is withdrawn; any other ends as"
        " it ends.",
    ),
    BulkAct.ERASE: BulkWords(
        **_RUNS,
        does="Erase",
        warning="This can't be undone. What goes: the event, the steps' definitions, outputs, the texts of errors, and"
        " the key. What stays: ids, workflow, types, states, codes and times, so that no event starts the run again. An"
        " erased run can't be retried. Events, commands, results and dead letters stay until the retention of their"
        " topics ends, and Stripe keeps its objects: see docs/personal-data.md. Write no personal data in the reason:"
        " it is kept for a year.",
    ),
    BulkAct.START: BulkWords(
        **{**_RUNS, "where": "/events"},
        does="Start",
        warning="Each starts beside the runs of new events, in no promised order. An event that has its run starts no"
        " other.",
    ),
    BulkAct.REPLAY: BulkWords(
        **_LETTERS,
        does="Replay",
        done="replayed",
        warning="Each goes to its topic again with its own key and Idempotency-Key. What may have been done is looked"
        " up at Stripe first: a replay never charges twice.",
    ),
    BulkAct.DISMISS: BulkWords(
        **_LETTERS,
        does="Dismiss",
        done="dismissed",
        warning="Each is closed, and nothing is sent: what it asks for is done elsewhere, or is not wanted.",
    ),
}

RUN_ACTS: Final = (BulkAct.RETRY, BulkAct.CANCEL, BulkAct.ERASE)
LETTER_ACTS: Final = (BulkAct.REPLAY, BulkAct.DISMISS)
RUN_FILTERS: Final = frozenset(
    {"status", "workflow", "trigger", "type", "event", "connection", "account", "customer", "code", "since", "until"}
)
LETTER_FILTERS: Final = frozenset(
    {"state", "reason", "code", "action", "connection", "account", "customer", "key", "id", "since", "until"}
)
FILTERS: Final[Mapping[BulkAct, frozenset[str]]] = {
    BulkAct.RETRY: RUN_FILTERS,
    BulkAct.CANCEL: RUN_FILTERS,
    BulkAct.REPLAY: LETTER_FILTERS,
    BulkAct.DISMISS: LETTER_FILTERS,
    # An erasure must find what the index does not know, such as outputs of steps: `runs erase --customer` does.
    BulkAct.ERASE: frozenset(),
    BulkAct.START: frozenset(),
}
STATES: Final = frozenset({"status", "state"})
"""Filters that choose nothing by themselves: `open` is nearly all."""
ACTS_ON: Final[Mapping[BulkAct, frozenset[str]]] = {
    BulkAct.RETRY: frozenset({"stopped"}),
    BulkAct.CANCEL: frozenset({"running", "stopped"}),
    BulkAct.REPLAY: frozenset({"open"}),
    BulkAct.DISMISS: frozenset({"open"}),
}
"""The states of what an act can be done to."""

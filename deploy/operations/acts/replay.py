"""Replays and dismisses dead letters: an act is its audit record, which closes the letter, and what it sends. Pure.

A replay is the same bytes, key and partition, with a header that says who replayed it and why. The worker decides its
fate. It keeps its Idempotency-Key and the time of its first append, so nothing here can charge twice. One that fails
again makes another dead letter, which is open.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import orjson

from stripeline.contracts import headers as h
from stripeline.contracts.headers import Headers
from stripeline.contracts.internal_records import OffsetRange
from stripeline.contracts.retry_tiers import HORIZON_MS
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import AuditedAct, Code, DeadLetterReason, LetterState
from stripeline.deploy.operations.acts.audit import Act, ActEffect, Signed, audit_record
from stripeline.deploy.operations.reading.views import DeadLetter

_OURS: Final = frozenset(
    {
        h.ATTEMPT, h.DUE_AT, h.PLACE, h.REPLAY, h.ORIGIN_TOPIC, h.ORIGIN_PARTITION, h.ORIGIN_OFFSET,
        h.ORIGIN_LAST_OFFSET, h.REASON, h.CODE, h.ATTEMPTS, h.LAST_ERROR, h.KIND, h.TURN_AT,
    }
)  # fmt: skip


_DECIDED: Final = {
    LetterState.SETTLED: "its command was decided by a webhook or a look-up",
    LetterState.SUPERSEDED: "another command of its run took its place",
}


def prospect(letter: DeadLetter, now_ms: int) -> str:
    """A description of what the replay of a dead letter will do."""
    decided = _DECIDED.get(letter.state)
    if decided is not None:
        return f"does nothing: {decided}"
    if replayable(letter) and is_thin(letter):
        return "is fetched from Stripe again, and published if that succeeds"
    return _prospect_of_open(letter, now_ms)


def _prospect_of_open(letter: DeadLetter, now_ms: int) -> str:
    headers = letter.read.headers
    match h.text(headers, h.REASON):
        case DeadLetterReason.UNREADABLE_BATCH | DeadLetterReason.LOST_BY_RETENTION:
            return "is not replayed: it has no record, only the range of offsets; their producer sends them again"
        case DeadLetterReason.ID_REUSED:
            return "is refused again: the id is known with another input"
        case _ if letter.command is None:
            return "is read again, unchanged"
        case DeadLetterReason.ACCOUNT_CHANGED:
            return "ends as before: what was sent to one account or mode is never done at another"
        case DeadLetterReason.EVENT_TOO_OLD:
            return "is sent for the first time, although its event is old"
        case _:
            return _prospect_of_attempted(letter, now_ms)


def _prospect_of_attempted(letter: DeadLetter, now_ms: int) -> str:
    headers = letter.read.headers
    first_ms = h.number(headers, h.FIRST_APPENDED_AT) or now_ms
    if now_ms - first_ms >= HORIZON_MS:
        # The letter has the time of its first append, and the ledger that of its first attempt, which may be later.
        return "is looked up at Stripe, and not sent, if its first attempt was more than 23 h ago"
    if h.text(headers, h.CODE) == Code.INDETERMINATE:
        return "is looked up at Stripe, and sent with its own key if nothing is found"
    return "is sent again with its own key"


def replayable(letter: DeadLetter) -> bool:
    """Whether a dead letter holds a record. One of a range of offsets holds none."""
    reason = h.text(letter.read.headers, h.REASON)
    return reason not in {DeadLetterReason.UNREADABLE_BATCH, DeadLetterReason.LOST_BY_RETENTION}


def target(topics: Topics, letter: DeadLetter) -> str:
    """The topic of a replay: its origin, but for a record from a retry tier the topic that it first came from."""
    if is_thin(letter):
        return topics.thin_event
    origin = h.text(letter.read.headers, h.ORIGIN_TOPIC) or ""
    return origin if origin in {*topics.events, topics.result, topics.thin_event} else topics.command


def is_thin(letter: DeadLetter) -> bool:
    """Whether it is a thin event, which has no command."""
    return letter.command is None and letter.read.headers.get(h.KIND) == h.THIN_EVENT


def replay_headers(letter: DeadLetter, signed: Signed) -> Headers:
    note_fields = {
        "by": signed.by,
        "why": signed.why,
        "at": h.rfc3339(signed.at_ms),
        "dead_letter": f"{letter.read.partition}/{letter.read.offset}",
    }
    kept = h.without(letter.read.headers.items(), _OURS)
    return (*kept, (h.REPLAY, orjson.dumps(note_fields)))


def replays(topics: Topics, letters: Iterable[DeadLetter], signed: Signed) -> Iterator[Act]:
    """The acts that replay the letters that are replayable, oldest first."""
    for letter in _oldest_first(filter(replayable, letters)):
        effect = ActEffect(
            topic=target(topics, letter), partition=letter.read.partition, key=letter.read.key,
            value=letter.read.value, headers=replay_headers(letter, signed),
        )  # fmt: skip
        yield _closing(AuditedAct.REPLAYED, letter, signed, effect)


def dismissals(letters: Iterable[DeadLetter], signed: Signed) -> Iterator[Act]:
    """The acts that close letters without doing anything, oldest first."""
    return (_closing(AuditedAct.DISMISSED, letter, signed) for letter in _oldest_first(letters))


def _oldest_first(letters: Iterable[DeadLetter]) -> list[DeadLetter]:
    return sorted(letters, key=lambda letter: (letter.read.at_ms, letter.read.offset))


def _closing(act: AuditedAct, letter: DeadLetter, signed: Signed, *effects: ActEffect) -> Act:
    read = letter.read
    place = OffsetRange(topic=read.topic, partition=read.partition, first=read.offset, last=read.offset)
    return Act(audit=audit_record(act, signed, records=(place,)), partition=read.partition, effects=effects)

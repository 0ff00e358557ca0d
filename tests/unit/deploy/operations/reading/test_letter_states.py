"""The states of dead letters, folded from the acts on the audit topic."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripeline.contracts import headers as h
from stripeline.contracts.internal_records import AuditRecord, OffsetRange
from stripeline.contracts.vocabulary import AuditedAct, LetterState
from stripeline.deploy.operations.reading.letter_states import Audited, states
from stripeline.deploy.operations.reading.topic_reader import Read

TOPIC = "stripe.action-dead-letter"
OPEN, REPLAYED, SETTLED = LetterState.OPEN, LetterState.REPLAYED, LetterState.SETTLED


def letter(offset: int = 5, *, at_ms: int = 1_000, partition: int = 1, reason: bytes = b"exhausted") -> Read:
    return Read(
        topic=TOPIC, partition=partition, offset=offset, at_ms=at_ms, key=b"k", value=b"", headers={h.REASON: reason}
    )


def act(
    name: str, *, at_ms: int = 2_000, first: int = 5, last: int | None = None, topic: str = TOPIC,
    partition: int = 1, about: str | None = None, offset: int = 0,
) -> Audited:  # fmt: skip
    places = () if about else (OffsetRange(topic=topic, partition=partition, first=first, last=last or first),)
    record = AuditRecord(act=name, by="ada", why="w", at_ms=1, records=places, about=about)
    return Audited(record=record, partition=partition, offset=offset, at_ms=at_ms)


def ended(
    name: str = "settled", *, command: str = "c1", at_ms: int = 2_000, partition: int = 1, offset: int = 0
) -> Audited:
    return act(name, about=f"command {command}", at_ms=at_ms, partition=partition, offset=offset)


@pytest.mark.parametrize(
    ("acts", "state"),
    [
        ([], OPEN),
        ([act("replayed")], REPLAYED),
        ([act("dismissed", first=2, last=9)], LetterState.DISMISSED),
        ([act("dismissed", first=6, last=9)], OPEN),
        ([act("dismissed", first=2, last=4)], OPEN),
        ([act("replayed", partition=2)], OPEN),
        ([act("replayed", topic="stripe.action-command")], OPEN),
        ([act("skip_batch")], OPEN),
        ([ended()], SETTLED),
        ([ended("superseded")], LetterState.SUPERSEDED),
        ([ended(command="c2")], OPEN),
        ([ended(partition=2)], OPEN),
        ([ended(at_ms=1_000)], SETTLED),
        ([ended(at_ms=999)], OPEN),
        ([act("settled", about="connection acme")], OPEN),
        ([act("replayed"), ended(at_ms=3_000)], SETTLED),
        ([act("dismissed", at_ms=3_000), act("replayed", at_ms=4_000)], REPLAYED),
    ],
)
def test_the_newest_act_on_a_letter_is_its_state(acts: list[Audited], state: LetterState) -> None:
    for order in itertools.permutations(acts):
        assert states(order, TOPIC).of(letter(), "c1") is state


def test_a_letter_without_a_command_is_closed_by_place_alone() -> None:
    assert states([ended()], TOPIC).of(letter(), None) is OPEN
    assert states([act("replayed")], TOPIC).of(letter(), None) is REPLAYED


def test_what_reused_an_id_is_not_closed_by_its_command() -> None:
    assert states([ended()], TOPIC).of(letter(reason=b"id_reused"), "c1") is OPEN


NAMES = st.sampled_from(["replayed", "dismissed", "settled", "superseded", "skip_batch"])


@given(st.lists(st.tuples(NAMES, st.integers(0, 4), st.integers(0, 4), st.integers(0, 1)), max_size=8), st.randoms())
def test_any_order_of_reading_gives_one_state(given_acts: list[tuple[str, int, int, int]], rng: random.Random) -> None:
    """And a letter that is newer than every act by command is open until a person names it."""
    acts = [
        act(name, at_ms=at_ms, offset=number, partition=partition, first=first)
        if name in {"replayed", "dismissed"}
        else ended(name, at_ms=at_ms, partition=partition, offset=number)
        for number, (name, at_ms, first, partition) in enumerate(given_acts)
    ]
    shuffled = rng.sample(acts, len(acts))
    for offset, partition in itertools.product(range(5), range(2)):
        one = letter(offset, at_ms=2, partition=partition)
        assert states(acts, TOPIC).of(one, "c1") is states(shuffled, TOPIC).of(one, "c1")
        by_people = {AuditedAct.REPLAYED.value, AuditedAct.DISMISSED.value}
        new = letter(offset, at_ms=9, partition=partition)
        assert states([one for one in acts if one.record.act not in by_people], TOPIC).of(new, "c1") is OPEN

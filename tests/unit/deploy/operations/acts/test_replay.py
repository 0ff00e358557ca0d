"""What a replay or a dismissal of dead letters writes: the letter's closing, and the record that goes back to work."""

from dataclasses import replace

import orjson
import pytest

from stripeline.contracts import headers as h
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import LetterState
from stripeline.deploy.operations.acts.audit import Signed
from stripeline.deploy.operations.acts.replay import dismissals, prospect, replays
from stripeline.deploy.operations.reading.topic_reader import Read
from stripeline.deploy.operations.reading.views import DeadLetter, dead_letter_of

TOPICS = Topics()
SIGNED = Signed(by="ada", why="Stripe is well again", at_ms=1_000)
COMMAND = orjson.dumps({"command_id": "c1", "action": "stripe/create-customer", "connection": "acme", "input": {}})


def letter(offset: int = 7, *, origin: str = "stripe.action-command", reason: str = "exhausted") -> DeadLetter:
    headers = {h.REASON: reason.encode(), h.ORIGIN_TOPIC: origin.encode(), h.ATTEMPTS: b"6", "traceparent": b"00-a"}
    read = Read(
        topic=TOPICS.dead_letter, partition=3, offset=offset, at_ms=10 - offset, key=b"k", value=COMMAND,
        headers=headers,
    )  # fmt: skip
    return dead_letter_of(read)


def test_a_replay_and_its_record_are_one_act_in_one_partition() -> None:
    (act,) = replays(TOPICS, [letter()], SIGNED)
    (effect,) = act.effects
    assert (act.audit.act, act.audit.by, act.audit.why, act.partition) == ("replayed", "ada", SIGNED.why, 3)
    (place,) = act.audit.records
    assert (place.topic, place.partition, place.first, place.last) == (TOPICS.dead_letter, 3, 7, 7)
    assert (effect.topic, effect.partition, effect.key, effect.value) == ("stripe.action-command", 3, b"k", COMMAND)
    assert [name for name, _ in effect.headers] == ["traceparent", h.REPLAY]
    assert orjson.loads(dict(effect.headers)[h.REPLAY])["dead_letter"] == "3/7"


@pytest.mark.parametrize(
    ("origin", "target"),
    [
        ("stripe.payment-event", "stripe.payment-event"),
        ("stripe.action-result", "stripe.action-result"),
        ("stripe.thin-event", "stripe.thin-event"),
        ("stripe.action-retry.5s", "stripe.action-command"),
        ("", "stripe.action-command"),
    ],
)
def test_a_replay_goes_where_its_record_came_from_but_to_no_tier(origin: str, target: str) -> None:
    (act,) = replays(TOPICS, [letter(origin=origin)], SIGNED)
    assert act.effects[0].topic == target


@pytest.mark.parametrize("origin", ["stripe.thin-event", "stripe.action-retry.5s"])
def test_a_thin_event_goes_back_to_its_topic(origin: str) -> None:
    command = letter(origin=origin)
    headers = {**command.read.headers, h.KIND: h.THIN_EVENT}
    read = replace(command.read, value=b'{"id":"evt_1","object":"v2.core.event"}', headers=headers)
    thin = dead_letter_of(read)
    (act,) = replays(TOPICS, [thin], SIGNED)
    assert (act.effects[0].topic, act.effects[0].partition) == ("stripe.thin-event", 3)
    assert h.KIND not in dict(act.effects[0].headers)
    assert prospect(thin, 1_000).startswith("is fetched from Stripe again")
    # What has a command is one, whatever another team wrote into its headers.
    (act,) = replays(TOPICS, [replace(command, read=replace(command.read, headers=headers))], SIGNED)
    assert act.effects[0].topic == (origin if origin == "stripe.thin-event" else "stripe.action-command")


def test_letters_are_replayed_oldest_first_and_ranges_never() -> None:
    found = [letter(1), letter(3), letter(2, reason="lost_by_retention")]
    assert [act.audit.records[0].first for act in replays(TOPICS, found, SIGNED)] == [3, 1]


def test_a_dismissal_closes_every_letter_and_sends_nothing() -> None:
    acts = list(dismissals([letter(1), letter(2, reason="lost_by_retention")], SIGNED))
    assert [(act.audit.act, act.audit.records[0].first, act.effects) for act in acts] == [
        ("dismissed", 2, ()),
        ("dismissed", 1, ()),
    ]


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (LetterState.OPEN, "is sent again"),
        (LetterState.REPLAYED, "is sent again"),
        (LetterState.SETTLED, "does nothing: its command was decided"),
        (LetterState.SUPERSEDED, "does nothing: another command"),
    ],
)
def test_a_replay_of_a_decided_command_is_announced_as_nothing(state: LetterState, said: str) -> None:
    assert prospect(replace(letter(), state=state), 1_000).startswith(said)

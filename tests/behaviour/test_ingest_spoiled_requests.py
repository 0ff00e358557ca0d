"""1,200 spoiled requests get the answers of the receiver before 2026-11-29, or those that are listed with a reason."""

import re
import zlib
from pathlib import Path

import pytest

from stripeline.ingest.http.deadlines import Limits
from stripeline.ingest.http.server import serve
from stripeline.ingest.webhook import Webhook
from tests.behaviour.test_ingest_http import FakePublisher
from tests.support.spoiled_answers import SECRET, TRIGGER, answers
from tests.support.webhook_paths import own_path

FILE = Path(__file__).with_name("spoiled_answers.txt")
GROUP = re.compile(r"^= (.+)\n((?:[\d ]+\n)+)", re.MULTILINE)
NUMBERS = range(1_200)
REQUESTS_CRC = 969039021
"""Differs when tests/support/spoiled_requests.py makes other requests: then the list must be judged again."""

LIMITS = Limits(head_deadline_s=2.0, body_deadline_s=2.0, keepalive_s=1.0, lingering_s=1.0, handshake_s=0.0)
VIEW = own_path(
    name=TRIGGER, family_kind="stripe/payment-event", connection="acme", livemode=False, secrets=(SECRET.encode(),)
)


def listed() -> list[dict[int, str]]:
    """The answers by number: the old receiver's, and then one dict for each reason to differ."""
    _, *parts = FILE.read_text(encoding="utf-8").split("\n# ")
    groups = [GROUP.findall(part) for part in parts]
    return [{int(one): answer for answer, numbers in found for one in numbers.split()} for found in groups]


def test_each_difference_is_one_and_has_one_reason() -> None:
    old, *differences = listed()
    assert sorted(old) == list(NUMBERS)
    assert len({number for one in differences for number in one}) == sum(map(len, differences))
    assert [number for one in differences for number, answer in one.items() if old[number] == answer] == []


async def test_spoiled_requests_get_the_answers_that_are_listed(caplog: pytest.LogCaptureFixture) -> None:
    publisher, webhook = FakePublisher(), Webhook(paths={TRIGGER: VIEW}.get)
    async with await serve(webhook, publisher, host="127.0.0.1", port=0, limits=LIMITS, grace_s=1) as running:
        lines = await answers(running.port, NUMBERS)
    assert zlib.crc32("\n".join(line.partition(":")[0] for line in lines).encode()) == REQUESTS_CRC
    expected = {number: answer for one in listed() for number, answer in one.items()}
    got = {int(line.split()[0]): line.partition(": ")[2] for line in lines}
    assert {number: (answer, expected[number]) for number, answer in got.items() if answer != expected[number]} == {}
    assert len(publisher.taken) == sum(answer.split()[-1:] == ["200"] or "200;" in answer for answer in got.values())
    assert {one.levelname for one in caplog.records} == {"WARNING"}  # refusals, no fault and no traceback

"""The words are plain text wherever they leave the process."""

from enum import StrEnum

import msgspec
import orjson
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from stripeline.contracts import vocabulary

WORDS = [one for one in vars(vocabulary).values() if isinstance(one, type) and issubclass(one, StrEnum)]
WORDS.remove(StrEnum)
MEMBERS = [member for words in WORDS for member in words]


@pytest.mark.parametrize("member", MEMBERS, ids=lambda member: f"{type(member).__name__}.{member.name}")
def test_a_member_is_its_text_in_json_and_headers(member: StrEnum):
    text = str(member.value)
    assert (str(member), f"{member}", f"{member:>1}") == (text, text, text)
    assert member.encode() == text.encode()
    assert orjson.dumps({"said": member}) == msgspec.json.encode({"said": member}) == orjson.dumps({"said": text})


@pytest.mark.parametrize("words", WORDS, ids=lambda words: words.__name__)
def test_a_member_counts_under_its_text(words: type[StrEnum]):
    counted = {(str(member.value), "x"): number for number, member in enumerate(words)}
    assert [counted[member, "x"] for member in words] == list(range(len(words)))


def test_a_member_is_a_label_like_its_text():
    class Shown(Collector):
        def __init__(self, label: str):
            self.label = label

        def collect(self):
            family = CounterMetricFamily("events", "told", labels=("event",))
            family.add_metric((self.label,), 1)
            yield family

    pages = []
    for label in (vocabulary.WorkerEvent.TASK_FAILED, "task_failed"):
        registry = CollectorRegistry()
        registry.register(Shown(label))
        pages.append(generate_latest(registry))
    assert pages[0] == pages[1]


def test_events_of_a_log_have_one_meaning():
    assert not set(vocabulary.LogEvent) & set(vocabulary.WorkerEvent)

"""One question for all that wait, never asked before its asker came, and nobody held back by what another asks."""

import asyncio
from collections.abc import Collection, Mapping

import pytest
from aiokafka.errors import KafkaError

from stripeline.workers.kafka.opening import shared_question
from stripeline.workers.kafka.opening.shared_question import SharedQuestion


class Kafka:
    """Answers with how many questions it was asked before, each once it may; what is `without` an answer fails."""

    def __init__(self, without: str = "") -> None:
        self.asked: list[set[str]] = []
        self.without, self._may_answer = without, asyncio.Semaphore(0)
        self.second = asyncio.Event()

    async def ask(self, wanted: Collection[str]) -> Mapping[str, int]:
        number = len(self.asked)
        self.asked.append(set(wanted))
        if number:
            self.second.set()
        await self._may_answer.acquire()
        if self.without in wanted:
            raise KafkaError(f"{self.without} has no leader")
        return dict.fromkeys(wanted, number)

    def answer(self, questions: int) -> None:
        for _ in range(questions):
            self._may_answer.release()


async def begun(*askers: asyncio.Task[Mapping[str, int]]) -> None:
    await asyncio.sleep(0)
    assert not any(one.done() for one in askers)


async def test_those_that_come_while_one_is_asked_share_the_next() -> None:
    kafka = Kafka(without="none")
    question = SharedQuestion(kafka.ask)
    first = asyncio.create_task(question.of("a"))
    await begun(first)
    others = [asyncio.create_task(question.of(name)) for name in ("b", "bc", "d")]
    await begun(first, *others)
    kafka.answer(2)
    assert await asyncio.gather(first, *others) == [{"a": 0}, {"b": 1}, {"b": 1, "c": 1}, {"d": 1}]
    assert kafka.asked == [{"a"}, {"b", "c", "d"}]


async def test_one_that_fails_fails_no_other() -> None:
    kafka = Kafka(without="x")
    question = SharedQuestion(kafka.ask)
    first = asyncio.create_task(question.of("a"))
    await begun(first)
    ill, well = asyncio.create_task(question.of("x")), asyncio.create_task(question.of("b"))
    await begun(first, ill, well)
    kafka.answer(4)
    with pytest.raises(KafkaError, match="x has no leader"):
        await ill
    assert set(await well) == {"b"}


async def test_one_that_hangs_holds_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_question, "_SHARED_S", 0.02)
    hangs = asyncio.Event()

    async def ask(wanted: Collection[str]) -> Mapping[str, int]:
        if "x" in wanted:
            await hangs.wait()
        return dict.fromkeys(wanted, 0)

    question = SharedQuestion(ask)
    ill, well = asyncio.create_task(question.of("x")), asyncio.create_task(question.of("b"))
    assert await well == {"b": 0}
    assert not ill.done()
    hangs.set()
    assert await ill == {"x": 0}


async def test_a_cancelled_asker_leaves_the_others_an_answer() -> None:
    kafka = Kafka(without="none")
    question = SharedQuestion(kafka.ask)
    first, *others = [asyncio.create_task(question.of(name)) for name in "abc"]
    await begun(first, *others)
    kafka.answer(1)
    await first
    await kafka.second.wait()
    others[0].cancel()
    kafka.answer(1)
    assert await others[1] == {"c": 2}
    assert kafka.asked == [{"a"}, {"b", "c"}, {"c"}]
    assert others[0].cancelled()


async def test_what_has_no_answer_is_left_out() -> None:
    async def ask(_: Collection[str]) -> Mapping[str, int]:
        return {"a": 1, "other": 2}

    assert await SharedQuestion(ask).of("ab") == {"a": 1}

"""The check `kafka`: which parts Kafka does not answer, and why."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from stripeline.deploy.runtime.process import kafka_answers
from stripeline.deploy.runtime.process.kafka_answers import ASK_WHY_AFTER_S, UNREADY_AFTER_S, KafkaAnswers

LOGIN = "The broker refuses the login of User:alice: check STRIPELINE_KAFKA_SASL_PASSWORD."


def saying(words: str | None) -> Callable[[], Awaitable[str | None]]:
    async def why() -> str | None:
        return words

    return why


async def asked(answers: KafkaAnswers) -> None:
    """Let it ask once."""
    task = asyncio.create_task(answers.run())
    await asyncio.sleep(0.01)
    task.cancel()


def test_all_is_well_while_kafka_answers() -> None:
    answers = KafkaAnswers(saying(None), lambda: 0.0)
    answers.silent_s |= {"publisher": lambda: UNREADY_AFTER_S - 1, "router": lambda: 0.0}
    assert answers.missing() is None


async def test_a_silent_part_is_named_with_the_cause() -> None:
    answers = KafkaAnswers(saying(LOGIN), lambda: 0.0)
    answers.silent_s |= {"executor": lambda: 31.0, "router": lambda: 25.2, "publisher": lambda: 0.0}
    await asked(answers)
    assert answers.missing() == f"Kafka has not answered for 31 s (executor, router). {LOGIN}"


async def test_nobody_is_asked_while_kafka_answers() -> None:
    answers = KafkaAnswers(saying(LOGIN), lambda: 0.0)
    answers.silent_s["publisher"] = lambda: ASK_WHY_AFTER_S - 1
    await asked(answers)
    answers.silent_s["publisher"] = lambda: UNREADY_AFTER_S
    assert LOGIN not in (answers.missing() or "")
    assert "A new connection to it works" in (answers.missing() or "")


def test_the_control_table_counts_until_a_part_works() -> None:
    answers = KafkaAnswers(saying(None), lambda: 60.0)
    assert "60 s (control table)" in (answers.missing() or "")
    answers.silent_s["publisher"] = lambda: 0.0
    assert answers.missing() is None  # what it knows is used on; its own check says when it is too old


async def test_a_question_without_an_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_answers, "_ANSWER_S", 0.001)

    async def never() -> str | None:
        await asyncio.Event().wait()
        return None

    answers = KafkaAnswers(never, lambda: 60.0)
    await asked(answers)
    assert "Why could not be found out: TimeoutError." in (answers.missing() or "")

"""What a process says of failures that nobody waits for: of aiokafka's left-overs one line, of all others all."""

import asyncio
from types import FunctionType
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, ProducerFenced
from aiokafka.producer import message_accumulator

from deploy.processes import _unheard


class Loop:
    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        self.told.append(context)


def raises() -> None:
    raise KeyError("a batch")


def raised_in(module: dict[str, Any]) -> KeyError:
    with pytest.raises(KeyError) as caught:
        FunctionType(raises.__code__, module)()
    return caught.value


OF_AIOKAFKAS_BOOKS = raised_in(vars(message_accumulator))  # as a batch leaves it that failed while it was on its way


@pytest.mark.parametrize("error", [ProducerFenced(), ConnectionResetError(), OF_AIOKAFKAS_BOOKS])
def test_what_a_failed_producer_leaves_behind_is_no_traceback(error: Exception):
    loop = Loop()
    _unheard(loop, {"exception": error})
    assert loop.told == []


@pytest.mark.parametrize(
    "context", [{"exception": raised_in(globals())}, {"exception": KeyError()}, {"message": "a leak"}]
)
def test_everything_else_is_said_in_full(context: dict[str, Any]):
    loop = Loop()
    _unheard(loop, context)
    assert loop.told == [context]


async def failed(error: Exception) -> "asyncio.Task[None]":
    async def fails() -> None:
        raise error

    task = asyncio.create_task(fails())
    await asyncio.wait([task])
    return task


async def test_a_task_that_failed_is_said_in_full_though_the_error_is_kafkas():
    task = await failed(ProducerFenced())
    loop, context = Loop(), {"exception": task.exception(), "future": task}
    _unheard(loop, context)
    assert loop.told == [context]


async def test_a_task_of_the_client_that_met_its_own_books_is_no_traceback():
    task = await failed(ValueError())
    task.exception()
    loop = Loop()
    _unheard(loop, {"exception": OF_AIOKAFKAS_BOOKS, "future": task})
    assert loop.told == []


async def test_a_request_that_a_fenced_sender_left_running_is_no_traceback():
    class Sender:
        async def _do_add_offsets_to_txn(self) -> None:
            raise KafkaConnectionError

    task = asyncio.create_task(Sender()._do_add_offsets_to_txn())
    task.get_coro().__qualname__ = "Sender._do_add_offsets_to_txn"
    await asyncio.wait([task])
    loop = Loop()
    _unheard(loop, {"exception": task.exception(), "future": task})
    assert loop.told == []

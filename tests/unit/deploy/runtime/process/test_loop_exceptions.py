"""What a process says of failures that nobody waits for: of aiokafka's left-overs one line, of all others all."""

import asyncio
from collections.abc import Awaitable, Callable
from types import FunctionType
from typing import Any

import pytest
from aiokafka import conn
from aiokafka.errors import KafkaConnectionError, KafkaError, ProducerFenced
from aiokafka.producer import message_accumulator, sender

from stripeline.deploy.runtime.process.loop_exceptions import handle_loop_exception

Coroutine = Callable[..., Any]


class Loop:
    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        self.told.append(context)


def is_said_in_full(context: dict[str, Any]) -> bool:
    loop: Any = Loop()
    handle_loop_exception(loop, context)
    assert loop.told in ([], [context])
    return bool(loop.told)


def of(module: Any, function: Coroutine) -> Coroutine:
    """The function as if it were written in that module."""
    return FunctionType(function.__code__, {**vars(module), "__builtins__": __builtins__}, closure=function.__closure__)


async def raises(error: type[Exception]) -> None:
    raise error


async def awaits(other: Awaitable[None]) -> None:
    await other


async def fails_in_the_library(_: type[Exception]) -> None:
    await asyncio.wait_for(asyncio.open_connection("127.0.0.1", 1), 5)


async def of_a_task(work: Any) -> dict[str, Any]:
    task = asyncio.ensure_future(work)
    await asyncio.wait([task])
    return {"exception": task.exception(), "future": task}


async def of_a_future(error: Exception) -> dict[str, Any]:
    future = asyncio.get_running_loop().create_future()
    future.set_exception(error)
    return {"exception": future.exception(), "future": future}


ANY = pytest.mark.parametrize("error", [ProducerFenced, ConnectionResetError, KeyError, ValueError])


@ANY
@pytest.mark.parametrize("module", [message_accumulator, sender, conn])
async def test_a_task_of_aiokafka_that_failed_by_itself_is_one_line(error: type[Exception], module: Any):
    assert not is_said_in_full(await of_a_task(of(module, raises)(error)))


async def test_so_it_is_where_the_library_beneath_it_failed():
    context = await of_a_task(of(conn, fails_in_the_library)(ValueError))
    assert isinstance(context["exception"], OSError)
    assert not is_said_in_full(context)


@ANY
async def test_a_task_of_ours_is_said_in_full_whatever_it_raised(error: type[Exception]):
    assert is_said_in_full(await of_a_task(raises(error)))


@ANY
async def test_an_aiokafka_error_in_our_task_is_logged_in_full(error: type[Exception]):
    assert is_said_in_full(await of_a_task(awaits(of(sender, raises)(error))))
    assert is_said_in_full(await of_a_task(asyncio.gather(awaits(of(sender, raises)(error)))))


@ANY
async def test_our_error_in_a_task_of_aiokafka_is_logged_in_full(error: type[Exception]):
    assert is_said_in_full(await of_a_task(of(sender, awaits)(raises(error))))
    assert is_said_in_full(await of_a_task(of(sender, awaits)(awaits(of(sender, raises)(error)))))


@pytest.mark.parametrize("error", [ProducerFenced, KafkaConnectionError, ConnectionResetError])
async def test_an_orphaned_connection_error_is_one_line(error: type[Exception]):
    assert not is_said_in_full(await of_a_future(error()))


async def test_another_error_in_a_future_of_nobodys_is_said_in_full():
    assert is_said_in_full(await of_a_future(KeyError()))


async def test_an_orphaned_aiokafka_error_is_one_line():
    heard = (await of_a_task(awaits(of(sender, raises)(KeyError))))["exception"]
    assert not is_said_in_full(await of_a_future(heard))


async def test_our_error_of_kafkas_type_is_logged_in_full():
    ours = (await of_a_task(of(sender, awaits)(raises(KafkaError))))["exception"]
    assert is_said_in_full(await of_a_future(ours))


@pytest.mark.parametrize("context", [{"message": "a leak"}, {"exception": KeyError()}, {"exception": ProducerFenced()}])
def test_everything_else_is_said_in_full(context: dict[str, Any]):
    assert is_said_in_full(context)


async def test_the_end_of_a_process_is_no_left_over():
    class Ended(BaseException):
        pass

    assert is_said_in_full({"exception": Ended()})

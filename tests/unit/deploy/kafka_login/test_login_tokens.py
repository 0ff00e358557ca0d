"""One token for all connections, and a cause that aiokafka survives."""

import asyncio

import pytest
from aiokafka.errors import KafkaError

from stripeline.contracts.vocabulary import LogEvent
from stripeline.deploy.kafka_login import login_tokens
from stripeline.deploy.kafka_login.login_tokens import Fetched, KafkaLoginError, LoginTokens, TokenError


class Endpoint:
    """Gives token-1, token-2, … of 100 s; while `broken` is set, raises it."""

    def __init__(self) -> None:
        self.asked = 0
        self.now_s = 0.0
        self.broken: Exception | None = None
        self.answers = asyncio.Event()
        self.answers.set()

    async def __call__(self) -> Fetched:
        self.asked += 1
        await self.answers.wait()
        if self.broken is not None:
            raise self.broken
        return Fetched(value=f"token-{self.asked}", lifetime_s=100)

    def tokens(self) -> LoginTokens:
        return LoginTokens(self, now=lambda: self.now_s)


async def test_many_connections_share_one_fetch() -> None:
    endpoint = Endpoint()
    endpoint.answers.clear()
    tokens = endpoint.tokens()
    waiting = [asyncio.create_task(tokens.token()) for _ in range(50)]
    await asyncio.sleep(0)
    waiting[0].cancel()  # a connection that is given up
    await asyncio.sleep(0)
    endpoint.answers.set()
    assert set(await asyncio.gather(*waiting[1:])) == {"token-1"}
    endpoint.now_s = 79
    assert await tokens.token() == "token-1"
    assert endpoint.asked == 1


async def test_a_token_is_renewed_while_the_former_one_is_used() -> None:
    endpoint = Endpoint()
    tokens = endpoint.tokens()
    await tokens.token()
    endpoint.now_s = 81
    assert await tokens.token() == "token-1"  # without waiting for the endpoint
    for _ in range(5):
        await asyncio.sleep(0)
    assert await tokens.token() == "token-2"


async def test_a_valid_token_outlives_an_endpoint_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    endpoint = Endpoint()
    tokens = endpoint.tokens()
    await tokens.token()
    endpoint.now_s, endpoint.broken = 81, TokenError("the endpoint is away")
    for _ in range(10):
        assert await tokens.token() == "token-1"
        await asyncio.sleep(0)
    assert endpoint.asked == 2  # once, and then not before its pause
    assert tokens.problem() == "the endpoint is away"
    assert LogEvent.KAFKA_LOGIN_FAILED in caplog.text
    endpoint.now_s = 96
    with pytest.raises(KafkaLoginError, match="the endpoint is away"):
        await tokens.token()
    endpoint.now_s, endpoint.broken = 110, None
    assert await tokens.token() == "token-4"
    assert tokens.problem() is None


@pytest.mark.parametrize("raised", [ValueError("a secret"), KeyError("x"), RuntimeError()])
async def test_any_error_reaches_aiokafka_as_a_kafka_error(raised: Exception) -> None:
    """Any other would end aiokafka's background tasks, and the client would never connect again."""
    endpoint = Endpoint()
    endpoint.broken = raised
    with pytest.raises(KafkaError, match=type(raised).__name__) as caught:
        await endpoint.tokens().token()
    assert "a secret" not in str(caught.value)


async def test_an_endpoint_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login_tokens, "FETCH_S", 0.02)
    endpoint = Endpoint()
    endpoint.answers.clear()
    tokens = endpoint.tokens()
    with pytest.raises(KafkaLoginError, match="did not come within"):
        await tokens.token()
    with pytest.raises(KafkaLoginError, match="did not come within"):  # at once
        await tokens.token()
    assert endpoint.asked == 1


async def test_extensions_are_what_the_settings_say() -> None:
    assert LoginTokens(Endpoint(), extensions={"logicalCluster": "lkc-1"}).extensions() == {"logicalCluster": "lkc-1"}
    assert Endpoint().tokens().extensions() == {}

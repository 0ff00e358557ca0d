"""Tokens from a token endpoint: what is sent, and the sentence of each fault."""

import asyncio
import ssl
from typing import Any

import pytest
from pydantic import SecretStr

from stripeline.deploy.kafka_login import client_credentials
from stripeline.deploy.kafka_login.client_credentials import ClientCredentials
from stripeline.deploy.kafka_login.login_tokens import TokenError
from tests.support.certificates import LOOPBACK, Authority
from tests.support.token_server import CLIENT, SECRET, TokenServer, token_server


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_credentials, "_PAUSE_S", 0.001)


def client(server: TokenServer, **changes: Any) -> ClientCredentials:
    fields = {"url": server.url, "client_id": CLIENT, "secret": SecretStr(SECRET)}
    return ClientCredentials(**(fields | changes))


async def refusal(found: ClientCredentials) -> TokenError:
    with pytest.raises(TokenError) as caught:
        await found()
    assert SECRET not in str(caught.value)
    assert "s3cret" not in str(caught.value)
    return caught.value


async def test_a_token_is_asked_for_with_scope_and_audience():
    async with token_server() as server:
        fetched = await client(server, scope="kafka", audience="cluster")()
        assert (fetched.value, fetched.lifetime_s) == ("t", 300)
        assert server.requests == [{"grant_type": "client_credentials", "scope": "kafka", "audience": "cluster"}]


@pytest.mark.parametrize(
    ("given", "lifetime_s"), [("60", 60), (None, 300), (0, 300), (-5, 300), ("soon", 300), (1.5, 1.5)]
)
async def test_a_lifetime_is_read_as_providers_write_it(given, lifetime_s):
    async with token_server(lifetime_s=given) as server:
        assert (await client(server)()).lifetime_s == lifetime_s


async def test_what_passes_is_tried_again_and_what_does_not_is_not():
    async with token_server() as server:
        server.answers = [(503, {}), (429, {"error": "slow_down"})]
        assert (await client(server)()).value == "t"
        assert len(server.requests) == 3
        server.down = True
        error = await refusal(client(server))
        assert not error.refused
        assert "HTTP 503, temporarily_unavailable" in str(error)
        assert len(server.requests) == 6
        error = await refusal(client(server, secret=SecretStr("wrong s3cret")))
        assert len(server.requests) == 9
        server.down = False
        error = await refusal(client(server, secret=SecretStr("wrong s3cret")))
        assert error.refused
        assert "(HTTP 401, invalid_client): unknown client. Check STRIPELINE_KAFKA_OAUTH_CLIENT_ID and" in str(error)
        assert len(server.requests) == 10


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((200, {"token_type": "Bearer"}), "STRIPELINE_KAFKA_OAUTH_TOKEN_URL must be the provider's token endpoint"),
        ((200, {"access_token": "a\x01b"}), "answered without a bearer token"),
        ((200, {"access_token": "t", "token_type": "mac"}), "answered without a bearer token"),
        ((200, ["t"]), "answered without a bearer token"),
        ((302, {}), "HTTP 302"),
        ((400, {"error": "invalid_scope"}), "Check STRIPELINE_KAFKA_OAUTH_SCOPE"),
        ((400, {"error": "unauthorized_client"}), "Allow the client_credentials grant"),
        ((400, {"error": "x", "error_description": f"you sent {SECRET}"}), "you sent …masked"),
        ((400, {"error": "x", "error_description": "a\nb" * 900}), "a b"),
        ((404, "not here"), "HTTP 404"),
    ],
    ids=lambda value: None if isinstance(value, tuple) else value[:20],
)
async def test_an_answer_without_a_token_says_what_to_check(answer, said):
    async with token_server() as server:
        server.answers = [answer]
        error = await refusal(client(server))
        assert said in str(error)
        assert len(str(error)) < 600
        assert len(server.requests) == 1


async def test_an_endpoint_that_is_away_is_named():
    error = await refusal(ClientCredentials(url="http://127.0.0.1:1/t", client_id="x", secret=SecretStr(SECRET)))
    assert "the token endpoint http://127.0.0.1:1/t can't be reached" in str(error)
    assert "STRIPELINE_KAFKA_OAUTH_TOKEN_URL" in str(error)


async def test_an_endpoint_that_hangs_is_given_up(monkeypatch):
    monkeypatch.setattr(client_credentials, "_ATTEMPT_S", 0.05)

    gone = asyncio.Semaphore(0)

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # until the client is gone
        writer.close()
        await writer.wait_closed()
        gone.release()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as silent:
        url = f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}/t"
        error = await refusal(ClientCredentials(url=url, client_id="x", secret=SecretStr(SECRET)))
        assert "no answer in time" in str(error)
        for _ in range(3):  # attempts
            await gone.acquire()


async def test_the_endpoints_certificate_is_verified(tmp_path):
    authority = Authority.create(tmp_path)
    identity = authority.issue("login", hosts=LOOPBACK)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(identity.cert_file, identity.key_file)
    async with token_server(tls=tls) as server:
        error = await refusal(client(server))
        assert error.refused
        assert "is not trusted" in str(error)
        assert "STRIPELINE_KAFKA_OAUTH_CA_FILE" in str(error)
        assert server.requests == []
        trusting = ssl.create_default_context(cafile=authority.ca_file)
        assert (await client(server, tls=trusting)()).value == "t"

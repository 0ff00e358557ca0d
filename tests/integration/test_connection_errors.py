"""Why Kafka can't be reached: each cause that needs no secured Kafka, produced for real, has its own sentence."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from stripeline.deploy.local.kafka import KafkaSpec, LocalKafka, free_port
from stripeline.deploy.operations.connection_probe import why_unreachable
from stripeline.deploy.settings.kafka_options import kafka_client_options
from stripeline.deploy.settings.settings import load_settings
from tests.support.broker import Broker
from tests.support.certificates import LOOPBACK, Authority

LOGIN = {"kafka_sasl_username": "ada", "kafka_sasl_password": "hunter2"}
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def why(servers: str | int, step_s: float = 1.0, **more: Any) -> str | None:
    address = f"localhost:{servers}" if isinstance(servers, int) else servers
    settings = load_settings({"kafka_bootstrap_servers": address, **more})
    return await why_unreachable(settings, kafka_client_options(settings), step_s)


@contextlib.asynccontextmanager
async def served(answer: bytes | None) -> AsyncIterator[int]:
    """A server that answers anything with these bytes and closes; None: it answers nothing."""
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        if answer is None:
            await ended.wait()
        else:
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        ended.set()


async def test_a_kafka_that_answers_has_no_fault(broker: Broker) -> None:
    assert await why(broker.bootstrap_servers) is None


async def test_one_good_bootstrap_address_is_enough(broker: Broker) -> None:
    assert await why(f"localhost:1,{broker.bootstrap_servers}") is None


async def test_an_unknown_host() -> None:
    text = await why("nowhere.invalid:9092")
    assert text is not None
    assert text.startswith("Can't reach Kafka: the host nowhere.invalid is unknown here")
    assert "Correct the name in KAFKA_BOOTSTRAP_SERVERS" in text


async def test_a_port_where_nothing_listens() -> None:
    port = free_port()
    text = await why(port)
    assert text is not None
    assert f"nothing listens at localhost:{port} (connection refused)" in text
    assert "`stripeline kafka run`" in text


async def test_each_bootstrap_address_has_its_cause() -> None:
    text = await why(f"nowhere.invalid:9092,localhost:{free_port()}")
    assert text is not None
    assert "nowhere.invalid is unknown" in text
    assert "connection refused" in text


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SSL"])
async def test_a_connection_attempt_without_an_answer(protocol: str) -> None:
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):  # what more than the backlog ask for is dropped, as by a firewall
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        text = await why(f"127.0.0.1:{full.getsockname()[1]}", 0.3, kafka_security_protocol=protocol)
    assert text is not None
    assert "does not answer a connection attempt. A firewall" in text


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SSL"])
async def test_a_server_that_never_answers(protocol: str) -> None:
    async with served(None) as port:
        text = await why(f"127.0.0.1:{port}", 0.3, kafka_security_protocol=protocol)
    assert text is not None
    assert f"127.0.0.1:{port} accepts connections and answers no request" in text


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SSL", "SASL_PLAINTEXT"])
async def test_a_web_server(protocol: str) -> None:
    login = LOGIN if protocol.startswith("SASL_") else {}
    async with served(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        text = await why(port, kafka_security_protocol=protocol, **login)
    assert text is not None
    assert f"what listens at localhost:{port} is not Kafka (it answers like a web server)" in text


async def test_a_server_that_closes_at_once() -> None:
    async with served(b"") as port:
        text = await why(port)
    assert text is not None
    assert f"localhost:{port} closes the connection at the first request" in text


async def test_a_kafka_that_is_too_old() -> None:
    old = b"\x00\x00\x00\x10" + b"\x00\x00\x00\x01" + b"\x00\x00" + b"\x00\x00\x00\x01" + b"\x00\x00\x00\x00\x00\x02"
    async with served(old) as port:
        text = await why(port)
    assert text is not None
    assert f"the Kafka at localhost:{port} is too old" in text
    assert "InitProducerId" in text


@pytest.mark.parametrize(("protocol", "fits"), [("SSL", "PLAINTEXT"), ("SASL_SSL", "SASL_PLAINTEXT")])
async def test_tls_to_a_plaintext_port(broker: Broker, protocol: str, fits: str) -> None:
    login = LOGIN if protocol.startswith("SASL_") else {}
    text = await why(broker.bootstrap_servers, kafka_security_protocol=protocol, **login)
    assert text is not None
    assert f"does not speak TLS, and STRIPELINE_KAFKA_SECURITY_PROTOCOL is {protocol}. Set it to {fits}," in text


async def test_a_login_where_none_is_taken(broker: Broker) -> None:
    text = await why(broker.bootstrap_servers, kafka_security_protocol="SASL_PLAINTEXT", **LOGIN)
    assert text is not None
    assert "takes no login, and STRIPELINE_KAFKA_SECURITY_PROTOCOL is SASL_PLAINTEXT. Set it to PLAINTEXT," in text
    assert "hunter2" not in text


async def test_an_advertised_address_that_is_out_of_reach(tmp_path: Path) -> None:
    port, wrong = free_port(), free_port()
    kafka = LocalKafka(KafkaSpec(port=port, data_dir=tmp_path, advertised_port=wrong))
    start = asyncio.create_task(kafka.start())  # it waits at the advertised address, where nothing answers
    try:
        text = None
        async with asyncio.timeout(30):
            while text is None or "advertised" not in text:
                text = await why(f"127.0.0.1:{port}")
                await asyncio.sleep(0.1)
    finally:
        start.cancel()
        await asyncio.wait((start,))
        await kafka.stop()
    assert f"Kafka at 127.0.0.1:{port} answers, and sends its clients to 127.0.0.1:{wrong} (advertised.list" in text
    assert "correct advertised.listeners of that broker" in text


async def test_a_tls_version_that_is_not_shared(tmp_path: Path) -> None:
    authority = Authority.create(tmp_path)
    identity = authority.issue("broker", hosts=LOOPBACK)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(identity.cert_file, identity.key_file)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    settings = load_settings({
        "kafka_security_protocol": "SSL", "kafka_ca_file": authority.ca_file,
    })  # fmt: skip
    client = {**kafka_client_options(settings)}
    newest = ssl.create_default_context(cafile=authority.ca_file)
    newest.minimum_version = ssl.TLSVersion.TLSv1_3

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        text = await why_unreachable(settings, {**client, "bootstrap_servers": address, "ssl_context": newest}, 1.0)
    assert text is not None
    assert f"the TLS handshake with {address} fails" in text
    assert "Compare the broker's ssl.enabled.protocols" in text

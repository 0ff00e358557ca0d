"""`stripeline apply` asks the sandbox whose key it is: another account's key is refused, a rolled one goes on."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from stripeline.contracts.operator.control_records import ConnectionAccount
from stripeline.contracts.topics import Topics
from stripeline.deploy.cli import main
from stripeline.deploy.operations import topics as admin
from stripeline.deploy.sandbox.http_server import SandboxServer
from stripeline.workers.kafka.control_table import read_all
from stripeline.workers.secrets.vault import new_master_key
from tests.support.broker import Broker

KEY, ROLLED, OTHER, LIVE = "sk_test_firsthidden", "sk_test_rolledhidden", "sk_test_otherhidden", "sk_live_firsthidden"
RESTRICTED = "rk_test_restrictedhidden"
FILE = 'connections:\n  acme: {secret_key: "${env:ACME_KEY}"}\n'
DECLARED = 'connections:\n  acme: {secret_key: "${env:ACME_KEY}", account: acct_1Acme}\n'

Apply = Callable[..., Awaitable[tuple[int, str]]]


@pytest.fixture
async def sandbox() -> AsyncIterator[SandboxServer]:
    async with SandboxServer(port=0) as server:
        for key in (KEY, ROLLED, LIVE, RESTRICTED):
            server.sandbox.accounts.assign(key, "acct_1Acme")
        server.sandbox.accounts.assign(OTHER, "acct_1Other")
        yield server


@pytest.fixture
async def call(
    broker: Broker, prefix: str, sandbox: SandboxServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Apply:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", broker.bootstrap_servers)
    monkeypatch.setenv("STRIPELINE_TOPIC_PREFIX", prefix)
    monkeypatch.setenv("STRIPELINE_PARTITIONS", "1")
    monkeypatch.setenv("STRIPELINE_MASTER_KEY", new_master_key())
    monkeypatch.setenv("STRIPELINE_STRIPE_API_BASE", sandbox.url)
    await admin.apply(Topics(prefix=prefix), 1, {"bootstrap_servers": broker.bootstrap_servers})

    def ended(arguments: tuple[str, ...]) -> int:
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert isinstance(caught.value.code, int)
        return caught.value.code

    async def run(*arguments: str, key: str = KEY, file: str = FILE) -> tuple[int, str]:
        monkeypatch.setenv("ACME_KEY", key)
        (tmp_path / "acme.yaml").write_text(file)
        capfd.readouterr()
        code = await asyncio.to_thread(ended, arguments or ("apply", "acme.yaml"))
        out, err = capfd.readouterr()
        assert "hidden" not in out + err
        return code, out + err

    return run


async def test_a_connection_keeps_its_account_and_mode(
    call: Apply, sandbox: SandboxServer, broker: Broker, prefix: str
) -> None:
    topic, client = Topics(prefix=prefix).control, {"bootstrap_servers": broker.bootstrap_servers}
    assert (await call("apply", "acme.yaml", "--dry-run"))[0] == 0
    assert (await read_all(topic, client)).accounts == {}
    code, said = await call()
    assert (code, "connection acme is account acct_1Acme in test mode" in said) == (0, True)
    first = await read_all(topic, client)
    assert first.accounts == {"acme": ConnectionAccount(account="acct_1Acme", mode="test")}
    assert first.places["account/acme"].offset < first.places["connection/acme"].offset

    assert (await call(key=ROLLED))[0] == 0
    rolled = await read_all(topic, client)
    assert rolled.connections["acme"].key_name != first.connections["acme"].key_name
    assert rolled.places["account/acme"] == first.places["account/acme"]

    for key, words in ((OTHER, "Give the new account's connection a new name"), (LIVE, "this is a live key")):
        code, said = await call(key=key)
        assert (code, words in said) == (1, True)
    code, said = await call(key=RESTRICTED)
    assert (code, "write `account: acct_…` beside the key" in said) == (1, True)
    assert (await call(key=RESTRICTED, file=DECLARED))[0] == 0

    code, said = await call("get", "connections", "--json")
    assert [row["account"] for row in json.loads(said)] == ["acct_1Acme"]
    assert (await call("delete", "connection", "acme", "--yes"))[0] == 0
    code, said = await call(key=OTHER)
    assert (code, "is of account acct_1Acme in test mode" in said) == (1, True)


async def test_without_stripe_an_account_must_be_declared(call: Apply, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPELINE_STRIPE_API_BASE", "http://127.0.0.1:1")
    code, said = await call()
    assert (code, "Stripe can't be reached. Try again, or declare it" in said) == (1, True)
    assert (await call(file=DECLARED))[0] == 0


async def test_a_key_that_may_not_ask_is_taken_once_with_a_warning(call: Apply) -> None:
    code, said = await call(key=RESTRICTED)
    assert (code, "warning: connection acme: nobody knows its account" in said) == (0, True)
    code, said = await call(key=KEY)
    assert (code, "write `account: acct_1Acme` beside the key" in said) == (1, True)

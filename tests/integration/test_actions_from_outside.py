"""The example package of `docs/examples/acme-actions`, installed beside Stripeline: an action like any other."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from stripeline.contracts.definitions import Definitions
from stripeline.deploy.contract import files
from stripeline.deploy.definitions.load import load
from stripeline.deploy.definitions.problems import ConfigurationError
from stripeline.deploy.sandbox.sandbox import Sandbox
from stripeline.workers.actions import actions, built_in_actions
from stripeline.workers.secrets.vault import Vault, new_master_key
from stripeline.workers.stripe.api import StripeApi
from tests.support.broker import Broker
from tests.support.cluster import cluster
from tests.support.in_memory_executor import InMemoryExecutor
from tests.support.product_sources import ROOT
from tests.support.records import command

EXAMPLE, KEY = ROOT / "docs/examples/acme-actions", "acme/create-refund"
REFUND = {"id": "re_1", "object": "refund", "amount": 500, "currency": "usd", "status": "succeeded"}
OUTPUT = {**REFUND, "payment_intent": "pi_1", "created": 1_790_000_000}
CONFIG = """
connections:
  acme: {secret_key: "${env:ACME_KEY}"}
triggers:
  payments: {kind: stripe/payment-event, connection: acme, signing_secrets: ["${env:ACME_WHSEC}"]}
workflows:
  refund:
    trigger: payments
    types: [payment_intent.succeeded]
    steps:
      - {id: refund, action: acme/create-refund, input: {payment_intent: "=data.id", AMOUNT: 500}}
      - {id: customer, action: stripe/create-customer, input: {description: "=steps.refund.status"}}
"""
"""With AMOUNT as `amount` it is valid."""
VALID = CONFIG.replace("AMOUNT", "amount")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example package installed, as in a user's site-packages."""
    source, target = tmp_path_factory.mktemp("source") / "acme-actions", tmp_path_factory.mktemp("site")
    shutil.copytree(EXAMPLE, source)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-deps", "--no-build-isolation", "--no-index", "--target", str(target)]
    subprocess.run([*pip, *offline, str(source)], check=True, capture_output=True, text=True)
    return target


@pytest.fixture
def installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(site)
    actions.cache_clear()
    yield
    actions.cache_clear()


def run(site: Path | None, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    beside = {} if site is None else {"PYTHONPATH": str(site)}
    return subprocess.run(
        [sys.executable, "-m", *arguments], env={**os.environ, "COLUMNS": "200", **beside, **environment},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def schema(folder: Path, name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads((folder / f"schemas/{name}.v1.schema.json").read_text(encoding="utf-8"))
    return found


def test_it_is_listed_after_our_own(installed):
    assert list(actions()) == [*built_in_actions(), KEY]


def test_its_own_test_passes(site):
    done = run(site, "pytest", "-q", "-c", "pyproject.toml", "--rootdir", str(EXAMPLE), str(EXAMPLE / "tests"))
    assert done.returncode == 0, done.stdout


def test_the_exported_contract_has_it(site, tmp_path):
    done = run(site, "stripeline.deploy", "contracts", "export", "--folder", str(tmp_path))
    assert done.returncode == 0, done.stderr
    commands, results = schema(tmp_path, "command"), schema(tmp_path, "result")
    assert commands["properties"]["action"]["enum"] == [KEY, *built_in_actions()]
    assert set(commands["$defs"]["AcmeCreateRefundInput"]["properties"]) == {"payment_intent", "amount", "reason"}
    assert commands["$defs"]["AcmeCreateRefundInput"]["additionalProperties"] is False
    assert "re_…" in results["$defs"]["AcmeCreateRefundOutput"]["properties"]["id"]["description"]
    assert (tmp_path / "schemas/examples/command/acme-create-refund-1.json").is_file()
    assert KEY in (tmp_path / "asyncapi.json").read_text(encoding="utf-8")


def test_our_own_contract_is_right_where_it_is_installed(site, tmp_path):
    assert run(site, "stripeline.deploy", "contracts", "check", "--folder", str(ROOT / "contracts")).returncode == 0
    done = run(site, "stripeline.deploy", "contracts", "export", "--built-in", "--folder", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "asyncapi.json").read_bytes() == (ROOT / "contracts/asyncapi.json").read_bytes()


def test_a_contract_with_it_is_checked_with_it(installed, tmp_path):
    folder = tmp_path / "contract"
    shutil.copytree(ROOT / "contracts/released", folder / "released")
    files.export(folder)
    assert files.check(folder) == []  # an action more breaks nobody
    files.release(folder)
    path = next((folder / "released").rglob("command.v1.schema.json"))
    path.write_text(path.read_text(encoding="utf-8").replace('"reason"', '"cause"'), encoding="utf-8")
    assert any("input.cause: the field is gone: breaking" in problem for problem in files.check(folder))


def test_a_contract_with_it_differs_where_it_is_missing(site, tmp_path):
    assert run(site, "stripeline.deploy", "contracts", "export", "--folder", str(tmp_path)).returncode == 0
    shutil.copytree(ROOT / "contracts/released", tmp_path / "released")
    done = run(None, "stripeline.deploy", "contracts", "check", "--folder", str(tmp_path))
    assert done.returncode == 1
    assert "command.v1.schema.json differs from the models" in done.stdout


def test_apply_checks_a_workflow_that_uses_it(installed, tmp_path):
    file = tmp_path / "stripeline.yaml"
    secrets = {"ACME_KEY": "sk_test_1", "ACME_WHSEC": "whsec_1"}
    vault = Vault.from_ring((SecretStr(new_master_key()),))
    file.write_text(VALID)
    assert "workflow/refund" in load(file, vault, Definitions(), secrets.get)
    file.write_text(CONFIG)
    with pytest.raises(ConfigurationError, match="acme/create-refund has no input 'AMOUNT'"):
        load(file, vault, Definitions(), secrets.get)


class Stripe:
    """It makes each refund, and its answer to the call is lost; it offers no search for refunds."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.paths: list[str] = []
        self.refunds: dict[str, dict[str, Any]] = {}

    async def create(self, request: web.Request) -> web.StreamResponse:
        form, key = await request.post(), request.headers["Idempotency-Key"]
        names = ("stripeline_installation", "stripeline_command", "stripeline_partition")
        metadata = {name: form[f"metadata[{name}]"] for name in names}
        refund = {**OUTPUT, "payment_intent": form["payment_intent"], "amount": int(str(form["amount"]))}
        self.refunds[key] = {**refund, "metadata": metadata}
        self.keys.append(key)
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def search(self, request: web.Request) -> web.Response:
        self.paths.append(request.path)
        return web.json_response({"error": {"code": "resource_missing", "type": "invalid_request_error"}}, status=404)

    async def list(self, request: web.Request) -> web.Response:
        self.paths.append(request.path)
        return web.json_response({"object": "list", "data": [*self.refunds.values()], "has_more": False})


@pytest.fixture
async def stripe() -> AsyncIterator[tuple[Stripe, str]]:
    answers, app = Stripe(), web.Application()
    app.router.add_post("/v1/refunds", answers.create)
    app.router.add_get("/v1/refunds/search", answers.search)
    app.router.add_get("/v1/refunds", answers.list)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield answers, "http://{}:{}".format(*runner.addresses[0][:2])
    await runner.cleanup()


async def test_an_executor_makes_its_call_and_looks_it_up(installed, stripe):
    answers, url = stripe
    async with StripeApi(url, lambda _: SecretStr("sk_test_1")) as api:
        executor = InMemoryExecutor(api.send, Sandbox())
        executor.send(command(action=KEY, input={"payment_intent": "pi_7", "amount": 500}))
        await executor.run()
    assert len(answers.keys) > 1
    assert set(answers.keys) == {"stripeline:inst1:c1"}
    assert answers.refunds["stripeline:inst1:c1"]["metadata"] == {
        "stripeline_installation": "inst1",
        "stripeline_command": "c1",
        "stripeline_partition": "0",
    }
    assert answers.paths[:2] == ["/v1/refunds/search", "/v1/refunds"]
    result = executor.only_result()
    assert (result["status"], result["output"]) == ("succeeded", {**OUTPUT, "payment_intent": "pi_7"})


async def test_an_executor_without_it_does_not_start(installed, site, broker: Broker, prefix: str, tmp_path: Path):
    async with cluster(broker.bootstrap_servers, prefix, tmp_path, config=VALID) as found:
        without = found.add("executor-0", "executor")
        assert without.child is not None
        assert await asyncio.to_thread(without.child.wait, 60) == 1
        assert "This executor can't start: no installed package provides" in without.tail()
        assert "refund uses acme/create-refund. Install the package" in without.tail()
        await found.add("executor-1", "executor", PYTHONPATH=str(site)).ready()


async def test_a_broken_action_stops_every_executor(site, broker: Broker, prefix: str, tmp_path: Path):
    async with cluster(broker.bootstrap_servers, prefix, tmp_path) as found:
        broken = tmp_path / "broken"
        shutil.copytree(site, broken)
        (broken / "acme_actions/create_refund.py").write_text("ACTION = 1")
        process = found.add("executor", "executor", PYTHONPATH=str(broken))
        assert process.child is not None
        assert await asyncio.to_thread(process.child.wait, 60) == 1
        said = process.tail()
        assert "acme-actions 1.0.0: create-refund = acme_actions.create_refund:ACTION is of type int" in said
        assert "Traceback" not in said
